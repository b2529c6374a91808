"""Live pictures for whoever watches: each camera's current group, handed out without waiting and without a decode.

The other end is `video.live_client`, which also describes the protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from vonggac.video.live_client import LINE_LIMIT, encode_parameters
from vonggac.video.stream import AccessUnit, VideoParameters

CACHED_BYTES = 4 << 20
"""Of a longer group only the key frame is kept; who comes later waits for the next one."""
QUEUED_BYTES = 8 << 20
QUEUED_PICTURES = 512
REQUEST_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 20.0
VIEWERS_LIMIT = 512


class Viewer:
    """One who watches: what waits for him, bounded; when he is too slow he misses up to the next key frame."""

    def __init__(self) -> None:
        self._queue: deque[AccessUnit] = deque()
        self._bytes = 0
        self._skipping = True  # nothing can be decoded before a key frame
        self._woken = asyncio.Event()
        self._ended = False
        self.skipped = 0

    def put(self, unit: AccessUnit) -> None:
        """Hand a picture over; never waits."""
        if self._skipping:
            if not unit.key:
                self.skipped += 1
                return
            self._skipping = False
        if len(self._queue) >= QUEUED_PICTURES or self._bytes + len(unit.data) > QUEUED_BYTES:
            self.skipped += len(self._queue)
            self._queue.clear()
            self._bytes = 0
            if not unit.key:
                self._skipping = True
                self.skipped += 1
                return
        self._queue.append(unit)
        self._bytes += len(unit.data)
        self._woken.set()

    def end(self) -> None:
        """Say that no more will come."""
        self._ended = True
        self._woken.set()

    async def next(self) -> AccessUnit | None:
        """Wait for the next picture; None after the last."""
        while not self._queue:
            if self._ended:
                return None
            self._woken.clear()
            await self._woken.wait()
        unit = self._queue.popleft()
        self._bytes -= len(unit.data)
        return unit


class LiveFeed:
    """One camera's current group and its viewers."""

    def __init__(self, on_watched: Callable[[bool], None]) -> None:
        """`on_watched` is told when the first viewer comes and the last one goes."""
        self._on_watched = on_watched
        self._group: list[AccessUnit] = []
        self._bytes = 0
        self._key_frame: AccessUnit | None = None
        self.viewers: set[Viewer] = set()

    @property
    def key_frame(self) -> AccessUnit | None:
        """The newest key frame, None after a seam."""
        return self._key_frame

    def push(self, unit: AccessUnit) -> None:
        """Take the next picture in decoding order."""
        if unit.key:
            self._key_frame = unit
            self._group = [unit]
            self._bytes = len(unit.data)
        elif self._group:
            self._bytes += len(unit.data)
            if self._bytes <= CACHED_BYTES:
                self._group.append(unit)
            else:
                self._group = []
        for viewer in self.viewers:
            viewer.put(unit)

    def break_off(self) -> None:
        """The camera is away or pictures were lost: what is cached is no longer the present."""
        self._group = []
        self._key_frame = None
        self._bytes = 0

    def watch(self) -> Viewer:
        """Add a viewer; the pictures since the last key frame wait for him already."""
        viewer = Viewer()
        for unit in self._group:
            viewer.put(unit)
        self.viewers.add(viewer)
        if len(self.viewers) == 1:
            self._on_watched(True)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Take a viewer away."""
        self.viewers.discard(viewer)
        if not self.viewers:
            self._on_watched(False)

    def close(self) -> None:
        """Send every viewer home."""
        self.break_off()
        for viewer in list(self.viewers):
            viewer.end()


class LiveServer:
    """Serves the feeds of this recorder on a Unix socket that only its own user may open."""

    def __init__(
        self, path: Path, feed_of: Callable[[uuid.UUID], LiveFeed | None], wall_us: Callable[[int], int]
    ) -> None:
        """`wall_us` turns the monotonic nanoseconds of a picture's arrival into the wall clock."""
        self._path = path
        self._feed_of = feed_of
        self._wall_us = wall_us
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """What stands in the recorder's row."""
        return f"unix:{self._path}"

    async def start(self) -> None:
        """Listen; a socket that a dead recorder left is replaced (the role's lock says that it is dead)."""
        self._path.unlink(missing_ok=True)
        old = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._accept, str(self._path), limit=LINE_LIMIT)
        finally:
            os.umask(old)

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._tasks) >= VIEWERS_LIMIT:
            writer.close()
            return
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError, ValueError, msgspec.DecodeError):
            pass  # a client that went away, stalled or spoke nonsense is its own concern
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            request = msgspec.json.decode(await reader.readline(), type=dict[str, str])
        feed = self._feed_of(uuid.UUID(request.get("camera", "")))
        if feed is None:
            return
        if request.get("want") == "key_frame":
            if feed.key_frame is not None:
                await self._send(writer, feed.key_frame, feed.key_frame.parameters)
        elif request.get("want") == "pictures":
            await self._stream(feed, reader, writer)

    async def _stream(self, feed: LiveFeed, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        viewer = feed.watch()
        # Whoever closes his end is noticed even while the camera sends nothing.
        gone = asyncio.create_task(reader.read(1))
        gone.add_done_callback(lambda _task: viewer.end())
        known: VideoParameters | None = None
        try:
            while (unit := await viewer.next()) is not None:
                await self._send(writer, unit, unit.parameters if unit.parameters is not known else None)
                known = unit.parameters
        finally:
            feed.leave(viewer)
            gone.cancel()

    async def _send(self, writer: asyncio.StreamWriter, unit: AccessUnit, parameters: VideoParameters | None) -> None:
        head: dict[str, Any] = {
            "size": len(unit.data),
            "pts": unit.pts,
            "key": unit.key,
            "arrived_us": self._wall_us(unit.arrived_ns),
        }
        if parameters is not None:
            head["parameters"] = encode_parameters(parameters)
        writer.write(msgspec.json.encode(head) + b"\n")
        writer.write(unit.data)
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await writer.drain()
