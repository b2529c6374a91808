"""From pieces to disk: three threads, so that neither a slow disk nor a busy database stops the reading of cameras.

    event loop ──begin──▶ index thread ──row is open──▶ writer thread ──▶ sync thread ──▶ index thread
               ──append, finish─────────────────────▶ writer thread      (sync, close)   (row is complete)

The order makes a crash harmless: the row is opened before the file (no file without a row), and completed after the
file is synced (no row that promises more than the disk holds). What waits is bounded: `append` refuses above the limit.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy.exc
from sqlalchemy.orm import Session

from vonggac.core.backoff import BackOff
from vonggac.core.database import Database
from vonggac.core.log import RateLimit, get_logger
from vonggac.video import index
from vonggac.video.recorder.account import IndexChange
from vonggac.video.recorder.disk import Disk, SystemDisk
from vonggac.video.recorder.groups import Piece
from vonggac.video.recorder.recording_file import RecordingFile, WriteFailed

_BATCH = 200
"""Index changes in one transaction at most: keeps it below 10 ms."""
_FLUSH_TIMEOUT_S = 60
_RETRY_FIRST_S, _RETRY_LAST_S = 0.5, 5.0


@dataclass(slots=True)
class PipelineCounters:
    """What the threads have done, for the metrics. Each field is written by one thread only."""

    written_bytes: int = 0
    writes: int = 0
    write_seconds: float = 0.0
    slowest_write_s: float = 0.0
    syncs: int = 0
    sync_seconds: float = 0.0
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
    ) -> None:
        """`on_failure` is called on a thread; it must hand over to the loop by itself."""
        self.counters = PipelineCounters()
        self._database = database
        self._queue_bytes = queue_bytes
        self._sync_s = sync_s
        self._reserve_bytes = reserve_bytes
        self._on_failure = on_failure
        self._disk = disk or SystemDisk()
        self._index_queue: queue.SimpleQueue[IndexChange | RecordingFile | None] = queue.SimpleQueue()
        self._write_queue: queue.SimpleQueue[tuple[RecordingFile, Piece | None] | RecordingFile | None] = (
            queue.SimpleQueue()
        )
        self._sync_queue: queue.SimpleQueue[RecordingFile | None] = queue.SimpleQueue()
        self._open: set[RecordingFile] = set()
        self._log = get_logger()
        self._limit = RateLimit()
        self._abandon = threading.Event()
        self._taken_bytes = 0
        self._done_bytes = 0
        self._index_thread = threading.Thread(target=self._index_loop, name="index")
        self._write_thread = threading.Thread(target=self._write_loop, name="writer")
        self._sync_thread = threading.Thread(target=self._sync_loop, name="sync")

    # What the event loop calls. Only `stop` waits.

    def start(self) -> None:
        """Start the threads."""
        for thread in (self._index_thread, self._write_thread, self._sync_thread):
            thread.start()

    def stop(self) -> None:
        """Bring everything that was taken to disk and index, then end the threads. Waits: call it off the loop."""
        self.flush_index()  # files wait for their rows
        self._write_queue.put(None)
        self._write_thread.join()
        self._sync_queue.put(None)
        self._sync_thread.join()
        self.flush_index()
        self._abandon.set()
        self._index_queue.put(None)
        self._index_thread.join()

    def flush_index(self) -> bool:
        """Wait until everything asked of the index so far is committed; False when the database does not answer."""
        done = threading.Event()
        self._index_queue.put(lambda _session: None)
        self._index_queue.put(_Committed(done))
        return done.wait(_FLUSH_TIMEOUT_S)

    @property
    def queued_bytes(self) -> int:
        """What waits for the disk."""
        return self._taken_bytes - self._done_bytes

    @property
    def open_files(self) -> int:
        """Recordings being written."""
        return len(self._open)

    @property
    def index_backlog(self) -> int:
        """Changes that wait for the database."""
        return self._index_queue.qsize()

    def change(self, work: IndexChange) -> None:
        """Have `work` done in the index, after everything that was asked for before it."""
        self._index_queue.put(work)

    def begin(self, recording: RecordingFile) -> None:
        """Open a recording: its row, then its file."""
        self._index_queue.put(recording)

    def append(self, recording: RecordingFile, piece: Piece) -> bool:
        """Write a piece to a recording; False when too much waits already and the piece is not taken."""
        if self.queued_bytes + piece.size > self._queue_bytes:
            return False
        self._taken_bytes += piece.size
        self._write_queue.put((recording, piece))
        return True

    def finish(self, recording: RecordingFile, start_us: int, end_us: int, gap_ends: IndexChange | None = None) -> None:
        """Close a recording once all its pieces are written; the times are what its arrivals said in the end.

        `gap_ends` is made in the transaction that notes the times.
        """
        recording.start_us = start_us
        recording.end_us = end_us
        recording.gap_ends = gap_ends
        self._write_queue.put((recording, None))

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
                # Nothing is dropped here: files wait for their rows, and the limit of the write queue bounds that.
                if (held := self._limit.passes("index")) is not None:
                    self._log.error(
                        "the index cannot be written", error=str(error.orig), waiting=len(batch), held_back=held
                    )
                if self._abandon.wait(back_off.next()):
                    return
        self.counters.commits += 1
        self.counters.commit_seconds += time.monotonic() - began
        for item in batch:
            if isinstance(item, RecordingFile):
                self._write_queue.put(item)
            elif isinstance(item, _Committed):
                item.done.set()

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

    def _create(self, recording: RecordingFile) -> None:
        try:
            recording.create(self._disk, self._reserve_bytes)
        except WriteFailed as failure:
            self._failed(recording, failure)
        else:
            self._open.add(recording)
        waiting, recording.waiting = recording.waiting, []
        for piece in waiting:
            self._write(recording, piece)
        if recording.finished:
            self._sync_queue.put(recording)

    def _write(self, recording: RecordingFile, piece: Piece) -> None:
        if not recording.failed:
            began = time.monotonic()
            try:
                recording.write(self._disk, piece)
            except WriteFailed as failure:
                self._failed(recording, failure)
            else:
                took = time.monotonic() - began
                counters = self.counters
                counters.writes += 1
                counters.write_seconds += took
                counters.slowest_write_s = max(counters.slowest_write_s, took)
                counters.written_bytes += piece.size
        self._done_bytes += piece.size  # no longer waiting, however it ended

    def _failed(self, recording: RecordingFile, failure: WriteFailed) -> None:
        if (held := self._limit.passes(("write", recording.volume.id))) is not None:
            self._log.error(
                "a recording cannot be written", reason=failure.reason.value, words=str(failure), held_back=held
            )
        self._on_failure(recording, failure)

    # Sync thread: it alone closes files, so that it never syncs a descriptor that is another file's by now.

    def _sync_loop(self) -> None:
        pause = min(1.0, self._sync_s / 4)
        next_round = time.monotonic() + pause
        while True:
            try:
                item = self._sync_queue.get(timeout=max(0.0, next_round - time.monotonic()))
            except queue.Empty:
                self._sync_dirty(self._sync_s - 2 * pause)
                next_round = time.monotonic() + pause
                continue
            if item is None:
                return
            self._complete(item)

    def _sync_dirty(self, age_s: float) -> None:
        due = time.monotonic() - age_s
        for recording in list(self._open):
            since = recording.dirty_since
            if since is None or since > due or recording.failed:
                continue
            began = time.monotonic()
            try:
                recording.sync(self._disk)
            except WriteFailed as failure:
                self._failed(recording, failure)
            self.counters.syncs += 1
            self.counters.sync_seconds += time.monotonic() - began

    def _complete(self, recording: RecordingFile) -> None:
        self._open.discard(recording)
        began = time.monotonic()
        safe = True
        try:
            recording.close(self._disk)
        except WriteFailed as failure:
            self._failed(recording, failure)
            safe = False
        self.counters.syncs += 1
        self.counters.sync_seconds += time.monotonic() - began
        self._index_queue.put(lambda session: _conclude(session, recording, safe))


@dataclass(frozen=True, slots=True)
class _Committed:
    """Asks to be told when the transaction that it stands in is committed."""

    done: threading.Event

    def __call__(self, session: Session) -> None:
        """Change nothing."""


def _conclude(session: Session, recording: RecordingFile, safe: bool) -> None:
    if recording.gap_ends is not None:
        recording.gap_ends(session)
    if recording.empty:
        index.forget_recording(session, recording.id)
    elif safe:
        index.complete_recording(session, recording.completed())
    else:  # A file that could not be synced keeps its open row: start-up reads it and believes what it finds.
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
