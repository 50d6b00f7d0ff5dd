"""One attempt at a case. Every one is kept: a stage done again adds its attempts beside the earlier ones.

The key is derived from all that the attempt says, so that recording the same attempt twice (a retried task, a journal
read again) leaves one row, while another result under the same number is another row and hides nothing.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from struct import Struct

from sqlalchemy import BigInteger, ColumnElement, Index, false, text
from sqlmodel import Field, SQLModel, col

from domain.cases import Attempt
from records.tables.case import CaseRow
from records.tables.columns import CleanText, UtcDateTime
from records.tables.execution import ExecutionRow

_NUMBERS = Struct("<ddq??q").pack
_KEY = Struct(">2xq").unpack


def attempt_key(said: str, attempt: Attempt) -> int:
    """64 bits with a sign, of which no two different attempts at one case have the same: a digest of the texts (run,
    stage, case, status, worker, message and output, with a NUL between them) and of the numbers of an attempt."""
    flags = (attempt.reused, attempt.repeat)
    numbers = _NUMBERS(attempt.seconds, attempt.started, attempt.number, *flags, len(attempt.message))
    key: int = _KEY(blake2b(said.encode("utf-8", "surrogatepass") + numbers, digest_size=10).digest())[0]
    return key


# As text: only a condition with the same words lets a database use the index. SQLite builds a table for each row that
# it asks `IN (...)` of; this one costs nothing.
BAD = text("(status = 'failed' OR status = 'error' OR status = 'crashed')")


class AttemptRow(SQLModel, table=True):
    """`recorded` orders executions of a stage, `number` the attempts of one execution. `started` is in seconds since
    the epoch, 0 where nobody says. A `reused` row quotes an earlier result: it is no execution, and in no statistic.
    A `repeat` decided nothing: it was made to see whether the case is flaky.

    The rows of an execution lie together, and in it those of a case: a run, and a case in a run, are found by the
    primary key, without another index to keep.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        # Of a thousand attempts a few are bad, and they are what is asked for.
        Index("ix_attempts_bad", "recorded", sqlite_where=BAD, postgresql_where=BAD),
        {"sqlite_with_rowid": False},
    )

    # No foreign keys: the writer has found the execution and names the cases itself, which saves the database two
    # look-ups a row.
    execution: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    case_number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    key: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    recorded: datetime = Field(sa_type=UtcDateTime)
    seconds: float = 0.0
    started: float = Field(default=0.0, sa_column_kwargs={"server_default": text("0")})
    number: int
    reused: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    repeat: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    status: str = Field(sa_type=CleanText)
    worker: str = Field(default="", sa_type=CleanText, sa_column_kwargs={"server_default": text("''")})
    message: str = Field(default="", sa_type=CleanText)
    output: str = Field(default="", sa_type=CleanText)


def of_execution() -> ColumnElement[bool]:
    """Attempts joined to the stage and run they were made in."""
    return col(ExecutionRow.number) == col(AttemptRow.execution)


def of_case() -> ColumnElement[bool]:
    """Attempts joined to their cases."""
    return col(CaseRow.number) == col(AttemptRow.case_number)
