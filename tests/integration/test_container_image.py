"""The Dockerfile for real: built on a base made here, run as it ships, stopped as an orchestrator stops it."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest

from tests.image import built, can_make, run

IMAGE = "test-execution-system:test"
pytestmark = [
    pytest.mark.requires("docker"),
    pytest.mark.skipif(not can_make(), reason="needs root and debootstrap"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def docker() -> Iterator[str]:
    """The client, once the image is there."""
    with built(IMAGE) as client:
        yield client


def test_the_service_answers_is_healthy_and_stops_at_once(docker: str) -> None:
    name = f"tes-test-{os.getpid()}"
    run(docker, "run", "--detach", "--name", name, "--publish", "127.0.0.1::8000", "--cap-drop", "ALL", IMAGE)
    try:
        address = run(docker, "port", name, "8000").splitlines()[0]
        until = time.monotonic() + 120
        while run(docker, "inspect", "--format", "{{.State.Health.Status}}", name) != "healthy":
            assert time.monotonic() < until, run(docker, "logs", name)
            time.sleep(0.5)
        with urllib.request.urlopen(f"http://{address}/healthz", timeout=5) as answer:
            assert answer.status == 200 and json.load(answer)["status"] == "alive"
        assert run(docker, "exec", name, "id", "-u") == "10001"
        began = time.monotonic()
        run(docker, "stop", "--time", "30", name)
        assert time.monotonic() - began < 15, "the stop signal did not reach the service"
    finally:
        subprocess.run([docker, "rm", "--force", "--volumes", name], capture_output=True, timeout=60)


def test_the_image_runs_tes_and_holds_no_certificates_of_the_build(docker: str) -> None:
    assert "usage: tes" in run(docker, "run", "--rm", IMAGE, "tes", "--help")
    history = run(docker, "history", "--no-trunc", "--format", "{{.CreatedBy}}", IMAGE)
    assert "BEGIN CERTIFICATE" not in history
    assert run(docker, "run", "--rm", IMAGE, "sh", "-c", "ls -A /run/secrets 2>/dev/null | wc -l") == "0"
