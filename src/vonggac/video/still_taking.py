"""The keeper's job that takes stills while somebody looks at them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from prometheus_client import CollectorRegistry, Counter

from vonggac.core.clock import Clock
from vonggac.core.database import Database
from vonggac.core.log import RateLimit, get_logger
from vonggac.video import stills
from vonggac.video.live_client import KeyFrame, LiveError, latest_key_frame
from vonggac.video.stills import StillError, WantedStill

EVERY_S = 2.0
"""How often it is looked whether somebody wants stills."""
FETCHES_AT_ONCE = 4
ROUND = 32
"""Stills stored in one transaction: some hundred kilobytes."""
FETCH_TIMEOUT_S = 5.0

Fetch = Callable[[str, uuid.UUID, float], Awaitable[KeyFrame | None]]


class StillTaker:
    """Takes the stills that somebody wants: at most one of a camera in ten seconds, also of one that fails."""

    def __init__(
        self, database: Database, clock: Clock, registry: CollectorRegistry, fetch: Fetch = latest_key_frame
    ) -> None:
        self._database = database
        self._clock = clock
        self._taken = Counter("vonggac_keeper_stills", "Stills decoded.", registry=registry)
        self._failed = Counter(
            "vonggac_keeper_stills_failed", "Stills that could not be had.", ["reason"], registry=registry
        )
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
                self._taken.inc(len(taken))

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
            self._failed.labels(kind).inc()
            # A recorder that is away is one line, not one for each of its cameras.
            about = wanted.address if isinstance(error, LiveError) else wanted.camera_id
            if (held_back := self._limit.passes(about)) is not None:
                get_logger().warning(
                    "No still could be taken", camera=wanted.camera_id.hex, reason=str(error), held_back=held_back
                )
            return None
        return wanted.camera_id, frame.arrived_us, jpeg
