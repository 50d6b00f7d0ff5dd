"""One attempt at a case. Every one is kept: a stage done again adds its attempts beside the earlier ones.

The key is derived from all that the attempt says, so that recording the same attempt twice (a retried task, a journal
read again) leaves one row, while another result under the same number is another row and hides nothing.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from struct import Struct

from sqlalchemy import Index, false, text
from sqlmodel import Field, SQLModel

from domain.cases import Attempt
from records.tables.columns import CleanText, UtcDateTime

_NUMBERS = Struct("<ddq??q")
_LATEST = 2.0**33  # seconds: the year 2242


def attempt_key(run_id: str, stage: str, case_key: str, attempt: Attempt) -> str:
    """33 hex digits, of which no two different attempts have the same.

    The first 13 are its start in microseconds, or those of its case where nobody says when: attempts that are recorded
    together lie together in the index.
    """
    started = attempt.started
    when = f"{int(started * 1e6):013x}" if 1.0 <= started < _LATEST else "0" + case_key[:12]
    flags = (attempt.reused, attempt.repeat)
    numbers = _NUMBERS.pack(attempt.seconds, started, attempt.number, *flags, len(attempt.message))
    said = "\0".join((run_id, stage, case_key, attempt.status, attempt.worker, attempt.message, attempt.output))
    return when + blake2b(said.encode("utf-8", "surrogatepass") + numbers, digest_size=10).hexdigest()


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

    # No foreign keys: the writer has seen the run and names the cases itself, which saves the database two look-ups a
    # row. The key stands alone, as it always did: an older release says ON CONFLICT (key).
    key: str = Field(primary_key=True, sa_type=CleanText)
    run_id: str = Field(sa_type=CleanText)
    stage: str = Field(sa_type=CleanText)
    case_id: str = Field(sa_type=CleanText)
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
