"""A run: one flow's way through its stages, and the process that walks it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from records.tables.columns import CleanText, JsonText, UtcDateTime


class RunState(StrEnum):
    """`interrupted`: its process ended without closing it; running again resumes."""

    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"


class RunRow(SQLModel, table=True):
    """`pid`, `host` and `process_started` tell whether a run that says `running` still has a process."""

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_opened_id", "opened", "id"), Index("ix_runs_project_opened", "project", "opened"))

    id: str = Field(primary_key=True, sa_type=CleanText)
    project: str = Field(foreign_key="projects.name", sa_type=CleanText)
    kind: str = Field(sa_type=CleanText)
    environment: str | None = Field(default=None, sa_type=CleanText)
    ref: str | None = Field(default=None, sa_type=CleanText)
    source_digest: str | None = Field(default=None, sa_type=CleanText)
    actor: str | None = Field(default=None, sa_type=CleanText)
    flow_run_id: str | None = Field(default=None, sa_type=CleanText)
    state: str = Field(default=RunState.RUNNING.value, sa_type=CleanText, index=True)
    outcome: str | None = Field(default=None, sa_type=CleanText)
    reasons: list[str] = Field(default_factory=list, sa_type=JsonText)
    pid: int = 0
    host: str = Field(default="", sa_type=CleanText)
    process_started: float = 0.0
    opened: datetime = Field(sa_type=UtcDateTime)
    closed: datetime | None = Field(default=None, sa_type=UtcDateTime)
