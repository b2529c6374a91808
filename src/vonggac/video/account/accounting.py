"""The account of every camera in an interval: read from the index, summed over units, its gaps listed.

Read are the sums of hours and the gaps, which stay when recordings are deleted, and what is open at the moment; rows of
recordings (or what is known of deleted ones) only of hours that the interval cuts. Functions take a session and only
read; times are microseconds.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds
from vonggac.org import service as org
from vonggac.org.models import Unit
from vonggac.video import index
from vonggac.video.account.availability import Account, Known, Seconds, account, part_of_hour, pieces, whole_seconds
from vonggac.video.health import SILENT_AFTER_US
from vonggac.video.index import HOUR_US, LONGEST_US, Interval
from vonggac.video.models import CameraStatus, Gap, GapReason, RecordedHour, Recording, RecordingState
from vonggac.video.retention import expired
from vonggac.video.spans import Span, clipped, length, without

_AT_ONCE = 500
"""Cameras asked for in one statement."""
_HOURS_LOOKED_INTO = 500
"""Hours of one camera whose unexplained time is located exactly; of more, only the hour is told."""


@dataclass(frozen=True, slots=True)
class CameraLine:
    """One camera and its account."""

    id: uuid.UUID
    number: int
    name: str
    name_sort: str
    unit_id: uuid.UUID
    unit_name: str
    due: Span
    removed: bool
    account: Account
    seconds: Seconds


@dataclass(slots=True)
class UnitLine:
    """A unit with the sums of its cameras and of those below it."""

    id: uuid.UUID
    name: str
    depth: int
    cameras: int = 0
    seconds: Seconds = field(default_factory=Seconds)


@dataclass(frozen=True, slots=True)
class ListedGap:
    """One entry of a camera's list: a gap cut to the interval, or time that nothing explains (`reason` None)."""

    start_us: int
    end_us: int
    lacking_us: int
    """How much of it is not on disk: less than the whole where only the hour of unexplained time is known."""
    reason: GapReason | None
    detail: str
    goes_on: bool = False


def camera_lines(
    session: Session, from_us: int, to_us: int, now_us: int, camera_id: uuid.UUID | None = None
) -> list[CameraLine]:
    """Return the account of every camera that was due in an interval (or of one), by unit and name.

    Removed cameras count until they were removed, cameras that were added later not at all.
    """
    cameras = _cameras(session, from_us, min(to_us, now_us), camera_id)
    found = []
    for first in range(0, len(cameras), _AT_ONCE):
        part = cameras[first : first + _AT_ONCE]
        ids = [camera.id for camera, _ in part]
        # What is open is read first: what is completed meanwhile is then in both, and counts as recorded.
        writing = _being_written(session, now_us, ids)
        gaps = _gaps(session, ids, from_us, to_us, now_us)
        lives = {camera.id: _due(camera, 0, now_us, now_us) for camera, _ in part}
        hours = _hours(session, lives, from_us, to_us, gaps)
        for camera, unit in part:
            due = _due(camera, from_us, to_us, now_us)
            known = Known(due, hours.get(camera.id, {}), gaps.get(camera.id, ()), writing.get(camera.id, ()))
            done = account(known)
            found.append(
                CameraLine(
                    camera.id,
                    camera.number,
                    camera.name,
                    camera.name_sort,
                    camera.unit_id,
                    unit.name,
                    due,
                    camera.removed_at is not None,
                    done,
                    whole_seconds(done),
                )
            )
    return found


def first_due(session: Session) -> int | None:
    """Return when the first camera was added; None without any."""
    added = session.scalar(sa.select(sa.func.min(Camera.created_at)))
    return None if added is None else microseconds(added)


def total(lines: Sequence[CameraLine]) -> Seconds:
    """Return the sums of cameras."""
    sums = Seconds()
    for line in lines:
        sums.add(line.seconds)
    return sums


def unit_lines(session: Session, lines: Sequence[CameraLine]) -> list[UnitLine]:
    """Return the sums by unit, parents first, siblings in Vietnamese order.

    Units without cameras are left out, and so are those that only hold one other and what makes up the whole.
    """
    mine: dict[uuid.UUID, list[CameraLine]] = {}
    for line in lines:
        mine.setdefault(line.unit_id, []).append(line)
    found: list[UnitLine] = []
    above: list[UnitLine] = []
    for branch in org.tree(session):
        del above[branch.depth :]
        unit = UnitLine(branch.unit.id, branch.unit.name, branch.depth)
        above.append(unit)
        found.append(unit)
        for line in mine.get(unit.id, ()):
            for one in above:
                one.cameras += 1
                one.seconds.add(line.seconds)
    shown = [one for one in found if one.cameras and (one.id in mine or not _holds_one_other(one, found))]
    if len(shown) > 1:
        shown = [one for one in shown if one.id in mine or one.cameras < len(lines)]
    lowest = min((one.depth for one in shown), default=0)
    for one in shown:
        one.depth -= lowest
    return shown


