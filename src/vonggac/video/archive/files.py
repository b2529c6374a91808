"""What the disk holds against what the index says: files read back, torn tails cut, rows and files compared.

`examine` finds what disagrees and changes nothing; `mend` brings one finding into order. The recorder at its start, the
keeper in the background and `vonggac archive check` all use these two.
"""

from __future__ import annotations

import enum
import os
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from vonggac.core.clock import microseconds, utc
from vonggac.core.database import Database
from vonggac.video import index
from vonggac.video.archive import evidence
from vonggac.video.archive.settling import settle
from vonggac.video.index import HOUR_US, CompletedRecording, Interval, OpenedRecording
from vonggac.video.models import GapReason, Garbage, Recording, RecordingState
from vonggac.video.mp4 import RecordingDamaged, ScannedRecording, codec_string, group_table, scan
from vonggac.video.stream import VIDEO_TIMESCALE
from vonggac.video.volumes import MountedVolume

_NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)\.(\d{3})Z\.mp4")
_DEPTH = 4
_ASKED_AT_ONCE = 500


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
    damaged: int = 0
    """Held and hashed files that are not what was hashed: left as they are, a fault raised."""


class Disagreement(enum.StrEnum):
    """How a file and its row can disagree."""

    NO_ROW = "no_row"
    UNREADABLE = "unreadable"
    """A file without a row that is no recording."""
    NO_FILE = "no_file"
    SIZE = "size"
    GROUPS = "groups"
    """The row's table of groups is not what stands in the file."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One file or row that disagrees."""

    kind: Disagreement
    volume: MountedVolume
    camera_id: uuid.UUID
    path: str
    """Relative to the volume."""
    row: Recording | None = None
    detail: str = ""

    @property
    def is_evidence(self) -> bool:
        """True where the file was held and hashed: then neither file nor row is mended, somebody must look."""
        return self.row is not None and self.row.sha256 is not None


def cut_torn_tail(
    path: Path, *, verify_from: int | None = None, distrust_cache: bool = False
) -> tuple[ScannedRecording, int]:
    """Cut a file after its last whole fragment and sync it; returns what is in it and how many bytes were cut.

    `verify_from` as `scan` has it. `distrust_cache` has the system forget what it holds of the file first.
    """
    with path.open("r+b") as file:
        if distrust_cache:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        scanned = scan(file, verify_from=verify_from)
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
                examined = examine_hour(database, volume, folder, camera_id, hour_us)
                report.files += examined.files
                for finding in examined.findings:
                    _count(report, finding, mended=mend(database, finding))
        report.hours += 1
        hour_us += HOUR_US
    return report


@dataclass(frozen=True, slots=True)
class ExaminedHour:
    """What was found of one camera's hour on one volume."""

    files: int
    findings: list[Finding]
    hashed: list[Recording]
    """Rows with a SHA-256, whose files are there."""


def examine_hour(
    database: Database,
    volume: MountedVolume,
    folder: str,
    camera_id: uuid.UUID,
    hour_us: int,
    *,
    read_files: bool = False,
) -> ExaminedHour:
    """Return where files and rows of a camera's hour disagree; changes nothing. VolumeLost when the volume goes away.

    `read_files`: compare the tables of groups with the files, too. Recordings that are still open are left alone.
    """
    hour = utc(hour_us)
    relative = f"{folder}/{hour:%Y-%m-%d}/{hour:%H}"
    sizes = _sizes(volume.path / relative)
    with database.read() as session:
        rows = _rows_of(session, volume, camera_id, relative, hour_us, with_groups=read_files)
        # Asked in the same transaction: a file that retention is about to remove has no row, but is no stranger.
        strangers = _without_garbage(
            session, volume, sorted(f"{relative}/{name}" for name in sizes.keys() - rows.keys())
        )
    findings = []
    for name, row in rows.items():
        if row.state != RecordingState.OPEN:
            found = _disagreement(volume, row, sizes.get(name), read_files=read_files)
            if found is not None and _is_still(database, row):
                findings.append(found)
    for path in strangers:
        findings.append(_stranger(volume, camera_id, path))
    hashed = [row for name, row in rows.items() if row.sha256 is not None and name in sizes]
    return ExaminedHour(len(sizes), findings, hashed)


def mend(database: Database, finding: Finding) -> bool:
    """Bring a finding into order, as the disk has it; False when it is left as it is, for somebody to look at."""
    if finding.is_evidence:
        assert finding.row is not None
        with database.write() as session:
            evidence.damaged(session, finding.row, finding.detail)
        return False
    if finding.row is not None and not _is_still(database, finding.row):
        return False  # deleted, or hashed: then it is evidence from now on
    change = _change(finding)
    if change is None:
        return False
    with database.write() as session:
        change(session)
    return True


def _rows_of(
    session: Session, volume: MountedVolume, camera_id: uuid.UUID, relative: str, hour_us: int, *, with_groups: bool
) -> dict[str, Recording]:
    query = sa.select(Recording).where(
        Recording.camera_id == camera_id,
        Recording.volume_id == volume.id,
        Recording.path.startswith(relative + "/", autoescape=True),
        # A recording's start may have been corrected across the hour after its file was named.
        Recording.start_us.between(hour_us - HOUR_US, hour_us + 2 * HOUR_US),
    )
    if with_groups:
        query = query.options(undefer(Recording.groups))
    return {row.path.rpartition("/")[2]: row for row in session.scalars(query)}


def _without_garbage(session: Session, volume: MountedVolume, paths: list[str]) -> list[str]:
    left = []
    for first in range(0, len(paths), _ASKED_AT_ONCE):
        part = paths[first : first + _ASKED_AT_ONCE]
        known = session.scalars(sa.select(Garbage.path).where(Garbage.volume_id == volume.id, Garbage.path.in_(part)))
        noted = set(known)
        left += [path for path in part if path not in noted]
    return left


