"""The media index: what the recorder writes about its files and gaps, and what others ask of it.

Functions take a session and never commit. Times are microseconds since 1970, intervals are half open.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, undefer

from vonggac.cameras.models import Camera
from vonggac.core.eventlog import announce
from vonggac.video.models import CameraStatus, Expired, Gap, GapReason, RecordedHour, Recording, RecordingState
from vonggac.video.spans import Span, without

HOUR_US = 3_600_000_000
LONGEST_US = 2 * HOUR_US
"""No recording is longer: lets a search by start find every one that overlaps (files last about a minute)."""


@dataclass(frozen=True, slots=True)
class OpenedRecording:
    """What is known of a recording before its file exists."""

    camera_id: uuid.UUID
    volume_id: uuid.UUID
    path: str
    run: int
    start_us: int
    media_start: int
    codec: str
    width: int
    height: int
    init_size: int
    audio: str = ""


@dataclass(frozen=True, slots=True)
class CompletedRecording:
    """What is known of a recording when its last byte is safe."""

    id: int
    camera_id: uuid.UUID
    start_us: int
    end_us: int
    media_duration: int
    size: int
    frames: int
    groups: bytes
    lost_packets: int = 0
    clock_offset_us: int | None = None
    state: RecordingState = RecordingState.COMPLETE


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time with or without video: what a timeline draws."""

    start_us: int
    end_us: int
    reason: GapReason | None = None
    detail: str = ""


