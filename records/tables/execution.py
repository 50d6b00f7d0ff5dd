"""A stage of a run at whose cases attempts were made: one small number in place of two texts in each of many rows."""

from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from records.tables.columns import CleanText


class ExecutionRow(SQLModel, table=True):
    """`number` is given by the database, and means something in this database only."""

    __tablename__ = "executions"
    __table_args__ = (UniqueConstraint("run_id", "stage"),)

    number: int | None = Field(default=None, primary_key=True)
    run_id: str = Field(foreign_key="runs.id", sa_type=CleanText)
    stage: str = Field(sa_type=CleanText)
