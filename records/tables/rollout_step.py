"""One step of a rollout. The key holds the action too: an abort happens at the index of the step that failed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from records.tables.columns import CleanText, JsonText, UtcDateTime


class RolloutStepRow(SQLModel, table=True):
    __tablename__ = "rollout_steps"

    rollout_id: str = Field(primary_key=True, foreign_key="rollouts.id", sa_type=CleanText)
    index: int = Field(primary_key=True)
    action: str = Field(primary_key=True, sa_type=CleanText)
    outcome: str = Field(sa_type=CleanText)
    verdict: dict[str, Any] = Field(sa_type=JsonText)
    started: datetime = Field(sa_type=UtcDateTime)
    ended: datetime = Field(sa_type=UtcDateTime)
    seconds: float = 0.0
