"""After a crash: index and disk are brought to say the same, before anything is recorded on a volume.

It is done when the recorder starts, and in the same way when a volume is back that was away or failed. The recordings
that were left open are finished (their torn tails cut), and the files of the last hour are compared with their rows;
what is older is the keeper's to compare, in the background. Blocking: runs on the volume's own thread.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from vonggac.core.clock import Clock, SystemClock
from vonggac.core.database import Database
from vonggac.core.log import RateLimit, get_logger
from vonggac.video import index
from vonggac.video.archive.files import compare, completed, cut_torn_tail
from vonggac.video.archive.settling import settle
from vonggac.video.index import HOUR_US, CompletedRecording
from vonggac.video.models import Recording, RecordingState
from vonggac.video.mp4 import RecordingDamaged
from vonggac.video.volumes import MountedVolume, sync_directory

_SLICE = 50
"""Recordings finished in one transaction."""
_limit = RateLimit()


@dataclass(slots=True)
class Recovery:
    """What was found and done."""

    finished: int = 0
    cut_bytes: int = 0
    dropped: int = 0
    """Recordings that held no picture."""
    away: int = 0
    """Open recordings on volumes that are not there: left for when they are."""
    unreadable: int = 0
    """Open recordings that the disk refused to read: left open, too."""


def recover(
    database: Database,
    volumes: Iterable[MountedVolume],
    share: int = 0,
    shares: int = 1,
    *,
    being_written: Callable[[], Collection[int]] = tuple,
    distrust_cache: bool = False,
    step: Callable[[], None] = lambda: None,
) -> Recovery:
    """Finish every recording that was left open; returns what was done.

    Only those of the cameras whose number falls to this share: other recorders may be writing theirs. Rows that
    `being_written` names are left alone. With `distrust_cache` files are read from the disk itself: after a failed sync
    the system's memory may hold what the disk does not. `step` is called before each file, to show that it goes on.
    """
    report = Recovery()
    mounted = {volume.id: volume for volume in volumes}
    with database.read() as session:
        unfinished = index.unfinished_recordings(session, share, shares)
    # In this order: what is finished between the two is in neither list, or is seen to be finished below.
    live = being_written()
    unfinished = sorted((row for row in unfinished if row.id not in live), key=lambda row: row.start_us)
    for first in range(0, len(unfinished), _SLICE):
        # Files first, outside any transaction: reading and syncing them may take long.
        found: list[tuple[Recording, CompletedRecording | None]] = []
        for row in unfinished[first : first + _SLICE]:
            step()
            if (volume := mounted.get(row.volume_id)) is None:
                report.away += 1
                continue
            try:
                found.append((row, _finish_file(volume, row, report, distrust_cache)))
            except OSError as error:
                report.unreadable += 1
                if (held := _limit.passes(volume.id)) is not None:
                    get_logger().error(
                        "a recording cannot be finished", path=str(volume.path / row.path), reason=error.strerror,
                        held_back=held,
                    )  # fmt: skip
        with database.write() as session:
            for row, done in found:
                current = session.get(Recording, row.id)
                if current is None or current.state != RecordingState.OPEN:
                    continue
                # Its start may have been corrected since the row was read; how long it is, the file says.
                start_us = current.start_us
                end_us = start_us if done is None else start_us + done.end_us - row.start_us
                end_us = settle(session, current, end_us, f"the end of {row.path} did not reach the disk")
                if done is None:
                    index.forget_recording(session, row.id)
                else:
                    index.complete_recording(session, replace(done, start_us=start_us, end_us=end_us))
    return report


def make_ready(
    database: Database,
    volume: MountedVolume,
    folders: dict[str, uuid.UUID],
    share: int,
    shares: int,
    *,
    being_written: Callable[[], Collection[int]],
    distrust_cache: bool,
    step: Callable[[], None],
    clock: Clock | None = None,
) -> None:
    """Bring a volume and the index into agreement before it is written to, and tell what was found.

    `folders` maps the folders of this recorder's cameras to the cameras. The rest is as `recover` has it.
    """
    log = get_logger()
    report = recover(
        database, [volume], share, shares, being_written=being_written, distrust_cache=distrust_cache, step=step
    )
    if report.finished or report.dropped or report.unreadable:
        log.warning(
            "recordings left open by a crash were finished",
            volume=str(volume.path),
            finished=report.finished,
            cut_bytes=report.cut_bytes,
            dropped=report.dropped,
            unreadable=report.unreadable,
        )
    until_us = (clock or SystemClock()).now_us()

    def go_on() -> bool:
        step()
        return True

    agreement = compare(database, [volume], folders, until_us - HOUR_US, until_us, go_on=go_on)
    if agreement.adopted or agreement.missing or agreement.corrected:
        log.warning(
            "index and disk disagreed on the last hour",
            volume=str(volume.path),
            adopted=agreement.adopted,
            missing=agreement.missing,
            corrected=agreement.corrected,
        )


def _finish_file(
    volume: MountedVolume, row: Recording, report: Recovery, distrust_cache: bool
) -> CompletedRecording | None:
    volume.verify()
    path = volume.path / row.path
    try:
        # What was not synced may have its length and not its contents: every picture is read through.
        scanned, cut = cut_torn_tail(path, verify_from=0, distrust_cache=distrust_cache)
    except FileNotFoundError:
        report.dropped += 1
        return None
    except RecordingDamaged:
        scanned, cut = None, 0
    if scanned is None or not scanned.groups:
        path.unlink(missing_ok=True)
        report.dropped += 1
        return None
    # A recorder that was killed may not have synced the names of the file and the folders above it.
    folder = path.parent
    for above in (folder, *folder.parents[: len(folder.relative_to(volume.path).parts)]):
        sync_directory(above)
    report.finished += 1
    report.cut_bytes += cut
    return completed(row.id, row.camera_id, row.start_us, scanned)
