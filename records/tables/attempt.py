"""One attempt at a case. Every one is kept: a stage done again adds its attempts beside the earlier ones.

The key is derived from all that the attempt says, so that recording the same attempt twice (a retried task, a journal
read again) leaves one row, while another result under the same number is another row and hides nothing.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, false, text
from sqlmodel import Field, SQLModel

from domain.cases import Attempt
from records.tables.case import digest
from records.tables.columns import CleanText, UtcDateTime


def attempt_key(run_id: str, stage: str, case_key: str, attempt: Attempt) -> str:
    """40 hex digits: those of the run's stage, of the case's file, and of the attempt; neighbours lie together."""
    said = (case_key, str(attempt.number), attempt.status, repr(attempt.seconds), attempt.message, attempt.output)
    where = (repr(attempt.started), attempt.worker, str(attempt.reused))
    return digest(run_id, stage)[:8] + case_key[:12] + digest(run_id, stage, *said, *where)[:20]


# As text: only a condition with the same constants lets a database use the index.
BAD = text("status IN ('failed', 'error', 'crashed')")


class AttemptRow(SQLModel, table=True):
    """`recorded` orders executions of a stage, `number` the attempts of one execution. `started` is in seconds since
    the epoch, 0 where nobody says. A `reused` row quotes an earlier result: it is no execution, and in no statistic.
    A `repeat` decided nothing: it was made to see whether the case is flaky.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_run_id_stage", "run_id", "stage"),
        Index("ix_attempts_case_id_recorded", "case_id", "recorded"),
        # Of a thousand attempts a few are bad, and they are what is asked for.
        Index("ix_attempts_bad", "recorded", sqlite_where=BAD, postgresql_where=BAD),
    )

    key: str = Field(primary_key=True, sa_type=CleanText)
    run_id: str = Field(foreign_key="runs.id", sa_type=CleanText)
    stage: str = Field(sa_type=CleanText)
    case_id: str = Field(foreign_key="cases.id", sa_type=CleanText)
    number: int
    status: str = Field(sa_type=CleanText)
    seconds: float = 0.0
    message: str = Field(default="", sa_type=CleanText)
    output: str = Field(default="", sa_type=CleanText)
    recorded: datetime = Field(sa_type=UtcDateTime)
    started: float = Field(default=0.0, sa_column_kwargs={"server_default": text("0")})
    worker: str = Field(default="", sa_type=CleanText, sa_column_kwargs={"server_default": text("''")})
    reused: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    repeat: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
