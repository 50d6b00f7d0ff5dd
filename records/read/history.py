"""What became of cases over a project's latest runs: what `domain/flakiness.py` judges by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session, col

from domain.cases import CaseId, Status
from domain.flakiness import Seen, storms
from records.session import reading
from records.tables import AttemptRow, CaseRow, ExecutionRow, RunRow, StageRow
from records.tables.attempt import BAD, of_case, of_execution
from records.tables.case import case_key

RUNS = 300
"""A history is that of the latest so many runs of a project."""
CASES = 1000
"""Cases whose histories are read: those that failed in most runs."""
_STATUS = {status.value: status for status in Status}
_AT_ONCE = 400  # parameters in one statement; a database has a limit


@dataclass(frozen=True)
class Known:
    """A case with its key in the records."""

    id: str
    case: CaseId


@dataclass(frozen=True)
class Window:
    """A project's latest runs: since when, when each was opened (seconds since the epoch), the content it tested (a
    digest, "" when unknown), and the storms."""

    since: datetime | None
    opened: dict[str, float]
    contents: dict[str, str]
    storms: frozenset[str]


def suspects(project: str, suite: str | None = None, *, runs: int = RUNS, limit: int = CASES) -> list[Known]:
    """The cases that were bad in one of the project's latest runs, those with the most bad runs first."""
    with reading() as session:
        window = _window(session, project, runs)
        if window.since is None:
            return []
        times = func.count(func.distinct(col(ExecutionRow.run_id)))
        query = (
            select(*IDENTITY)
            .join(AttemptRow, of_case())
            .join(ExecutionRow, of_execution())
            .where(BAD, col(AttemptRow.recorded) >= window.since, col(AttemptRow.reused).is_(False))
            .where(of_project(project))
            .group_by(*IDENTITY)
            .order_by(times.desc(), col(CaseRow.id))
            .limit(limit)
        )
        if suite is not None:
            query = query.where(col(CaseRow.suite) == suite)
        return [known(row) for row in session.connection().execute(query)]


def histories(project: str, case_ids: Iterable[str], *, runs: int = RUNS) -> dict[str, list[Seen]]:
    """Every attempt at these cases in the project's latest runs, in no order, by the case's key; no quotes."""
    ids = sorted(set(case_ids))
    found: dict[str, list[Seen]] = {key: [] for key in ids}
    with reading() as session:
        window = _window(session, project, runs)
        executions = _executions(session, list(window.opened))
        for start in range(0, len(ids), _AT_ONCE):
            query = select(col(CaseRow.number), col(CaseRow.id)).where(
                col(CaseRow.id).in_(ids[start : start + _AT_ONCE])
            )
            keys: dict[int | None, str] = {number: key for number, key in session.connection().execute(query)}
            # Both by their numbers, without a join: a look-up in the primary key for each case and execution.
            made = select(
                col(AttemptRow.execution), col(AttemptRow.case_number), col(AttemptRow.status), col(AttemptRow.number)
            ).where(
                col(AttemptRow.execution).in_(executions),
                col(AttemptRow.case_number).in_(keys),
                col(AttemptRow.reused).is_(False),
            )
            for execution, case, status, number in session.connection().execute(made):
                run = executions[execution]
                storm = run in window.storms
                found[keys[case]].append(
                    Seen(run, window.contents[run], window.opened[run], _STATUS[status], number, storm)
                )
    return found


def _executions(session: Session, runs: Sequence[str]) -> dict[int | None, str]:
    """The run of each execution of these runs."""
    found: dict[int | None, str] = {}
    for start in range(0, len(runs), _AT_ONCE):
        query = select(col(ExecutionRow.number), col(ExecutionRow.run_id)).where(
            col(ExecutionRow.run_id).in_(runs[start : start + _AT_ONCE])
        )
        found.update((number, run) for number, run in session.connection().execute(query))
    return found


def counted(project: str) -> dict[str, int]:
    """How many cases each suite of a project is known to have."""
    query = (
        select(col(CaseRow.suite), func.count())
        .where(col(CaseRow.project) == project)
        .group_by(col(CaseRow.project), col(CaseRow.suite))
    )
    with reading() as session:
        return {suite: count for suite, count in session.connection().execute(query)}


def find_cases(project: str, text: str, suite: str | None = None, limit: int = 20) -> list[Known]:
    """The cases that a person may mean: with that whole id (`file::class::name`), else with that name."""
    parts = text.split("::")
    query = select(*IDENTITY).where(col(CaseRow.project) == project)
    if suite is not None:
        query = query.where(col(CaseRow.suite) == suite)
    with reading() as session:
        of_file = query.where(col(CaseRow.file) == parts[0]) if len(parts) > 1 else query
        rows = [known(row) for row in session.connection().execute(of_file.where(_ends(parts)).limit(5000))]
        exact = [one for one in rows if str(one.case) == text]
        return (exact or [one for one in rows if one.case.name == text])[:limit]


def known_among(project: str, cases: Iterable[CaseId]) -> set[CaseId]:
    """Which of these cases some run has recorded."""
    keys = {case_key(project, case): case for case in cases}
    ids = sorted(keys)
    found: set[CaseId] = set()
    with reading() as session:
        for start in range(0, len(ids), _AT_ONCE):
            query = select(col(CaseRow.id)).where(col(CaseRow.id).in_(ids[start : start + _AT_ONCE]))
            found.update(keys[key] for key in session.connection().execute(query).scalars())
    return found


def of_project(project: str) -> ColumnElement[bool]:
    """Cases of the project, said so that a database begins with the few attempts that were bad and not with all cases:
    what is computed is in no index."""
    return col(CaseRow.project).concat("") == project


IDENTITY = tuple(col(column) for column in (CaseRow.id, CaseRow.suite, CaseRow.file, CaseRow.classname, CaseRow.name))
"""The columns that `known` makes a case of."""


def known(row: Any) -> Known:
    """A case from the columns IDENTITY."""
    key, suite, file, classname, name = row
    return Known(key, CaseId(suite=suite, file=file, classname=classname, name=name))


def _ends(parts: Sequence[str]) -> Any:
    # A parameter may hold `::`, too: what the last part is a part of, Python decides.
    return col(CaseRow.name).contains(parts[-1], autoescape=True)


def _window(session: Session, project: str, runs: int) -> Window:
    query = (
        select(col(RunRow.id), col(RunRow.source_digest), col(RunRow.opened))
        .where(col(RunRow.project) == project)
        .order_by(col(RunRow.opened).desc())
        .limit(runs)
    )
    rows = session.connection().execute(query).all()
    if not rows:
        return Window(None, {}, {}, frozenset())
    counts: dict[str, tuple[int, int]] = {}
    ids = [row[0] for row in rows]
    for start in range(0, len(ids), _AT_ONCE):
        stages = select(col(StageRow.run_id), col(StageRow.verdict)).where(
            col(StageRow.run_id).in_(ids[start : start + _AT_ONCE]), col(StageRow.name).like("tests%")
        )
        for run, verdict in session.connection().execute(stages):
            told = verdict.get("metrics", {})
            # What passed on retry was bad, too: retries must not hide a machine's bad day.
            bad = sum(int(told.get(name, 0)) for name in ("failed", "error", "crashed", "flaky"))
            before = counts.get(run, (0, 0))
            counts[run] = (before[0] + bad, before[1] + int(told.get("cases", 0)))
    opened = {run: at.timestamp() for run, _, at in rows}
    return Window(rows[-1][2], opened, {run: digest or "" for run, digest, _ in rows}, frozenset(storms(counts)))
