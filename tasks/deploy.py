"""The deploy and verify stages: a release is rolled out, looked at, and taken back by itself when it is bad."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from blocks.platforms import platform_named
from blocks.platforms.protocol import HostsServices
from domain import freeze, history
from domain.place import Lease, Release, ServiceState, Target
from domain.release import compose, label, same
from domain.report import Stage
from domain.rollout import Action, Rollout, Status, Verb, abort, plan
from domain.spec import EnvironmentSpec
from domain.supply import Artifact, Source
from domain.verdict import Evidence, Outcome, Value, Verdict, worst
from tasks import progress, recording
from tasks.diary_page import waiting
from tasks.kinds import act, observe
from tasks.lease import held
from tasks.proof import Watch, added, watched
from tasks.publish import in_prefect
from tasks.rollback import ASKED_FOR
from tasks.rollout import HISTORY, Said, carry_out, step, unfinished
from tasks.run import Run
from tasks.stage import digest, finish
from tasks.verify import verify

# A release that has been serving is looked at again, not baked again.
STEADY_BAKE = 1.0
STEPS = "steps.jsonl"


class Placed(Value):
    """Where a release ended up: its stages, and the environment as it is now."""

    stages: tuple[Stage, ...]
    version: str
    address: str
    state: str


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
    except ValidationError:
        frozen = "its history cannot be read"
    return state, "; ".join(filter(None, (sentence(target, state), frozen)))


def judged(rollout: Rollout, said: Sequence[Said], seconds: float) -> tuple[Verdict, Verdict | None, float]:
    """The verdicts of the stages deploy and verify of a rollout that is over and took so many seconds; and how many of
    them it was looked at: those are the stage verify's."""
    baked = sum(took for action, _, took in said if action.verb is Verb.VERIFY)
    deploy = _deployed(rollout, said, seconds - baked)
    looked = [verdict for action, verdict, _ in said if action.verb is Verb.VERIFY]
    if not looked:
        return deploy, None, baked
    outcome = worst(verdict.outcome for verdict in looked)
    checked = Verdict(gate="verify", outcome=outcome, reasons=_told(looked), metrics=looked[-1].metrics)
    return deploy, checked, baked


def _deployed(rollout: Rollout, said: Sequence[Said], seconds: float) -> Verdict:
    version, stable = rollout.release.version, rollout.stable
    metrics = {"steps": float(len(said)), "seconds": seconds}
    if rollout.status is Status.HALTED:
        reasons: tuple[str, ...] = (f"halted, nothing was taken away: {rollout.reason}",)
        return Verdict(gate="deploy", outcome=Outcome.FAIL, reasons=reasons, metrics=metrics)
    now = f"{stable} has all traffic" if stable else "nothing was released before, and nothing is now"
    if rollout.status is Status.ABORTED and rollout.reason == ASKED_FOR:
        reasons = (f"{version} was half-way and was taken back, as asked", now)
        return Verdict(gate="deploy", outcome=Outcome.PASS, reasons=reasons, metrics=metrics)
    if rollout.promoted:
        reasons = (f"{version} promoted in {seconds:.1f} s, {len(said)} steps",)
        if rollout.status is Status.ABORTED:
            reasons += (f"then {f'taken back to {stable}' if stable else 'removed'}: {rollout.reason}",)
        return Verdict(gate="deploy", outcome=Outcome.PASS, reasons=reasons, metrics=metrics)
    reasons = (f"{version} was not promoted: {rollout.reason}", now)
    blind = bool(said) and any(v.outcome is Outcome.INCONCLUSIVE for a, v, _ in said) and not _failed(said)
    outcome = Outcome.INCONCLUSIVE if blind else Outcome.FAIL
    return Verdict(gate="deploy", outcome=outcome, reasons=reasons, metrics=metrics)


def _failed(said: Sequence[Said]) -> bool:
    return any(verdict.outcome is Outcome.FAIL for _, verdict, _ in said)


