"""What a camera's own clock says, with its status"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("camera_status", sa.Column("clock_offset_us", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    raise RuntimeError("Going back loses what was noted since. Restore a backup instead.")
