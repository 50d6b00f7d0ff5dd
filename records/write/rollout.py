"""Recording a rollout's cursor and its steps."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, and_, or_

from domain.rollout import Action, Rollout, Status
from domain.verdict import Verdict
from records.session import writing
from records.tables import RolloutRow, RolloutStepRow
from records.tables.columns import Moment, now, utc
from records.upsert import upsert

_OVER = [status.value for status in Status if status.over]
_MOVES = ("status", "reason", "cursor", "token", "stable", "rollout", "updated")


def record_rollout(rollout: Rollout) -> None:
    """Record where a rollout stands. A late word changes nothing: one with an older fencing token, an earlier cursor,
    or that says anything else about a rollout that is over."""
    row = {
        "id": rollout.id,
        "service": rollout.target.service,
        "environment": rollout.target.environment,
        "version": rollout.release.version,
        "stable": rollout.stable,
        "strategy": rollout.strategy,
        "status": rollout.status.value,
        "reason": rollout.reason,
        "cursor": rollout.cursor,
        "length": len(rollout.plan),
        "token": rollout.token,
        "rollout": rollout.model_dump(mode="json"),
        "started": utc(rollout.started) if rollout.started else now(),
        "updated": now(),
    }
    with writing() as session:
        upsert(session, RolloutRow, [row], update=_MOVES, where=_is_later)


def _is_later(table: Table, new: Any) -> ColumnElement[bool]:
    backwards = and_(table.c.status == Status.ABORTING.value, new.status == Status.PROGRESSING.value)
    return and_(
        or_(table.c.status.not_in(_OVER), table.c.status == new.status),
        new.token >= table.c.token,
        new.cursor >= table.c.cursor,
        ~backwards,
    )


def record_rollout_step(
    rollout_id: str, index: int, action: Action | str, verdict: Verdict, started: Moment, ended: Moment
) -> None:
    """Record a step: the action at an index of the plan. Done again, the last time counts; an abort at the index of a
    bad step stands beside it. Rejected when the rollout was not recorded."""
    begin, end = utc(started), utc(ended)
    row = {
        "rollout_id": rollout_id,
        "index": index,
        "action": str(action),
        "outcome": verdict.outcome.value,
        "verdict": verdict.model_dump(mode="json"),
        "started": begin,
        "ended": end,
        "seconds": (end - begin).total_seconds(),
    }
    with writing() as session:
        upsert(session, RolloutStepRow, [row], update=("outcome", "verdict", "started", "ended", "seconds"))
