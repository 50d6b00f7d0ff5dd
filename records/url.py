"""Where the records are: reading `TES_DATABASE_URL`, and showing it without its password."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from domain.errors import SpecError
from settings import settings

_FIX = "set TES_DATABASE_URL to sqlite:////path/records.db or postgresql://user@host/name, or leave it unset for SQLite"
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


def records_url(text: str | None = None) -> URL:
    """The SQLAlchemy URL of the records, from the settings unless given. SpecError when it cannot be used.

    The message never repeats the text: it may hold a password in a place where a password is not looked for.
    """
    try:
        url = make_url(text or settings().records_url)
    except (ArgumentError, ValueError):
        raise SpecError("TES_DATABASE_URL is not a database URL", fix=_FIX) from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise SpecError(f"TES_DATABASE_URL names the database {url.drivername!r}, which is not supported", fix=_FIX)
    url = url.set(drivername=driver)
    if driver == "sqlite" and url.database in (None, "", ":memory:"):
        raise SpecError("TES_DATABASE_URL is an in-memory database, and records must outlive their process", fix=_FIX)
    return url


def shown(url: URL) -> str:
    """The URL for a message: no password, wherever it was written."""
    hidden = {key: "***" for key in url.query if "pass" in key.lower() or "secret" in key.lower()}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)
