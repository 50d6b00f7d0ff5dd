"""The deploy and verify stages: a release is rolled out, looked at, and taken back by itself when it is bad.

Several services can be one release: all of them are promoted, or none. One alone is a group of one.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from blocks.platforms.protocol import HostsServices
from domain import freeze, history
from domain.errors import PlatformError, TesError
from domain.group import Group, Member, distinct, in_order, way_back
from domain.place import Lease, Release, ServiceState, Target
from domain.proof import Proof
from domain.release import compose, label, same
from domain.report import Stage
from domain.rollout import Action, Rollout, Status, Verb, abort, plan
from domain.spec import EnvironmentSpec
from domain.supply import Artifact, Source
from domain.standing import released_with
from domain.together import Stand, one_last, stand, torn
from domain.verdict import Evidence, Outcome, Value, Verdict
from tasks import progress
from tasks.diary_page import waiting
from tasks.judgement import judged
from tasks.kinds import act, observe
from tasks.left_behind import LEFT, end_group, groups_at, held_together
from tasks.notes import STEPS, Notes
from tasks.proof import Watch, added, seen_by, watched_together
from tasks.publish import in_prefect
from tasks.rollout import HISTORY, PAGE, Hold, Said, carry_out_together, step, unfinished
from tasks.run import Run
from tasks.stage import digest, finish
from tasks.verify import verify

# A release that has been serving is looked at again, not baked again.
STEADY_BAKE = 1.0


class Placed(Value):
    """Where a release ended up: its stages, and the environment as it is now."""

    stages: tuple[Stage, ...]
    version: str
    address: str
    state: str


class Together(Value):
    """Where the services of one release ended up. `torn` says which stands where, when some are at the new release and
    others are not, and `fix` is the command that mends it; both are empty when all ended alike."""

    placed: tuple[Placed, ...]
    torn: str = ""
    fix: str = ""


@act("{action}")
async def change(
    platform: HostsServices, lease: Lease, rollout: Rollout, action: Action, place: EnvironmentSpec
) -> Verdict:
    """One action that changes the environment."""
    return await step(platform, lease, rollout, action, place)


@observe("{action}")
async def look(
    platform: HostsServices, lease: Lease, rollout: Rollout, action: Action, place: EnvironmentSpec
) -> Verdict:
    """One action that only looks at it."""
    return await step(platform, lease, rollout, action, place)


async def as_task(
    platform: HostsServices, lease: Lease, rollout: Rollout, action: Action, place: EnvironmentSpec
) -> Verdict:
    """The action as a Prefect task of its kind, or bare where there is no Prefect run."""
    if not in_prefect():
        return await step(platform, lease, rollout, action, place)
    kind = look if action.verb in (Verb.WAIT_READY, Verb.VERIFY) else change
    return await kind(platform, lease, rollout, action, place)


def sentence(target: Target, state: ServiceState) -> str:
    """Where the environment stands, for a person."""
    if state.stable is None:
        return f"{target}: nothing is released"
    shares = [f"{r.release.version} {r.weight} %" for r in state.releases if r.weight]
    return f"{target}: {state.stable} is stable; traffic: {', '.join(shares) or 'none'}"


async def standing(platform: HostsServices, target: Target) -> tuple[ServiceState, str]:
    """The environment, and in a sentence where it stands and that there is no way back, if so."""
    state = await platform.inspect(target)
    stable = state.of(state.stable)
    try:
        pages = history.read(await platform.recall(target, HISTORY))
        frozen = freeze.told(pages, stable.release if stable else None)
        page = await platform.recall(target, PAGE)
        beside = released_with(Rollout.model_validate_json(page) if page else None, state)
    except ValidationError:
        frozen, beside = "its history cannot be read", ""
    return state, "; ".join(filter(None, (sentence(target, state), beside, frozen)))


def new_rollout(
    target: Target,
    release: Release,
    state: ServiceState,
    strategy: str,
    actions: tuple[Action, ...],
    pages: history.History = (),
) -> Rollout:
    """A rollout from what is stable now. `pages` is the target's history: it tells which migrations are known there."""
    return Rollout(
        id=os.urandom(8).hex(),
        target=target,
        release=release,
        stable=state.stable,
        strategy=strategy,
        plan=actions,
        frozen=freeze.brings(pages, release) if state.stable else "",
        started=time.time(),
    )


def _steps(path: Path) -> list[list[str]]:
    """The evidence as a table for a person; empty when nothing had to be done."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [[line["step"], line["outcome"], "; ".join(line["reasons"])] for line in lines]
    return [["step", "verdict", "reasons"], *rows]


class Part(NamedTuple):
    """One service of what is released: its run, what was made of its source, and where it goes."""

    run: Run
    release: Release
    target: Target

    @property
    def member(self) -> Member:
        return Member(target=self.target, platform=self.run.place.platform)


def part_of(run: Run, source: Source, artifact: Artifact) -> Part:
    """The release of an artifact for the run's environment."""
    assert run.environment is not None
    release = compose(run.spec, run.place, source, artifact, run.version or label(run.ref or "") or None)
    return Part(run.with_script_in(source), release, Target(service=release.service, environment=run.environment))


