"""Reading runs, their stages and their projects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import col, select

from records.process import Process
from records.read.page import Page, bounded, cut, older
from records.session import reading
from records.tables import FindingRow, LoadSummaryRow, ProjectRow, RunRow, RunState, StageRow


@dataclass(frozen=True)
class RunDetail:
    """A run with its stages, in the order in which they began, and what they counted."""

    run: RunRow
    stages: Sequence[StageRow]
    loads: Sequence[LoadSummaryRow]


def runs(
    limit: int = 50, project: str | None = None, environment: str | None = None, *, after: str | None = None
) -> Page[RunRow]:
    """Runs, the newest first; those older than the run `after`."""
    limit = bounded(limit)
    query = select(RunRow).order_by(col(RunRow.opened).desc(), col(RunRow.id).desc()).limit(limit + 1)
    if project is not None:
        query = query.where(RunRow.project == project)
    if environment is not None:
        query = query.where(RunRow.environment == environment)
    with reading() as session:
        if after is not None:
            query = query.where(older(session, RunRow, (col(RunRow.opened), col(RunRow.id)), after))
        return cut(session.exec(query).all(), limit, "id")


def run(run_id: str) -> RunDetail | None:
    """One run, or None."""
    with reading() as session:
        found = session.get(RunRow, run_id)
        if found is None:
            return None
        stages = select(StageRow).where(StageRow.run_id == run_id).order_by(col(StageRow.started), col(StageRow.name))
        loads = select(LoadSummaryRow).where(LoadSummaryRow.run_id == run_id).order_by(col(LoadSummaryRow.gate))
        return RunDetail(found, session.exec(stages).all(), session.exec(loads).all())


def findings(run_id: str, limit: int = 50, *, after: str | None = None) -> Page[FindingRow]:
    """What scanners found in a run; `after` is a count of findings to leave out."""
    limit, skip = bounded(limit), int(after or 0)
    order = (FindingRow.stage, FindingRow.path, FindingRow.line, FindingRow.fingerprint)
    query = select(FindingRow).where(FindingRow.run_id == run_id).order_by(*(col(c) for c in order))
    with reading() as session:
        rows = session.exec(query.offset(skip).limit(limit + 1)).all()
    return Page(rows[:limit], str(skip + limit) if len(rows) > limit else None)


def abandoned(project: str | None = None) -> Sequence[RunRow]:
    """Runs that say `running` though their process, on this host, is gone: `mark_interrupted` is theirs."""
    query = select(RunRow).where(RunRow.state == RunState.RUNNING.value)
    if project is not None:
        query = query.where(RunRow.project == project)
    with reading() as session:
        found = session.exec(query).all()
    return [row for row in found if Process(row.pid, row.host, row.process_started).alive() is False]


def state(row: RunRow) -> RunState:
    """How a run stands: `interrupted` also where nobody said so yet, but its process, on this host, is gone."""
    said = RunState(row.state)
    if said is RunState.RUNNING and Process(row.pid, row.host, row.process_started).alive() is False:
        return RunState.INTERRUPTED
    return said


def has_project(name: str) -> bool:
    """Whether anything was recorded of a project of that name."""
    with reading() as session:
        return session.get(ProjectRow, name) is not None


def projects(limit: int = 50, *, after: str | None = None) -> Page[ProjectRow]:
    """Projects by name; those after the name `after`."""
    limit = bounded(limit)
    query = select(ProjectRow).order_by(col(ProjectRow.name)).limit(limit + 1)
    if after is not None:
        query = query.where(ProjectRow.name > after)
    with reading() as session:
        return cut(session.exec(query).all(), limit, "name")
