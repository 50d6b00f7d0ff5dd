"""A stage of a run with its verdict, and what makes it reusable: the digest of its inputs and its result."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from records.tables.columns import CleanText, JsonText, UtcDateTime


class StageRow(SQLModel, table=True):
    """`reused_from` is the run whose verdict is quoted. `invalidated` says since when it may not be quoted."""

    __tablename__ = "stages"

    run_id: str = Field(primary_key=True, foreign_key="runs.id", sa_type=CleanText)
    name: str = Field(primary_key=True, sa_type=CleanText)
    outcome: str = Field(sa_type=CleanText)
    verdict: dict[str, Any] = Field(sa_type=JsonText)
    inputs_digest: str | None = Field(default=None, sa_type=CleanText, index=True)
    result_json: str | None = Field(default=None, sa_type=CleanText)
    reused_from: str | None = Field(default=None, sa_type=CleanText)
    invalidated: datetime | None = Field(default=None, sa_type=UtcDateTime)
    started: datetime = Field(sa_type=UtcDateTime)
    ended: datetime = Field(sa_type=UtcDateTime)
    seconds: float = 0.0
