"""The project's own image for tests: built from the Dockerfile on a base that is made here. Layers are shared, names
are not, so that a test that removes its image takes it from nobody."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BASE = "tes-base:bookworm"


def can_make() -> bool:
    """The base image needs both."""
    return os.geteuid() == 0 and shutil.which("debootstrap") is not None


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
    """Runs it to its end, which has to be a good one, and returns what it printed."""
    done = subprocess.run(
        list(map(str, argv)), capture_output=True, text=True, timeout=timeout, env={**os.environ, **environment}
    )
    assert done.returncode == 0, f"{argv}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout.strip()


@contextmanager
def built(image: str) -> Iterator[str]:
    """The client, while the image is there under that name."""
    found = client()
    run(ROOT / "scripts/base-image.sh", BASE, DOCKER=found)
    secret = next(filter(os.path.exists, (os.environ.get("PIP_CERT", ""), "/etc/ssl/certs/ca-certificates.crt")), None)
    trust = ["--secret", f"id=ca,src={secret}"] if secret else []
    words = ["--network", "host", "--build-arg", f"BASE_IMAGE={BASE}", "--tag", image]
    run(found, "build", *words, *trust, ROOT, DOCKER_BUILDKIT="1")
    yield found
    subprocess.run([found, "image", "rm", "--force", image], capture_output=True, timeout=60)
