"""When and where an attempt was made, and whether it quotes an earlier one.

The defaults are the database's too: a release that does not know the columns goes on recording beside a new one.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("started", sa.Float(), nullable=False, server_default=sa.text("0")))
    op.add_column("attempts", sa.Column("worker", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("attempts", sa.Column("reused", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    for name in ("reused", "worker", "started"):
        op.drop_column("attempts", name)