def gap_list(session: Session, line: CameraLine, now_us: int) -> list[ListedGap]:
    """Return why a camera's time is not on disk, oldest first; the interval is that of its line."""
    due = line.due
    ids = [line.id]
    gaps = _gaps(session, ids, *due, now_us, with_words=True).get(line.id, [])
    told = pieces(gaps, due)
    open_since = {gap.start_us for gap in index.open_gaps(session) if gap.camera_id == line.id}
    began = {gap.end_us: gap.start_us for gap in gaps}
    listed = [
        ListedGap(
            one.start_us,
            one.end_us,
            one.end_us - one.start_us,
            one.reason or GapReason.UNKNOWN,
            one.detail,
            goes_on=one.end_us == now_us and began.get(now_us) in open_since,
        )
        for one in told
    ]
    taken = [(one.start_us, one.end_us) for one in told] + _being_written(session, now_us, ids).get(line.id, [])
    listed += _unexplained(session, line, taken)
    return sorted(listed, key=lambda one: (one.start_us, one.end_us))


def camera_days(
    session: Session, camera_id: uuid.UUID, days: Sequence[Span], now_us: int
) -> list[tuple[Account, Seconds]]:
    """Return a camera's account of each of some intervals that follow each other (days), the same as `camera_lines`.

    Read once for all of them; an interval that cuts an hour is asked for by itself.
    """
    camera = session.get_one(Camera, camera_id)
    from_us, to_us = days[0][0], days[-1][1]
    # In this order, as in `camera_lines`.
    writing = _being_written(session, now_us, [camera_id]).get(camera_id, [])
    gaps = _gaps(session, [camera_id], from_us, to_us, now_us)
    lives = {camera_id: _due(camera, 0, now_us, now_us)}
    whole = _hours(session, lives, from_us, to_us, gaps).get(camera_id, {})
    found = []
    for start_us, end_us in days:
        if start_us % HOUR_US or end_us % HOUR_US:
            hours = _hours(session, lives, start_us, end_us, gaps).get(camera_id, {})
        else:
            hours = {hour: part for hour, part in whole.items() if start_us <= hour < end_us}
        due = _due(camera, start_us, end_us, now_us)
        done = account(Known(due, hours, gaps.get(camera_id, ()), writing))
        found.append((done, whole_seconds(done)))
    return found


def _holds_one_other(unit: UnitLine, found: Sequence[UnitLine]) -> bool:
    place = next(at for at, one in enumerate(found) if one is unit)
    children = 0
    for one in found[place + 1 :]:
        if one.depth <= unit.depth:
            break
        children += one.depth == unit.depth + 1 and one.cameras > 0
    return children == 1


def _unexplained(session: Session, line: CameraLine, taken: Sequence[Span]) -> Iterator[ListedGap]:
    """Yield the holes of unexplained hours, from what is known of the recordings of these hours."""
    for place, (hour_us, part_us) in enumerate(line.account.unexplained_hours):
        (hour,) = clipped([(hour_us, hour_us + HOUR_US)], line.due)
        holes: list[Span] = []
        if place < _HOURS_LOOKED_INTO:
            rows = _rows_of_hour(session, [line.id], hour_us).get(line.id, [])
            holes = without([hour], [*rows, *taken])
        if length(holes) == part_us:
            for start_us, end_us in holes:
                yield ListedGap(start_us, end_us, end_us - start_us, None, "")
        else:
            yield ListedGap(*hour, part_us, None, "")


def _cameras(session: Session, from_us: int, until_us: int, camera_id: uuid.UUID | None) -> list[tuple[Camera, Unit]]:
    query = (
        sa.select(Camera, Unit)
        .join(Unit, Unit.id == Camera.unit_id)
        .order_by(Unit.name_sort, Unit.id, Camera.name_sort, Camera.number)
    )
    if camera_id is not None:
        query = query.where(Camera.id == camera_id)
    return [
        (camera, unit)
        for camera, unit in session.execute(query)
        if microseconds(camera.created_at) < until_us
        and (camera.removed_at is None or microseconds(camera.removed_at) > from_us)
    ]


def _due(camera: Camera, from_us: int, to_us: int, now_us: int) -> Span:
    start = max(from_us, microseconds(camera.created_at))
    end = min(to_us, now_us, *([microseconds(camera.removed_at)] if camera.removed_at is not None else []))
    return start, max(start, end)


def _gaps(
    session: Session, ids: Sequence[uuid.UUID], from_us: int, to_us: int, now_us: int, *, with_words: bool = False
) -> dict[uuid.UUID, list[Interval]]:
    """Return the gaps of cameras that overlap an interval, and the hours that it cuts, by their starts."""
    first_us, last_us = from_us - from_us % HOUR_US, to_us + -to_us % HOUR_US
    words = Gap.detail if with_words else sa.literal("")
    # The camera's number, since making its key anew of each of many rows would take longer than all the rest.
    numbers = _numbers(session, ids)
    wanted = (
        sa.select(Camera.number, Gap.start_us, Gap.end_us, Gap.reason, words)
        .join(Camera, Camera.id == Gap.camera_id)
        .where(Gap.camera_id.in_(ids))
    )
    # Two ways into the table, each by its index: gaps that begin in the interval, and those that reach into it.
    queries = (
        wanted.where(Gap.start_us >= first_us, Gap.start_us < last_us),
        wanted.where(Gap.end_us > first_us, Gap.start_us < first_us),
        wanted.where(Gap.end_us.is_(None), Gap.start_us < first_us),
    )
    found: dict[uuid.UUID, list[Interval]] = {}
    for query in queries:
        for number, start_us, end_us, reason, detail in session.execute(query):
            gap = Interval(start_us, now_us if end_us is None else end_us, _reason(reason), detail)
            found.setdefault(numbers[number], []).append(gap)
    for gaps in found.values():
        gaps.sort(key=lambda gap: (gap.start_us, gap.end_us))
    return found


