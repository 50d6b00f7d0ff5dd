"""One attempt at a case. Every one is kept: a stage done again adds its attempts beside the earlier ones.

The key is derived from all that the attempt says, so that recording the same attempt twice (a retried task, a journal
read again) leaves one row, while another result under the same number is another row and hides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from struct import Struct
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Index, false, text
from sqlmodel import Field, SQLModel, col

from records.tables.case import CaseRow
from records.tables.columns import CleanText, UtcDateTime
from records.tables.execution import ExecutionRow

_NUMBERS = Struct("<ddq??q").pack
FIELDS = ("case", "status", "seconds", "message", "output", "number", "started", "worker", "reused", "repeat")
"""All that an attempt says."""


def attempt_keys(run_id: str, stage: str, ids: Iterable[str], attempts: Iterable[tuple[Any, ...]]) -> list[int]:
    """The key of each attempt in this run and stage, given the keys of their cases and their `FIELDS`: 64 bits with a
    sign, of which no two different attempts at one case have the same. They are a digest of the texts (run, stage,
    case, status, worker, message and output, with a NUL between them) and of the numbers of an attempt. What all share
    is digested once."""
    begun = blake2b(f"{run_id}\0{stage}\0".encode("utf-8", "surrogatepass"), digest_size=10).copy
    number_of = int.from_bytes
    keys = []
    for case_id, attempt in zip(ids, attempts, strict=True):
        _, status, seconds, message, output, number, started, worker, reused, repeat = attempt
        texts = f"{case_id}\0{status}\0{worker}\0{message}\0{output}".encode("utf-8", "surrogatepass")
        said = begun()
        said.update(texts + _NUMBERS(seconds, started, number, reused, repeat, len(message)))
        keys.append(number_of(said.digest()[2:], "big", signed=True))
    return keys


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
