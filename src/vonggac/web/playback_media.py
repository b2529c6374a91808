"""Recordings for players: playlists, byte ranges of recordings, key frames alone, the exact picture of a moment.

What is allowed is asked for in every request anew; the folder of recordings itself is served nowhere.
"""

from __future__ import annotations

import gzip
import re
import uuid
from urllib.parse import urlencode

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer
from starlette.responses import Response

from vonggac.cameras.models import Camera
from vonggac.core.clock import utc
from vonggac.shell.doors import Doors
from vonggac.shell.remember import Look, remember
from vonggac.shell.visit import Visit
from vonggac.video.archive import footage
from vonggac.video.archive.footage import Held, MediaStore
from vonggac.video.models import Recording, RecordingState
from vonggac.video.playback import key_frames, playlist
from vonggac.video.playback.bytes_out import PIECE, PlayerFile
from vonggac.video.playback.disks import Disks
from vonggac.video.playback.playlist import Segment
from vonggac.web.camera_of import camera_of
from vonggac.web.media_out import MediaResponse
from vonggac.web.playback_asked import (
    INDEX,
    NO_SUCH_RECORDING,
    NOT_YET,
    NOTHING,
    VERB,
    Refused,
    asked_flag,
    asked_moment,
    asked_span,
    in_words,
)
from vonggac.web.ranges import NotSatisfiable, asked_range

doors = Doors()

VIDEO_TYPE = "video/mp4"
NOTHING_RECORDED = "nothing_recorded"
DECODING = "decoding"
"""Where in `Disks` stills are decoded."""
STILLS_AT_ONCE = 2
"""Pictures decoded at the same time: recording comes first."""
_LARGEST_KEY = (1 << 63) - 1
_SHIFT = re.compile(r"-?\d{1,17}", re.ASCII)
_MILLISECOND_US = 1000
_MINUTE_US = 60_000_000
_NEVER_KEPT = {"cache-control": "no-store"}


class Playing:
    """What requests for recordings share in this process."""

    def __init__(self) -> None:
        self.disks = Disks({DECODING: STILLS_AT_ONCE})


@doors.get("/playback/{camera}/playlist.m3u8", verb=VERB)
@in_words
async def playlist_of_camera(visit: Visit) -> Response:
    """Return what is recorded of a camera in an interval as a playlist; `keys=1`: its key frames alone.

    `empty=1`: an interval without pictures is no error (status 204); a browser notes each error in its console.
    """
    keys = asked_flag(visit, "keys")
    try:
        listed, growing = await _listed(visit, keys=keys)
    except Refused as refused:
        if refused.name == NOTHING_RECORDED and asked_flag(visit, "empty"):
            return Response(status_code=204, headers=_NEVER_KEPT)
        raise
    text = playlist.playlist(listed, growing=growing, keys=keys, sound=asked_flag(visit, "sound"))
    return _playlist(visit, text)


@doors.get("/playback/{camera}/master.m3u8", verb=VERB)
@in_words
async def master_of_camera(visit: Visit) -> Response:
    """Return a playlist that names the codecs of an interval before any picture is fetched."""
    listed, _ = await _listed(visit, keys=False)
    asked = {name: visit.request.query_params[name] for name in ("from", "to")}
    sound = asked_flag(visit, "sound")
    return _playlist(visit, playlist.master(listed, urlencode(asked | ({"sound": "1"} if sound else {})), sound=sound))


@doors.get("/playback/{camera}/recording/{recording:int}.mp4", verb=VERB)
@in_words
async def recording_bytes(visit: Visit) -> Response:
    """Return a recording or a range of its bytes (RFC 9110 §14), as players want them (`mp4.playing`)."""
    playing, camera, row, store = await _recording(visit)
    sound = asked_flag(visit, "sound")
    shift = _asked_shift(visit)
    file = await playing.disks.run(row.volume_id, PlayerFile, store, row, sound=sound, shift=shift)
    headers = {"content-type": VIDEO_TYPE, "accept-ranges": "bytes", **_NEVER_KEPT}
    try:
        etag = f'"{row.id:x}-{row.size:x}-{sound:d}-{shift}"' if row.state != RecordingState.OPEN else ""
        if etag:
            headers["etag"] = etag
        span = _asked_range(visit, file.size, etag)
        if span is None:
            status, span = 200, (0, file.size)
        else:
            status = 206
            headers["content-range"] = f"bytes {span[0]}-{span[1] - 1}/{file.size}"
        if visit.request.scope["method"] == "HEAD":
            file.close()
            return Response(status_code=status, headers={**headers, "content-length": str(span[1] - span[0])})
        await _remember(visit, camera, row)
        first = await playing.disks.run(row.volume_id, file.read, span[0], min(PIECE, span[1] - span[0]))
    except NotSatisfiable:
        file.close()
        return Response(status_code=416, headers={"content-range": f"bytes */{file.size}", **_NEVER_KEPT})
    except BaseException:
        file.close()
        raise
    return MediaResponse(playing.disks, row.volume_id, file, span, first, status, headers)


@doors.get("/playback/{camera}/key/{recording:int}/{number:int}.m4s", verb=VERB)
@in_words
async def key_frame(visit: Visit) -> Response:
    """Return one key frame as a segment that lasts until the next."""
    playing, camera, row, store = await _recording(visit)
    number = min(visit.request.path_params["number"], _LARGEST_KEY)
    segment = await playing.disks.run(row.volume_id, key_frames.read, store, row, number, _asked_shift(visit))
    await _remember(visit, camera, row)
    return Response(segment, headers=_NEVER_KEPT, media_type=VIDEO_TYPE)


