"""The archive as its readers see it: which recordings and groups make up an interval, what is missing, their bytes.

Times are microseconds since 1970, intervals half open. Functions take a session and never commit. A recording that is
still being written is told from its file, all others from their rows alone.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds
from vonggac.core.errors import VonggacError
from vonggac.video import index
from vonggac.video.archive import holds
from vonggac.video.index import Interval
from vonggac.video.models import Gap, GapReason, Hold, Recording, RecordingState, Volume
from vonggac.video.mp4 import GroupEntry, RecordingDamaged, group_table, scan
from vonggac.video.retention import expired
from vonggac.video.spans import Span, length, without
from vonggac.video.stream import VIDEO_TIMESCALE
from vonggac.video.volumes import MountedVolume, VolumeLost

UNEXPLAINED_US = 500_000
"""A longer time without video that no gap explains is told as one of unknown reason."""
ON_ITS_WAY_US = 10_000_000
"""What arrived so recently may still be on its way to disk: the open group, the pause between reads, the queue."""
MAX_READ = 64 << 20
"""Bytes of one `read`: several of the largest groups."""


class RecordingUnreadable(VonggacError):
    """A recording that the index knows and whose file cannot be read."""

    def __init__(self, message: str, *, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone
        """There is no such file, though the disk is there."""


class MediaStore:
    """Opens and reads recordings, wherever their volumes lie. Made for one request; holds no open file."""

    def __init__(self, folders: dict[uuid.UUID, Path]) -> None:
        """`folders`: where each volume is, mounted or not."""
        self._folders = folders

    @classmethod
    def of(cls, session: Session) -> MediaStore:
        """Return the store of this centre's volumes."""
        return cls({volume.id: Path(volume.path) for volume in session.scalars(sa.select(Volume))})

    def open(self, recording: Recording) -> BinaryIO:
        """Open a recording for reading; VolumeLost when its disk is away, RecordingUnreadable when the file is."""
        folder = self._folders.get(recording.volume_id)
        if folder is None:
            raise VolumeLost(f"The index does not know the volume of the recording {recording.path}.")
        try:
            return (folder / recording.path).open("rb")
        except OSError as error:
            # Only now is it asked whether the disk is there: a missing file on a missing disk is no loss.
            MountedVolume(recording.volume_id, folder).verify()
            gone = isinstance(error, FileNotFoundError)
            what = "is gone" if gone else f"cannot be read: {error.strerror or 'the disk fails'}"
            raise RecordingUnreadable(f"The file {recording.path} on {folder} {what}.", gone=gone) from error

    def read(self, recording: Recording, offset: int, size: int) -> bytes:
        """Return exactly these bytes of a recording, at most MAX_READ; errors as `open`, also for a file too short."""
        if not (offset >= 0 and 0 <= size <= MAX_READ):
            raise ValueError(f"{size} bytes from {offset} are no range to read")
        with self.open(recording) as file:
            try:
                data = os.pread(file.fileno(), size, offset)
            except OSError as error:
                raise RecordingUnreadable(f"The file {recording.path} cannot be read: {error.strerror}.") from error
        if len(data) < size:
            raise RecordingUnreadable(f"The file {recording.path} is shorter than the index says.")
        return data

    def groups_of(self, recording: Recording) -> list[GroupEntry]:
        """Return the groups of a recording: from its row, or from its file where the row does not hold them (yet).

        Errors as `open`; none for a recording that is being begun: it has no groups. The row's table must be loaded
        (`index.recordings_between(…, with_groups=True)`) where the session is closed.
        """
        if recording.state != RecordingState.OPEN and recording.groups is not None:
            with contextlib.suppress(RecordingDamaged):  # the file itself knows better than a damaged row
                return group_table.unpack(recording.groups)
        try:
            with self.open(recording) as file:
                return scan(file).entries()
        except RecordingDamaged:
            if recording.state == RecordingState.OPEN:
                return []  # its head is not whole yet
            raise
        except RecordingUnreadable as error:
            if recording.state == RecordingState.OPEN and error.gone:
                return []
            raise


