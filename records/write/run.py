"""Opening, closing and giving up a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from domain.verdict import Outcome
from records.process import this
from records.session import writing
from records.tables import ProjectRow, RunRow, RunState
from records.tables.columns import now
from records.upsert import upsert

_RESUMED = ("state", "outcome", "reasons", "closed", "pid", "host", "process_started")
_COMPLETED = ("environment", "ref", "source_digest", "actor", "flow_run_id")


def open_run(
    run_id: str,
    project: str,
    kind: str,
    *,
    environment: str | None = None,
    ref: str | None = None,
    source_digest: str | None = None,
    actor: str | None = None,
    flow_run_id: str | None = None,
) -> None:
    """Say that this process begins a run, or takes up one that was interrupted: the same id keeps when it was opened
    and all that was recorded. Said again with more, the row is completed; what is None changes nothing."""
    process = this()
    row: dict[str, Any] = {
        "id": run_id,
        "project": project,
        "kind": kind,
        "environment": environment,
        "ref": ref,
        "source_digest": source_digest,
        "actor": actor,
        "flow_run_id": flow_run_id,
        "state": RunState.RUNNING.value,
        "outcome": None,
        "reasons": [],
        "pid": process.pid,
        "host": process.host,
        "process_started": process.started,
        "opened": now(),
        "closed": None,
    }
    with writing() as session:
        upsert(session, ProjectRow, [{"name": project, "created": now()}])
        upsert(session, RunRow, [row], update=_RESUMED, fill=_COMPLETED)


def close_run(run_id: str, outcome: Outcome, reasons: Sequence[str] = ()) -> None:
    """Say that a run is over, with its outcome. Said again, the last word counts, and it closed when it first did."""
    with writing() as session:
        session.connection().execute(
            update(RunRow)
            .where(col(RunRow.id) == run_id, col(RunRow.state) != RunState.FINISHED.value)
            .values(closed=now(), state=RunState.FINISHED.value)
        )
        session.connection().execute(
            update(RunRow).where(col(RunRow.id) == run_id).values(outcome=outcome.value, reasons=list(reasons))
        )


def mark_interrupted(run_id: str, reason: str = "its process ended before it was done") -> bool:
    """Say that a running run stopped without a verdict. True when it was running; a finished one stays as it is."""
    with writing() as session:
        result = session.connection().execute(
            update(RunRow)
            .where(col(RunRow.id) == run_id, col(RunRow.state) == RunState.RUNNING.value)
            .values(state=RunState.INTERRUPTED.value, reasons=[reason], closed=now())
        )
        return result.rowcount == 1
