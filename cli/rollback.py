"""`tes rollback`: the on-call's command. Needs the platform alone; the records are written when they answer."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from pathlib import Path

from domain.development import including
from domain.errors import LockHeld, SpecError, TesError, Unavailable
from domain.place import Target
from domain.report import Report, Stage, weigh
from domain.rollout import Rollout
from domain.policy import Policy
from domain.spec import EnvironmentSpec
from tasks.deploy import judged, standing
from tasks.spec_file import load_spec

# As domain/spec.py's names: they become folders.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


_STOP_IT = (
    "a release under way takes itself back when it is stopped: press Ctrl-C where it runs, or end the process that is "
    "named above; run this again for the release before"
)


def _say(text: str) -> None:
    print(f"tes: {text}", file=sys.stderr, flush=True)


def rollback(project: Path, environment: str, service: str | None, to: str | None) -> Report:
    """Takes a service back to `to`, or to the release before the present one. Returns the report.

    `service` spares the project's folder: on-call may not have it.
    """
    place = EnvironmentSpec()
    for option, name in (("--service", service), ("--environment", environment)):
        if name is not None and not _NAME.fullmatch(name):
            raise SpecError(f"{option} {name[:80]!r} cannot be a name", fix="`tes status` lists what there is")
    if service is None:
        spec = including(load_spec(project, files=False).spec, environment)
        if environment not in spec.environments:
            raise SpecError(
                f"there is no environment {environment!r} in the tes.yaml of {project}",
                fix=f"one of: {', '.join(spec.environments)}; or name the service with --service",
            )
        place = spec.environments[environment]
        service = spec.name or project.absolute().name
    return asyncio.run(_rollback(Target(service=service, environment=environment), place, to))


async def _rollback(target: Target, place: EnvironmentSpec, to: str | None) -> Report:
    from blocks.platforms import platform_named  # Prefect comes with it: not before it is needed
    from tasks.lease import held
    from tasks.rollback import roll_back
    from tasks.rollout import HISTORY, PAGE
    from tasks.run import holder

    began = time.time()
    run = os.urandom(16).hex()
    platform = await platform_named(place.platform)
    # Before anything is held: a slip in a name should not make a place of that name.
    pages = [await platform.recall(target, page) for page in (HISTORY, PAGE)]
    if not any(pages) and not (await platform.inspect(target)).releases:
        raise SpecError(
            f"{target}: no earlier release to go back to: nothing was ever released there",
            fix="`tes status` lists what there is",
        )
    try:
        async with held(platform, target, holder(run), say=_say) as lease:
            over, said = await roll_back(platform, lease, run[:16], place, to=to)
    except LockHeld as error:
        raise LockHeld(error.message, fix=_STOP_IT) from error
    state, told = await standing(platform, target)
    deploy, checked, baked = judged(over, said, time.time() - began)
    stages = [Stage(name="deploy", verdict=deploy, seconds=time.time() - began - baked)]
    if checked is not None:
        stages.append(Stage(name="verify", verdict=checked, seconds=baked))
    decision = weigh(stages, Policy())
    unrecorded = await _record(over)
    return Report(
        run=run,
        kind="rollback",
        project=target.service,
        environment=target.environment,
        version=over.release.version,
        outcome=decision.outcome,
        decision=decision.model_copy(update={"advice": (*decision.advice, *unrecorded)}),
        stages=tuple(stages),
        address=state.address,
        state=told,
        seconds=time.time() - began,
    )


async def _record(over: Rollout) -> tuple[str, ...]:
    """Writes the rollback down; where the records are out of reach it stays in the environment's own notebook, and that
    is said: nothing may stand between on-call and the old release."""
    from tasks import recording
    from tasks.diary_page import waiting

    try:
        await recording.release(over.release, over.target.environment)
        await recording.rollout(over)
    except (Unavailable, TesError) as error:
        return (f"not in the records: {error.message}", *waiting())
    return waiting()
