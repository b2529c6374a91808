"""Who looked at what: an entry is stored before a picture goes out.

Until the audit trail exists, the entry is an event `look.still` of the event log (kept for its 30 days): account,
address, cameras. One entry a batch of cameras that a page asks for together; the same account and camera are entered
once in ten minutes, since a page that shows 102 cameras fetches a picture every ten seconds of each.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterable

from sqlalchemy.orm import Session

from vonggac.core.database import Database
from vonggac.core.eventlog import announce
from vonggac.org.accounts import Visitor

AGAIN_AFTER_S = 600.0
MOST = 50_000
"""Pairs of account and camera that are remembered as entered; forgetting one costs one more entry."""


class Remembered:
    """What was entered lately by this process."""

    def __init__(self) -> None:
        self._entered: OrderedDict[tuple[uuid.UUID, uuid.UUID], float] = OrderedDict()

    def new(self, account_id: uuid.UUID, camera_ids: Iterable[uuid.UUID], now: float) -> list[uuid.UUID]:
        """Return the cameras that need an entry now."""
        return [
            camera_id
            for camera_id in camera_ids
            if now - self._entered.get((account_id, camera_id), float("-inf")) >= AGAIN_AFTER_S
        ]

    def note(self, account_id: uuid.UUID, camera_ids: Iterable[uuid.UUID], now: float) -> None:
        """Note that entries were stored."""
        for camera_id in camera_ids:
            self._entered[account_id, camera_id] = now
            self._entered.move_to_end((account_id, camera_id))
        while len(self._entered) > MOST:
            self._entered.popitem(last=False)


async def remember_stills(
    database: Database,
    remembered: Remembered,
    visitor: Visitor,
    address: str,
    camera_ids: Iterable[uuid.UUID],
    now: float,
) -> None:
    """Store that a visitor looks at stills of cameras; returns when the entry is safe. `now` is monotonic seconds."""
    fresh = remembered.new(visitor.account_id, camera_ids, now)
    if not fresh:
        return
    await database.run(_enter, visitor, address, fresh)
    remembered.note(visitor.account_id, fresh, now)


def _enter(session: Session, visitor: Visitor, address: str, camera_ids: list[uuid.UUID]) -> None:
    announce(
        session,
        "look.still",
        subject=camera_ids[0] if len(camera_ids) == 1 else None,
        account=visitor.account_id.hex,
        address=address,
        cameras=[camera_id.hex for camera_id in camera_ids],
    )