async def _already(platform: HostsServices, part: Part) -> Release | None:
    """The stable release when it is this very one (under this name, when it was given one), whole, and alone with the
    traffic; else None."""
    release, state = part.release, await platform.inspect(part.target)
    there = state.of(state.stable)
    if there is None or not there.ready or there.weight != 100 or not same(release.version, state.stable):
        return None
    named = bool(part.run.version or part.run.ref)
    if named and state.stable != release.version:
        return None
    return release.model_copy(update={"version": str(state.stable)})


async def roll(
    run: Run, platform: HostsServices, lease: Lease, rollout: Rollout, place: EnvironmentSpec
) -> tuple[Rollout, list[Said]]:
    """Carries one rollout out, step by step into the records and the audit log."""
    notes = Notes({lease.target: run})
    (over,) = await _rolled(notes, [Hold(platform, lease, place)], [rollout])
    return over, notes.said[lease.target]


async def _rolled(
    notes: Notes, holds: Sequence[Hold], rollouts: Sequence[Rollout], watches: Mapping[Target, Watch] | None = None
) -> tuple[Rollout, ...]:
    await notes.begun(rollouts)
    take, kept = seen_by(watches or {}, as_task, notes.kept)
    over = await carry_out_together(holds, rollouts, take=take, kept=kept)
    await notes.ended(over)
    return over


async def groups_ended(notes: Notes, holds: Mapping[Target, Hold]) -> list[Rollout]:
    """Brings the groups that killed processes left at what is held to their end; returns their rollouts."""
    ended: list[Rollout] = []
    for left in await groups_at(holds):
        for one in left:
            progress.working(
                "deploy", f"ending the rollout of {one.release.version}, released with others, left half-way"
            )
        await notes.begun(left)
        over = await end_group(holds, left, take=as_task, kept=notes.kept)
        await notes.ended(over)
        ended += over
    return ended


async def _planned(part: Part, hold: Hold, notes: Notes, group: Group | None) -> Rollout | None:
    """The rollout to carry out; None where this very release is stable and has all traffic already. What a killed run
    left is taken up when it is of the same release and alone, and taken back when it is not."""
    left = await unfinished(hold.platform, hold.lease)
    if left is None and await _already(hold.platform, part) is not None:
        return None
    again = left is not None and left.release.version == part.release.version and group is None
    if left is not None and again and left.status is Status.PROGRESSING:
        progress.working("deploy", f"taking up the rollout that was left at {left.action}")
        return left
    if left is not None:
        progress.working("deploy", f"taking back the rollout of {left.release.version} that was left behind")
        await _rolled(notes, [hold], [abort(left, LEFT)])
    state = await hold.platform.inspect(part.target)
    actions = plan(hold.place, first=state.stable is None, migrates=part.release.migrations is not None)
    pages = history.read(await hold.platform.recall(part.target, HISTORY))
    rollout = new_rollout(part.target, part.release, state, hold.place.strategy, actions, pages)
    return rollout.model_copy(update={"group": group})


async def roll_out(run: Run, source: Source, artifact: Artifact) -> Placed:
    """Brings the artifact to the run's environment and verifies it there; a bad one goes back by itself."""
    return (await roll_out_together([part_of(run, source, artifact)])).placed[0]


async def roll_out_together(parts: Sequence[Part], group_id: str = "") -> Together:
    """Brings services to their environment as one release: all of them are promoted, or none. One alone is an ordinary
    rollout. SpecError for what can be refused before anything moves."""
    distinct([part.target.service for part in parts])
    for part in parts:
        with progress.naming(part.target.service if len(parts) > 1 else ""):
            progress.began("deploy")
    began = time.time()
    notes = Notes({part.target: part.run for part in parts})
    places = {part.member: part.run.place for part in parts}
    group = Group(id=group_id or os.urandom(8).hex(), members=in_order(places)) if len(parts) > 1 else None
    holders = {part.target: part.run.holder for part in parts}
    async with held_together(places, lambda m: holders.get(m.target, parts[0].run.holder), say=_waiting) as holds:
        await groups_ended(notes, holds)
        planned = [await _planned(part, holds[part.target], notes, group) for part in parts]
        moving = [rollout for rollout in planned if rollout is not None]
        one_last(moving)
        moved = await _moved(notes, holds, moving, parts)
        stands = [await stand_of(holds[one.target], one) for one in moved.over.values()] if group else []
        told = [await _told(part, holds[part.target], moved, notes, began) for part in parts]
    where, placed_all = torn(stands), []
    for one in told:
        with progress.naming(one.target.service if group else ""):
            placed_all.append(await placed(*one, began))
    return Together(placed=tuple(placed_all), torn=where, fix=_command(parts) if where else "")


