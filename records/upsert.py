"""Batched INSERT ... ON CONFLICT on natural keys, for both databases.

PostgreSQL gets a batch as one JSON text (`INSERT ... SELECT * FROM json_to_recordset(...)`), SQLite as one
`executemany` of plain tuples: parameters that SQLAlchemy handles one by one cost more than the database's own work.
Rows are sorted by key, so that two writers lock in the same order; of a key that comes twice the last row counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Table, Text, bindparam, cast, column, func, select
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
    fill: Sequence[str] = (),
    where: Condition | None = None,
    key: Sequence[str] | None = None,
) -> None:
    """Insert rows that all have the same columns. Where a key exists (`key`, else the primary one), set the columns of
    `update`, and those of `fill` that are not None, if `where` (given the table and the new row) holds; with neither,
    the row stays."""
    table: Table = row.__table__  # type: ignore[attr-defined]
    key = key or [column.name for column in table.primary_key]
    unique = {tuple(value[name] for name in key): value for value in values}
    rows = [unique[at] for at in sorted(unique)]
    if not rows:
        return
    names = list(rows[0])
    postgres = session.get_bind().dialect.name == "postgresql"
    insert = _from_json(table, names) if postgres else sqlite.insert(table)
    insert = _on_conflict(insert, table, key, update, fill, where)
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        if postgres:
            stored = [dict(zip(names, one, strict=True)) for one in _stored(session, table, names, batch)]
            session.connection().execute(insert, {"rows": json.dumps(stored, default=datetime.isoformat)})
        elif where is None:
            sql = str(insert.compile(dialect=session.get_bind().dialect, column_keys=names))
            session.connection().exec_driver_sql(sql, _stored(session, table, _ordered(table, names), batch))
        else:
            session.connection().execute(insert, batch)


def _from_json(table: Table, names: list[str]) -> postgresql.Insert:
    types = [column(name, table.c[name].type) for name in names]
    given = func.json_to_recordset(cast(bindparam("rows", type_=Text), postgresql.JSON(none_as_null=True)))
    source = given.table_valued(*types, name="given").render_derived(with_types=True)
    return postgresql.insert(table).from_select(names, select(*(source.c[name] for name in names)))


def _on_conflict(
    insert: Any, table: Table, key: Sequence[str], update: Sequence[str], fill: Sequence[str], where: Condition | None
) -> Any:
    if not update and not fill:
        return insert.on_conflict_do_nothing(index_elements=key)
    new = insert.excluded
    changes = {name: new[name] for name in update} | {name: func.coalesce(new[name], table.c[name]) for name in fill}
    condition = where(table, new) if where else None
    return insert.on_conflict_do_update(index_elements=key, set_=changes, where=condition)


def _ordered(table: Table, names: list[str]) -> list[str]:
    """The columns in the order in which SQLAlchemy writes them: the table's."""
    return [column.name for column in table.columns if column.name in names]


def _stored(session: Session, table: Table, names: list[str], rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The rows' values as the driver takes them."""
    dialect: Dialect = session.get_bind().dialect
    columns = []
    for name in names:
        process = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
        plain = [row[name] for row in rows]
        columns.append(plain if process is None else _processed(process, plain))
    return list(zip(*columns, strict=True))


def _processed(process: Callable[[Any], Any], plain: list[Any]) -> list[Any]:
    if isinstance(plain[0], list | dict):
        return [process(value) for value in plain]
    # Most columns of a batch hold few different values: its run, its stage, its moment, nothing.
    known = {value: process(value) for value in set(plain)}
    return [known[value] for value in plain]