@dataclass(slots=True)
class HourSums:
    """How much of each hour is recorded: `hours[start of hour] = (microseconds, bytes)`."""

    hours: dict[int, tuple[int, int]] = field(default_factory=dict)

    def add(self, start_us: int, end_us: int, size: int) -> None:
        """Add a recording; what crosses the hour is split, its bytes in proportion."""
        whole = max(1, end_us - start_us)
        for hour, part in split_by_hour(start_us, end_us):
            recorded, held = self.hours.get(hour, (0, 0))
            self.hours[hour] = (recorded + part, held + size * part // whole)

    def forget_before(self, hour_us: int) -> None:
        """Drop hours that begin before `hour_us`."""
        for hour in [hour for hour in self.hours if hour < hour_us]:
            del self.hours[hour]

    def recorded_us(self, from_hour_us: int) -> int:
        """Return what is recorded from an hour on."""
        return sum(recorded for hour, (recorded, _) in self.hours.items() if hour >= from_hour_us)


def split_by_hour(start_us: int, end_us: int) -> Iterable[tuple[int, int]]:
    """Yield (start of hour, microseconds in it) for an interval."""
    while start_us < end_us:
        hour = start_us - start_us % HOUR_US
        until = min(end_us, hour + HOUR_US)
        yield hour, until - start_us
        start_us = until


def open_recordings(session: Session, opened: Sequence[OpenedRecording]) -> list[int]:
    """Insert a row for each recording that is about to begin; returns their ids."""
    rows = [
        Recording(
            camera_id=one.camera_id,
            volume_id=one.volume_id,
            path=one.path,
            state=int(RecordingState.OPEN),
            run=one.run,
            start_us=one.start_us,
            media_start=one.media_start,
            codec=one.codec,
            width=one.width,
            height=one.height,
            init_size=one.init_size,
            audio=one.audio,
        )
        for one in opened
    ]
    session.add_all(rows)
    session.flush()
    return [row.id for row in rows]


def free_path(session: Session, wanted: OpenedRecording, others: Collection[str] = ()) -> str:
    """Return the recording's path, or the next by milliseconds that no other of its camera has, nor is in `others`.

    Two have the same where the clock was set back: the second one passes the same millisecond again.
    """
    near = Recording.start_us.between(wanted.start_us - LONGEST_US, wanted.start_us + LONGEST_US)
    taken = set(session.scalars(sa.select(Recording.path).where(Recording.camera_id == wanted.camera_id, near)))
    path = wanted.path
    while path in taken or path in others:
        head, dot, rest = path.rpartition(".mp4")[0].rpartition(".")
        # Beyond 999 the name goes on where it is: what it says is when about, the row says when.
        path = f"{head}{dot}{(int(rest.removesuffix('Z')) + 1) % 1000:03d}Z.mp4"
    return path


def complete_recording(session: Session, done: CompletedRecording) -> None:
    """Fill a row in whose file is whole and synced, and add it to its hours.

    What was found on the disk after the fact (recovered, adopted) is no gap any more.
    """
    if done.state is RecordingState.RECOVERED:
        cut_gaps(session, done.camera_id, done.start_us, done.end_us)
    session.connection().execute(
        _COMPLETE,
        {
            "recording_id": done.id,
            "state": int(done.state),
            "start_us": done.start_us,
            "end_us": done.end_us,
            "media_duration": done.media_duration,
            "size": done.size,
            "frames": done.frames,
            "groups": done.groups,
            "lost_packets": done.lost_packets,
            "clock_offset_us": done.clock_offset_us,
        },
    )
    _count(session, done.camera_id, done.id, done.start_us, done.end_us, done.size)


def correct_start(session: Session, recording_id: int, start_us: int) -> None:
    """Note that a recording began earlier than its row says."""
    session.execute(sa.update(Recording).where(Recording.id == recording_id).values(start_us=start_us))


def take_from_hours(session: Session, row: Recording) -> None:
    """Undo what `complete_recording` added to the hours."""
    if row.end_us is not None:
        _count(session, row.camera_id, row.id, row.start_us, row.end_us, row.size, sign=-1)


def forget_recording(session: Session, recording_id: int) -> None:
    """Delete the row of a recording whose file never held a picture."""
    session.execute(sa.delete(Recording).where(Recording.id == recording_id))


def recordings_between(
    session: Session, camera_id: uuid.UUID, from_us: int, to_us: int, *, with_groups: bool = False
) -> list[Recording]:
    """Return a camera's recordings that overlap the interval, oldest first; open ones too."""
    query = (
        sa.select(Recording)
        .where(
            Recording.camera_id == camera_id,
            Recording.start_us < to_us,
            Recording.start_us > from_us - LONGEST_US,
            sa.or_(Recording.end_us > from_us, Recording.end_us.is_(None)),
        )
        .order_by(Recording.start_us)
    )
    if with_groups:
        query = query.options(undefer(Recording.groups))
    return list(session.scalars(query))


def unfinished_recordings(session: Session, share: int = 0, shares: int = 1) -> list[Recording]:
    """Return every recording left open, of the cameras whose number mod `shares` is `share`."""
    query = (
        sa.select(Recording)
        .join(Camera, Camera.id == Recording.camera_id)
        .where(Recording.state == int(RecordingState.OPEN), Camera.number % shares == share)
    )
    return list(session.scalars(query))


def last_recorded(session: Session, camera_id: uuid.UUID) -> int | None:
    """Return when the newest finished recording of a camera ends, also one that was deleted since; None without one."""
    # The newest start has the newest end: recordings of a camera overlap only where the clock was set back, and then
    # those from before the step are the newest until it has caught up.
    newest = session.scalar(
        sa.select(Recording.end_us)
        .where(Recording.camera_id == camera_id, Recording.end_us.is_not(None))
        .order_by(Recording.start_us.desc())
        .limit(1)
    )
    if newest is not None:
        return newest
    return session.scalar(
        sa.select(Expired.end_us).where(Expired.camera_id == camera_id).order_by(Expired.start_us.desc()).limit(1)
    )


def last_gap_end(session: Session, camera_id: uuid.UUID) -> int | None:
    """Return when the newest gap of a camera that is over ended; None without one."""
    return session.scalar(
        sa.select(Gap.end_us)
        .where(Gap.camera_id == camera_id, Gap.end_us.is_not(None))
        .order_by(Gap.start_us.desc())
        .limit(1)
    )


def open_gap(
    session: Session,
    camera_id: uuid.UUID,
    start_us: int,
    reason: GapReason,
    detail: str,
    unit_id: uuid.UUID | None = None,
) -> int:
    """Note that from `start_us` on there is no video, and why; returns the gap's id."""
    gap = Gap(camera_id=camera_id, start_us=start_us, reason=reason.value, detail=detail[:500])
    session.add(gap)
    session.flush()
    announce(session, "gap.opened", subject=camera_id, unit_id=unit_id, reason=reason.value, since_us=start_us)
    return gap.id


def close_gap(
    session: Session, gap_id: int, camera_id: uuid.UUID, end_us: int, unit_id: uuid.UUID | None = None
) -> None:
    """Note that there is video again from `end_us` on."""
    move_gap_end(session, gap_id, end_us)
    announce(session, "gap.closed", subject=camera_id, unit_id=unit_id, until_us=end_us)


def move_gap_end(session: Session, gap_id: int, end_us: int) -> None:
    """Note when a gap ended; one that turns out to be empty is dropped."""
    session.execute(sa.delete(Gap).where(Gap.id == gap_id, Gap.start_us >= end_us))
    session.execute(sa.update(Gap).where(Gap.id == gap_id).values(end_us=end_us))


def add_gap(session: Session, camera_id: uuid.UUID, interval: Interval) -> None:
    """Note a gap that is over already (a moment of lost packets)."""
    if interval.end_us > interval.start_us:
        reason = interval.reason or GapReason.UNKNOWN
        session.add(
            Gap(
                camera_id=camera_id,
                start_us=interval.start_us,
                end_us=interval.end_us,
                reason=reason.value,
                detail=interval.detail[:500],
            )
        )


def cut_gaps(session: Session, camera_id: uuid.UUID, start_us: int, end_us: int) -> None:
    """Take an interval out of the gaps of a camera. A gap that is not over keeps its row, and begins later."""
    for gap in gaps_between(session, camera_id, start_us, end_us):
        begins_before = gap.start_us < start_us
        if gap.end_us is not None and gap.end_us <= end_us:
            if begins_before:
                gap.end_us = start_us
            else:
                session.delete(gap)
            continue
        if begins_before:
            before = Gap(camera_id=camera_id, start_us=gap.start_us, end_us=start_us, reason=gap.reason)
            before.detail = gap.detail
            session.add(before)
        gap.start_us = end_us
    session.flush()


def open_gaps(session: Session) -> list[Gap]:
    """Return every gap that is not over."""
    return list(session.scalars(sa.select(Gap).where(Gap.end_us.is_(None)).order_by(Gap.id)))


def gaps_between(session: Session, camera_id: uuid.UUID, from_us: int, to_us: int) -> list[Gap]:
    """Return a camera's gaps that overlap the interval, oldest first."""
    return list(
        session.scalars(
            sa.select(Gap)
            .where(
                Gap.camera_id == camera_id,
                Gap.start_us < to_us,
                sa.or_(Gap.end_us > from_us, Gap.end_us.is_(None)),
            )
            .order_by(Gap.start_us)
        )
    )


def hour_sums(session: Session, from_hour_us: int) -> dict[uuid.UUID, HourSums]:
    """Return for every camera what its hours hold, from an hour on."""
    sums: dict[uuid.UUID, HourSums] = {}
    for row in session.scalars(sa.select(RecordedHour).where(RecordedHour.hour_us >= from_hour_us)):
        sums.setdefault(row.camera_id, HourSums()).hours[row.hour_us] = (row.recorded_us, row.size)
    return sums


def add_to_hour(session: Session, camera_id: uuid.UUID, hour_us: int, recorded_us: int, size: int) -> None:
    """Add to what an hour holds (or, below 0, take from it)."""
    row = {"camera_id": camera_id, "hour_us": hour_us, "recorded_us": recorded_us, "size": size}
    session.connection().execute(_ADD_TO_HOUR[session.get_bind().dialect.name], row)


def replace_statuses(session: Session, recorder: str, rows: Sequence[dict[str, object]]) -> None:
    """Write what each camera does now (columns of CameraStatus) and announce it once."""
    if rows:
        _upsert(session, CameraStatus, rows, ["camera_id"])
    announce(session, "status.updated", recorder=recorder)


def _count(
    session: Session, camera_id: uuid.UUID, recording_id: int, start_us: int, end_us: int, size: int, sign: int = 1
) -> None:
    """Add a recording to its hours, or take it from them: its bytes, and the time that no other recording holds.

    A moment that is on disk twice, since the clock was set back, counts once.
    """
    interval = {"from_us": start_us, "to_us": end_us, "after_us": start_us - LONGEST_US}
    others = session.connection().execute(_OTHERS, {"of_camera": camera_id, "recording_id": recording_id, **interval})
    alone: dict[int, int] = {}
    for span in without([(start_us, end_us)], [_span(*other) for other in others]):
        for hour, part in split_by_hour(*span):
            alone[hour] = alone.get(hour, 0) + part
    whole = max(1, end_us - start_us)
    for hour, part in split_by_hour(start_us, end_us):
        add_to_hour(session, camera_id, hour, sign * alone.get(hour, 0), sign * (size * part // whole))


def _span(start_us: int, end_us: int | None) -> Span:
    return start_us, start_us if end_us is None else end_us


def _upsert(session: Session, table: type[CameraStatus], rows: Sequence[dict[str, object]], keys: list[str]) -> None:
    insert = _insert(session)(table)
    updates = {name: insert.excluded[name] for name in rows[0] if name not in keys}
    session.execute(insert.on_conflict_do_update(index_elements=keys, set_=updates), list(rows))


# Made once, and run without the object-relational layer: there are twenty a second with a thousand cameras. Rows that a
# session holds as objects do not hear of it.

_COMPLETE = (
    sa.update(Recording)
    .where(Recording.id == sa.bindparam("recording_id"))
    .values(
        {
            name: sa.bindparam(name)
            for name in (
                "state",
                "start_us",
                "end_us",
                "media_duration",
                "size",
                "frames",
                "groups",
                "lost_packets",
                "clock_offset_us",
            )
        }
    )
)

_OTHERS = sa.select(Recording.start_us, Recording.end_us).where(
    Recording.camera_id == sa.bindparam("of_camera"),
    Recording.id != sa.bindparam("recording_id"),
    Recording.start_us < sa.bindparam("to_us"),
    Recording.start_us > sa.bindparam("after_us"),
    Recording.end_us > sa.bindparam("from_us"),
)


def _added_to_hour(insert: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    return insert.on_conflict_do_update(
        index_elements=["camera_id", "hour_us"],
        set_={
            "recorded_us": RecordedHour.recorded_us + insert.excluded.recorded_us,
            "size": RecordedHour.size + insert.excluded.size,
        },
    )


_ADD_TO_HOUR = {
    "sqlite": _added_to_hour(sqlite.insert(RecordedHour)),
    "postgresql": _added_to_hour(postgresql.insert(RecordedHour)),
}


def _insert(session: Session) -> type[sqlite.Insert] | type[postgresql.Insert]:
    return postgresql.Insert if session.get_bind().dialect.name == "postgresql" else sqlite.Insert
