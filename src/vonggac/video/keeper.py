"""The role `keeper`: clocked work that must not wait in a request nor disturb a recorder.

Every job is a module of its own, says how often it is done, and holds the database for no more than a slice; a failure
of one does not stop the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy.exc import OperationalError

from vonggac.core.clock import SystemClock
from vonggac.core.datafolder import DataFolder
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.role import RoleContext, run_role
from vonggac.video import still_taking, tidying
from vonggac.video.account import figures
from vonggac.video.account.figures import AccountFigures
from vonggac.video.activity import camera_events
from vonggac.video.activity.camera_events import CameraEvents
from vonggac.video.archive import hashing, reconciling
from vonggac.video.archive.hashing import Hashing
from vonggac.video.archive.reconciling import Reconciling
from vonggac.video.clips import making
from vonggac.video.clips.making import ClipMaking
from vonggac.video.retention import clearing
from vonggac.video.retention.clearing import Clearing
from vonggac.video.still_taking import StillTaker
from vonggac.video.tidying import Tidying

BACK_OFF_MOST_S = 60.0


def run(folder: DataFolder, name: str) -> int:
    """Be the role until it is told to stop; returns the exit status."""
    return run_role(folder, name, serve, metrics_port=folder.settings.metrics.keeper_port)


async def serve(context: RoleContext) -> None:
    """Do the keeper's jobs until `context.stop` is set."""
    database, registry, clock = context.database, context.registry, SystemClock()
    storage = context.folder.settings.storage
    account = AccountFigures(database, clock, ZoneInfo(context.folder.settings.centre.zone))
    registry.register(account)
    events = CameraEvents(database, clock, context.folder.secret_box(), registry)
    clips = ClipMaking(database, context.folder.clips_path, context.folder.settings, clock, registry)
    jobs = (
        _Job("clearing", Clearing(database, storage, clock, registry).round, clearing.EVERY_S),
        _Job("stills", StillTaker(database, clock, registry).round, still_taking.EVERY_S),
        _Job("clips", clips.round, making.EVERY_S),
        _Job("hashing", Hashing(database, clock, registry).round, hashing.EVERY_S),
        _Job("reconciling", Reconciling(database, clock).round, reconciling.EVERY_S),
        _Job("tidying", Tidying(database, clock, registry).round, tidying.EVERY_S),
        _Job("account", account.round, figures.EVERY_S),
        _Job("events", events.round, camera_events.EVERY_S),
    )
    await context.appear()
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(_repeat(job, context.stop), name=job.name)
    finally:
        await events.close()


@dataclass(frozen=True, slots=True)
class _Job:
    name: str
    round: Callable[[], Awaitable[None]]
    every_s: float


async def _repeat(job: _Job, stop: asyncio.Event) -> None:
    limit = RateLimit()
    failures = 0
    while not stop.is_set():
        try:
            await job.round()
            failures = 0
            wait_s = job.every_s
        except OperationalError as error:
            failures += 1
            wait_s = min(job.every_s * 2**failures, BACK_OFF_MOST_S)
            if (held_back := limit.passes(job.name)) is not None:
                reason = " ".join(str(error.orig).split())
                get_logger().warning(
                    "A job of the keeper waits for the database", job=job.name, reason=reason, held_back=held_back
                )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s * random.uniform(0.9, 1.1)):  # noqa: S311 (jitter)
                await stop.wait()
