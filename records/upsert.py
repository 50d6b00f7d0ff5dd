"""Batched INSERT ... ON CONFLICT on natural keys, for both databases.

PostgreSQL gets each column as one array (`INSERT ... SELECT * FROM unnest(...)`): one round trip a batch. Rows are
sorted by key, so that two writers lock in the same order; of a key that comes twice in a batch the last row counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel

BATCH = 5000
Condition = Callable[[Table, Any], ColumnElement[bool]]


def upsert(
    session: Session,
    row: type[SQLModel],
    values: Iterable[dict[str, Any]],
    *,
    update: Sequence[str] = (),
    where: Condition | None = None,
) -> None:
    """Insert rows that all have the same columns. Where a primary key exists, set the columns of `update` if `where`
    (given the table and the new row) holds; with no `update`, the row that is there stays."""
    table: Table = row.__table__  # type: ignore[attr-defined]
    key = [column.name for column in table.primary_key]
    unique = {tuple(value[name] for name in key): value for value in values}
    rows = [unique[at] for at in sorted(unique)]
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        if session.get_bind().dialect.name == "postgresql":
            _postgresql(session, table, batch, key, update, where)
        else:
            _sqlite(session, table, batch, key, update, where)


def _sqlite(
    session: Session,
    table: Table,
    rows: list[dict[str, Any]],
    key: list[str],
    update: Sequence[str],
    where: Condition | None,
) -> None:
    insert = sqlite.insert(table)
    new = insert.excluded
    if update:
        condition = where(table, new) if where else None
        insert = insert.on_conflict_do_update(
            index_elements=key, set_={name: new[name] for name in update}, where=condition
        )
    else:
        insert = insert.on_conflict_do_nothing(index_elements=key)
    session.connection().execute(insert, rows)


def _postgresql(
    session: Session,
    table: Table,
    rows: list[dict[str, Any]],
    key: list[str],
    update: Sequence[str],
    where: Condition | None,
) -> None:
    names = list(rows[0])
    arrays = [bindparam(f"a_{name}", type_=postgresql.ARRAY(table.c[name].type, dimensions=1)) for name in names]
    source = func.unnest(*arrays).table_valued(*names, name="given").render_derived()
    insert = postgresql.insert(table).from_select(names, select(*(source.c[name] for name in names)))
    new = insert.excluded
    if update:
        condition = where(table, new) if where else None
        insert = insert.on_conflict_do_update(
            index_elements=key, set_={name: new[name] for name in update}, where=condition
        )
    else:
        insert = insert.on_conflict_do_nothing(index_elements=key)
    session.connection().execute(insert, {f"a_{name}": [row[name] for row in rows] for name in names})
