"""Live pictures for whoever watches: each camera's current group, handed out without waiting and without a decode.

A picture goes straight from the camera's socket to those of its viewers, without a queue or a task in between: what a
viewer does not take waits in his transport, and one who is behind gets nothing more until the next key frame. The
other end is `video.live_client`, which also describes the protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from vonggac.video.live_client import LINE_LIMIT, encode_parameters
from vonggac.video.stream import AccessUnit, VideoParameters

CACHED_BYTES = 4 << 20
"""Of a longer group only the key frame is kept; who comes later waits for the next one."""
BEHIND_NS = 2_000_000_000
"""A viewer who has not taken what was sent so long ago is behind: he skips to a key frame, not to see the past."""
WAITING_BYTES = 8 << 20
"""More never waits for one viewer."""
STALLED_NS = 20_000_000_000
"""A viewer who takes nothing for so long is sent home."""
REQUEST_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 20.0
"""For so long one may take what is sent to him last: a key frame that he asked for, or the end of a stream."""
VIEWERS_LIMIT = 512
_NO_SUB_STREAM = b'{"error":"no_sub_stream"}\n'


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a sub-stream cannot be had now."""

    reason: str
    """As of a gap: refused, unauthorised, …"""
    detail: str
    """The same in plain words, without credentials."""
    retry_s: float = 0.0
    """It is asked for no sooner than after so long; 0 where that is not known."""

    def line(self) -> bytes:
        """Return what a viewer is told."""
        told = {"error": "sub_unavailable", "reason": self.reason, "detail": self.detail, "retry_s": self.retry_s}
        return msgspec.json.encode(told) + b"\n"


class Outlet(Protocol):
    """Where a viewer's bytes go: what is needed of an asyncio transport."""

    def writelines(self, list_of_data: Sequence[bytes | bytearray]) -> None:
        """Send these one after the other; never waits."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be taken."""

    def is_closing(self) -> bool:
        """Return whether it is of no use any more."""


class MessageHeads:
    """What precedes each picture. The viewers of a picture share it: the last one is remembered."""

    def __init__(self, wall_us: Callable[[int], int]) -> None:
        """`wall_us` turns the monotonic nanoseconds of a picture's arrival into the wall clock."""
        self._wall_us = wall_us
        self._last: AccessUnit | None = None
        self._head = b""

    def plain(self, unit: AccessUnit) -> bytes:
        """Return the line before a picture whose parameters are known already."""
        if unit is not self._last:
            self._head = b'{"size":%d,"pts":%d,"key":%s,"arrived_us":%d}\n' % (
                len(unit.data),
                unit.pts,
                b"true" if unit.key else b"false",
                self._wall_us(unit.arrived_ns),
            )
            self._last = unit
        return self._head

    def with_parameters(self, unit: AccessUnit) -> bytes:
        """Return the line that also says what a decoder must know."""
        parameters = msgspec.json.encode({"parameters": encode_parameters(unit.parameters)})
        return self.plain(unit)[:-2] + b"," + parameters[1:] + b"\n"


