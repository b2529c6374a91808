"""Recordings of a time that has passed, with numbered pictures: what tests of playback play.

    loop = numbered_loop(material.cache)
    record_past(database, tmp_path / "media", [camera_id], loop, from_us, to_us)

Rows, files, sums of hours and gaps are as a recorder leaves them (`vonggac.sim.past`, the same as `vonggac demo` uses).
Every picture carries its number in the loop; `first_number` says which one a run begins with.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import sqlalchemy as sa

from peers.numbered import NumberedClip, rendered
from vonggac.cameras.models import Camera
from vonggac.core.clock import utc
from vonggac.core.database import Database
from vonggac.sim.clips import read_clip
from vonggac.sim.loops import Loop, loop_of
from vonggac.sim.past import PastCamera, Written, write_past
from vonggac.video.index import Interval
from vonggac.video.models import Volume
from vonggac.video.volumes import MountedVolume, create_volume

SMALL = NumberedClip(width=320, height=180, fps=5, seconds=20, group_seconds=2, bits_per_second=60_000)
"""About 8 kB a second."""


def numbered_loop(cache: Path, clip: NumberedClip = SMALL) -> Loop:
    """Return a numbered clip as a loop."""
    return loop_of(read_clip(rendered(clip, cache)))


def record_past(
    database: Database,
    media: Path,
    camera_ids: Sequence[uuid.UUID],
    loop: Loop,
    from_us: int,
    to_us: int,
    gaps: Mapping[uuid.UUID, Sequence[Interval]] | None = None,
) -> Written:
    """Record cameras that are in the database; `media` becomes a volume where there is none yet."""
    with database.write() as session:
        volume = session.scalars(sa.select(Volume)).first() or create_volume(session, media, utc(from_us))
        rows = {row.id: row for row in session.scalars(sa.select(Camera).where(Camera.id.in_(camera_ids)))}
        mounted = MountedVolume(volume.id, Path(volume.path))
    cameras = [
        PastCamera(one, rows[one].number, rows[one].folder, loop, from_us, (gaps or {}).get(one, ()))
        for one in camera_ids
    ]
    return write_past(database, mounted, cameras, to_us)


def first_number(camera_number: int, loop: Loop) -> int:
    """Return the number of the first picture that `record_past` writes of a camera."""
    before = loop.groups[: camera_number % len(loop.groups)]
    return sum(len(piece.pictures) for group in before for piece in group)
