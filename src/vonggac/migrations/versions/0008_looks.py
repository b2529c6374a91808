"""Looks: who opened which pictures of which camera."""

import sqlalchemy as sa
from alembic import op

from vonggac.core.database import Key, Moment, RowId

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "look",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("account_id", Key(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("camera_id", Key(), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=True),
        sa.Column("to_us", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_index("ix_look_camera_kind_at", "look", ["camera_id", "kind", "at"])
    op.create_index("ix_look_account_at", "look", ["account_id", "at"])


def downgrade() -> None:
    raise RuntimeError("Going back loses what was noted since. Restore a backup instead.")
