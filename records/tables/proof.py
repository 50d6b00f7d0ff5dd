"""What clients saw of a rollout."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from records.tables.columns import CleanText, JsonText, UtcDateTime


class ProofRow(SQLModel, table=True):
    """`proof` is the whole domain value, its rows included: at most some hundred kilobytes."""

    __tablename__ = "proofs"

    rollout_id: str = Field(primary_key=True, foreign_key="rollouts.id", sa_type=CleanText)
    outcome: str = Field(sa_type=CleanText)
    requests: int = 0
    failed: int = 0
    proof: dict[str, Any] = Field(sa_type=JsonText)
    recorded: datetime = Field(sa_type=UtcDateTime)
