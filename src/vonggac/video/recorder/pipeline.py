"""From pieces to disk, on threads, so that neither a slow disk nor a busy database stops the reading of cameras.

    event loop ──begin──▶ index thread ──row is open──▶ writer thread ──▶ sync thread ──▶ index thread
               ──append, finish─────────────────────▶ of the volume      of the volume   (row is complete)

The order makes a crash harmless: the row is opened before the file (no file without a row), and completed after the
file is synced (no row that promises more than the disk holds). What waits is bounded: `append` refuses above the limit.
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy.exc
from sqlalchemy.orm import Session

from vonggac.core.backoff import BackOff
from vonggac.core.database import Database
from vonggac.core.log import RateLimit, get_logger
from vonggac.video import index
from vonggac.video.index import Interval
from vonggac.video.recorder.account import IndexChange
from vonggac.video.recorder.disk import Disk, SystemDisk
from vonggac.video.recorder.groups import Piece
from vonggac.video.recorder.recording_file import RecordingFile, WriteFailed
from vonggac.video.recorder.volume_writer import VolumeWriter
from vonggac.video.volumes import MountedVolume

_BATCH = 200
"""Index changes in one transaction at most: keeps it below 10 ms."""
STOP_S = 10.0
"""Ending takes no longer, whatever hangs: the supervisor kills a role after 20 s."""
_FLUSH_TIMEOUT_S = 60.0
_RETRY_FIRST_S, _RETRY_LAST_S = 0.5, 5.0


@dataclass(slots=True)
class IndexCounters:
    """What the index thread has done, for the metrics."""

    commits: int = 0
    commit_seconds: float = 0.0


class RecordingPipeline:
    """Takes recordings from the event loop and brings them safely to disk and index."""

    def __init__(
        self,
        database: Database,
        *,
        queue_bytes: int,
        sync_s: float,
        reserve_bytes: int,
        on_failure: Callable[[RecordingFile, WriteFailed], None],
        disk: Disk | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_failure` is called on a thread; it must hand over to the loop by itself."""
        self.counters = IndexCounters()
        self.disk = disk or SystemDisk()
        self.writers: dict[uuid.UUID, VolumeWriter] = {}
        self._database = database
        self._queue_bytes = queue_bytes
        self._sync_s = sync_s
        self._reserve_bytes = reserve_bytes
        self._on_failure = on_failure
        self._monotonic = monotonic
        self._index_queue: queue.SimpleQueue[IndexChange | RecordingFile | None] = queue.SimpleQueue()
        self._live: set[RecordingFile] = set()
        self._log = get_logger()
        self._limit = RateLimit()
        self._abandon = threading.Event()
        self.index_waits = False
        """True while the database does not take what it is given."""
        self._index_thread = threading.Thread(target=self._index_loop, name="index", daemon=True)

    # What the event loop calls. Only `stop` waits.

    def start(self) -> None:
        """Start the index thread; those of a volume start with its first recording."""
        self._index_thread.start()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Bring everything that was taken to disk and index, then end the threads. Waits: call it off the loop.

        What a disk or the database does not take in time is left: open rows are finished when the volume is back.
        """
        deadline = time.monotonic() + timeout_s
        self.flush_index(timeout_s / 2)  # files wait for their rows
        for writer in self.writers.values():
            writer.end()
        for writer in self.writers.values():
            if not writer.join(deadline - 1 - time.monotonic()):
                self._log.error(
                    "a disk does not answer: its recordings are finished when it is back",
                    volume=str(writer.volume.path),
                    waiting_bytes=writer.queued_bytes,
                )
        self.flush_index(max(1.0, deadline - time.monotonic()))
        self._abandon.set()
        self._index_queue.put(None)
        self._index_thread.join(1.0)

    def flush_index(self, timeout_s: float = _FLUSH_TIMEOUT_S) -> bool:
        """Wait until everything asked of the index so far is committed; False when the database does not answer."""
        done = threading.Event()
        self._index_queue.put(_Committed(done))
        return done.wait(timeout_s)

    @property
    def alive(self) -> bool:
        """False when one of its threads has died of an error."""
        return self._index_thread.is_alive() and all(writer.alive for writer in self.writers.values())

    @property
    def queued_bytes(self) -> int:
        """What waits for the disks."""
        return sum(writer.queued_bytes for writer in self.writers.values())

    @property
    def open_files(self) -> int:
        """Recordings being written."""
        return sum(len(writer.open) for writer in self.writers.values())

    @property
    def index_backlog(self) -> int:
        """Changes that wait for the database."""
        return self._index_queue.qsize()

    def live_rows(self) -> set[int]:
        """Return the rows of every recording that is on its way. Safe to call from another thread."""
        return {recording.id for recording in list(self._live)}

    def slow(self, volume_id: uuid.UUID) -> bool:
        """Return whether a volume takes long for what it is asked."""
        writer = self.writers.get(volume_id)
        return writer is not None and writer.slow()

    def change(self, work: IndexChange) -> None:
        """Have `work` done in the index, after everything that was asked for before it."""
        self._index_queue.put(work)

    def has_room(self, volume: MountedVolume) -> bool:
        """Return whether a new recording is worth beginning: there is room for more than the next group or two."""
        return self._room(self._writer(volume)) >= self._queue_bytes // 8

    def begin(self, recording: RecordingFile) -> None:
        """Open a recording: its row, then its file."""
        self._live.add(recording)
        self._writer(recording.volume)
        self._index_queue.put(recording)

    def append(self, recording: RecordingFile, piece: Piece) -> bool:
        """Write a piece to a recording; False when too much waits already and the piece is not taken."""
        writer = self._writer(recording.volume)
        if piece.size > self._room(writer):
            return False
        writer.append(recording, piece)
        return True

    def finish(self, recording: RecordingFile, start_us: int, end_us: int, gap_ends: IndexChange | None = None) -> None:
        """Close a recording once all its pieces are written; the times are what its arrivals said in the end.

        `gap_ends` is made in the transaction that notes the times.
        """
        recording.start_us = start_us
        recording.end_us = end_us
        recording.gap_ends = gap_ends
        self._writer(recording.volume).finish(recording)

    def _room(self, writer: VolumeWriter) -> int:
        """Return how many bytes more may wait for a volume.

        Half of the limit is shared out evenly among the volumes, half is whose need it is: a stalled disk can fill the
        common half, and never what the others need.
        """
        own = self._queue_bytes // 2 // len(self.writers)
        common = self._queue_bytes - own * len(self.writers)
        others = sum(max(0, one.queued_bytes - own) for one in self.writers.values() if one is not writer)
        return own + max(0, common - others) - writer.queued_bytes

    def _writer(self, volume: MountedVolume) -> VolumeWriter:
        writer = self.writers.get(volume.id)
        if writer is None:
            writer = VolumeWriter(
                volume,
                self.disk,
                sync_s=self._sync_s,
                reserve_bytes=self._reserve_bytes,
                on_failure=self._on_failure,
                on_closed=self._closed,
                monotonic=self._monotonic,
            )
            # Replaced, not changed: other threads go through it.
            self.writers = {**self.writers, volume.id: writer}
        return writer

    # Index thread.

    def _index_loop(self) -> None:
        ending = False
        while not ending:
            batch: list[IndexChange | RecordingFile] = []
            item = self._index_queue.get()
            while item is not None:
                batch.append(item)
                if len(batch) == _BATCH:
                    break
                try:
                    item = self._index_queue.get_nowait()
                except queue.Empty:
                    break
            ending = item is None
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[IndexChange | RecordingFile]) -> None:
        back_off = BackOff(_RETRY_FIRST_S, _RETRY_LAST_S)
        while True:
            began = time.monotonic()
            try:
                with self._database.write() as session:
                    _apply(session, batch)
                break
            except sqlalchemy.exc.OperationalError as error:
                self.index_waits = True
                # Nothing is dropped here: files wait for their rows, and the limit of the write queue bounds that.
                if (held := self._limit.passes("index")) is not None:
                    self._log.error(
                        "the index cannot be written", error=str(error.orig), waiting=len(batch), held_back=held
                    )
                if self._abandon.wait(back_off.next()):
                    return
        self.index_waits = False
        self.counters.commits += 1
        self.counters.commit_seconds += time.monotonic() - began
        for item in batch:
            if isinstance(item, RecordingFile):
                self.writers[item.volume.id].offer(item)
            elif isinstance(item, _Conclusion):
                self._live.discard(item.recording)
            elif isinstance(item, _Committed):
                item.done.set()

    # Threads of the volumes.

    def _closed(self, recording: RecordingFile, safe: bool, missing: Interval | None) -> None:
        self._index_queue.put(_Conclusion(recording, safe, missing))


@dataclass(frozen=True, slots=True)
class _Committed:
    """Asks to be told when the transaction that it stands in is committed."""

    done: threading.Event

    def __call__(self, session: Session) -> None:
        """Change nothing."""


@dataclass(frozen=True, slots=True)
class _Conclusion:
    """Notes what became of a recording."""

    recording: RecordingFile
    safe: bool
    missing: Interval | None

    def __call__(self, session: Session) -> None:
        """Complete its row, or forget it."""
        recording = self.recording
        if recording.gap_ends is not None:
            recording.gap_ends(session)
        if self.missing is not None:
            index.add_gap(session, recording.camera_id, self.missing)
        if recording.empty:
            index.forget_recording(session, recording.id)
        elif self.safe:
            index.complete_recording(session, recording.completed())
        else:  # It keeps its open row: whoever finishes it reads the file and believes what is found.
            index.correct_start(session, recording.id, recording.start_us)


def _apply(session: Session, batch: list[IndexChange | RecordingFile]) -> None:
    opened: list[RecordingFile] = []
    for item in [*batch, None]:
        if isinstance(item, RecordingFile):
            if item.name_may_be_taken:
                item.path = index.free_path(session, item.row(), {other.path for other in opened})
            opened.append(item)
            continue
        if opened:
            rows = index.open_recordings(session, [recording.row() for recording in opened])
            for recording, row_id in zip(opened, rows, strict=True):
                recording.id = row_id
            opened = []
        if item is not None:
            item(session)
