"""Inputs of the right form with the wrong contents, made from nothing: they get past the first check."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

from bench.fuzz import corpus
from video.rtsp.conftest import PPS, SPS, interleave
from vonggac.video.mp4 import fragment_header, init_segment

WORDS = (
    "", " ", ";", ",", "=", '"', "\\", ":", "/", "*", "0", "1", "-1", "255", "65536", "4294967295", "a", "ü", "\u2028",
    "٣", "x" * 300, "[::1", "http://[", "rtsp://h:x/", "//", "%", "%zz", "%0d%0a", "\t", "🎥", "\x7f", "\x85", "\ufeff",
)  # fmt: skip
NAMES = (
    "CSeq", "Session", "Transport", "Content-Length", "Content-Base", "Content-Location", "Public", "WWW-Authenticate",
    "Server", "RTP-Info", "Location", "Content-Type", "Range", "X",
)  # fmt: skip
VALUES = (
    "1", "2", "3", "4", "5", "0", "RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP;unicast;server_port=1-2",
    "RTP/AVP/TCP;interleaved=999", "RTP/AVP/TCP;interleaved=5", "12345;timeout=60", ";timeout=1", "a;timeout=x",
    "rtsp://camera/live/", "rtsp://[bad/", "rtsp", "OPTIONS, DESCRIBE, GET_PARAMETER", *corpus.CHALLENGES,
)  # fmt: skip
LINES = (
    "m=video 0 RTP/AVP 96", "m=", "m=audio 0 RTP/AVP ", "a=control:", "a=control:/", "a=rtpmap:96 H264/90000",
    "a=rtpmap:", "a=fmtp:96 sprop-parameter-sets=", "a=fmtp:", "a=framerate:", "b=", "a=",
)  # fmt: skip
STATUSES = (
    "200 OK",
    "200",
    "401 Unauthorized",
    "100 Continue",
    "454 x",
    "551 x",
    "302 Moved",
    "999 ?",
    *corpus.REFUSALS,
)


def _one(rng: Random, of: Sequence[str]) -> str:
    return of[int(rng.random() * len(of))]


def message(rng: Random) -> bytes:
    """A reply or a request with any headers."""
    first = (
        f"RTSP/1.0 {_one(rng, STATUSES)}" if rng.random() < 0.8 else f"{_one(rng, ('OPTIONS', 'TEARDOWN'))} * RTSP/1.0"
    )
    end = "\r\n" if rng.random() < 0.8 else "\n"
    lines = [first]
    for _ in range(int(rng.random() ** 2 * 12)):
        value = _one(rng, VALUES) if rng.random() < 0.7 else "".join(_one(rng, WORDS) for _ in range(3))
        lines.append(f"{_one(rng, NAMES)}{':' if rng.random() < 0.95 else ''} {value}")
    body = b""
    if rng.random() < 0.3:
        body = sdp(rng)
        lines.append(f"Content-Length: {len(body)}")
    return (end.join(lines) + end + end).encode() + body


def session(rng: Random) -> bytes:
    """A whole session, most of it in step: each answer carries the number that its request has."""
    out = bytearray()
    number = 1
    if rng.random() < 0.3:
        out += f"RTSP/1.0 401 x\r\nCSeq: 1\r\nWWW-Authenticate: {_one(rng, corpus.CHALLENGES)}\r\n\r\n".encode()
        number = 2
    out += _one(rng, corpus.OPTIONS).format(number).encode()
    text = _one(rng, corpus.DESCRIPTIONS[:3]) if rng.random() < 0.8 else sdp(rng).decode()
    base = "" if rng.random() < 0.3 else f"Content-Base: {_one(rng, (*VALUES, *WORDS))}\r\n"
    out += corpus.described(number + 1, text, base)
    if rng.random() < 0.1:
        out += message(rng)
    out += _one(rng, corpus.SETUPS).format(number + 2).encode()
    out += _one(rng, corpus.PLAYS).format(number + 3).encode()
    for _ in range(int(rng.random() * 5)):
        kind = rng.random()
        if kind < 0.6:
            out += interleave(corpus.h264_packets(rng, pictures=1 + int(rng.random() * 4)))
        elif kind < 0.75:
            out += interleave([reports(rng)], channel=1)
        else:
            out += message(rng)
    return bytes(out)


def sdp(rng: Random) -> bytes:
    """Lines of a description, in any order."""
    lines = ["v=0"] if rng.random() < 0.9 else []
    for _ in range(int(rng.random() * 16)):
        lines.append(_one(rng, LINES) + "".join(_one(rng, WORDS) for _ in range(int(rng.random() * 3))))
    return "\r\n".join(lines).encode()


def challenge(rng: Random) -> bytes:
    """Schemes and parameters, with and without quotes and commas."""
    parts = []
    for _ in range(int(rng.random() * 8)):
        if rng.random() < 0.3:
            parts.append(_one(rng, ("Digest ", "Basic ", "Negotiate ", "digest", "")))
        name = _one(rng, ("realm", "nonce", "qop", "algorithm", "stale", "opaque", "x-y"))
        value = "".join(_one(rng, WORDS) for _ in range(2))
        parts.append(f"{name}{_one(rng, ('=', ' = ', ''))}{_one(rng, ('', chr(34)))}{value}{_one(rng, ('', chr(34)))}")
        parts.append(_one(rng, (", ", ",", " ", "\n")))
    return "".join(parts).encode()


def address(rng: Random) -> bytes:
    """Credentials, host, port and path of any words."""

    def some() -> str:
        return "".join(_one(rng, WORDS) for _ in range(int(rng.random() * 3)))

    at = f"{some()}:{some()}@" if rng.random() < 0.5 else ""
    port = f":{some()}" if rng.random() < 0.5 else ""
    host = _one(rng, ("host", "[::1]", "192.0.2.1", some()))
    scheme, cut = _one(rng, ("rtsp://", "rtsps://", "RTSP:")), _one(rng, ("/", "?", "#", ""))
    return f"{scheme}{at}{host}{port}{cut}{some()}".encode()


def setup_headers(rng: Random) -> bytes:
    """Parameters of Transport and Session with any values; now and then a run of one letter."""
    parts = []
    for _ in range(1 + int(rng.random() * 8)):
        name = _one(rng, ("interleaved", "server_port", "source", "timeout", "client_port", "RTP/AVP/TCP", "multicast"))
        value = "".join(_one(rng, WORDS) for _ in range(2)) if rng.random() < 0.6 else f"{int(rng.random() * 70_000)}-1"
        parts.append(name + _one(rng, ("=", " = ", "")) + value + _one(rng, (";", ",", "-")))
        if rng.random() < 0.1:
            parts.append(_one(rng, (" ", "\t", '"', "1", "timeout", ",", ";")) * int(rng.random() * 16_000))
    return "".join(parts).encode()


def arrivals(rng: Random) -> bytes:
    """Packets of a stream that loses, doubles and delays some, begins anew now and then, and passes 65,535."""
    numbers = [int(rng.random() * 0x10000)]
    for _ in range(int(rng.random() * 120)):
        step = 1 if rng.random() < 0.95 else int(rng.random() * 0x10000)
        numbers.append(numbers[-1] + step & 0xFFFF)
    for _ in range(int(rng.random() ** 2 * 40)):
        at, to = (int(rng.random() * len(numbers)) for _ in range(2))
        numbers.insert(to, numbers[at] if rng.random() < 0.4 else numbers.pop(at))
    return b"".join(
        struct.pack(">BBH", int(rng.random() ** 4 * 256), rng.random() < 0.01, number) for number in numbers
    )


def datagrams(rng: Random) -> bytes:
    """A stream some of whose packets come late, twice, on another channel, or beside reports."""
    packets = [(0, packet) for packet in corpus.h264_packets(rng, pictures=1 + int(rng.random() * 5))]
    for _ in range(int(rng.random() ** 2 * 12)):
        at, to = (int(rng.random() * len(packets)) for _ in range(2))
        packets.insert(to, packets[at] if rng.random() < 0.4 else packets.pop(at))
    if rng.random() < 0.3:
        packets.insert(int(rng.random() * len(packets)), (1 if rng.random() < 0.5 else 0, reports(rng)))
    if rng.random() < 0.2:
        packets.insert(int(rng.random() * len(packets)), (3, packets[0][1]))
    return b"".join(interleave([packet], channel=channel) for channel, packet in packets)


def reports(rng: Random) -> bytes:
    """RTCP packets of any kind whose lengths are mostly right."""
    out = bytearray()
    for _ in range(1 + int(rng.random() * 4)):
        words = int(rng.random() ** 2 * 9)
        length = words if rng.random() < 0.8 else int(rng.random() * 0x10000)
        out += struct.pack(">BBH", 0x80 | int(rng.random() * 64), 199 + int(rng.random() * 8), length)
        out += rng.randbytes(4 * words)
    return bytes(out)


def h264(rng: Random) -> bytes:
    """A short stream; now and then a payload of any bytes under a right header."""
    packets = corpus.h264_packets(rng, pictures=1 + int(rng.random() * 6))
    for _ in range(int(rng.random() * 4)):
        at = int(rng.random() * len(packets))
        kind = bytes((int(rng.random() * 32) | 0x60,))
        packets[at] = packets[at][:12] + kind + rng.randbytes(int(rng.random() ** 2 * 60))
    return interleave(packets, channel=0 if rng.random() < 0.95 else 1)


def h264_set(rng: Random) -> bytes:
    """A header byte, and bits among which short codes are frequent."""
    kind = (7, 7, 7, 8, 5)[int(rng.random() * 5)]
    body = bytes(rng.choice((0x80, 0xFF, 0xAA, 0x42, 0x64, 0x4D, int(rng.random() * 256))) for _ in range(20))
    return bytes((0x60 | kind,)) + (body if rng.random() < 0.8 else (SPS, PPS)[kind == 8][1:8] + body)


def recording(rng: Random) -> bytes:
    """A file of ours with any numbers in it that the writer takes."""
    data = bytearray(init_segment(corpus.PARAMETERS, presentation_delay=rng.choice((0, 6000))))
    time = int(rng.random() * 3) * 90_000
    for number in range(int(rng.random() * 4)):
        sizes = [5 + int(rng.random() * 40) for _ in range(1 + int(rng.random() * 3))]
        durations = [1 + int(rng.random() ** 3 * 90_000) for _ in sizes]
        offsets = [int(rng.random() * 10_000) - 5000 for _ in sizes] if rng.random() < 0.3 else None
        data += fragment_header(number + 1, time, durations, sizes, offsets, key=rng.random() < 0.7)
        data += b"".join((size - 4).to_bytes(4, "big") + b"\x41" * (size - 4) for size in sizes)
        time += sum(durations)
    return bytes(data)


def table(rng: Random) -> bytes:
    """Any numbers, 7 bits a byte, behind a version and a count that may be theirs."""
    entries = int(rng.random() ** 2 * 12)
    out = bytearray((1, entries if rng.random() < 0.9 else int(rng.random() * 128)))
    for _ in range(entries * 3 + int(rng.random() * 3)):
        number = int(rng.random() ** 4 * (1 << (7, 14, 40, 63, 70)[int(rng.random() * 5)]))
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        out.append(number)
    return bytes(out)


def live(rng: Random) -> bytes:
    """Lines of JSON with any value where one is expected."""
    values = ("0", "5", "-1", "null", '"x"', "1e999", "[]", "{}", "true", "99999999999999999999", '["AAAA"]', '["ü"]')
    out = bytearray()
    for _ in range(1 + int(rng.random() * 3)):
        fields = [f'"{name}":{_one(rng, values)}' for name in ("pts", "key", "arrived_us") if rng.random() < 0.8]
        if rng.random() < 0.7:
            inner = [f'"{name}":{_one(rng, values)}' for name in ("codec", "sets", "width", "height", "declared_fps")]
            fields.append(
                '"parameters":{' + ",".join(inner) + "}" if rng.random() < 0.8 else f'"parameters":{inner[0][8:]}'
            )
        size = int(rng.random() * 6)
        fields.append(f'"size":{size if rng.random() < 0.8 else _one(rng, values)}')
        out += ("{" + ",".join(fields) + "}\n").encode() + rng.randbytes(size)
    return bytes(out)
