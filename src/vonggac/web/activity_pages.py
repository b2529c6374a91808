"""What changed, and what nobody has looked at for long: what the wall's strip asks for."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from vonggac.cameras.models import Camera
from vonggac.core.clock import MICROSECONDS, microseconds, utc
from vonggac.core.i18n import N_
from vonggac.shell.doors import Doors
from vonggac.shell.models import LookRow
from vonggac.shell.remember import Look
from vonggac.shell.visit import Visit, json_response
from vonggac.video import activity
from vonggac.video.health import SILENT_AFTER_US
from vonggac.video.models import CameraStatus

doors = Doors()

SHOWN_US = 30 * 60 * MICROSECONDS
"""How far back, where nothing else is asked for."""
MOST_US = 24 * 3600 * MICROSECONDS
MOST_ITEMS = 200
MOST_UNSEEN = 20

_WORDS: dict[str, str] = {
    "changed": N_("What changed"),
    "nothing": N_("Nothing unusual in the last half hour."),
    "now": N_("now"),
    "ago": N_("{age} ago"),
    "began": N_("Something moves before camera {number}, {camera}."),
    "unseen": N_("Nobody has looked at camera {number}, {camera}, for {age}."),
    "never": N_("Nobody has looked at camera {number}, {camera}, yet."),
    "more": N_("and {count} more"),
    "show": N_("Show camera {number}, {camera}, on the wall"),
    "old": N_("Cannot be fetched: what is shown is {age} old."),
}
"""What the strip says around it."""


@doors.get("/api/activity", verb="live.view")
async def activity_json(visit: Visit) -> Response:
    """Return what changed, newest first, and cameras that nobody has looked at for long, the longest first.

    `since_ms` (milliseconds since 1970): from when on; half an hour without it, at most a day.
    """
    now_us = visit.shell.clock.now_us()
    since_us = _since(visit, now_us)
    unseen_us = visit.shell.settings.web.unseen_hours * 3600 * MICROSECONDS

    def read(session: Session) -> dict[str, Any]:
        query = sa.select(Camera).where(Camera.removed_at.is_(None))
        cameras = {one.id: one for one in session.scalars(query) if visit.may("live.view", one.unit_id)}
        rows = activity.latest(session, list(cameras), since_us, MOST_ITEMS)
        looked = _unseen(session, list(cameras), now_us, unseen_us) if unseen_us else []
        return {
            "now_ms": now_us // 1000,
            "items": [
                {
                    **_named(cameras[row.camera_id]),
                    "from": row.start_us // 1000,
                    "to": row.end_us // 1000,
                    "score": round(row.score, 2),
                    "source": row.source,
                }
                for row in rows
            ],
            "unseen": [
                {**_named(cameras[camera_id]), "looked_ms": looked_us // 1000 if looked_us is not None else None}
                for camera_id, looked_us in looked[:MOST_UNSEEN]
            ],
            "unseen_count": len(looked),
        }

    found = await visit.shell.database.query(read)
    return json_response({**found, "words": {name: visit.words.say(message) for name, message in _WORDS.items()}})


def _since(visit: Visit, now_us: int) -> int:
    asked = visit.request.query_params.get("since_ms", "")
    if not asked:
        return now_us - SHOWN_US
    if not (asked.isascii() and asked.isdecimal() and len(asked) <= 15):
        raise HTTPException(400)
    return max(int(asked) * 1000, now_us - MOST_US)


def _named(camera: Camera) -> dict[str, Any]:
    return {"camera": camera.id.hex, "number": camera.number, "name": camera.name}


def _unseen(
    session: Session, camera_ids: list[uuid.UUID], now_us: int, unseen_us: int
) -> list[tuple[uuid.UUID, int | None]]:
    """Return cameras with pictures that nobody has opened live for so long, those longest without first."""
    latest = (
        sa.select(sa.func.max(LookRow.at))
        .where(LookRow.camera_id == Camera.id, LookRow.kind == Look.LIVE.value)
        .scalar_subquery()
    )
    before = utc(now_us - unseen_us)
    query = (
        sa.select(Camera.id, latest)
        .join(CameraStatus, CameraStatus.camera_id == Camera.id)
        .where(
            Camera.id.in_(camera_ids),
            Camera.created_at < before,
            CameraStatus.state == "recording",
            CameraStatus.updated_us > now_us - SILENT_AFTER_US,
        )
        .order_by(Camera.number)
    )
    found = [
        (camera_id, microseconds(looked) if looked is not None else None)
        for camera_id, looked in session.execute(query)
        if looked is None or looked < before
    ]
    return sorted(found, key=lambda one: one[1] or 0)