class Viewer:
    """One who watches."""

    def __init__(self, outlet: Outlet, heads: MessageHeads) -> None:
        self.skipped = 0
        """Pictures he did not get because he was behind (or came before a key frame)."""
        self.over = asyncio.Event()
        """Set when nothing more will come."""
        self.stalled = False
        self.refusal: Unavailable | None = None
        """Why nothing more will come, where it was not the camera that was taken away."""
        self._outlet = outlet
        self._heads = heads
        self._known: VideoParameters | None = None
        self._skipping = True  # nothing can be decoded before a key frame
        self._written = 0
        self._untaken: deque[tuple[int, int]] = deque()  # (bytes up to its end, when it was handed over)

    def put(self, unit: AccessUnit, now_ns: int) -> None:
        """Hand a picture over; never waits. `now_ns`: the monotonic clock."""
        if self._outlet.is_closing():
            self.over.set()
            return
        waiting = self._outlet.get_write_buffer_size()
        behind_ns = self._behind_ns(waiting, now_ns)
        if self._skipping:
            if behind_ns > STALLED_NS:
                self.stalled = True
                self.over.set()
            # Who was behind has caught up once little of it is left.
            if not unit.key or (waiting and behind_ns > BEHIND_NS // 2):
                self.skipped += 1
                return
            self._skipping = False
        elif behind_ns > BEHIND_NS or waiting > WAITING_BYTES:
            self._skipping = True
            self.skipped += 1
            return
        if unit.parameters is self._known:
            head = self._heads.plain(unit)
        else:
            head = self._heads.with_parameters(unit)
            self._known = unit.parameters
        self._outlet.writelines((head, unit.data))
        self._written += len(head) + len(unit.data)
        self._untaken.append((self._written, now_ns))

    def end(self, refusal: Unavailable | None = None) -> None:
        """Say that no more will come, and why."""
        self.refusal = self.refusal or refusal
        self.over.set()

    def _behind_ns(self, waiting: int, now_ns: int) -> int:
        """Return for how long the oldest of what he has not taken has been waiting."""
        untaken, taken = self._untaken, self._written - waiting
        while untaken and untaken[0][0] <= taken:
            untaken.popleft()
        return now_ns - untaken[0][1] if untaken else 0


class KeyFrameViewer(Viewer):
    """One who wants the next key frame and no more."""

    def put(self, unit: AccessUnit, now_ns: int) -> None:
        """Take the first picture that can be decoded."""
        if not self.over.is_set():
            super().put(unit, now_ns)
            if unit.key:
                self.over.set()


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
            viewer.put(unit, unit.arrived_ns)

    def break_off(self) -> None:
        """The camera is away or pictures were lost: what is cached is no longer the present."""
        self._group = []
        self._key_frame = None
        self._bytes = 0

    def watch(self, viewer: Viewer) -> None:
        """Add a viewer; he gets the pictures since the last key frame at once."""
        for unit in self._group:
            viewer.put(unit, self._group[-1].arrived_ns)
        self.viewers.add(viewer)
        if len(self.viewers) == 1:
            self._on_watched(True)

    def leave(self, viewer: Viewer) -> None:
        """Take a viewer away."""
        if viewer in self.viewers:
            self.viewers.remove(viewer)
            if not self.viewers:
                self._on_watched(False)

    def refuse(self, refusal: Unavailable) -> None:
        """Send every viewer home with the reason."""
        for viewer in self.viewers:
            viewer.end(refusal)

    def close(self) -> None:
        """Send every viewer home."""
        self.break_off()
        for viewer in self.viewers:
            viewer.end()


class WatchedStream(Protocol):
    """A stream that plays only while somebody watches it."""

    feed: LiveFeed

    def unavailable(self) -> Unavailable | None:
        """Return why nobody need wait for its pictures."""


class LiveServer:
    """Serves the feeds of this recorder on a Unix socket that only its own user may open."""

    def __init__(
        self,
        path: Path,
        feed_of: Callable[[uuid.UUID], LiveFeed | None],
        wall_us: Callable[[int], int],
        sub_of: Callable[[uuid.UUID], WatchedStream | None] = lambda camera_id: None,
    ) -> None:
        """`feed_of` gives a camera's main stream, `sub_of` its sub-stream.

        `wall_us` turns the monotonic nanoseconds of a picture's arrival into the wall clock.
        """
        self._path = path
        self._feed_of = feed_of
        self._sub_of = sub_of
        self._heads = MessageHeads(wall_us)
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
        except asyncio.CancelledError:
            writer.transport.abort()  # the recorder stops, and waits for no viewer; the task ends here
        finally:
            # It counts as long as what waits for it is held in memory, and `close` finds it until then.
            try:
                await _see_off(writer)
            finally:
                self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            request = msgspec.json.decode(await reader.readline(), type=dict[str, str])
        camera_id, stream = uuid.UUID(request.get("camera", "")), request.get("stream", "main")
        feed = self._feed_of(camera_id)
        if feed is None or stream not in ("main", "sub"):
            return
        if stream == "sub":
            sub = self._sub_of(camera_id)
            refusal = None if sub is None else sub.unavailable()
            if sub is None or refusal is not None:
                writer.write(_NO_SUB_STREAM if refusal is None else refusal.line())
                return
            feed = sub.feed
        if request.get("want") == "pictures":
            await self._stream(feed, Viewer(writer.transport, self._heads), reader, writer)
        elif request.get("want") == "key_frame":
            if (unit := feed.key_frame) is not None:
                writer.writelines((self._heads.with_parameters(unit), unit.data))
            elif stream == "sub":  # nobody has watched it until now
                await self._stream(feed, KeyFrameViewer(writer.transport, self._heads), reader, writer)

    async def _stream(
        self, feed: LiveFeed, viewer: Viewer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        feed.watch(viewer)
        # Whoever closes his end is noticed even while the camera sends nothing.
        gone = asyncio.create_task(reader.read(1))
        gone.add_done_callback(lambda _task: viewer.end())
        try:
            await viewer.over.wait()
        finally:
            feed.leave(viewer)
            gone.cancel()
            if viewer.stalled or gone.done():
                writer.transport.abort()  # what waits for him will never be taken
            elif viewer.refusal is not None:
                writer.write(viewer.refusal.line())


async def _see_off(writer: asyncio.StreamWriter) -> None:
    """Close a connection when what waits has been taken; whoever does not take it in time is cut off."""
    writer.close()
    try:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await writer.wait_closed()
    finally:
        writer.transport.abort()
