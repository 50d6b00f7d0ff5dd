"""A project: the name that runs, cases and releases belong to."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from records.tables.columns import CleanText, UtcDateTime, now


class ProjectRow(SQLModel, table=True):
    __tablename__ = "projects"

    name: str = Field(primary_key=True, sa_type=CleanText)
    created: datetime = Field(default_factory=now, sa_type=UtcDateTime)
