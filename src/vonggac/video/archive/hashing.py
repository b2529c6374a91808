"""SHA-256 of held recordings: taken by the keeper one file at a time, and compared when somebody asks.

A recording gets its hash when it is held and complete; from then on it is evidence: it is never mended, and a file that
no longer fits its hash is a fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.orm import Session

from vonggac.core.clock import Clock
from vonggac.core.database import Database
from vonggac.core.log import RateLimit, get_logger
from vonggac.video.archive import evidence, holds
from vonggac.video.archive.footage import MediaStore, RecordingUnreadable
from vonggac.video.models import Recording, RecordingState
from vonggac.video.volumes import VolumeLost

EVERY_S = 5.0
_FILES = 20
"""In a round at most: the keeper must be able to end."""
_LOOK_THROUGH_NS = 3600 * 1_000_000_000
"""What was found hashed of a hold is looked through again this often: an older file may have been entered since."""
_CHUNK = 1 << 20
_LOWEST = 19
"""Niceness: hashing waits for everything else."""


@dataclass(frozen=True, slots=True)
class Unhashed:
    """A held recording without its hash."""

    hold_id: uuid.UUID
    recording: Recording


class Hashing:
    """Hashes what is held and complete, one file at a time, with a pause as long as each took."""

    def __init__(self, database: Database, clock: Clock, registry: CollectorRegistry) -> None:
        self._database = database
        self._clock = clock
        self._hashed = Counter("vonggac_keeper_hashed_files", "Held recordings hashed.", registry=registry)
        self._limit = RateLimit()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hashing", initializer=_be_nice)
        self._done_until: dict[uuid.UUID, int] = {}
        """Of each hold: the start of the last recording up to which none is without hash, or cannot have one now."""
        self._look_through_ns = 0

    async def round(self) -> None:
        """Hash the next files."""
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._look_through_ns:
            self._done_until.clear()
            self._look_through_ns = now_ns + _LOOK_THROUGH_NS
            await self._database.run(evidence.forget_gone)
        store = await self._database.query(MediaStore.of)
        for _ in range(_FILES):
            found = await self._database.query(next_unhashed, self._done_until)
            if found is None:
                return
            began = time.monotonic()
            await self._hash(store, found)
            self._done_until[found.hold_id] = found.recording.start_us
            await asyncio.sleep(time.monotonic() - began)

    async def _hash(self, store: MediaStore, found: Unhashed) -> None:
        row = found.recording
        try:
            digest, size = await asyncio.get_running_loop().run_in_executor(self._thread, sha256_of, store, row)
        except VolumeLost as fault:
            if (held_back := self._limit.passes("volume")) is not None:
                get_logger().warning("held recordings cannot be hashed", reason=str(fault), held_back=held_back)
            return
        except RecordingUnreadable as fault:
            await self._database.run(evidence.damaged, row, str(fault))
            return
        if size != row.size:
            await self._database.run(
                evidence.damaged, row, f"the file {row.path} has {size} bytes in place of {row.size}"
            )
            return
        if await self._database.run(_keep, row, digest):
            self._hashed.inc()


def next_unhashed(session: Session, done_until: dict[uuid.UUID, int]) -> Unhashed | None:
    """Return the next recording that is held, complete and without hash; the oldest hold's first, in order of time.

    `done_until`: what need not be looked through again, by the key of a hold.
    """
    for hold in holds.list_holds(session):
        query = sa.select(Recording).where(
            holds.overlaps(hold.camera_id, (hold.from_us, hold.to_us)),
            Recording.state != int(RecordingState.OPEN),
            Recording.sha256.is_(None),
        )
        if (since_us := done_until.get(hold.id)) is not None:
            query = query.where(Recording.start_us > since_us)
        row = session.scalars(query.order_by(Recording.start_us).limit(1)).first()
        if row is not None:
            return Unhashed(hold.id, row)
    return None


def sha256_of(
    store: MediaStore, recording: Recording, told: Callable[[int], object] = lambda _size: None
) -> tuple[bytes, int]:
    """Return the SHA-256 of a recording's file and the bytes in it; VolumeLost or RecordingUnreadable.

    `told` hears of every helping read. Blocking.
    """
    digest, size = hashlib.sha256(), 0
    with store.open(recording) as file:
        try:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                told(len(chunk))
            _forget_pages(file)
        except OSError as error:
            raise RecordingUnreadable(f"The file {recording.path} cannot be read: {error.strerror}.") from error
    return digest.digest(), size


def fault_in(store: MediaStore, recording: Recording) -> str:
    """Return in plain words why a hashed recording's file is not what was hashed; empty when it is. VolumeLost."""
    try:
        digest, _ = sha256_of(store, recording)
    except RecordingUnreadable as fault:
        return str(fault)
    return "" if digest == recording.sha256 else f"the file {recording.path} does not fit the SHA-256 taken of it"


def _keep(session: Session, recording: Recording, digest: bytes) -> bool:
    kept = session.execute(
        sa.update(Recording)
        .where(
            Recording.id == recording.id,
            Recording.state != int(RecordingState.OPEN),
            Recording.size == recording.size,
            Recording.sha256.is_(None),
        )
        .values(sha256=digest)
    )
    evidence.intact(session, recording)
    return bool(getattr(kept, "rowcount", 0))


def _be_nice() -> None:
    # On Linux a thread has a niceness of its own, and the calling one is number 0.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _LOWEST)


def _forget_pages(file: BinaryIO) -> None:
    # What was read once for its hash is not read again soon: pages that players need stay in memory instead.
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
