"""The driver's own bulk way in, for the one table that gets rows by the hundred thousand.

Rows are plain tuples: whoever makes them has cleaned them. Nothing is doubled (a key that is there stays as it is), and
writers cannot wait for each other in a circle: SQLite has one writer, and on PostgreSQL a transaction adds to each
table in one statement, in the order of its keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from sqlite3 import Error
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from records.bulk import sqlite
from records.bulk.portion import Portion


def store(session: Session, project: str, execution: int, portions: Iterator[Portion]) -> None:
    """Store cases and attempts of an execution that are not there."""
    driver: Any = session.connection().connection.driver_connection
    if session.get_bind().dialect.name == "postgresql":
        _postgresql(driver, project, execution, portions)
        return
    try:
        sqlite.store(driver, project, execution, portions)
    except Error as error:
        raise OperationalError("INSERT", None, error) from error  # as SQLAlchemy tells it, for the session to translate


def _postgresql(driver: Any, project: str, execution: int, portions: Iterator[Portion]) -> None:
    import psycopg  # SQLite's users need not have it

    from records.bulk import postgresql

    try:
        postgresql.store(driver, project, execution, portions)
    except psycopg.Error as error:
        raise OperationalError("COPY", None, error) from error
