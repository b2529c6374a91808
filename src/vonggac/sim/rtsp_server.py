"""The RTSP server of the simulated district (RFC 2326): all cameras on one port, over TCP.

Every camera plays on its own time line whether or not anyone watches, so that whoever comes back after a break sees
the present. A timer sends to all viewers what is due since its last tick; a picture is packetised once and for all
(`packetise`), so that a viewer costs a copy, a few patched fields and one system call a picture.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType

from vonggac.core.clock import Clock, SystemClock
from vonggac.core.errors import NotFound, VonggacError
from vonggac.core.text import fold
from vonggac.sim.camera import Fault, Feed, SimCamera
from vonggac.sim.connection import Connection, accepting
from vonggac.sim.digest import Credentials
from vonggac.sim.encoding import black_pictures
from vonggac.sim.playback import Playback
from vonggac.video.stream import VIDEO_TIMESCALE

TICK_S = 0.02
"""How often pictures that are due are sent; a picture is late by half of it on average."""

WINDOW = 512 << 10
"""Bytes kept for a viewer that does not read, besides the kernel's buffer; then pictures are dropped."""

SEND_BUFFER = 256 << 10
"""Asked of the kernel for each connection: cameras have no more, and what they cannot send they drop."""

CONNECTIONS_LIMIT = 8192
SESSION_TIMEOUT_S = 60.0
IDLE_LIMIT_S = 30.0
"""How long a connection may stay without a session."""

_TICK = round(TICK_S * VIDEO_TIMESCALE)


