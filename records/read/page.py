"""A page of a list, and where the next one begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, tuple_

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


def older(columns: tuple[Any, Any], than: Any) -> ColumnElement[bool]:
    """Rows that come after another in a list with the newest first; `than` selects the same two columns of it."""
    earlier: ColumnElement[bool] = tuple_(*columns) < than
    return earlier
