"""What the tests of the RTSP client share: a packer of RTP, pictures of x264, and a camera that follows a script."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace

import pytest

from vonggac.video.rtsp.h264 import H264Depacketiser
from vonggac.video.rtsp.h265 import H265Depacketiser
from vonggac.video.rtsp.units import UnitDepacketiser
from vonggac.video.stream import AccessUnit

# Written by libx264 for 320×180 at 15 pictures a second, Baseline.
SPS = bytes.fromhex("6742c00cda05067e7840000003004000000783c50aa8")
PPS = bytes.fromhex("68ce0fc8")
# Written by libx265 for the same.
HEVC_SETS = (
    bytes.fromhex("40010c01ffff01600000030090000003000003003cba0240"),
    bytes.fromhex("42010101600000030090000003000003003ca00a080c1f3e5ba4a4c2e68080000003008000000784"),
    bytes.fromhex("4401c073c189"),
)


@dataclass
class Packer:
    """Cuts units into RTP packets, in every way that RFC 6184 knows. Shares nothing with the depacketiser."""

    sequence: int = 1000
    payload_type: int = 96
    ssrc: int = 0x1234

    def packet(self, payload: bytes, timestamp: int, marker: bool = False) -> bytes:
        head = struct.pack(
            ">BBHII",
            0x80,
            marker << 7 | self.payload_type,
            self.sequence & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            self.ssrc,
        )
        self.sequence += 1
        return head + payload

    def single(self, unit: bytes, timestamp: int, marker: bool = False) -> list[bytes]:
        return [self.packet(unit, timestamp, marker)]

    def fragments(
        self, unit: bytes, timestamp: int, marker: bool = False, size: int = 100, order: int | None = None
    ) -> list[bytes]:
        """FU-A, or with a decoding order number FU-B first."""
        chunks = [unit[at : at + size] for at in range(1, len(unit), size)]
        if len(chunks) < 2:
            return self.single(unit, timestamp, marker)
        packets = []
        for number, chunk in enumerate(chunks):
            first, last = number == 0, number == len(chunks) - 1
            kind, extra = (29, struct.pack(">H", order)) if first and order is not None else (28, b"")
            head = bytes((unit[0] & 0xE0 | kind, first << 7 | last << 6 | unit[0] & 31))
            packets.append(self.packet(head + extra + chunk, timestamp, marker and last))
        return packets

    def aggregate(self, kind: int, units: Iterable[bytes], timestamp: int, marker: bool = False) -> list[bytes]:
        """STAP-A (24), STAP-B (25), MTAP16 (26), MTAP24 (27), all units of one time."""
        payload = bytes((kind | 0x60,)) + (b"" if kind == 24 else b"\0\7")
        for unit in units:
            payload += struct.pack(">H", len(unit))
            payload += {24: b"", 25: b"", 26: b"\0\0\0", 27: b"\0\0\0\0"}[kind] + unit
        return [self.packet(payload, timestamp, marker)]


@dataclass
class HevcPacker(Packer):
    """The same for RFC 7798. `order_numbers`: as a camera with sprop-max-don-diff above 0 writes them."""

    order_numbers: bool = False

    def single(self, unit: bytes, timestamp: int, marker: bool = False) -> list[bytes]:
        order = b"\0\7" if self.order_numbers else b""
        return [self.packet(unit[:2] + order + unit[2:], timestamp, marker)]

    def fragments(
        self, unit: bytes, timestamp: int, marker: bool = False, size: int = 100, order: int | None = None
    ) -> list[bytes]:
        chunks = [unit[at : at + size] for at in range(2, len(unit), size)]
        if len(chunks) < 2:
            return self.single(unit, timestamp, marker)
        packets = []
        for number, chunk in enumerate(chunks):
            first, last = number == 0, number == len(chunks) - 1
            head = bytes((unit[0] & 0x81 | 49 << 1, unit[1], first << 7 | last << 6 | unit[0] >> 1 & 63))
            extra = b"\0\7" if first and self.order_numbers else b""
            packets.append(self.packet(head + extra + chunk, timestamp, marker and last))
        return packets

    def aggregate(self, kind: int, units: Iterable[bytes], timestamp: int, marker: bool = False) -> list[bytes]:
        """AP; `kind` is there for RFC 6184's sake."""
        payload = bytes((48 << 1, 1))
        for number, unit in enumerate(units):
            order = b"" if not self.order_numbers else b"\0" if number else b"\0\7"
            payload += order + struct.pack(">H", len(unit)) + unit
        return [self.packet(payload, timestamp, marker)]

    def with_extension(self, packet: bytes, extension: bytes = b"") -> bytes:
        """PACI: control information before what the packet carries."""
        head, (first, second), rest = packet[:12], packet[12:14], packet[14:]
        fields = (first >> 7) << 15 | (first >> 1 & 63) << 9 | len(extension) << 4
        return head + bytes((50 << 1 | first & 1, second)) + struct.pack(">H", fields) + extension + rest


