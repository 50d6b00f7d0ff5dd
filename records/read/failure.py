"""What fails most, and what the failures have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select
from sqlmodel import col

from domain.cases import CaseId
from domain.clusters import READ, Clusters, Failure, cluster
from records.read.history import IDENTITY, known, of_project
from records.session import reading
from records.tables import AttemptRow, CaseRow, ExecutionRow
from records.tables.attempt import BAD, of_case, of_execution
from records.tables.columns import now

NEWEST = 5000
"""Failures that are read: the newest so many."""


@dataclass(frozen=True)
class Failing:
    """A case with the number of its bad runs and attempts, and when it was bad first and last."""

    id: str
    case: CaseId
    runs: int
    attempts: int
    first: datetime
    last: datetime


def failing(project: str, suite: str | None = None, *, days: float = 30, limit: int = 20) -> list[Failing]:
    """The cases that were bad in most runs of the last days."""
    times = func.count(func.distinct(col(ExecutionRow.run_id)))
    query = (
        select(
            *IDENTITY,
            times,
            func.count(),
            func.min(AttemptRow.recorded, type_=AttemptRow.recorded.type),  # type: ignore[attr-defined]
            func.max(AttemptRow.recorded, type_=AttemptRow.recorded.type),  # type: ignore[attr-defined]
        )
        .join(AttemptRow, of_case())
        .join(ExecutionRow, of_execution())
        .where(BAD, col(AttemptRow.recorded) >= now() - timedelta(days=days), col(AttemptRow.reused).is_(False))
        .where(of_project(project))
        .group_by(*IDENTITY)
        .order_by(times.desc(), func.count().desc(), col(CaseRow.id))
        .limit(limit)
    )
    if suite is not None:
        query = query.where(col(CaseRow.suite) == suite)
    with reading() as session:
        rows = session.connection().execute(query).all()
    made = []
    for *identity, runs, attempts, first, last in rows:
        one = known(identity)
        made.append(Failing(one.id, one.case, runs, attempts, first, last))
    return made


def failure_clusters(
    project: str, suite: str | None = None, *, days: float = 30, newest: int = NEWEST, run_id: str | None = None
) -> Clusters:
    """The newest failures of the last days, or all of one run, grouped by what they say. Read as a stream."""
    with reading() as session:
        length = func.length(AttemptRow.output)
        # The end of the output tells where it failed; the rest need not travel.
        stack = case((length > READ, func.substr(AttemptRow.output, length - READ + 1)), else_=AttemptRow.output)
        query = (
            select(
                col(CaseRow.file), col(CaseRow.classname), col(CaseRow.name), col(AttemptRow.message), stack,
                col(AttemptRow.recorded), col(ExecutionRow.run_id),
            )  # fmt: skip
            .join(CaseRow, of_case())
            .join(ExecutionRow, of_execution())
            .where(BAD, of_project(project), col(AttemptRow.reused).is_(False))
            .order_by(col(AttemptRow.recorded).desc())
            .limit(newest)
            .execution_options(yield_per=200)
        )
        if suite is not None:
            query = query.where(col(CaseRow.suite) == suite)
        if run_id is not None:
            query = query.where(col(ExecutionRow.run_id) == run_id)
        else:
            query = query.where(col(AttemptRow.recorded) >= now() - timedelta(days=days))

        def stream() -> Iterator[Failure]:
            for file, classname, name, message, output, recorded, run in session.connection().execute(query):
                at = "::".join(part for part in (file, classname, name) if part)
                yield Failure(at, message, output, recorded.timestamp(), run)

        return cluster(stream())
