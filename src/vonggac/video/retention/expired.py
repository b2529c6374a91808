"""What retention deleted: intervals of a camera, so that a timeline can say so in place of "unknown".

Functions take a session and never commit; times are microseconds since 1970.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.video.index import Interval
from vonggac.video.models import Expired, GapReason
from vonggac.video.spans import Span

_SAME_AGE_DAYS = 1
"""Neighbours whose ages differ by no more are one row, else a limit that wavers by a file would make a row a file."""
_TABLE = Expired.__table__
_OTHER = _TABLE.alias("other")


def _extend() -> sa.Update:
    """What nearly always fits: the stretch goes on from the one before it, and nothing lies behind it.

    Built once and run below the ORM, since it runs for every camera in a transaction that writers wait for.
    """
    others = _OTHER.c.camera_id == sa.bindparam("camera")
    before = sa.select(sa.func.max(_OTHER.c.start_us)).where(others, _OTHER.c.start_us <= sa.bindparam("from_us"))
    behind = sa.exists().where(
        others, _OTHER.c.start_us > sa.bindparam("from_us"), _OTHER.c.start_us <= sa.bindparam("until_us")
    )
    return (
        sa.update(Expired)
        .where(
            Expired.camera_id == sa.bindparam("camera"),
            Expired.start_us == before.scalar_subquery(),
            Expired.end_us.between(sa.bindparam("from_us"), sa.bindparam("until_us")),
            sa.func.abs(Expired.days - sa.bindparam("age", type_=sa.Integer)) <= _SAME_AGE_DAYS,
            ~behind,
        )
        .values(end_us=sa.bindparam("until_us"))
    )


_EXTEND = _extend()


@dataclass(frozen=True, slots=True)
class Deleted:
    """A stretch that was deleted, `days` old."""

    start_us: int
    end_us: int
    days: int


def note(session: Session, camera_id: uuid.UUID, deleted: Iterable[Deleted]) -> None:
    """Add what was deleted of a camera, joined with its neighbours."""
    for one in _joined(deleted):
        values = {"camera": camera_id, "from_us": one.start_us, "until_us": one.end_us, "age": one.days}
        if not session.connection().execute(_EXTEND, values).rowcount:
            _note(session, camera_id, one)


def between(session: Session, camera_id: uuid.UUID, from_us: int, to_us: int) -> list[Interval]:
    """Return what was deleted of a camera and overlaps an interval, oldest first."""
    query = (
        sa.select(Expired)
        .where(Expired.camera_id == camera_id, Expired.start_us < to_us, Expired.end_us > from_us)
        .order_by(Expired.start_us)
    )
    return [
        Interval(
            row.start_us, row.end_us, GapReason.EXPIRED, f"after {row.days} days" if row.days != 1 else "after 1 day"
        )
        for row in session.scalars(query)
    ]


def spans(
    session: Session, camera_ids: Sequence[uuid.UUID], from_us: int, to_us: int
) -> Iterator[tuple[uuid.UUID, Span]]:
    """Yield (camera, stretch) for what was deleted and overlaps an interval."""
    query = sa.select(Expired.camera_id, Expired.start_us, Expired.end_us).where(
        Expired.camera_id.in_(camera_ids), Expired.start_us < to_us, Expired.end_us > from_us
    )
    for camera_id, start_us, end_us in session.execute(query):
        yield camera_id, (start_us, end_us)


def newest(session: Session, camera_id: uuid.UUID) -> Deleted | None:
    """Return the newest stretch that was deleted of a camera."""
    row = session.scalars(
        sa.select(Expired).where(Expired.camera_id == camera_id).order_by(Expired.start_us.desc()).limit(1)
    ).first()
    return None if row is None else Deleted(row.start_us, row.end_us, row.days)


def _note(session: Session, camera_id: uuid.UUID, one: Deleted) -> None:
    mine = sa.select(Expired).where(Expired.camera_id == camera_id).execution_options(populate_existing=True)
    row = session.scalars(
        mine.where(Expired.start_us <= one.start_us).order_by(Expired.start_us.desc()).limit(1)
    ).first()
    if row is None or not (_touch(row, one) or row.start_us == one.start_us):
        row = Expired(camera_id=camera_id, start_us=one.start_us, end_us=one.end_us, days=one.days)
        session.add(row)
    row.end_us = max(row.end_us, one.end_us)
    session.flush()
    # What lies behind it was held when this was not: it is joined when its turn has come.
    behind = mine.where(Expired.start_us > row.start_us, Expired.start_us <= row.end_us).order_by(Expired.start_us)
    for other in session.scalars(behind).all():
        if abs(other.days - row.days) <= _SAME_AGE_DAYS:
            row.end_us = max(row.end_us, other.end_us)
            session.delete(other)
    session.flush()


def _touch(row: Expired, one: Deleted) -> bool:
    return row.end_us >= one.start_us and abs(row.days - one.days) <= _SAME_AGE_DAYS


def _joined(deleted: Iterable[Deleted]) -> list[Deleted]:
    result: list[Deleted] = []
    for one in sorted(deleted, key=lambda one: one.start_us):
        last = result[-1] if result else None
        if last is not None and one.start_us <= last.end_us and abs(one.days - last.days) <= _SAME_AGE_DAYS:
            result[-1] = Deleted(last.start_us, max(last.end_us, one.end_us), last.days)
        else:
            result.append(one)
    return result
