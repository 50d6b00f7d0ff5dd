"""One stage, from its inputs' digest to its row in the records: the same path for every stage.

Reuse lives here: a PASS over the same inputs is quoted instead of repeated, and says so. A FAIL is never reused, and
an INCONCLUSIVE only for some minutes and only where it does not decide: a person who runs again wants another look.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from prefect.runtime import task_run

from domain.errors import ReportError, ToolError, Unavailable
from domain.redaction import redact
from domain.report import Stage, can_start_at, gate_of, silent
from domain.verdict import Evidence, Verdict
from tasks import progress, recording
from tasks.kinds import RETRIES
from tasks.publish import publish_stage
from tasks.run import Run

# Part of every digest: raise it when a stage's meaning changes, so that no older result is quoted for it.
GENERATION = 1

LONGEST_REASON = 2000

Work = Callable[[Path], Awaitable[tuple[Verdict, dict[str, Any]]]]


def digest(stage: str, inputs: Mapping[str, Any]) -> str:
    """sha256 over the canonical JSON of a stage's inputs."""
    text = json.dumps([GENERATION, stage, inputs], sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def more_tries() -> bool:
    """Whether Prefect would run the task again that this is called in."""
    count = task_run.run_count
    return bool(count) and count <= RETRIES


async def perform(
    run: Run,
    name: str,
    inputs: Mapping[str, Any],
    work: Work,
    *,
    reusable: bool = True,
    still_there: Callable[[dict[str, Any]], bool] = lambda payload: True,
) -> Stage:
    """Runs `work` in a folder of its own, or quotes an earlier PASS over the same inputs.

    `still_there` says whether what the earlier one made can still be had. A tool that broke makes the verdict
    INCONCLUSIVE; `Unavailable` is passed on while Prefect has tries left. Other errors are not this stage's to judge.
    """
    key = digest(name, inputs)
    progress.began(name)
    began = time.time()
    stage = None
    if reusable and can_start_at(name, run.start_at):
        stage = await recording.reusable(run, name, key, still_there)
    if stage is None:
        out = run.folder / name
        out.mkdir(parents=True, exist_ok=True)
        try:
            verdict, payload = await work(out)
        except Unavailable as error:
            if more_tries():
                raise
            verdict, payload = silent(gate_of(name), error.message), {}
        except (ToolError, ReportError) as error:
            verdict, payload = silent(gate_of(name), error.message), {}
        if not verdict.evidence:
            verdict = verdict.model_copy(update={"evidence": (Evidence(name=name, location=str(out)),)})
        stage = Stage(name=name, verdict=verdict, payload=payload, seconds=time.time() - began)
    return await finish(run, stage, key, began)


def _fit(reason: str) -> str:
    """A reason that can be kept and shown: a tool's last words may be megabytes, and hold an address with a password.
    What is cut off is in the evidence."""
    text = redact(reason[: 2 * LONGEST_REASON])
    return text if len(text) <= LONGEST_REASON else f"{text[: LONGEST_REASON - 1]}…"


async def finish(run: Run, stage: Stage, key: str, began: float) -> Stage:
    """Writes a stage that is over into the records, the Prefect UI and the progress; returns it with its mode."""
    verdict = stage.verdict.model_copy(update={"reasons": tuple(map(_fit, stage.verdict.reasons))})
    stage = stage.model_copy(update={"verdict": verdict, "mode": run.policy.mode(verdict.gate)})
    await recording.stage(run, stage, key, began)
    publish_stage(run, stage)
    progress.ended(stage)
    return stage
