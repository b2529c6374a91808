"""Stills: one small picture of each camera while somebody looks at a page that shows them.

A page says which cameras it shows (`want`); the keeper takes the newest key frame of each from its recorder, decodes
it, and keeps it in the database (`keep`); the page fetches it (`still`). Nobody looks: nothing is decoded.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, undefer

from vonggac.core.clock import MICROSECONDS
from vonggac.core.errors import VonggacError
from vonggac.core.i18n import N_
from vonggac.core.presence import RoleRow
from vonggac.video.models import CameraStatus, Still
from vonggac.video.stream import VideoParameters

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

EVERY_US = 10 * MICROSECONDS
"""A camera's still is taken at most this often."""
WANTED_FOR_US = 25 * MICROSECONDS
"""How long a wish lasts: two of a page's requests may get lost."""
FRESH_FOR_US = 30 * MICROSECONDS
"""An older still is shown with its age, and never as the present."""
WIDTH = 320
LARGE_WIDTH = 1280
"""Of a picture that is looked at by itself, and compared with another."""
QUALITY = 4
"""Of FFmpeg's JPEG encoder (2 best, 31 worst): about 10 kB at 320 × 180."""

_START_CODE = b"\x00\x00\x00\x01"
_MOST_PIXELS = 8192 * 4608
_DECODERS = {"h264": "h264", "h265": "hevc"}


class StillError(VonggacError):
    """A key frame that no picture can be made of."""


@dataclass(frozen=True, slots=True)
class WantedStill:
    """A camera whose still somebody wants, and where its pictures are."""

    camera_id: uuid.UUID
    taken_us: int
    address: str


def want(session: Session, camera_ids: Iterable[uuid.UUID], until_us: int) -> None:
    """Note that somebody wants fresh stills of these cameras until a moment (never shortens an earlier wish)."""
    rows = [{"camera_id": camera_id, "wanted_until_us": until_us, "taken_us": 0} for camera_id in camera_ids]
    if not rows:
        return
    insert = _insert(session)(Still)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["camera_id"],
            set_={"wanted_until_us": insert.excluded.wanted_until_us},
            where=Still.wanted_until_us < insert.excluded.wanted_until_us,
        ),
        rows,
    )


def wanted(session: Session, now_us: int) -> list[WantedStill]:
    """Return the cameras whose stills are wanted and whose recorder can be asked, the oldest still first."""
    query = (
        sa.select(Still.camera_id, Still.taken_us, RoleRow.address)
        .join(CameraStatus, CameraStatus.camera_id == Still.camera_id)
        .join(RoleRow, RoleRow.name == CameraStatus.recorder)
        .where(
            Still.wanted_until_us > now_us,
            Still.taken_us <= now_us - EVERY_US,
            CameraStatus.state == "recording",
            RoleRow.address != "",
        )
        .order_by(Still.taken_us)
    )
    return [WantedStill(*row) for row in session.execute(query)]


def keep(session: Session, taken: Sequence[tuple[uuid.UUID, int, bytes]]) -> None:
    """Keep pictures: camera, when its key frame arrived (microseconds since 1970), the JPEG."""
    for camera_id, taken_us, jpeg in taken:
        session.execute(
            sa.update(Still)
            .where(Still.camera_id == camera_id, Still.taken_us < taken_us)
            .values(taken_us=taken_us, jpeg=jpeg)
        )


def still(session: Session, camera_id: uuid.UUID) -> Still | None:
    """Return a camera's still with its picture; None when there is none yet."""
    found = session.get(Still, camera_id, options=[undefer(Still.jpeg)])
    return found if found is not None and found.jpeg is not None else None


def taken(session: Session, camera_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return when each camera's still was taken (cameras without one are left out)."""
    query = sa.select(Still.camera_id, Still.taken_us).where(Still.camera_id.in_(list(camera_ids)), Still.taken_us > 0)
    return {row.camera_id: row.taken_us for row in session.execute(query)}


def byte_stream(parameters: VideoParameters, data: bytes) -> bytes:
    """Return a picture (lengths of 4 bytes before its units) as a byte stream (ISO/IEC 14496-10 Annex B).

    StillError when a length points outside.
    """
    units = [*parameters.sets]
    offset = 0
    while offset < len(data):
        if offset + 4 > len(data):
            raise StillError("The key frame ends in the middle of a length.")
        (size,) = struct.unpack_from(">I", data, offset)
        offset += 4
        if size > len(data) - offset:
            raise StillError("A unit of the key frame is longer than the frame.")
        if size:
            units.append(data[offset : offset + size])
        offset += size
    return b"".join(_START_CODE + unit for unit in units)


def jpeg_of(parameters: VideoParameters, data: bytes, width: int = WIDTH) -> bytes:
    """Return a key frame as a JPEG so many pixels wide; StillError when it cannot be decoded.

    Blocks for some milliseconds: call it on a thread.
    """
    name = _DECODERS.get(parameters.codec)
    if name is None:
        raise StillError(f"There is no decoder for {parameters.codec}.")
    return _decoded(name, byte_stream(parameters, data), width, "The key frame")


def jpeg_made_anew(data: bytes, width: int = LARGE_WIDTH) -> bytes:
    """Return somebody's JPEG as one of our own: at most so wide, without what else was in the file (place, maker).

    StillError when it is none that can be decoded. Blocks for some milliseconds: call it on a thread.
    """
    if not data.startswith(b"\xff\xd8\xff"):
        raise StillError(N_("The picture is no JPEG."))
    return _decoded("mjpeg", data, width, "The picture")


def _decoded(name: str, data: bytes, width: int, what: str) -> bytes:
    # Late and only here: FFmpeg's libraries take more memory than everything else in the keeper.
    import av
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext

    try:
        decoder = VideoCodecContext.create(name, "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.thread_count = 1
        decoder.options = {"max_pixels": str(_MOST_PIXELS)}
        frames = [*decoder.decode(Packet(data)), *decoder.decode(None)]
        if not frames:
            raise StillError(f"{what} holds no whole picture.")
        return _encode(frames[0], decoder.sample_aspect_ratio, width)
    except (av.FFmpegError, ValueError) as error:
        raise StillError(f"{what} cannot be decoded: {error}.") from error


def _encode(frame: VideoFrame, pixel_aspect: Fraction | None, most_wide: int) -> bytes:
    from av.video.codeccontext import VideoCodecContext
    from av.video.reformatter import ColorRange

    # Some cameras send pixels that are not square (704 × 576 meant as 4:3); the still is as wide as it is meant.
    meant = frame.width * float(pixel_aspect or 1)
    width = max(2, min(most_wide, round(meant / 2) * 2)) if most_wide > WIDTH else most_wide
    height = max(2, min(4 * width, round(width * frame.height / meant / 2) * 2))
    small = frame.reformat(width=width, height=height, format="yuvj420p", dst_color_range=ColorRange.JPEG)
    small.pts = None
    encoder = VideoCodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"qmin": str(QUALITY), "qmax": str(QUALITY)}
    return b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])


def _insert(session: Session) -> type[sqlite.Insert] | type[postgresql.Insert]:
    return postgresql.Insert if session.get_bind().dialect.name == "postgresql" else sqlite.Insert
