"""What writes to one volume: a thread that appends, a thread that syncs and closes.

Each volume has its own, so that a disk that stalls holds up nothing but itself.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vonggac.core.log import RateLimit, get_logger
from vonggac.video.index import Interval
from vonggac.video.recorder.anchor import ticks_to_us
from vonggac.video.recorder.disk import Disk
from vonggac.video.recorder.groups import Piece
from vonggac.video.recorder.recording_file import RecordingFile, WriteFailed
from vonggac.video.volumes import MountedVolume

SLOW_S = 5.0
"""A single write or sync that takes longer than this is worth a fault: healthy disks need some hundredths."""
_STAYS_SLOW_S = 30.0


@dataclass(slots=True)
class WriteCounters:
    """What the threads of a volume have done, for the metrics. Each field is written by one thread only."""

    written_bytes: int = 0
    writes: int = 0
    write_seconds: float = 0.0
    slowest_write_s: float = 0.0
    syncs: int = 0
    sync_seconds: float = 0.0


class VolumeWriter:
    """Writes the recordings of one volume. `offer`, `append` and `finish` never wait."""

    def __init__(
        self,
        volume: MountedVolume,
        disk: Disk,
        *,
        sync_s: float,
        reserve_bytes: int,
        on_failure: Callable[[RecordingFile, WriteFailed], None],
        on_closed: Callable[[RecordingFile, bool, Interval | None], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_closed` gets a recording, whether its file is safe, and the stretch that was not written after all.

        Both are called on a thread.
        """
        self.volume = volume
        self.counters = WriteCounters()
        self.open: set[RecordingFile] = set()
        """Recordings whose file is being written."""
        self._disk = disk
        self._sync_s = sync_s
        self._reserve_bytes = reserve_bytes
        self._on_failure = on_failure
        self._on_closed = on_closed
        self._monotonic = monotonic
        self._write_queue: queue.SimpleQueue[tuple[RecordingFile, Piece | None] | RecordingFile | None] = (
            queue.SimpleQueue()
        )
        self._sync_queue: queue.SimpleQueue[RecordingFile | None] = queue.SimpleQueue()
        self._safe_folders: dict[str, Path] = {}
        """The newest folder of each camera whose name is synced, with all above it."""
        self._taken_bytes = 0
        self._done_bytes = 0
        self._busy = [0.0, 0.0]
        """Since when the writer and the sync thread are in a call to the disk; 0 while they are not."""
        self._slow_until = 0.0
        self._log = get_logger()
        self._limit = RateLimit()
        # Daemons: a thread that hangs in a dead disk cannot be ended, and must not keep the process.
        self._threads = (
            threading.Thread(target=self._write_loop, name="writer", daemon=True),
            threading.Thread(target=self._sync_loop, name="sync", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    @property
    def queued_bytes(self) -> int:
        """What waits for this volume."""
        return self._taken_bytes - self._done_bytes

    @property
    def alive(self) -> bool:
        """False when a thread has ended, which none does before `end`."""
        return all(thread.is_alive() for thread in self._threads)

    def slow(self) -> bool:
        """Return whether a call to the disk takes, or lately took, more than SLOW_S."""
        now = time.monotonic()
        for since in self._busy:
            if since and now - since > SLOW_S:
                self._slow_until = now + _STAYS_SLOW_S
        return now < self._slow_until

    def offer(self, recording: RecordingFile) -> None:
        """Create a recording's file: its row is open."""
        self._write_queue.put(recording)

    def append(self, recording: RecordingFile, piece: Piece) -> None:
        """Write a piece."""
        self._taken_bytes += piece.size
        self._write_queue.put((recording, piece))

    def finish(self, recording: RecordingFile) -> None:
        """Close a recording once its pieces are written."""
        self._write_queue.put((recording, None))

    def end(self) -> None:
        """End the threads when everything taken is written, synced and closed; does not wait for it."""
        self._write_queue.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False when the disk does not answer in time."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    # Writer thread.

    def _write_loop(self) -> None:
        while (item := self._write_queue.get()) is not None:
            if isinstance(item, RecordingFile):
                self._create(item)
                continue
            recording, piece = item
            if piece is None:
                recording.finished = True
                if recording.created:
                    self._sync_queue.put(recording)
            elif recording.created:
                self._write(recording, piece)
            else:
                recording.waiting.append(piece)
        self._sync_queue.put(None)

    def _create(self, recording: RecordingFile) -> None:
        self._busy[0] = time.monotonic()
        try:
            recording.create(self._disk, self._reserve_bytes, self._safe_folders.get(recording.camera_folder))
        except WriteFailed as failure:
            self._failed(recording, failure)
        else:
            self.open.add(recording)
        self._not_busy(0)
        waiting, recording.waiting = recording.waiting, []
        for piece in waiting:
            self._write(recording, piece)
        if recording.finished:
            self._sync_queue.put(recording)

    def _write(self, recording: RecordingFile, piece: Piece) -> None:
        if recording.failure is not None:
            recording.dropped = True
        else:
            began = self._busy[0] = time.monotonic()
            try:
                recording.write(self._disk, piece)
            except WriteFailed as failure:
                recording.dropped = True
                self._failed(recording, failure)
            else:
                took = time.monotonic() - began
                counters = self.counters
                counters.writes += 1
                counters.write_seconds += took
                counters.slowest_write_s = max(counters.slowest_write_s, took)
                counters.written_bytes += piece.size
            self._not_busy(0)
        self._done_bytes += piece.size  # no longer waiting, however it ended

    def _not_busy(self, which: int) -> None:
        now = time.monotonic()
        if now - self._busy[which] > SLOW_S:
            self._slow_until = now + _STAYS_SLOW_S
        self._busy[which] = 0.0

    def _failed(self, recording: RecordingFile, failure: WriteFailed) -> None:
        if (held := self._limit.passes("write")) is not None:
            self._log.error(
                "a recording cannot be written", reason=failure.reason.value, words=str(failure), held_back=held
            )
        self._on_failure(recording, failure)

    # Sync thread: it alone closes files, so that it never syncs a descriptor that is another file's by now.

    def _sync_loop(self) -> None:
        pause = min(1.0, self._sync_s / 4)
        next_round = time.monotonic() + pause
        while True:
            if time.monotonic() >= next_round:
                self._sync_dirty(self._sync_s - 2 * pause)
                next_round = time.monotonic() + pause
            try:
                item = self._sync_queue.get(timeout=max(0.0, next_round - time.monotonic()))
            except queue.Empty:
                continue
            if item is None:
                return
            self._close(item)

    def _sync_dirty(self, age_s: float) -> None:
        due = self._monotonic() - age_s
        for recording in list(self.open):
            since = recording.dirty_since
            if since is None or since > due or recording.failure is not None:
                continue
            began = self._busy[1] = time.monotonic()
            try:
                recording.sync(self._disk)
            except WriteFailed as failure:
                self._distrust(failure)
            else:
                self._note_folders(recording)
            self._synced(began)

    def _close(self, recording: RecordingFile) -> None:
        self.open.discard(recording)
        began = self._busy[1] = time.monotonic()
        safe = not recording.sync_failed
        try:
            recording.close(self._disk)
        except WriteFailed as failure:
            self._failed(recording, failure)
            self._distrust(failure)
            safe = False
        else:
            if safe:
                self._note_folders(recording)
            elif recording.failure is not None:
                # Told again: the volume may be used again by now, and this file is still to be read back.
                self._on_failure(recording, recording.failure)
        self._synced(began)
        self._on_closed(recording, safe, _not_written(recording))

    def _distrust(self, failure: WriteFailed) -> None:
        """A sync failed: every open file of the volume is closed, and begun anew where a disk is good."""
        self._safe_folders.clear()
        for recording in list(self.open):
            self._failed(recording, recording.fail(failure))

    def _note_folders(self, recording: RecordingFile) -> None:
        if recording.created and not recording.empty and not recording.folders_to_sync:
            self._safe_folders[recording.camera_folder] = recording.absolute.parent

    def _synced(self, began: float) -> None:
        self.counters.syncs += 1
        self.counters.sync_seconds += time.monotonic() - began
        self._not_busy(1)


def _not_written(recording: RecordingFile) -> Interval | None:
    """Return what the loop believed to be recorded and is not; the recording's end is moved to where it really ends.

    A failure that the loop knew of when it finished the recording is in its account already.
    """
    if not recording.dropped or recording.failure_accounted or recording.failure is None:
        return None
    meant_us = recording.end_us
    written_us = recording.start_us + ticks_to_us(recording.media_end - recording.media_start)
    recording.end_us = min(meant_us, written_us)
    return Interval(recording.end_us, meant_us, recording.failure.reason, str(recording.failure))
