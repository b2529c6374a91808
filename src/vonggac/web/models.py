"""Tables of the pages themselves: what people arranged on the wall."""

from __future__ import annotations

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from vonggac.core.database import Base, Key, Moment, SortText
from vonggac.core.ids import new_id


class WallView(Base):
    """A named arrangement of the wall, or a tour over several of them."""

    __tablename__ = "wall_view"

    id: Mapped[uuid.UUID] = mapped_column(Key, primary_key=True, default=new_id)
    account_id: Mapped[uuid.UUID] = mapped_column(Key, sa.ForeignKey("account.id", ondelete="CASCADE"), index=True)
    """Who made it."""
    unit_id: Mapped[uuid.UUID | None] = mapped_column(Key, sa.ForeignKey("unit.id"), index=True)
    """Whose officers all have it; None: only who made it."""
    name: Mapped[str] = mapped_column(sa.String(100))
    name_sort: Mapped[str] = mapped_column(SortText)
    layout: Mapped[int]
    """How many tiles are on the screen at once."""
    cameras: Mapped[str] = mapped_column(sa.Text)
    """JSON: for each place the hexadecimal id of a camera, or "". More places than tiles are pages.

    No foreign keys: a camera that was removed leaves an empty place.
    """
    stops: Mapped[str] = mapped_column(sa.Text, default="[]", server_default=sa.text("'[]'"))
    """JSON: hexadecimal ids of the views that a tour shows in turn; empty where this is no tour."""
    dwell_s: Mapped[int] = mapped_column(default=0, server_default=sa.text("0"))
    """How long a tour stays at each stop."""
    changed_at: Mapped[datetime] = mapped_column(Moment)


class WallLast(Base):
    """What somebody last had on the wall: it is there again at the next log-in, on any computer."""

    __tablename__ = "wall_last"

    account_id: Mapped[uuid.UUID] = mapped_column(
        Key, sa.ForeignKey("account.id", ondelete="CASCADE"), primary_key=True
    )
    layout: Mapped[int]
    cameras: Mapped[str] = mapped_column(sa.Text)
    """As `WallView.cameras`."""
    changed_at: Mapped[datetime] = mapped_column(Moment)
