"""Holds an environment while it is being changed: one rollout at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from blocks.platforms.protocol import HostsServices
from domain.errors import LockHeld, PlatformError
from domain.place import Lease, Target
from tasks.diary import Diary, closed, opened

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


async def _renew(platform: HostsServices, lease: Lease, diary: Diary) -> None:
    """Renews it, and says once when it is lost: the platform refuses whatever is said with its token afterwards."""
    lost, expires = False, lease.expires
    while True:
        await asyncio.sleep(TTL / 3)
        try:
            now = await platform.acquire(lease.target, lease.holder, TTL)
        except LockHeld as held:
            why = held.message
        except PlatformError as error:  # the next try is soon enough; the token protects meanwhile
            why = f"not renewed before its time was over: {error.message}" if time.time() > expires else ""
        else:
            why = f"it ended before it was renewed; the newest token is {now.token}" if now.token != lease.token else ""
            expires = now.expires
        if why and not lost:
            diary.say("lease.lost", holder=lease.holder, why=why)
        lost = bool(why)


@contextlib.asynccontextmanager
async def held(
    platform: HostsServices,
    target: Target,
    holder: str,
    *,
    patience: float = TTL + 5,
    say: Callable[[str], None] = lambda text: None,
) -> AsyncIterator[Lease]:
    """The lease, renewed while the block runs and given back after it. What is done under it goes into the audit log.

    A holder that was killed keeps its lease until it expires, so we wait a little longer than that (`patience`,
    seconds) before LockHeld is raised.
    """
    lease = await _take(platform, target, holder, patience, say)
    diary = opened(target, platform)
    diary.token = lease.token
    diary.say("lease.taken", holder=holder, expires=lease.expires)
    renewal = asyncio.create_task(_renew(platform, lease, diary))
    try:
        yield lease
    finally:
        renewal.cancel()
        await _given_back(platform, lease, diary)


async def _given_back(platform: HostsServices, lease: Lease, diary: Diary) -> None:
    try:
        await platform.give_back(lease)
        diary.say("lease.given_back", holder=lease.holder)
    except PlatformError as error:  # it ends by itself when its time is over
        diary.say("lease.kept", holder=lease.holder, why=error.message)
    finally:
        await closed(diary)
