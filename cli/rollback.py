"""`tes rollback`: the on-call's command. Needs the platform alone; the records are written when they answer."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from blocks.platforms.protocol import HostsServices
from domain.development import including
from domain.errors import LockHeld, SpecError, TesError, Unavailable
from domain.group import Member, distinct, way_back
from domain.place import Target
from domain.report import GroupReport, Report, Stage, grouped, weigh
from domain.rollout import Rollout
from domain.policy import Policy
from domain.spec import EnvironmentSpec
from domain.together import torn
from tasks.deploy import standing
from tasks.judgement import judged, untouched
from tasks.rollout import Said
from tasks.spec_file import load_spec

# As domain/spec.py's names: they become folders.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


_STOP_IT = (
    "a release under way takes itself back when it is stopped: press Ctrl-C where it runs, or end the process that is "
    "named above; run this again for the release before"
)


def _say(text: str) -> None:
    print(f"tes: {text}", file=sys.stderr, flush=True)


class Place(NamedTuple):
    """A service in an environment, and what its tes.yaml says of that, if it is at hand."""

    target: Target
    place: EnvironmentSpec
    root: Path | None


def rollback(
    project: Path, environment: str, service: str | None, to: str | None, platform: str | None = None
) -> Report:
    """Takes a service back to `to`, or to the release before the present one. Returns the report.

    `service` spares the project's folder, which on-call may not have; `platform` says then where it runs. What a killed
    process left half-way as one release with others is taken back with them, and the advice says so.
    """
    return asyncio.run(_rollback([_place(project, environment, service, platform)], to)).reports[0]


def rollback_together(
    projects: Sequence[Path],
    environment: str,
    services: Sequence[str] | None,
    to: str | None,
    platform: str | None = None,
) -> GroupReport:
    """Takes several services back to the releases before their present ones: all of them, or none. Returns the
    report."""
    if to is not None:
        raise SpecError("--to goes with one service", fix="leave --to out: each goes to the release before its present")
    if services:
        places = [_place(Path(), environment, name, platform) for name in services]
    else:
        places = [_place(project, environment, None, platform) for project in projects]
    distinct([one.target.service for one in places])
    return asyncio.run(_rollback(places, to))


def _place(project: Path, environment: str, service: str | None, platform: str | None) -> Place:
    for option, name in (("--service", service), ("--environment", environment)):
        if name is not None and not _NAME.fullmatch(name):
            raise SpecError(f"{option} {name[:80]!r} cannot be a name", fix="`tes status` lists what there is")
    if service is not None:
        place = EnvironmentSpec() if platform is None else EnvironmentSpec(platform=platform)
        return Place(Target(service=service, environment=environment), place, None)
    if platform is not None:
        raise SpecError(
            f"--platform {platform} goes with --service: a project's tes.yaml says where its environments are",
            fix="leave --platform out, or name the service with --service",
        )
    spec = including(load_spec(project, files=False).spec, environment)
    if environment not in spec.environments:
        raise SpecError(
            f"there is no environment {environment!r} in the tes.yaml of {project}",
            fix=f"one of: {', '.join(spec.environments)}; or name the service with --service",
        )
    target = Target(service=spec.name or project.absolute().name, environment=environment)
    return Place(target, spec.environments[environment], project.absolute())


async def _known(place: Place) -> None:
    """Before anything is held: a slip in a name should not make a place of that name."""
    from blocks.platforms import platform_named  # Prefect comes with it: not before it is needed
    from tasks.rollout import HISTORY, PAGE

    platform, target = await platform_named(place.place.platform), place.target
    pages = [await platform.recall(target, page) for page in (HISTORY, PAGE)]
    if not any(pages) and not (await platform.inspect(target)).releases:
        raise SpecError(
            f"{target}: no earlier release to go back to: nothing was ever released there on {place.place.platform}",
            fix="`tes status` lists what there is; a service elsewhere is found with --platform",
        )


async def _rollback(places: Sequence[Place], to: str | None) -> GroupReport:
    from tasks.deploy import stand_of
    from tasks.left_behind import held_together
    from tasks.rollback import roll_back_together
    from tasks.run import holder

    began = time.time()
    run = os.urandom(16).hex()
    for place in places:
        await _known(place)
    members = {Member(target=one.target, platform=one.place.platform): one.place for one in places}
    try:
        async with held_together(members, lambda _: holder(run), halted=True, say=_say) as holds:
            ended = await roll_back_together(holds, [one.target for one in places], run[:16], to=to)
            stands = [await stand_of(holds[one.target], one) for one, _ in ended.values()] if len(ended) > 1 else []
    except LockHeld as error:
        raise LockHeld(error.message, fix=_STOP_IT) from error
    unrecorded = await _record([over for over, _ in ended.values()])
    beside = [str(one) for one in stands if one.target not in {place.target for place in places}]
    where = torn(stands)
    told = tuple(filter(None, (f"taken back with it, as one release: {'; '.join(beside)}" if beside else "",)))
    reports = [
        await _report(run, holds[one.target].platform, one.target, ended.get(one.target), began, (*told, *unrecorded))
        for one in places
    ]
    return grouped(run, "rollback", reports, time.time() - began, where, _again(places) if where else "")


def _again(places: Sequence[Place]) -> str:
    environment = places[0].target.environment
    if all(one.root is not None for one in places):
        return way_back([str(one.root) for one in places], environment)
    where = {one.place.platform for one in places} - {EnvironmentSpec().platform}
    words = [word for one in places for word in ("--service", one.target.service)]
    return way_back([*words, *(word for one in where for word in ("--platform", one))], environment)


async def _report(
    run: str,
    platform: HostsServices,
    target: Target,
    ended: tuple[Rollout, list[Said]] | None,
    began: float,
    advice: tuple[str, ...],
) -> Report:
    state, told = await standing(platform, target)
    version = ended[0].release.version if ended else state.stable
    deploy, checked, baked = untouched(str(version)), None, 0.0
    if ended:
        deploy, checked, baked = judged(*ended, time.time() - began)
    stages = [Stage(name="deploy", verdict=deploy, seconds=time.time() - began - baked)]
    if checked is not None:
        stages.append(Stage(name="verify", verdict=checked, seconds=baked))
    decision = weigh(stages, Policy())
    return Report(
        run=run,
        kind="rollback",
        project=target.service,
        environment=target.environment,
        version=version,
        outcome=decision.outcome,
        decision=decision.model_copy(update={"advice": (*decision.advice, *advice)}),
        stages=tuple(stages),
        address=state.address,
        state=told,
        seconds=time.time() - began,
    )


async def _record(rollouts: Sequence[Rollout]) -> tuple[str, ...]:
    """Writes the rollback down; where the records are out of reach it stays in the environment's own notebook, and that
    is said: nothing may stand between on-call and the old release."""
    from tasks import recording
    from tasks.diary_page import waiting

    try:
        for over in rollouts:
            await recording.release(over.release, over.target.environment)
            await recording.rollout(over)
    except (Unavailable, TesError) as error:
        return (f"not in the records: {error.message}", *waiting())
    return waiting()
