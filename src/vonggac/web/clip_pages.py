"""Clips: asked for, watched while they are made, fetched. Everybody sees his own; what leaves is remembered first."""

from __future__ import annotations

import os
import uuid
from collections import OrderedDict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from vonggac.cameras.models import Camera
from vonggac.shell.doors import Doors
from vonggac.shell.remember import AGAIN_AFTER_S, Look, remember
from vonggac.shell.visit import Visit, json_response
from vonggac.video.clips import making, service
from vonggac.video.clips.models import Clip, ClipState
from vonggac.video.clips.service import Asked, ClipNotAsked
from vonggac.web.camera_of import camera_of
from vonggac.web.clip_view import clip_data, disposition

doors = Doors()

VERB = "clip.export"
LAST_MS = 253_402_300_799_000
"""The end of the year 9999: what lies beyond is no time."""
_MOST_FETCHED = 10_000

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=LAST_MS)]


class Wanted(msgspec.Struct):
    """What a page asks for. The camera by its id or its number; the purpose is written down with the clip."""

    camera: str | int
    from_ms: Milliseconds
    to_ms: Milliseconds
    purpose: Annotated[str, msgspec.Meta(max_length=10_000)]


class Fetched:
    """Which clips an account has begun to fetch lately: one that comes in many ranges is remembered once."""

    def __init__(self) -> None:
        self._since: OrderedDict[tuple[uuid.UUID, uuid.UUID], float] = OrderedDict()

    def lately(self, account_id: uuid.UUID, clip_id: uuid.UUID, now_s: float) -> bool:
        """Return whether fetching was remembered in the last ten minutes."""
        since = self._since.get((account_id, clip_id))
        return since is not None and now_s - since < AGAIN_AFTER_S

    def note(self, account_id: uuid.UUID, clip_id: uuid.UUID, now_s: float) -> None:
        """Note that it is remembered."""
        self._since[account_id, clip_id] = now_s
        self._since.move_to_end((account_id, clip_id))
        while len(self._since) > _MOST_FETCHED:
            self._since.popitem(last=False)


class ClipFile(FileResponse):
    """A file in pieces of a quarter mebibyte: each is a way to a thread and back."""

    chunk_size = 256 * 1024


@doors.post("/api/clips", verb=VERB)
async def ask_for_clip(visit: Visit) -> Response:
    """Have an interval of a camera copied into a file."""
    wanted: Wanted = visit.decode(Wanted)
    camera = await camera_of(visit, VERB, str(wanted.camera))
    shell, visitor = visit.shell, visit.known
    asked = Asked(
        camera.id, visitor.account_id, visitor.name, wanted.from_ms * 1000, wanted.to_ms * 1000, wanted.purpose
    )
    try:
        clip = await shell.database.run(service.ask, asked, shell.clock.now_us(), shell.settings.clips)
    except ClipNotAsked as error:
        return json_response({"error": visit.words.say(error.message, **error.values)}, 409)
    await remember(visit, Look.EXPORT, [camera.id], clip.from_us, clip.to_us, clip.purpose)
    return json_response({"id": clip.id.hex}, 201)


@doors.get("/api/clips", verb=VERB)
async def my_clips(visit: Visit) -> Response:
    """List one's own clips, the newest first."""
    return _private(json_response({"now_ms": visit.shell.clock.now_us() // 1000, "clips": await _shown(visit)}))


@doors.get("/api/clips/{id}", verb=VERB)
async def one_clip(visit: Visit) -> Response:
    """Say how far a clip is."""
    clip, camera = await _clip(visit)
    return _private(json_response(clip_data(visit.words, clip, camera, visit.shell.clock.now_us())))


@doors.delete("/api/clips/{id}", verb=VERB)
async def delete_clip(visit: Visit) -> Response:
    """Delete a clip of one's own, finished or not."""
    clip, _ = await _clip(visit)

    def remove(session: Session) -> None:
        found = service.find(session, clip.id, visit.known.account_id)
        if found is not None:
            service.remove(session, found)

    await visit.shell.database.run(remove)
    return json_response({})


@doors.get("/clips/{id}/{name}", verb=VERB)
async def fetch_clip(visit: Visit) -> Response:
    """Send the file of a clip, whole or in ranges (RFC 9110 §14); the name in the address is for whoever saves it."""
    clip, camera = await _clip(visit)
    if clip.state != ClipState.READY or clip.sha256 is None:
        raise HTTPException(404)
    path = making.clip_path(visit.request.app.state.clips_folder, clip.id)
    status = await run_in_threadpool(_stat, path)
    if status is None or status.st_size != clip.size:
        return json_response({"error": visit.words.say(service.FILE_GONE)}, 404)
    await _remember_fetched(visit, clip)
    headers = {
        "content-disposition": disposition(clip, camera, visit.words),
        "cache-control": "no-store",
        "etag": f'"{clip.sha256.hex()}"',
    }
    return ClipFile(path, headers=headers, media_type="video/mp4", stat_result=status)


@doors.get("/clips", verb=VERB)
async def clips_page(visit: Visit) -> Response:
    """Show one's own clips: how far they are, their files, what is missing in them."""
    return _private(visit.page("clips.html", clips=await _shown(visit), now_us=visit.shell.clock.now_us()))


async def _shown(visit: Visit) -> list[dict[str, Any]]:
    now_us = visit.shell.clock.now_us()

    def read(session: Session) -> list[dict[str, Any]]:
        clips = service.mine(session, visit.known.account_id)
        query = sa.select(Camera).where(Camera.id.in_({clip.camera_id for clip in clips}))
        cameras = {camera.id: camera for camera in session.scalars(query)}
        return [
            clip_data(visit.words, clip, cameras[clip.camera_id], now_us)
            for clip in clips
            if visit.may(VERB, cameras[clip.camera_id].unit_id)
        ]

    return await visit.shell.database.query(read)


async def _clip(visit: Visit) -> tuple[Clip, Camera]:
    """Return the clip of the address and its camera; status 404 where it is none of the visitor's own."""
    try:
        clip_id = uuid.UUID(visit.request.path_params["id"])
    except ValueError:
        raise HTTPException(404) from None

    def read(session: Session) -> tuple[Clip, Camera] | None:
        clip = service.find(session, clip_id, visit.known.account_id)
        return None if clip is None else (clip, session.get_one(Camera, clip.camera_id))

    found = await visit.shell.database.query(read)
    if found is None:
        raise HTTPException(404)
    visit.require(VERB, found[1].unit_id)
    return found


async def _remember_fetched(visit: Visit, clip: Clip) -> None:
    fetched: Fetched = visit.request.app.state.fetched
    account_id, now_s = visit.known.account_id, visit.shell.clock.monotonic_ns() / 1e9
    if fetched.lately(account_id, clip.id, now_s):
        return
    assert clip.sha256 is not None
    detail = f"{clip.purpose} (SHA-256 {clip.sha256.hex()})"
    await remember(visit, Look.EXPORT, [clip.camera_id], clip.from_us, clip.to_us, detail)
    fetched.note(account_id, clip.id, now_s)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _private(response: Response) -> Response:
    response.headers["cache-control"] = "no-store"
    return response