@doors.get("/playback/{camera}/still.jpg", verb=VERB)
@in_words
async def still_of_moment(visit: Visit) -> Response:
    """Return the picture that showed at a moment; `strip=1`: above a strip with camera, time and centre."""
    from vonggac.video.playback import still  # late: Pillow is 6 MB that a wall of live pictures does not need

    camera = await camera_of(visit, VERB, visit.request.path_params["camera"])
    # A moment is a whole millisecond: so the time that a still says finds the same still again.
    at_us = asked_moment(visit, "at") + _MILLISECOND_US - 1
    playing = _playing(visit)
    held, store = await _held(visit, camera.id, at_us)
    await remember(visit, Look.STILL, [camera.id], at_us, at_us + 1)
    found = await playing.disks.run(held.recording.volume_id, still.find, store, held, at_us)
    shown = utc(found.at_us).astimezone(visit.words.zone)
    caption = None
    if asked_flag(visit, "strip"):
        caption = still.Caption(
            camera=f"{camera.number} - {camera.name}",
            moment=f"{shown:%H:%M:%S}.{shown.microsecond // 1000:03d} {shown:%d/%m/%Y}",
            centre=visit.shell.settings.centre.name,
            zone=f"UTC{shown:%z}"[:6],
        )
    jpeg = await playing.disks.run(DECODING, still.jpeg_of, found, caption)
    name = f"camera-{camera.number}_{shown:%Y-%m-%d_%H-%M-%S}.jpg"
    headers = {
        "x-picture-ms": str(found.at_us // _MILLISECOND_US),
        "content-disposition": f'inline; filename="{name}"',
        **_NEVER_KEPT,
    }
    return Response(jpeg, headers=headers, media_type="image/jpeg")


async def _listed(visit: Visit, *, keys: bool) -> tuple[list[Segment], bool]:
    """Return the segments of the interval that a request asks for, and whether more may come."""
    camera = await camera_of(visit, VERB, visit.request.path_params["camera"])
    from_us, to_us = asked_span(visit, playlist.LONGEST_US)
    now_us = visit.shell.clock.now_us()
    growing = playlist.grows(to_us, now_us)

    def read() -> list[Segment]:
        with visit.shell.database.read() as session:
            selection = footage.select(session, MediaStore.of(session), camera.id, from_us, to_us, now_us)
        cut = playlist.key_frames if keys else playlist.segments
        return cut(selection, growing=growing)

    listed = await _playing(visit).disks.run(INDEX, read)
    if not listed:
        raise Refused(404, NOTHING_RECORDED, NOT_YET if from_us >= now_us else NOTHING)
    return listed, growing


async def _recording(visit: Visit) -> tuple[Playing, Camera, Recording, MediaStore]:
    """Return the recording that an address names, if it is its camera's, and where its bytes are."""
    camera = await camera_of(visit, VERB, visit.request.path_params["camera"])
    key = visit.request.path_params["recording"]

    def read(session: Session) -> tuple[Recording | None, MediaStore]:
        query = sa.select(Recording).where(Recording.id == key, Recording.camera_id == camera.id)
        return session.scalar(query.options(undefer(Recording.groups))), MediaStore.of(session)

    row, store = await visit.shell.database.query(read) if key <= _LARGEST_KEY else (None, None)
    if row is None or store is None:
        raise Refused(404, "gone", NO_SUCH_RECORDING)
    return _playing(visit), camera, row, store


async def _held(visit: Visit, camera_id: uuid.UUID, at_us: int) -> tuple[Held, MediaStore]:
    """Return the recording that holds a moment; the later one where two do, since the clock was set back."""
    now_us = visit.shell.clock.now_us()

    def read() -> tuple[Held | None, MediaStore]:
        with visit.shell.database.read() as session:
            store = MediaStore.of(session)
            chosen = footage.select(session, store, camera_id, at_us, at_us + 1, now_us)
        return (chosen.stretches[-1].held if chosen.stretches else None), store

    held, store = await _playing(visit).disks.run(INDEX, read)
    if held is None:
        raise Refused(404, NOTHING_RECORDED, NOT_YET if at_us >= now_us else NOTHING)
    return held, store


async def _remember(visit: Visit, camera: Camera, row: Recording) -> None:
    """Store that a recording is looked at; one that is being written up to the full minute, not anew each second."""
    end_us = row.end_us if row.end_us is not None else -(-visit.shell.clock.now_us() // _MINUTE_US) * _MINUTE_US
    await remember(visit, Look.PLAYBACK, [camera.id], row.start_us, max(end_us, row.start_us))


def _asked_range(visit: Visit, size: int, etag: str) -> tuple[int, int] | None:
    headers = visit.request.headers
    # If-Range (§13.1.5) with anything but this very state of the recording: all of it. Ranges are GET's alone (§14.2).
    condition = headers.get("if-range")
    if visit.request.scope["method"] != "GET" or (condition is not None and (not etag or condition != etag)):
        return None
    return asked_range(headers.get("range"), size)


def _asked_shift(visit: Visit) -> int:
    """Return the shift of media time that a playlist of ours names; 0 for what none would."""
    text = visit.request.query_params.get("shift", "")
    return int(text) if _SHIFT.fullmatch(text) else 0


def _playlist(visit: Visit, text: str) -> Response:
    headers = {"content-type": playlist.CONTENT_TYPE, "vary": "Accept-Encoding", **_NEVER_KEPT}
    body = text.encode()
    if "gzip" in visit.request.headers.get("accept-encoding", ""):
        # Addresses and numbers: it shrinks to a tenth, which thin lines feel. No secret in it.
        return Response(gzip.compress(body, 1), headers={**headers, "content-encoding": "gzip"})
    return Response(body, headers=headers)


def _playing(visit: Visit) -> Playing:
    playing: Playing = visit.request.app.state.playing
    return playing
