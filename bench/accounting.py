"""Whether the index tells the truth: each moment of a camera is recorded or explained, each file as its row says."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import undefer

from vonggac.core.database import Database
from vonggac.video import index
from vonggac.video.models import Gap, Recording, RecordingState, Volume
from vonggac.video.mp4 import RecordingDamaged, scan
from vonggac.video.mp4.group_table import unpack


@dataclass(frozen=True)
class Account:
    """One camera between two moments, in microseconds."""

    recorded_us: int
    gaps_us: int
    unexplained_us: int
    """Neither recorded nor in a gap."""
    twice_us: int
    """Recorded and in a gap, or recorded twice."""


def account(database: Database, camera_id: uuid.UUID, from_us: int, to_us: int) -> Account:
    """Add up a camera's recordings and gaps; an open one lasts to the end."""
    with database.read() as session:
        recordings = index.recordings_between(session, camera_id, from_us, to_us)
        gaps = index.gaps_between(session, camera_id, from_us, to_us)
        spans = [(one.start_us, one.end_us, True) for one in recordings]
        spans += [(one.start_us, one.end_us, False) for one in gaps]
    recorded = explained = unexplained = twice = 0
    reached = from_us
    for start, end, is_recording in sorted(spans, key=lambda span: span[0]):
        begin, until = max(start, from_us), min(to_us if end is None else end, to_us)
        length = max(0, until - begin)
        recorded, explained = recorded + length * is_recording, explained + length * (not is_recording)
        unexplained += max(0, begin - reached)
        twice += max(0, min(reached, until) - begin)
        reached = max(reached, until)
    return Account(recorded, explained, unexplained + max(0, to_us - reached), twice)


def accounts(database: Database, cameras: Sequence[uuid.UUID], from_us: int, to_us: int) -> list[Account]:
    """Return the account of each camera."""
    return [account(database, camera, from_us, to_us) for camera in cameras]


def gaps_by_reason(database: Database, from_us: int, to_us: int) -> dict[str, int]:
    """Return how many gaps of each reason began between two moments."""
    query = sa.select(Gap.reason, sa.func.count()).where(Gap.start_us >= from_us, Gap.start_us < to_us)
    with database.read() as session:
        return {str(reason): int(count) for reason, count in session.execute(query.group_by(Gap.reason))}


def lost_packets(database: Database) -> int:
    """Return the RTP packets that the recordings count as missing, by their sequence numbers."""
    with database.read() as session:
        return int(session.scalar(sa.select(sa.func.sum(Recording.lost_packets))) or 0)


def disagreements(database: Database) -> list[str]:
    """Compare every row with its file, once nothing is recording: what does not fit, in words; empty where all does.

    Independent of the archive's own comparison, which is part of what is tested.
    """
    found: list[str] = []
    with database.read() as session:
        roots = {volume.id: Path(volume.path) for volume in session.scalars(sa.select(Volume))}
        rows = list(session.scalars(sa.select(Recording).options(undefer(Recording.groups))))
    known = set()
    for row in rows:
        path = roots[row.volume_id] / row.path
        known.add(path)
        if row.state == int(RecordingState.OPEN):
            found.append(f"{row.path}: its row is open")
            continue
        try:
            with path.open("rb") as file:
                scanned = scan(file, verify_from=0)
        except FileNotFoundError:
            found.append(f"{row.path}: there is no file")
            continue
        except RecordingDamaged as error:
            found.append(f"{row.path}: {error}")
            continue
        if scanned.torn:
            found.append(f"{row.path}: {scanned.file_size - scanned.valid_end} bytes behind the last whole group")
        if (row.size, row.frames) != (scanned.valid_end, scanned.frames):
            found.append(f"{row.path}: {row.size} bytes, {row.frames} pictures; {scanned.valid_end}, {scanned.frames}")
        entries, written = unpack(row.groups or b""), scanned.entries()
        if [(one.offset, one.size, one.frames) for one in entries] != [
            (one.offset, one.size, one.frames) for one in written
        ]:
            found.append(f"{row.path}: its group table is another")
    for root in roots.values():
        found += [f"{path.relative_to(root)}: no row" for path in root.glob("*/*/*/*.mp4") if path not in known]
    return found
