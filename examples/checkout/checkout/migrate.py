"""`python -m checkout.migrate`: brings the database up to date. Running it twice, or twice at once, is harmless.

A migration is a file of `migrations/`, numbered, never changed once released, and backward compatible: while it runs,
and for as long as a rollback is possible, the release before goes on working with the same database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from checkout import store

FOLDER = Path(__file__).with_name("migrations")


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) in order."""
    files = sorted(FOLDER.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return [(int(file.name[:4]), file.stem, file.read_text(encoding="utf-8")) for file in files]


def newest() -> int:
    """The number that this code needs."""
    return migrations()[-1][0]


def statements(sql: str) -> Iterator[str]:
    """The statements of a file: `executescript` would commit the transaction that holds them together."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def migrate() -> list[str]:
    """Applies what is missing, all or nothing. Returns the names of what was applied."""
    with store.connect() as connection:
        store.use_wal(connection)
        with store.transaction(connection):
            return _apply(connection)


def _apply(connection: sqlite3.Connection) -> list[str]:
    applied = []
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)"
    )
    done = {row["number"] for row in connection.execute("SELECT number FROM schema_migrations")}
    for number, name, sql in migrations():
        if number in done:
            continue
        for statement in statements(sql):
            connection.execute(statement)
        connection.execute("INSERT INTO schema_migrations (number, name) VALUES (?, ?)", (number, name))
        applied.append(name)
    return applied


if __name__ == "__main__":
    names = migrate()
    print(f"applied {', '.join(names)}" if names else "the database is up to date")
