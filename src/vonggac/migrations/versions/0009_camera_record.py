"""The record of a camera: owner, contract, guarantee, certificate, its picture at installation; a count of changes;
what the words of a fault are made of.
"""

import sqlalchemy as sa
from alembic import op

from vonggac.core.database import Key, Moment

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TEXTS = {
    "place": sa.Text(),
    "owner": sa.String(200),
    "supplier": sa.String(200),
    "contract": sa.String(100),
    "certificate": sa.String(100),
    "remarks": sa.Text(),
}


def upgrade() -> None:
    for name, kind in _TEXTS.items():
        op.add_column("camera", sa.Column(name, kind, nullable=False, server_default=sa.text("''")))
    for name in ("guarantee_until", "certificate_until", "installed_on"):
        op.add_column("camera", sa.Column(name, sa.Date(), nullable=True))
    op.add_column("camera", sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column("fault", sa.Column("said", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "camera_picture",
        sa.Column("camera_id", Key(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.Column("taken_at", Moment(), nullable=False),
        sa.Column("origin", sa.String(8), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["camera.id"], name="fk_camera_picture_camera_id_camera"),
        sa.PrimaryKeyConstraint("camera_id", name="pk_camera_picture"),
    )


def downgrade() -> None:
    raise RuntimeError("Going back loses what was noted since. Restore a backup instead.")