@dataclass(frozen=True, slots=True)
class Held:
    """A recording that overlaps the interval, as far as it is known now."""

    recording: Recording
    start_us: int
    end_us: int
    size: int
    frames: int
    media_duration: int

    def wall_us(self, ticks: int) -> int:
        """Return the wall clock at so many ticks after its first picture: the recording's ends are what is known."""
        if not self.media_duration:
            return self.start_us
        return self.start_us + ticks * (self.end_us - self.start_us) // self.media_duration

    def ticks(self, wall_us: int) -> int:
        """Return the media time since its first picture at a wall clock: less than 0 before its start."""
        span = self.end_us - self.start_us
        return (wall_us - self.start_us) * self.media_duration // span if span else 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """What there is of a camera in an interval, and what is missing."""

    camera_id: uuid.UUID
    from_us: int
    to_us: int
    due_from_us: int
    """Not before the camera was added."""
    due_until_us: int
    """Not in the future; nor what is still on its way to disk."""
    held: tuple[Held, ...]
    """By their starts."""
    gaps: tuple[Interval, ...]
    """Each with its reason; they do not overlap, neither each other nor what is recorded."""

    @property
    def due_us(self) -> int:
        """How much of the interval ought to be recorded."""
        return max(0, self.due_until_us - self.due_from_us)

    @property
    def expired_us(self) -> int:
        """How much of that was recorded, and deleted when its time was over."""
        return sum(gap.end_us - gap.start_us for gap in self.gaps if gap.reason is GapReason.EXPIRED)

    @property
    def recorded_us(self) -> int:
        """How much of that is; what is there twice, since the clock was set back, counts once."""
        due = [(self.due_from_us, self.due_until_us)]
        return self.due_us - length(without(due, [(one.start_us, one.end_us) for one in self.held]))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring groups of one recording that belong to an interval."""

    held: Held
    groups: Sequence[GroupEntry]
    first_tick: int
    """Media time of the first of them since the recording's first picture."""
    first_group: int = 0
    """Its place among the groups of the recording."""

    @property
    def start_us(self) -> int:
        """When its first picture was taken."""
        return self.held.wall_us(self.first_tick)

    @property
    def end_us(self) -> int:
        """When its last picture ended."""
        return self.held.wall_us(self.first_tick + _ticks(self.groups) - self.groups[0].pause_ticks)

    def timed(self) -> Iterator[tuple[GroupEntry, int, int]]:
        """Yield each group with the wall clock at its beginning and its end."""
        tick = self.first_tick - self.groups[0].pause_ticks
        for group in self.groups:
            tick += group.pause_ticks
            yield group, self.held.wall_us(tick), self.held.wall_us(tick + group.duration_ticks)
            tick += group.duration_ticks


@dataclass(frozen=True, slots=True)
class Selection:
    """The groups that make up an interval: from the one that contains its start to the one that contains its end."""

    timeline: Timeline
    stretches: tuple[Stretch, ...]
    gaps: tuple[Interval, ...]
    """Those of the timeline, and recordings that cannot be read."""


def hold(
    session: Session, camera_id: uuid.UUID, from_us: int, to_us: int, subject: str, *, placed_by: str, reason: str = ""
) -> Hold:
    """Keep an interval of a camera, also one in the future, from being deleted until it is released (`holds.place`)."""
    return holds.place(session, camera_id, from_us, to_us, subject, placed_by=placed_by, reason=reason)


def timeline(
    session: Session, store: MediaStore, camera_id: uuid.UUID, from_us: int, to_us: int, now_us: int
) -> Timeline:
    """Return a camera's recordings and gaps in an interval. A time that nothing explains is a gap of unknown reason."""
    return _timeline(session, store, camera_id, from_us, to_us, now_us, with_groups=False)[0]


def select(
    session: Session,
    store: MediaStore,
    camera_id: uuid.UUID,
    from_us: int,
    to_us: int,
    now_us: int,
    *,
    readable: bool = False,
) -> Selection:
    """Return the groups of a camera that make up an interval, and the gaps between them.

    `readable`: look whether each file is there; one that is not becomes a gap that says so.
    """
    found, tables = _timeline(session, store, camera_id, from_us, to_us, now_us, with_groups=True)
    stretches: list[Stretch] = []
    lost: list[Interval] = []
    for held in found.held:
        try:
            groups = tables.get(held.recording.id) or store.groups_of(held.recording)
            if readable:
                store.open(held.recording).close()
        except (VolumeLost, RecordingUnreadable, RecordingDamaged) as error:
            reason = GapReason.VOLUME_LOST if isinstance(error, VolumeLost) else GapReason.UNKNOWN
            lost.append(Interval(max(held.start_us, from_us), min(held.end_us, to_us), reason, str(error)))
            continue
        if (part := stretch(held, groups, from_us, to_us)) is not None:
            stretches.append(part)
    gaps = sorted([*found.gaps, *lost], key=lambda gap: gap.start_us)
    return Selection(found, tuple(stretches), tuple(gaps))


def neighbours(session: Session, camera_id: uuid.UUID, at_us: int) -> tuple[Recording | None, Recording | None]:
    """Return the last recording that begins before a moment, and the first that begins after it."""
    mine = sa.select(Recording).where(Recording.camera_id == camera_id)
    before = mine.where(Recording.start_us <= at_us).order_by(Recording.start_us.desc()).limit(1)
    after = mine.where(Recording.start_us > at_us).order_by(Recording.start_us).limit(1)
    return session.scalars(before).first(), session.scalars(after).first()


