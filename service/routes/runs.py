"""Runs, their stages, cases and findings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

import records
from domain.cases import Status
from domain.findings import Severity
from domain.load import LoadSummary
from domain.verdict import Outcome, Verdict
from records.tables import LoadSummaryRow, RunRow, RunState, StageRow
from service.page import After, Count, Filter, Limit, PageOut, paged
from service.problems import documented, missing

router = APIRouter(prefix="/runs", tags=["runs"])


class RunOut(BaseModel):
    """`state` is `interrupted` also where nobody said so yet, but the run's process is gone."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    project: str
    kind: str
    environment: str | None
    ref: str | None
    source_digest: str | None
    actor: str | None
    flow_run_id: str | None
    state: RunState
    outcome: Outcome | None
    reasons: list[str]
    opened: datetime
    closed: datetime | None

    @staticmethod
    def of(row: RunRow) -> RunOut:
        return RunOut.model_validate(row).model_copy(update={"state": records.state(row)})


class StageOut(BaseModel):
    """`seconds` is the stage's own time. `reused_from` is the run that is quoted."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    outcome: Outcome
    verdict: Verdict
    inputs_digest: str | None
    reused_from: str | None
    started: datetime
    ended: datetime
    seconds: float

    @staticmethod
    def of(row: StageRow) -> StageOut:
        return StageOut.model_validate(row)


class LoadOut(BaseModel):
    """Times in seconds, rates as ratios 0..1."""

    model_config = ConfigDict(from_attributes=True)

    gate: str
    outcome: Outcome
    summary: LoadSummary

    @staticmethod
    def of(row: LoadSummaryRow) -> LoadOut:
        return LoadOut.model_validate(row)


class RunDetailOut(RunOut):
    """A run with its stages, in the order in which they began."""

    stages: list[StageOut]
    loads: list[LoadOut]


class CaseOut(BaseModel):
    """One case of a run: its last attempt. `flaky`: bad at first, good in the end."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    stage: str
    suite: str
    file: str
    classname: str
    name: str
    status: Status
    seconds: float
    message: str
    output: str
    attempts: int = Field(description="how many attempts it took; 0 when an earlier result is quoted")
    flaky: bool
    started: float = Field(description="seconds since the epoch; 0 where the framework does not say")
    worker: str = Field(description="the process that ran it")
    reused: bool = Field(description="quotes an earlier result: nothing that the case depends on has changed")


class AttemptOut(BaseModel):
    """One attempt at a case. `number` counts within one execution of the stage, `recorded` tells executions apart."""

    model_config = ConfigDict(from_attributes=True)

    stage: str
    number: int
    status: Status
    seconds: float
    message: str
    output: str
    started: float = Field(description="seconds since the epoch; 0 where the framework does not say")
    worker: str = Field(description="the process that ran it")
    reused: bool = Field(description="quotes an earlier result: nothing was executed")
    repeat: bool = Field(description="made to see whether the case is flaky; it decides nothing")
    recorded: datetime


class FindingOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    stage: str
    scanner: str
    rule: str
    severity: Severity
    path: str
    line: int
    message: str
    url: str
    fingerprint: str


@router.get("", responses=documented(422))
def runs(limit: Limit = 50, project: Filter = None, environment: Filter = None, after: After = None) -> PageOut[RunOut]:
    """Runs, the newest first."""
    return paged(records.runs(limit, project, environment, after=after), RunOut.of)


@router.get("/{run_id}", responses=documented(404, 422))
def run(run_id: str) -> RunDetailOut:
    """One run with its stages and load figures."""
    found = _found(run_id)
    return RunDetailOut(
        **RunOut.of(found.run).model_dump(),
        stages=[StageOut.of(row) for row in found.stages],
        loads=[LoadOut.of(row) for row in found.loads],
    )


@router.get("/{run_id}/stages", responses=documented(404, 422))
def stages(run_id: str) -> list[StageOut]:
    """The stages of a run, in the order in which they began."""
    return [StageOut.of(row) for row in _found(run_id).stages]


@router.get("/{run_id}/cases", responses=documented(404, 422))
def cases(
    run_id: str,
    status: Annotated[Status | None, Query(description="of the last attempt")] = None,
    stage: Filter = None,
    limit: Limit = 50,
    after: Count = None,
) -> PageOut[CaseOut]:
    """The test cases of a run, by file and name."""
    _found(run_id)
    page = records.cases(run_id, status.value if status else None, limit, stage=stage, after=after)
    return paged(page, CaseOut.model_validate)


@router.get("/{run_id}/cases/{case_id}/attempts", responses=documented(404, 422))
def attempts(run_id: str, case_id: str) -> list[AttemptOut]:
    """Every attempt at one case in a run, in the order in which they were made."""
    _found(run_id)
    found = records.attempts(run_id, case_id)
    if not found:
        raise missing("case", case_id)
    return [AttemptOut.model_validate(row) for row in found]


@router.get("/{run_id}/findings", responses=documented(404, 422))
def findings(run_id: str, limit: Limit = 50, after: Count = None) -> PageOut[FindingOut]:
    """What scanners found in a run."""
    _found(run_id)
    return paged(records.findings(run_id, limit, after=after), FindingOut.model_validate)


def _found(run_id: str) -> records.RunDetail:
    found = records.run(run_id)
    if found is None:
        raise missing("run", run_id)
    return found
