"""The RTSP server of the simulated district (RFC 2326): all cameras on one port, over TCP or UDP.

Every camera plays on its own time line whether or not anyone watches, so that whoever comes back after a break sees
the present. A timer sends to all viewers what is due since its last tick; a picture is packetised once and for all
(`packetise`), so that a viewer costs a copy, a few patched fields and one system call a picture.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType

from vonggac.core.clock import Clock, SystemClock
from vonggac.core.errors import VonggacError
from vonggac.sim.camera import Feed, SimCamera
from vonggac.sim.connection import Connection, accepting
from vonggac.sim.datagrams import DatagramPair
from vonggac.sim.digest import Credentials
from vonggac.sim.encoding import SUBSTITUTES
from vonggac.sim.faults import KINDS, Fault, make
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
        self._timers: set[asyncio.Future[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._listener: socket.socket | None = None
        self.loop: asyncio.AbstractEventLoop
        self.datagrams: DatagramPair

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
        try:
            self.datagrams = DatagramPair(self.host, self.loop)
        except VonggacError:
            listener.close()
            raise
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
        for timer in list(self._timers):
            timer.cancel()
        for connection in list(self._connections):
            connection.close()
        if self._listener is not None:
            self._listener.close()
            self.datagrams.close()

    @property
    def address(self) -> str:
        """The address without a path, as a viewer types it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rtsp://{host}:{self.port}"

    async def serve_forever(self) -> None:
        """Return only by being cancelled, or raise what stopped the server from within."""
        await asyncio.gather(*self._tasks)

    # Faults

    async def break_cameras(
        self, cameras: Sequence[SimCamera], kind: str, for_s: float | None = None, **values: float
    ) -> None:
        """Give cameras a fault, all at once; after `for_s` seconds they are rid of it, all at once again.

        None is as long as is usual for this kind. Raises UnknownFault.
        """
        faults = [(camera, make(kind, values)) for camera in cameras]
        for camera, fault in faults:
            for feed in camera.feeds if fault.substitute else ():
                if fault.substitute not in feed.substitutes:
                    made = await asyncio.to_thread(SUBSTITUTES[fault.substitute], feed.track.clip)
                    feed.substitutes[fault.substitute] = made
                    self._make_room(max(len(picture.blob) for picture in made.pictures))
        for camera, fault in faults:
            camera.take_ill(fault)
        if KINDS[kind].cuts_at_start:
            self._cut(cameras)
        lasts_s = KINDS[kind].usual_s if for_s is None else for_s
        if lasts_s is not None:
            timer = asyncio.ensure_future(self._heal_later(lasts_s, faults))
            self._timers.add(timer)
            timer.add_done_callback(self._timers.discard)

    def restore(self, cameras: Sequence[SimCamera], kind: str = "") -> None:
        """Rid cameras of all their faults, or of those of one kind."""
        for camera in cameras:
            for fault in list(camera.faults.values()):
                if kind in ("", fault.kind):
                    self._heal(camera, fault)

    async def _heal_later(self, after_s: float, faults: Sequence[tuple[SimCamera, Fault]]) -> None:
        await asyncio.sleep(after_s)
        for camera, fault in faults:
            self._heal(camera, fault)

    def _heal(self, camera: SimCamera, fault: Fault) -> None:
        if camera.faults.get(fault.kind) is fault:  # and not a later one of the same kind
            del camera.faults[fault.kind]
            if fault.resets_at_end:
                self._cut([camera], reset=True)

    def _cut(self, cameras: Sequence[SimCamera], *, reset: bool = False) -> None:
        paths = {camera.path for camera in cameras}
        for connection in list(self._connections):
            if connection.camera is not None and connection.camera.path in paths:
                connection.close(reset=reset)

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
                if connection.camera is not None and any(
                    fault.resets_at_end for fault in connection.camera.faults.values()
                ):
                    continue  # without power nothing is closed
                limit = self.session_timeout if connection.playback is not None else IDLE_LIMIT_S
                if now - connection.heard > limit:
                    connection.close()
