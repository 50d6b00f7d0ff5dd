"""The Dockerfile for real: built on a base made here, run as it ships, stopped as an orchestrator stops it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BASE, IMAGE = "tes-base:bookworm", "test-execution-system:test"
pytestmark = [
    pytest.mark.requires("docker"),
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("debootstrap"), reason="needs root and debootstrap"),
    pytest.mark.timeout(900),
]


def client() -> str:
    """A docker that builds with BuildKit: one with buildx, or one from before 23 that has it inside."""
    seen = dict.fromkeys(filter(None, (shutil.which("docker"), "/usr/bin/docker")))
    for path in filter(os.path.exists, seen):
        version = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        old = version.partition("version ")[2].partition(".")[0] in {"18", "19", "20"}
        if old or not subprocess.run([path, "buildx", "version"], capture_output=True).returncode:
            return path
    pytest.skip("needs a docker client with BuildKit: install docker-buildx")


def run(*argv: str | Path, timeout: float = 600, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, argv)), capture_output=True, text=True, timeout=timeout, env={**os.environ, **environment}
    )
    assert done.returncode == 0, f"{argv}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def docker() -> Iterator[str]:
    """The client, once the image is there."""
    found = client()
    run(ROOT / "scripts/base-image.sh", BASE, DOCKER=found)
    secret = next(filter(os.path.exists, (os.environ.get("PIP_CERT", ""), "/etc/ssl/certs/ca-certificates.crt")), None)
    trust = ["--secret", f"id=ca,src={secret}"] if secret else []
    words = ["--network", "host", "--build-arg", f"BASE_IMAGE={BASE}", "--tag", IMAGE]
    run(found, "build", *words, *trust, ROOT, DOCKER_BUILDKIT="1")
    yield found
    subprocess.run([found, "image", "rm", "--force", IMAGE], capture_output=True, timeout=60)


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
