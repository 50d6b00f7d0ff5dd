"""The rollback as a run: with Prefect tasks, records and audit around `tasks/rollback.py`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from domain.group import Member, distinct, way_back
from domain.place import Target
from domain.together import torn
from tasks import progress, recording
from tasks.deploy import Placed, Together, as_task, placed, stand_of
from tasks.judgement import judged, untouched
from tasks.left_behind import held_together
from tasks.notes import Notes
from tasks.rollback import roll_back_together
from tasks.run import Run


async def go_back(run: Run, to: str | None) -> Placed:
    """Takes the run's environment back to `to`, or to the release before the present one."""
    return (await go_back_together([run], to=to)).placed[0]


async def go_back_together(runs: Sequence[Run], group_id: str = "", *, to: str | None = None) -> Together:
    """Takes the environments of several services back, all or none. A service that had nothing to be taken back, since
    others were left half-way and it was not, says so by standing where it stood."""
    distinct([run.project for run in runs])
    targets = [Target(service=run.project, environment=str(run.environment)) for run in runs]
    notes = Notes(dict(zip(targets, runs, strict=True)))
    places = {
        Member(target=target, platform=run.place.platform): run.place for target, run in zip(targets, runs, strict=True)
    }
    holders = {target: run.holder for target, run in zip(targets, runs, strict=True)}
    for target in targets:
        with progress.naming(target.service if len(targets) > 1 else ""):
            progress.began("deploy")
    began = time.time()

    def holder(member: Member) -> str:
        return holders.get(member.target, runs[0].holder)

    async with held_together(places, holder, halted=True, say=lambda text: progress.working("deploy", text)) as holds:
        ended = await roll_back_together(
            holds, targets, group_id or os.urandom(8).hex(), to=to, take=as_task, kept=notes.kept
        )
        stands = [await stand_of(holds[one.target], one) for one, _ in ended.values()] if len(ended) > 1 else []
    for over, _ in ended.values():
        await recording.rollout(over)
    found = []
    for target, run in zip(targets, runs, strict=True):
        if target in ended:
            deploy, checked, baked = judged(*ended[target], time.time() - began)
            version = ended[target][0].release.version
        else:
            version = str((await holds[target].platform.inspect(target)).stable)
            deploy, checked, baked = untouched(version), None, 0.0
        with progress.naming(target.service if len(targets) > 1 else ""):
            found.append(await placed(run, holds[target].platform, target, version, deploy, checked, baked, began))
    where = torn(stands)
    fix = way_back([str(run.root) for run in runs], targets[0].environment) if where else ""
    return Together(placed=tuple(found), torn=where, fix=fix)
