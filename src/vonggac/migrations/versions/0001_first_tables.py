"""The first tables: units, accounts, cameras, media index, event log"""

import sqlalchemy as sa
from alembic import op

from vonggac.core.database import Key, Moment, RowId, SortText

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", Key(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("name_folded", sa.String(length=100), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("administrator", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("name_folded", name="uq_account_name_folded"),
    )
    op.create_table(
        "event",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("subject", Key(), nullable=True),
        sa.Column("unit_id", Key(), nullable=True),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_at", "event", ["at"], unique=False)

    op.create_table(
        "event_subscriber",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("last_id", RowId, nullable=False),
        sa.Column("moved_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_event_subscriber"),
    )
    op.create_table(
        "role",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("metrics", sa.Text(), nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("renewed_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_role"),
    )
    op.create_table(
        "unit",
        sa.Column("id", Key(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_folded", sa.String(length=200), nullable=False),
        sa.Column("name_sort", SortText, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("parent_id", Key(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["unit.id"], name="fk_unit_parent_id_unit"),
        sa.PrimaryKeyConstraint("id", name="pk_unit"),
        sa.UniqueConstraint("code", name="uq_unit_code"),
    )
    op.create_index("ix_unit_name_folded", "unit", ["name_folded"], unique=False)
    op.create_index("ix_unit_parent_id", "unit", ["parent_id"], unique=False)

    op.create_table(
        "volume",
        sa.Column("id", Key(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_volume"),
    )
    op.create_table(
        "camera",
        sa.Column("id", Key(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_folded", sa.String(length=200), nullable=False),
        sa.Column("name_sort", SortText, nullable=False),
        sa.Column("folder", sa.String(length=64), nullable=False),
        sa.Column("unit_id", Key(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sub_url", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("removed_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name="fk_camera_unit_id_unit"),
        sa.PrimaryKeyConstraint("id", name="pk_camera"),
        sa.UniqueConstraint("folder", name="uq_camera_folder"),
        sa.UniqueConstraint("number", name="uq_camera_number"),
    )
    op.create_index("ix_camera_name_folded", "camera", ["name_folded"], unique=False)
    op.create_index("ix_camera_unit_id", "camera", ["unit_id"], unique=False)

    op.create_table(
        "login_session",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account_id", Key(), nullable=False),
        sa.Column("csrf_token", sa.String(length=64), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("seen_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_login_session_account_id_account", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name="pk_login_session"),
    )
    op.create_index("ix_login_session_account_id", "login_session", ["account_id"], unique=False)
    op.create_index("ix_login_session_expires_at", "login_session", ["expires_at"], unique=False)

    op.create_table(
        "camera_status",
        sa.Column("camera_id", Key(), nullable=False),
        sa.Column("recorder", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("codec", sa.String(length=32), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("fps", sa.Double(), nullable=False),
        sa.Column("bits_per_s", sa.Double(), nullable=False),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("lost_packets", sa.BigInteger(), nullable=False),
        sa.Column("reconnects", sa.Integer(), nullable=False),
        sa.Column("passed_us", sa.BigInteger(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_camera_status_camera_id_camera"),
        sa.PrimaryKeyConstraint("camera_id", name="pk_camera_status"),
    )
    op.create_table(
        "gap",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("camera_id", Key(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_gap_camera_id_camera"),
        sa.PrimaryKeyConstraint("id", name="pk_gap"),
    )
    op.create_index("ix_gap_camera_start", "gap", ["camera_id", "start_us"], unique=False)
    op.create_index(
        "ix_gap_open",
        "gap",
        ["camera_id"],
        unique=False,
        sqlite_where=sa.text("end_us IS NULL"),
        postgresql_where=sa.text("end_us IS NULL"),
    )

    op.create_table(
        "recorded_hour",
        sa.Column("camera_id", Key(), nullable=False),
        sa.Column("hour_us", sa.BigInteger(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_recorded_hour_camera_id_camera"),
        sa.PrimaryKeyConstraint("camera_id", "hour_us", name="pk_recorded_hour"),
    )
    op.create_table(
        "recording",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("camera_id", Key(), nullable=False),
        sa.Column("volume_id", Key(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.Column("media_start", sa.BigInteger(), nullable=False),
        sa.Column("media_duration", sa.BigInteger(), nullable=False),
        sa.Column("codec", sa.String(length=32), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("init_size", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("lost_packets", sa.Integer(), nullable=False),
        sa.Column("clock_offset_us", sa.BigInteger(), nullable=True),
        sa.Column("groups", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_recording_camera_id_camera"),
        sa.ForeignKeyConstraint(["volume_id"], ["volume.id"], name="fk_recording_volume_id_volume"),
        sa.PrimaryKeyConstraint("id", name="pk_recording"),
    )
    op.create_index("ix_recording_camera_start", "recording", ["camera_id", "start_us"], unique=False)
    op.create_index(
        "ix_recording_open",
        "recording",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 0"),
        postgresql_where=sa.text("state = 0"),
    )

    op.create_table(
        "still",
        sa.Column("camera_id", Key(), nullable=False),
        sa.Column("wanted_until_us", sa.BigInteger(), nullable=False),
        sa.Column("taken_us", sa.BigInteger(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_still_camera_id_camera"),
        sa.PrimaryKeyConstraint("camera_id", name="pk_still"),
    )


def downgrade() -> None:
    raise RuntimeError("There is nothing before the first tables. Restore a backup instead.")
