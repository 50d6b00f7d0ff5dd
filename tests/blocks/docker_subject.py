"""The docker platform under test: a real engine, real containers, a real HAProxy; everything is gone afterwards."""

from __future__ import annotations

import os
from typing import Any, Self

import docker

from blocks.platforms.docker import DockerPlatform
from blocks.platforms.docker_parts.names import Names
from tests.blocks.image_contract import ImageSubject
from tests.blocks.images import PROXY
from tests.blocks.platform_contract import TARGET

INSTALLATION = "test-" + os.environ.get("PYTEST_XDIST_WORKER", "alone")
"""Tests that run at the same time see nothing of each other."""


class DockerSubject(ImageSubject):
    patience = 8.0
    warm = 3.0
    drain = 1.0

    def __init__(self, **options: Any) -> None:
        given = {"proxy_image": PROXY, "pull": "never", "installation": INSTALLATION}
        self.platform = DockerPlatform(**given | options)

    def twin(self, **options: Any) -> Self:
        return type(self)(**options)

    async def jobs_left(self) -> list[Any]:
        return containers("job")

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
