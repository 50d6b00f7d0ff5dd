"""How requests get to a release that is verified: straight, or carried by its platform where only that reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum
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
    """To the release's first copy, and to the public address once it has all traffic.

    A copy to which there is no way from here is judged by its health and by what the public address says. The public
    address is always asked: that nobody reaches it is what is wrong.
    """
    release = state.of(version)
    copies = [copy for copy in release.copies if copy.address][:1] if release else []
    asked: list[tuple[str, CopyState | None]] = [(state.address, None)] if public and state.address else []
    asked += [(copy.address, copy) for copy in copies]
    met = await asyncio.gather(*(_met(address) for address, _ in asked))
    found: list[Lane] = []
    for how, (address, copy) in zip(met, asked, strict=True):
        if isinstance(platform, CarriesRequests) and how is not Met.ANSWERED:
            found.append(partial(platform.carry, state.target, copy))
        elif copy is None or how is not Met.NOBODY:
            found.append(address)
    return found


class Met(Enum):
    """What a connection to an address came to."""

    ANSWERED = "somebody listens"
    REFUSED = "the machine is there, and nobody listens"
    NOBODY = "there is no way from here"


async def _met(address: str) -> Met:
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, port), REACHED_WITHIN)
    except ConnectionRefusedError:
        return Met.REFUSED
    except (OSError, TimeoutError):
        return Met.NOBODY
    writer.close()
    return Met.ANSWERED
