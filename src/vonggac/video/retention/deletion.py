"""The one path by which a recording is deleted: noted, unlinked, forgotten. A crash between two steps loses nothing.

    1. `note`: in one transaction the row goes, a row of garbage comes, the timeline learns that the time is deleted
    2. `remove_files`: files unlinked, their folder synced, folders left empty removed
    3. `forget`: the rows of garbage go

Whether something is held is decided in the transaction of step 1, under the lock under which holds are placed: a hold
comes before it and wins, or after it and finds the recording gone. What is left after a crash, or waits for a volume
that is away, is garbage, and taken up again by the next round.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.core.clock import utc
from vonggac.core.eventlog import announce
from vonggac.video import events
from vonggac.video.archive import holds
from vonggac.video.archive.holds import is_held
from vonggac.video.models import Garbage, Recording, RecordingState
from vonggac.video.retention import expired
from vonggac.video.retention.planning import DAY_US, Candidate, Deletion, Rank
from vonggac.video.spans import Span
from vonggac.video.volumes import MountedVolume, sync_directory

_PAGE = 16
"""Candidates read at a time: what a camera gives in a round when all take turns."""
_IN_USE = timedelta(hours=2)
"""A recorder may be about to make a file in a folder of so recent an hour."""
_HOUR_FOLDER = re.compile(r"(\d{4}-\d\d-\d\d)/(\d\d)")


_NEVER = (1 << 63) - 1


def _next() -> sa.Select[int, uuid.UUID, uuid.UUID, int, int | None, int]:
    """The next page of a camera's complete recordings. Built once: a plan asks for it a hundred times."""
    start_us: sa.BindParameter[int] = sa.bindparam("from_us")
    key: sa.BindParameter[int] = sa.bindparam("key")
    return (
        sa.select(
            Recording.id,
            Recording.camera_id,
            Recording.volume_id,
            Recording.start_us,
            Recording.end_us,
            Recording.size,
        )
        .where(
            Recording.camera_id == sa.bindparam("camera"),
            Recording.start_us >= start_us,
            sa.or_(Recording.start_us > start_us, Recording.id > key),
            Recording.start_us < sa.bindparam("to_us"),
            Recording.state != int(RecordingState.OPEN),
        )
        .order_by(Recording.start_us, Recording.id)
        .limit(_PAGE)
    )


_NEXT = _next()
_NEXT_ON_VOLUMES = _NEXT.where(Recording.volume_id.in_(sa.bindparam("volumes", expanding=True)))


