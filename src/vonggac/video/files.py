"""What the disk holds against what the index says: files read back, torn tails cut, rows and files compared."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.core.clock import microseconds, utc
from vonggac.core.database import Database
from vonggac.video import index
from vonggac.video.index import HOUR_US, CompletedRecording, Interval, OpenedRecording
from vonggac.video.models import GapReason, Recording, RecordingState
from vonggac.video.mp4 import RecordingDamaged, ScannedRecording, codec_string, group_table, scan
from vonggac.video.stream import VIDEO_TIMESCALE
from vonggac.video.volumes import MountedVolume

_NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)\.(\d{3})Z\.mp4")


@dataclass(slots=True)
class Agreement:
    """What a comparison of files and rows found, and mended."""

    hours: int = 0
    files: int = 0
    adopted: int = 0
    """Files that no row knew: entered."""
    missing: int = 0
    """Rows whose file is gone: turned into gaps."""
    corrected: int = 0
    """Rows that promised more than their file holds: corrected."""
    unreadable: int = 0
    """Files without a row that are no recordings: left alone."""


def cut_torn_tail(path: Path) -> tuple[ScannedRecording, int]:
    """Cut a file after its last whole fragment and sync it; returns what is in it and how many bytes were cut."""
    with path.open("r+b") as file:
        scanned = scan(file)
        excess = os.fstat(file.fileno()).st_size - scanned.valid_end
        if excess > 0 and scanned.groups:
            file.truncate(scanned.valid_end)
        os.fsync(file.fileno())
    return scanned, max(0, excess)


def completed(row_id: int, camera_id: uuid.UUID, start_us: int, scanned: ScannedRecording) -> CompletedRecording:
    """Return the row of a file as its content tells it; the end is where its media time ends."""
    return CompletedRecording(
        id=row_id,
        camera_id=camera_id,
        start_us=start_us,
        end_us=start_us + max(1, scanned.media_duration * 1_000_000 // VIDEO_TIMESCALE),
        media_duration=scanned.media_duration,
        size=scanned.valid_end,
        frames=scanned.frames,
        groups=group_table.pack(scanned.entries()),
        state=RecordingState.RECOVERED,
    )


def compare(
    database: Database,
    volumes: Iterable[MountedVolume],
    cameras: dict[str, uuid.UUID],
    from_us: int,
    to_us: int,
    *,
    go_on: Callable[[], bool] = lambda: True,
) -> Agreement:
    """Bring files and rows of an interval into agreement, hour by hour; `cameras` maps folders to cameras.

    Recordings that are still open are left alone. Blocking; stops between hours when `go_on` says no.
    """
    report = Agreement()
    there = list(volumes)
    hour_us = from_us - from_us % HOUR_US
    while hour_us < to_us:
        for folder, camera_id in cameras.items():
            if not go_on():
                return report
            for volume in there:
                _compare_hour(database, volume, folder, camera_id, hour_us, report)
        report.hours += 1
        hour_us += HOUR_US
    return report


def _compare_hour(
    database: Database, volume: MountedVolume, folder: str, camera_id: uuid.UUID, hour_us: int, report: Agreement
) -> None:
    hour = utc(hour_us)
    relative = f"{folder}/{hour:%Y-%m-%d}/{hour:%H}"
    sizes = _sizes(volume.path / relative)
    report.files += len(sizes)
    with database.read() as session:
        rows = {
            row.path.rpartition("/")[2]: row
            for row in session.scalars(
                sa.select(Recording).where(
                    Recording.camera_id == camera_id,
                    Recording.volume_id == volume.id,
                    Recording.path.startswith(relative + "/", autoescape=True),
                    # A recording's start may have been corrected across the hour after its file was named.
                    Recording.start_us.between(hour_us - HOUR_US, hour_us + 2 * HOUR_US),
                )
            )
        }
    changes: list[Callable[[Session], None]] = []
    for name, row in rows.items():
        if row.state == RecordingState.OPEN:
            continue
        if name not in sizes:
            volume.verify()  # an unmounted disk is no missing file
            changes.append(_missing(row))
            report.missing += 1
        elif sizes[name] < row.size:
            changes.append(_corrected(row, volume.path / row.path))
            report.corrected += 1
    for name in sizes.keys() - rows.keys():
        adopted = _adopted(volume, camera_id, f"{relative}/{name}", hour)
        if adopted is None:
            report.unreadable += 1
        else:
            changes.append(adopted)
            report.adopted += 1
    if changes:
        with database.write() as session:
            for change in changes:
                change(session)


def _sizes(path: Path) -> dict[str, int]:
    try:
        with os.scandir(path) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if _NAME.fullmatch(entry.name)}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _missing(row: Recording) -> Callable[[Session], None]:
    def change(session: Session) -> None:
        index.take_from_hours(session, row)
        index.forget_recording(session, row.id)
        interval = Interval(row.start_us, row.end_us or row.start_us, GapReason.UNKNOWN, f"the file {row.path} is gone")
        index.add_gap(session, row.camera_id, interval)

    return change


def _corrected(row: Recording, path: Path) -> Callable[[Session], None]:
    try:
        scanned, _ = cut_torn_tail(path)
    except (OSError, RecordingDamaged):
        return _missing(row)
    if not scanned.groups:
        return _missing(row)
    done = completed(row.id, row.camera_id, row.start_us, scanned)

    def change(session: Session) -> None:
        index.take_from_hours(session, row)
        index.complete_recording(session, done)
        lost = Interval(done.end_us, row.end_us or done.end_us, GapReason.UNKNOWN, f"the file {row.path} was cut short")
        index.add_gap(session, row.camera_id, lost)

    return change


def _adopted(
    volume: MountedVolume, camera_id: uuid.UUID, relative: str, hour: datetime
) -> Callable[[Session], None] | None:
    try:
        scanned, _ = cut_torn_tail(volume.path / relative)
    except (OSError, RecordingDamaged):
        return None
    match = _NAME.fullmatch(relative.rpartition("/")[2])
    if not scanned.groups or match is None:
        return None
    _, minute, second, milli = (int(part) for part in match.groups())
    start = hour.astimezone(UTC) + timedelta(minutes=minute, seconds=second, milliseconds=milli)
    start_us = microseconds(start)
    opened = OpenedRecording(
        camera_id=camera_id,
        volume_id=volume.id,
        path=relative,
        run=start_us,
        start_us=start_us,
        media_start=scanned.media_start or 0,
        codec=codec_string(scanned.init.parameters),
        width=scanned.init.parameters.width,
        height=scanned.init.parameters.height,
        init_size=scanned.init.size,
    )

    def change(session: Session) -> None:
        (row_id,) = index.open_recordings(session, [opened])
        index.complete_recording(session, completed(row_id, camera_id, start_us, scanned))

    return change
