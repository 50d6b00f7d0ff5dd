"""Finds what nobody needs on the platforms that a project names, and removes it by the platforms' own verbs.

Bare, like a rollback: it needs neither a Prefect server nor, to look, the records.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from blocks.platforms import platform_named
from blocks.platforms.protocol import Collects, HostsServices
from domain.errors import LockHeld, PlatformError, Rejected
from domain.garbage import Piece, spared, unreferenced
from domain.place import Lease, Target
from domain.rollout import Rollout
from domain.verdict import Outcome, Verdict
from tasks import recording
from tasks.abandoned import PREVIEW, remove
from tasks.actor import actor
from tasks.diary import current
from tasks.lease import held
from tasks.rollout import PAGE

GATE = "gc"
HALF_WAY = "a preview that nobody holds"
CREATED = "created here, and nothing refers to it"


async def collect(
    names: Iterable[str], holder: str, *, plan: bool, elsewhere: Sequence[Piece] = ()
) -> tuple[Verdict, list[Piece]]:
    """What is not needed on these platforms; removed, unless it is only a `plan`. `elsewhere` is what the caller found,
    or removed, in other places: it is written down and counted.

    INCONCLUSIVE when a platform could not be asked: what is there of it is not known. FAIL when something did not go.
    What somebody is working on is left alone.
    """
    pieces: list[Piece] = list(elsewhere)
    silent: list[str] = []
    for piece in elsewhere:
        if piece.done:
            await recording.audit(actor(), "gc", piece.where, platform=piece.platform, why=piece.why)
    for name in names:
        try:
            platform = await platform_named(name)
            await _of(name, platform, holder, plan, pieces)
        except PlatformError as error:
            silent.append(f"{name} cannot be asked: {error.message}")
    bad = [str(piece) for piece in pieces if piece.problem]
    told = [*silent, *bad] or [f"{len(pieces)} {'to remove' if plan else 'removed'}"]
    outcome = Outcome.INCONCLUSIVE if silent else Outcome.FAIL if bad else Outcome.PASS
    return Verdict(gate=GATE, outcome=outcome, reasons=tuple(told), metrics={"pieces": float(len(pieces))}), pieces


async def _of(name: str, platform: HostsServices, holder: str, plan: bool, pieces: list[Piece]) -> None:
    # Added one by one: what was removed is told, also where the platform falls silent afterwards.
    for target in await platform.targets():
        found = await _unneeded(name, platform, target)
        pieces += found if plan or not found else await _removed(name, platform, target, holder)
    if isinstance(platform, Collects):
        there = await platform.garbage()
        if not plan and there:
            await platform.collect()
        # What is gone is looked at, not believed.
        left = set(await platform.garbage()) if not plan and there else set()
        for thing in there:
            problem = "it is still there" if thing in left else ""
            done = not plan and not problem
            pieces.append(Piece(platform=name, where=thing, why=CREATED, done=done, problem=problem))
            if done:
                await recording.audit(actor(), "gc", thing, platform=name, why=CREATED)


async def _unneeded(name: str, platform: HostsServices, target: Target, ours: Lease | None = None) -> list[Piece]:
    """The target's; nothing while somebody works on it. `ours` is the lease that we hold ourselves."""
    state = await platform.inspect(target)
    if ours is not None and state.lease is not None and state.lease.token == ours.token:
        state = state.model_copy(update={"lease": None})
    page = await platform.recall(target, PAGE)
    try:
        left = Rollout.model_validate_json(page) if page else None
    except ValidationError as error:
        raise Rejected(f"the notebook of {target} cannot be read, so nothing of it is removed") from error
    if spared(state, left):
        return []
    if target.environment.startswith(PREVIEW):
        return [Piece(platform=name, where=str(target), why=HALF_WAY)]
    found = unreferenced(state, time.time())
    return [Piece(platform=name, where=str(target), version=version, why=why) for version, why in found.items()]


async def _removed(name: str, platform: HostsServices, target: Target, holder: str) -> list[Piece]:
    """Looks again under the lease, and removes: what was seen without it may be needed by now."""
    try:
        if target.environment.startswith(PREVIEW):
            lease = await platform.acquire(target, holder, 60.0)
            return await _each(await _unneeded(name, platform, target, lease), platform, lease)
        async with held(platform, target, holder, patience=0) as lease:
            return await _each(await _unneeded(name, platform, target, lease), platform, lease)
    except LockHeld:
        return []


async def _each(pieces: Sequence[Piece], platform: HostsServices, lease: Lease) -> list[Piece]:
    done = []
    for piece in pieces:
        try:
            if piece.version:
                await platform.retire(lease, piece.version)
            else:
                await remove(platform, lease)
        except PlatformError as error:
            done.append(piece.model_copy(update={"problem": error.message}))
            continue
        done.append(piece.model_copy(update={"done": True}))
        if (diary := current(lease.target)) is not None:  # in its order, between the lease's coming and going
            diary.say("gc", version=piece.version, why=piece.why)
            continue
        await recording.audit(actor(), "gc", piece.where, version=piece.version, platform=piece.platform, why=piece.why)
    return done