@dataclass(frozen=True, slots=True)
class Noted:
    """What a slice deleted."""

    files: int = 0
    size: int = 0
    below_minimum: int = 0


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file that is to go."""

    id: int
    path: str
    """Relative to the volume."""
    size: int


def oldest(
    session: Session,
    camera_id: uuid.UUID,
    held: Sequence[Span],
    volumes: Collection[uuid.UUID] | None = None,
    since_us: int = 0,
) -> Iterator[Candidate]:
    """Yield a camera's complete recordings that are not held, oldest first; `volumes`: only what lies on these.

    Read page by page, as far as somebody asks; what is held is stepped over without being read, and so is what began
    before `since_us`.
    """
    edges = [0, *(edge for span in held for edge in span)]
    query = _NEXT if volumes is None else _NEXT_ON_VOLUMES
    values: dict[str, object] = {"camera": camera_id, "volumes": list(volumes or ())}
    connection = session.connection()
    for from_us, to_us in zip(edges[::2], [*edges[1::2], _NEVER], strict=True):
        after = (max(from_us, since_us), 0)
        while True:
            page = connection.execute(query, {**values, "from_us": after[0], "key": after[1], "to_us": to_us}).all()
            for row in page:
                after = (row.start_us, row.id)
                if row.end_us is not None and not is_held(held, row.start_us, row.end_us):
                    yield Candidate(row.id, row.camera_id, row.volume_id, row.start_us, row.end_us, row.size)
            if len(page) < _PAGE:
                break


def note(session: Session, deletions: Iterable[Deletion], now_us: int) -> Noted:
    """Take recordings out of the index and note their files as garbage: the moment at which they are deleted.

    What is held, gone, or not complete (any longer) is left out. Keep it to a slice: writers wait.
    """
    ranks = {one.candidate.id: one.rank for one in deletions}
    if not ranks:
        return Noted()
    holds.one_at_a_time(session)
    query = sa.select(
        Recording.id,
        Recording.camera_id,
        Recording.volume_id,
        Recording.path,
        Recording.start_us,
        Recording.end_us,
        Recording.size,
    ).where(Recording.id.in_(list(ranks)), Recording.state != int(RecordingState.OPEN), Recording.end_us.is_not(None))
    rows = session.execute(query.with_for_update()).all()
    held = holds.held_spans(session, {row.camera_id for row in rows})
    doomed = [row for row in rows if not is_held(held.get(row.camera_id, ()), row.start_us, row.end_us)]
    if not doomed:
        return Noted()
    noted_at = utc(now_us)
    session.execute(
        sa.insert(Garbage),
        [{"volume_id": row.volume_id, "path": row.path, "size": row.size, "noted_at": noted_at} for row in doomed],
    )
    session.execute(sa.delete(Recording).where(Recording.id.in_([row.id for row in doomed])))
    stretches: dict[uuid.UUID, list[expired.Deleted]] = {}
    for row in doomed:
        age = max(0, now_us - row.end_us) // DAY_US
        stretches.setdefault(row.camera_id, []).append(expired.Deleted(row.start_us, row.end_us, age))
    for camera_id, deleted in stretches.items():
        expired.note(session, camera_id, deleted)
    done = Noted(
        len(doomed),
        sum(row.size for row in doomed),
        sum(ranks[row.id] is Rank.BELOW_MINIMUM for row in doomed),
    )
    announce(
        session,
        events.RECORDINGS_DELETED,
        files=done.files,
        bytes=done.size,
        cameras=len(stretches),
        below_minimum=done.below_minimum,
    )
    return done


def waiting(session: Session, volume_id: uuid.UUID, limit: int, after: str = "") -> list[WaitingFile]:
    """Return files of a volume that are to go, by their paths, so that those of a folder come together."""
    query = (
        sa.select(Garbage.id, Garbage.path, Garbage.size)
        .where(Garbage.volume_id == volume_id, Garbage.path > after)
        .order_by(Garbage.path)
        .limit(limit)
    )
    return [WaitingFile(*row) for row in session.execute(query)]


def waiting_sums(session: Session) -> tuple[int, int]:
    """Return how many files are to go, and their size."""
    count, size = session.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(Garbage.size), 0)).select_from(Garbage)
    ).one()
    return count, int(size)


def remove_files(volume: MountedVolume, files: Iterable[WaitingFile], now_us: int) -> tuple[list[WaitingFile], str]:
    """Unlink files and sync their folders; returns those that are gone for good, and why others are not.

    A file that is gone already is no fault. VolumeLost when the volume is away: then nothing is touched.
    """
    volume.verify()
    folders: dict[Path, list[WaitingFile]] = {}
    for file in files:
        folders.setdefault((volume.path / file.path).parent, []).append(file)
    gone: list[WaitingFile] = []
    words = ""
    for folder, inside in folders.items():
        unlinked = []
        try:
            for file in inside:
                try:
                    (volume.path / file.path).unlink(missing_ok=True)
                    unlinked.append(file)
                except OSError as error:  # the others need not wait for it
                    words = f"{folder}: {error.strerror}"
            with contextlib.suppress(FileNotFoundError):
                sync_directory(folder)
        except OSError as error:
            words = f"{folder}: {error.strerror}"
            continue
        gone += unlinked
        _remove_if_empty(volume.path, PurePosixPath(inside[0].path).parent, now_us)
    return gone, words


def forget(session: Session, files: Iterable[WaitingFile]) -> None:
    """Drop the notes of files that are gone."""
    session.execute(sa.delete(Garbage).where(Garbage.id.in_([file.id for file in files])))


def _remove_if_empty(volume: Path, folder: PurePosixPath, now_us: int) -> None:
    match = _HOUR_FOLDER.fullmatch("/".join(folder.parts[-2:]))
    if match is None:
        return
    hour = datetime.fromisoformat(f"{match[1]}T{match[2]}:00:00").replace(tzinfo=UTC)
    safe = utc(now_us) - _IN_USE
    with contextlib.suppress(OSError):  # not empty, or gone already
        if hour + timedelta(hours=1) < safe:
            (volume / folder).rmdir()
        if hour.replace(hour=0) + timedelta(days=1) < safe:
            (volume / folder.parent).rmdir()
