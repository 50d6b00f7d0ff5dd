"""What a scanner found in a run. Two findings that differ only in their line are two rows."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from records.tables.columns import CleanText, UtcDateTime


class FindingRow(SQLModel, table=True):
    __tablename__ = "findings"

    run_id: str = Field(primary_key=True, foreign_key="runs.id", sa_type=CleanText)
    stage: str = Field(primary_key=True, sa_type=CleanText)
    fingerprint: str = Field(primary_key=True, sa_type=CleanText, index=True)
    line: int = Field(default=0, primary_key=True)
    scanner: str = Field(sa_type=CleanText)
    rule: str = Field(sa_type=CleanText)
    severity: str = Field(sa_type=CleanText)
    path: str = Field(sa_type=CleanText)
    message: str = Field(sa_type=CleanText)
    url: str = Field(default="", sa_type=CleanText)
    recorded: datetime = Field(sa_type=UtcDateTime)
