"""How requests get to a release that is verified: straight, or carried by its platform where only that reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import urlsplit

from blocks.platforms.protocol import CarriesRequests, HostsServices
from domain.place import CopyState, ServiceState
from domain.spec import Request

REACHED_WITHIN = 2.0
"""Seconds for a connection: what takes longer is behind something that drops what we send."""

# An address; or what carries a request, and returns the status and the body of its answer.
Lane = str | Callable[[Request], Awaitable[tuple[int, str]]]


async def lanes(platform: HostsServices, state: ServiceState, version: str, public: bool) -> list[Lane]:
    """To the release's first copy, and to the public address once it has all traffic."""
    release = state.of(version)
    copies = [copy for copy in release.copies if copy.address][:1] if release else []
    asked: list[tuple[str, CopyState | None]] = [(state.address, None)] if public and state.address else []
    asked += [(copy.address, copy) for copy in copies]
    if not isinstance(platform, CarriesRequests):
        return [address for address, _ in asked]
    reached = await asyncio.gather(*(_reached(address) for address, _ in asked))
    return [
        address if direct else partial(platform.carry, state.target, copy)
        for direct, (address, copy) in zip(reached, asked, strict=True)
    ]


async def _reached(address: str) -> bool:
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, port), REACHED_WITHIN)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
