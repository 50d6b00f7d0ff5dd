"""Finding a stage's earlier verdict on the same inputs."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import col, select

from domain.verdict import Outcome, Verdict
from records.session import reading
from records.tables import RunRow, StageRow
from records.tables.columns import now


def reusable(
    project: str,
    stage: str,
    inputs_digest: str,
    *,
    outcome: Outcome = Outcome.PASS,
    max_age: float | None = None,
) -> tuple[StageRow, Verdict] | None:
    """What a stage of a project said about the same inputs, when that may be quoted; else None.

    It must be the last look that was taken (a quotation is no look), it must have said `outcome`, nobody may have
    invalidated it, and it must not be older than `max_age` seconds, for what goes stale though its inputs stay.
    """
    query = (
        select(StageRow)
        .join(RunRow, col(RunRow.id) == col(StageRow.run_id))
        .where(
            RunRow.project == project,
            StageRow.name == stage,
            StageRow.inputs_digest == inputs_digest,
            col(StageRow.reused_from).is_(None),
        )
        .order_by(col(StageRow.ended).desc(), col(StageRow.run_id).desc())
        .limit(1)
    )
    with reading() as session:
        row = session.exec(query).first()
    if row is None or row.outcome != outcome.value or row.invalidated is not None:
        return None
    if max_age is not None and now() - row.ended > timedelta(seconds=max_age):
        return None
    return row, Verdict.model_validate(row.verdict)