def _numbers(session: Session, ids: Sequence[uuid.UUID]) -> dict[int, uuid.UUID]:
    query = sa.select(Camera.number, Camera.id).where(Camera.id.in_(ids))
    return {row.number: row.id for row in session.execute(query)}


def _reason(text: str) -> GapReason:
    try:
        return GapReason(text)
    except ValueError:  # written by a newer version
        return GapReason.UNKNOWN


def _hours(
    session: Session,
    lives: Mapping[uuid.UUID, Span],
    from_us: int,
    to_us: int,
    gaps: Mapping[uuid.UUID, list[Interval]],
) -> dict[uuid.UUID, dict[int, int]]:
    """Return what is recorded by hour; of an hour that the interval cuts, of the part that lies in it.

    `lives`: from when to when each camera could be recorded.
    """
    ids = list(lives)
    query = (
        sa.select(Camera.number, RecordedHour.hour_us, RecordedHour.recorded_us)
        .join(Camera, Camera.id == RecordedHour.camera_id)
        .where(
            RecordedHour.camera_id.in_(ids),
            RecordedHour.hour_us >= from_us - from_us % HOUR_US,
            RecordedHour.hour_us < to_us,
        )
    )
    by_number: dict[int, dict[int, int]] = {}
    for number, hour_us, recorded_us in session.execute(query):
        by_number.setdefault(number, {})[hour_us] = recorded_us
    numbers = _numbers(session, ids)
    found = {numbers[number]: hours for number, hours in by_number.items()}
    for hour_us in {us - us % HOUR_US for us in (from_us, to_us) if us % HOUR_US}:
        hour = (hour_us, hour_us + HOUR_US)
        rows = _rows_of_hour(session, ids, hour_us)
        for camera_id, hours in found.items():
            if hour_us not in hours:
                continue
            for alive in clipped([hour], lives[camera_id]):
                part = max(hour_us, from_us), min(hour_us + HOUR_US, to_us)
                known = gaps.get(camera_id, [])
                hours[hour_us] = part_of_hour(hours[hour_us], rows.get(camera_id, []), alive, part, known)
    return found


def _rows_of_hour(session: Session, ids: Sequence[uuid.UUID], hour_us: int) -> dict[uuid.UUID, list[Span]]:
    """Return the finished recordings of an hour, also those that retention has deleted since."""
    query = sa.select(Recording.camera_id, Recording.start_us, Recording.end_us).where(
        Recording.camera_id.in_(ids),
        Recording.start_us < hour_us + HOUR_US,
        Recording.start_us > hour_us - LONGEST_US,
        Recording.end_us > hour_us,
    )
    found: dict[uuid.UUID, list[Span]] = {}
    for camera_id, start_us, end_us in session.execute(query):
        if end_us is not None:
            found.setdefault(camera_id, []).append((start_us, end_us))
    for camera_id, span in expired.spans(session, ids, hour_us, hour_us + HOUR_US):
        found.setdefault(camera_id, []).append(span)
    return found


def _being_written(session: Session, now_us: int, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Span]]:
    """Return the time that open recordings speak for: until the next one begins, or as long as their recorder lives.

    What of it reached the disk is known when the row is completed; a recorder that is silent speaks for nothing.
    """
    later = aliased(Recording)
    next_start = (
        sa.select(sa.func.min(later.start_us))
        .where(later.camera_id == Recording.camera_id, later.start_us > Recording.start_us)
        .scalar_subquery()
    )
    query = (
        sa.select(Recording.camera_id, Recording.start_us, next_start, CameraStatus.updated_us)
        .outerjoin(CameraStatus, CameraStatus.camera_id == Recording.camera_id)
        .where(Recording.state == int(RecordingState.OPEN))
        .order_by(Recording.start_us)
    )
    wanted = set(ids)
    found: dict[uuid.UUID, list[Span]] = {}
    for camera_id, start_us, next_us, heard_us in session.execute(query):
        if camera_id not in wanted:
            continue
        heard = start_us if heard_us is None else heard_us
        until = now_us if now_us - heard <= SILENT_AFTER_US else heard
        ends = [until, start_us + LONGEST_US, *([next_us] if next_us is not None else [])]
        if start_us < min(ends):
            found.setdefault(camera_id, []).append((start_us, min(ends)))
    return found
