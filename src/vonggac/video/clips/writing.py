"""From an interval's footage to a file: planned, written a helping at a time, whole under its name or not there at all.

`vonggac clip` and the keeper use the same: they differ in how much they write at once. Everything here blocks.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from vonggac.core.errors import VonggacError
from vonggac.video.archive import footage
from vonggac.video.archive.footage import MediaStore, Selection
from vonggac.video.index import Interval
from vonggac.video.mp4 import ClipPart, ClipPlan, plan_clip
from vonggac.video.volumes import sync_directory

T = TypeVar("T")

SYNC_BYTES = 8 << 20
"""What is written is brought to the disk in pieces of this size: a recorder that syncs its files never waits long."""
MOST_REST_S = 0.5


class FootageUnreadable(VonggacError):
    """The disk with the recordings fails: told apart from a fault of the disk that is written to."""


def plan(store: MediaStore, selection: Selection) -> ClipPlan:
    """Return the clip of a selection as it will be; ClipRefused, FootageUnreadable, or as `MediaStore.open`."""
    parts = (ClipPart(partial(store.open, one.held.recording), one.groups, one.start_us) for one in selection.stretches)
    return _read(lambda: plan_clip(parts))


def missing(planned: ClipPlan, selection: Selection) -> list[Interval]:
    """Return what was asked for and is not in the clip, each with its reason, in order."""
    report, due = planned.report, selection.timeline
    holes = [(due.due_from_us, min(report.start_us, due.due_until_us))]
    holes += [(gap.start_us, gap.end_us) for gap in report.gaps]
    holes.append((report.end_us, due.due_until_us))
    return footage.explain([hole for hole in holes if hole[0] < hole[1]], selection.gaps)


class ClipWriter:
    """Writes a planned clip under a temporary name, takes its SHA-256 on the way, and gives it its name at the end.

    OSError where the disk that is written to refuses; FootageUnreadable, RecordingDamaged, RecordingUnreadable or
    VolumeLost where a recording does. `close` leaves nothing of a clip that is not whole.
    """

    def __init__(self, planned: ClipPlan, target: Path, unfinished: Path) -> None:
        """`unfinished`: the temporary name, on the disk of `target`; what lies there is replaced."""
        self.size = planned.report.size
        self.written = 0
        self._target = target
        self._unfinished = unfinished
        self._chunks = planned.chunks()
        self._digest = hashlib.sha256()
        self._synced = 0
        self._file = unfinished.open("wb")

    @property
    def whole(self) -> bool:
        """True when every byte is written."""
        return self.written >= self.size

    @property
    def sha256(self) -> bytes:
        """Of what is written."""
        return self._digest.digest()

    def go_on(self, enough: Callable[[], bool]) -> None:
        """Write until the clip is whole or `enough`, which is asked about once a mebibyte."""
        while not self.whole:
            chunk = _read(lambda: next(self._chunks, b""))
            if not chunk:
                raise VonggacError(f"The clip ends after {self.written} of {self.size} bytes.")
            self._file.write(chunk)
            self._digest.update(chunk)
            self.written += len(chunk)
            if enough():
                return

    def go_on_gently(self, for_s: float) -> None:
        """Write for some seconds, bring it to the disk piece by piece, and rest as long as the disk took for each."""
        until = time.monotonic() + for_s

        def enough() -> bool:
            if self.written - self._synced >= SYNC_BYTES:
                self._sync_a_piece()
            return time.monotonic() >= until

        self.go_on(enough)

    def finish(self) -> None:
        """Sync the file, give it its name, and sync that; nothing where that is done."""
        if self._file.closed:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._unfinished.replace(self._target)
        with contextlib.suppress(OSError):  # the file is whole; some network disks cannot sync a folder
            sync_directory(self._target.parent)

    def close(self) -> None:
        """Let go of all files, and remove what is not whole."""
        self._chunks.close()
        with contextlib.suppress(OSError):  # what could not be written is thrown away
            self._file.close()
        with contextlib.suppress(OSError):
            self._unfinished.unlink(missing_ok=True)

    def _sync_a_piece(self) -> None:
        began = time.monotonic()
        self._file.flush()
        os.fdatasync(self._file.fileno())
        # Nobody reads it soon, and players need the memory.
        os.posix_fadvise(self._file.fileno(), self._synced, self.written - self._synced, os.POSIX_FADV_DONTNEED)
        self._synced = self.written
        time.sleep(min(time.monotonic() - began, MOST_REST_S))


def _read(work: Callable[[], T]) -> T:
    try:
        return work()
    except OSError as error:
        raise FootageUnreadable(f"A recording cannot be read: {error.strerror}. Look after its disk.") from error
