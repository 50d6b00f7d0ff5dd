"""A case that is or was in quarantine: one row a case, its latest stay. Earlier ones are in the audit log."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from records.tables.columns import CleanText, UtcDateTime


class QuarantineRow(SQLModel, table=True):
    """`automatic`: the daily flow set it aside. It holds while `released` is None and `until` has not come."""

    __tablename__ = "quarantines"

    case_id: str = Field(primary_key=True, foreign_key="cases.id", sa_type=CleanText)
    project: str = Field(foreign_key="projects.name", sa_type=CleanText, index=True)
    owner: str = Field(sa_type=CleanText)
    reason: str = Field(sa_type=CleanText)
    issue: str = Field(default="", sa_type=CleanText)
    automatic: bool = False
    added: datetime = Field(sa_type=UtcDateTime)
    until: datetime = Field(sa_type=UtcDateTime)
    released: datetime | None = Field(default=None, sa_type=UtcDateTime)
    released_why: str | None = Field(default=None, sa_type=CleanText)