class SimServer:
    """Serves the cameras until closed. Open it with `async with`; `address` is known then.

    Fields to be read: `host`, `port`, `cameras` (by path).
    """

    def __init__(
        self,
        cameras: Iterable[SimCamera],
        *,
        credentials: Credentials | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        window: int = WINDOW,
        send_buffer: int = SEND_BUFFER,
        session_timeout: float = SESSION_TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        self.cameras = {camera.path: camera for camera in cameras}
        self.credentials = credentials
        self.host, self.port = host, port
        self.window = window
        self.session_timeout = session_timeout
        self._send_buffer = send_buffer
        clock = clock or SystemClock()
        self._clock = clock
        # The wall clock counts at the start only: when it is set later, the cameras' time does not jump.
        self._start_us = clock.now_us()
        self._start_ns = clock.monotonic_ns()
        feeds = [feed for camera in self.cameras.values() for feed in (camera.main, camera.sub) if feed]
        self.scratch = bytearray(max((feed.track.largest for feed in feeds), default=0))
        self._feeds = {
            path: (camera, feed)
            for camera in self.cameras.values()
            for path, feed in ((camera.path, camera.main), (f"{camera.path}/sub", camera.sub))
            if feed is not None
        }
        self._connections: set[Connection] = set()
        self._wheel: dict[int, list[Playback]] = {}
        self._restores: dict[str, asyncio.TimerHandle] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._listener: socket.socket | None = None
        self.loop: asyncio.AbstractEventLoop

    async def __aenter__(self) -> SimServer:
        self.loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind((self.host, self.port))
            listener.listen(1024)
        except OSError as error:
            listener.close()
            raise VonggacError(
                f"The simulated cameras cannot listen on {self.host}, port {self.port}: {error.strerror}."
                " Choose another with --port, or 0 for any free one."
            ) from error
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._tasks = [
            asyncio.create_task(accepting(self, listener)),
            asyncio.create_task(self._turn_wheel()),
            asyncio.create_task(self._sweep()),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        for handle in self._restores.values():
            handle.cancel()
        for connection in list(self._connections):
            connection.close()
        if self._listener is not None:
            self._listener.close()

    @property
    def address(self) -> str:
        """The address without a path, as a viewer types it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rtsp://{host}:{self.port}"

    async def serve_forever(self) -> None:
        """Return only by being cancelled, or raise what stopped the server from within."""
        await asyncio.gather(*self._tasks)

    # Faults

    def camera(self, named: str) -> SimCamera:
        """Return the camera with this number ("7" or "007"), path or name. NotFound says what there is."""
        wanted = named.strip()
        for camera in self.cameras.values():
            if wanted in (camera.path, camera.path.lstrip("/"), camera.name):
                return camera
            if wanted.isdigit() and camera.number.isdigit() and int(wanted) == int(camera.number):
                return camera
        similar = [camera for camera in self.cameras.values() if fold(wanted) in fold(camera.name)]
        if len(similar) == 1:
            return similar[0]
        if similar:
            listed = ", ".join(f"{camera.number} {camera.name}" for camera in similar[:5])
            raise NotFound(f"{len(similar)} simulated cameras are called so: {listed}. Give the number.")
        raise NotFound(f"There is no simulated camera {named!r}. `vonggac sim status` lists them.")

    async def break_camera(self, camera: SimCamera, fault: Fault | None, for_s: float | None = None) -> None:
        """Give a camera a fault, or none; after `for_s` seconds it is well again (None: when restored)."""
        if fault is Fault.BLACK:
            for feed in (camera.main, camera.sub):
                if feed is not None and not feed.black:
                    feed.black.extend(await asyncio.to_thread(black_pictures, feed.track.clip))
                    self._make_room(max(len(picture.blob) for picture in feed.black))
        if (handle := self._restores.pop(camera.path, None)) is not None:
            handle.cancel()
        camera.fault = fault
        if fault is Fault.DROP:
            for connection in list(self._connections):
                if connection.camera is camera:
                    connection.close()
        if fault is not None and for_s is not None:
            self._restores[camera.path] = self.loop.call_later(for_s, self._restore, camera)

    def _restore(self, camera: SimCamera) -> None:
        self._restores.pop(camera.path, None)
        camera.fault = None

    # For the connections

    def now(self) -> int:
        """The time of all cameras, in 90 kHz ticks since 1970."""
        return self._now_us() * 9 // 100

    def _now_us(self) -> int:
        return self._start_us + (self._clock.monotonic_ns() - self._start_ns) // 1000

    def find(self, path: str) -> tuple[SimCamera, Feed] | None:
        """Return the camera and the stream of a path."""
        return self._feeds.get(path)

    def welcome(self, peer: socket.socket) -> None:
        """Take in a new connection, or close it when there are too many."""
        if len(self._connections) >= CONNECTIONS_LIMIT:
            peer.close()
            return
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
        self._connections.add(Connection(self, peer))

    def forget(self, connection: Connection) -> None:
        """A connection has closed."""
        self._connections.discard(connection)

    def schedule(self, playback: Playback) -> None:
        """Send to this viewer from the next tick on."""
        self._wheel.setdefault(self.now() // _TICK, []).append(playback)

    def _make_room(self, size: int) -> None:
        if size > len(self.scratch):
            self.scratch = bytearray(size)

    # Time

    async def _turn_wheel(self) -> None:
        next_turn = time.monotonic()
        while True:
            next_turn = max(next_turn + TICK_S, time.monotonic())
            self._turn()
            await asyncio.sleep(next_turn - time.monotonic())

    def _turn(self) -> None:
        now_us = self._now_us()
        now = now_us * 9 // 100
        slot = now // _TICK
        for passed in [number for number in self._wheel if number <= slot]:
            for playback in self._wheel.pop(passed):
                if playback.running:
                    due = playback.advance(now, now_us)
                    self._wheel.setdefault(max(due // _TICK, slot) + 1, []).append(playback)

    async def _sweep(self) -> None:
        """Close connections whose viewer was not heard of for too long (RFC 2326 §12.37)."""
        while True:
            await asyncio.sleep(1.0)
            now = self.loop.time()
            for connection in list(self._connections):
                limit = self.session_timeout if connection.playback is not None else IDLE_LIMIT_S
                if now - connection.heard > limit:
                    connection.close()
