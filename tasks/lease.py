"""Holds an environment while it is being changed: one rollout at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from blocks.platforms.protocol import HostsServices
from domain.errors import LockHeld, PlatformError
from domain.place import Lease, Target

TTL = 15.0


async def _take(
    platform: HostsServices, target: Target, holder: str, patience: float, say: Callable[[str], None]
) -> Lease:
    give_up = time.monotonic() + patience
    told = False
    while True:
        try:
            return await platform.acquire(target, holder, TTL)
        except LockHeld as held:
            if time.monotonic() >= give_up:
                raise
            if not told:
                say(f"waiting: {held.message}")
                told = True
            await asyncio.sleep(0.5)


async def _renew(platform: HostsServices, lease: Lease) -> None:
    while True:
        await asyncio.sleep(TTL / 3)
        with contextlib.suppress(PlatformError, LockHeld):  # the next try is soon enough; the token protects meanwhile
            await platform.acquire(lease.target, lease.holder, TTL)


@contextlib.asynccontextmanager
async def held(
    platform: HostsServices,
    target: Target,
    holder: str,
    *,
    patience: float = TTL + 5,
    say: Callable[[str], None] = lambda text: None,
) -> AsyncIterator[Lease]:
    """The lease, renewed while the block runs and given back after it.

    A holder that was killed keeps its lease until it expires, so we wait a little longer than that (`patience`,
    seconds) before LockHeld is raised.
    """
    lease = await _take(platform, target, holder, patience, say)
    renewal = asyncio.create_task(_renew(platform, lease))
    try:
        yield lease
    finally:
        renewal.cancel()
        with contextlib.suppress(PlatformError):  # it ends by itself when its time is over
            await platform.give_back(lease)
