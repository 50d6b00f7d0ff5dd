"""The rollback as a run: with Prefect tasks, records and audit around `tasks/rollback.py`."""

from __future__ import annotations

import asyncio
import os
import time

from blocks.platforms import platform_named
from domain.place import Target
from domain.rollout import Action, Rollout
from domain.verdict import Verdict
from tasks import progress, recording
from tasks.deploy import Placed, as_task, placed
from tasks.judgement import judged
from tasks.notes import noted
from tasks.lease import held
from tasks.rollback import roll_back
from tasks.run import Run


async def go_back(run: Run, to: str | None) -> Placed:
    """Takes the run's environment back to `to`, or to the release before the present one."""
    assert run.environment is not None
    target = Target(service=run.project, environment=run.environment)
    platform = await platform_named(run.place.platform)
    progress.began("deploy")
    began = time.time()

    async def kept(rollout: Rollout, action: Action, verdict: Verdict, step_began: float) -> None:
        await asyncio.to_thread(noted, run.folder, rollout, action, verdict, step_began)
        await recording.release(rollout.release, target.environment)
        await recording.rollout(rollout)
        await recording.rollout_step(rollout, action, verdict, step_began)

    async with held(platform, target, run.holder, say=lambda text: progress.working("deploy", text)) as lease:
        over, said = await roll_back(platform, lease, os.urandom(8).hex(), run.place, to=to, take=as_task, kept=kept)
    await recording.rollout(over)
    await recording.audit(run.actor, "rollback", str(target), version=over.release.version, left=over.stable)
    deploy, checked, baked = judged(over, said, time.time() - began)
    return await placed(run, platform, target, over.release.version, deploy, checked, baked, began)
