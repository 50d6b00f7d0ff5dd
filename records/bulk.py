"""The driver's own bulk way in, for the one table that gets rows by the hundred thousand.

Rows are plain tuples: whoever makes them has cleaned them. Nothing is doubled (a key that is there stays as it is), and
writers cannot wait for each other in a circle: SQLite has one writer, and PostgreSQL gets all rows into tables of the
connection's own first, then into the records in the order of their keys.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from records.tables.columns import now

Portion = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""Cases and attempts, as `CASE` and `ATTEMPT` name their columns."""

CASE = ("id", "suite", "file", "classname", "name")
ATTEMPT = (
    *("case_id", "key", "seconds", "started", "number", "reused", "repeat"),
    *("status", "worker", "message", "output"),
)
"""`reused` and `repeat` are 0 or 1: SQLite's driver takes a bool the long way round."""

_STORED = ", ".join(ATTEMPT[1:])
# nosec B608 below: the statements are made of the constants above.
_SQLITE_CASE = (
    f"INSERT INTO cases ({', '.join(CASE)}, project, first_seen) "  # nosec B608
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_SQLITE_ATTEMPT = (
    f"INSERT INTO attempts (case_number, {_STORED}, execution, recorded) "  # nosec B608
    f"VALUES ((SELECT number FROM cases WHERE id = ?){', ?' * (len(ATTEMPT) + 1)}) ON CONFLICT DO NOTHING"
)
_SQLITE_KNOWN = "SELECT id FROM cases WHERE id IN (SELECT value FROM json_each(?))"

# ON COMMIT DELETE ROWS: made once a connection, empty at the beginning of each transaction.
_TEMPORARY = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS given_cases "
    "(id text, suite text, file text, classname text, name text) ON COMMIT DELETE ROWS",
    "CREATE TEMPORARY TABLE IF NOT EXISTS given_attempts "
    "(case_id text, key bigint, seconds double precision, started double precision, number integer, reused smallint, "
    "repeat smallint, status text, worker text, message text, output text) ON COMMIT DELETE ROWS",
)
_COPY_CASE = "COPY pg_temp.given_cases FROM STDIN (FORMAT BINARY)"
_CASE_TYPES = ["text"] * len(CASE)
_COPY_ATTEMPT = "COPY pg_temp.given_attempts FROM STDIN (FORMAT BINARY)"
_ATTEMPT_TYPES = ["text", "int8", "float8", "float8", "int4", "int2", "int2", "text", "text", "text", "text"]
# A case's number is asked for row by row, by the index: a join would have the planner, who knows nothing of a temporary
# table, read all cases. Only what is missing is tried: each row that is tried takes a number.
_MOVE_CASE = (
    f"INSERT INTO cases ({', '.join(CASE)}, project, first_seen) "  # nosec B608
    f"SELECT {', '.join(CASE)}, %s, %s FROM pg_temp.given_cases given "
    "WHERE (SELECT number FROM cases WHERE cases.id = given.id) IS NULL "
    'ORDER BY id COLLATE "C" ON CONFLICT DO NOTHING'
)
_MOVE_ATTEMPT = (
    f"INSERT INTO attempts (execution, recorded, case_number, {_STORED}) "  # nosec B608
    "SELECT %s, %s, (SELECT cases.number FROM cases WHERE cases.id = case_id) AS of_case, key, seconds, started, "
    "number, reused = 1, repeat = 1, status, worker, message, output FROM pg_temp.given_attempts "
    "ORDER BY of_case, key ON CONFLICT DO NOTHING"
)


def store(session: Session, project: str, execution: int, portions: Iterable[Portion]) -> None:
    """Store cases and attempts of an execution that are not there."""
    if session.get_bind().dialect.name == "postgresql":
        _postgresql(session, project, execution, portions)
    else:
        _sqlite(session, project, execution, portions)


def _sqlite(session: Session, project: str, execution: int, portions: Iterable[Portion]) -> None:
    moment = now().replace(tzinfo=None).isoformat(" ", "microseconds")
    of_case, of_attempt = (project, moment), (execution, moment)
    driver: Any = session.connection().connection.driver_connection
    try:
        for cases, attempts in portions:
            ids = json.dumps([case[0] for case in cases])
            known = {key for (key,) in driver.execute(_SQLITE_KNOWN, (ids,))}
            # In the order of the keys a portion changes few pages.
            if new := sorted(case for case in cases if case[0] not in known):
                driver.executemany(_SQLITE_CASE, [row + of_case for row in new])
            attempts.sort()
            driver.executemany(_SQLITE_ATTEMPT, [row + of_attempt for row in attempts])
    except sqlite3.Error as error:
        raise OperationalError("INSERT", None, error) from error  # as SQLAlchemy tells it, for the session to translate


def _postgresql(session: Session, project: str, execution: int, portions: Iterable[Portion]) -> None:
    from psycopg import Error

    driver: Any = session.connection().connection.driver_connection
    try:
        with driver.cursor() as cursor:
            for statement in _TEMPORARY:
                cursor.execute(statement)
            for cases, attempts in portions:
                _copy(cursor, _COPY_CASE, _CASE_TYPES, cases)
                _copy(cursor, _COPY_ATTEMPT, _ATTEMPT_TYPES, attempts)
            moment = now()
            cursor.execute(_MOVE_CASE, (project, moment))
            cursor.execute(_MOVE_ATTEMPT, (execution, moment))
    except Error as error:
        raise OperationalError("COPY", None, error) from error  # as SQLAlchemy tells it, for the session to translate


def _copy(cursor: Any, statement: str, types: list[str], rows: list[tuple[Any, ...]]) -> None:
    with cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
