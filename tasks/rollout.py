"""Carries a rollout out: does the next action, judges it, moves the cursor, writes it down, until it is over.

The same code runs as Prefect tasks in the flows and bare in `tes rollback`, which must work without a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

from blocks.platforms.protocol import HostsServices, RunsJobs, SplitsTraffic
from domain import history
from domain.errors import CapabilityError, PlatformError, TesError, Unavailable
from domain.place import Job, Lease, Target
from domain.rollout import ROLLBACK, Action, Rollout, Status, Verb, abort, advance
from domain.spec import EnvironmentSpec
from domain.together import agreed, back, due
from domain.verdict import Outcome, Verdict
from tasks import diary, progress
from tasks.first_look import first_look
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
            return await _ready(platform, lease.target, rollout, place)
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


async def _ready(platform: HostsServices, target: Target, rollout: Rollout, place: EnvironmentSpec) -> Verdict:
    """Healthy, as the platform sees it, and answering as `verify.smoke` wants, before any client meets it. What
    returns has served clients before, and is asked nothing: the way back is short."""
    release = rollout.release
    healthy, why = await platform.wait_ready(target, release.version, release.health.grace + 30)
    if not healthy:
        return Verdict(gate="ready", outcome=Outcome.FAIL, reasons=(why,))
    if rollout.returns:
        return done("ready", why)
    found = await first_look(platform, target, release.version, place.verify, release.health.path)
    return found.model_copy(update={"reasons": (why, *found.reasons) if found.passed else found.reasons})


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


async def note(platform: HostsServices, lease: Lease, rollout: Rollout, action: Action) -> None:
    """Keeps the environment's history: a promotion makes its release the newest, a rollback marks what it left, and so
    does an abort after promotion. Written before the cursor moves, so that a kill in between loses nothing."""
    at = rollout.plan[rollout.cursor].verb if rollout.cursor < len(rollout.plan) else None
    # A process that was killed right after promoting may have noted the promotion, and no more than that.
    undoes = action.verb is Verb.ABORT and (rollout.promoted or at is Verb.PROMOTE)
    if action.verb is not Verb.PROMOTE and not undoes:
        return
    pages = history.read(await _insistently(lambda: platform.recall(lease.target, HISTORY)))
    if action.verb is Verb.PROMOTE:
        # Going forward again to what was left says nothing against what we come from.
        forward = history.is_left(pages, rollout.release.version)
        if rollout.strategy == ROLLBACK and rollout.stable and not forward:
            pages = history.left(pages, rollout.stable)
        pages = history.promoted(pages, rollout.release, time.time())
    elif pages and pages[0].release.version == rollout.release.version:
        pages = history.left(pages, rollout.release.version)
    await _insistently(lambda: platform.remember(lease, HISTORY, history.write(pages)))


async def page_of(platform: HostsServices, target: Target) -> Rollout | None:
    """The last rollout there, from the environment's notebook; None when there was none."""
    page = await _insistently(lambda: platform.recall(target, PAGE))
    return Rollout.model_validate_json(page) if page else None


async def unfinished(platform: HostsServices, lease: Lease) -> Rollout | None:
    """The rollout that a killed process left behind."""
    rollout = await page_of(platform, lease.target)
    return rollout if rollout and not rollout.status.over else None


class Hold(NamedTuple):
    """A target that we may change: where it is, the right to it, and what its environment wants."""

    platform: HostsServices
    lease: Lease
    place: EnvironmentSpec


class _Written:
    """A rollout in the audit log: how it began, each step, how it ended. One that is over and stays so is not told."""

    def __init__(self, rollout: Rollout) -> None:
        self._diary = diary.current(rollout.target)
        self._before = rollout.status
        if self._diary is not None and not rollout.status.over:
            fresh = rollout.cursor == 0 and rollout.status is Status.PROGRESSING
            self._diary.rollout("begun" if fresh else "taken_up", rollout)

    def step(self, rollout: Rollout, action: Action, verdict: Verdict) -> None:
        if self._diary is None:
            return
        self._diary.step(rollout, action, verdict)
        if action.verb is Verb.PROMOTE and verdict.passed and rollout.frozen:
            self._diary.rollout("frozen", rollout)

    def end(self, rollout: Rollout) -> None:
        if self._diary is not None and rollout.status is not self._before:
            self._diary.rollout(rollout.status, rollout)


