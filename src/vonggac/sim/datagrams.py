"""Pictures and reports as datagrams (RTP over UDP), from one pair of ports for all viewers.

A key frame is dozens of packets. They leave a few at a time, as from a camera's network interface, so that a viewer
with an ordinary receive buffer has time to take them.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from vonggac.core.errors import VonggacError
from vonggac.sim.packetise import FRAMING, FramedPicture, bounds, patch

PACE_PACKETS = 12
PACE_S = 0.004
"""So many packets of 1,400 bytes in so many seconds are 34 Mbit/s."""

_PAIR_ATTEMPTS = 50
_SEND_BUFFER = 1 << 20
_READ_SIZE = 2048

Address = tuple[Any, ...]


class DatagramPair:
    """An even port for RTP and the next one for RTCP (RFC 3550 §11); says who is heard of on the latter."""

    def __init__(self, host: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heard: dict[Address, Callable[[], None]] = {}
        self._rtp, self._rtcp = _bound_pair(host)
        for one in (self._rtp, self._rtcp):
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            loop.add_reader(one.fileno(), self._readable, one)

    @property
    def ports(self) -> tuple[int, int]:
        """The ports from which RTP and RTCP come."""
        return self._rtp.getsockname()[1], self._rtcp.getsockname()[1]

    def listen_for(self, viewer: Address, heard: Callable[[], None]) -> None:
        """Call `heard` whenever something comes from this address."""
        self._heard[viewer] = heard

    def forget(self, viewer: Address) -> None:
        """The viewer has gone."""
        self._heard.pop(viewer, None)

    def send(self, data: bytes | memoryview, to: Address, *, report: bool = False) -> bool:
        """Send one datagram; False when the kernel takes no more at the moment. What cannot arrive is lost."""
        try:
            (self._rtcp if report else self._rtp).sendto(data, to)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            pass  # nobody listens there (any longer), which UDP does not promise to tell
        return True

    def close(self) -> None:
        """Give the ports back."""
        for one in (self._rtp, self._rtcp):
            self._loop.remove_reader(one.fileno())
            one.close()

    def _readable(self, at: socket.socket) -> None:
        with suppress(OSError):
            _, viewer = at.recvfrom(_READ_SIZE)
            if (heard := self._heard.get(viewer[:2])) is not None:
                heard()


class DatagramOutlet:
    """The outlet of one viewer's playback. Keeps at most `window` bytes of what is to be sent."""

    def __init__(
        self,
        pair: DatagramPair,
        loop: asyncio.AbstractEventLoop,
        rtp: Address,
        rtcp: Address,
        window: int,
        end: Callable[[], None],
    ) -> None:
        """`end` is called when the camera breaks off."""
        self._pair, self._loop = pair, loop
        self._rtp, self._rtcp = rtp, rtcp
        self._window = window
        self._end = end
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def room(self) -> int:
        """Bytes that would be taken now."""
        return self._window - self._queued

    def send_picture(
        self,
        picture: FramedPicture,
        sequence: int,
        timestamp: int,
        source: int,
        channel: int,
        lost: Collection[int] = (),
    ) -> bool:
        """Send all of it but the packets `lost`, or nothing when too much waits already."""
        if self._queue and len(picture.blob) > self.room:
            return False
        buffer = bytearray(len(picture.blob))
        patch(buffer, picture, sequence, timestamp, source, channel)
        for index, (start, end) in enumerate(bounds(picture)):
            if index not in lost:
                self._queue.append(bytes(buffer[start + FRAMING : end]))
                self._queued += end - start - FRAMING
        self._drain()
        return True

    def send_report(self, report: bytes, channel: int) -> None:
        """Send an RTCP packet."""
        self._pair.send(report, self._rtcp, report=True)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as one datagram."""
        if data:
            self._pair.send(data, self._rtp)

    def break_off(self, data: bytes) -> None:
        """Send nothing more, neither datagrams nor on the connection."""
        self.close()
        self._end()

    def close(self) -> None:
        """Drop what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue.clear()
        self._queued = 0

    def _drain(self) -> None:
        if self._timer is None:
            self._send_some()

    def _send_some(self) -> None:
        self._timer = None
        for _ in range(min(PACE_PACKETS, len(self._queue))):
            if not self._pair.send(self._queue[0], self._rtp):
                break
            self._queued -= len(self._queue.popleft())
        if self._queue:
            self._timer = self._loop.call_later(PACE_S, self._send_some)


def _bound_pair(host: str) -> tuple[socket.socket, socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(_PAIR_ATTEMPTS):
        first = socket.socket(family, socket.SOCK_DGRAM)
        second = socket.socket(family, socket.SOCK_DGRAM)
        with suppress(OSError, OverflowError):
            first.bind((host, 0))
            port = first.getsockname()[1]
            if port % 2 == 0:
                second.bind((host, port + 1))
                return first, second
        first.close()
        second.close()
    raise VonggacError(f"No two neighbouring UDP ports are free on {host}. Stop other programs that use UDP.")
