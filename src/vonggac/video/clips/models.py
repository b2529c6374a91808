"""The table of clips that people asked for. Times are microseconds since 1970 in UTC."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from vonggac.core.database import Base, Key, Moment
from vonggac.core.ids import new_id


class ClipState(enum.StrEnum):
    """How far a clip is."""

    WAITING = "waiting"
    WORKING = "working"
    READY = "ready"
    FAILED = "failed"


class Clip(Base):
    """An interval of a camera that somebody wants as a file, and what became of it."""

    __tablename__ = "clip"
    __table_args__ = (
        sa.Index(
            "ix_clip_unfinished",
            "asked_at",
            sqlite_where=sa.text("state IN ('waiting', 'working')"),
            postgresql_where=sa.text("state IN ('waiting', 'working')"),
        ),
        sa.Index("ix_clip_account_asked", "account_id", "asked_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Key, primary_key=True, default=new_id)
    camera_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("camera.id"))
    account_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("account.id"))
    from_us: Mapped[int] = mapped_column(sa.BigInteger)
    to_us: Mapped[int] = mapped_column(sa.BigInteger)
    """What was asked for, half open."""
    purpose: Mapped[str] = mapped_column(sa.String(200))
    state: Mapped[str] = mapped_column(sa.String(16), default=ClipState.WAITING.value)
    asked_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    """When row and file go."""
    hold_id: Mapped[uuid.UUID | None] = mapped_column(Key, sa.ForeignKey("hold.id"))
    """Keeps the recordings until the clip is ready; None from then on."""
    attempts: Mapped[int] = mapped_column(default=0)
    """How often the keeper began it."""
    written: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    size: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    """Bytes of the file; before it is begun, the bytes of the recordings that it is cut from."""
    sha256: Mapped[bytes | None] = mapped_column(sa.LargeBinary(32))
    """Of the file's bytes, taken as they were written; None before it is ready."""
    start_us: Mapped[int | None] = mapped_column(sa.BigInteger)
    end_us: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Wall clock of its first picture and of the end of its last: whole groups of pictures, so not what was asked."""
    frames: Mapped[int] = mapped_column(default=0)
    gaps: Mapped[list[list[Any]]] = mapped_column(sa.JSON, default=list)
    """What was asked for and is not in it: `[start_us, end_us, reason, detail]` each."""
    failure: Mapped[str] = mapped_column(sa.String(300), default="")
    """Why there is none, as a text of the catalog."""
