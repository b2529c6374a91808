"""One viewer's connection to the simulated cameras: requests in, replies and pictures out."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING

from vonggac.sim.camera import Feed, SimCamera
from vonggac.sim.datagrams import DatagramOutlet
from vonggac.sim.digest import Credentials, Guard
from vonggac.sim.faults import Verdict
from vonggac.sim.messages import BadRequest, InterleavedData, Request, RequestReader, respond
from vonggac.sim.packetise import FramedPicture, bounds, patch
from vonggac.sim.playback import Playback
from vonggac.sim.transport import Datagrams, Interleaved, chosen

if TYPE_CHECKING:
    from vonggac.sim.rtsp_server import SimServer

READ_SIZE = 64 << 10
REPLIES_LIMIT = 64 << 10
"""A viewer that asks and asks and never reads is cut off when this much waits beyond the window for pictures."""

_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
_TRACK = "/trackID=0"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: the peer gets a reset (socket(7))


class Connection:
    """A raw non-blocking socket on the event loop: no transport between the pictures and the kernel's buffer."""

    def __init__(self, server: SimServer, peer: socket.socket) -> None:
        self._server = server
        self._socket = peer
        self._reader = RequestReader()
        self._guard = Guard(server.credentials) if server.credentials else None
        self._unsent = bytearray()
        self._broken_off = False
        self._session = ""
        self._datagrams: DatagramOutlet | None = None
        self._datagram_peer: tuple[str, int] | None = None
        self.playback: Playback | None = None
        self.camera: SimCamera | None = None
        self.heard = server.loop.time()
        self.closed = False
        server.loop.add_reader(peer.fileno(), self._readable)

    # Pictures (the outlet of a playback)

    @property
    def room(self) -> int:
        """Bytes that would be taken now."""
        return self._server.window - len(self._unsent)

    def send_picture(
        self,
        picture: FramedPicture,
        sequence: int,
        timestamp: int,
        source: int,
        channel: int,
        lost: Collection[int] = (),
    ) -> bool:
        """Send all of it but the packets `lost`, or nothing when the viewer has not read what came before."""
        if self._unsent and len(picture.blob) > self.room:
            return False
        if not self.closed:
            buffer = self._server.scratch
            size = patch(buffer, picture, sequence, timestamp, source, channel)
            if lost:
                kept = [buffer[start:end] for index, (start, end) in enumerate(bounds(picture)) if index not in lost]
                self._write(memoryview(b"".join(kept)))
            else:
                self._write(memoryview(buffer)[:size])
        return True

    def send_report(self, report: bytes, channel: int) -> None:
        """Send an RTCP packet, or drop it when something is still unsent."""
        if not self._unsent and not self.closed:
            self._write(memoryview(bytes([0x24, channel]) + len(report).to_bytes(2, "big") + report))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are, or drop them when the viewer has not read enough of what came before."""
        if data and len(data) <= self.room and not self.closed:
            self._write(memoryview(data))

    def break_off(self, data: bytes) -> None:
        """Send bytes and close our direction of the connection; what the viewer sends is still taken."""
        self.send_bytes(data)
        self._broken_off = True
        if not self._unsent:
            self._close_our_direction()

    def _close_our_direction(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    # Bytes

    def _write(self, data: memoryview) -> None:
        sent = 0
        if not self._unsent:
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                self.close()
                return
            if sent == len(data):
                return
            self._server.loop.add_writer(self._socket.fileno(), self._writable)
        self._unsent += data[sent:]

    def _writable(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._server.loop.remove_writer(self._socket.fileno())
            if self._broken_off:
                self._close_our_direction()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self.hear()
        try:
            for message in self._reader.feed(data):
                if isinstance(message, InterleavedData):
                    continue
                self._answer(message)
                if self.closed:
                    return
        except BadRequest:
            self._reply(None, 400)
            self.close()

    def hear(self) -> None:
        """The viewer was heard of: its session goes on."""
        self.heard = self._server.loop.time()

    def close(self, *, reset: bool = False) -> None:
        """Cut the connection at once, in order or by a reset. Whatever was playing stops."""
        if self.closed:
            return
        self.closed = True
        if self.camera is not None:
            for fault in self.camera.faults.values():
                fault.abandoned(self._server.loop.time(), self._server.session_timeout)
        self._stop()
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._server.loop.remove_reader(self._socket.fileno())
        self._server.loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._server.forget(self)

    # Requests

    def _reply(
        self, request: Request | None, status: int, headers: dict[str, str] | None = None, body: str = ""
    ) -> None:
        if self._broken_off:
            return
        if len(self._unsent) > self._server.window + REPLIES_LIMIT:
            self.close()
            return
        if self.playback is not None:
            self.playback.finish_packet()
        self._write(memoryview(respond(request, status, headers or {}, body)))

    def _answer(self, request: Request) -> None:
        path = request.path.removesuffix(_TRACK)
        found = self._server.find(path)
        camera = found[0] if found else self.camera
        if camera is not None and camera.faults and self._is_answered_by_fault(request, camera):
            return
        if request.method == "OPTIONS":
            self._reply(request, 200, {"Public": _METHODS})
            return
        if self._guard is not None and not self._guard.admits(request):
            self._reply(request, 401, {"WWW-Authenticate": self._guard.challenge})
            return
        if request.method in {"DESCRIBE", "SETUP"}:
            if found is None:
                self._reply(request, 404)
            elif request.method == "DESCRIBE":
                self._describe(request, path, *found)
            else:
                self._set_up(request, *found)
            return
        if request.method in {"GET_PARAMETER", "SET_PARAMETER"}:
            self._reply(request, 200, self._session_header() if self._session else {})
            return
        if request.method not in {"PLAY", "PAUSE", "TEARDOWN"}:
            self._reply(request, 501)
            return
        if not self._session or request.headers.get("session", "").partition(";")[0] != self._session:
            self._reply(request, 454)
            return
        if request.method == "PLAY":
            self._play(request)
        elif request.method == "PAUSE":
            self._pause(request)
        else:
            self._reply(request, 200, {"Session": self._session})
            self._stop()

    def _is_answered_by_fault(self, request: Request, camera: SimCamera) -> bool:
        """Do with the request what the first of the camera's faults that minds it does; say whether one did."""
        for fault in camera.faults.values():
            verdict = fault.answer(request, camera, self._server.loop.time())
            if verdict is None:
                continue
            if verdict is Verdict.HANG_UP:
                self.close()
            elif isinstance(verdict, int):
                guard = self._guard or Guard(Credentials("", ""))
                self._reply(request, verdict, {"WWW-Authenticate": guard.challenge} if verdict == 401 else {})
            return True
        return False

    def _describe(self, request: Request, path: str, camera: SimCamera, feed: Feed) -> None:
        address = self._socket.getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        headers = {
            "Content-Base": f"rtsp://{host}:{address[1]}{path}/",
            "Content-Type": "application/sdp",
            "Cache-Control": "no-cache",
        }
        shown = [feed.substitutes.get(fault.substitute) for fault in camera.faults.values() if fault.substitute]
        sets = shown[-1].parameter_sets if shown and shown[-1] is not None else ()
        self._reply(request, 200, headers, feed.track.description(address[0], secrets.randbits(31), sets))

    def _set_up(self, request: Request, camera: SimCamera, feed: Feed) -> None:
        if self.playback is not None:
            self._reply(request, 455)
            return
        transport = chosen(request.headers.get("transport", ""))
        if transport is None:
            self._reply(request, 461)
            return
        if isinstance(transport, Interleaved):
            self.playback = Playback(camera, feed, self, (transport.rtp, transport.rtcp))
            how = f"RTP/AVP/TCP;unicast;interleaved={transport.rtp}-{transport.rtcp}"
        else:
            self.playback = Playback(camera, feed, self._send_datagrams(transport), (0, 0))
            ports = self._server.datagrams.ports
            how = f"RTP/AVP;unicast;client_port={transport.rtp}-{transport.rtcp};server_port={ports[0]}-{ports[1]}"
        self.camera = camera
        camera.sessions += 1
        self._session = secrets.token_hex(8)
        how += f';ssrc={self.playback.source:08X};mode="PLAY"'
        self._reply(request, 200, {"Transport": how, **self._session_header()})

    def _send_datagrams(self, transport: Datagrams) -> DatagramOutlet:
        # To the address from which the connection comes, whatever else is asked: nobody is sent what he did not want.
        host, *rest = self._socket.getpeername()
        scope = rest[1:]
        self._datagram_peer = (host, transport.rtcp)
        self._server.datagrams.listen_for(self._datagram_peer, self.hear)
        self._datagrams = DatagramOutlet(
            self._server.datagrams,
            self._server.loop,
            (host, transport.rtp, *scope),
            (host, transport.rtcp, *scope),
            self._server.window,
            partial(self.break_off, b""),
        )
        return self._datagrams

    def _play(self, request: Request) -> None:
        playback = self.playback
        assert playback is not None
        headers = {"Session": self._session, "Range": "npt=now-"}
        if playback.running:
            self._reply(request, 200, headers)
            return
        time = playback.begin(self._server.now())
        url = request.url.rstrip("/").removesuffix(_TRACK) + _TRACK
        headers["RTP-Info"] = f"url={url};seq={playback.sequence};rtptime={time}"
        self._reply(request, 200, headers)
        if not self.closed:
            playback.camera.viewers += 1
            playback.camera.connections += 1
            self._server.schedule(playback)

    def _pause(self, request: Request) -> None:
        if self.playback is not None and self.playback.running:
            self.playback.running = False
            self.playback.camera.viewers -= 1
        self._reply(request, 200, {"Session": self._session})

    def _stop(self) -> None:
        if self.playback is not None and self.playback.running:
            self.playback.running = False
            self.playback.camera.viewers -= 1
        if self._datagrams is not None and self._datagram_peer is not None:
            self._datagrams.close()
            self._server.datagrams.forget(self._datagram_peer)
        self._datagrams = self._datagram_peer = None
        if self.camera is not None:
            self.camera.sessions -= 1
        self.playback = None
        self.camera = None
        self._session = ""

    def _session_header(self) -> dict[str, str]:
        return {"Session": f"{self._session};timeout={self._server.session_timeout:.0f}"}


async def accepting(server: SimServer, listener: socket.socket) -> None:
    """Take in whoever connects until cancelled; when no file can be opened, wait a little and go on."""
    while True:
        try:
            peer, _ = await server.loop.sock_accept(listener)
        except OSError:
            await asyncio.sleep(0.2)
            continue
        peer.setblocking(False)
        server.welcome(peer)
