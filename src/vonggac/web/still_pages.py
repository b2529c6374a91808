"""Stills for pages: they say which cameras they show, and fetch what the keeper took."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from typing import Annotated

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from vonggac.cameras.models import Camera
from vonggac.core.clock import MICROSECONDS
from vonggac.shell.doors import Doors
from vonggac.shell.remember import Look, remember
from vonggac.shell.visit import Visit, json_response
from vonggac.video import stills

doors = Doors()

MOST_CAMERAS = 200
RENEW_AFTER_US = 10 * MICROSECONDS
_MOST_WISHES = 10_000


class Wishes:
    """When the wish for each camera's still was last renewed by this process."""

    def __init__(self) -> None:
        self._renewed: OrderedDict[uuid.UUID, int] = OrderedDict()

    def due(self, camera_ids: list[uuid.UUID], now_us: int) -> list[uuid.UUID]:
        """Return the cameras whose wish is to be renewed: every ten seconds, however many pages show them."""
        due = [one for one in camera_ids if abs(now_us - self._renewed.get(one, 0)) >= RENEW_AFTER_US]
        for camera_id in due:
            self._renewed[camera_id] = now_us
            self._renewed.move_to_end(camera_id)
        while len(self._renewed) > _MOST_WISHES:
            self._renewed.popitem(last=False)
        return due


class Shown(msgspec.Struct):
    """What a page says: the cameras whose stills it shows now."""

    cameras: Annotated[list[uuid.UUID], msgspec.Meta(max_length=MOST_CAMERAS)]


@doors.post("/api/stills", verb="live.view")
async def want_stills(visit: Visit) -> Response:
    """Note which cameras a page shows, and answer when the still of each was taken (milliseconds since 1970)."""
    asked: Shown = visit.decode(Shown)
    allowed = await visit.shell.database.query(_allowed, visit, asked.cameras)
    await remember(visit, Look.STILL, allowed)
    now_us = visit.shell.clock.now_us()
    wishes: Wishes = visit.request.app.state.wishes
    if due := wishes.due(allowed, now_us):
        await visit.shell.database.run(stills.want, due, now_us + stills.WANTED_FOR_US)
    taken = await visit.shell.database.query(stills.taken, allowed)
    return json_response(
        {"now_ms": now_us // 1000, "taken": {camera_id.hex: us // 1000 for camera_id, us in taken.items()}}
    )


@doors.get("/cameras/{camera_id}/still.jpg", verb="live.view")
async def still_picture(visit: Visit) -> Response:
    """Return the last still of a camera; its age stands in the header Age, in seconds."""
    try:
        camera_id = uuid.UUID(visit.request.path_params["camera_id"])
    except ValueError:
        raise HTTPException(404) from None
    if not await visit.shell.database.query(_allowed, visit, [camera_id]):
        raise HTTPException(404)
    await remember(visit, Look.STILL, [camera_id])
    found = await visit.shell.database.query(stills.still, camera_id)
    if found is None or found.jpeg is None:
        raise HTTPException(404)
    age_us = max(0, visit.shell.clock.now_us() - found.taken_us)
    etag = f'"{found.taken_us:x}"'
    # Pictures stay in no cache: a control room's computers have many users.
    headers = {"etag": etag, "age": str(age_us // MICROSECONDS), "cache-control": "no-store"}
    if visit.request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(found.jpeg, headers=headers, media_type="image/jpeg")


def _allowed(session: Session, visit: Visit, camera_ids: list[uuid.UUID]) -> list[uuid.UUID]:
    query = sa.select(Camera.id, Camera.unit_id).where(Camera.id.in_(camera_ids), Camera.removed_at.is_(None))
    return [camera_id for camera_id, unit_id in session.execute(query) if visit.may("live.view", unit_id)]
