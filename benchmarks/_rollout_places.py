"""Where benchmarks/rollouts.py releases to: a platform with what it can run, empty before and after."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from blocks.platforms.docker import DockerPlatform
from blocks.platforms.kubernetes import KubernetesPlatform
from blocks.platforms.local import LocalPlatform
from blocks.platforms.protocol import HostsServices
from domain.supply import Artifact
from tests.blocks.bundles import SERVICE, archive
from tests.blocks import kubernetes_cluster
from tests.blocks.images import BASE, PROXY, can_make_images, make_images

INSTALLATION = "bench-rollouts"


@dataclass(frozen=True)
class Place:
    """A platform, the artifact, how the service is started from it, and what a health check is given."""

    platform: HostsServices
    artifact: Artifact
    command: Sequence[str]
    environment: dict[str, str]
    grace: float
    interval: float


def why_not(name: str) -> str | None:
    """Why nothing can be measured there; None where it can."""
    if name == "docker":
        if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
            return "no Docker engine answers"
        return None if can_make_images() else "images are made with root and debootstrap"
    if name == "kubernetes" and not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG names no cluster"
    return None


@asynccontextmanager
async def place(name: str) -> AsyncIterator[Place]:
    """That platform, for as long as the block lasts."""
    async with {"local": _local, "docker": _docker, "kubernetes": _kubernetes}[name]() as found:
        yield found


@asynccontextmanager
async def _local() -> AsyncIterator[Place]:
    with tempfile.TemporaryDirectory(prefix="tes-bench-") as folder:
        platform = LocalPlatform(home=Path(folder))
        artifact = archive(Path(folder) / "service.tar.gz", {"service.py": SERVICE})
        try:
            yield Place(platform, artifact, ("python", "-S", "-u", "service.py", "${PORT}"), {}, 10.0, 0.1)
        finally:
            await platform.stop_all()


def _image(name: str, digest: str) -> tuple[Artifact, tuple[str, ...], dict[str, str]]:
    """One image for all releases: the service's source comes in the command."""
    artifact = Artifact(kind="image", digest=digest, location=name)
    return artifact, ("python", "-S", "-u", "-c", SERVICE, "${PORT}"), {"HOST": "0.0.0.0"}  # nosec B104


@asynccontextmanager
async def _docker() -> AsyncIterator[Place]:
    make_images()
    told = subprocess.run(["docker", "image", "inspect", BASE, "--format", "{{.Id}}"], capture_output=True, check=True)
    platform = DockerPlatform(proxy_image=PROXY, pull="never", installation=INSTALLATION)
    try:
        yield Place(platform, *_image(BASE, told.stdout.decode().strip()), 15.0, 0.1)
    finally:
        for target in await platform.targets():
            await platform.place(target).end()


@asynccontextmanager
async def _kubernetes() -> AsyncIterator[Place]:
    image, pull = kubernetes_cluster.image()
    platform = KubernetesPlatform(
        namespace=f"tes-bench-{uuid.uuid4().hex[:8]}",
        service_type="NodePort",
        host=os.environ.get("TES_KUBERNETES_HOST"),
        pull=pull,
        installation=INSTALLATION,
    )
    api = platform._api()
    metadata = {"name": platform.namespace, "labels": {"test-execution-system.io/role": "bench"}}
    await api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        yield Place(platform, *_image(image, "sha256:" + "0" * 64), 30.0, 1.0)
    finally:
        for target in await platform.targets():
            await platform.place(target).end()
        await api.delete(f"/api/v1/namespaces/{platform.namespace}")
