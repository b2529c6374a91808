"""What the simulated district costs: CPU of `vonggac sim serve` while every camera is watched and all is read.

    .venv/bin/python bench/sim_load.py [--cameras 102] [--seconds 20] [--bit-rate 2000]

The viewer here only logs in, plays and throws away what comes, a few times a second, and counts the RTP packets of a
few cameras to see that none is missing. User, system and, in system time, the kernel's work of sending are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil

READ = 4 << 20
PAUSE_S = 0.1


class Viewer:
    """One RTSP session without authentication; counts bytes, and packets where `careful`."""

    def __init__(self, host: str, port: int, path: str, careful: bool) -> None:
        self.socket = socket.create_connection((host, port), 10)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        url = f"rtsp://{host}:{port}{path}"
        self._ask(f"SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n")
        session = re.search(rb"Session: (\w+)", self.reply)
        assert session is not None
        play = f"PLAY {url} RTSP/1.0\r\nCSeq: 2\r\nSession: {session[1].decode()}\r\n\r\n"
        self.socket.sendall(play.encode())
        self.kept = bytearray()
        self.bytes = self.packets = self.missing = 0
        self._careful = careful
        self._last: int | None = None

    def _ask(self, request: str) -> None:
        self.socket.sendall((request + "\r\n").encode())
        self.reply = self.socket.recv(4096)
        if not self.reply.startswith(b"RTSP/1.0 200"):
            raise SystemExit(f"The simulator refused: {self.reply[:60]!r}")

    def read(self, buffer: bytearray) -> None:
        """Take everything that waits."""
        self.socket.setblocking(False)
        while True:
            try:
                size = self.socket.recv_into(buffer)
            except BlockingIOError:
                return
            if not size:
                raise SystemExit("The simulator closed a connection.")
            self.bytes += size
            if self._careful:
                self.kept += memoryview(buffer)[:size]
                self._count()
            if size < READ:
                return

    def _count(self) -> None:
        kept, at = self.kept, 0
        if kept.startswith(b"RTSP"):
            end = kept.find(b"\r\n\r\n")
            if end < 0:
                return
            at = end + 4
        while at + 4 <= len(kept):
            size = int.from_bytes(kept[at + 2 : at + 4], "big")
            if at + 4 + size > len(kept):
                break
            if kept[at + 1] == 0:
                number = int.from_bytes(kept[at + 6 : at + 8], "big")
                if self._last is not None:
                    self.missing += (number - self._last - 1) & 0xFFFF
                self._last = number
                self.packets += 1
            at += 4 + size
        del kept[:at]


def main() -> None:
    """Run once and print a table row as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cameras", type=int, default=102)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--bit-rate", type=int, default=2000, help="kbit/s")
    parser.add_argument("--clips", help="a folder of clips instead of the drawn scenes")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "vonggac.sim", "serve", "--data", folder, "--cameras", str(arguments.cameras)]
        words += ["--bit-rate", str(arguments.bit_rate), *(["--clips", arguments.clips] if arguments.clips else [])]
        environment = {**os.environ, "VONGGAC_DATA": folder}
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path.cwd(), env=environment) as process:
            try:
                assert process.stdout is not None
                ready = json.loads(process.stdout.readline())
                print(json.dumps(measure(ready, arguments.cameras, arguments.seconds)))
            finally:
                process.terminate()


def measure(ready: dict[str, object], cameras: int, seconds: float) -> dict[str, float]:
    """Watch all cameras; return CPU as a share of one core, and what came."""
    address = urlsplit(str(ready["address"]))
    assert address.hostname
    assert address.port
    viewers = [Viewer(address.hostname, address.port, f"/cam/{n:03}", n % 10 == 1) for n in range(1, cameras + 1)]
    buffer = bytearray(READ)
    server = psutil.Process(int(str(ready["pid"])))
    drain(viewers, buffer, 5.0)
    before, received, started = server.cpu_times(), sum(viewer.bytes for viewer in viewers), time.monotonic()
    drain(viewers, buffer, seconds)
    after, passed = server.cpu_times(), time.monotonic() - started
    total = sum(viewer.bytes for viewer in viewers) - received
    return {
        "cameras": cameras,
        "mbit_s_each": round(total * 8 / passed / cameras / 1e6, 3),
        "core_user": round((after.user - before.user) / passed, 4),
        "core_system": round((after.system - before.system) / passed, 4),
        "core": round((after.user + after.system - before.user - before.system) / passed, 4),
        "rss_mb": round(server.memory_info().rss / 1e6, 1),
        "packets_checked": sum(viewer.packets for viewer in viewers),
        "packets_missing": sum(viewer.missing for viewer in viewers),
    }


def drain(viewers: list[Viewer], buffer: bytearray, seconds: float) -> None:
    """Read all viewers for a while, a few times a second."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for viewer in viewers:
            viewer.read(buffer)
        select.select([], [], [], PAUSE_S)


if __name__ == "__main__":
    main()
