"""Carries a rollout out: does the next action, judges it, moves the cursor, writes it down, until it is over.

The same code runs as Prefect tasks in the flows and bare in `tes rollback`, which must work without a server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from blocks.platforms.protocol import HostsServices, RunsJobs, SplitsTraffic
from domain import history
from domain.errors import CapabilityError, PlatformError, Unavailable
from domain.place import Job, Lease
from domain.rollout import Action, Rollout, Verb, abort, advance
from domain.spec import EnvironmentSpec
from domain.verdict import Outcome, Verdict
from tasks import progress
from tasks.verify import verify

TRIES = 4
PAGE, HISTORY = "rollout", "history"

# What is told of each finished step: the rollout before it, the action, its verdict and when it began.
Kept = Callable[[Rollout, Action, Verdict, float], Awaitable[None]]
Step = Callable[[HostsServices, Lease, Rollout, Action, EnvironmentSpec], Awaitable[Verdict]]


def done(gate: str, reason: str) -> Verdict:
    return Verdict(gate=gate, outcome=Outcome.PASS, reasons=(reason,))


async def _act(
    platform: HostsServices, lease: Lease, rollout: Rollout, action: Action, place: EnvironmentSpec
) -> Verdict:
    release, version = rollout.release, rollout.release.version
    match action.verb:
        case Verb.MIGRATE:
            assert release.migrations is not None
            if not isinstance(platform, RunsJobs):
                raise CapabilityError("this platform cannot run migrations", fix="remove release.migrations")
            job = Job(name="migrate", command=release.migrations.command, timeout=release.migrations.timeout)
            result = await platform.run(lease, release, job)
            told = f"migration exit {result.exit_code} in {result.seconds:.1f} s"
            if result.exit_code == 0:
                return done("migrate", told)
            return Verdict(gate="migrate", outcome=Outcome.FAIL, reasons=(f"{told}: {result.output[-300:]}",))
        case Verb.PROVISION:
            await platform.provision(lease, release)
            return done("provision", f"{release.replicas} copies of {version} started")
        case Verb.WAIT_READY:
            ready, why = await platform.wait_ready(lease.target, version, release.health.grace + 30)
            return Verdict(gate="ready", outcome=Outcome.PASS if ready else Outcome.FAIL, reasons=(why,))
        case Verb.SHIFT:
            assert action.weight is not None
            if not isinstance(platform, SplitsTraffic):
                raise CapabilityError("this platform cannot split traffic", fix="use strategy blue_green")
            await platform.shift(lease, version, action.weight)
            return done("shift", f"{action.weight} % of requests to {version}")
        case Verb.VERIFY:
            return await verify(
                platform,
                lease.target,
                version,
                place.verify,
                action.seconds,
                release.health.path,
                public=rollout.promoted,
            )
        case Verb.PROMOTE:
            await platform.promote(lease, version)
            return done("promote", f"100 % of requests to {version}")
        case Verb.ABORT:
            await platform.abort(lease, rollout.stable)
            return done("abort", f"100 % of requests to {rollout.stable}" if rollout.stable else f"{version} removed")
        case Verb.RETIRE:
            await platform.retire(lease, version)
            return done("retire", f"{version} removed")


async def step(
    platform: HostsServices, lease: Lease, rollout: Rollout, action: Action, place: EnvironmentSpec
) -> Verdict:
    """Does one action. Verbs set a desired state, so one without an answer is said again; a platform that goes on
    failing makes the verdict INCONCLUSIVE, and the rollout machine decides."""
    for attempt in range(1, TRIES + 1):
        try:
            return await _act(platform, lease, rollout, action, place)
        except Unavailable as error:
            if attempt == TRIES:
                return Verdict(gate=action.verb, outcome=Outcome.INCONCLUSIVE, reasons=(error.message,))
            await asyncio.sleep(0.2 * 2**attempt)
        except PlatformError as error:
            return Verdict(gate=action.verb, outcome=Outcome.FAIL, reasons=(error.message,))
    raise AssertionError("unreachable")


async def _write_down(platform: HostsServices, lease: Lease, rollout: Rollout) -> None:
    await platform.remember(lease, PAGE, rollout.model_dump_json())


async def _note(platform: HostsServices, lease: Lease, rollout: Rollout, action: Action) -> None:
    """Keeps the environment's history: a promotion makes its release the newest, a rollback marks what it left, and so
    does an abort after promotion. Written before the cursor moves, so that a kill in between loses nothing."""
    if action.verb is not Verb.PROMOTE and not (action.verb is Verb.ABORT and rollout.promoted):
        return
    pages = history.read(await platform.recall(lease.target, HISTORY))
    if action.verb is Verb.PROMOTE:
        if rollout.strategy == "rollback" and rollout.stable:
            pages = history.left(pages, rollout.stable)
        pages = history.promoted(pages, rollout.release, time.time())
    else:
        pages = history.left(pages, rollout.release.version)
    await platform.remember(lease, HISTORY, history.write(pages))


async def unfinished(platform: HostsServices, lease: Lease) -> Rollout | None:
    """The rollout that a killed process left behind, from the environment's notebook."""
    page = await platform.recall(lease.target, PAGE)
    rollout = Rollout.model_validate_json(page) if page else None
    return rollout if rollout and not rollout.status.over else None


async def carry_out(
    platform: HostsServices, lease: Lease, rollout: Rollout, place: EnvironmentSpec, *, take: Step = step, kept: Kept
) -> Rollout:
    """Takes a rollout to its end and returns it: PROMOTED, ABORTED or HALTED.

    The cursor is written down after every step, before the next begins. Cancelled (Ctrl-C), it goes back to stable
    first: nobody is left watching a half-shifted environment.
    """
    rollout = rollout.model_copy(update={"token": lease.token})
    await _write_down(platform, lease, rollout)
    try:
        while (action := rollout.action) is not None:
            rollout = await _one(platform, lease, rollout, action, place, take, kept)
    except asyncio.CancelledError:
        rollout = abort(rollout, "interrupted")
        while (action := rollout.action) is not None:
            rollout = await _one(platform, lease, rollout, action, place, step, kept)
        raise
    return rollout


async def _one(
    platform: HostsServices,
    lease: Lease,
    rollout: Rollout,
    action: Action,
    place: EnvironmentSpec,
    take: Step,
    kept: Kept,
) -> Rollout:
    progress.working("deploy", str(action), rollout.cursor + 1, len(rollout.plan))
    began = time.time()
    verdict = await take(platform, lease, rollout, action, place)
    after = advance(rollout, verdict)
    if verdict.passed:
        await _note(platform, lease, rollout, action)
    await _write_down(platform, lease, after)
    await kept(rollout, action, verdict, began)
    return after