class _Seat:
    """One member of a group under way: what we hold, and the rollout as far as it has come."""

    def __init__(self, hold: Hold, rollout: Rollout) -> None:
        self.hold, self.rollout = hold, rollout.model_copy(update={"token": hold.lease.token})
        self.written = _Written(self.rollout)
        self.is_lost = False  # the lease: whoever has it now has the notebook

    async def write_down(self) -> None:
        writing = _write_down(self.hold.platform, self.hold.lease, self.rollout)
        await (_as_far_as_it_goes(writing, self.hold.lease) if self.is_lost else writing)

    async def move(self, take: Step, kept: Kept) -> None:
        """Does the next action, and writes down what came of it."""
        platform, lease, place = self.hold
        before, action = self.rollout, self.rollout.action
        assert action is not None
        with progress.naming(lease.target.service if before.group else ""):
            progress.working("deploy", str(action), before.cursor + 1, len(before.plan))
        began = time.time()
        verdict = await take(platform, lease, before, action, place)
        self.rollout = await _after(platform, lease, before, verdict)
        if verdict.passed:
            await note(platform, lease, before, action)
        self.written.step(before, action, verdict)
        await self.write_down()
        await _told(kept, before, action, verdict, began)

    async def move_back(self, kept: Kept) -> None:
        """The same on the way back when all else has failed: bare, since there may be nobody left to run tasks, and
        whether or not it can be written down."""
        platform, lease, place = self.hold
        before, action = self.rollout, self.rollout.action
        assert action is not None
        began = time.time()
        verdict = await step(platform, lease, before, action, place)
        self.rollout = advance(before, verdict)
        if verdict.passed:
            await _as_far_as_it_goes(note(platform, lease, before, action), lease)
        self.written.step(before, action, verdict)
        await _as_far_as_it_goes(self.write_down(), lease)
        await _told(kept, before, action, verdict, began)

    async def lost(self) -> str:
        """Why the lease is not ours any more, or cannot be shown to be; empty when it is."""
        platform, lease, _ = self.hold
        try:
            token = (await _insistently(lambda: platform.inspect(lease.target))).token
        except PlatformError as error:
            return f"the lease on {lease.target} cannot be looked at: {error.message}"
        self.is_lost = token > lease.token
        newer = f"the lease on {lease.target} was lost: its token {lease.token} is older than {token}"
        return newer if self.is_lost else ""


async def carry_out(
    platform: HostsServices, lease: Lease, rollout: Rollout, place: EnvironmentSpec, *, take: Step = step, kept: Kept
) -> Rollout:
    """Takes a rollout to its end and returns it: PROMOTED, ABORTED or HALTED. As `carry_out_together` of one."""
    return (await carry_out_together([Hold(platform, lease, place)], [rollout], take=take, kept=kept))[0]


async def carry_out_together(
    holds: Sequence[Hold], rollouts: Sequence[Rollout], *, take: Step = step, kept: Kept
) -> tuple[Rollout, ...]:
    """Takes the rollouts of a group to their end, in step, and returns them: all PROMOTED, or all back at what was
    stable before, as far as the platforms let them; HALTED where they do not.

    Each cursor is written down after each step, before the next begins; what one member's failure means for the others
    is written down for all before anybody acts on it. Whatever ends it before its time (Ctrl-C, a lease that was lost,
    a notebook that cannot be written), all go back to stable first: nobody is left watching a half-shifted environment.
    """
    seats = [_Seat(hold, rollout) for hold, rollout in zip(holds, rollouts, strict=True)]
    try:
        await _all_of([seat.write_down() for seat in seats])
        while turn := due(_rollouts(seats)):
            if lost := await _lost(seats, turn):
                changed = _changed(seats, back(_rollouts(seats), lost))
                await _all_of([_as_far_as_it_goes(seat.write_down(), seat.hold.lease) for seat in changed])
                continue
            await _all_of([seats[at].move(take, kept) for at in turn])
            await _all_of([seat.write_down() for seat in _changed(seats, agreed(_rollouts(seats)))])
    except BaseException as error:
        await _back(seats, _why(error), kept)
        raise
    finally:
        for seat in seats:
            seat.written.end(seat.rollout)
    return _rollouts(seats)


