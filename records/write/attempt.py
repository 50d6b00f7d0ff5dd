"""Recording attempts at test cases, as many at once as there are."""

from __future__ import annotations

from collections.abc import Iterable

from domain.cases import Attempt, CaseId
from domain.errors import Rejected
from records.session import writing
from records.tables import AttemptRow, CaseRow, RunRow
from records.tables.attempt import attempt_key
from records.tables.case import case_key
from records.tables.columns import finite, now
from records.upsert import upsert

OUTPUT_LIMIT = 64 * 1024
"""Characters of an attempt's output that are kept: half from its beginning, half from its end."""


def record_attempts(run_id: str, stage: str, attempts: Iterable[Attempt]) -> None:
    """Record attempts in one transaction: all of them, or none. The same attempt again changes nothing; another result
    under the same number is kept beside the first. Rejected when the run was not opened."""
    given = list(attempts)
    if not given:
        return
    moment = now()
    with writing() as session:
        run = session.get(RunRow, run_id)
        if run is None:
            raise Rejected(f"attempts of run {run_id} cannot be recorded: there is no such run", fix="open_run first")
        keys: dict[CaseId, str] = {}
        for attempt in given:
            if attempt.case not in keys:
                keys[attempt.case] = case_key(run.project, attempt.case)
        cases = (
            {"id": key, "project": run.project, "first_seen": moment, **case.model_dump()} for case, key in keys.items()
        )
        upsert(session, CaseRow, cases)
        rows = (
            {
                "key": attempt_key(run_id, stage, keys[attempt.case], attempt),
                "run_id": run_id,
                "stage": stage,
                "case_id": keys[attempt.case],
                "number": attempt.number,
                "status": attempt.status.value,
                "seconds": finite(attempt.seconds),
                "message": _cut(attempt.message),
                "output": _cut(attempt.output),
                "recorded": moment,
                "started": finite(attempt.started),
                "worker": attempt.worker,
                "reused": attempt.reused,
                "repeat": attempt.repeat,
            }
            for attempt in given
        )
        upsert(session, AttemptRow, rows)


def _cut(text: str) -> str:
    if len(text) <= OUTPUT_LIMIT:
        return text
    half = OUTPUT_LIMIT // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
