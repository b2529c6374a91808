"""A plain socket as a viewer of RTSP streams: it shares nothing with what it watches."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable


class Viewer:
    """A plain socket that speaks a little RTSP and reads interleaved packets."""

    def __init__(self, port: int, window: int | None = None) -> None:
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(5)
        self.socket.connect(("127.0.0.1", port))
        self.base = f"rtsp://127.0.0.1:{port}"
        self.kept = b""
        self.number = 0

    def ask(self, method: str, path: str, *headers: str) -> tuple[int, dict[str, str], bytes]:
        self.number += 1
        lines = [f"{method} {self.base}{path} RTSP/1.0", f"CSeq: {self.number}", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        while True:
            while self.kept[:1] == b"$" and len(self.kept) >= 4:
                self.packet()
            if b"\r\n\r\n" in self.kept:
                break
            self.more()
        head, _, self.kept = self.kept.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        found = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        size = int(found.get("content-length", 0))
        while len(self.kept) < size:
            self.more()
        body, self.kept = self.kept[:size], self.kept[size:]
        return int(first.split()[1]), found, body

    def play(self, path: str = "/cam/001", channels: str = "0-1") -> dict[str, str]:
        transport = f"Transport: RTP/AVP/TCP;unicast;interleaved={channels}"
        status, headers, _ = self.ask("SETUP", f"{path}/trackID=0", transport)
        assert status == 200
        self.session = headers["session"].partition(";")[0]
        status, headers, _ = self.ask("PLAY", path, f"Session: {self.session}")
        assert status == 200
        return headers

    def packet(self) -> tuple[int, bytes]:
        """Return channel and content of the next interleaved packet."""
        while len(self.kept) < 4 or len(self.kept) < 4 + int.from_bytes(self.kept[2:4], "big"):
            self.more()
        assert self.kept[0] == 0x24
        size = int.from_bytes(self.kept[2:4], "big")
        packet = self.kept[1], self.kept[4 : 4 + size]
        self.kept = self.kept[4 + size :]
        return packet

    def read_on(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Read until the server hangs up, for half a minute at most."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            self.more()
            self.kept = b""
            meanwhile()

    def more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionResetError
        self.kept += data
