"""The keeper's job that deletes old rows: events, log-in sessions, faults that are over, activity."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy.orm import Session

from vonggac.core import eventlog, faults
from vonggac.core.clock import Clock, utc
from vonggac.core.database import Database
from vonggac.org import accounts
from vonggac.video import activity

EVERY_S = 3600.0
EVENTS_KEPT = timedelta(days=30)
FAULTS_KEPT = timedelta(days=2 * 365)
"""Long enough to ask what was wrong with a disk last year."""
SLICE = 500
SLICE_PAUSE_S = 0.2


class Tidying:
    """Deletes what has had its time. In slices, since writers wait."""

    def __init__(self, database: Database, clock: Clock, registry: CollectorRegistry) -> None:
        self._database = database
        self._clock = clock
        self._tidied = Counter("vonggac_keeper_tidied_rows", "Old rows deleted.", ["table"], registry=registry)

    async def round(self) -> None:
        """Delete all that is due."""
        now = utc(self._clock.now_us())
        await self._prune("event", lambda session: eventlog.prune(session, EVENTS_KEPT, SLICE))
        await self._prune("login_session", lambda session: accounts.purge_sessions(session, now, SLICE))
        await self._prune("activity", lambda session: activity.prune(session, self._clock.now_us(), SLICE))
        await self._prune("fault", lambda session: faults.prune_faults(session, FAULTS_KEPT, SLICE))

    async def _prune(self, table: str, slice_of: Callable[[Session], int]) -> None:
        while count := await self._database.run(slice_of):
            self._tidied.labels(table).inc(count)
            await asyncio.sleep(SLICE_PAUSE_S)
