"""The keeper's job that makes clips: one at a time, gently, and never at the cost of recording.

A round does a few seconds of work, so that the keeper can end at any time. A keeper that was killed begins the clip
anew: what lay under a temporary name is removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import shutil
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.orm import Session

from vonggac.core.clock import Clock
from vonggac.core.database import Database
from vonggac.core.i18n import N_
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.settings import Settings
from vonggac.video.archive import footage
from vonggac.video.archive.footage import MediaStore, RecordingUnreadable, Selection
from vonggac.video.clips import service
from vonggac.video.clips.models import Clip, ClipState
from vonggac.video.clips.writing import ClipWriter, FootageUnreadable, missing, plan
from vonggac.video.index import Interval
from vonggac.video.mp4 import ClipPlan, ClipRefused, RecordingDamaged
from vonggac.video.volumes import VolumeLost

T = TypeVar("T")

EVERY_S = 1.0
SLICE_S = 2.0
"""For so long a round writes; then it says how far it is."""
SPARE_BYTES = 64 << 20
"""Left free above the reserve of recording: the recorder and we look at the same space."""
SWEEP_EVERY_NS = 600 * 1_000_000_000
_LOWEST = 19
"""Niceness: a clip waits for everything else."""

NOTHING_READABLE = N_("Nothing of this interval can be read: its recordings, or the disk they are on, are not there.")
UNREADABLE = N_("A recording of this interval cannot be read. Tell the administrator of the centre.")
NO_ROOM = N_("There is no room for the clip on the disk of the centre. Copy less, or try later.")
TOO_MUCH = N_("All clips together would take too much room. Delete one, or copy less.")
NOT_WRITTEN = N_("The clip could not be written. Tell the administrator of the centre.")

_OURS = re.compile(r"[0-9a-f]{32}\.(mp4|part)")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _GivenUp(Exception):
    """A clip that cannot be made. `failure` is the text of the catalog, `reason` says more, in English."""

    def __init__(self, failure: str, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure
        self.reason = reason


@dataclass(slots=True)
class _Work:
    """The clip being made."""

    clip_id: uuid.UUID
    writer: ClipWriter
    gaps: list[Interval]


class ClipMaking:
    """Makes the clips that people asked for, the longest waiting first, and deletes those whose time is over."""

    def __init__(
        self, database: Database, folder: Path, settings: Settings, clock: Clock, registry: CollectorRegistry
    ) -> None:
        """`folder`: where the clips lie; made when the first one is written."""
        self._database = database
        self._folder = folder
        self._reserve = settings.storage.reserve_mb * 1_000_000 + SPARE_BYTES
        self._most_bytes = int(settings.clips.max_gb * 1e9)
        self._clock = clock
        self._made = Counter("vonggac_keeper_clips", "Clips made.", registry=registry)
        self._failed = Counter("vonggac_keeper_clips_failed", "Clips that could not be made.", registry=registry)
        self._bytes = Counter("vonggac_keeper_clip_bytes", "Bytes of clips written.", registry=registry)
        self._limit = RateLimit()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clips", initializer=_be_nice)
        self._work: _Work | None = None
        self._sweep_ns = 0

    async def round(self) -> None:
        """Go on with the clip being made, or begin the next, for a few seconds."""
        now_us = self._clock.now_us()
        due = await self._database.query(service.due, now_us)
        if due.working and self._work is None:
            # The keeper that made it was killed, or the database was away when it should be said that it failed.
            for clip in await self._database.run(service.take_up_again):
                self._say_failed(clip.id, "it was interrupted again and again")
            due = await self._database.query(service.due, now_us)
        if due.over:
            await self._database.run(service.expire, now_us)
            self._sweep_ns = 0
        if self._clock.monotonic_ns() >= self._sweep_ns:
            await self._sweep()
            self._sweep_ns = self._clock.monotonic_ns() + SWEEP_EVERY_NS
        if self._work is None and due.waits:
            await self._begin_next()
        if self._work is not None:
            await self._go_on(self._work)

    async def _begin_next(self) -> None:
        clip = await self._database.run(service.begin_next)
        if clip is None:
            return
        try:
            self._work = await self._prepare(clip)
        except _GivenUp as why:
            await self._give_up(clip.id, why)

    async def _prepare(self, clip: Clip) -> _Work:
        try:
            store, selection = await self._database.query(_select, clip, self._clock.now_us())
        except OSError as error:
            raise _GivenUp(UNREADABLE, str(error.strerror)) from error
        if not selection.stretches:
            raise _GivenUp(NOTHING_READABLE, "; ".join(gap.detail for gap in selection.gaps if gap.detail))
        planned = await self._on_thread(plan, store, selection)
        if not await self._database.run(service.planned, clip.id, planned.report, self._most_bytes):
            raise _GivenUp(TOO_MUCH, f"{planned.report.size} bytes")
        writer = await self._on_thread(self._open, clip.id, planned)
        return _Work(clip.id, writer, missing(planned, selection))

    async def _go_on(self, work: _Work) -> None:
        before = work.writer.written
        try:
            await self._on_thread(self._write, work.writer)
            if work.writer.whole:
                await self._on_thread(work.writer.finish)
                if await self._database.run(service.finish, work.clip_id, work.writer.sha256, work.gaps):
                    self._made.inc()
                    get_logger().info("A clip is ready", clip=work.clip_id.hex, bytes=work.writer.size)
                await self._end(work)
            elif not await self._database.run(service.progress, work.clip_id, work.writer.written):
                await self._end(work)  # deleted by whoever asked for it
        except _GivenUp as why:
            await self._end(work)
            await self._give_up(work.clip_id, why)
        finally:
            self._bytes.inc(work.writer.written - before)

    async def _end(self, work: _Work) -> None:
        self._work = None
        await self._on_thread(work.writer.close)
        self._sweep_ns = 0

    async def _give_up(self, clip_id: uuid.UUID, why: _GivenUp) -> None:
        await self._database.run(service.fail, clip_id, why.failure)
        self._say_failed(clip_id, why.reason)

    def _say_failed(self, clip_id: uuid.UUID, reason: str) -> None:
        self._failed.inc()
        if (held_back := self._limit.passes("failed")) is not None:
            get_logger().warning("A clip could not be made", clip=clip_id.hex, reason=reason, held_back=held_back)

    async def _on_thread(self, work: Callable[..., T], *args: object) -> T:
        """Do what reads recordings and writes files; _GivenUp for whatever stands in the way."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        except ClipRefused as error:
            raise _GivenUp(str(error), str(error)) from error
        except (FootageUnreadable, RecordingDamaged, RecordingUnreadable, VolumeLost) as error:
            raise _GivenUp(UNREADABLE, str(error)) from error
        except OSError as error:
            full = error.errno in _FULL
            raise _GivenUp(NO_ROOM if full else NOT_WRITTEN, f"{self._folder}: {error.strerror}") from error

    # On the thread.

    def _open(self, clip_id: uuid.UUID, planned: ClipPlan) -> ClipWriter:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._refuse_without_room(planned.report.size)
        return ClipWriter(planned, clip_path(self._folder, clip_id), self._folder / f"{clip_id.hex}.part")

    def _write(self, writer: ClipWriter) -> None:
        self._refuse_without_room(0)
        writer.go_on_gently(SLICE_S)

    def _refuse_without_room(self, size: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < size + self._reserve:
            raise OSError(
                errno.ENOSPC, f"{size} bytes are needed, {free} are free, {self._reserve} stay so for recording"
            )

    # The folder.

    async def _sweep(self) -> None:
        """Remove what belongs to no clip, and say so of a clip whose file is gone."""
        clips = await self._database.query(service.known)
        keep = set() if self._work is None else {f"{self._work.clip_id.hex}.part"}
        ready = {f"{clip_id.hex}.mp4": clip_id for clip_id, state in clips.items() if state is ClipState.READY}
        try:
            there = await self._on_thread(_files, self._folder)
            await self._on_thread(_remove, self._folder, there - ready.keys() - keep)
        except _GivenUp as why:
            if (held_back := self._limit.passes("sweep")) is not None:
                get_logger().warning("The folder of clips cannot be cleared", reason=why.reason, held_back=held_back)
            return
        for name in ready.keys() - there:
            await self._database.run(service.fail, ready[name], service.FILE_GONE)


def clip_path(folder: Path, clip_id: uuid.UUID) -> Path:
    """Return where the file of a clip lies."""
    return folder / f"{clip_id.hex}.mp4"


def _select(session: Session, clip: Clip, now_us: int) -> tuple[MediaStore, Selection]:
    store = MediaStore.of(session)
    return store, footage.select(session, store, clip.camera_id, clip.from_us, clip.to_us, now_us, readable=True)


def _files(folder: Path) -> set[str]:
    """Return the files that are ours by their names: what else lies there is left alone."""
    try:
        return {entry.name for entry in folder.iterdir() if _OURS.fullmatch(entry.name)}
    except FileNotFoundError:
        return set()


def _remove(folder: Path, names: set[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _be_nice() -> None:
    # On Linux a thread has a niceness of its own, and the calling one is number 0.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _LOWEST)
