"""Sound by unit: whether a unit's cameras are recorded with it, what each recording has, what each camera offers."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("unit", sa.Column("record_audio", sa.Boolean(), nullable=True))
    op.add_column("recording", sa.Column("audio", sa.String(32), nullable=False, server_default=sa.text("''")))
    op.add_column("camera_status", sa.Column("audio", sa.String(200), nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    raise RuntimeError("Going back loses what was noted since. Restore a backup instead.")
