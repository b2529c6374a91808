"""The recorder as a process: recovers, records every camera, follows their changes, ends cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
from collections.abc import Callable

from sqlalchemy.orm import Session

from vonggac.cameras import service as cameras
from vonggac.core import eventlog
from vonggac.core.clock import SystemClock
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import VonggacError
from vonggac.core.role import RoleContext, run_role
from vonggac.video.recorder.fleet import Fleet
from vonggac.video.recorder.live import LiveServer
from vonggac.video.recorder.metrics import RecorderCollector
from vonggac.video.recorder.recovery import make_ready
from vonggac.video.recorder.start import note_switched_off, read_pasts
from vonggac.video.volumes import MountedVolume

_CHANGES_POLL_S = 1.0
"""Cameras change by a person's hand: a look a second is enough, and a recorder's own commits would wake it oftener."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_KEEP_BYTES = 64 << 20


def share_of(name: str, processes: int) -> int:
    """Return which share of the cameras a recorder has: `recorder` the first, `recorder-2` the second.

    A camera belongs to the share (number mod processes). VonggacError when there is no such share: two recorders
    must never write one camera.
    """
    share = int(name.partition("-")[2] or "1") - 1
    if not 0 <= share < processes:
        raise VonggacError(
            f"The settings know {processes} recorder process(es), so {name} has no cameras. "
            "Raise `processes` in the section [recorder] first."
        )
    return share


def run(folder: DataFolder, name: str = "recorder") -> int:
    """Be a recorder until told to stop; returns the exit status."""
    fleet: Fleet | None = None
    share = share_of(name, folder.settings.recorder.processes)

    async def main(context: RoleContext) -> None:
        nonlocal fleet
        _keep_freed_memory()
        # Read before the cameras: a change in between is seen twice rather than never.
        position = await context.database.query(eventlog.latest)
        fleet = await _start(context, share)
        server = LiveServer(folder.socket_path(name), fleet.feed, fleet.wall_us, fleet.sub_stream)
        await server.start()
        await context.appear(server.address)
        # What start-up made stays for ever: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        work = [
            asyncio.create_task(_follow_cameras(context, fleet, share, position)),
            asyncio.create_task(fleet.failed()),
            asyncio.create_task(context.stop.wait()),
        ]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in work[:1]:
                if task.done():
                    task.result()
        finally:
            for task in work:
                task.cancel()
            await server.close()
            await fleet.stop()
        if not context.stop.is_set():
            raise RuntimeError("the recorder cannot go on; its supervisor starts it anew")

    port = folder.settings.metrics.recorder_port
    if port > 0:
        port += share
    return run_role(folder, name, main, metrics_port=port, collectors=[RecorderCollector(lambda: fleet)])


def _keep_freed_memory() -> None:
    """Have glibc keep what pictures free: they are made and freed by the thousand, and fresh pages cost most of it."""
    with contextlib.suppress(OSError, AttributeError):  # another C library: nothing to set
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)


async def _start(context: RoleContext, share: int) -> Fleet:
    database, settings = context.database, context.folder.settings
    sources = await _sources(context, share)
    folders = {source.folder: source.id for source in sources}
    fleet: Fleet | None = None

    def welcome(volume: MountedVolume, again: bool, step: Callable[[], None]) -> None:
        live = fleet.pipeline.live_rows if fleet is not None else tuple
        shares = settings.recorder.processes
        make_ready(database, volume, folders, share, shares, being_written=live, distrust_cache=again, step=step)

    fleet = Fleet(context.name, database, settings, welcome)
    await fleet.start()
    await _set_cameras(context, fleet, share, sources)
    return fleet


async def _set_cameras(context: RoleContext, fleet: Fleet, share: int, sources: list[cameras.CameraSource]) -> None:
    now_us, shares = SystemClock().now_us(), context.folder.settings.recorder.processes
    await context.database.run(note_switched_off, now_us, fleet.known(), share, shares)
    await fleet.set_cameras(sources, await context.database.query(read_pasts, now_us))


async def _sources(context: RoleContext, share: int) -> list[cameras.CameraSource]:
    box = context.folder.secret_box()
    processes = context.folder.settings.recorder.processes

    def read(session: Session) -> list[cameras.CameraSource]:
        return [source for source in cameras.sources(session, box) if source.number % processes == share]

    return await context.database.query(read)


async def _follow_cameras(context: RoleContext, fleet: Fleet, share: int, position: int | None) -> None:
    while True:
        with contextlib.suppress(eventlog.LogPruned):
            changes = eventlog.follow(context.database, ["camera.", "unit."], after=position, poll_s=_CHANGES_POLL_S)
            position = None
            async with contextlib.aclosing(changes) as events:
                async for _ in events:
                    # Whatever it was: the whole list is read again, so that no event can be misread or missed.
                    await asyncio.sleep(0.05)
                    await _set_cameras(context, fleet, share, await _sources(context, share))
