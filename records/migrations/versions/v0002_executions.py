"""When and where an attempt was made, whether it quotes an earlier one, and one index less.

An attempt's primary key begins with its run, so that the rows of a run lie together and need no index of their own.
The foreign keys go: who records attempts has found the run, and names the cases in the same transaction, and asking
the database once a row cost as much as the row (docs/decisions/0005).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_attempts_run_id_stage", "attempts")
    with op.batch_alter_table("attempts") as table:
        table.drop_constraint("fk_attempts_run_id_runs", type_="foreignkey")
        table.drop_constraint("fk_attempts_case_id_cases", type_="foreignkey")
        table.drop_constraint("pk_attempts", type_="primary")
        table.create_primary_key("pk_attempts", ["run_id", "key"])
        table.add_column(sa.Column("started", sa.Float(), nullable=False, server_default=sa.text("0")))
        table.add_column(sa.Column("worker", sa.Text(), nullable=False, server_default=sa.text("''")))
        table.add_column(sa.Column("reused", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("cases") as table:
        table.drop_constraint("fk_cases_project_projects", type_="foreignkey")


def downgrade() -> None:
    with op.batch_alter_table("cases") as table:
        table.create_foreign_key("fk_cases_project_projects", "projects", ["project"], ["name"])
    with op.batch_alter_table("attempts") as table:
        for name in ("reused", "worker", "started"):
            table.drop_column(name)
        table.drop_constraint("pk_attempts", type_="primary")
        table.create_primary_key("pk_attempts", ["key"])
        table.create_foreign_key("fk_attempts_case_id_cases", "cases", ["case_id"], ["id"])
        table.create_foreign_key("fk_attempts_run_id_runs", "runs", ["run_id"], ["id"])
    op.create_index("ix_attempts_run_id_stage", "attempts", ["run_id", "stage"])
