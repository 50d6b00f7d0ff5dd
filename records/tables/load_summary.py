"""The numbers of a load run, by gate: the load stage and a bake's script are two rows of one run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from records.tables.columns import CleanText, JsonText, UtcDateTime


class LoadSummaryRow(SQLModel, table=True):
    """Times in seconds, rates as ratios 0..1. `summary` holds all of it; the columns are what trends are drawn from."""

    __tablename__ = "load_summaries"

    run_id: str = Field(primary_key=True, foreign_key="runs.id", sa_type=CleanText)
    gate: str = Field(primary_key=True, sa_type=CleanText)
    outcome: str = Field(sa_type=CleanText)
    generator: str = Field(sa_type=CleanText)
    requests: int
    failed: int
    rate: float
    p50: float
    p95: float
    p99: float
    summary: dict[str, Any] = Field(sa_type=JsonText)
    recorded: datetime = Field(sa_type=UtcDateTime)
