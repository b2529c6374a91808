"""A camera's picture at installation beside the one of now: taken, uploaded, compared, deleted."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict

from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from vonggac.cameras import pictures
from vonggac.cameras.models import Camera
from vonggac.core.clock import MICROSECONDS, microseconds, utc
from vonggac.core.errors import VonggacError
from vonggac.core.i18n import N_
from vonggac.shell.doors import Doors
from vonggac.shell.remember import Look, remember
from vonggac.shell.visit import Visit, json_response, redirect
from vonggac.video import live_client, stills
from vonggac.video.live_client import LiveError, latest_key_frame
from vonggac.video.stills import StillError
from vonggac.web.camera_of import camera_of

doors = Doors()

UPLOAD_LIMIT = 12 << 20
"""What a telephone makes of a picture; it is kept at most 1280 pixels wide."""
FETCH_TIMEOUT_S = 5.0
RENEW_AFTER_US = 5 * MICROSECONDS
"""A picture of the present is decoded at most this often, however many pages ask for it."""
_MOST_KEPT = 16

Taken = tuple[int, bytes]
"""When a picture arrived (microseconds since 1970), and the JPEG."""


class PresentPictures:
    """The newest picture of cameras at full size, decoded one at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[uuid.UUID, tuple[int, Taken | None]] = OrderedDict()
        self._decoding = asyncio.Semaphore(1)

    async def get(self, camera_id: uuid.UUID, address: str, now_us: int) -> Taken | None:
        """Return a camera's newest key frame as a JPEG; None when its recorder has none that can be shown."""
        async with self._decoding:
            asked_us, kept = self._kept.get(camera_id, (0, None))
            if abs(now_us - asked_us) < RENEW_AFTER_US:
                return kept
            taken: Taken | None = None
            try:
                frame = await latest_key_frame(address, camera_id, FETCH_TIMEOUT_S)
                if frame is not None:
                    jpeg = await asyncio.to_thread(stills.jpeg_of, frame.parameters, frame.data, stills.LARGE_WIDTH)
                    taken = frame.arrived_us, jpeg
            except (LiveError, StillError):
                taken = None  # why stands on the health page and in the keeper's log
            self._kept[camera_id] = now_us, taken
            self._kept.move_to_end(camera_id)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
            return taken


@doors.get("/cameras/{camera}/now.jpg", verb="live.view")
async def picture_of_now(visit: Visit) -> Response:
    """Return the newest key frame of a camera, its own time in the header X-Picture-Ms; status 204 without one."""
    camera = await _camera(visit, "live.view")
    await remember(visit, Look.STILL, [camera.id])
    taken = await _taken(visit, camera)
    if taken is None:
        return Response(status_code=204)
    arrived_us, jpeg = taken
    return _jpeg(jpeg, arrived_us)


@doors.get("/cameras/{camera}/installation.jpg", verb="live.view")
async def picture_at_installation(visit: Visit) -> Response:
    """Return the picture that was kept when the camera was installed."""
    camera = await _camera(visit, "live.view")
    await remember(visit, Look.STILL, [camera.id])

    def read(session: Session) -> Taken | None:
        found = pictures.picture(session, camera, with_jpeg=True)
        return None if found is None else (microseconds(found.taken_at), found.jpeg)

    found = await visit.shell.database.query(read)
    if found is None:
        raise HTTPException(404)
    return _jpeg(found[1], found[0])


@doors.post("/cameras/{camera}/installation/take", verb="camera.manage")
async def take_picture(visit: Visit) -> Response:
    """Keep the picture of now as the one at installation."""
    camera = await _camera(visit, "camera.manage")
    visit.require("live.view", camera.unit_id)
    await remember(visit, Look.STILL, [camera.id])
    taken = await _taken(visit, camera)
    if taken is None:
        return redirect(f"/cameras/{camera.number}?notice=no-frame#pictures")
    arrived_us, jpeg = taken
    await visit.shell.database.run(pictures.set_picture, camera, jpeg, utc(arrived_us), "camera")
    return redirect(f"/cameras/{camera.number}?notice=picture#pictures")


@doors.post("/cameras/{camera}/installation", verb="camera.manage", body_limit=UPLOAD_LIMIT)
async def upload_picture(visit: Visit) -> Response:
    """Keep somebody's JPEG (the body of the request) as the picture at installation."""
    camera = await _camera(visit, "camera.manage")
    try:
        jpeg = await asyncio.to_thread(stills.jpeg_made_anew, visit.body)
        now = utc(visit.shell.clock.now_us())
        await visit.shell.database.run(pictures.set_picture, camera, jpeg, now, "upload")
    except StillError:
        return json_response({"error": visit.words.say(N_("This file is no JPEG picture that can be read."))}, 422)
    except VonggacError as error:
        return json_response({"error": visit.words.explain(error)}, 422)
    return json_response({"next": f"/cameras/{camera.number}?notice=picture#pictures"})


@doors.post("/cameras/{camera}/installation/forget", verb="camera.manage")
async def forget_picture(visit: Visit) -> Response:
    """Delete the picture at installation."""
    camera = await _camera(visit, "camera.manage")
    await visit.shell.database.run(pictures.forget_picture, camera)
    return redirect(f"/cameras/{camera.number}?notice=no-picture#pictures")


async def _camera(visit: Visit, verb: str) -> Camera:
    return await camera_of(visit, verb, visit.request.path_params["camera"])


async def _taken(visit: Visit, camera: Camera) -> Taken | None:
    address = await visit.shell.database.query(live_client.address_of, camera.id)
    if not address:
        return None
    present: PresentPictures = visit.request.app.state.present_pictures
    return await present.get(camera.id, address, visit.shell.clock.now_us())


def _jpeg(jpeg: bytes, taken_us: int) -> Response:
    headers = {"x-picture-ms": str(taken_us // 1000), "cache-control": "no-store"}
    return Response(jpeg, headers=headers, media_type="image/jpeg")
