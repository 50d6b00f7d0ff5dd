"""A test case, once per project. Its key is derived from its identity, so that any process can name it unasked."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from domain.cases import CaseId
from records.tables.columns import CleanText, UtcDateTime


def case_key(project: str, case: CaseId) -> str:
    """32 hex digits, the same for the same case of the same project everywhere.

    The first 12 are those of its file: cases that are recorded together lie together in every index, so that a batch
    changes few pages of it.
    """
    place = digest(project, case.suite, case.file)
    return member_key(place, case.classname, case.name)


def member_key(place: str, classname: str, name: str) -> str:
    """The key of a case whose file has the digest `place`."""
    said = f"{place}\0{classname}\0{name}".encode("utf-8", "surrogatepass")
    return place[:12] + blake2b(said, digest_size=16).hexdigest()[:20]


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
