"""SQLite: `executemany` under the write lock. Nobody else adds a case meanwhile, so that the numbers of new cases are
given here, and an attempt's row needs no question of the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from records.bulk.portion import CASE, FLAGS, SAID, Portion
from records.tables.columns import now

# Answered by the index alone: half of what a look-up a key takes.
_OF_FILE = "SELECT id, number FROM cases WHERE id >= ? AND id < ? LIMIT ?"
_OF_KEYS = "SELECT id, number FROM cases WHERE id IN (SELECT value FROM json_each(?))"
# nosec B608 below: the statements are made of the constants above.
_CASE = (
    f"INSERT INTO cases (number, {', '.join(CASE)}, project, first_seen) "  # nosec B608
    f"VALUES (?{', ?' * len(CASE)}, ?, ?)"
)
_ATTEMPT = (
    f"INSERT INTO attempts (case_number, {', '.join(SAID)}, execution, recorded) "  # nosec B608
    f"VALUES (?{', ?' * len(SAID)}, {{}}, '{{}}') ON CONFLICT DO NOTHING"
)


def store(driver: sqlite3.Connection, project: str, execution: int, portions: Iterable[Portion]) -> None:
    """Store cases and attempts that are not there, in the transaction that holds the write lock."""
    moment = now().replace(tzinfo=None).isoformat(" ", "microseconds")
    # What is the same in each row stands in the statement: a value bound 100,000 times takes 0.02 s.
    insert = _ATTEMPT.format(int(execution), moment)
    for portion in portions:
        numbers = _numbers(driver, portion)
        if new := portion.beside(numbers):
            (top,) = driver.execute("SELECT coalesce(max(number), 0) FROM cases").fetchone()
            given = [(number, *case, project, moment) for number, case in enumerate(new, top + 1)]
            driver.executemany(_CASE, given)
            numbers.update((case[0], number) for number, case in enumerate(new, top + 1))
        # In the order of the keys a portion changes few pages.
        driver.executemany(insert, sorted(zip(map(numbers.__getitem__, portion.ids), *_plain(portion))))


def _plain(portion: Portion) -> Iterator[Iterable[Any]]:
    """The columns, with 0 and 1 for what is a bool: the driver takes one the long way round."""
    for name, column in zip(SAID, portion.said, strict=True):
        yield map(int, column) if name in FLAGS else column


def _numbers(driver: sqlite3.Connection, portion: Portion) -> dict[str, int]:
    """The number of each case that is there; some others of their files, too."""
    found: dict[str, int] = {}
    for file in portion.files:
        found.update(driver.execute(_OF_FILE, (file, f"{file}g", portion.enough - len(found))))
    if len(found) == portion.enough:  # there may be more
        missing = json.dumps([key for key in portion.ids if key not in found])
        found.update(driver.execute(_OF_KEYS, (missing,)))
    return found
