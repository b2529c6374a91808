"""Table of what happened before cameras."""

from __future__ import annotations

import enum
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from vonggac.core.database import Base, Key, RowId


class Source(enum.StrEnum):
    """Who says so."""

    SIZES = "sizes"
    """The sizes of its pictures (`meter`)."""
    ONVIF = "onvif"
    """The camera's own motion detection."""


class Activity(Base):
    """An interval in which more happened than is usual for this camera. One that goes on grows every few seconds."""

    __tablename__ = "activity"
    __table_args__ = (
        sa.Index("ix_activity_camera_start", "camera_id", "start_us"),
        sa.Index("ix_activity_start", "start_us"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    camera_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("camera.id"))
    start_us: Mapped[int] = mapped_column(sa.BigInteger)
    end_us: Mapped[int] = mapped_column(sa.BigInteger)
    """Up to when it is known to have gone on: what a crash leaves is true, and needs no mending."""
    score: Mapped[float]
    """0 to 1: how far above what is usual. From sizes: 0.5 at twice the usual, 0.75 at four times; from ONVIF: 1."""
    source: Mapped[str] = mapped_column(sa.String(8))
