"""Looks at a release while it has traffic, for a bake time, and says FAIL as soon as that is sure."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from blocks.platforms.protocol import HostsServices, ObservesTraffic
from domain.errors import ReportError, ToolError
from domain.load import LoadSummary, judge, limits
from domain.place import ReleaseState, Target, Traffic
from domain.spec import Request, Thresholds, Verify
from domain.verdict import Outcome, Verdict, worst
from tasks import progress
from tasks.execute import execute
from tasks.lanes import lanes
from tasks.smoke import ERRORS, Smoke
from toolchain.loadgens import LoadRequest, k6

LOOK_EVERY = 0.25


def unhealthy(state: ReleaseState | None, version: str, restarts: int) -> str | None:
    """Why the release is not in order, or None."""
    if state is None:
        return f"{version} is not there any more"
    if state.failed:
        return f"{version} failed: {state.reason}"
    ill = [copy for copy in state.copies if not copy.healthy]
    if ill or len(state.copies) < state.release.replicas:
        healthy = len(state.copies) - len(ill)
        why = f": {ill[0].reason}" if ill and ill[0].reason else ""
        return f"{healthy} of {state.release.replicas} copies healthy{why}"
    again = sum(copy.restarts for copy in state.copies) - restarts
    return f"{again} restart(s) while it was being verified" if again > 0 else None


def seen(traffic: Traffic) -> LoadSummary:
    """The platform's own count of the public requests, in the words that are judged."""
    return LoadSummary(
        generator="front",
        requests=traffic.requests,
        failed=traffic.errors,
        seconds=traffic.seconds,
        p50=traffic.p50,
        p95=traffic.p95,
        p99=traffic.p99,
    )


def hopeless(failed: int, planned: int, limit: float | None) -> bool:
    """Whether the error rate will be over the limit whatever comes."""
    return limit is not None and failed > limit * max(planned, 1)


async def _scripted(script: str, address: str, wanted: Thresholds, seconds: float) -> Verdict:
    """What a k6 script says of an address; it may take a minute longer than the bake."""
    if not address:
        return _blind("no address of the release is reached from here, and the script needs one")
    with tempfile.TemporaryDirectory(prefix="tes-verify-") as scratch:
        out = Path(scratch)
        request = LoadRequest(base_url=address, out=out, script=Path(script), timeout=seconds + 60)
        try:
            ran = await execute(k6.command(request), out)
            summary = k6.parse(ran, request)
            return judge(summary, limits(wanted, ERRORS, summary), "verify")
        except (ToolError, ReportError) as error:
            return Verdict(gate="verify", outcome=Outcome.INCONCLUSIVE, reasons=(error.message,))


def _blind(why: str) -> Verdict:
    return Verdict(gate="verify", outcome=Outcome.INCONCLUSIVE, reasons=(why,))


async def verify(
    platform: HostsServices, target: Target, version: str, how: Verify, seconds: float, health: str, *, public: bool
) -> Verdict:
    """Smoke requests, a k6 script where one is named, the health of every copy, and the platform's own count of errors
    and latencies.

    `public`: the release has all traffic, so the public address is asked as well. Returns the verdict of gate
    `verify`; FAIL comes at the first sure sign.
    """
    state = await platform.inspect(target)
    first = state.of(version)
    restarts = sum(copy.restarts for copy in first.copies) if first else 0
    requests = how.smoke or (Request(path=health),)
    ways = await lanes(platform, state, version, public)
    if not ways and not isinstance(platform, ObservesTraffic):
        return _blind(f"{version} has no address that is reached from here")
    began, wanted = time.time(), limits(how.thresholds, ERRORS)
    smoke = Smoke(ways, requests, how.rate)
    sending: asyncio.Task[Any] = asyncio.create_task(smoke.run(seconds))
    address = next((way for way in ways if isinstance(way, str)), "")
    scripted = how.script and asyncio.create_task(_scripted(how.script, address, how.thresholds, seconds))
    asked = {sending, scripted} if scripted else {sending}
    planned = max(len(requests), int(seconds * how.rate)) * len(ways)
    try:
        while not all(task.done() for task in asked):
            await asyncio.wait(asked, timeout=LOOK_EVERY, return_when=asyncio.ALL_COMPLETED)
            progress.working("verify", f"{len(smoke.latencies)} of {planned} requests, {len(smoke.failures)} failed")
            why = unhealthy((await platform.inspect(target)).of(version), version, restarts)
            if why:
                return Verdict(gate="verify", outcome=Outcome.FAIL, reasons=(why,))
            if hopeless(len(smoke.failures), planned, wanted.error_rate):
                break
    finally:
        for task in asked:
            task.cancel()
        await asyncio.wait(asked)
    verdicts = [judge(smoke.summary(), wanted, "verify")] if ways else []
    if scripted and not scripted.cancelled():
        verdicts.append(scripted.result())
    if isinstance(platform, ObservesTraffic):
        traffic = await platform.traffic(target, version, began)
        if traffic.requests:
            counted = judge(seen(traffic), wanted.model_copy(update={"checks": None}), "verify")
            told = f"as the front counts: {'; '.join(counted.reasons)}"
            verdicts.append(counted.model_copy(update={"reasons": (told,)}))
    if not verdicts:
        return _blind(f"{version} has no address that is reached from here, and its front counted no request")
    outcome = worst(verdict.outcome for verdict in verdicts)
    said = [verdict for verdict in verdicts if verdict.outcome is outcome]
    reasons = tuple(dict.fromkeys(reason for verdict in said for reason in verdict.reasons))
    if smoke.failures:
        reasons = (f"first failure: {smoke.failures[0]}", *reasons)
    return Verdict(
        gate="verify",
        outcome=outcome,
        reasons=reasons,
        metrics=verdicts[0].metrics,
    )
