"""The wall: views of people and units, and what each had on it last"""

import sqlalchemy as sa
from alembic import op

from vonggac.core.database import Key, Moment, SortText

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wall_view",
        sa.Column("id", Key(), nullable=False),
        sa.Column("account_id", Key(), nullable=False),
        sa.Column("unit_id", Key(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("name_sort", SortText, nullable=False),
        sa.Column("layout", sa.Integer(), nullable=False),
        sa.Column("cameras", sa.Text(), nullable=False),
        sa.Column("stops", sa.Text(), nullable=False, server_default=sa.text("'[]'")),
        sa.Column("dwell_s", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_wall_view_account_id_account", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name="fk_wall_view_unit_id_unit"),
        sa.PrimaryKeyConstraint("id", name="pk_wall_view"),
    )
    op.create_index("ix_wall_view_account_id", "wall_view", ["account_id"], unique=False)
    op.create_index("ix_wall_view_unit_id", "wall_view", ["unit_id"], unique=False)

    op.create_table(
        "wall_last",
        sa.Column("account_id", Key(), nullable=False),
        sa.Column("layout", sa.Integer(), nullable=False),
        sa.Column("cameras", sa.Text(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="fk_wall_last_account_id_account", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_wall_last"),
    )


def downgrade() -> None:
    raise RuntimeError("Going back would forget the views of the wall. Restore a backup instead.")
