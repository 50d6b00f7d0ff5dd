"""A rollout and the steps it took. The platform is the truth about what runs; this is the history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index
from sqlmodel import Field, SQLModel

from records.tables.columns import CleanText, JsonText, UtcDateTime


class RolloutRow(SQLModel, table=True):
    """`rollout` is the whole domain value, so that a rollout can be taken up again from here."""

    __tablename__ = "rollouts"
    __table_args__ = (Index("ix_rollouts_environment_started", "environment", "started"),)

    id: str = Field(primary_key=True, sa_type=CleanText)
    service: str = Field(sa_type=CleanText)
    environment: str = Field(sa_type=CleanText)
    version: str = Field(sa_type=CleanText)
    stable: str | None = Field(default=None, sa_type=CleanText)
    strategy: str = Field(sa_type=CleanText)
    status: str = Field(sa_type=CleanText)
    reason: str = Field(default="", sa_type=CleanText)
    cursor: int = 0
    length: int = 0
    token: int = Field(default=0, sa_type=BigInteger)
    rollout: dict[str, Any] = Field(sa_type=JsonText)
    started: datetime = Field(sa_type=UtcDateTime)
    updated: datetime = Field(sa_type=UtcDateTime)