def _disagreement(volume: MountedVolume, row: Recording, size: int | None, *, read_files: bool) -> Finding | None:
    path = volume.path / row.path
    if size != row.size:
        # The folder was read before the rows: what a recorder has completed since is as large as its row says now.
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            volume.verify()  # an unmounted disk is no missing file
            return Finding(Disagreement.NO_FILE, volume, row.camera_id, row.path, row, f"the file {row.path} is gone")
    if size != row.size:
        words = f"the file {row.path} has {size} bytes in place of {row.size}"
        return Finding(Disagreement.SIZE, volume, row.camera_id, row.path, row, words)
    if read_files and (words := _other_groups(path, row)):
        return Finding(Disagreement.GROUPS, volume, row.camera_id, row.path, row, words)
    return None


def _other_groups(path: Path, row: Recording) -> str:
    try:
        with path.open("rb") as file:
            entries = scan(file).entries()
    except RecordingDamaged:
        return f"the file {row.path} cannot be read as a recording"
    try:
        table = group_table.unpack(row.groups or b"")
    except RecordingDamaged:
        return f"the row of {row.path} has no readable table of groups"
    return "" if table == entries else f"the file {row.path} holds other groups of pictures than its row says"


def _is_still(database: Database, row: Recording) -> bool:
    """Return whether a row is what it was: it may have been deleted, or hashed, while its file was looked at."""
    with database.read() as session:
        return _unchanged(session, row)


def _unchanged(session: Session, row: Recording) -> bool:
    query = sa.select(Recording.state, Recording.size, Recording.sha256).where(Recording.id == row.id)
    found = session.execute(query).one_or_none()
    return found is not None and tuple(found) == (row.state, row.size, row.sha256)


def _stranger(volume: MountedVolume, camera_id: uuid.UUID, path: str) -> Finding:
    try:
        with (volume.path / path).open("rb") as file:
            readable = bool(scan(file).groups)
    except (OSError, RecordingDamaged):
        readable = False
    if readable:
        return Finding(Disagreement.NO_ROW, volume, camera_id, path, detail=f"no row knows the file {path}")
    words = f"the file {path} has no row and is no recording"
    return Finding(Disagreement.UNREADABLE, volume, camera_id, path, detail=words)


def _sizes(path: Path) -> dict[str, int]:
    try:
        with os.scandir(path) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if _NAME.fullmatch(entry.name)}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _count(report: Agreement, finding: Finding, *, mended: bool) -> None:
    if finding.is_evidence:
        report.damaged += 1
    elif not mended:
        report.unreadable += 1
    elif finding.kind is Disagreement.NO_ROW:
        report.adopted += 1
    elif finding.kind is Disagreement.NO_FILE:
        report.missing += 1
    else:
        report.corrected += 1


def _change(finding: Finding) -> Callable[[Session], None] | None:
    """Return what mends a finding in the index, the file read and its torn tail cut; None where nothing does."""
    if finding.row is None:
        return _adopted(finding.volume, finding.camera_id, finding.path)
    if finding.kind is Disagreement.NO_FILE:
        return _missing(finding.row)
    return _corrected(finding.row, finding.volume.path / finding.path)


def _missing(row: Recording) -> Callable[[Session], None]:
    def change(session: Session) -> None:
        if not _unchanged(session, row):
            return
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
    if row.end_us is not None and done.media_duration == row.media_duration:
        # All of it is there: when it ended was known better from the arrival of its last picture.
        done = replace(done, end_us=row.end_us)
    done = replace(done, end_us=min(done.end_us, row.end_us or done.end_us))

    def change(session: Session) -> None:
        if not _unchanged(session, row):
            return
        index.take_from_hours(session, row)
        index.complete_recording(session, done)
        lost = Interval(done.end_us, row.end_us or done.end_us, GapReason.UNKNOWN, f"the file {row.path} was cut short")
        index.add_gap(session, row.camera_id, lost)

    return change


def _adopted(volume: MountedVolume, camera_id: uuid.UUID, relative: str) -> Callable[[Session], None] | None:
    try:
        scanned, _ = cut_torn_tail(volume.path / relative)
    except (OSError, RecordingDamaged):
        return None
    start_us = start_of(relative)
    if not scanned.groups or start_us is None:
        return None
    opened = OpenedRecording(
        camera_id=camera_id,
        volume_id=volume.id,
        path=relative,
        run=start_us,
        start_us=start_us,
        media_start=scanned.media_start or 0,
        codec=codec_string(scanned.init.parameters),
        audio=scanned.init.sound.codec_string if scanned.init.sound else "",
        width=scanned.init.parameters.width,
        height=scanned.init.parameters.height,
        init_size=scanned.init.size,
    )

    def change(session: Session) -> None:
        (row_id,) = index.open_recordings(session, [opened])
        done = completed(row_id, camera_id, start_us, scanned)
        end_us = settle(session, session.get_one(Recording, row_id), done.end_us, "", GapReason.UNKNOWN)
        index.complete_recording(session, replace(done, end_us=end_us))

    return change


def start_of(relative: str) -> int | None:
    """Return when a recording began by its path, `folder/2026-11-24/09/09-12-00.000Z.mp4`; None for another file."""
    parts = relative.split("/")
    match = _NAME.fullmatch(parts[-1])
    if match is None or len(parts) < _DEPTH:
        return None
    hour, minute, second, milli = (int(part) for part in match.groups())
    try:
        start = datetime.fromisoformat(parts[-3]).replace(tzinfo=UTC)
        return microseconds(start + timedelta(hours=hour, minutes=minute, seconds=second, milliseconds=milli))
    except ValueError:
        return None
