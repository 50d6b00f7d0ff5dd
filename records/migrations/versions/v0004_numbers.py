"""Attempts name their run's stage and their case by a number, and are found by their primary key alone.

A row is a third as long as before and one index in place of four is kept, which is most of what recording costs
(docs/decisions/0005). A release that knows only version 0003 cannot record beside this one: none was ever published.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BAD = sa.text("(status = 'failed' OR status = 'error' OR status = 'crashed')")
_BAD_BEFORE = sa.text("status IN ('failed', 'error', 'crashed')")
_CASE = "id, project, suite, file, classname, name, first_seen"
_SAID = "recorded, seconds, started, number, reused, repeat, status, worker, message, output"
_QUARANTINE = "case_id, project, owner, reason, issue, automatic, added, until, released, released_why"


def upgrade() -> None:
    _set_aside()
    op.create_table(
        "executions",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_executions_run_id_runs"),
        sa.PrimaryKeyConstraint("number", name="pk_executions"),
        sa.UniqueConstraint("run_id", "stage", name="uq_executions_run_id_stage"),
    )
    _create_cases(sa.Column("number", sa.Integer(), nullable=False), key="number")
    _create_attempts(
        sa.Column("execution", sa.Integer(), nullable=False),
        sa.Column("case_number", sa.Integer(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        *_said(),
        sa.PrimaryKeyConstraint("execution", "case_number", "key", name="pk_attempts"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_attempts_bad", "attempts", ["recorded"], sqlite_where=_BAD, postgresql_where=_BAD)
    # In the order in which they came: what was recorded together lies together.
    op.execute(f"INSERT INTO cases ({_CASE}) SELECT {_CASE} FROM old_cases ORDER BY first_seen, id")  # nosec B608
    op.execute("INSERT INTO executions (run_id, stage) SELECT run_id, stage FROM old_attempts GROUP BY run_id, stage")
    op.execute(
        f"INSERT INTO attempts (execution, case_number, key, {_SAID}) "  # nosec B608
        f"SELECT e.number, c.number, {_number_of_key()}, "
        f"{', '.join('a.' + name for name in _SAID.split(', '))} FROM old_attempts a "
        "JOIN executions e ON e.run_id = a.run_id AND e.stage = a.stage JOIN cases c ON c.id = a.case_id "
        "ORDER BY e.number, c.number"
    )
    _take_back()


def downgrade() -> None:
    _set_aside()
    _create_cases(key="id")
    _create_attempts(
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        *_said(),
        sa.PrimaryKeyConstraint("key", name="pk_attempts"),
    )
    op.create_index("ix_attempts_case_id_recorded", "attempts", ["case_id", "recorded"])
    op.create_index("ix_attempts_run_id_stage", "attempts", ["run_id", "stage"])
    op.create_index("ix_attempts_bad", "attempts", ["recorded"], sqlite_where=_BAD_BEFORE, postgresql_where=_BAD_BEFORE)
    op.execute(f"INSERT INTO cases ({_CASE}) SELECT {_CASE} FROM old_cases")  # nosec B608
    op.execute(
        f"INSERT INTO attempts (key, run_id, stage, case_id, {_SAID}) "  # nosec B608
        f"SELECT {_key_of_number()}, e.run_id, e.stage, c.id, "
        f"{', '.join('a.' + name for name in _SAID.split(', '))} FROM old_attempts a "
        "JOIN executions e ON e.number = a.execution JOIN old_cases c ON c.number = a.case_number"
    )
    _take_back()
    op.drop_table("executions")


def _set_aside() -> None:
    """The rows of the three tables in plain copies. Attempts are many: their table is renamed, not copied."""
    op.execute("CREATE TABLE old_quarantines AS SELECT * FROM quarantines")
    op.execute("CREATE TABLE old_cases AS SELECT * FROM cases")
    op.drop_table("quarantines")
    op.drop_table("cases")
    for index in sa.inspect(op.get_bind()).get_indexes("attempts"):
        op.drop_index(str(index["name"]), "attempts")
    op.rename_table("attempts", "old_attempts")
    if _postgresql():
        op.execute("ALTER INDEX pk_attempts RENAME TO pk_old_attempts")


def _take_back() -> None:
    """The quarantines stand again, and nothing was lost on the way: else the schema stays as it was."""
    op.create_table(
        "quarantines",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_quarantines_case_id_cases"),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name="fk_quarantines_project_projects"),
        sa.PrimaryKeyConstraint("case_id", name="pk_quarantines"),
    )
    op.create_index("ix_quarantines_project", "quarantines", ["project"])
    op.execute(f"INSERT INTO quarantines ({_QUARANTINE}) SELECT {_QUARANTINE} FROM old_quarantines")  # nosec B608
    for table in ("attempts", "cases", "quarantines"):
        before, after = _count(f"old_{table}"), _count(table)
        if before != after:
            raise RuntimeError(f"{before} rows of {table} would become {after}; nothing was changed")
        op.drop_table(f"old_{table}")


def _create_cases(*columns: sa.Column[Any], key: str) -> None:
    op.create_table(
        "cases",
        *columns,
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("classname", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(key, name="pk_cases"),
        *([sa.UniqueConstraint("id", name="uq_cases_id")] if key != "id" else []),
    )
    op.create_index("ix_cases_project_suite", "cases", ["project", "suite"])


def _create_attempts(*parts: Any, **options: Any) -> None:
    op.create_table("attempts", *parts, **options)


def _said() -> list[sa.Column[Any]]:
    return [
        sa.Column("recorded", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("started", sa.Float(), nullable=False, server_default=sa.text("0")),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reused", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("repeat", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
    ]


def _number_of_key() -> str:
    """The last 16 hex digits of an old key as a number: the same attempt, recorded again, has the same."""
    if _postgresql():
        return "('x' || right(a.key, 16))::bit(64)::bigint"
    driver: Any = op.get_bind().connection.driver_connection
    driver.create_function("number_of_key", 1, lambda key: int.from_bytes(bytes.fromhex(key[-16:]), signed=True))
    return "number_of_key(a.key)"


def _key_of_number() -> str:
    """32 hex digits, the last 16 of which are the key."""
    if _postgresql():
        digits = (("a.execution", 8), ("a.case_number", 8), ("a.key", 16))
        return " || ".join(f"lpad(to_hex({name}), {length}, '0')" for name, length in digits)
    return "printf('%08x%08x%016x', a.execution, a.case_number, a.key)"


def _count(table: str) -> int:
    return int(op.get_bind().execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())  # nosec B608


def _postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
