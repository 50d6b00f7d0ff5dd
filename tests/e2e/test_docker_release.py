"""The whole pipeline onto a Docker engine: an image is built, borne, released, found bad, and taken back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.blocks.images import BASE, PROXY, can_make_images, make_images
from tests.e2e.driver import Tes
from tests.e2e.tiny import tiny

INSTALLATION = f"e2e-{os.getpid()}"[:16]
pytestmark = [
    pytest.mark.requires("docker", "k6"),
    pytest.mark.skipif(not can_make_images(), reason="making images needs root and debootstrap"),
    pytest.mark.timeout(600),
]


@pytest.fixture
def on_docker(tmp_path: Path) -> Iterator[tuple[Tes, Path]]:
    """The command, and the tiny project as an image, to be run on this machine's engine."""
    make_images()
    project = tiny(tmp_path / "tiny", "tiny-docker")
    (project / "Dockerfile").write_text(f"FROM {BASE}\nWORKDIR /srv\nCOPY app.py /srv/\n")
    spec = project / "tes.yaml"
    spec.write_text(spec.read_text().replace("  staging:\n", "  staging:\n    platform: docker\n"))
    app = project / "app.py"
    app.write_text(app.read_text().replace('"127.0.0.1"', '"0.0.0.0"'))
    named = {"TES_DOCKER_PROXY_IMAGE": PROXY, "TES_DOCKER_INSTALLATION": INSTALLATION}
    tes = Tes(tmp_path / "home", named)
    yield tes, project
    tes.run("down", "--all")
    client = docker.from_env()
    label = {"label": f"io.test-execution-system.installation={INSTALLATION}"}
    for container in client.containers.list(all=True, filters=label):
        container.remove(force=True)
    for thing in (*client.networks.list(filters=label), *client.volumes.list(filters=label)):
        thing.remove()
    client.close()


def test_a_release_goes_to_the_engine_and_back(on_docker: tuple[Tes, Path]) -> None:
    tes, project = on_docker
    words = (str(project), "--environment", "staging", "--json")

    first = tes.run("release", *words, timeout=400)
    assert first.code == 0, first.out + first.err
    app = project / "app.py"
    app.write_text(app.read_text().replace('"one"', '"two"'))
    second = tes.run("release", *words, timeout=400)
    assert second.code == 0, second.out + second.err
    back = tes.run("rollback", *words, timeout=200)
    assert back.code == 0, back.out + back.err

    status = tes.run("status", "--json")
    print(status.out)
    client = docker.from_env()
    running = client.containers.list(filters={"label": f"io.test-execution-system.installation={INSTALLATION}"})
    roles = sorted(one.labels["io.test-execution-system.role"] for one in running)
    client.close()
    assert roles == ["copy", "copy", "front"], "both releases, one of them warm, and no preview"