async def _all_of(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Does all of it side by side and waits for all of it, also when some of it breaks: what is still at work could
    undo the way back. Raises the first error."""
    if len(work) == 1:
        return await work[0]
    for found in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(found, BaseException):
            raise found


def _rollouts(seats: Sequence[_Seat]) -> tuple[Rollout, ...]:
    return tuple(seat.rollout for seat in seats)


def _changed(seats: Sequence[_Seat], rollouts: Sequence[Rollout]) -> list[_Seat]:
    """Gives the seats their rollouts; returns those for which that is news."""
    changed = [seat for seat, rollout in zip(seats, rollouts, strict=True) if seat.rollout != rollout]
    for seat, rollout in zip(seats, rollouts, strict=True):
        seat.rollout = rollout
    return changed


async def _lost(seats: Sequence[_Seat], turn: Sequence[int]) -> str:
    """Before traffic moves in a group: a lease that was lost, if any. Of one that is alone the platform refuses the
    verb itself; the others would have moved by then."""
    actions = [seats[at].rollout.action for at in turn]
    if len(seats) == 1 or not any(action and action.verb in (Verb.SHIFT, Verb.PROMOTE) for action in actions):
        return ""
    return "; ".join(filter(None, await asyncio.gather(*(seat.lost() for seat in seats))))


def _why(error: BaseException) -> str:
    return "interrupted" if isinstance(error, asyncio.CancelledError) else f"broken off: {error}"


async def _back(seats: Sequence[_Seat], why: str, kept: Kept) -> None:
    """To stable, all of them. Those that are over are only written down."""
    _changed(seats, back(_rollouts(seats), why))
    await _all_of([_as_far_as_it_goes(seat.write_down(), seat.hold.lease) for seat in seats])
    while turn := due(_rollouts(seats)):
        await _all_of([seats[at].move_back(kept) for at in turn])
        _changed(seats, agreed(_rollouts(seats)))


async def _after(platform: HostsServices, lease: Lease, rollout: Rollout, verdict: Verdict) -> Rollout:
    """The rollout after its action. A promotion that did not come about goes back where stable is seen to be whole;
    the machine halts where it is not, since the candidate may be the only healthy copy."""
    action = rollout.action
    if action is not None and action.verb is Verb.PROMOTE and not verdict.passed:
        why = f"promote: {'; '.join(verdict.reasons)}"
        if rollout.group is not None and rollout.stable is None:
            return abort(rollout, why)  # nothing was there before, and the others go back to what was
        with contextlib.suppress(PlatformError):
            stable = (await _insistently(lambda: platform.inspect(lease.target))).of(rollout.stable)
            if stable is not None and stable.ready:
                return abort(rollout, why)
    return advance(rollout, verdict)


async def _told(kept: Kept, rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    # The environment comes first: a rollout under way does not stop half-way because nobody takes notes. Whoever
    # closes the books afterwards hears of it.
    try:
        await kept(rollout, action, verdict, began)
    except TesError as error:
        log.warning("step %s of rollout %s is not in the records: %s", action, rollout.id, error.message)


async def _as_far_as_it_goes(writing: Awaitable[None], lease: Lease) -> None:
    try:
        await writing
    except PlatformError as error:
        log.warning("the notebook of %s cannot be written: %s", lease.target, error.message)
