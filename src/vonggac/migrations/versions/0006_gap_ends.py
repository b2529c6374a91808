"""Gaps found by their ends"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_gap_camera_end", "gap", ["camera_id", "end_us"], unique=False)


def downgrade() -> None:
    raise RuntimeError("Going back loses what was noted since. Restore a backup instead.")
