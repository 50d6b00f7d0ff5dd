"""What is remembered of a project's tests: which flake, fail, are slow or set aside, why, and how it goes over time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

import records
from domain.cases import CaseId
from domain.flakiness import State
from domain.verdict import Outcome
from service.page import Filter, Limit
from service.problems import documented, missing
from tasks.case_memory import assessed, ranked

Days = Annotated[float, Query(gt=0, le=3650, description="how far back, in days")]


def _known(project: str) -> str:
    if not records.has_project(project):
        raise missing("project", project)
    return project


Project = Annotated[str, Depends(_known)]
router = APIRouter(prefix="/projects/{project}", tags=["memory"])


class WhichOut(BaseModel):
    """Which case it is."""

    suite: str
    file: str
    classname: str
    name: str


class FlakyOut(WhichOut):
    """What a case's history says. Rates are ratios 0..1, with Wilson's bounds at 95 %; flakes are failures at contents
    that passed, too."""

    model_config = ConfigDict(from_attributes=True)

    state: State
    reasons: list[str]
    attempts: int
    failures: int
    runs: int
    flakes: int
    on_retry: int = Field(description="runs in which it passed only on retry")
    flip_rate: float = Field(description="changes between pass and fail, of all that could be")
    rate: float = Field(description="of flakes, of the attempts that could tell one")
    low: float
    high: float
    streak: int = Field(
        description="attempts at the end that ended alike: passes when positive, failures when negative"
    )
    last_failure: float = Field(description="seconds since the epoch")
    quarantined_until: datetime | None


class FailingOut(WhichOut):
    """How often a case was bad, and when first and last."""

    id: str
    runs: int
    attempts: int
    first: datetime
    last: datetime


class ClusterOut(BaseModel):
    """Failures of one trouble: `pattern` is what they share."""

    model_config = ConfigDict(from_attributes=True)

    key: str = Field(description="the same in every run")
    pattern: str
    example: str
    example_case: str
    count: int
    cases: int = Field(description="how many different ones, counted up to 1,000")
    first: float = Field(description="seconds since the epoch")
    last: float = Field(description="seconds since the epoch")


class ClustersOut(BaseModel):
    """The biggest first. `failures` is how many were read, in all groups."""

    items: list[ClusterOut]
    groups: int
    failures: int


class PointOut(BaseModel):
    """One suite in one run. `metrics` has the counts by status, `cases`, `flaky` (passed only on retry, or failed when
    repeated), `quarantined` and `seconds`, as far as its verdict told them."""

    model_config = ConfigDict(from_attributes=True)

    run: str
    stage: str
    opened: datetime
    content: str = Field(description="digest of what was tested; empty when unknown")
    outcome: Outcome
    metrics: dict[str, float]
    reused: bool = Field(description="the verdict quotes an earlier one")


class SlowOut(WhichOut):
    """Seconds of an attempt, over the latest three runs that executed its suite."""

    id: str
    mean: float
    longest: float
    attempts: int


class HeldOut(WhichOut):
    """A stay in quarantine. `released` is null while nobody took the case back; it holds no longer than `until`."""

    id: str
    owner: str
    reason: str
    issue: str
    added: datetime
    until: datetime
    automatic: bool
    released: datetime | None
    released_why: str | None


@router.get("/flaky", responses=documented(404, 422))
def flaky(project: Project, suite: Filter = None, limit: Limit = 20) -> list[FlakyOut]:
    """The cases that failed in most of the latest runs, judged by their histories: broken first, then the flakiest."""
    found = assessed(project, suite, limit=limit)
    until = {held.entry.case: _at(held.entry.until) for held in records.quarantines(project, suite=suite)}
    fields = set(FlakyOut.model_fields)
    return [
        FlakyOut(**_case(case), **found[case].model_dump(include=fields), quarantined_until=until.get(case))
        for case in ranked(found)
    ]


@router.get("/failing", responses=documented(404, 422))
def failing(project: Project, suite: Filter = None, days: Days = 30, limit: Limit = 20) -> list[FailingOut]:
    """The cases that were bad in most runs of the last days."""
    return [
        FailingOut(
            **_case(one.case), id=one.id, runs=one.runs, attempts=one.attempts, first=one.first, last=one.last
        )  # fmt: skip
        for one in records.failing(project, suite, days=days, limit=limit)
    ]


@router.get("/clusters", responses=documented(404, 422))
def clusters(project: Project, suite: Filter = None, days: Days = 30, limit: Limit = 20) -> ClustersOut:
    """The newest 5,000 failures of the last days, grouped by what they say."""
    found = records.failure_clusters(project, suite, days=days)
    items = [ClusterOut.model_validate(one) for one in found.clusters[:limit]]
    return ClustersOut(items=items, groups=len(found.clusters), failures=found.failures)


@router.get("/trend", responses=documented(404, 422))
def trend(project: Project, suite: Filter = None, limit: Limit = 50) -> list[PointOut]:
    """What the latest runs with tests counted, the newest first."""
    return [PointOut.model_validate(one) for one in records.trend(project, suite, limit=limit)]


@router.get("/slowest", responses=documented(404, 422))
def slowest(project: Project, suite: Filter = None, limit: Limit = 20) -> list[SlowOut]:
    """The cases that take longest, by the mean over the latest three runs that executed tests."""
    return [
        SlowOut(**_case(one.case), id=one.id, mean=one.mean, longest=one.longest, attempts=one.attempts)
        for one in records.slowest(project, suite, limit=limit)
    ]


@router.get("/quarantine", responses=documented(404, 422))
def quarantine(
    project: Project,
    suite: Filter = None,
    all: Annotated[bool, Query(description="those that were released or have ended, too")] = False,
    limit: Limit = 50,
) -> list[HeldOut]:
    """The cases that are set aside, the next end first."""
    return [
        HeldOut(
            **_case(held.entry.case),
            id=held.id,
            **held.entry.model_dump(include={"owner", "reason", "issue", "automatic"}),
            added=_at(held.entry.added),
            until=_at(held.entry.until),
            released=held.released,
            released_why=held.released_why,
        )
        for held in records.quarantines(project, all=all, suite=suite)[:limit]
    ]


def _case(case: CaseId) -> dict[str, str]:
    return case.model_dump()


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
