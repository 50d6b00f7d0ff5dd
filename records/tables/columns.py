"""Column types that behave the same on SQLite and PostgreSQL.

Test output holds NUL bytes and half a character; PostgreSQL refuses the first and no database takes the second, and one
such byte must not cost a whole batch of results. SQLite forgets time zones; a time without one is a guess.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

# Named constraints: a migration can only drop what has a name.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Moment = datetime | float
"""A point in time: an aware datetime, or seconds since the epoch."""


def utc(moment: Moment) -> datetime:
    """The same moment as an aware datetime in UTC. ValueError for a naive datetime."""
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"{moment.isoformat()} has no time zone; use datetime.now(UTC)")
        return moment.astimezone(UTC)
    return datetime.fromtimestamp(moment, UTC)


def now() -> datetime:
    return datetime.now(UTC)


def clean(text: str) -> str:
    r"""The text with NUL and lone surrogates written as escapes (`\x00`, `\udcff`)."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def cleaned(texts: Sequence[str]) -> Sequence[str]:
    """The texts, each as `clean` writes it; looked at all at once, since nearly always nothing is to be done."""
    together = "".join(texts)
    return texts if together.isascii() and "\0" not in together else [clean(text) for text in texts]


def finite(number: float) -> float:
    """The number, or 0.0 for NaN and the infinities, which a report can hold and no sum or sort survives."""
    return number if math.isfinite(number) else 0.0


class CleanText(TypeDecorator[str]):
    """Text that every database takes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


class JsonText(TypeDecorator[Any]):
    """JSON kept as text: the bytes that were hashed or compared are the bytes that are read back."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware in, aware out, UTC inside."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        value = utc(value)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
