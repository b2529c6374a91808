"""Activity: when more happened before a camera than is usual; where a camera's ONVIF service is."""

import sqlalchemy as sa
from alembic import op

from vonggac.core.database import Key, RowId

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "activity",
        sa.Column("id", RowId, primary_key=True, autoincrement=True),
        sa.Column("camera_id", Key(), sa.ForeignKey("camera.id"), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("source", sa.String(8), nullable=False),
    )
    op.create_index("ix_activity_camera_start", "activity", ["camera_id", "start_us"])
    op.create_index("ix_activity_start", "activity", ["start_us"])
    op.add_column("camera", sa.Column("onvif_url", sa.Text(), nullable=False, server_default=sa.text("''")))


def downgrade() -> None:
    raise RuntimeError("Going back loses what was noted since. Restore a backup instead.")
