"""Recording a stage's verdict, and taking back the permission to quote it."""

from __future__ import annotations

from sqlalchemy import update
from sqlmodel import col, select

from domain.verdict import Verdict
from records.session import writing
from records.tables import RunRow, StageRow
from records.tables.columns import Moment, now, utc
from records.upsert import upsert

_REDONE = ("outcome", "verdict", "inputs_digest", "result_json", "reused_from", "invalidated")


def record_stage(
    run_id: str,
    stage: str,
    verdict: Verdict,
    *,
    started: Moment,
    ended: Moment,
    inputs_digest: str | None = None,
    result_json: str | None = None,
    reused_from: str | None = None,
) -> None:
    """Record what a stage of a run said. A stage done again replaces its row, unless it ended earlier.

    `result_json` is what a later run needs in order to reuse the stage. `reused_from` is the run that is quoted.
    Rejected when the run was not opened.
    """
    begin, end = utc(started), utc(ended)
    row = {
        "run_id": run_id,
        "name": stage,
        "outcome": verdict.outcome.value,
        "verdict": verdict.model_dump(mode="json"),
        "inputs_digest": inputs_digest,
        "result_json": result_json,
        "reused_from": reused_from,
        "invalidated": None,
        "started": begin,
        "ended": end,
        "seconds": (end - begin).total_seconds(),
    }
    with writing() as session:
        upsert(
            session,
            StageRow,
            [row],
            update=(*_REDONE, "started", "ended", "seconds"),
            where=lambda table, new: new.ended >= table.c.ended,
        )


def invalidate(project: str, stage: str | None = None, inputs_digest: str | None = None) -> int:
    """Forbid the reuse of what a project's stages said until now; narrowed to a stage or its inputs. How many rows."""
    runs = select(RunRow.id).where(col(RunRow.project) == project)
    change = update(StageRow).where(col(StageRow.run_id).in_(runs), col(StageRow.invalidated).is_(None))
    if stage is not None:
        change = change.where(col(StageRow.name) == stage)
    if inputs_digest is not None:
        change = change.where(col(StageRow.inputs_digest) == inputs_digest)
    with writing() as session:
        return session.connection().execute(change.values(invalidated=now())).rowcount
