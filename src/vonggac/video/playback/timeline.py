"""What a time line shows of a camera: what is recorded, what is missing and why, where something moved.

Two levels of detail. Up to two days it is told from recordings and gaps to the microsecond, joined where a screen could
not show the difference; longer intervals (a month has 43,000 recordings) from the sums of hours. Times are microseconds
since 1970, intervals half open. Functions take a session and only read.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds
from vonggac.video import index
from vonggac.video.archive import footage
from vonggac.video.archive.footage import ON_ITS_WAY_US, MediaStore, Timeline
from vonggac.video.index import HOUR_US, Interval
from vonggac.video.models import Gap, GapReason, RecordedHour, Recording, RecordingState
from vonggac.video.retention import expired
from vonggac.video.spans import Span, clipped, joined

FINE_US = 48 * HOUR_US
"""Longer intervals are told by hours."""
MARKED_US = 2 * HOUR_US
"""Longer intervals have no marks from the sizes of groups: 3600 of them are unpacked for so much."""
LEAST_CELLS, MOST_CELLS = 10, 4000
LONGEST_US = 400 * 24 * HOUR_US
"""A year and what lies around it."""


@dataclass(frozen=True, slots=True)
class MissingTime:
    """A time without video. Neighbours that a screen could not tell apart are one, with the reason of the longest."""

    start_us: int
    end_us: int
    reason: GapReason
    detail: str
    count: int = 1
    """How many it stands for."""


@dataclass(frozen=True, slots=True)
class Overview:
    """What is to be drawn."""

    due_from_us: int
    due_until_us: int
    recorded: list[Span]
    missing: list[MissingTime]
    shares: list[float] | None = None
    """Of each stretch of `recorded`, how much of it is on disk, told by hours; None: all of each, told exactly."""


@dataclass(frozen=True, slots=True)
class MomentFound:
    """What there is at a moment, and where the nearest pictures are."""

    recorded: bool
    gap: Interval | None
    next_us: int | None
    """The first moment from there on that is recorded; None: not yet."""
    previous_us: int | None
    """The end of what is recorded before it."""


def overview(
    session: Session, store: MediaStore, camera_id: uuid.UUID, span: Span, cells: int, now_us: int
) -> Overview:
    """Return what a time line of so many cells (pixels, about) shows of an interval."""
    from_us, to_us = span
    cell_us = max(1, (to_us - from_us) // max(LEAST_CELLS, min(cells, MOST_CELLS)))
    if to_us - from_us <= FINE_US:
        found = footage.timeline(session, store, camera_id, from_us, to_us, now_us)
        return _fine(found, cell_us)
    return _coarse(session, store, camera_id, span, cell_us, now_us)


def moment(session: Session, store: MediaStore, camera_id: uuid.UUID, at_us: int, now_us: int) -> MomentFound:
    """Return whether a moment is recorded, why not, and what is recorded before and after it."""
    found = footage.timeline(session, store, camera_id, at_us, at_us + 1, now_us)
    if found.held:
        return MomentFound(True, None, at_us, at_us)
    before, after = footage.neighbours(session, camera_id, at_us)
    next_us = None if after is None else after.start_us
    previous_us = None if before is None else _end(session, store, before, now_us)
    gap = _known_gap(session, camera_id, at_us)
    if gap is None and previous_us is not None and at_us < now_us - ON_ITS_WAY_US:
        gap = Interval(previous_us, now_us if next_us is None else next_us, GapReason.UNKNOWN)
    return MomentFound(False, gap, next_us, previous_us)


def joined_closely(spans: Iterable[Span], apart_us: int) -> list[Span]:
    """Return spans in order, those made one between which there is less than so much."""
    result: list[Span] = []
    for start, end in joined(spans):
        if result and start - result[-1][1] < apart_us:
            result[-1] = (result[-1][0], end)
        else:
            result.append((start, end))
    return result


def gathered(gaps: Iterable[Interval], apart_us: int) -> list[MissingTime]:
    """Return gaps in order; those that are shorter than so much and lie as near to each other are one."""
    result: list[MissingTime] = []
    longest = 0
    for gap in gaps:
        lasts = gap.end_us - gap.start_us
        reason = gap.reason or GapReason.UNKNOWN
        last = result[-1] if result else None
        if last is not None and last.end_us == gap.start_us and (last.reason, last.detail) == (reason, gap.detail):
            result[-1] = MissingTime(last.start_us, gap.end_us, reason, gap.detail, last.count)
            longest = max(longest, gap.end_us - last.start_us)
            continue
        small = last is not None and lasts < apart_us and longest < apart_us
        if last is not None and small and gap.start_us - last.end_us < apart_us:
            tells = gap if lasts > longest else last
            end_us = max(last.end_us, gap.end_us)
            result[-1] = MissingTime(
                last.start_us, end_us, tells.reason or GapReason.UNKNOWN, tells.detail, last.count + 1
            )
            longest = max(longest, lasts)
        else:
            result.append(MissingTime(gap.start_us, gap.end_us, reason, gap.detail))
            longest = lasts
    return result


def _fine(found: Timeline, cell_us: int) -> Overview:
    within = found.from_us, found.to_us
    spans = clipped(((one.start_us, one.end_us) for one in found.held), within)
    # Half a second between two files is jitter (footage.UNEXPLAINED_US): no gap tells of it either.
    apart = max(footage.UNEXPLAINED_US, cell_us)
    return Overview(found.due_from_us, found.due_until_us, joined_closely(spans, apart), gathered(found.gaps, cell_us))


def _coarse(
    session: Session, store: MediaStore, camera_id: uuid.UUID, span: Span, cell_us: int, now_us: int
) -> Overview:
    """Tell an interval by hours, the last two of what was due exactly: no sum has yet what is being written."""
    due = _due(session, camera_id, span, now_us)
    exact_from = max(due[0], due[1] - due[1] % HOUR_US - HOUR_US)
    newest = footage.timeline(session, store, camera_id, exact_from, due[1], now_us) if due[0] < due[1] else None
    recorded: list[Span] = []
    shares: list[float] = []
    for (start, end), share in _by_hours(session, camera_id, (due[0], exact_from)):
        if recorded and recorded[-1][1] == start and shares[-1] == share:
            recorded[-1] = (recorded[-1][0], end)
        else:
            recorded.append((start, end))
            shares.append(share)
    known = [_interval(gap, exact_from) for gap in index.gaps_between(session, camera_id, due[0], exact_from)]
    known += expired.between(session, camera_id, due[0], exact_from)
    known.sort(key=lambda gap: gap.start_us)
    told = joined(clipped(((gap.start_us, gap.end_us) for gap in known), (due[0], exact_from)))
    missing = footage.explain(told, known)
    if newest is not None:
        fine = _fine(newest, max(cell_us, 1))
        recorded += fine.recorded
        shares += [1.0] * len(fine.recorded)
        missing += newest.gaps
        due = due[0], newest.due_until_us
    return Overview(*due, recorded, gathered(missing, cell_us), shares)


def _due(session: Session, camera_id: uuid.UUID, span: Span, now_us: int) -> Span:
    """Return when a camera ought to be recorded within an interval: not before it was added or first recorded."""
    first = session.scalar(
        sa.select(Recording.start_us).where(Recording.camera_id == camera_id).order_by(Recording.start_us).limit(1)
    )
    added = microseconds(session.get_one(Camera, camera_id).created_at)
    from_us = max(span[0], added if first is None else min(added, first))
    return from_us, max(from_us, min(span[1], now_us))


def _by_hours(session: Session, camera_id: uuid.UUID, due: Span) -> Iterator[tuple[Span, float]]:
    """Yield for each hour that holds something the part of it that was due, and how much of the hour is on disk."""
    query = (
        sa.select(RecordedHour.hour_us, RecordedHour.recorded_us)
        .where(
            RecordedHour.camera_id == camera_id,
            RecordedHour.hour_us > due[0] - HOUR_US,
            RecordedHour.hour_us < due[1],
        )
        .order_by(RecordedHour.hour_us)
    )
    # The sums stay when recordings are deleted.
    deleted: dict[int, int] = {}
    whole = due[0] - HOUR_US, due[1] + HOUR_US
    for start, end in joined(part for _, part in expired.spans(session, [camera_id], *whole)):
        for hour, part in index.split_by_hour(start, end):
            deleted[hour] = deleted.get(hour, 0) + part
    added = microseconds(session.get_one(Camera, camera_id).created_at)
    for hour, recorded_us in session.execute(query):
        kept = recorded_us - deleted.get(hour, 0)
        could_be = HOUR_US - max(0, min(HOUR_US, added - hour))
        share = round(min(1.0, kept / could_be), 3) if could_be else 1.0
        if share > 0:
            yield (max(hour, due[0]), min(hour + HOUR_US, due[1])), share


def _interval(gap: Gap, until_us: int) -> Interval:
    try:
        reason = GapReason(gap.reason)
    except ValueError:  # written by a newer version
        reason = GapReason.UNKNOWN
    return Interval(gap.start_us, until_us if gap.end_us is None else gap.end_us, reason, gap.detail)


def _known_gap(session: Session, camera_id: uuid.UUID, at_us: int) -> Interval | None:
    """Return why there is nothing at a moment, from the beginning of that to its end; None where nothing tells."""
    for row in index.gaps_between(session, camera_id, at_us, at_us + 1):
        return _interval(row, at_us + 1)
    return next(iter(expired.between(session, camera_id, at_us, at_us + 1)), None)


def _end(session: Session, store: MediaStore, row: Recording, now_us: int) -> int:
    """Return when a recording ends, also one that is still being written."""
    if row.end_us is not None and row.state != RecordingState.OPEN:
        return row.end_us
    found = footage.timeline(session, store, row.camera_id, row.start_us, row.start_us + index.LONGEST_US, now_us)
    return next((one.end_us for one in found.held if one.recording.id == row.id), row.start_us)
