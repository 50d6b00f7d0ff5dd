"""The database: SQLite in WAL mode, so that several copies and releases can use it at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from checkout import settings
from checkout.pricing import Line

BUSY_SECONDS = 5.0


@contextmanager
def connect() -> Iterator[sqlite3.Connection]:
    """A connection in autocommit mode, closed afterwards; transactions are begun by name."""
    folder = settings.data()
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "checkout.db", timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


def use_wal(connection: sqlite3.Connection) -> None:
    """Lets readers and a writer work side by side. It stays so in the file; the switch itself waits for nobody, so it
    is tried until the others are done."""
    until = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. It takes the write lock at once, so that it waits at the start and never fails half-way."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def schema_number(connection: sqlite3.Connection) -> int:
    """The newest migration that was applied; 0 for an empty database."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_migrations'").fetchone():
        return 0
    return int(connection.execute("SELECT coalesce(max(number), 0) FROM schema_migrations").fetchone()[0])


def products(connection: sqlite3.Connection) -> list[dict[str, object]]:
    rows = connection.execute("SELECT id, name, price_cents FROM products ORDER BY id")
    return [dict(row) for row in rows]


def prices(connection: sqlite3.Connection, ids: list[int]) -> dict[int, int]:
    """Product id → price in cents, of those that exist."""
    found = {}
    for id_ in ids:
        row = connection.execute("SELECT price_cents FROM products WHERE id = ?", (id_,)).fetchone()
        if row:
            found[id_] = int(row["price_cents"])
    return found


def add_order(connection: sqlite3.Connection, customer: str, client: str, lines: list[Line], total: int) -> int:
    """The new order's id."""
    with transaction(connection):
        cursor = connection.execute(
            "INSERT INTO orders (customer, client, total_cents) VALUES (?, ?, ?)", (customer, client, total)
        )
        id_ = int(cursor.lastrowid or 0)
        connection.executemany(
            "INSERT INTO order_lines (order_id, product_id, quantity, price_cents) VALUES (?, ?, ?, ?)",
            [(id_, line.product, line.quantity, line.price_cents) for line in lines],
        )
    return id_


def order(connection: sqlite3.Connection, id_: int) -> dict[str, object] | None:
    row = connection.execute("SELECT id, customer, total_cents, placed FROM orders WHERE id = ?", (id_,)).fetchone()
    if row is None:
        return None
    lines = connection.execute(
        "SELECT product_id AS product, quantity, price_cents FROM order_lines WHERE order_id = ? ORDER BY product_id",
        (id_,),
    )
    return {**dict(row), "items": [dict(line) for line in lines]}
