"""Table of looks: who opened which pictures of which camera, and when."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from vonggac.core.database import Base, Key, Moment, RowId


class LookRow(Base):
    """One opening of live pictures, playback, a still, a search or an export. Rows are only ever added."""

    __tablename__ = "look"
    __table_args__ = (
        sa.Index("ix_look_camera_kind_at", "camera_id", "kind", "at"),
        sa.Index("ix_look_account_at", "account_id", "at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(Moment)
    account_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("account.id"))
    address: Mapped[str] = mapped_column(sa.String(64))
    kind: Mapped[str] = mapped_column(sa.String(16))
    """A `remember.Look`."""
    camera_id: Mapped[uuid.UUID] = mapped_column(Key)
    """No foreign key: what was looked at stays known whatever becomes of the camera."""
    from_us: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Of recorded pictures: from when; None of the present."""
    to_us: Mapped[int | None] = mapped_column(sa.BigInteger)
    detail: Mapped[str] = mapped_column(sa.Text, default="")
    """Purpose of an export, words of a search."""
