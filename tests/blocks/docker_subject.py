"""The docker platform under test: a real engine, real containers, a real HAProxy; everything is gone afterwards.

The images are made here: no registry is asked. Python and HAProxy come from Debian's packages.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import tarfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import docker

from blocks.platforms.docker import DockerPlatform
from blocks.platforms.docker_parts.names import Names
from domain.place import Release
from domain.spec import Health
from domain.supply import Artifact
from tests.blocks.bundles import SERVICE
from tests.blocks.local_subject import Connection
from tests.blocks.platform_contract import TARGET, Subject

ROOT = Path(__file__).resolve().parent.parent.parent
BASE, PROXY, IMAGE = "tes-base:bookworm", "tes-proxy:bookworm", "tes-test-service"
QUICK = Health(grace=15.0, interval=0.1, timeout=2.0, successes=2, failures=2)
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


INSTALLATION = "test-" + os.environ.get("PYTEST_XDIST_WORKER", "alone")
"""Tests that run at the same time see nothing of each other."""


class DockerSubject(Subject):
    patience = 8.0
    warm = 3.0
    _images: dict[str, Artifact] = {}

    def __init__(self, **options: Any) -> None:
        self.platform = DockerPlatform(proxy_image=PROXY, pull="never", installation=INSTALLATION, **options)

    def release(self, version: str, *, healthy: bool = True, **changes: Any) -> Release:
        if version not in self._images:
            self._images[version] = image(version)
        values: dict[str, Any] = {
            "service": "shop",
            "version": version,
            "artifact": self._images[version],
            "command": ("python", "-S", "-u", "service.py", "${PORT}"),
            "health": QUICK,
            "drain": 1.0,
            "warm": 60.0,
            "environment": {} if healthy else {"BROKEN": "1"},
        }
        return Release.model_validate(values | changes)

    async def address(self) -> str:
        return (await self.platform.inspect(TARGET)).address

    async def send(self, number: int) -> Counter[str]:
        async with Connection(await self.address()) as connection:
            answers = [await connection.get("/") for _ in range(number)]
        assert {status for status, _ in answers} <= {200}, answers
        return Counter(text for _, text in answers)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return time.time()

    async def clean(self) -> None:
        """Nothing that this platform created is left."""
        for target in await self.platform.targets():
            await self.platform._front(target).end()
        client = docker.from_env()
        try:
            left = client.containers.list(all=True, filters={"label": Names(TARGET, INSTALLATION).filters()})
            assert not left, [container.name for container in left]
        finally:
            client.close()


def containers(role: str = "copy") -> list[Any]:
    client = docker.from_env()
    try:
        return list(client.containers.list(all=True, filters={"label": Names(TARGET, INSTALLATION).filters(role)}))
    finally:
        client.close()
