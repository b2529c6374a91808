"""The role `keeper`: clocked work that must not wait in a request nor disturb a recorder.

Now: stills while somebody looks, the end of old events and sessions, the comparison of archive and index, the month's
account for the metrics. Every job
says how it waits, none holds the database for more than a slice, and a failure of one does not stop the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.exc import OperationalError

from vonggac.core import eventlog
from vonggac.core.clock import Clock, SystemClock, utc
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.role import RoleContext, run_role
from vonggac.org import accounts
from vonggac.video import account_figures, reconciling, stills
from vonggac.video.account_figures import AccountFigures
from vonggac.video.live_client import KeyFrame, LiveError, latest_key_frame
from vonggac.video.reconciling import Reconciling
from vonggac.video.stills import StillError, WantedStill

EVENTS_KEPT = timedelta(days=30)
LOOK_EVERY_S = 2.0
"""How often it is looked whether somebody wants stills."""
FETCHES_AT_ONCE = 4
ROUND = 32
"""Stills stored in one transaction: some hundred kilobytes."""
FETCH_TIMEOUT_S = 5.0
TIDY_EVERY_S = 3600.0
SLICE = 500
SLICE_PAUSE_S = 0.2
BACK_OFF_MOST_S = 60.0

Fetch = Callable[[str, uuid.UUID, float], Awaitable[KeyFrame | None]]


def run(folder: DataFolder, name: str) -> int:
    """Be the role until it is told to stop; returns the exit status."""
    return run_role(folder, name, serve, metrics_port=folder.settings.metrics.keeper_port)


async def serve(context: RoleContext) -> None:
    """Do the keeper's jobs until `context.stop` is set."""
    figures = Figures(context.registry)
    account = AccountFigures(context.database, SystemClock(), ZoneInfo(context.folder.settings.centre.zone))
    context.registry.register(account)
    jobs = (
        _Job("account", account.round, account_figures.EVERY_S),
        _Job("stills", StillTaker(context.database, SystemClock(), figures).round, LOOK_EVERY_S),
        _Job("tidying", Tidying(context.database, SystemClock(), figures).round, TIDY_EVERY_S),
        _Job("reconciling", Reconciling(context.database, SystemClock()).round, reconciling.EVERY_S),
    )
    await context.appear()
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(_repeat(job, context.stop), name=job.name)


class Figures:
    """What the keeper counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.taken = Counter("vonggac_keeper_stills", "Stills decoded.", registry=registry)
        self.failed = Counter(
            "vonggac_keeper_stills_failed", "Stills that could not be had.", ["reason"], registry=registry
        )
        self.tidied = Counter("vonggac_keeper_tidied_rows", "Old rows deleted.", ["table"], registry=registry)


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


class StillTaker:
    """Takes the stills that somebody wants: at most one of a camera in ten seconds, also of one that fails."""

    def __init__(self, database: Database, clock: Clock, figures: Figures, fetch: Fetch = latest_key_frame) -> None:
        self._database = database
        self._clock = clock
        self._figures = figures
        self._fetch = fetch
        self._tried: dict[uuid.UUID, int] = {}
        """When each camera was last asked for, while it is wanted."""
        self._fetching = asyncio.Semaphore(FETCHES_AT_ONCE)
        # One thread: recording comes first, and each thread that decodes keeps memory of its own.
        self._decoding = ThreadPoolExecutor(1, thread_name_prefix="decoding")
        self._limit = RateLimit()

    async def round(self) -> None:
        """Take every still that is wanted and due."""
        now_us = self._clock.now_us()
        wanted = await self._database.query(stills.wanted, now_us)
        recently = now_us - stills.EVERY_US
        # Forgetting what was tried long ago bounds the memory by the cameras that somebody looks at.
        self._tried = {camera_id: at for camera_id, at in self._tried.items() if recently < at <= now_us}
        due = [one for one in wanted if one.camera_id not in self._tried]
        for start in range(0, len(due), ROUND):
            part = due[start : start + ROUND]
            for one in part:
                self._tried[one.camera_id] = now_us
            taken = [one for one in await asyncio.gather(*map(self._take, part)) if one is not None]
            if taken:
                await self._database.run(stills.keep, taken)
                self._figures.taken.inc(len(taken))

    async def _take(self, wanted: WantedStill) -> tuple[uuid.UUID, int, bytes] | None:
        try:
            async with self._fetching:
                frame = await self._fetch(wanted.address, wanted.camera_id, FETCH_TIMEOUT_S)
                if frame is None or frame.arrived_us <= wanted.taken_us:
                    # No key frame since: a camera with long groups. The still grows old, and says so.
                    return None
                loop = asyncio.get_running_loop()
                jpeg = await loop.run_in_executor(self._decoding, stills.jpeg_of, frame.parameters, frame.data)
        except (LiveError, StillError) as error:
            kind = "recorder" if isinstance(error, LiveError) else "decoding"
            self._figures.failed.labels(kind).inc()
            # A recorder that is away is one line, not one for each of its cameras.
            about = wanted.address if isinstance(error, LiveError) else wanted.camera_id
            if (held_back := self._limit.passes(about)) is not None:
                get_logger().warning(
                    "No still could be taken", camera=wanted.camera_id.hex, reason=str(error), held_back=held_back
                )
            return None
        return wanted.camera_id, frame.arrived_us, jpeg


class Tidying:
    """Deletes what has had its time: events after 30 days, sessions that are over. In slices, since writers wait."""

    def __init__(self, database: Database, clock: Clock, figures: Figures) -> None:
        self._database = database
        self._clock = clock
        self._figures = figures

    async def round(self) -> None:
        """Delete all that is due."""
        while count := await self._database.run(eventlog.prune, EVENTS_KEPT, SLICE):
            self._figures.tidied.labels("event").inc(count)
            await asyncio.sleep(SLICE_PAUSE_S)
        while count := await self._database.run(accounts.purge_sessions, utc(self._clock.now_us()), SLICE):
            self._figures.tidied.labels("login_session").inc(count)
            await asyncio.sleep(SLICE_PAUSE_S)
