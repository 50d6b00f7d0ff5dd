"""Carries a rollout out: does the next action, judges it, moves the cursor, writes it down, until it is over.

The same code runs as Prefect tasks in the flows and bare in `tes rollback`, which must work without a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from blocks.platforms.protocol import HostsServices, RunsJobs, SplitsTraffic
from domain import history
from domain.errors import CapabilityError, PlatformError, TesError, Unavailable
from domain.place import Job, Lease
from domain.rollout import Action, Rollout, Status, Verb, abort, advance
from domain.spec import EnvironmentSpec
from domain.verdict import Outcome, Verdict
from tasks import diary, progress
from tasks.verify import verify

TRIES, PAUSE = 4, 0.2
PAGE, HISTORY = "rollout", "history"

T = TypeVar("T")
log = logging.getLogger(__name__)

# What is told of each finished step: the rollout before it, the action, its verdict and when it began.
Kept = Callable[[Rollout, Action, Verdict, float], Awaitable[None]]
# An action that was done, what came of it, and how long it took in seconds.
Said = tuple[Action, Verdict, float]
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
            await asyncio.sleep(PAUSE * 2**attempt)
        except PlatformError as error:
            # The way back is insisted on: traffic may be on a bad release while a good one is there.
            if action.verb is not Verb.ABORT or attempt == TRIES:
                return Verdict(gate=action.verb, outcome=Outcome.FAIL, reasons=(error.message,))
            await asyncio.sleep(PAUSE * 2**attempt)
    raise AssertionError("unreachable")


async def _write_down(platform: HostsServices, lease: Lease, rollout: Rollout) -> None:
    await _insistently(lambda: platform.remember(lease, PAGE, rollout.model_dump_json()))


async def _insistently(say: Callable[[], Awaitable[T]]) -> T:
    """Says again what had no answer. PlatformError when it never has one."""
    for attempt in range(1, TRIES):
        try:
            return await say()
        except Unavailable:
            await asyncio.sleep(PAUSE * 2**attempt)
    return await say()


async def _note(platform: HostsServices, lease: Lease, rollout: Rollout, action: Action) -> None:
    """Keeps the environment's history: a promotion makes its release the newest, a rollback marks what it left, and so
    does an abort after promotion. Written before the cursor moves, so that a kill in between loses nothing."""
    if action.verb is not Verb.PROMOTE and not (action.verb is Verb.ABORT and rollout.promoted):
        return
    pages = history.read(await _insistently(lambda: platform.recall(lease.target, HISTORY)))
    if action.verb is Verb.PROMOTE:
        # Going forward again to what was left says nothing against what we come from.
        forward = history.is_left(pages, rollout.release.version)
        if rollout.strategy == "rollback" and rollout.stable and not forward:
            pages = history.left(pages, rollout.stable)
        pages = history.promoted(pages, rollout.release, time.time())
    else:
        pages = history.left(pages, rollout.release.version)
    await _insistently(lambda: platform.remember(lease, HISTORY, history.write(pages)))


async def unfinished(platform: HostsServices, lease: Lease) -> Rollout | None:
    """The rollout that a killed process left behind, from the environment's notebook."""
    page = await _insistently(lambda: platform.recall(lease.target, PAGE))
    rollout = Rollout.model_validate_json(page) if page else None
    return rollout if rollout and not rollout.status.over else None


async def carry_out(
    platform: HostsServices, lease: Lease, rollout: Rollout, place: EnvironmentSpec, *, take: Step = step, kept: Kept
) -> Rollout:
    """Takes a rollout to its end and returns it: PROMOTED, ABORTED or HALTED.

    The cursor is written down after every step, before the next begins. Whatever ends it before its time (Ctrl-C, a
    notebook that cannot be written), it goes back to stable first: nobody is left watching a half-shifted environment.
    """
    rollout = rollout.model_copy(update={"token": lease.token})
    written = _Written(rollout)
    try:
        await _write_down(platform, lease, rollout)
        while (action := rollout.action) is not None:
            progress.working("deploy", str(action), rollout.cursor + 1, len(rollout.plan))
            began = time.time()
            verdict = await take(platform, lease, rollout, action, place)
            before, rollout = rollout, await _after(platform, lease, rollout, verdict)
            if verdict.passed:
                await _note(platform, lease, before, action)
            written.step(before, action, verdict)
            await _write_down(platform, lease, rollout)
            await _told(kept, before, action, verdict, began)
    except BaseException as error:
        await _back(platform, lease, abort(rollout, _why(error)), place, kept, written)
        raise
    written.end(rollout)
    return rollout


class _Written:
    """A rollout in the audit log: how it began, each step, how it ended."""

    def __init__(self, rollout: Rollout) -> None:
        self._diary = diary.current()
        if self._diary is not None:
            fresh = rollout.cursor == 0 and rollout.status is Status.PROGRESSING
            self._diary.rollout("begun" if fresh else "taken_up", rollout)

    def step(self, rollout: Rollout, action: Action, verdict: Verdict) -> None:
        if self._diary is None:
            return
        self._diary.step(rollout, action, verdict)
        if action.verb is Verb.PROMOTE and verdict.passed and rollout.frozen:
            self._diary.rollout("frozen", rollout)

    def end(self, rollout: Rollout) -> None:
        if self._diary is not None:
            self._diary.rollout(rollout.status, rollout)


def _why(error: BaseException) -> str:
    return "interrupted" if isinstance(error, asyncio.CancelledError) else f"broken off: {error}"


async def _after(platform: HostsServices, lease: Lease, rollout: Rollout, verdict: Verdict) -> Rollout:
    """The rollout after its action. A promotion that did not come about goes back where stable is seen to be whole;
    the machine halts where it is not, since the candidate may be the only healthy copy."""
    action = rollout.action
    if action is not None and action.verb is Verb.PROMOTE and not verdict.passed:
        with contextlib.suppress(PlatformError):
            stable = (await _insistently(lambda: platform.inspect(lease.target))).of(rollout.stable)
            if stable is not None and stable.ready:
                return abort(rollout, f"promote: {'; '.join(verdict.reasons)}")
    return advance(rollout, verdict)


async def _told(kept: Kept, rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    # The environment comes first: a rollout under way does not stop half-way because nobody takes notes. Whoever
    # closes the books afterwards hears of it.
    try:
        await kept(rollout, action, verdict, began)
    except TesError as error:
        log.warning("step %s of rollout %s is not in the records: %s", action, rollout.id, error.message)


async def _back(
    platform: HostsServices, lease: Lease, rollout: Rollout, place: EnvironmentSpec, kept: Kept, written: _Written
) -> None:
    """To stable, bare: there may be nobody left to run tasks. One that is over is only written down."""
    await _as_far_as_it_goes(_write_down(platform, lease, rollout), lease)
    while (action := rollout.action) is not None:
        began = time.time()
        verdict = await step(platform, lease, rollout, action, place)
        before, rollout = rollout, advance(rollout, verdict)
        if verdict.passed:
            await _as_far_as_it_goes(_note(platform, lease, before, action), lease)
        written.step(before, action, verdict)
        await _as_far_as_it_goes(_write_down(platform, lease, rollout), lease)
        await _told(kept, before, action, verdict, began)
    written.end(rollout)


async def _as_far_as_it_goes(writing: Awaitable[None], lease: Lease) -> None:
    try:
        await writing
    except PlatformError as error:
        log.warning("the notebook of %s cannot be written: %s", lease.target, error.message)
