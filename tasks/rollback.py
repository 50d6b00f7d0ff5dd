"""Going back to an earlier release after a rollout is over. Needs the platform alone: no Prefect server, no records.

It is a rollout like any other, of a release that was there before: while that is still warm, a switch of traffic. A
release that is not healthy is never switched to.
"""

from __future__ import annotations

import time

from blocks.platforms.protocol import HostsServices
from domain import freeze, history
from domain.errors import SpecError
from domain.place import Lease, Release, ServiceState, Target
from domain.rollout import Action, Rollout, Status, Verb, abort
from domain.spec import EnvironmentSpec
from domain.verdict import Verdict
from tasks import diary
from tasks.rollout import HISTORY, Kept, Said, Step, carry_out, step, unfinished

LOOK_AFTER = 1.0
# Why a rollout that was left half-way is aborted here.
ASKED_FOR = "rolled back"


async def wanted(platform: HostsServices, target: Target, state: ServiceState, to: str | None) -> Release:
    """The release to go back to: `to`, else the newest before the current that nobody rolled back.

    SpecError lists what the environment's history holds, or names the migration that cannot be undone in between.
    """
    current = state.stable
    pages = history.read(await platform.recall(target, HISTORY))
    found = history.find(pages, to) if to else history.previous(pages, current)
    if found is None:
        known = ", ".join(entry.release.version for entry in pages) or "none"
        what = f"no release {to!r}" if to else "no earlier release to go back to"
        raise SpecError(f"{target}: {what}; its history: {known}", fix="name one of them with --to, or release again")
    stable = state.of(current)
    barrier = freeze.barrier(pages, found, stable.release if stable else None)
    if barrier is not None:
        raise freeze.refusal(target, found.version, barrier)
    return found


# All but the switch are harmless where the release is still warm. Migrations are never undone.
WAY_BACK = (
    Action(verb=Verb.PROVISION),
    Action(verb=Verb.WAIT_READY),
    Action(verb=Verb.PROMOTE),
    Action(verb=Verb.VERIFY, seconds=LOOK_AFTER),
)


async def _look_at_stable(
    platform: HostsServices, lease: Lease, over: Rollout, place: EnvironmentSpec, take: Step, kept: Kept
) -> None:
    """Says how the release is that has the traffic again."""
    stable = (await platform.inspect(lease.target)).of(over.stable)
    if stable is not None:
        began, look = time.time(), Action(verb=Verb.VERIFY, seconds=LOOK_AFTER)
        there = over.model_copy(update={"release": stable.release, "promoted": True})
        await kept(over, look, await take(platform, lease, there, look, place), began)


async def roll_back(
    platform: HostsServices,
    lease: Lease,
    rollout_id: str,
    place: EnvironmentSpec,
    *,
    to: str | None,
    take: Step = step,
    kept: Kept | None = None,
) -> tuple[Rollout, list[Said]]:
    """Takes the target back. A rollout that was left half-way is aborted first; when that is what was wanted (no `to`),
    it is all there is to do. Returns the rollout and what each of its steps said."""
    said: list[Said] = []
    # The script belongs to a snapshot of the source, and on-call has none.
    place = place.model_copy(update={"verify": place.verify.model_copy(update={"script": None})})

    async def keep(now: Rollout, action: Action, verdict: Verdict, began: float) -> None:
        said.append((action, verdict, time.time() - began))
        if kept is not None:
            await kept(now, action, verdict, began)

    try:
        over = await _gone_back(platform, lease, rollout_id, place, to, take, keep)
    except SpecError as refused:
        _tell("rollback.refused", to=to, why=refused.message)
        raise
    _tell("rollback", rollout=over.id, version=over.release.version, left=over.stable, outcome=str(over.status))
    return over, said


def _tell(action: str, **detail: object) -> None:
    if (found := diary.current()) is not None:
        found.say(action, **detail)


async def _gone_back(
    platform: HostsServices,
    lease: Lease,
    rollout_id: str,
    place: EnvironmentSpec,
    to: str | None,
    take: Step,
    keep: Kept,
) -> Rollout:
    left = await unfinished(platform, lease)
    if left is not None and left.promoted and left.frozen:
        found = freeze.Barrier(migration=left.frozen, version=left.release.version)
        raise freeze.refusal(lease.target, to or str(left.stable), found)
    if left is not None:
        over = await carry_out(platform, lease, abort(left, ASKED_FOR), place, take=take, kept=keep)
        if to is None or over.status is Status.HALTED:
            if over.status is Status.ABORTED:
                await _look_at_stable(platform, lease, over, place, take, keep)
            return over
    state = await platform.inspect(lease.target)
    release = await wanted(platform, lease.target, state, to)
    rollout = Rollout(
        id=rollout_id,
        target=lease.target,
        release=release,
        stable=state.stable,
        strategy="rollback",
        plan=WAY_BACK,
        started=time.time(),
    )
    return await carry_out(platform, lease, rollout, place, take=take, kept=keep)
