"""Rollouts and their steps."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

import records
from domain.rollout import Rollout, Status
from domain.verdict import Outcome, Verdict
from records.tables import RolloutRow
from service.page import After, Filter, Limit, PageOut, paged
from service.problems import documented, missing

router = APIRouter(prefix="/rollouts", tags=["rollouts"])


class RolloutOut(BaseModel):
    """`stable` is the version that was there before, null for a first release. `cursor` is the index into `plan` of
    what is done next."""

    id: str
    service: str
    environment: str
    version: str
    stable: str | None
    strategy: str
    status: Status
    reason: str
    plan: list[str]
    cursor: int
    promoted: bool
    started: datetime
    updated: datetime

    @staticmethod
    def of(row: RolloutRow) -> RolloutOut:
        rollout = Rollout.model_validate(row.rollout)
        return RolloutOut(
            id=row.id,
            service=row.service,
            environment=row.environment,
            version=row.version,
            stable=row.stable,
            strategy=row.strategy,
            status=rollout.status,
            reason=row.reason,
            plan=[str(action) for action in rollout.plan],
            cursor=row.cursor,
            promoted=rollout.promoted,
            started=row.started,
            updated=row.updated,
        )


class StepOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    index: int = Field(description="where in the plan")
    action: str
    outcome: Outcome
    verdict: Verdict
    started: datetime
    ended: datetime
    seconds: float


class RolloutDetailOut(RolloutOut):
    """A rollout with the steps it took, in order."""

    steps: list[StepOut]


@router.get("", responses=documented(422))
def rollouts(
    limit: Limit = 50, environment: Filter = None, service: Filter = None, after: After = None
) -> PageOut[RolloutOut]:
    """Rollouts, the newest first."""
    return paged(records.rollouts(environment, limit, service=service, after=after), RolloutOut.of)


@router.get("/{rollout_id}", responses=documented(404, 422))
def rollout(rollout_id: str) -> RolloutDetailOut:
    """One rollout with its steps."""
    found = records.rollout(rollout_id)
    if found is None:
        raise missing("rollout", rollout_id)
    steps = [StepOut.model_validate(row) for row in found.steps]
    return RolloutDetailOut(**RolloutOut.of(found.rollout).model_dump(), steps=steps)
