"""How the pictures of a camera travel, and the certificate it must show"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What is there was recorded over TCP, and no address was encrypted.
    op.add_column("camera", sa.Column("transport", sa.String(length=8), nullable=False, server_default="tcp"))
    op.add_column(
        "camera", sa.Column("tls_fingerprint", sa.String(length=95), nullable=False, server_default=sa.text("''"))
    )


def downgrade() -> None:
    raise RuntimeError("Going back loses what was noted since. Restore a backup instead.")
