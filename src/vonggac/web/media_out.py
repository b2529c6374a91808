"""Sends a part of a recording, piece by piece: no viewer holds more than one in memory, however slow he is."""

from __future__ import annotations

import asyncio
import uuid

from starlette.responses import Response

from vonggac.core.errors import VonggacError
from vonggac.core.log import RateLimit, get_logger
from vonggac.shell.headers import Receive, Scope, Send
from vonggac.video.playback.bytes_out import PIECE, PlayerFile
from vonggac.video.playback.disks import Disks

SEND_TIMEOUT_S = 60.0
"""How long a viewer may take for a piece."""

_broken = RateLimit(every_s=60.0)


class MediaResponse(Response):
    """Bytes [begin, end) of an open recording, which it closes; the first piece was read while a status was free."""

    def __init__(
        self,
        disks: Disks,
        volume_id: uuid.UUID,
        file: PlayerFile,
        span: tuple[int, int],
        first: bytes,
        status: int,
        headers: dict[str, str],
    ) -> None:
        self.status_code = status
        self.background = None
        self.body = b""
        self._disks, self._volume_id, self._file = disks, volume_id, file
        self._begin, self._end = span
        self._first = first
        self.init_headers({**headers, "content-length": str(self._end - self._begin)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them; a viewer who goes away or takes nothing more ends it."""
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._send_body(gone, send)
        except TimeoutError:
            return  # the server closes the connection of an answer that is not whole
        except VonggacError as error:
            if (held_back := _broken.passes(self._volume_id)) is not None:
                get_logger().warning("A recording broke off while it was sent", reason=str(error), held_back=held_back)
        finally:
            gone.cancel()
            self._file.close()

    async def _send_body(self, gone: asyncio.Future[None], send: Send) -> None:
        at, piece = self._begin, self._first
        while not gone.done():
            at += len(piece)
            more = at < self._end
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await send({"type": "http.response.body", "body": piece, "more_body": more})
            if not more:
                return
            piece = await self._disks.run(self._volume_id, self._file.read, at, min(PIECE, self._end - at))


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
