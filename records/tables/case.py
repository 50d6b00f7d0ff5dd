"""A test case, once per project. Its key is derived from its identity, so that any process can name it unasked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import blake2b
from operator import itemgetter

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from domain.cases import CaseId
from records.tables.columns import CleanText, UtcDateTime

_identity = itemgetter("suite", "file", "classname", "name")
FILE_DIGITS = 12
"""So many digits of a case's key are those of its file."""


def case_key(project: str, case: CaseId) -> str:
    """32 hex digits, the same for the same case of the same project everywhere.

    The first 12 are those of its file: cases that are recorded together lie together in every index, so that a batch
    changes few pages of it, and a file's cases are found by them.
    """
    return case_keys(project, [case])[0]


def case_keys(project: str, cases: Iterable[CaseId]) -> list[str]:
    """`case_key` of each. What the cases of a file share is digested once."""
    files: dict[tuple[str, str], tuple[str, Callable[[], blake2b]]] = {}
    keys = []
    for case in cases:
        suite, file, classname, name = _identity(vars(case))
        place = files.get((suite, file))
        if place is None:
            of_file = digest(project, suite, file)
            begun = blake2b(f"{of_file}\0".encode(), digest_size=16)
            place = files[suite, file] = (of_file[:FILE_DIGITS], begun.copy)
        said = place[1]()
        said.update(f"{classname}\0{name}".encode("utf-8", "surrogatepass"))
        keys.append(place[0] + said.hexdigest()[: 32 - FILE_DIGITS])
    return keys


def digest(*parts: str) -> str:
    """32 hex digits of some texts."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class CaseRow(SQLModel, table=True):
    """`id` is the case's name outside, the same in every database. `number` is given by this one: attempts hold it in
    place of the id, which is a quarter of a row's size."""

    __tablename__ = "cases"
    __table_args__ = (UniqueConstraint("id"), Index("ix_cases_project_suite", "project", "suite"))

    number: int | None = Field(default=None, primary_key=True)
    id: str = Field(sa_type=CleanText)
    project: str = Field(sa_type=CleanText)
    suite: str = Field(sa_type=CleanText)
    file: str = Field(default="", sa_type=CleanText)
    classname: str = Field(default="", sa_type=CleanText)
    name: str = Field(sa_type=CleanText)
    first_seen: datetime = Field(sa_type=UtcDateTime)
