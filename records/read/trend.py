"""How a project's tests do over time, and which are slow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlmodel import Session, col

from domain.cases import CaseId
from records.read.history import IDENTITY, known
from records.read.page import bounded
from records.session import reading
from records.tables import AttemptRow, CaseRow, ExecutionRow, RunRow, StageRow
from records.tables.attempt import of_case, of_execution

_LATEST = 3
_LOOKED_THROUGH = 200  # runs of any kind among which the latest with tests are looked for


@dataclass(frozen=True)
class Point:
    """One suite in one run: its outcome and what it counted. `reused`: its verdict is a quotation."""

    run: str
    stage: str
    opened: datetime
    content: str
    outcome: str
    metrics: dict[str, float]
    reused: bool


@dataclass(frozen=True)
class Slow:
    """A case and the seconds of an attempt at it, over the latest runs that executed it."""

    id: str
    case: CaseId
    mean: float
    longest: float
    attempts: int


def trend(project: str, suite: str | None = None, *, limit: int = 50) -> list[Point]:
    """The project's latest runs with tests, the newest first: what they counted stands in their verdicts."""
    limit = bounded(limit)
    runs = (
        select(col(RunRow.id), col(RunRow.opened), col(RunRow.source_digest))
        .where(col(RunRow.project) == project)
        .order_by(col(RunRow.opened).desc())
        .limit(max(limit, _LOOKED_THROUGH))
        .subquery()
    )
    name = f"tests.{suite}" if suite else None
    query = (
        select(
            runs.c.id, col(StageRow.name), runs.c.opened, runs.c.source_digest, col(StageRow.outcome),
            col(StageRow.verdict), col(StageRow.reused_from),
        )  # fmt: skip
        .join(StageRow, col(StageRow.run_id) == runs.c.id)
        .where(col(StageRow.name) == name if name else col(StageRow.name).like("tests%"))
        .order_by(runs.c.opened.desc(), col(StageRow.name))
        .limit(limit)
    )
    with reading() as session:
        rows = session.connection().execute(query).all()
    return [
        Point(run, stage, opened, digest or "", outcome, verdict.get("metrics", {}), reused is not None)
        for run, stage, opened, digest, outcome, verdict, reused in rows
    ]


def slowest(project: str, suite: str | None = None, *, limit: int = 20) -> list[Slow]:
    """The cases that take longest, by the mean over the last three runs that executed tests."""
    with reading() as session:
        pairs = _latest(session, project, suite)
        totals: dict[str, tuple[float, float, int]] = {}
        for run, stage in pairs:
            for case_id, total, most, count in session.connection().execute(_seconds(run, stage)):
                before = totals.get(case_id, (0.0, 0.0, 0))
                totals[case_id] = (before[0] + total, max(before[1], most), before[2] + count)
        means = {key: (total / count, most, count) for key, (total, most, count) in totals.items()}
        chosen = sorted(means, key=lambda key: (-means[key][0], key))[: bounded(limit)]
        query = select(*IDENTITY).where(col(CaseRow.id).in_(chosen))
        names = {row[0]: known(row).case for row in session.connection().execute(query)}
    return [Slow(key, names[key], *means[key]) for key in chosen]


def _latest(session: Session, project: str, suite: str | None) -> list[tuple[str, str]]:
    """Run and stage of the latest executions, newest first: three of each suite."""
    runs = (
        select(col(RunRow.id), col(RunRow.opened))
        .where(col(RunRow.project) == project)
        .order_by(col(RunRow.opened).desc())
        .limit(_LOOKED_THROUGH)
        .subquery()
    )
    query = (
        select(runs.c.id, col(StageRow.name))
        .join(StageRow, col(StageRow.run_id) == runs.c.id)
        .where(col(StageRow.name) == f"tests.{suite}" if suite else col(StageRow.name).like("tests.%"))
        .where(col(StageRow.reused_from).is_(None))
        .order_by(runs.c.opened.desc())
    )
    seen: dict[str, int] = {}
    found = []
    for run, stage in session.connection().execute(query):
        seen[stage] = seen.get(stage, 0) + 1
        if seen[stage] <= _LATEST:
            found.append((run, stage))
    return found


def _seconds(run: str, stage: str) -> Select[str, float, float, int]:
    return (
        select(col(CaseRow.id), func.sum(AttemptRow.seconds), func.max(AttemptRow.seconds), func.count())
        .join(AttemptRow, of_case())
        .join(ExecutionRow, of_execution())
        .where(col(ExecutionRow.run_id) == run, col(ExecutionRow.stage) == stage, col(AttemptRow.reused).is_(False))
        .group_by(col(CaseRow.id))
    )
