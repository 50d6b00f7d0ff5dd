"""Quarantines; repetitions of new cases; an index of what failed, which is little, and asked for most.

The defaults are the database's too: a release that does not know the columns goes on recording beside a new one.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BAD = sa.text("status IN ('failed', 'error', 'crashed')")


def upgrade() -> None:
    op.add_column("attempts", sa.Column("repeat", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_attempts_bad", "attempts", ["recorded"], sqlite_where=_BAD, postgresql_where=_BAD)
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


def downgrade() -> None:
    op.drop_table("quarantines")
    op.drop_index("ix_attempts_bad", "attempts")
    op.drop_column("attempts", "repeat")
