"""The archive's older hours, compared with their rows in the background: an hour of all cameras at a time.

The recorder compares the last hour when it starts, since it may not wait longer; this goes on from there into the past,
slowly, and begins anew once a day. What is found is mended and told (`files.compare`).
"""

from __future__ import annotations

import asyncio
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import Clock
from vonggac.core.database import Database
from vonggac.core.log import RateLimit, get_logger
from vonggac.video import volumes
from vonggac.video.archive import files
from vonggac.video.index import HOUR_US
from vonggac.video.models import Recording
from vonggac.video.volumes import VolumeLost

EVERY_S = 60.0
"""An hour of the archive is compared this often: a month of it in half a day."""
FIRST_AFTER_NS = 300 * 1_000_000_000
"""A centre that has just started has more urgent things to do."""
ANEW_AFTER_NS = 24 * 3600 * 1_000_000_000
_UNTOUCHED_HOURS = 2
"""The last hours are the recorder's: it writes them and compared them when it started."""


class Reconciling:
    """Compares one hour a round, from the newest to the oldest."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._hour_us: int | None = None
        self._begin_ns = clock.monotonic_ns() + FIRST_AFTER_NS
        self._limit = RateLimit()

    async def round(self) -> None:
        """Compare the next hour, if it is time for one."""
        if self._clock.monotonic_ns() < self._begin_ns:
            return
        if self._hour_us is None:
            now_us = self._clock.now_us()
            self._hour_us = now_us - now_us % HOUR_US - _UNTOUCHED_HOURS * HOUR_US
        oldest_us, folders = await self._database.query(_what_is_there)
        if oldest_us is None or self._hour_us + HOUR_US <= oldest_us:
            self._hour_us = None
            self._begin_ns = self._clock.monotonic_ns() + ANEW_AFTER_NS
            return
        there, _ = await self._database.query(volumes.mounted)
        try:
            found = await asyncio.to_thread(
                files.compare, self._database, there, folders, self._hour_us, self._hour_us + HOUR_US
            )
        except VolumeLost as fault:
            if (held_back := self._limit.passes("volume")) is not None:
                get_logger().warning("the archive cannot be compared", reason=str(fault), held_back=held_back)
            return
        except OSError as error:  # a folder that the disk does not give out: older hours need not wait for it
            if (held_back := self._limit.passes("folder")) is not None:
                reason = f"{error.filename}: {error.strerror}"
                get_logger().warning("the archive cannot be compared", reason=reason, held_back=held_back)
            self._hour_us -= HOUR_US
            return
        if found.adopted or found.missing or found.corrected:
            get_logger().warning(
                "index and disk disagreed on an older hour",
                hour_us=self._hour_us,
                adopted=found.adopted,
                missing=found.missing,
                corrected=found.corrected,
            )
        self._hour_us -= HOUR_US


def _what_is_there(session: Session) -> tuple[int | None, dict[str, uuid.UUID]]:
    """Return when the oldest recording begins, and every camera's folder, also of cameras that were removed."""
    cameras = {camera.folder: camera.id for camera in session.scalars(sa.select(Camera))}
    starts = [
        session.scalar(
            sa.select(Recording.start_us).where(Recording.camera_id == key).order_by(Recording.start_us).limit(1)
        )
        for key in cameras.values()
    ]
    return min((start for start in starts if start is not None), default=None), cameras
