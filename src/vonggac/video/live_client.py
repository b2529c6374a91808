"""Asking a recorder for pictures: the other end of `recorder.live`.

The protocol on the recorder's address (`unix:PATH`): one request a connection, a line of JSON; then messages, each a
line of JSON that says in `size` how many bytes follow it. Where a sub-stream was asked for, a line with `error` may
come at any time, and is the last.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import uuid
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from sqlalchemy.orm import Session

from vonggac.core import presence
from vonggac.core.errors import VonggacError
from vonggac.video.models import CameraStatus
from vonggac.video.stream import VideoParameters

LINE_LIMIT = 64 * 1024
PICTURE_LIMIT = 16 << 20


class LiveError(VonggacError):
    """The recorder cannot be reached or answered something else than pictures."""


class NoSubStream(LiveError):
    """The camera has no sub-stream."""


class SubUnavailable(LiveError):
    """The camera has a sub-stream, and it cannot be had now; the words say why. The main stream is another matter."""

    def __init__(self, reason: str, detail: str, retry_s: float = 0.0) -> None:
        """`reason` as of a gap. `retry_s`: the recorder asks the camera no sooner than after so long; 0: unknown."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.retry_s = retry_s


Stream = Literal["main", "sub"]


@dataclass(frozen=True, slots=True)
class LivePicture:
    """One coded picture (lengths of 4 bytes before each unit) with what is needed to decode it."""

    parameters: VideoParameters
    key: bool
    pts: int
    arrived_us: int
    data: bytes


KeyFrame = LivePicture


def address_of(session: Session, camera_id: uuid.UUID) -> str | None:
    """Return the address of the recorder that has a camera; None when there is none, or it is gone."""
    status = session.get(CameraStatus, camera_id)
    if status is None:
        return None
    running = presence.alive(session, status.recorder)
    return next((role.address for role in running if role.name == status.recorder and role.address), None)


async def latest_key_frame(
    address: str, camera_id: uuid.UUID, timeout: float = 5.0, stream: Stream = "main"
) -> KeyFrame | None:
    """Return the newest key frame of a camera, None when the recorder has none; LiveError when it does not answer.

    A sub-stream that nobody watches is opened for it and its first key frame waited for: NoSubStream, SubUnavailable.
    """
    try:
        async with asyncio.timeout(timeout):
            async with contextlib.aclosing(
                _pictures(address, {"want": "key_frame", "camera": camera_id.hex, "stream": stream})
            ) as source:
                async for picture in source:
                    return picture
    except TimeoutError:
        raise LiveError(f"The recorder at {address} did not answer within {timeout:g} s.") from None
    return None


async def pictures(
    address: str, camera_id: uuid.UUID, idle_timeout: float = 30.0, stream: Stream = "main"
) -> AsyncGenerator[LivePicture, None]:
    """Yield a camera's pictures live, first those since its last key frame; ends when the camera goes away.

    A reader that is too slow misses pictures up to the next key frame, never more than it can hold. Whoever watches
    the sub-stream first has it opened: NoSubStream where there is none, SubUnavailable where it cannot be had, also
    later. A camera that is away for moments only leaves a pause.
    """
    request = {"want": "pictures", "camera": camera_id.hex, "stream": stream}
    async with contextlib.aclosing(_pictures(address, request, idle_timeout)) as source:
        async for picture in source:
            yield picture


async def _pictures(
    address: str, request: dict[str, str], idle_timeout: float = 30.0
) -> AsyncGenerator[LivePicture, None]:
    kind, _, path = address.partition(":")
    if kind != "unix":
        raise LiveError(f"The recorder's address {address} is of a kind that this version cannot reach.")
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=LINE_LIMIT)
    except OSError as error:
        raise LiveError(f"The recorder at {address} cannot be reached: {error.strerror or error}.") from error
    parameters: VideoParameters | None = None
    try:
        writer.write(msgspec.json.encode(request) + b"\n")
        while True:
            async with asyncio.timeout(idle_timeout):
                line = await reader.readline()
                if not line:
                    return
                head = msgspec.json.decode(line, type=dict[str, Any])
                if "error" in head:
                    raise _refusal(head)
                size = int(head.get("size", 0))
                if not 0 <= size <= PICTURE_LIMIT:
                    raise LiveError(f"The recorder at {address} announced a picture of {size} bytes.")
                data = await reader.readexactly(size)
            if "parameters" in head:
                parameters = _parameters(head["parameters"])
            if "pts" in head and parameters is not None:
                yield LivePicture(parameters, bool(head["key"]), int(head["pts"]), int(head["arrived_us"]), data)
    except TimeoutError:
        raise LiveError(f"The recorder at {address} sent nothing for {idle_timeout:g} s.") from None
    except (OSError, asyncio.IncompleteReadError) as error:
        raise LiveError(f"The recorder at {address} broke off: {error}.") from error
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise LiveError(f"The recorder at {address} sent something else than pictures: {error}.") from error
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _refusal(head: dict[str, Any]) -> LiveError:
    if head["error"] == "sub_unavailable":
        return SubUnavailable(str(head["reason"]), str(head["detail"]), float(head.get("retry_s", 0)))
    if head["error"] == "no_sub_stream":
        return NoSubStream("The camera has no sub-stream.")
    return LiveError(f"The recorder answers: {str(head['error'])[:100]}.")


def encode_parameters(parameters: VideoParameters) -> dict[str, Any]:
    """Return parameters as JSON can hold them."""
    return {
        "codec": parameters.codec,
        "sets": [base64.b64encode(one).decode() for one in parameters.sets],
        "width": parameters.width,
        "height": parameters.height,
        "reorder_frames": parameters.reorder_frames,
        "declared_fps": parameters.declared_fps,
    }


def _parameters(value: dict[str, Any]) -> VideoParameters:
    return VideoParameters(
        codec=str(value["codec"]),
        sets=tuple(base64.b64decode(one) for one in value["sets"]),
        width=int(value["width"]),
        height=int(value["height"]),
        reorder_frames=value.get("reorder_frames"),
        declared_fps=value.get("declared_fps"),
    )
