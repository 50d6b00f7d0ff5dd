"""Clients of a service under a constant load, and what they saw of a change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks._open_load import Load
from domain.place import Lease
from tests.blocks.platform_contract import TARGET

RATE = 100.0  # requests a second
OLD, NEW = "v1", "v2"


class Clients:
    """A constant load on an address, and which version answers since when."""

    def __init__(self, url: str) -> None:
        self._load, self._over = Load(f"{url}/", RATE), asyncio.Event()

    async def __aenter__(self) -> Clients:
        self._running = asyncio.create_task(self._load.run(self._over))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await self._running

    async def more(self) -> None:
        """Thirty connections, used in turn from now on: where connections are shared and not requests, some are each
        version's."""
        self._load.fresh = True
        await asyncio.sleep(30 / RATE)
        self._load.fresh = False
        await asyncio.sleep(1)

    @property
    def answers(self) -> list[tuple[float, str]]:
        """When each request was due, and the version that answered; empty when none did."""
        return [(due, body if status == 200 else "") for due, _, status, body in self._load.rows]

    async def only(self, version: str, since: float) -> float:
        """Seconds from `since` until the last request that another version, or nobody, answered; once a second has
        been calm."""
        while True:
            after = [one for one in self.answers if one[0] >= since]
            other = max((due for due, answered in after if answered != version), default=since)
            if time.time() > other + 1 and any(due > other for due, _ in after):
                return other - since
            await asyncio.sleep(0.05)


async def timed(load: Clients, version: str, work: Callable[[], Awaitable[None]]) -> float:
    """Seconds until the work says that it is done and the clients see that version only."""
    began = time.time()
    await work()
    said = time.time() - began
    return max(said, await load.only(version, began))


async def measured(subject: Any, lease: Lease) -> dict[str, float]:
    """One round on a platform, with OLD promoted: release, abort of a half, switch and back, in seconds."""
    platform = subject.platform

    async def up(version: str) -> None:
        await platform.provision(lease, subject.release(version))
        ready, why = await platform.wait_ready(TARGET, version, 60)
        assert ready, why

    await up(OLD)
    await platform.promote(lease, OLD)
    found = {}
    async with Clients((await platform.inspect(TARGET)).address) as load:
        await asyncio.sleep(1)
        began = time.time()
        await up(NEW)
        found["release"] = time.time() - began
        await platform.shift(lease, NEW, 50)
        await load.more()
        began = time.time()
        aborting = asyncio.create_task(platform.abort(lease, OLD))
        found["abort"] = await load.only(OLD, began)
        await aborting
        await up(NEW)
        found["switch"] = await timed(load, NEW, lambda: platform.promote(lease, NEW))
        found["back"] = await timed(load, OLD, lambda: platform.promote(lease, OLD))
    return found | seen(load)


def seen(load: Clients) -> dict[str, float]:
    """Requests, and how many of them failed."""
    return {"failed": sum(not version for _, version in load.answers), "requests": len(load.answers)}