def explain(holes: Iterable[Span], known: Sequence[Interval]) -> list[Interval]:
    """Return why there is nothing in these times: known gaps cut to them, and what no gap explains as unknown.

    `holes` in order, without overlap; `known` by their starts.
    """
    explained: list[Interval] = []
    first = 0
    for hole in holes:
        while first < len(known) and known[first].end_us <= hole[0]:
            first += 1
        rest = [hole]
        for gap in islice(known, first, None):
            if gap.start_us >= hole[1]:
                break
            # Known gaps may overlap where the clock was set back: a moment is told once.
            pieces = [(max(start, gap.start_us), min(end, gap.end_us)) for start, end in rest]
            explained += [
                Interval(start, end, gap.reason or GapReason.UNKNOWN, gap.detail)
                for start, end in pieces
                if start < end
            ]
            rest = without(rest, [(gap.start_us, gap.end_us)])
        explained += [Interval(start, end, GapReason.UNKNOWN) for start, end in rest if end - start > UNEXPLAINED_US]
    return sorted(explained, key=lambda gap: gap.start_us)


def _timeline(
    session: Session,
    store: MediaStore,
    camera_id: uuid.UUID,
    from_us: int,
    to_us: int,
    now_us: int,
    *,
    with_groups: bool,
) -> tuple[Timeline, dict[int, list[GroupEntry]]]:
    """Return the timeline, and the groups of the recordings that had to be read for it."""
    gaps = index.gaps_between(session, camera_id, from_us, to_us)
    held: list[Held] = []
    tables: dict[int, list[GroupEntry]] = {}
    writing_since: int | None = None
    for row in index.recordings_between(session, camera_id, from_us, to_us, with_groups=with_groups):
        if row.state != RecordingState.OPEN:
            held.append(_closed(row))
            continue
        try:
            groups = store.groups_of(row)
        except (VolumeLost, RecordingUnreadable):
            continue  # the time is a gap: the recorder knows its reason, or nobody does
        one = _open(row, groups)
        writing_since = one.end_us
        if groups and one.end_us > from_us:
            held.append(one)
            tables[row.id] = groups
    camera = session.get_one(Camera, camera_id)
    due_from = max(from_us, min([microseconds(camera.created_at), *(one.start_us for one in held[:1])]))
    due_until = max(due_from, min(to_us, now_us))
    if writing_since is not None and writing_since > now_us - ON_ITS_WAY_US:
        due_until = max(due_from, min(due_until, writing_since))
    holes = without([(due_from, due_until)], [(one.start_us, one.end_us) for one in held])
    known = [_interval(gap, due_until) for gap in gaps]
    if deleted := expired.between(session, camera_id, from_us, to_us):
        known = sorted([*known, *deleted], key=lambda gap: gap.start_us)
    return (
        Timeline(camera_id, from_us, to_us, due_from, due_until, tuple(held), tuple(explain(holes, known))),
        tables,
    )


def _closed(row: Recording) -> Held:
    end_us = row.end_us if row.end_us is not None else row.start_us
    return Held(row, row.start_us, end_us, row.size, row.frames, row.media_duration)


def _open(row: Recording, groups: Sequence[GroupEntry]) -> Held:
    ticks = _ticks(groups)
    size = groups[-1].offset + groups[-1].size if groups else 0
    end_us = row.start_us + ticks * 1_000_000 // VIDEO_TIMESCALE
    return Held(row, row.start_us, end_us, size, sum(group.frames for group in groups), ticks)


def stretch(held: Held, groups: Sequence[GroupEntry], from_us: int, to_us: int) -> Stretch | None:
    """Return those groups of a recording that belong to an interval; None where none does."""
    chosen = group_table.overlapping(groups, held.ticks(from_us), max(held.ticks(to_us), held.ticks(from_us) + 1))
    if not chosen:
        return None
    before = _ticks(groups[: chosen.start]) + groups[chosen.start].pause_ticks
    return Stretch(held, groups[chosen.start : chosen.stop], before, chosen.start)


def _interval(gap: Gap, until_us: int) -> Interval:
    try:
        reason = GapReason(gap.reason)
    except ValueError:  # written by a newer version
        reason = GapReason.UNKNOWN
    return Interval(gap.start_us, until_us if gap.end_us is None else gap.end_us, reason, gap.detail)


def _ticks(groups: Iterable[GroupEntry]) -> int:
    return sum(group.pause_ticks + group.duration_ticks for group in groups)
