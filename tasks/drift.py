"""Looks whether what runs is what was released, and brings it back to that when it is told to."""

from __future__ import annotations

import time

from pydantic import ValidationError

from blocks.platforms import platform_named
from blocks.platforms.protocol import HostsServices
from domain import drift, freeze, history
from domain.errors import LockHeld, PlatformError, Unavailable
from domain.group import Member
from domain.place import Lease, ServiceState, Target
from domain.report import Stage, silent
from domain.rollout import CONVERGE, Rollout, abort
from domain.verdict import Outcome, Value, Verdict
from tasks import progress, recording
from tasks.deploy import groups_ended, new_rollout, roll, sentence
from tasks.diary import current
from tasks.kinds import act, observe
from tasks.left_behind import held_together
from tasks.notes import Notes
from tasks.rollback import WAY_BACK
from tasks.rollout import HISTORY, PAGE, unfinished
from tasks.run import Run
from tasks.stage import digest, finish, more_tries


class Looked(Value):
    """What a look came to. `state` is the environment in a sentence, empty when it could not be asked."""

    stage: Stage
    version: str | None = None
    address: str = ""
    state: str = ""


@observe("drift of {run.environment}")
async def looked(run: Run) -> Looked:
    """Compares what runs with what was released. INCONCLUSIVE when the platform gives no answer or the environment is
    being changed right now."""
    progress.began(drift.GATE)
    began = time.time()
    try:
        platform, target = await _place(run)
        verdict, state = await look(platform, target)
    except PlatformError as error:
        if isinstance(error, Unavailable) and more_tries():
            raise
        why = f"{run.environment} cannot be asked: {error.message}"
        return await _said(run, silent(drift.GATE, why), None, began)
    return await _said(run, verdict, state, began)


@act("converge {run.environment}")
async def converged(run: Run, before: Looked) -> Looked:
    """Provisions and promotes again what was promoted last, removes what nobody released, and looks again.

    What it was like `before` is kept in the reasons. Nothing is done where nothing has drifted or nothing could be
    seen. LockHeld when somebody is changing the environment.
    """
    if before.stage.verdict.outcome is not Outcome.FAIL:
        return before
    began = time.time()
    try:
        platform, target = await _place(run)
        places = {Member(target=target, platform=run.place.platform): run.place}
        async with held_together(
            places, lambda _: run.holder, say=lambda text: progress.working(drift.GATE, text)
        ) as holds:
            ended = await groups_ended(Notes({target: run}), holds)
            lease = holds[target].lease
            done = tuple(
                f"{one.target.service}: the group's rollout that was left behind: {one.status}" for one in ended
            )
            done += await converge(run, platform, lease)
            if (diary := current(target)) is not None:
                diary.say("drift.converged", run=run.id, why="; ".join((*done, *before.stage.verdict.reasons)))
            verdict, state = await look(platform, target, lease)
    except (PlatformError, LockHeld) as error:
        verdict, state, done = silent(drift.GATE, f"not converged: {error.message}"), None, ()
    was = tuple(f"before: {reason}" for reason in before.stage.verdict.reasons)
    reasons = (*verdict.reasons, *done, *was)
    return await _said(run, verdict.model_copy(update={"reasons": reasons}), state, began)


async def look(platform: HostsServices, target: Target, ours: Lease | None = None) -> tuple[Verdict, ServiceState]:
    """The verdict of gate `drift` and what it rests on; `ours` is the lease that we hold ourselves."""
    state = await platform.inspect(target)
    if state.lease is not None and (ours is None or state.lease.token != ours.token):
        return silent(drift.GATE, f"{state.lease.holder} is changing {target}: look again when that is over"), state
    page = await platform.recall(target, PAGE)
    try:
        pages = history.read(await platform.recall(target, HISTORY))
        left = Rollout.model_validate_json(page) if page else None
    except ValidationError as error:
        return silent(drift.GATE, f"the notebook of {target} cannot be read: {error.errors()[0]['msg']}"), state
    findings = drift.found(state, pages, None if pages else await recording.promoted_last(target))
    if left is not None and not left.status.over:
        findings = (f"the rollout of {left.release.version} was left at {left.action} by a run that died", *findings)
    return drift.verdict(state, findings), state


async def converge(run: Run, platform: HostsServices, lease: Lease) -> tuple[str, ...]:
    """Brings the target back to what was promoted last, as a rollout like any other. Returns what was done, in
    sentences."""
    done: tuple[str, ...] = ()
    left = await unfinished(platform, lease)
    if left is not None:
        back, _ = await roll(run, platform, lease, abort(left, "left behind by a run that died"), run.place)
        done += (f"the rollout of {left.release.version} that was left behind: {back.status}",)
    pages = history.read(await platform.recall(lease.target, HISTORY))
    wanted = history.intended(pages)
    if wanted is None:
        return (*done, "nothing was promoted, so there is nothing to converge to")
    state = await platform.inspect(lease.target)
    stable = state.of(state.stable)
    barrier = freeze.barrier(pages, wanted, stable.release if stable else None)
    if barrier is not None:
        return (*done, freeze.refusal(lease.target, wanted.version, barrier).message)
    rollout = new_rollout(lease.target, wanted, state, CONVERGE, WAY_BACK)
    over, _ = await roll(run, platform, lease, rollout, run.place)
    done += (f"{wanted.version} provisioned and promoted again: {over.status}{over.reason and f', {over.reason}'}",)
    for version in await _removed(platform, lease, wanted.version):
        done += (f"{version} removed",)
    return done


async def _removed(platform: HostsServices, lease: Lease, wanted: str) -> list[str]:
    """The versions that had no reason to be there and are gone; none where stable is not what was wanted."""
    state = await platform.inspect(lease.target)
    if state.stable != wanted:
        return []
    pages = history.read(await platform.recall(lease.target, HISTORY))
    gone = [version for version in drift.odd(state, pages) if not _weight(state, version)]
    for version in gone:
        await platform.retire(lease, version)
        if (diary := current(lease.target)) is not None:
            diary.say("release.retired", version=version, why="nobody released it, or no longer needs it")
    return gone


def _weight(state: ServiceState, version: str) -> int:
    there = state.of(version)
    return there.weight if there is not None else 0


async def _place(run: Run) -> tuple[HostsServices, Target]:
    assert run.environment is not None
    return await platform_named(run.place.platform), Target(service=run.project, environment=run.environment)


async def _said(run: Run, verdict: Verdict, state: ServiceState | None, began: float) -> Looked:
    target = f"{run.project} in {run.environment}"
    stage = Stage(name=drift.GATE, verdict=verdict, seconds=time.time() - began)
    stage = await finish(run, stage, digest(drift.GATE, {"target": target, "began": began}), began)
    await recording.audit(
        run.actor,
        f"drift.{verdict.outcome}",
        target,
        reasons=list(verdict.reasons),
        platform=run.place.platform,
        run=run.id,
    )
    if state is None:
        return Looked(stage=stage)
    return Looked(stage=stage, version=state.stable, address=state.address, state=sentence(state.target, state))
