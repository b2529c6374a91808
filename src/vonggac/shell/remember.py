"""Who looked at what: an entry is stored before a picture goes out. The one place that remembers.

Until the audit trail exists an entry is a row of the table `look`. The same account, kind and camera are entered once
in ten minutes (a wall shows a camera for hours, a player asks for many pieces of one hour), recorded pictures by
interval; what has a purpose (an export, a search) every time.
"""

from __future__ import annotations

import asyncio
import enum
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.core.clock import utc
from vonggac.core.database import Database
from vonggac.core.text import normalise
from vonggac.shell.models import LookRow

if TYPE_CHECKING:
    from vonggac.shell.visit import Visit

AGAIN_AFTER_S = 600.0
Span = tuple[int, int]
MOST = 50_000
"""Triples of account, kind and camera that are known as entered; forgetting one costs one more entry."""


class Look(enum.StrEnum):
    """What somebody opened."""

    LIVE = "live"
    PLAYBACK = "playback"
    STILL = "still"
    EXPORT = "export"
    SEARCH = "search"


@dataclass(frozen=True, slots=True)
class Entered:
    """What is known of the last entries of an account, a kind and a camera."""

    since_s: float
    interval: Span | None

    def covers(self, interval: Span | None, now_s: float) -> bool:
        """Return whether an entry of this interval would say nothing new."""
        if now_s - self.since_s >= AGAIN_AFTER_S:
            return False
        if interval is None or self.interval is None:
            return interval == self.interval
        return self.interval[0] <= interval[0] and interval[1] <= self.interval[1]

    def widened(self, interval: Span | None) -> Entered:
        """Return the same with an interval that touches it; what lies apart replaces it."""
        if interval is None or self.interval is None:
            return Entered(self.since_s, interval)
        if interval[0] > self.interval[1] or interval[1] < self.interval[0]:
            return Entered(self.since_s, interval)
        return Entered(self.since_s, (min(interval[0], self.interval[0]), max(interval[1], self.interval[1])))


class Looks:
    """The entries of this process on their way into the table: those that come together are one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entered: OrderedDict[tuple[uuid.UUID, Look, uuid.UUID], Entered] = OrderedDict()
        self._waiting: list[_Batch] = []
        self._writing = asyncio.Lock()

    def fresh(
        self,
        account_id: uuid.UUID,
        look: Look,
        camera_ids: Iterable[uuid.UUID],
        interval: Span | None,
        now_s: float,
    ) -> list[uuid.UUID]:
        """Return the cameras that need an entry now."""
        found = []
        for camera_id in camera_ids:
            known = self._entered.get((account_id, look, camera_id))
            if known is None or not known.covers(interval, now_s):
                found.append(camera_id)
        return found

    def note(
        self,
        account_id: uuid.UUID,
        look: Look,
        camera_ids: Iterable[uuid.UUID],
        interval: Span | None,
        now_s: float,
    ) -> None:
        """Note that entries were stored."""
        for camera_id in camera_ids:
            key = account_id, look, camera_id
            known = self._entered.get(key)
            if known is None or now_s - known.since_s >= AGAIN_AFTER_S:
                self._entered[key] = Entered(now_s, interval)
            else:
                self._entered[key] = known.widened(interval)
            self._entered.move_to_end(key)
        while len(self._entered) > MOST:
            self._entered.popitem(last=False)

    async def store(self, rows: Sequence[dict[str, Any]]) -> None:
        """Store rows; returns when they are safe, raises what the database raises."""
        mine = _Batch(rows)
        self._waiting.append(mine)
        async with self._writing:
            if mine.stored:
                return
            batches, self._waiting = self._waiting, []
            try:
                await self._database.run(_enter, [row for batch in batches for row in batch.rows])
            except BaseException:
                # The others write their own: each is told of his own failure.
                self._waiting[:0] = [batch for batch in batches if batch is not mine]
                raise
            for batch in batches:
                batch.stored = True


class _Batch:
    __slots__ = ("rows", "stored")

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows = rows
        self.stored = False


async def remember(
    visit: Visit,
    look: Look,
    camera_ids: Iterable[uuid.UUID],
    from_us: int | None = None,
    to_us: int | None = None,
    detail: str = "",
) -> None:
    """Store that a visitor opens pictures of cameras; returns when the entry is safe.

    `from_us`, `to_us`: microseconds since 1970, of recorded pictures. `detail`: a purpose, or what was searched for.
    """
    shell, visitor = visit.shell, visit.known
    now_s = shell.clock.monotonic_ns() / 1e9
    interval = None if from_us is None or to_us is None else (from_us, to_us)
    wanted = list(dict.fromkeys(camera_ids))
    fresh = wanted if detail else shell.looks.fresh(visitor.account_id, look, wanted, interval, now_s)
    if not fresh:
        return
    common = {
        "at": utc(shell.clock.now_us()),
        "account_id": visitor.account_id,
        "address": normalise(visit.address)[:64],
        "kind": look.value,
        "from_us": from_us,
        "to_us": to_us,
        "detail": normalise(detail),
    }
    await shell.looks.store([{**common, "camera_id": camera_id} for camera_id in fresh])
    shell.looks.note(visitor.account_id, look, fresh, interval, now_s)


def _enter(session: Session, rows: list[dict[str, Any]]) -> None:
    session.execute(sa.insert(LookRow), rows)
