"""Retention: holds, what was deleted, what is still to be unlinked, hashes, days of a camera"""

import sqlalchemy as sa
from alembic import op

from vonggac.core.database import Key, Moment, RowId

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("camera", sa.Column("min_days", sa.Integer(), nullable=True))
    op.add_column("camera", sa.Column("max_days", sa.Integer(), nullable=True))
    op.add_column("recording", sa.Column("sha256", sa.LargeBinary(length=32), nullable=True))

    op.create_table(
        "hold",
        sa.Column("id", Key(), nullable=False),
        sa.Column("camera_id", Key(), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("to_us", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.String(length=200), nullable=False),
        sa.Column("placed_at", Moment(), nullable=False),
        sa.Column("released_at", Moment(), nullable=True),
        sa.Column("released_by", sa.String(length=200), nullable=False),
        sa.Column("release_reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_hold_camera_id_camera"),
        sa.PrimaryKeyConstraint("id", name="pk_hold"),
    )
    op.create_index(
        "ix_hold_active",
        "hold",
        ["camera_id"],
        unique=False,
        sqlite_where=sa.text("released_at IS NULL"),
        postgresql_where=sa.text("released_at IS NULL"),
    )
    op.create_index("ix_hold_subject", "hold", ["subject"], unique=False)

    op.create_table(
        "garbage",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("volume_id", Key(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("noted_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name="fk_garbage_volume_id_volume"),
        sa.PrimaryKeyConstraint("id", name="pk_garbage"),
    )
    op.create_index("ix_garbage_volume_path", "garbage", ["volume_id", "path"], unique=False)

    op.create_table(
        "expired",
        sa.Column("camera_id", Key(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_expired_camera_id_camera"),
        sa.PrimaryKeyConstraint("camera_id", "start_us", name="pk_expired"),
    )


def downgrade() -> None:
    raise RuntimeError("Going back would forget what is held. Restore a backup instead.")
