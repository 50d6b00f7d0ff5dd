"""Reading test results: what became of each case of a run, and how long cases take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, func, select
from sqlmodel import col

from domain.cases import CaseId, Status
from domain.durations import expectations, gathered
from records.read.page import Page, bounded
from records.session import reading
from records.tables import AttemptRow, CaseRow, ExecutionRow, RunRow
from records.tables.attempt import of_case, of_execution

_NAMES = ("id", "suite", "file", "classname", "name")
_BAD = [status.value for status in Status if status.bad]


@dataclass(frozen=True)
class CaseResult:
    """A case in a run: its last attempt, and how many it took. `flaky`: bad at first, good in the end.

    A quoted result (`reused`) counts as no attempt, and only is the case's state where nothing was executed: a quote
    hides no failure. `started` is in seconds since the epoch, 0 where the framework does not say.
    """

    id: str
    stage: str
    suite: str
    file: str
    classname: str
    name: str
    status: str
    seconds: float
    message: str
    output: str
    attempts: int
    flaky: bool
    started: float
    worker: str
    reused: bool


def cases(
    run_id: str, status: str | None = None, limit: int = 50, *, stage: str | None = None, after: str | None = None
) -> Page[CaseResult]:
    """The cases of a run, one line each; `status` is that of the last attempt. `after` is a count of cases to leave
    out."""
    limit, skip = bounded(limit), int(after or 0)
    last = _numbered(run_id, stage).subquery()
    at = last.c
    query = (
        select(at, *(col(getattr(CaseRow, name)) for name in _NAMES))  # type: ignore[call-overload]
        .join(CaseRow, col(CaseRow.number) == at.case_number)
        .where(at.latest == 1)
        .order_by(col(CaseRow.file), col(CaseRow.classname), col(CaseRow.name), at.stage, col(CaseRow.id))
    )
    if status is not None:
        query = query.where(at.status == status)
    with reading() as session:
        rows = session.connection().execute(query.offset(skip).limit(limit + 1)).mappings().all()
    items = [_result(row) for row in rows[:limit]]
    return Page(items, str(skip + limit) if len(rows) > limit else None)


def _numbered(run_id: str, stage: str | None) -> Select[Any]:
    """Attempts of a run, numbered backwards within each case; behind them repetitions, which decide nothing, and
    quotes last of all."""
    case_of = (col(AttemptRow.execution), col(AttemptRow.case_number))
    made = col(AttemptRow.reused).is_(False)
    order = (
        col(AttemptRow.reused),
        col(AttemptRow.repeat),
        col(AttemptRow.recorded).desc(),
        col(AttemptRow.number).desc(),
        col(AttemptRow.key),
    )
    query = select(
        ExecutionRow.stage,  # type: ignore[call-overload]
        AttemptRow.case_number,
        AttemptRow.status,
        AttemptRow.seconds,
        AttemptRow.message,
        AttemptRow.output,
        AttemptRow.started,
        AttemptRow.worker,
        AttemptRow.reused,
        func.row_number().over(partition_by=case_of, order_by=order).label("latest"),
        func.sum(case((made, 1), else_=0)).over(partition_by=case_of).label("attempts"),
        func.sum(case((made & col(AttemptRow.status).in_(_BAD), 1), else_=0)).over(partition_by=case_of).label("bad"),
    )
    query = query.join(ExecutionRow, of_execution()).where(ExecutionRow.run_id == run_id)
    return query if stage is None else query.where(ExecutionRow.stage == stage)  # type: ignore[no-any-return]


def _result(row: Any) -> CaseResult:
    return CaseResult(
        id=row["id"],
        stage=row["stage"],
        suite=row["suite"],
        file=row["file"],
        classname=row["classname"],
        name=row["name"],
        status=row["status"],
        seconds=row["seconds"],
        message=row["message"],
        output=row["output"],
        attempts=row["attempts"],
        flaky=row["bad"] > 0 and not Status(row["status"]).bad,
        started=row["started"],
        worker=row["worker"],
        reused=row["reused"],
    )


@dataclass(frozen=True)
class AttemptResult:
    """One attempt at a case, as it was recorded: the columns of `AttemptRow` that say something outside."""

    stage: str
    number: int
    status: str
    seconds: float
    message: str
    output: str
    recorded: datetime
    started: float
    worker: str
    reused: bool
    repeat: bool


def attempts(run_id: str, case_id: str) -> Sequence[AttemptResult]:
    """Every attempt of one case in one run, in the order in which they were made; quotes among them."""
    columns = [col(getattr(AttemptRow, field.name)) for field in fields(AttemptResult)[1:]]
    query = (
        select(col(ExecutionRow.stage), *columns)
        .join(AttemptRow, of_execution())
        .join(CaseRow, of_case())
        .where(col(ExecutionRow.run_id) == run_id, col(CaseRow.id) == case_id)
        .order_by(col(AttemptRow.recorded), col(AttemptRow.number))
    )
    with reading() as session:
        return [AttemptResult(*row) for row in session.connection().execute(query)]


def durations(project: str, suite: str, runs: int = 5) -> dict[CaseId, float]:
    """Seconds to expect of each case, by the project's last runs that executed cases of this suite, as in
    `domain.durations`. A reused result has taken no time: it counts as no attempt, and one that only quoted as no run.
    """
    executed = (
        col(CaseRow.project) == project,
        col(CaseRow.suite) == suite,
        col(AttemptRow.reused).is_(False),
    )
    # Asked of one run after the other, the newest first: the rows of a run lie together.
    has_some = (
        select(1)
        .select_from(AttemptRow)
        .join(CaseRow, of_case())
        .join(ExecutionRow, of_execution())
        .where(col(ExecutionRow.run_id) == col(RunRow.id), *executed)
        .exists()
    )
    mine = (
        select(col(RunRow.id))
        .where(col(RunRow.project) == project, has_some)
        .order_by(col(RunRow.opened).desc())
        .limit(runs)
    )
    names = (col(CaseRow.file), col(CaseRow.classname), col(CaseRow.name))
    query = (
        select(*names, func.avg(AttemptRow.seconds))
        .join(AttemptRow, of_case())
        .join(ExecutionRow, of_execution())
        .join(RunRow, col(RunRow.id) == col(ExecutionRow.run_id))
        .where(*executed, col(RunRow.id).in_(mine))
        .group_by(col(CaseRow.id), *names, col(RunRow.id), col(RunRow.opened))
        .order_by(col(RunRow.opened).desc())
    )
    with reading() as session:
        found = session.connection().execute(query).all()
    history = gathered(((file, classname, name), float(mean)) for file, classname, name, mean in found)
    return {
        CaseId(suite=suite, file=file, classname=classname, name=name): seconds
        for (file, classname, name), seconds in expectations(history).items()
    }
