"""A page of a list, and where the next one begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, bindparam, select, tuple_
from sqlmodel import Session, SQLModel

from domain.errors import SpecError

T = TypeVar("T")

MAX_PAGE = 500


@dataclass(frozen=True)
class Page(Generic[T]):
    """`next` is what to pass as `after` for the following page; None on the last."""

    items: Sequence[T]
    next: str | None


def cut(rows: Sequence[T], limit: int, name: str) -> Page[T]:
    """A page of at most `limit` from `limit + 1` rows asked for; `name` is the attribute that `after` takes."""
    items = rows[:limit]
    more = len(rows) > limit
    return Page(items, str(getattr(items[-1], name)) if more and items else None)


def bounded(limit: int) -> int:
    """The limit within 1..MAX_PAGE."""
    return max(1, min(limit, MAX_PAGE))


def older(session: Session, row: type[SQLModel], columns: tuple[Any, Any], after: str) -> ColumnElement[bool]:
    """Rows that come after the row with the id `after`, in a list with the newest first by these two columns (a time
    and the id). SpecError when there is no such row: an empty page would look like the end of the list."""
    last = session.connection().execute(select(*columns).where(columns[1] == after)).one_or_none()
    if last is None:
        table = str(row.__tablename__)
        raise SpecError(f"after={after!r} names none of the {table}", fix="pass `next` of the page before, unchanged")
    earlier: ColumnElement[bool] = tuple_(*columns) < tuple_(
        *(bindparam(None, value, type_=column.type) for value, column in zip(last, columns, strict=True))
    )
    return earlier
