"""Bookmarks for pages: made on the playback page, seen by whoever may play the camera, found again by their notes."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from vonggac.cameras.models import Camera
from vonggac.shell.doors import Doors
from vonggac.shell.visit import Visit, json_response
from vonggac.video import bookmarks
from vonggac.video.bookmarks import BookmarkRefused, Noted
from vonggac.video.models import Bookmark
from vonggac.web.camera_of import camera_of
from vonggac.web.clip_pages import LAST_MS, Milliseconds

doors = Doors()

VERB = "playback.view"
LONGEST_SEARCH = 200


class NewBookmark(msgspec.Struct):
    """What a page sends. `to_ms`: where an interval ends; None for a moment."""

    camera: str | int
    at_ms: Milliseconds
    note: Annotated[str, msgspec.Meta(max_length=10_000)]
    to_ms: Milliseconds | None = None


@doors.post("/api/bookmarks", verb=VERB)
async def add_bookmark(visit: Visit) -> Response:
    """Note something about a moment or an interval of a camera."""
    sent: NewBookmark = visit.decode(NewBookmark)
    camera = await camera_of(visit, VERB, str(sent.camera))
    to_us = None if sent.to_ms is None else sent.to_ms * 1000
    account_id, now_us = visit.known.account_id, visit.shell.clock.now_us()
    try:
        made = await visit.shell.database.run(
            bookmarks.add, camera.id, account_id, sent.at_ms * 1000, to_us, sent.note, now_us
        )
    except BookmarkRefused as error:
        return json_response({"error": visit.words.say(error.message, **error.values)}, 409)
    return json_response({"id": made.id.hex}, 201)


@doors.get("/api/bookmarks", verb=VERB)
async def list_bookmarks(visit: Visit) -> Response:
    """List bookmarks, the newest moment first: of a camera or of all, in an interval, with certain words (`q`)."""
    asked = visit.request.query_params
    from_us, to_us = _moment(visit, "from"), _moment(visit, "to")
    chosen = (await camera_of(visit, VERB, asked["camera"])).id if "camera" in asked else None
    words = asked.get("q", "")[:LONGEST_SEARCH]

    def read(session: Session) -> list[Noted]:
        query = sa.select(Camera.id, Camera.unit_id).where(Camera.removed_at.is_(None))
        mine = [camera_id for camera_id, unit_id in session.execute(query) if visit.may(VERB, unit_id)]
        cameras = mine if chosen is None else [chosen]
        return bookmarks.between(session, cameras, from_us, to_us, words=words, limit=bookmarks.MOST + 1)

    found = await visit.shell.database.query(read)
    answer = json_response(
        {
            "bookmarks": [bookmark_data(visit, one) for one in found[: bookmarks.MOST]],
            "more": len(found) > bookmarks.MOST,
        }
    )
    answer.headers["cache-control"] = "no-store"
    return answer


@doors.delete("/api/bookmarks/{id}", verb=VERB)
async def delete_bookmark(visit: Visit) -> Response:
    """Delete a bookmark of one's own; an administrator may delete any."""
    try:
        bookmark_id = uuid.UUID(visit.request.path_params["id"])
    except ValueError:
        raise HTTPException(404) from None

    def remove(session: Session) -> None:
        found = session.execute(
            sa.select(Bookmark, Camera.unit_id)
            .join(Camera, Camera.id == Bookmark.camera_id)
            .where(Bookmark.id == bookmark_id)
        ).first()
        if found is None or not visit.may(VERB, found[1]):
            raise HTTPException(404)
        if found[0].account_id != visit.known.account_id and not visit.known.administrator:
            raise HTTPException(403)
        session.delete(found[0])

    await visit.shell.database.run(remove)
    return json_response({})


def bookmark_data(visit: Visit, one: Noted) -> dict[str, Any]:
    """Return what a page is told of a bookmark."""
    mine = one.account_id == visit.known.account_id
    return {
        "id": one.id.hex,
        "camera": one.camera_id.hex,
        "at_ms": one.at_us // 1000,
        "to_ms": None if one.to_us is None else one.to_us // 1000,
        "note": one.note,
        "by": one.account_name,
        "mine": mine,
        "may_delete": mine or visit.known.administrator,
    }


def _moment(visit: Visit, name: str) -> int | None:
    """Return a moment of the query in microseconds; None where it is left out, status 400 for what is no time."""
    text = visit.request.query_params.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= LAST_MS):
        raise HTTPException(400)
    return int(text) * 1000
