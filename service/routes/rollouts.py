"""Rollouts and their steps."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

import records
from domain.group import Group
from domain.proof import Proof, assess
from domain.rollout import Rollout, Status
from domain.verdict import Outcome, Verdict
from records.tables import RolloutRow
from service.page import After, Filter, Limit, PageOut, paged
from service.problems import documented, missing
from toolchain.reports import proof_plot

router = APIRouter(prefix="/rollouts", tags=["rollouts"])


class MemberOut(BaseModel):
    """A service that is released with others as one. `platform` is named as its tes.yaml does."""

    service: str
    environment: str
    platform: str


class GroupOut(BaseModel):
    """The services of one release, the rollout's own among them. `id` is the same in the rollouts of all of them."""

    id: str
    members: list[MemberOut]

    @staticmethod
    def of(group: Group) -> GroupOut:
        members = [
            MemberOut(service=one.target.service, environment=one.target.environment, platform=one.platform)
            for one in group.members
        ]
        return GroupOut(id=group.id, members=members)


class RolloutOut(BaseModel):
    """`stable` is the version that was there before, null for a first release. `cursor` is the index into `plan` of
    what is done next. `group` is null for a service that is released alone."""

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
    group: GroupOut | None
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
            group=GroupOut.of(rollout.group) if rollout.group else None,
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
    proof: str | None = Field(description="path of what clients saw of it; null when nobody looked")


class ProofOut(BaseModel):
    """What clients saw of a rollout: the verdict in words, and the proof with its seconds."""

    rollout: str
    verdict: Verdict
    proof: Proof
    plot: str = Field(description="path of the same as a drawing (SVG)")


@router.get("", responses=documented(422))
def rollouts(
    limit: Limit = 50, environment: Filter = None, service: Filter = None, after: After = None
) -> PageOut[RolloutOut]:
    """Rollouts, the newest first."""
    return paged(records.rollouts(environment, limit, service=service, after=after), RolloutOut.of)


@router.get("/{rollout_id}", responses=documented(404, 422))
def rollout(rollout_id: str, request: Request) -> RolloutDetailOut:
    """One rollout with its steps."""
    found = records.rollout(rollout_id)
    if found is None:
        raise missing("rollout", rollout_id)
    steps = [StepOut.model_validate(row) for row in found.steps]
    proof = request.app.url_path_for("proof", rollout_id=rollout_id) if found.proved else None
    return RolloutDetailOut(**RolloutOut.of(found.rollout).model_dump(), steps=steps, proof=proof)


@router.get("/{rollout_id}/proof", responses=documented(404, 422))
def proof(rollout_id: str, request: Request) -> ProofOut:
    """What clients saw of a rollout, where `release.proof` asked for it."""
    found = _proof(rollout_id)
    plot = request.app.url_path_for("plot", rollout_id=rollout_id)
    return ProofOut(rollout=rollout_id, verdict=assess(found), proof=found, plot=plot)


@router.get(
    "/{rollout_id}/proof.svg",
    response_class=Response,
    responses={**documented(404, 422), 200: {"content": {"image/svg+xml": {}}}},
)
def plot(rollout_id: str) -> Response:
    """The same as a drawing: requests a second by version, failures, and the 95th percentile."""
    return Response(proof_plot.svg(_proof(rollout_id)), media_type="image/svg+xml")


def _proof(rollout_id: str) -> Proof:
    found = records.proof(rollout_id)
    if found is None:
        raise missing("proof of rollout", rollout_id)
    return found
