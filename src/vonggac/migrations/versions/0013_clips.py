"""Clips that people asked for, and bookmarks"""

import sqlalchemy as sa
from alembic import op

from vonggac.core.database import Key, Moment

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clip",
        sa.Column("id", Key(), nullable=False),
        sa.Column("camera_id", Key(), nullable=False),
        sa.Column("account_id", Key(), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("to_us", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("hold_id", Key(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("start_us", sa.BigInteger(), nullable=True),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("gaps", sa.JSON(), nullable=False),
        sa.Column("failure", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_clip_camera_id_camera"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_clip_account_id_account"),
        sa.ForeignKeyConstraint(["hold_id"], ["hold.id"], name="fk_clip_hold_id_hold"),
        sa.PrimaryKeyConstraint("id", name="pk_clip"),
    )
    op.create_index(
        "ix_clip_unfinished",
        "clip",
        ["asked_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('waiting', 'working')"),
        postgresql_where=sa.text("state IN ('waiting', 'working')"),
    )
    op.create_index("ix_clip_account_asked", "clip", ["account_id", "asked_at"], unique=False)
    op.create_index("ix_clip_expires_at", "clip", ["expires_at"], unique=False)

    op.create_table(
        "bookmark",
        sa.Column("id", Key(), nullable=False),
        sa.Column("camera_id", Key(), nullable=False),
        sa.Column("account_id", Key(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("to_us", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("note_folded", sa.Text(), nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_bookmark_camera_id_camera"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_bookmark_account_id_account"),
        sa.PrimaryKeyConstraint("id", name="pk_bookmark"),
    )
    op.create_index("ix_bookmark_camera_at", "bookmark", ["camera_id", "at_us"], unique=False)
    op.create_index("ix_bookmark_account_id", "bookmark", ["account_id"], unique=False)


def downgrade() -> None:
    raise RuntimeError("Going back loses what was noted since. Restore a backup instead.")
