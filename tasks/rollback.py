"""Going back to an earlier release after a rollout is over. Needs the platform alone: no Prefect server, no records.

It is a rollout like any other, of a release that was there before: while that is still warm, a switch of traffic. A
release that is not healthy is never switched to. Several services go back as one, or none of them does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from blocks.platforms.protocol import HostsServices
from domain import freeze, history
from domain.errors import SpecError
from domain.group import Group, Member, in_order
from domain.place import Lease, Release, ServiceState, Target
from domain.rollout import ROLLBACK, Action, Rollout, Status, Verb, abort
from domain.spec import EnvironmentSpec
from domain.together import arrived, back
from domain.verdict import Verdict
from tasks import diary
from tasks.left_behind import end_group, groups_at, mend_group
from tasks.rollout import HISTORY, Hold, Kept, Said, Step, carry_out_together, step, unfinished

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


async def _look_at_stable(hold: Hold, over: Rollout, take: Step, kept: Kept) -> None:
    """Says how the release is that has the traffic again."""
    platform, lease, place = hold
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
    """Takes one target back, as `roll_back_together`. Returns the rollout and what each of its steps said."""
    hold = {lease.target: Hold(platform, lease, place)}
    return (await roll_back_together(hold, [lease.target], rollout_id, to=to, take=take, kept=kept))[lease.target]


Ended = dict[Target, tuple[Rollout, list[Said]]]


async def roll_back_together(
    holds: Mapping[Target, Hold],
    targets: Sequence[Target],
    rollout_id: str,
    *,
    to: str | None = None,
    take: Step = step,
    kept: Kept | None = None,
) -> Ended:
    """Takes the targets back, all or none. What was left half-way there is aborted first, with all that is one release
    with it; when that is what was wanted (no `to`), it is all there is to do.

    Returns, for each target that moved, its rollout and what each step said. SpecError when one of them has no way
    back: then none has moved.
    """
    said: dict[Target, list[Said]] = {}
    held = {target: hold._replace(place=_without_script(hold.place)) for target, hold in holds.items()}

    async def keep(now: Rollout, action: Action, verdict: Verdict, began: float) -> None:
        said.setdefault(now.target, []).append((action, verdict, time.time() - began))
        if kept is not None:
            await kept(now, action, verdict, began)

    try:
        moved = await _gone_back(held, targets, rollout_id, to, take, keep)
    except SpecError as refused:
        for target in targets:
            _tell(target, "rollback.refused", to=to, why=refused.message)
        raise
    for one in moved:
        group = one.group.id if one.group else ""
        told = {"version": one.release.version, "left": one.stable, "outcome": str(one.status), "group": group}
        _tell(one.target, "rollback", rollout=one.id, **told)
    return {one.target: (one, said.get(one.target, [])) for one in moved}


def _tell(target: Target, action: str, **detail: object) -> None:
    if (found := diary.current(target)) is not None:
        found.say(action, **detail)


async def _gone_back(
    held: Mapping[Target, Hold], targets: Sequence[Target], rollout_id: str, to: str | None, take: Step, keep: Kept
) -> Sequence[Rollout]:
    over = await _taken_back(held, targets, to, take, keep)
    if over and (to is None or any(one.status is Status.HALTED for one in over)):
        for one in over:
            if one.status is Status.ABORTED:
                await _look_at_stable(held[one.target], one, take, keep)
        return over
    found = [await _planned(held[target], target, to, targets) for target in targets]
    if len(targets) > 1:
        members = in_order(Member(target=target, platform=held[target].place.platform) for target in targets)
        group = Group(id=rollout_id, members=members)
        found = [one.model_copy(update={"id": os.urandom(8).hex(), "group": group}) for one in found]
    else:
        found = [found[0].model_copy(update={"id": rollout_id})]
    return await carry_out_together([held[target] for target in targets], found, take=take, kept=keep)


def _without_script(place: EnvironmentSpec) -> EnvironmentSpec:
    """The script belongs to a snapshot of the source, and on-call has none."""
    return place.model_copy(update={"verify": place.verify.model_copy(update={"script": None})})


async def _planned(hold: Hold, target: Target, to: str | None, targets: Sequence[Target]) -> Rollout:
    state = await hold.platform.inspect(target)
    try:
        release = await wanted(hold.platform, target, state, to)
    except SpecError as error:
        if len(targets) == 1:
            raise
        names = ", ".join(one.service for one in targets)
        raise SpecError(f"{error.message}; none of {names} was touched", fix=error.fix) from error
    return Rollout(
        id="",
        target=target,
        release=release,
        stable=state.stable,
        strategy=ROLLBACK,
        plan=WAY_BACK,
        started=time.time(),
    )


async def _taken_back(
    holds: Mapping[Target, Hold], targets: Sequence[Target], to: str | None, take: Step, keep: Kept
) -> list[Rollout]:
    """The rollouts that were left half-way, aborted; a group that has halted is taken back once more. What has no way
    back is refused before any of it moves."""
    groups = await groups_at(holds, halted=True)
    alone = [await unfinished(holds[target].platform, holds[target].lease) for target in targets]
    singles = [one for one in alone if one is not None and one.group is None]
    for one in (*singles, *(one for group in groups for one in group if not one.status.over)):
        if one.promoted and one.frozen:
            found = freeze.Barrier(migration=one.frozen, version=one.release.version)
            raise freeze.refusal(one.target, to or str(one.stable), found)
    over: list[Rollout] = []
    for group in groups:
        halted = any(one.status is Status.HALTED for one in group)
        if arrived(group):
            await end_group(holds, group, take=take, kept=keep)  # nobody had said so yet
        elif halted and any(one.promoted and one.frozen for one in group):
            continue  # it is over; that there is no way back is told below
        elif halted:
            over += await mend_group(holds, group, why=ASKED_FOR, take=take, kept=keep)
        else:
            held = [holds[one.target] for one in group]
            over += await carry_out_together(held, back(group, ASKED_FOR), take=take, kept=keep)
    for one in singles:
        over += await carry_out_together([holds[one.target]], [abort(one, ASKED_FOR)], take=take, kept=keep)
    return over
