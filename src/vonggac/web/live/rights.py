"""Whether who watches still may: asked of the database for all viewers together, not by each of 36 tiles."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import Clock, utc
from vonggac.core.database import Database
from vonggac.org import accounts
from vonggac.org.accounts import Visitor

FRESH_S = 5.0
"""An answer is good for so long."""
TRUSTED_S = 60.0
"""So long is an answer believed while the database gives no other."""
ANSWER_S = 20.0
"""So long the database is waited for."""


class Unknown(Exception):
    """The database has not answered for too long."""


@dataclass(slots=True)
class Answer:
    """What was last known."""

    visitors: dict[bytes, Visitor] = field(default_factory=dict)
    units: dict[uuid.UUID, uuid.UUID] = field(default_factory=dict)
    at_s: float = float("-inf")


class Rights:
    """The rights of all who watch."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._answer = Answer()
        self._asked: dict[bytes, float] = {}
        self._asking = asyncio.Lock()

    async def missing(self, session_key: bytes, camera_id: uuid.UUID) -> str | None:
        """Return what a viewer has lost: his `session`, his `rights` on the camera; None while he may watch.

        Unknown when the database does not say. A session that watches counts as one that is in use.
        """
        asked = time.monotonic()
        self._asked[session_key] = asked
        async with self._asking:
            # What was asked after this viewer was known of is good for him.
            stale = session_key not in self._answer.visitors or asked - self._answer.at_s > FRESH_S
            answered = not stale or await self._ask(asked)
        visitor = self._answer.visitors.get(session_key)
        unit_id = self._answer.units.get(camera_id)
        if not answered and (visitor is None or unit_id is None):
            raise Unknown  # he, or the camera, may have come after the last answer
        if visitor is None:
            return "session"
        return None if unit_id is not None and visitor.may("live.view", unit_id) else "rights"

    async def _ask(self, now_s: float) -> bool:
        """Ask the database; returns whether it has answered. Unknown when it has not for too long."""
        self._asked = {key: at_s for key, at_s in self._asked.items() if now_s - at_s < TRUSTED_S}
        try:
            now_us = self._clock.now_us()
            async with asyncio.timeout(ANSWER_S):
                self._answer, unnoted = await self._database.query(_look, list(self._asked), now_us, now_s)
                if unnoted:
                    await self._database.run(_note_seen, unnoted, now_us)
        except (OperationalError, TimeoutError):
            if now_s - self._answer.at_s > TRUSTED_S:
                raise Unknown from None
        return self._answer.at_s == now_s


def _look(session: Session, keys: list[bytes], now_us: int, now_s: float) -> tuple[Answer, list[bytes]]:
    """Return what is so, and the sessions of which it was not noted lately that they are in use."""
    answer, unnoted, now = Answer(at_s=now_s), [], utc(now_us)
    for key in keys:
        if (found := accounts.visitor_by_key(session, key, now)) is not None:
            answer.visitors[key], seen_at = found
            if now - seen_at > accounts.SEEN_EVERY:
                unnoted.append(key)
    cameras = session.execute(sa.select(Camera.id, Camera.unit_id).where(Camera.removed_at.is_(None)))
    answer.units = {row.id: row.unit_id for row in cameras}
    return answer, unnoted


def _note_seen(session: Session, keys: list[bytes], now_us: int) -> None:
    for key in keys:
        accounts.note_seen(session, key, utc(now_us))
