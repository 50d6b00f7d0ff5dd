"""What a killed process left of a group: its members are found, held in one order, and brought to one end.

All had been promoted: then they stay. One had not: then all go back. The notebooks of the environments tell; a
notebook that tells of another rollout by now says that its service was done with this one.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from blocks.platforms import platform_named
from blocks.platforms.protocol import HostsServices
from domain.errors import PlatformError, SpecError
from domain.group import Member, in_order
from domain.place import Target
from domain.rollout import Rollout, Status, Verb, advance
from domain.spec import EnvironmentSpec
from domain.together import Rollouts, mended, settled, stand
from tasks.lease import held
from tasks.rollout import Hold, Kept, Step, carry_out_together, done, note, page_of, step

LEFT = "left behind by a run that was killed"


def open_still(rollout: Rollout | None, *, halted: bool = False) -> bool:
    """Whether a page tells of a rollout that somebody has to end; with `halted` also of a group's that has halted."""
    if rollout is None:
        return False
    return not rollout.status.over or (halted and rollout.group is not None and rollout.status is Status.HALTED)


@contextlib.asynccontextmanager
async def held_together(
    places: Mapping[Member, EnvironmentSpec],
    holder: Callable[[Member], str],
    *,
    halted: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> AsyncIterator[dict[Target, Hold]]:
    """Everything that has to be held to change these places: they themselves, and the members of groups that were left
    unfinished there. Taken in one order, given back at the end.

    LockHeld as in `tasks/lease.py`; then nothing is held. Of a member that is found by its notebook alone nothing is
    known but its platform: it is verified by its health.
    """
    known = dict(places)
    while True:
        known |= await _with_left_groups(known, halted)
        async with contextlib.AsyncExitStack() as stack:
            holds: dict[Target, Hold] = {}
            for member in in_order(known):
                platform = await platform_named(member.platform)
                lease = await stack.enter_async_context(held(platform, member.target, holder(member), say=say))
                holds[member.target] = Hold(platform, lease, known[member])
            # Between the look and the lease somebody may have been killed in the middle of yet another group.
            if not await _with_left_groups(known, halted):
                yield holds
                return


async def _with_left_groups(known: Mapping[Member, EnvironmentSpec], halted: bool) -> dict[Member, EnvironmentSpec]:
    """The members beside the known ones of groups that somebody has to end, as the known ones' notebooks name them."""
    targets, more = {member.target for member in known}, dict[Member, EnvironmentSpec]()
    for member in known:
        page = await page_of(await platform_named(member.platform), member.target)
        # One that was promoted stays whatever the others' notebooks say: all had been promoted by then.
        if page is None or page.group is None or page.status is Status.PROMOTED:
            continue
        here = open_still(page, halted=halted)
        others = [other for other in page.group.members if other.target not in targets]
        found = [(other, await _page_in(page.group.id, other, needed=here)) for other in others]
        if here or any(open_still(one, halted=halted) for _, one in found):
            targets |= {other.target for other, one in found if one is not None}
            more |= {other: EnvironmentSpec(platform=other.platform) for other, one in found if one is not None}
    return more


async def _page_in(group: str, member: Member, *, needed: bool) -> Rollout | None:
    """The member's page, when it is still of that group. Where nothing of ours hangs on it, a platform that does not
    answer must not keep us from our own: whoever comes to that member next ends it."""
    try:
        page = await page_of(await platform_named(member.platform), member.target)
    except (PlatformError, SpecError):
        if needed:
            raise
        return None
    return page if page is not None and page.group is not None and page.group.id == group else None


async def groups_at(holds: Mapping[Target, Hold], *, halted: bool = False) -> list[Rollouts]:
    """The unfinished groups among what is held, each with all the members that are still in it."""
    pages = [await page_of(hold.platform, target) for target, hold in holds.items()]
    ids = {page.group.id: None for page in pages if page and page.group and open_still(page, halted=halted)}
    return [tuple(page for page in pages if page and page.group and page.group.id == one) for one in ids]


async def end_group(
    holds: Mapping[Target, Hold], left: Sequence[Rollout], *, why: str = LEFT, take: Step = step, kept: Kept
) -> Rollouts:
    """Brings a group that was left to one end: forward when all had been promoted, else back."""
    seen = [await _as_seen(holds[one.target].platform, holds[one.target], one) for one in left]
    return await carry_out_together([holds[one.target] for one in left], settled(seen, why), take=take, kept=kept)


async def _as_seen(platform: HostsServices, hold: Hold, rollout: Rollout) -> Rollout:
    """The rollout as it would have been written down, had its process lived a moment longer: what runs is the truth."""
    if rollout.action is None or rollout.action.verb is not Verb.PROMOTE:
        return rollout
    if not stand(rollout, await platform.inspect(rollout.target)).is_new:
        return rollout
    await note(platform, hold.lease, rollout, rollout.action)
    return advance(rollout, done("promote", f"{rollout.release.version} was promoted before it was written down"))


async def mend_group(
    holds: Mapping[Target, Hold], left: Sequence[Rollout], *, why: str, take: Step = step, kept: Kept
) -> Rollouts:
    """Takes a group that has halted back once more, when what it goes back to has proved healthy.

    PlatformError when it is not: then nothing has moved. A group that has no way back stays where it is.
    """
    again = mended(left, why)
    for was, now in zip(left, again, strict=True):
        if was.status is Status.HALTED and now.status is Status.ABORTING:
            await _proven(holds[was.target], was)
    return await carry_out_together([holds[one.target] for one in left], again, take=take, kept=kept)


async def _proven(hold: Hold, rollout: Rollout) -> None:
    if rollout.stable is None:
        return
    there = (await hold.platform.inspect(rollout.target)).of(rollout.stable)
    if there is not None and there.ready:
        return
    why = "it is not there any more"
    if there is not None:
        await hold.platform.provision(hold.lease, there.release)
        ready, why = await hold.platform.wait_ready(rollout.target, rollout.stable, there.release.health.grace + 30)
        if ready:
            return
    raise PlatformError(
        f"{rollout.target}: {rollout.stable} does not get the traffic back before it is healthy: {why}",
        fix="look at its logs; or release a version that works, of all services of the group",
    )
