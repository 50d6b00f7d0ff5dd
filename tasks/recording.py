"""The way from a stage to the records. Records are synchronous, flows are not; this is where the two meet."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

from domain.cases import Attempt, CaseId
from domain.findings import Finding
from domain.load import LoadSummary
from domain.place import Release, Target
from domain.policy import Mode
from domain.proof import Proof
from domain.redaction import redact
from domain.report import Report, Stage, gate_of
from domain.rollout import Action, Rollout
from domain.trend import TrendPoint
from domain.verdict import Outcome, Verdict
from records.read.case import durations as find_durations
from records.read.release import promoted_as as find_promoted_as
from records.read.release import promoted_last as find_promoted_last
from records.read.run import abandoned as find_abandoned
from records.read.stage import reusable as find_reusable
from records.write.attempt import record_attempts
from records.write.audit import audit as append_audit
from records.write.finding import record_findings
from records.write.load import record_load
from records.write.proof import record_proof
from records.write.release import record_release
from records.write.rollout import record_rollout, record_rollout_step
from records.write.run import close_run, mark_interrupted, open_run
from records.write.stage import record_stage
from tasks.case_memory import trend_before
from tasks.run import Run

BLIND_FOR = 900.0


async def opened(run: Run, source_digest: str | None = None) -> None:
    """The run has begun; said again with more, the row is completed."""
    await asyncio.to_thread(
        open_run,
        run.id,
        run.project,
        run.kind,
        environment=run.environment,
        ref=run.ref,
        source_digest=source_digest,
        actor=run.actor,
        flow_run_id=run.flow_run,
    )


async def closed(run: Run, report: Report) -> None:
    """The run is over."""
    await asyncio.to_thread(close_run, run.id, report.outcome, report.decision.reasons)


async def reusable(run: Run, name: str, key: str, still_there: Callable[[dict[str, Any]], bool]) -> Stage | None:
    """An earlier PASS of this stage over the same inputs, marked as reused, or None. Of a gate that does not block when
    it is blind, also an INCONCLUSIVE of the last minutes."""
    found = await asyncio.to_thread(find_reusable, run.project, name, key)
    if found is None and run.policy.mode(gate_of(name)) is not Mode.BLOCKING:
        # It could not look a moment ago; asking again at every run would only cost time. It stays INCONCLUSIVE.
        found = await asyncio.to_thread(
            find_reusable, run.project, name, key, outcome=Outcome.INCONCLUSIVE, max_age=BLIND_FOR
        )
    if found is None:
        return None
    row, verdict = found
    payload = json.loads(row.result_json or "{}")
    if not still_there(payload):
        return None
    return Stage(
        name=name, verdict=verdict.model_copy(update={"reused": True}), payload=payload, reused_from=row.run_id
    )


async def stage(run: Run, stage: Stage, key: str, began: float) -> None:
    """A finished stage."""
    await asyncio.to_thread(
        record_stage,
        run.id,
        stage.name,
        stage.verdict,
        started=began,
        ended=time.time(),
        inputs_digest=key,
        result_json=json.dumps(stage.payload),
        reused_from=stage.reused_from,
    )


async def attempts(run: Run, stage_name: str, given: Iterable[Attempt]) -> None:
    """Attempts of a stage, all or none. Another thread takes them, a portion at a time: no stream is held whole."""
    await asyncio.to_thread(record_attempts, run.id, stage_name, given)


async def durations(run: Run, suite: str) -> dict[CaseId, float]:
    """Seconds to expect of each case of a suite, from the project's last runs."""
    return await asyncio.to_thread(find_durations, run.project, suite)


async def trend(run: Run, suite: str, runs: int = 30) -> list[TrendPoint]:
    """What the suite came to in the project's last runs, oldest first; a quotation is no run of it."""
    return await asyncio.to_thread(trend_before, run.project, suite, run.id, runs)


async def findings(run: Run, stage_name: str, given: Iterable[Finding]) -> None:
    await asyncio.to_thread(record_findings, run.id, stage_name, list(given))


async def load(run: Run, summary: LoadSummary, verdict: Verdict) -> None:
    await asyncio.to_thread(record_load, run.id, summary, verdict)


async def release(release: Release, environment: str) -> None:
    await asyncio.to_thread(record_release, release, environment)


async def rollout(rollout: Rollout) -> None:
    await asyncio.to_thread(record_rollout, rollout)


async def rollout_step(rollout: Rollout, action: Action, verdict: Verdict, began: float) -> None:
    await asyncio.to_thread(record_rollout_step, rollout.id, rollout.cursor, action, verdict, began, time.time())


async def proof(rollout_id: str, given: Proof) -> None:
    """What clients saw of a rollout."""
    await asyncio.to_thread(record_proof, rollout_id, given)


async def promoted_as(service: str, version: str) -> tuple[str, Release] | None:
    """The release of that name that was promoted last, and where."""
    return await asyncio.to_thread(find_promoted_as, service, version)


async def promoted_last(target: Target) -> str | None:
    """The version that the records know to be promoted last there."""
    return await asyncio.to_thread(find_promoted_last, target.service, target.environment)


async def audit(actor: str, action: str, subject: str, **detail: Any) -> None:
    """Who did what to what, in the append-only log."""
    await asyncio.to_thread(append_audit, actor, action, subject, detail)


async def abandoned(project: str) -> list[tuple[str, str | None]]:
    """Id and environment of the project's runs that say they go on, though their process on this host is gone."""
    return [(row.id, row.environment) for row in await asyncio.to_thread(find_abandoned, project)]


async def interrupted(run_id: str, why: str = "its process was killed") -> None:
    """A run that ended without a verdict."""
    await asyncio.to_thread(mark_interrupted, run_id, why)


async def broken(run: Run, message: str) -> None:
    """A run that an error ended: INCONCLUSIVE, with the error."""
    await asyncio.to_thread(close_run, run.id, Outcome.INCONCLUSIVE, [redact(message)])