@dataclass
class Pictures:
    """Collects what a depacketiser hands over."""

    units: list[AccessUnit] = field(default_factory=list)

    def __call__(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    @property
    def nals(self) -> list[list[bytes]]:
        return [split_lengths(unit.data) for unit in self.units]


def split_lengths(data: bytes | bytearray) -> list[bytes]:
    units, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        units.append(bytes(data[at + 4 : at + 4 + size]))
        assert len(units[-1]) == size > 0
        at += 4 + size
    return units


def interleave(packets: Iterable[bytes], channel: int = 0) -> bytes:
    return b"".join(struct.pack(">BBH", 0x24, channel, len(packet)) + packet for packet in packets)


def feed(depacketiser: UnitDepacketiser, stream: bytes, cuts: Iterable[int] = (), now_ns: int = 1) -> None:
    """Feed a stream of interleaved packets in pieces that end at `cuts`, as a connection does."""
    kept = b""
    ends = sorted({*(cut for cut in cuts if 0 < cut < len(stream)), len(stream)})
    at = 0
    for end in ends:
        data = kept + stream[at:end]
        view = memoryview(data)
        pos = depacketiser.interleaved(view, 0, len(data), now_ns)
        while pos + 4 <= len(data):  # what the fast loop leaves: short packets, as the session takes them
            after = pos + 4 + int.from_bytes(data[pos + 2 : pos + 4], "big")
            if after > len(data):
                break
            depacketiser.packet(view, pos + 4, after, now_ns)
            pos = depacketiser.interleaved(view, after, len(data), now_ns)
        kept, at = data[pos:], end
    assert not kept


def slice_unit(body: bytes, *, key: bool = False, leads: bool = True) -> bytes:
    """A slice as the depacketiser sees it: header, first_mb_in_slice (0, or 1), and whatever follows."""
    return bytes((0x65 if key else 0x41, 0x80 if leads else 0x40)) + body


def hevc_slice_unit(body: bytes, *, key: bool = False, leads: bool = True, kind: int | None = None) -> bytes:
    """The same in H.265: IDR_W_RADL or TRAIL_R, first_slice_segment_in_pic_flag, and whatever follows."""
    if kind is None:
        kind = 19 if key else 1
    return bytes((kind << 1, 1, 0x80 if leads else 0x40)) + body


def h264_kind(unit: bytes) -> int:
    return unit[0] & 31


def h265_kind(unit: bytes) -> int:
    return unit[0] >> 1 & 63


H264 = SimpleNamespace(
    name="h264",
    Depacketiser=H264Depacketiser,
    Packer=Packer,
    sets=(SPS, PPS),
    set_kinds=(7, 8),
    slice_unit=slice_unit,
    kind=h264_kind,
    is_slice=lambda unit: h264_kind(unit) <= 5,
    sei=lambda data: b"\x06" + data,
    delimiter=b"\x09\x10",
    ways=("single", "fragments", "fu-b", 24, 25, 26, 27),
)
H265 = SimpleNamespace(
    name="h265",
    Depacketiser=H265Depacketiser,
    Packer=HevcPacker,
    sets=HEVC_SETS,
    set_kinds=(32, 33, 34),
    slice_unit=hevc_slice_unit,
    kind=h265_kind,
    is_slice=lambda unit: h265_kind(unit) < 32,
    sei=lambda data: b"\x4e\x01" + data,
    delimiter=b"\x46\x01\x10",
    ways=("single", "fragments", "aggregate", "extension"),
)


@pytest.fixture(scope="session", params=[H264, H265], ids=["h264", "h265"])
def codec(request: pytest.FixtureRequest) -> SimpleNamespace:
    """What tests of both codecs need of each: its packer, its units, its depacketiser."""
    return request.param


@pytest.fixture(scope="session")
def h265() -> SimpleNamespace:
    """The same for what only H.265 has."""
    return H265


@pytest.fixture(scope="session")
def rtp() -> SimpleNamespace:
    """The packer and what goes with it."""
    return SimpleNamespace(
        Packer=Packer,
        Pictures=Pictures,
        feed=feed,
        interleave=interleave,
        slice_unit=slice_unit,
        split_lengths=split_lengths,
        SPS=SPS,
        PPS=PPS,
    )


@pytest.fixture(scope="session")
def encode() -> Callable[..., list[SimpleNamespace]]:
    """Encode a moving bar: a list of coded pictures in decoding order, each with `pts`, `key` and its units."""
    import av
    import numpy as np

    def make(
        codec: str = "h264",
        frames: int = 30,
        bframes: int = 0,
        slices: int = 1,
        size: tuple[int, int] = (320, 180),
        rate: int = 15,
        more: str = "",
    ) -> list:
        width, height = size
        context = av.CodecContext.create("libx264" if codec == "h264" else "libx265", "w")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.framerate, context.time_base, context.gop_size = rate, Fraction(1, rate), 10
        params = f"bframes={bframes}:b-adapt=0:repeat-headers=1:aud=1:slices={slices}"
        if codec == "h264":
            context.options = {"preset": "ultrafast", "x264-params": f"{params}:threads=1"}
        else:
            params += f":keyint=10:min-keyint=10:scenecut=0:log-level=none:pools=1:frame-threads=1{more}"
            context.options = {"preset": "ultrafast", "x265-params": params}
        packets = []
        for number in range(frames):
            picture = np.random.default_rng(number).integers(0, 60, (height * 3 // 2, width), np.uint8)
            picture[:height, number * 8 % width : number * 8 % width + 8] = 200
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = number
            packets += context.encode(frame)
        packets += context.encode(None)
        return [
            SimpleNamespace(
                pts=packet.pts * 6000,
                key=packet.is_keyframe,
                units=[unit for unit in re.split(rb"\x00{2,}\x01", bytes(packet)) if unit],
            )
            for packet in packets
        ]

    return make


SDP = (
    "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=Media\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=framerate:15.0\r\n"
    "a=fmtp:96 packetization-mode=1; profile-level-id=42C00C; "
    "sprop-parameter-sets=Z0LADNoFBn54QAAAAwBAAAAHg8UKqA==,aM4PyA==\r\n"
    "a=control:trackID=1\r\n"
)


class ScriptedCamera:
    """One connection of a camera: reads requests, answers as the test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.requests: list[str] = []

    async def request(self) -> tuple[str, str, dict[str, str]]:
        """Read one request: (method, address, headers in small letters)."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, url, _ = first.split(" ")
        self.requests.append(method)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return method, url, headers

    async def reply(self, headers: dict[str, str], status: str = "200 OK", *extra: str, body: str = "") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {headers['cseq']}", *extra]
        if body:
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        await self.writer.drain()

    async def play(self, sdp: str = SDP, *, session: str = "77;timeout=60", and_then: bytes = b"") -> None:
        """Go through the whole handshake, up to the answer to PLAY, in one breath with `and_then`."""
        while True:
            method, _, headers = await self.request()
            if method == "OPTIONS":
                await self.reply(headers, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
            elif method == "DESCRIBE":
                await self.reply(headers, body=sdp)
            elif method == "SETUP":
                await self.reply(headers, "200 OK", f"Transport: {headers['transport']}", f"Session: {session}")
            elif method == "PLAY":
                self.writer.write(f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\nSession: {session}\r\n\r\n".encode())
                await self.send(and_then)
                return

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@pytest.fixture(scope="session")
def scripted() -> type[ScriptedCamera]:
    """The camera itself, for a server that a test makes: `scripted(reader, writer)`."""
    return ScriptedCamera


@pytest.fixture
def scripted_camera() -> Callable[..., object]:
    """`async with scripted_camera(script) as port`: a server on a loopback port, `script(camera)` per connection."""

    @asynccontextmanager
    async def serve(script: Callable[[ScriptedCamera], Awaitable[None]]) -> AsyncIterator[int]:
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await script(ScriptedCamera(reader, writer))
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return serve


@pytest.fixture(scope="session")
def sdp_text() -> str:
    """A plain description: one H.264 track with its parameter sets."""
    return SDP


@pytest.fixture
def no_files_left() -> Iterator[Callable[[], None]]:
    """Called, it leaves this process no file to open, until the test is over."""
    taken: list[int] = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def take_all() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))

    yield take_all
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for one in taken:
        os.close(one)


@pytest.fixture(params=["asyncio", "uvloop"])
def run_loop(request: pytest.FixtureRequest) -> Callable[[Awaitable[object]], object]:
    """Run a coroutine on asyncio's own loop, and on uvloop; ten seconds are enough for any of them."""

    def run(work: Awaitable[object]) -> object:
        import uvloop

        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

        async def bounded() -> object:
            async with asyncio.timeout(10):
                return await work

        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(bounded())

    return run
