"""Asks a release that is ready, before any client does: what answers wrongly now is never given traffic."""

from __future__ import annotations

import asyncio

from blocks.platforms.protocol import HostsServices
from domain.load import limits
from domain.place import Target
from domain.spec import Request, Verify
from domain.verdict import Outcome, Verdict
from tasks.lanes import lanes
from tasks.smoke import ERRORS, Smoke

TRIES, PAUSE = 3, 0.3
"""A first request may meet what is still being warmed up; seconds between two tries."""


async def first_look(platform: HostsServices, target: Target, version: str, how: Verify, health: str) -> Verdict:
    """Each smoke request once, straight to a copy; up to three times while more go wrong than may.

    Latencies are not judged: nothing is warm yet. Returns the verdict of gate `ready`: FAIL quotes the first wrong
    answer. PASS, and says so, where there is no way to a copy from here: the platform has found it healthy, and the
    first step with traffic judges what clients see.
    """
    requests = how.smoke or (Request(path=health),)
    allowed = limits(how.thresholds, ERRORS).error_rate or 0.0
    ways = await lanes(platform, await platform.inspect(target), version, public=False)
    if not ways:
        return Verdict(gate="ready", outcome=Outcome.PASS, reasons=("not asked first: no copy is reached from here",))
    for attempt in range(TRIES):
        await asyncio.sleep(PAUSE if attempt else 0.0)
        smoke = Smoke(ways, requests, how.rate)
        await smoke.run(0.0)
        if len(smoke.failures) <= allowed * len(smoke.latencies):
            told = f"{len(smoke.latencies)} request(s) before any traffic answered as wanted"
            return Verdict(gate="ready", outcome=Outcome.PASS, reasons=(told,))
    told = f"{len(smoke.failures)} of {len(smoke.latencies)} request(s) went wrong before any traffic, {TRIES} times"
    return Verdict(gate="ready", outcome=Outcome.FAIL, reasons=(smoke.failures[0], told))
