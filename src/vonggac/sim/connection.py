"""One viewer's connection to the simulated cameras: requests in, replies and pictures out."""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import TYPE_CHECKING

from vonggac.sim.camera import Fault, Feed, SimCamera
from vonggac.sim.digest import Guard
from vonggac.sim.messages import BadRequest, InterleavedData, Request, RequestReader, respond
from vonggac.sim.packetise import FramedPicture, patch
from vonggac.sim.playback import Playback

if TYPE_CHECKING:
    from vonggac.sim.rtsp_server import SimServer

READ_SIZE = 64 << 10
REPLIES_LIMIT = 64 << 10
"""A viewer that asks and asks and never reads is cut off when this much waits beyond the window for pictures."""

_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
_TRACK = "/trackID=0"


class Connection:
    """A raw non-blocking socket on the event loop: no transport between the pictures and the kernel's buffer."""

    def __init__(self, server: SimServer, peer: socket.socket) -> None:
        self._server = server
        self._socket = peer
        self._reader = RequestReader()
        self._guard = Guard(server.credentials) if server.credentials else None
        self._unsent = bytearray()
        self._session = ""
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

    def send_picture(self, picture: FramedPicture, sequence: int, timestamp: int, source: int, channel: int) -> bool:
        """Send all of it, or nothing when the viewer has not read enough of what came before."""
        if self._unsent and len(picture.blob) > self.room:
            return False
        if not self.closed:
            buffer = self._server.scratch
            size = patch(buffer, picture, sequence, timestamp, source, channel)
            self._write(memoryview(buffer)[:size])
        return True

    def send_report(self, report: bytes, channel: int) -> None:
        """Send an RTCP packet, or drop it when something is still unsent."""
        if not self._unsent and not self.closed:
            self._write(memoryview(bytes([0x24, channel]) + len(report).to_bytes(2, "big") + report))

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
        self.heard = self._server.loop.time()
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

    def close(self) -> None:
        """Cut the connection at once. Whatever was playing stops."""
        if self.closed:
            return
        self.closed = True
        self._stop()
        self._server.loop.remove_reader(self._socket.fileno())
        self._server.loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self._server.forget(self)

    # Requests

    def _reply(
        self, request: Request | None, status: int, headers: dict[str, str] | None = None, body: str = ""
    ) -> None:
        if len(self._unsent) > self._server.window + REPLIES_LIMIT:
            self.close()
            return
        self._write(memoryview(respond(request, status, headers or {}, body)))

    def _answer(self, request: Request) -> None:
        path = request.path.removesuffix(_TRACK)
        found = self._server.find(path)
        camera = found[0] if found else self.camera
        if camera is not None and camera.fault is Fault.DROP:
            self.close()
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
                self._describe(request, path, found[1])
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

    def _describe(self, request: Request, path: str, feed: Feed) -> None:
        address = self._socket.getsockname()
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        headers = {
            "Content-Base": f"rtsp://{host}:{address[1]}{path}/",
            "Content-Type": "application/sdp",
            "Cache-Control": "no-cache",
        }
        self._reply(request, 200, headers, feed.track.description(address[0], secrets.randbits(31)))

    def _set_up(self, request: Request, camera: SimCamera, feed: Feed) -> None:
        if self.playback is not None:
            self._reply(request, 455)
            return
        channels = _interleaved_channels(request.headers.get("transport", ""))
        if channels is None:
            self._reply(request, 461)
            return
        self.camera = camera
        self.playback = Playback(camera, feed, self, channels)
        self._session = secrets.token_hex(8)
        transport = (
            f'RTP/AVP/TCP;unicast;interleaved={channels[0]}-{channels[1]};ssrc={self.playback.source:08X};mode="PLAY"'
        )
        self._reply(request, 200, {"Transport": transport, **self._session_header()})

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
        self.playback = None
        self.camera = None
        self._session = ""

    def _session_header(self) -> dict[str, str]:
        return {"Session": f"{self._session};timeout={self._server.session_timeout:.0f}"}


def _interleaved_channels(header: str) -> tuple[int, int] | None:
    """Return the channels for RTP and RTCP of the first transport offered that this server has (RFC 2326 §12.39)."""
    for offer in header.split(","):
        protocol, *parameters = [part.strip() for part in offer.split(";")]
        if protocol.upper() != "RTP/AVP/TCP":
            continue
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() != "interleaved":
                continue
            first, _, second = value.partition("-")
            if not (first.isascii() and first.isdigit() and len(first) <= 3 and int(first) < 255):
                return None
            usable = second.isascii() and second.isdigit() and len(second) <= 3 and int(second) <= 255
            return int(first), int(second) if usable else int(first) + 1
        return 0, 1
    return None


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
