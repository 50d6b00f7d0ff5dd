"""PostgreSQL: COPY straight into the tables, which writes many rows at once to a page and its log.

COPY knows no "unless it is there". So what is there is asked first; another writer who adds the same meanwhile makes
COPY break, and then, as with a stream of several portions, rows go into tables of the connection's own first, and from
there into the records with ON CONFLICT DO NOTHING, which takes two to three times as long.

Each statement adds rows in the order of their keys, and none is followed by another to the same table, so that no two
writers wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Any

from psycopg import errors

from records.bulk.portion import CASE, SAID, Portion
from records.tables.columns import now

_CASE_TYPES = ["text"] * len(CASE)
_SAID_TYPES = ["int8", "float8", "float8", "int4", "bool", "bool", "text", "text", "text", "text"]

# LATERAL with a LIMIT: a look-up in the index for each. A join would have the planner, who knows nothing of what is
# given, read all cases, or all of a run.
_OF_FILES = (
    "SELECT there.id, there.number FROM unnest(%s::text[]) AS beginning, "
    "LATERAL (SELECT id, number FROM cases WHERE id >= beginning AND id < beginning || 'g' LIMIT %s) AS there LIMIT %s"
)
_OF_KEYS = (
    "SELECT there.id, there.number FROM unnest(%s::text[]) AS given, "
    "LATERAL (SELECT id, number FROM cases WHERE id = given LIMIT 1) AS there"
)
_ANY = "SELECT 1 FROM attempts WHERE execution = %s AND case_number BETWEEN %s AND %s LIMIT 1"
_THERE = (
    "SELECT there.case_number, there.key FROM unnest(%s::int[], %s::bigint[]) AS given(case_number, key), "
    "LATERAL (SELECT * FROM attempts WHERE execution = %s AND case_number = given.case_number AND key = given.key "
    "LIMIT 1) AS there"
)
_NUMBERS = "SELECT nextval(pg_get_serial_sequence('cases', 'number'))::int FROM generate_series(1, %s)"
# nosec B608 below: the statements are made of the constants above.
_COPY_CASE = f"COPY cases ({', '.join(CASE)}, number, project, first_seen) FROM STDIN (FORMAT BINARY)"
_COPY_ATTEMPT = f"COPY attempts (case_number, {', '.join(SAID)}, execution, recorded) FROM STDIN (FORMAT BINARY)"

# ON COMMIT DELETE ROWS: made once a connection, empty at the beginning of each transaction.
_TEMPORARY = (
    f"CREATE TEMPORARY TABLE IF NOT EXISTS given_cases ({' text, '.join(CASE)} text) ON COMMIT DELETE ROWS",
    "CREATE TEMPORARY TABLE IF NOT EXISTS given_attempts (case_id text, "
    f"{', '.join(f'{name} {kind}' for name, kind in zip(SAID, _SAID_TYPES, strict=True))}) ON COMMIT DELETE ROWS",
)
_COPY_GIVEN_CASE = "COPY pg_temp.given_cases FROM STDIN (FORMAT BINARY)"
_COPY_GIVEN_ATTEMPT = "COPY pg_temp.given_attempts FROM STDIN (FORMAT BINARY)"
# A case's number is asked for row by row, by the index: a join would read all cases, as above. Only what is missing is
# tried: each row that is tried takes a number.
_MOVE_CASE = (
    f"INSERT INTO cases ({', '.join(CASE)}, project, first_seen) "  # nosec B608
    f"SELECT {', '.join(CASE)}, %s, %s FROM pg_temp.given_cases given "
    "WHERE (SELECT number FROM cases WHERE cases.id = given.id) IS NULL "
    'ORDER BY id COLLATE "C" ON CONFLICT DO NOTHING'
)
_MOVE_ATTEMPT = (
    f"INSERT INTO attempts (execution, recorded, case_number, {', '.join(SAID)}) "  # nosec B608
    f"SELECT %s, %s, (SELECT cases.number FROM cases WHERE cases.id = case_id) AS of_case, {', '.join(SAID)} "
    "FROM pg_temp.given_attempts ORDER BY of_case, key ON CONFLICT DO NOTHING"
)


def store(driver: Any, project: str, execution: int, portions: Iterator[Portion]) -> None:
    """Store cases and attempts that are not there, in the connection's transaction."""
    first, second = next(portions), next(portions, None)
    with driver.cursor() as cursor:
        if second is None:
            cursor.execute("SAVEPOINT straight")
            try:
                _straight(cursor, project, execution, first)
                return
            except errors.UniqueViolation:
                cursor.execute("ROLLBACK TO SAVEPOINT straight")
        _gathered(cursor, project, execution, chain((first,), (second,) if second else (), portions))


def _straight(cursor: Any, project: str, execution: int, portion: Portion) -> None:
    """UniqueViolation when somebody else adds the same meanwhile, or when the portion has a row twice."""
    moment = now()
    numbers = _numbers(cursor, portion)
    if new := portion.beside(numbers):
        # Numbers rise as the attempts came, and most runs come in much the same order: that is half of the sorting.
        given = [number for (number,) in cursor.execute(_NUMBERS, (len(new),))]
        numbers.update((case[0], number) for number, case in zip(given, new, strict=True))
        rows = ((*case, numbers[case[0]], project, moment) for case in sorted(new))
        _copy(cursor, _COPY_CASE, [*_CASE_TYPES, "int4", "text", "timestamptz"], rows)
    attempts = sorted(zip(map(numbers.__getitem__, portion.ids), *portion.said))
    # Of a run that goes on, nothing is there but what is recorded again, and one question tells.
    if cursor.execute(_ANY, (execution, attempts[0][0], attempts[-1][0])).fetchone():
        asked = ([row[0] for row in attempts], [row[1] for row in attempts], execution)
        there = set(cursor.execute(_THERE, asked))
        attempts = [row for row in attempts if row[:2] not in there]
    if attempts:
        of: tuple[int, datetime] = (execution, moment)
        _copy(cursor, _COPY_ATTEMPT, ["int4", *_SAID_TYPES, "int4", "timestamptz"], (row + of for row in attempts))


def _numbers(cursor: Any, portion: Portion) -> dict[str, int]:
    """The number of each case that is there; some others of their files, too."""
    found: dict[str, int] = dict(cursor.execute(_OF_FILES, (list(portion.files), portion.enough, portion.enough)))
    if len(found) == portion.enough:  # there may be more
        found.update(cursor.execute(_OF_KEYS, ([key for key in portion.ids if key not in found],)))
    return found


def _gathered(cursor: Any, project: str, execution: int, portions: Iterable[Portion]) -> None:
    for statement in _TEMPORARY:
        cursor.execute(statement)
    for portion in portions:
        _copy(cursor, _COPY_GIVEN_CASE, _CASE_TYPES, portion.beside(()))
        _copy(cursor, _COPY_GIVEN_ATTEMPT, ["text", *_SAID_TYPES], zip(portion.ids, *portion.said, strict=True))
    moment = now()
    cursor.execute(_MOVE_CASE, (project, moment))
    cursor.execute(_MOVE_ATTEMPT, (execution, moment))


def _copy(cursor: Any, statement: str, types: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
    with cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
