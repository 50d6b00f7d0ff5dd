"""When and where an attempt was made, and whether it quotes an earlier one; attempts and cases without foreign keys.

The defaults are the database's too: a release that does not know the columns goes on recording beside a new one.
The foreign keys go: who records attempts has found the run, and names the cases in the same transaction, so that the
database need not look both up once a row (docs/decisions/0005).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("attempts") as table:
        table.drop_constraint("fk_attempts_run_id_runs", type_="foreignkey")
        table.drop_constraint("fk_attempts_case_id_cases", type_="foreignkey")
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
        table.create_foreign_key("fk_attempts_case_id_cases", "cases", ["case_id"], ["id"])
        table.create_foreign_key("fk_attempts_run_id_runs", "runs", ["run_id"], ["id"])