def _told(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    bad = [verdict for verdict in verdicts if not verdict.passed]
    return tuple(dict.fromkeys(reason for verdict in bad or verdicts[-1:] for reason in verdict.reasons))


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


async def _begun(run: Run, platform: HostsServices, lease: Lease, release: Release) -> Rollout:
    """The rollout to carry out: what a killed run left behind is taken up when it is of the same release, and taken
    back when it is of another."""
    left = await unfinished(platform, lease)
    if left is not None and left.release.version == release.version and left.status is Status.PROGRESSING:
        progress.working("deploy", f"taking up the rollout that was left at {left.action}")
        return left
    if left is not None:
        progress.working("deploy", f"taking back the rollout of {left.release.version} that was left behind")
        await roll(run, platform, lease, abort(left, "left behind by a run that was killed"), run.place)
    state = await platform.inspect(lease.target)
    migrates = release.migrations is not None
    actions = plan(run.place, first=state.stable is None, migrates=migrates)
    pages = history.read(await platform.recall(lease.target, HISTORY))
    return new_rollout(lease.target, release, state, run.place.strategy, actions, pages)


def noted(folder: Path, rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    """A line of the evidence: what was done, when, and what came of it."""
    (folder / "deploy").mkdir(parents=True, exist_ok=True)
    line = {"at": began, "rollout": rollout.id, "step": str(action), **verdict.model_dump(mode="json")}
    with (folder / "deploy" / STEPS).open("a") as file:
        file.write(json.dumps(line) + "\n")


def _steps(path: Path) -> list[list[str]]:
    """The evidence as a table for a person; empty when nothing had to be done."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [[line["step"], line["outcome"], "; ".join(line["reasons"])] for line in lines]
    return [["step", "verdict", "reasons"], *rows]


async def roll(
    run: Run,
    platform: HostsServices,
    lease: Lease,
    rollout: Rollout,
    place: EnvironmentSpec,
    watch: Watch | None = None,
) -> tuple[Rollout, list[Said]]:
    """Carries a rollout out, step by step into the records; `watch` hears of each step. The audit log is written below,
    in `carry_out`."""
    said: list[Said] = []

    async def kept(now: Rollout, action: Action, verdict: Verdict, began: float) -> None:
        said.append((action, verdict, time.time() - began))
        await asyncio.to_thread(noted, run.folder, now, action, verdict, began)
        await recording.rollout_step(now, action, verdict, began)

    await recording.release(rollout.release, lease.target.environment)
    await recording.rollout(rollout)
    take = watch.step(as_task) if watch else as_task
    over = await carry_out(platform, lease, rollout, place, take=take, kept=watch.kept(kept) if watch else kept)
    await recording.rollout(over)
    return over, said


async def _already(platform: HostsServices, target: Target, release: Release, named: bool) -> str | None:
    """The stable version when it is this very release (under this name, when it was given one), whole, and alone with
    the traffic; else None."""
    state = await platform.inspect(target)
    there = state.of(state.stable)
    if there is None or not there.ready or there.weight != 100 or not same(release.version, state.stable):
        return None
    return state.stable if state.stable == release.version or not named else None


async def roll_out(run: Run, source: Source, artifact: Artifact) -> Placed:
    """Brings the artifact to the run's environment and verifies it there; a bad one goes back by itself."""
    assert run.environment is not None
    release = compose(run.spec, run.place, source, artifact, run.version or label(run.ref or "") or None)
    run = run.with_script_in(source)
    target = Target(service=release.service, environment=run.environment)
    platform = await platform_named(run.place.platform)
    progress.began("deploy")
    began = time.time()
    checked: Verdict | None
    async with held(platform, target, run.holder, say=lambda text: progress.working("deploy", text)) as lease:
        stable = await _already(platform, target, release, bool(run.version or run.ref))
        if stable is not None and await unfinished(platform, lease) is None:
            release = release.model_copy(update={"version": stable})
            bake = run.place.verify.bake
            # Who says `--from verify` wants the whole look again.
            bake = bake if run.start_at in ("deploy", "verify") else min(bake, STEADY_BAKE)
            deploy, checked, baked = await _verified_again(platform, target, release, run.place, bake)
        else:
            rollout = await _begun(run, platform, lease, release)
            async with watched(run, platform, rollout) as watch:
                over, said = await roll(run, platform, lease, rollout, run.place, watch)
                deploy, checked, baked = judged(over, said, time.time() - began)
            if watch is not None and watch.proof is not None:
                deploy = added(deploy, watch.proof, run.folder)
    return await placed(run, platform, target, release.version, deploy, checked, began, baked)


async def placed(
    run: Run,
    platform: HostsServices,
    target: Target,
    version: str,
    deploy: Verdict,
    checked: Verdict | None,
    began: float,
    baked: float,
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
