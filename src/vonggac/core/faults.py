"""Technical faults: what is wrong with the centre itself now, and what was.

A fault is raised once however often it is found, stands until whoever raised it finds that it is over, and is
announced both times. It is no gap (that is about one camera's video) and no signal of a bell: it says that somebody
must look after the machine. Functions take a session and never commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from vonggac.core.clock import utc_now
from vonggac.core.database import Base, Key, Moment, RowId
from vonggac.core.eventlog import announce
from vonggac.core.said import Said


class Fault(Base):
    """One fault, standing or over."""

    __tablename__ = "fault"
    __table_args__ = (
        sa.Index(
            "ix_fault_standing",
            "kind",
            "subject",
            unique=True,
            sqlite_where=sa.text("cleared_at IS NULL"),
            postgresql_where=sa.text("cleared_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(sa.String(32))
    """What is wrong, in one word of the package that raises it: `disk_full`."""
    subject: Mapped[str] = mapped_column(sa.String(64))
    """What it is wrong with: the hexadecimal id of a camera or volume, the name of a role, or empty."""
    unit_id: Mapped[uuid.UUID | None] = mapped_column(Key)
    """Whose concern it is; None: the centre's."""
    detail: Mapped[str] = mapped_column(sa.Text, default="")
    """In plain words, without credentials."""
    said: Mapped[list[Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    """The parts of these words (`core.said`), to be said in another language; None where they are plain English."""
    raised_at: Mapped[datetime] = mapped_column(Moment)
    cleared_at: Mapped[datetime | None] = mapped_column(Moment, index=True)


def raise_fault(
    session: Session, kind: str, subject: str = "", *, detail: str = "", unit_id: uuid.UUID | None = None
) -> bool:
    """Say that something is wrong; True when it is news. A fault that stands already only gets the newer words.

    `detail` may be `Said`, to be read in every language.
    """
    standing = _standing(session, kind, subject)
    said = [list(part) for part in detail.parts] if isinstance(detail, Said) else None
    if standing is not None:
        if standing.detail != detail:
            standing.detail, standing.said = str(detail), said
        return False
    fault = Fault(kind=kind, subject=subject, unit_id=unit_id, detail=str(detail), said=said, raised_at=utc_now())
    session.add(fault)
    session.flush()
    announce(session, "fault.raised", unit_id=unit_id, kind=kind, about=subject, detail=str(detail))
    return True


def clear_fault(session: Session, kind: str, subject: str = "") -> bool:
    """Say that it is over; False when no such fault stands."""
    standing = _standing(session, kind, subject)
    if standing is None:
        return False
    standing.cleared_at = utc_now()
    session.flush()
    announce(session, "fault.cleared", unit_id=standing.unit_id, kind=kind, about=subject)
    return True


def clear_others(session: Session, kind: str, subjects: Collection[str]) -> int:
    """Clear every standing fault of a kind but those of these subjects; returns how many."""
    over = [fault.subject for fault in standing_faults(session, kind) if fault.subject not in subjects]
    return sum(clear_fault(session, kind, subject) for subject in over)


def standing_faults(session: Session, kind: str | None = None) -> list[Fault]:
    """Return what is wrong now, oldest first."""
    query = sa.select(Fault).where(Fault.cleared_at.is_(None)).order_by(Fault.raised_at, Fault.id)
    return list(session.scalars(query if kind is None else query.where(Fault.kind == kind)))


def prune_faults(session: Session, older_than: timedelta, limit: int = 500) -> int:
    """Delete a slice of the faults that were over long ago; returns how many."""
    doomed = sa.select(Fault.id).where(Fault.cleared_at < utc_now() - older_than).limit(limit)
    result = session.execute(sa.delete(Fault).where(Fault.id.in_(doomed)))
    return int(getattr(result, "rowcount", 0))


def _standing(session: Session, kind: str, subject: str) -> Fault | None:
    query = sa.select(Fault).where(Fault.kind == kind, Fault.subject == subject, Fault.cleared_at.is_(None))
    return session.scalars(query).one_or_none()
