"""Recordings of a time that has passed, as if a recorder had been there: files, rows, sums of hours, gaps.

For a demonstration, and for tests of playback: nobody wants to wait a day. The files are like those of a recorder to
the byte (groups, pieces of two seconds, decode times that run on within a run, a new file at the camera's own second of
the minute), so that everything that reads, checks, holds or deletes recordings works on them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import MICROSECONDS, utc
from vonggac.core.database import Database
from vonggac.sim.loops import Loop
from vonggac.video import index
from vonggac.video.index import HourSums, Interval
from vonggac.video.models import Gap, GapReason, Recording, RecordingState
from vonggac.video.spans import Span, without
from vonggac.video.stream import VIDEO_TIMESCALE
from vonggac.video.volumes import MountedVolume

RECORDING_US = 60 * MICROSECONDS
"""Length of a file: the recorder's default."""
STOPPED_WORDS = "the recorder was stopped"
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class PastCamera:
    """A camera, what it showed, and when there was nothing of it."""

    id: uuid.UUID
    number: int
    folder: str
    loop: Loop
    from_us: int
    """Since when it is recorded."""
    gaps: Sequence[Interval] = ()
    """In order, apart from each other. Each begins with the last whole group before it."""


@dataclass(slots=True)
class Written:
    """What was made."""

    recordings: int = 0
    size: int = 0
    gaps: int = 0


@dataclass(frozen=True, slots=True)
class _Stored:
    """A camera's recordings and gaps as they go into the index."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[Interval] = field(default_factory=list)
    end_us: int = 0


def write_past(database: Database, volume: MountedVolume, cameras: Sequence[PastCamera], to_us: int) -> Written:
    """Record cameras until a moment at which the recorder is stopped (a gap that is open).

    Nothing may be recorded of that time yet, and nothing may record meanwhile; gaps are taken away as far as there are
    recordings now. Files are written without sync: a power cut in the next half minute may cost them. The index gets
    everything in one transaction, so a past that was broken off is made again. OSError when the disk refuses.
    """
    written = Written()
    every: list[dict[str, Any]] = []
    stored: dict[uuid.UUID, _Stored] = {}
    for camera in cameras:
        one = stored[camera.id] = _record(camera, volume, to_us)
        every += one.rows
        written.gaps += len(one.gaps)
    # In the order in which a recorder would have entered them: who asks for the oldest row means the oldest moment.
    every.sort(key=itemgetter("start_us"))
    with database.write() as session:
        if every:
            session.execute(sa.insert(Recording), every)
        for camera in cameras:
            _account(session, camera, stored[camera.id])
    written.recordings = len(every)
    written.size = sum(row["size"] for row in every)
    return written


def _account(session: Session, past: PastCamera, stored: _Stored) -> None:
    """Enter gaps and sums of a camera, and that it was there since then."""
    camera = session.get_one(Camera, past.id)
    camera.created_at = min(camera.created_at, utc(past.from_us))
    sums = HourSums()
    for row in stored.rows:
        sums.add(row["start_us"], row["end_us"], row["size"])
    for hour_us, (recorded_us, size) in sums.hours.items():
        index.add_to_hour(session, past.id, hour_us, recorded_us, size)
    index.cut_gaps(session, past.id, past.from_us, stored.end_us)
    for gap in stored.gaps:
        index.add_gap(session, past.id, gap)
    if not session.scalar(sa.select(Gap.id).where(Gap.camera_id == past.id, Gap.end_us.is_(None))):
        index.open_gap(session, past.id, stored.end_us, GapReason.STOPPED, STOPPED_WORDS, camera.unit_id)


def _record(camera: PastCamera, volume: MountedVolume, to_us: int) -> _Stored:
    rows: list[dict[str, Any]] = []
    gaps: list[Interval] = []
    ends = camera.from_us
    reasons = {gap.end_us: gap for gap in camera.gaps}
    group = camera.number  # cameras with the same loop do not show the same at the same moment
    spans: list[Span] = without([(camera.from_us, to_us)], [(gap.start_us, gap.end_us) for gap in camera.gaps])
    for start_us, end_us in spans:
        if (gap := reasons.get(start_us)) is not None:
            gaps.append(Interval(ends, start_us, gap.reason, gap.detail))
        ends = start_us
        for row, groups in _run(camera, volume, start_us, end_us, group):
            rows.append(row)
            group += groups
            ends = row["end_us"]
    return _Stored(rows, gaps, ends)


def _run(
    camera: PastCamera, volume: MountedVolume, start_us: int, end_us: int, group: int
) -> Iterator[tuple[dict[str, Any], int]]:
    """Write the files of an uninterrupted stretch; yields each row and how many groups are in it."""
    loop, media, begins_us = camera.loop, 0, start_us
    while True:
        count = _groups_in_file(camera, begins_us, end_us, group)
        if not count:
            return
        template = loop.template(group, count)
        until_us = start_us + (media + template.ticks) * MICROSECONDS // VIDEO_TIMESCALE
        start = utc(begins_us)
        name = f"{start:%H-%M-%S}.{start.microsecond // 1000:03d}Z.mp4"
        path = f"{camera.folder}/{start:%Y-%m-%d}/{start:%H}/{name}"
        head = loop.head(begins_us)
        _write(volume.path / path, head, template.content(media))
        row: dict[str, Any] = {
            "camera_id": camera.id,
            "volume_id": volume.id,
            "path": path,
            "state": int(RecordingState.COMPLETE),
            "run": start_us,
            "start_us": begins_us,
            "end_us": until_us,
            "media_start": media,
            "media_duration": template.ticks,
            "codec": loop.codec,
            "audio": "",
            "width": loop.parameters.width,
            "height": loop.parameters.height,
            "init_size": len(head),
            "size": len(head) + len(template.body),
            "frames": template.frames,
            "lost_packets": 0,
            "clock_offset_us": None,
            "groups": template.groups,
        }
        yield row, count
        media += template.ticks
        group += count
        begins_us = until_us


def _groups_in_file(camera: PastCamera, begins_us: int, end_us: int, group: int) -> int:
    """Return how many groups a file takes: up to the key frame at its camera's second of the minute, or the end."""
    phase_us = int(camera.number * _GOLDEN % 1 * RECORDING_US)
    left_us = RECORDING_US - (begins_us - phase_us) % RECORDING_US
    if left_us < RECORDING_US // 4:
        left_us += RECORDING_US
    count = ticks = 0
    while ticks * MICROSECONDS // VIDEO_TIMESCALE < left_us:
        ticks += camera.loop.ticks(group + count)
        if begins_us + ticks * MICROSECONDS // VIDEO_TIMESCALE > end_us:
            break
        count += 1
    return count


def _write(path: Path, head: bytes, body: bytearray) -> None:
    try:
        file = path.open("wb", buffering=0)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        file = path.open("wb", buffering=0)
    with file:
        file.write(head + body)
