"""Images for tests, made here: no registry is asked. Python and HAProxy come from Debian's packages."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import docker

from domain.supply import Artifact
from tests.blocks.bundles import SERVICE

ROOT = Path(__file__).resolve().parent.parent.parent
BASE, PROXY, IMAGE = "tes-base:bookworm", "tes-proxy:bookworm", "tes-test-service"
_DOCKERFILE = f"FROM {BASE}\nWORKDIR /srv\nCOPY . /srv/\nENV HOST=0.0.0.0\n"


def can_make_images() -> bool:
    return os.geteuid() == 0 and shutil.which("debootstrap") is not None


def make_images() -> None:
    """The base with Python, and the proxy's; nothing is done where they are."""
    for script, name in (("base-image.sh", BASE), ("proxy-image.sh", PROXY)):
        done = subprocess.run([ROOT / "scripts" / script, name], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]


def image(version: str) -> Artifact:
    """The tiny service of that version."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, text in {"Dockerfile": _DOCKERFILE, "service.py": SERVICE, "version.txt": version}.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    context.seek(0)
    client = docker.from_env()
    try:
        made, _ = client.images.build(fileobj=context, custom_context=True, tag=f"{IMAGE}:{version}", rm=True)
        return Artifact(kind="image", digest=str(made.id), location=f"{IMAGE}:{version}")
    finally:
        client.close()
