"""The stage approval: a person says yes before anything moves in the environment, or nothing does.

Whoever starts a run at a terminal has answered before it began. Everywhere else the flow run is paused, and answered in
the Prefect UI or through its API.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from prefect.flow_runs import apause_flow_run
from prefect.input import RunInput
from pydantic import Field, ValidationError

from domain.approval import GATE, Answer, asks, judge
from domain.report import Stage, silent
from domain.verdict import Verdict
from settings import settings
from tasks import progress, recording
from tasks.answered import latest
from tasks.publish import in_prefect
from tasks.run import Run
from tasks.stage import digest, finish

POLL_S, MARGIN_S = 2, 3600


class Approval(RunInput):
    """The form that Prefect shows for a paused run."""

    approve: bool = Field(False, description="release it")
    by: str = Field("", description="who you are")
    reason: str = Field("", description="why")


async def approval(run: Run, stages: Sequence[Stage]) -> list[Stage]:
    """The stage, or nothing where the environment does not ask. `stages` are what the person should know of.

    The answer is in the audit log: who, when, where and why.
    """
    if run.environment is None or not asks(run.environment, run.place):
        return []
    progress.began(GATE)
    began, within = time.time(), run.place.approve_within
    answer = latest()
    if answer is not None:
        verdict = judge(answer, within, settings().deployer_names)
    elif in_prefect():
        progress.working(GATE, f"waiting for a yes in the Prefect UI, {within:g} s at most")
        verdict, answer = await _paused(run, stages, within)
    else:
        verdict, answer = silent(GATE, "there is nobody to ask outside of a Prefect run"), None
    stage = Stage(name=GATE, verdict=verdict, seconds=time.time() - began)
    stage = await finish(run, stage, digest(GATE, {"run": run.id}), began)
    said = answer.model_dump() if answer else {"why": "; ".join(verdict.reasons)}
    target = f"{run.project} in {run.environment}"
    await recording.audit(
        run.actor,
        f"approval.{verdict.outcome}",
        target,
        run=run.id,
        version=run.version,
        platform=run.place.platform,
        **said,
    )
    return [stage]


async def _paused(run: Run, stages: Sequence[Stage], within: float) -> tuple[Verdict, Answer | None]:
    lines = [f"- {stage.name}: {stage.verdict.outcome} {'; '.join(stage.verdict.reasons)[:200]}" for stage in stages]
    what = " ".join(filter(None, (run.project, run.version or run.ref)))
    form = Approval.with_initial_data(
        description="\n".join([f"**Release {what} to {run.environment}?**", "", *lines]), approve=False
    )
    # The time is ours: a run whose own pause has timed out is ended by Prefect in words of its own.
    pause = apause_flow_run(wait_for_input=form, timeout=round(within) + MARGIN_S, poll_interval=POLL_S)
    try:
        told = await asyncio.wait_for(pause, within)
    except TimeoutError:
        return judge(None, within, ()), None
    except (ValidationError, ValueError) as error:
        return silent(GATE, f"the run was resumed without an answer that can be read: {error}"), None
    answer = Answer(approve=told.approve, by=told.by, reason=told.reason, way="Prefect", at=time.time())
    return judge(answer, within, settings().deployer_names), answer
