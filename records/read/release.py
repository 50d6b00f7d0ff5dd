"""Reading releases and rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import or_
from sqlmodel import col, select

from domain.place import Release
from domain.proof import Proof
from domain.rollout import RETURNS, Rollout, Status
from records.read.page import Page, bounded, cut, older
from records.session import reading
from records.tables import ProofRow, ReleaseRow, RolloutRow, RolloutStepRow


@dataclass(frozen=True)
class RolloutDetail:
    """A rollout with the steps it took, in order, and whether there is a proof of it."""

    rollout: RolloutRow
    steps: Sequence[RolloutStepRow]
    proved: bool = False


def releases(
    environment: str | None = None, limit: int = 50, *, service: str | None = None, after: str | None = None
) -> Page[ReleaseRow]:
    """Releases, the newest first; those older than the release `after`."""
    limit = bounded(limit)
    query = select(ReleaseRow).order_by(col(ReleaseRow.recorded).desc(), col(ReleaseRow.id).desc()).limit(limit + 1)
    if environment is not None:
        query = query.where(ReleaseRow.environment == environment)
    if service is not None:
        query = query.where(ReleaseRow.service == service)
    with reading() as session:
        if after is not None:
            query = query.where(older(session, ReleaseRow, (col(ReleaseRow.recorded), col(ReleaseRow.id)), after))
        return cut(session.exec(query).all(), limit, "id")


def rollouts(
    environment: str | None = None,
    limit: int = 50,
    *,
    service: str | None = None,
    unfinished: bool = False,
    after: str | None = None,
) -> Page[RolloutRow]:
    """Rollouts, the newest first; those older than the rollout `after`. `unfinished`: only what may be taken up
    again."""
    limit = bounded(limit)
    query = select(RolloutRow).order_by(col(RolloutRow.started).desc(), col(RolloutRow.id).desc()).limit(limit + 1)
    if environment is not None:
        query = query.where(RolloutRow.environment == environment)
    if service is not None:
        query = query.where(RolloutRow.service == service)
    if unfinished:
        query = query.where(col(RolloutRow.status).not_in([status.value for status in Status if status.over]))
    with reading() as session:
        if after is not None:
            query = query.where(older(session, RolloutRow, (col(RolloutRow.started), col(RolloutRow.id)), after))
        return cut(session.exec(query).all(), limit, "id")


def rollout(rollout_id: str) -> RolloutDetail | None:
    """One rollout, or None."""
    steps = select(RolloutStepRow).where(RolloutStepRow.rollout_id == rollout_id)
    steps = steps.order_by(col(RolloutStepRow.started), col(RolloutStepRow.index), col(RolloutStepRow.action))
    with reading() as session:
        found = session.get(RolloutRow, rollout_id)
        if found is None:
            return None
        proved = session.exec(select(ProofRow.rollout_id).where(ProofRow.rollout_id == rollout_id)).first()
        return RolloutDetail(found, session.exec(steps).all(), proved is not None)


def proof(rollout_id: str) -> Proof | None:
    """What clients saw of a rollout; None when nobody looked."""
    with reading() as session:
        found = session.get(ProofRow, rollout_id)
        return None if found is None else Proof.model_validate(found.proof)


def promoted_as(service: str, name: str) -> tuple[str, Release] | None:
    """The release of that version (`v1.2.0.3fa9c1`), or of that name (`v1.2.0`), that was the last to be promoted, and
    in which environment; None when none was."""
    version = col(RolloutRow.version)
    query = select(RolloutRow).where(RolloutRow.service == service, RolloutRow.status == Status.PROMOTED.value)
    query = query.where(or_(version == name, version.startswith(f"{name}.", autoescape=True)))
    query = query.where(col(RolloutRow.strategy).not_in(RETURNS))
    with reading() as session:
        for row in session.exec(query.order_by(col(RolloutRow.started).desc())):
            if name in (row.version, row.version.rpartition(".")[0]):
                return row.environment, Rollout.model_validate(row.rollout).release
    return None


def promoted_last(service: str, environment: str) -> str | None:
    """The version whose rollout there was the last to end promoted; None when none did."""
    query = select(RolloutRow.version).where(RolloutRow.service == service, RolloutRow.environment == environment)
    query = query.where(RolloutRow.status == Status.PROMOTED.value).order_by(col(RolloutRow.started).desc()).limit(1)
    with reading() as session:
        return session.exec(query).first()
