"""What happened before cameras: noted by whoever sees it, asked for by pages.

Functions take a session and never commit. Times are microseconds since 1970, intervals are half open.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import MICROSECONDS
from vonggac.core.eventlog import announce
from vonggac.video.activity.events import ACTIVITY_BEGAN
from vonggac.video.activity.models import Activity, Source
from vonggac.video.models import Recording

LONGEST_US = 3600 * MICROSECONDS
"""No row is longer: lets a search by start find every one that overlaps. What goes on has another row then."""
ANNOUNCED_AGAIN_US = 60 * MICROSECONDS
"""What begins so soon after the end of the last is noted, and not announced."""
_DAY_US = 86_400 * MICROSECONDS
KEPT_US = 30 * _DAY_US
KEPT_MOST_US = 366 * _DAY_US


@dataclass(slots=True, eq=False)
class Episode:
    """One row in the making. Its id is known once it is written."""

    camera_id: uuid.UUID
    unit_id: uuid.UUID
    source: Source
    start_us: int
    end_us: int
    score: float
    announced: bool = True
    """Whether its beginning is announced: not what goes on after a pause."""
    id: int = 0
    taken: bool = False
    """Whether its row was asked for."""

    @property
    def row_ends_us(self) -> int:
        """When its row ends: no interval is empty."""
        return max(self.end_us, self.start_us + 1)


def note(session: Session, new: Sequence[Episode], grown: Sequence[Episode] = ()) -> None:
    """Write a row for each new episode, which gets its id, and let the rows of others grow. Announced is last."""
    for episode in grown:
        values = {"end_us": episode.row_ends_us, "score": episode.score}
        session.execute(sa.update(Activity).where(Activity.id == episode.id).values(values))
    rows = [
        Activity(
            camera_id=episode.camera_id,
            start_us=episode.start_us,
            end_us=episode.row_ends_us,
            score=episode.score,
            source=episode.source.value,
        )
        for episode in new
    ]
    session.add_all(rows)
    session.flush()
    for episode, row in zip(new, rows, strict=True):
        episode.id = row.id
    for episode in new:
        if episode.announced:
            source = episode.source.value
            announce(session, ACTIVITY_BEGAN, subject=episode.camera_id, unit_id=episode.unit_id, source=source)


def between(session: Session, camera_ids: Collection[uuid.UUID], from_us: int, to_us: int) -> list[Activity]:
    """Return what happened before these cameras in an interval, in the order in which it began."""
    query = (
        sa.select(Activity)
        .where(
            Activity.camera_id.in_(camera_ids),
            Activity.start_us < to_us,
            Activity.start_us > from_us - LONGEST_US,
            Activity.end_us > from_us,
        )
        .order_by(Activity.start_us, Activity.id)
    )
    return list(session.scalars(query))


def latest(session: Session, camera_ids: Collection[uuid.UUID], since_us: int, limit: int) -> list[Activity]:
    """Return what went on after `since_us` before these cameras, what began last first; at most `limit`."""
    query = (
        sa.select(Activity)
        .where(
            Activity.camera_id.in_(camera_ids), Activity.start_us > since_us - LONGEST_US, Activity.end_us > since_us
        )
        .order_by(Activity.start_us.desc(), Activity.id.desc())
        .limit(limit)
    )
    return list(session.scalars(query))


def prune(session: Session, now_us: int, limit: int) -> int:
    """Delete a slice of rows that have had their time; returns how many.

    They stay 30 days, and with the recordings of their camera that are older, at most a year (held footage stays).
    """
    oldest = sa.select(sa.func.min(Recording.start_us)).where(Recording.camera_id == Camera.id).scalar_subquery()
    deleted = 0
    for camera_id, recorded_from in session.execute(sa.select(Camera.id, oldest)).all():
        before_us = now_us - KEPT_US
        if recorded_from is not None:
            before_us = max(min(before_us, recorded_from), now_us - KEPT_MOST_US)
        doomed = (
            sa.select(Activity.id)
            .where(Activity.camera_id == camera_id, Activity.start_us < before_us)
            .order_by(Activity.start_us)
            .limit(limit - deleted)
        )
        result = session.execute(sa.delete(Activity).where(Activity.id.in_(doomed)))
        deleted += int(getattr(result, "rowcount", 0))
        if deleted >= limit:
            break
    return deleted
