"""RTP and RTCP over UDP (RFC 2326 §3.6, RFC 3550): a pair of ports, an even one and the next.

Datagrams are put in order (`reorder.py`) and handed to the session framed as if they had come interleaved, so that
one loop takes both. Only packets of the camera's own address are taken. Receiver reports go out as the standard wants
them; they, and an empty datagram beside each (RFC 6263 §4.1), keep firewalls between from closing the way.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import socket
import struct
from collections.abc import Callable
from typing import Any

from vonggac.video.rtsp import rtcp
from vonggac.video.rtsp.errors import RtspError
from vonggac.video.rtsp.reorder import HEAD, ReorderWindow
from vonggac.video.rtsp.session import RtspSession

LARGEST = 65_535
"""Bytes of a datagram."""
MOST_AT_ONCE = 2048
"""Datagrams taken in one turn, before other cameras have theirs."""
REPORT_S = 5.0
"""Between two receiver reports (RFC 3550 §6.2), varied by a half so that cameras do not hear all at once."""
_PORT_TRIES = 32

_FRAME = struct.Struct(">BBH")
_DOLLAR = 0x24
_RTCP_KINDS = range(192, 224)
"""Second byte of an RTCP packet that came to the port of RTP (RFC 5761 §4)."""


class DatagramPair:
    """The two ports of one track: RTP on the even one, RTCP on the odd."""

    def __init__(self, control: socket.socket, channel: int, widen: Callable[[socket.socket], None]) -> None:
        """Bind on the address that `control`, the RTSP connection, has here. `channel`: of RTP; RTCP has the next.

        OSError where `control` has broken, RtspError where no ports are to be had.
        """
        self._channel = channel
        self._peer: Any = control.getpeername()
        self._senders = {self._peer[0]}
        self._window = ReorderWindow()
        self._targets: tuple[Any, Any] | None = None
        self._ssrc = secrets.randbits(32)
        self._name = secrets.token_hex(12)  # RFC 7022 §4.2: 96 random bits, new for each session
        self._next_report_ns = 0
        self._reported = (0, 0)
        self.foreign_from = ""
        """Where packets came from that were left out, since it is not the camera's address."""
        self.arrived = 0
        """Datagrams of the camera, also those that are of no use."""
        self._rtp, self._rtcp = _bind_pair(control.family, control.getsockname())
        widen(self._rtp)

    @property
    def ports(self) -> tuple[int, int]:
        """Our ports: RTP, RTCP."""
        return self._rtp.getsockname()[1], self._rtcp.getsockname()[1]

    @property
    def sockets(self) -> tuple[socket.socket, socket.socket]:
        """What to wait for."""
        return self._rtp, self._rtcp

    def connect(self, server_ports: tuple[int, int] | None, source: str) -> None:
        """Hear where the camera sends from; `source` is an address that it names itself, or empty."""
        if source:
            self._senders.add(source)
        if server_ports is not None:
            self._targets = tuple((self._peer[0], port, *self._peer[2:]) for port in server_ports)  # type: ignore[assignment]

    def read(self, session: RtspSession, buffer: memoryview, now_ns: int) -> bool:
        """Hand what has come to the session, through `buffer`; True: more may be there."""
        at, most = 0, len(buffer) - LARGEST - _FRAME.size
        window, channel = self._window, self._channel
        more = False
        for _ in range(MOST_AT_ONCE):
            start = at + _FRAME.size
            count = self._take(self._rtp, buffer[start:])
            if count is None:
                break
            session.bytes_received += count
            if count < 12 or buffer[start] >> 6 != 2:
                continue  # no RTP: an empty datagram that keeps a way open, or noise
            if buffer[start + 1] in _RTCP_KINDS:
                _FRAME.pack_into(buffer, at, _DOLLAR, channel + 1, count)
                at = start + count
            elif window.passes(*HEAD.unpack_from(buffer, start)):
                _FRAME.pack_into(buffer, at, _DOLLAR, channel, count)
                at = start + count
            else:
                for packet in window.take(bytes(buffer[start : start + count]), now_ns):
                    at = self._put(session, buffer, at, packet, now_ns)
            if at > most:
                session.receive(buffer, at, now_ns)
                at = 0
        else:
            more = True
        if window.waiting:
            for packet in window.expire(now_ns):
                at = self._put(session, buffer, at, packet, now_ns)
        if at:
            session.receive(buffer, at, now_ns)
        self._read_reports(session, buffer, now_ns)
        return more

    def report(self, session: RtspSession, now_ns: int) -> None:
        """Send a receiver report where one is due, and keep the way open."""
        if self._targets is None or now_ns < self._next_report_ns:
            return
        self._next_report_ns = now_ns + round(REPORT_S * 1e9 * random.uniform(0.5, 1.5))  # noqa: S311
        data = rtcp.receiver_report(self._ssrc, self._name, self._reception(session, now_ns))
        with contextlib.suppress(OSError):  # lost like any datagram; what is wrong shows in what comes
            self._rtcp.sendto(data, self._targets[1])
            self._rtp.sendto(b"", self._targets[0])

    def finish(self, session: RtspSession, now_ns: int) -> None:
        """Hand over what still waits for packets that will not come."""
        if self._window.waiting:
            for packet in self._window.flush():
                frame = _FRAME.pack(_DOLLAR, self._channel, len(packet)) + packet
                session.receive(memoryview(frame), len(frame), now_ns)

    def close(self) -> None:
        """Give the ports back."""
        self._rtp.close()
        self._rtcp.close()

    def _take(self, sock: socket.socket, room: memoryview) -> int | None:
        """Receive the next datagram of the camera; None when there is none."""
        for _ in range(MOST_AT_ONCE):
            try:
                count, sender = sock.recvfrom_into(room)
            except (BlockingIOError, InterruptedError):
                return None
            except OSError as error:
                raise RtspError("closed", f"The ports of the camera broke: {error.strerror}.") from None
            if sender[0] in self._senders:
                self.arrived += 1
                return count
            self.foreign_from = sender[0]
        return None

    def _read_reports(self, session: RtspSession, buffer: memoryview, now_ns: int) -> None:
        for _ in range(16):
            count = self._take(self._rtcp, buffer[_FRAME.size :])
            if count is None:
                return
            _FRAME.pack_into(buffer, 0, _DOLLAR, self._channel + 1, count)
            session.receive(buffer, _FRAME.size + count, now_ns)

    def _put(self, session: RtspSession, buffer: memoryview, at: int, packet: bytes, now_ns: int) -> int:
        """Frame a packet that has waited; return where the next one goes."""
        end = at + _FRAME.size + len(packet)
        if end > len(buffer):
            session.receive(buffer, at, now_ns)
            at, end = 0, _FRAME.size + len(packet)
        _FRAME.pack_into(buffer, at, _DOLLAR, self._channel, len(packet))
        buffer[at + _FRAME.size : end] = packet
        return end

    def _reception(self, session: RtspSession, now_ns: int) -> rtcp.Reception | None:
        window = self._window
        if not window.received:
            return None
        lost, received = window.lost - self._reported[0], window.received - self._reported[1]
        self._reported = window.lost, window.received
        last = session.last_sender_report
        known = last is not None and last.report.ssrc == window.ssrc
        return rtcp.Reception(
            window.ssrc,
            lost / (lost + received) if lost + received else 0.0,
            window.lost,
            window.highest,
            last.report.ntp_middle if last is not None and known else 0,
            (now_ns - last.arrived_ns) / 1e9 if last is not None and known else 0.0,
        )


def _bind_pair(family: int, local: Any) -> tuple[socket.socket, socket.socket]:
    """Bind an even port of this address and the one after it (RFC 3550 §11)."""
    for _ in range(_PORT_TRIES):
        try:
            first = _bound(family, local, 0)
        except OSError as error:
            raise RtspError("refused", f"This machine can open no UDP port for the camera: {error.strerror}.") from None
        port = first.getsockname()[1]
        try:
            # The kernel gives odd and even ones: of an odd one the even one before it is the first of the pair.
            second = _bound(family, local, port ^ 1)
        except (OSError, OverflowError):
            first.close()
            continue
        return (first, second) if port % 2 == 0 else (second, first)
    raise RtspError("refused", "No pair of UDP ports is free on this machine. Use --transport tcp for some cameras.")


def _bound(family: int, local: Any, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind((local[0], port, *local[2:]))
    except BaseException:
        sock.close()
        raise
    return sock