class Told(NamedTuple):
    """What is to be said of one service: its verdicts, and for how many seconds it was looked at."""

    run: Run
    platform: HostsServices
    target: Target
    version: str
    deploy: Verdict
    checked: Verdict | None
    baked: float


async def _told(part: Part, hold: Hold, moved: Moved, notes: Notes, began: float) -> Told:
    if part.target in moved.over:
        deploy, checked, baked = judged(moved.over[part.target], notes.said[part.target], moved.ended - began)
        if part.target in moved.proofs:
            deploy = added(deploy, moved.proofs[part.target], part.run.folder)
        return Told(part.run, hold.platform, part.target, part.release.version, deploy, checked, baked)
    release = await _already(hold.platform, part) or part.release
    bake = part.run.place.verify.bake
    # Who says `--from verify` wants the whole look again.
    bake = bake if part.run.start_at in ("deploy", "verify") else min(bake, STEADY_BAKE)
    verdicts = await _verified_again(hold.platform, part.target, release, part.run.place, bake)
    return Told(part.run, hold.platform, part.target, release.version, *verdicts)


def _waiting(text: str) -> None:
    progress.working("deploy", text)


def _command(parts: Sequence[Part]) -> str:
    return way_back([str(part.run.root) for part in parts], parts[0].target.environment)


class Moved(NamedTuple):
    """Rollouts that are over, what clients saw of them where that was asked for, and when the last step was done, in
    seconds since the epoch."""

    over: dict[Target, Rollout]
    proofs: dict[Target, Proof]
    ended: float


async def _moved(notes: Notes, holds: Mapping[Target, Hold], moving: Sequence[Rollout], parts: Sequence[Part]) -> Moved:
    """The rollouts, carried out. Where that breaks off in a group, the error says where each service stands."""
    if not moving:
        return Moved({}, {}, time.time())
    try:
        async with watched_together(notes.runs, holds, moving) as watches:
            over = await _rolled(notes, [holds[one.target] for one in moving], moving, watches)
            ended = time.time()
        proofs = {target: watch.proof for target, watch in watches.items() if watch.proof is not None}
        return Moved({one.target: one for one in over}, proofs, ended)
    except TesError as error:
        if len(moving) == 1:
            raise
        stands = [await stand_of(holds[one.target], one) for one in moving]
        fix = f"take all of them back: {_command(parts)}" if torn(stands) else error.fix
        raise PlatformError(f"{error.message}; {'; '.join(map(str, stands))}", fix=fix) from error


async def stand_of(hold: Hold, rollout: Rollout) -> Stand:
    """Where the rollout's service stands now, as its platform says."""
    try:
        return stand(rollout, await hold.platform.inspect(rollout.target))
    except PlatformError as error:
        return stand(rollout, None, error.message)


async def placed(
    run: Run,
    platform: HostsServices,
    target: Target,
    version: str,
    deploy: Verdict,
    checked: Verdict | None,
    baked: float,
    began: float,
) -> Placed:
    """Finishes the stages deploy and verify, and looks where the environment stands now."""
    deploy = deploy.model_copy(update={"reasons": (*deploy.reasons, *await asyncio.to_thread(waiting))})
    key = digest("deploy", {"target": str(target), "version": version})
    took = time.time() - began - baked
    steps = run.folder / "deploy" / STEPS
    if steps.exists():
        evidence = (Evidence(name=STEPS, location=str(steps)), *deploy.evidence)
        deploy = deploy.model_copy(update={"evidence": evidence})
    payload = {"table": _steps(steps)}
    stages = [await finish(run, Stage(name="deploy", verdict=deploy, payload=payload, seconds=took), key, began)]
    if checked is not None:
        stages.append(await finish(run, Stage(name="verify", verdict=checked, seconds=baked), key, began))
    state, told = await standing(platform, target)
    return Placed(stages=tuple(stages), version=version, address=state.address, state=told)


async def _verified_again(
    platform: HostsServices, target: Target, release: Release, place: EnvironmentSpec, bake: float
) -> tuple[Verdict, Verdict, float]:
    why = f"{release.version} is stable and has all traffic already"
    deploy = Verdict(gate="deploy", outcome=Outcome.PASS, reasons=(why,), reused=True)
    began = time.time()
    how = place.verify
    checked = await verify(platform, target, release.version, how, bake, release.health.path, public=True)
    return deploy, checked, time.time() - began
