"""The driver's own bulk way in, for the one table that gets rows by the hundred thousand.

Rows are plain tuples: whoever makes them has cleaned them. Nothing is doubled (a key that is there stays as it is), and
writers cannot wait for each other in a circle: SQLite has one writer, and PostgreSQL gets all rows into a table of the
connection's own first, then into the records in the order of their keys.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from records.tables.columns import now

Portion = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""Cases and attempts, as `CASE` and `ATTEMPT` name their columns."""

CASE = ("id", "suite", "file", "classname", "name")
ATTEMPT = (
    "key",
    "case_id",
    "number",
    "status",
    "seconds",
    "message",
    "output",
    "started",
    "worker",
    "reused",
    "repeat",
)

# nosec B608 below: the statements are made of the constants above.
_SQLITE_CASE = (
    f"INSERT INTO cases ({', '.join(CASE)}, project, first_seen) "  # nosec B608
    "VALUES (?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
)
_SQLITE_ATTEMPT = (
    f"INSERT INTO attempts ({', '.join(ATTEMPT)}, run_id, stage, recorded) "  # nosec B608
    "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
)
# ON COMMIT DELETE ROWS: made once a connection, empty at the beginning of each transaction.
_TEMPORARY = (
    "CREATE TEMPORARY TABLE IF NOT EXISTS given_cases "
    "(id text, suite text, file text, classname text, name text) ON COMMIT DELETE ROWS",
    "CREATE TEMPORARY TABLE IF NOT EXISTS given_attempts "
    "(key text, case_id text, number integer, status text, seconds double precision, message text, output text, "
    "started double precision, worker text, reused boolean, repeat boolean) ON COMMIT DELETE ROWS",
)
_COPY_CASE = f"COPY pg_temp.given_cases ({', '.join(CASE)}) FROM STDIN"
_COPY_ATTEMPT = f"COPY pg_temp.given_attempts ({', '.join(ATTEMPT)}) FROM STDIN"
_MOVE_CASE = (
    f"INSERT INTO cases ({', '.join(CASE)}, project, first_seen) "  # nosec B608
    f"SELECT {', '.join(CASE)}, %s, %s FROM pg_temp.given_cases "
    'ORDER BY id COLLATE "C" ON CONFLICT DO NOTHING'
)
_MOVE_ATTEMPT = (
    f"INSERT INTO attempts ({', '.join(ATTEMPT)}, run_id, stage, recorded) "  # nosec B608
    f"SELECT {', '.join(ATTEMPT)}, %s, %s, %s FROM pg_temp.given_attempts "
    'ORDER BY key COLLATE "C" ON CONFLICT DO NOTHING'
)


def store(session: Session, project: str, run_id: str, stage: str, portions: Iterable[Portion]) -> None:
    """Store cases and attempts of a run's stage that are not there."""
    if session.get_bind().dialect.name == "postgresql":
        _postgresql(session, (project,), (run_id, stage), portions)
    else:
        _sqlite(session, (project,), (run_id, stage), portions)


def _sqlite(session: Session, case: tuple[str], attempt: tuple[str, str], portions: Iterable[Portion]) -> None:
    moment = now().replace(tzinfo=None).isoformat(" ", "microseconds")
    of_case, of_attempt = (*case, moment), (*attempt, moment)
    connection = session.connection()
    for cases, attempts in portions:
        # In the order of the keys a portion changes few pages.
        cases.sort()
        attempts.sort()
        connection.exec_driver_sql(_SQLITE_CASE, [row + of_case for row in cases])
        connection.exec_driver_sql(_SQLITE_ATTEMPT, [row + of_attempt for row in attempts])


def _postgresql(session: Session, case: tuple[str], attempt: tuple[str, str], portions: Iterable[Portion]) -> None:
    from psycopg import Error

    driver: Any = session.connection().connection.driver_connection
    try:
        with driver.cursor() as cursor:
            for statement in _TEMPORARY:
                cursor.execute(statement)
            for cases, attempts in portions:
                _copy(cursor, _COPY_CASE, cases)
                _copy(cursor, _COPY_ATTEMPT, attempts)
            moment = now()
            cursor.execute(_MOVE_CASE, (*case, moment))
            cursor.execute(_MOVE_ATTEMPT, (*attempt, moment))
    except Error as error:
        raise OperationalError("COPY", None, error) from error  # as SQLAlchemy tells it, for the session to translate


def _copy(cursor: Any, statement: str, rows: list[tuple[Any, ...]]) -> None:
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
