"""The Cloud Run platform under test: our stand-in for the API, real containers behind it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from blocks.platforms.cloud_run import CloudRunPlatform
from blocks.platforms.cloud_run_parts.api import Patience
from domain.place import Release
from domain.spec import Health
from domain.supply import Artifact
from tests.blocks.docker_subject import BASE, image
from tests.blocks.local_subject import Connection
from tests.blocks.platform_contract import TARGET, Subject

if TYPE_CHECKING:
    from tests.blocks.cloud_run_server import StandIn

QUICK = Health(grace=6.0, interval=0.1, timeout=1.0)


class QuickCloudRunPlatform(CloudRunPlatform):
    """Looks often, and gives up soon."""

    _block_type_name = "Quick Cloud Run Platform"
    _block_type_slug = "quick-cloud-run-platform"

    poll: ClassVar[float] = 0.1
    patience: ClassVar[Patience] = Patience(call=2.0, first=0.05, most=3.0, operation=30.0, poll=0.05)
    log_patience: ClassVar[float] = 0.5


class CloudRunSubject(Subject):
    patience = 20.0
    _images: ClassVar[dict[str, Artifact]] = {}

    def __init__(self, server: StandIn, **options: Any) -> None:
        self.server = server
        urls = dict.fromkeys(("endpoint", "secrets_endpoint", "logging_endpoint"), server.url)
        settings = {"project": "shop-1", "region": "europe-west1", "anonymous": True, "neutral_image": BASE}
        self.platform = QuickCloudRunPlatform(**(settings | urls | options))

    def release(self, version: str, *, healthy: bool = True, **changes: Any) -> Release:
        if version not in self._images:
            self._images[version] = image(version)
        values: dict[str, Any] = {
            "service": "shop",
            "version": version,
            "artifact": self._images[version],
            "command": ("python", "-S", "-u", "service.py", "${PORT}"),
            "health": QUICK,
            "drain": 0.2,
            "warm": 60.0,
            "environment": {} if healthy else {"BROKEN": "1"},
        }
        return Release.model_validate(values | changes)

    async def send(self, number: int) -> Counter[str]:
        async with Connection((await self.platform.inspect(TARGET)).address) as connection:
            answers = [await connection.get("/") for _ in range(number)]
        assert {status for status, _ in answers} <= {200}, answers
        return Counter(text for _, text in answers)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return time.time()
