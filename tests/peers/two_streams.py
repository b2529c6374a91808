"""A camera with two streams that follows a script: what it refuses, and when; it notes all it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

SPS = bytes.fromhex("6742c00cda05067e7840000003004000000783c50aa8")
PPS = bytes.fromhex("68ce0fc8")
"""Written by libx264 for 320×180 at 15 pictures a second, Baseline."""
STEP_S = 0.03
_SDP = (
    "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; profile-level-id=42C00C; "
    "sprop-parameter-sets=Z0LADNoFBn54QAAAAwBAAAAHg8UKqA==,aM4PyA==\r\na=control:trackID=1\r\n"
)


class TwoStreams:
    """Plays `/main` and `/sub` on loopback, pictures of a few bytes each, a key frame every ten."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        """(stream, method) of every request."""
        self.refusals: dict[str, str] = {}
        """By stream, the status that its SETUP is answered with."""
        self.without_key: set[str] = set()
        self.kicks = False
        """It ends its main stream when the other is asked to play."""
        self.playing: dict[str, list[asyncio.StreamWriter]] = {"main": [], "sub": []}
        self.port = 0

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[TwoStreams]:
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._talk(reader, writer)
            for writers in self.playing.values():
                if writer in writers:
                    writers.remove(writer)
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def url(self, stream: str) -> str:
        return f"rtsp://127.0.0.1:{self.port}/{stream}"

    def count(self, stream: str, method: str) -> int:
        return self.asked.count((stream, method))

    def hang_up(self, stream: str) -> None:
        """Close the connections of a stream, as a camera that restarts it."""
        for writer in self.playing[stream]:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        playing: asyncio.Task[None] | None = None
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                method, url, _ = head.split("\r\n")[0].split(" ")
                stream = url.split("/")[3]
                self.asked.append((stream, method))
                status, extra, body = "200 OK", "", ""
                if method == "SETUP":
                    status = self.refusals.get(stream, status)
                    extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 7;timeout=60\r\n"
                elif method == "DESCRIBE":
                    body = _SDP
                number = head.lower().partition("cseq: ")[2].split("\r\n")[0]
                writer.write(
                    f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}".encode()
                )
                if method == "PLAY":
                    self.playing[stream].append(writer)
                    playing = asyncio.create_task(self._play(stream, writer))
                    if stream == "sub" and self.kicks:
                        self.hang_up("main")
                elif method == "TEARDOWN":
                    return
        finally:
            if playing is not None:
                playing.cancel()

    async def _play(self, stream: str, writer: asyncio.StreamWriter) -> None:
        for number in range(100_000):
            key = number % 10 == 0 and stream not in self.without_key
            # A coded slice with first_mb_in_slice 0, and something that tells the streams apart.
            unit = bytes((0x65 if key else 0x41, 0x80)) + stream.encode() + struct.pack(">I", number + 1)
            head = struct.pack(">BBHII", 0x80, 0x80 | 96, number & 0xFFFF, round(number * STEP_S * 90_000), 7)
            packet = head + unit
            writer.write(struct.pack(">BBH", 0x24, 0, len(packet)) + packet)
            await asyncio.sleep(STEP_S)
