"""The whole archive against its index, both ways: what `vonggac archive check` finds, and mends if asked to.

Works hour by hour and camera by camera with `files.examine_hour` and `files.mend`, as the recorder and the keeper do,
and adds what only a person would look for: strange folders, files that wait to be removed, hashes. The centre may run.
"""

from __future__ import annotations

import enum
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from vonggac.core.clock import microseconds, utc
from vonggac.core.database import Database
from vonggac.video.archive import evidence, files
from vonggac.video.archive.files import Disagreement, Finding
from vonggac.video.archive.footage import MediaStore
from vonggac.video.archive.hashing import fault_in
from vonggac.video.index import HOUR_US, LONGEST_US
from vonggac.video.models import Garbage, Recording, RecordingState
from vonggac.video.retention import deletion
from vonggac.video.volumes import MARKER, MountedVolume

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_HOUR = re.compile(r"\d\d")
_NOT_OURS_AND_HARMLESS = {MARKER, "lost+found"}
_GARBAGE_LATE = timedelta(hours=1)
"""The keeper removes what waits within seconds; what is older, nobody removes."""
_CORRECTED_US = 60_000_000
"""A recording's start may have been corrected by so much after its file was named: across an hour, perhaps."""
_SLICE = 16


class Kind(enum.StrEnum):
    """What can be found."""

    NO_ROW = "no_row"
    UNREADABLE = "unreadable"
    NO_FILE = "no_file"
    SIZE = "size"
    GROUPS = "groups"
    HASH = "hash"
    GARBAGE = "garbage"
    LEFT_OPEN = "left_open"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding, in plain words."""

    kind: Kind
    words: str
    path: str = ""
    camera_number: int | None = None
    wrong: bool = True
    """False for what is only worth knowing."""
    mended: bool = False


@dataclass(frozen=True, slots=True)
class CheckedCamera:
    """What a check needs of a camera."""

    id: uuid.UUID
    number: int
    folder: str


@dataclass(slots=True)
class Tally:
    """What was looked at."""

    hours: int = 0
    files: int = 0
    hashes: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """What is looked at, and whether it is mended."""

    from_us: int
    to_us: int
    now_us: int
    everything: bool = True
    """All cameras are looked at: then a folder that belongs to none is worth a word."""
    read_files: bool = True
    verify_hashes: bool = False
    repair: bool = False


def check(
    database: Database,
    volumes: Sequence[MountedVolume],
    cameras: Sequence[CheckedCamera],
    options: Options,
    tally: Tally,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Problem]:
    """Yield what disagrees; blocking. VolumeLost when a volume goes away meanwhile.

    Without `options.repair` neither files nor index change; evidence that is damaged raises its fault in any case.
    """
    work = []
    for volume in volumes:
        if options.everything:
            yield from _strangers(volume, volume.path, {camera.folder for camera in cameras})
        for camera in cameras:
            hours, strange = _hours_on_disk(volume, camera)
            yield from strange
            hours |= _hours_in_index(database, camera)
            work += [(volume, camera, hour) for hour in sorted(hours) if options.from_us < hour + HOUR_US]
    work = [one for one in work if one[2] < options.to_us]
    with database.read() as session:
        store = MediaStore.of(session)
    for done, (volume, camera, hour_us) in enumerate(work):
        progress(done, len(work))
        yield from _check_hour(database, store, volume, camera, hour_us, options, tally)
    progress(len(work), len(work))
    yield from _left_open(database, cameras, options)
    yield from _garbage(database, volumes, options)


def _check_hour(
    database: Database,
    store: MediaStore,
    volume: MountedVolume,
    camera: CheckedCamera,
    hour_us: int,
    options: Options,
    tally: Tally,
) -> Iterator[Problem]:
    examined = files.examine_hour(database, volume, camera.folder, camera.id, hour_us, read_files=options.read_files)
    tally.hours += 1
    tally.files += examined.files
    for finding in examined.findings:
        mended = files.mend(database, finding) if options.repair or finding.is_evidence else False
        words = _words(finding, mended=mended)
        yield Problem(Kind(finding.kind.value), words, finding.path, camera.number, mended=mended)
    if not options.verify_hashes:
        return
    found_wrong = {finding.path for finding in examined.findings}
    for row in examined.hashed:
        if row.path in found_wrong:
            continue
        tally.hashes += 1
        words = fault_in(store, row)
        with database.write() as session:
            if words:
                evidence.damaged(session, row, words)
            else:
                evidence.intact(session, row)
        if words:
            yield Problem(Kind.HASH, f"{words}. It is evidence: compare it with a copy.", row.path, camera.number)


def _words(finding: Finding, *, mended: bool) -> str:
    said = f"{finding.detail[:1].upper()}{finding.detail[1:]}"
    if finding.is_evidence:
        return f"{said}. It was held and hashed: left as it is, compare it with a copy."
    if not mended:
        return f"{said}." if finding.kind is not Disagreement.UNREADABLE else f"{said}; it is left alone."
    done = {
        Disagreement.NO_ROW: "it is in the index now",
        Disagreement.NO_FILE: "its time is a gap now",
        Disagreement.SIZE: "its row says now what is in it",
        Disagreement.GROUPS: "its row says now what is in it",
    }[finding.kind]
    return f"{said}; {done}."


def _hours_on_disk(volume: MountedVolume, camera: CheckedCamera) -> tuple[set[int], list[Problem]]:
    """Return the hours of which a camera has folders on a volume, and what else lies there."""
    hours: set[int] = set()
    strange: list[Problem] = []
    top = volume.path / camera.folder
    for day in _entries(top):
        if not (_DAY.fullmatch(day.name) and day.is_dir()):
            strange.append(_unknown(day, camera.number))
            continue
        for hour in _entries(day):
            hour_us = _hour_us(day.name, hour.name) if hour.is_dir() else None
            if hour_us is None:
                strange.append(_unknown(hour, camera.number))
                continue
            hours.add(hour_us)
            strange += [
                _unknown(file, camera.number)
                for file in _entries(hour)
                if files.start_of(f"{camera.folder}/{day.name}/{hour.name}/{file.name}") is None
            ]
    return hours, strange


def _hours_in_index(database: Database, camera: CheckedCamera) -> set[int]:
    with database.read() as session:
        hours: set[int] = set()
        for shifted in (Recording.start_us, Recording.start_us + _CORRECTED_US):
            query = sa.select(shifted // HOUR_US).distinct().where(Recording.camera_id == camera.id)
            hours |= {int(hour) * HOUR_US for hour in session.scalars(query)}
        return hours


def _hour_us(day: str, hour: str) -> int | None:
    if not _HOUR.fullmatch(hour):
        return None
    try:
        return microseconds(datetime.fromisoformat(f"{day}T{hour}:00:00").replace(tzinfo=UTC))
    except ValueError:
        return None


def _strangers(volume: MountedVolume, top: Path, known: set[str]) -> Iterator[Problem]:
    for entry in _entries(top):
        if entry.name not in known and entry.name not in _NOT_OURS_AND_HARMLESS:
            yield _unknown(entry, None)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _unknown(path: Path, camera_number: int | None) -> Problem:
    words = f"{path} is nothing of ours; it is left alone."
    return Problem(Kind.UNKNOWN, words, str(path), camera_number, wrong=False)


def _left_open(database: Database, cameras: Sequence[CheckedCamera], options: Options) -> Iterator[Problem]:
    numbers = {camera.id: camera.number for camera in cameras}
    query = sa.select(Recording).where(
        Recording.state == int(RecordingState.OPEN), Recording.start_us < options.now_us - LONGEST_US
    )
    with database.read() as session:
        rows = list(session.scalars(query))
    for row in rows:
        if row.camera_id in numbers and options.from_us <= row.start_us < options.to_us:
            words = f"The recording {row.path} was never finished; the recorder does that when it starts."
            yield Problem(Kind.LEFT_OPEN, words, row.path, numbers[row.camera_id])


def _garbage(database: Database, volumes: Sequence[MountedVolume], options: Options) -> Iterator[Problem]:
    for volume in volumes:
        with database.read() as session:
            count, size, oldest = session.execute(
                sa.select(
                    sa.func.count(), sa.func.coalesce(sa.func.sum(Garbage.size), 0), sa.func.min(Garbage.noted_at)
                ).where(Garbage.volume_id == volume.id)
            ).one()
        if not count:
            continue
        mended = options.repair and not _sweep(database, volume, options.now_us)
        words = f"{count} deleted files ({int(size) / 1e6:.1f} MB) still lie on {volume.path}"
        words += "; they are removed now." if mended else "; the keeper removes them."
        late = oldest is not None and oldest < utc(options.now_us) - _GARBAGE_LATE
        yield Problem(Kind.GARBAGE, words, str(volume.path), wrong=late, mended=mended)


def _sweep(database: Database, volume: MountedVolume, now_us: int) -> int:
    """Remove what waits on a volume; returns how many files could not be."""
    after, left = "", 0
    while True:
        with database.read() as session:
            part = deletion.waiting(session, volume.id, _SLICE, after)
        if not part:
            return left
        after = part[-1].path
        gone, _ = deletion.remove_files(volume, part, now_us)
        left += len(part) - len(gone)
        with database.write() as session:
            deletion.forget(session, gone)


def summary(problems: Iterable[Problem]) -> dict[str, int]:
    """Return how many there are of each kind."""
    counts: dict[str, int] = {}
    for one in problems:
        counts[one.kind.value] = counts.get(one.kind.value, 0) + 1
    return counts
