"""After a crash: index and disk are brought to say the same, before the first camera is recorded again.

At start the recordings that were left open are finished (their torn tails cut), and the files of the last hour are
compared with their rows; what is older is the keeper's to compare, in the background. Blocking: runs on a thread.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from vonggac.core.database import Database
from vonggac.video import index
from vonggac.video.files import completed, cut_torn_tail
from vonggac.video.index import CompletedRecording
from vonggac.video.models import Recording
from vonggac.video.mp4 import RecordingDamaged
from vonggac.video.volumes import MountedVolume

_SLICE = 50
"""Recordings finished in one transaction."""


@dataclass(slots=True)
class Recovery:
    """What start-up found and did."""

    finished: int = 0
    cut_bytes: int = 0
    dropped: int = 0
    """Recordings that held no picture."""
    away: int = 0
    """Open recordings on volumes that are not there: left for when they are."""


def recover(database: Database, volumes: Iterable[MountedVolume], share: int = 0, shares: int = 1) -> Recovery:
    """Finish every recording that a crash left open; returns what was done.

    Only those of the cameras whose number falls to this share: other recorders may be writing theirs.
    """
    report = Recovery()
    mounted = {volume.id: volume for volume in volumes}
    with database.read() as session:
        unfinished = index.unfinished_recordings(session, share, shares)
    for first in range(0, len(unfinished), _SLICE):
        part = unfinished[first : first + _SLICE]
        # Files first, outside any transaction: reading and syncing them may take long.
        found = [(row, _finish_file(mounted, row, report)) for row in part]
        with database.write() as session:
            for row, done in found:
                if isinstance(done, CompletedRecording):
                    index.complete_recording(session, done)
                elif done is None:
                    index.forget_recording(session, row.id)
    return report


class _Away:
    """The volume of a recording is not there."""


def _finish_file(
    mounted: dict[uuid.UUID, MountedVolume], row: Recording, report: Recovery
) -> CompletedRecording | _Away | None:
    volume = mounted.get(row.volume_id)
    if volume is None:
        report.away += 1
        return _Away()
    path = volume.path / row.path
    try:
        scanned, cut = cut_torn_tail(path)
    except FileNotFoundError:
        report.dropped += 1
        return None
    except RecordingDamaged:
        scanned, cut = None, 0
    if scanned is None or not scanned.groups:
        path.unlink(missing_ok=True)
        report.dropped += 1
        return None
    report.finished += 1
    report.cut_bytes += cut
    return completed(row.id, row.camera_id, row.start_us, scanned)
