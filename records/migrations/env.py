"""Alembic's environment. The connection comes from `records.schema`, already in the transaction that holds the lock."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import records.tables  # noqa: F401  the rows register themselves
from records.engine import WRITES, unchecked
from records.url import records_url


def _run(connection: object) -> None:
    context.configure(
        connection=connection,  # type: ignore[arg-type]
        target_metadata=SQLModel.metadata,
        compare_type=True,
        # SQLite can roll DDL back too; Alembic assumes that its driver cannot.
        transactional_ddl=True,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    with unchecked(records_url()).execution_options(**{WRITES: True}).begin() as own:
        _run(own)
