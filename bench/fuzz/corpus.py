"""Valid inputs to begin with: what cameras, our recorder and our own files say when nothing is wrong.

The replies are written here after the habits of real devices (headers missing, doubled, in odd case and spacing; the
session's addresses relative, absolute, absent); the streams are coded by x264 and x265 and cut by the tests' packer.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from random import Random

from peers.aac import DESCRIBED, Sender
from video.rtsp.conftest import PPS, SDP, SPS, Packer, interleave, slice_unit
from vonggac.cameras.onvif.client import exchange
from vonggac.cameras.onvif.pull_point import PullPoint
from vonggac.sim.onvif import OnvifCamera, OnvifServer
from vonggac.video.mp4 import SoundFrames, fragment_header, init_segment
from vonggac.video.mp4.group_table import GroupEntry, pack
from vonggac.video.stream import SoundParameters, VideoParameters

PARAMETERS = VideoParameters("h264", (SPS, PPS), 320, 180, 0, 15.0)
SOUND = SoundParameters(bytes.fromhex("1408"), 16_000, 1)

CHALLENGES = (
    'Digest realm="IP Camera(C4521)", nonce="4a3f1e6c9b2d", stale="FALSE"',
    'Digest realm="Login to 7F03A", qop="auth", nonce="9f2c7751", opaque="", algorithm="MD5", stale="FALSE"',
    "Digest realm=IP Camera(23456), nonce=abc def, stale=FALSE",
    'Digest realm="cam", nonce="n", algorithm=SHA-256, qop="auth,auth-int"',
    'Digest realm="cam", nonce="n", algorithm="MD5-sess", qop=auth, opaque="5ccc069c"',
    'Basic realm="AXIS_ACCC8E"',
    'Basic realm="cam", Digest realm="cam", nonce="one", algorithm="MD5"',
    "Basic",
    'Digest realm="with \\"quotes\\" and , commas", nonce="x"',
)

DESCRIPTIONS = (
    SDP,
    "v=0\r\no=- 1109162014219182 1109162014219192 IN IP4 192.0.2.64\r\ns=Media Presentation\r\ne=NONE\r\nb=AS:5050\r\n"
    "t=0 0\r\na=control:rtsp://192.0.2.64/Streaming/Channels/101/\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\n"
    "b=AS:5000\r\na=recvonly\r\na=x-dimensions:1920,1080\r\n"
    "a=control:rtsp://192.0.2.64/Streaming/Channels/101/trackID=1\r\na=rtpmap:96 H264/90000\r\n"
    "a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z0LADNoFBn54QAAAAwBAAAAHg8UKqA==,"
    "aM4PyA==\r\na=Media_header:MEDIAINFO=494D4B48010200000400000100000000;\r\na=appversion:1.0\r\n",
    "v=0\r\no=- 2251938202 2251938202 IN IP4 0.0.0.0\r\ns=RTSP Session/2.0\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "a=control:*\r\na=range:npt=now-\r\na=packetization-supported:DH\r\nm=video 0 RTP/AVP 96\r\na=control:trackID=0\r\n"
    "a=framerate:25.000000\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=4D002A;"
    "sprop-parameter-sets=Z0LADNoFBn54QAAAAwBAAAAHg8UKqAA=,aM4PyAA=\r\na=recvonly\r\nm=audio 0 RTP/AVP 8\r\n"
    "a=control:trackID=1\r\na=rtpmap:8 PCMA/8000\r\na=recvonly\r\n",
    "v=0\nm=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/16000/1\na=fmtp:97 streamtype=5;mode=AAC-hbr;config=1408;"
    "sizeLength=13;indexLength=3;indexDeltaLength=3\na=control:track2\nm=video 0 RTP/AVP 98\na=rtpmap: 98 h265/90000\n"
    "a=fmtp:98 sprop-vps=QAEMAf//AWAAAAMAkAAAAwAAAwBdlZgJ;sprop-sps=QgEBAWAAAAMAkAAAAwAAAwBdoAUCAXHyllZZWQ==;"
    "sprop-pps=RAHBc9GJ\na=control:/track1\nm=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\n",
    "v=0\r\nm=video 5004/2 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\na=control:\r\na=framerate:0\r\n",
    "v=0\r\nm=video 0 RTP/AVP 26\r\na=framesize:26 640-480\r\n",
)

OPTIONS = (
    "RTSP/1.0 200 OK\r\nCSeq: {0}\r\nPublic: OPTIONS, DESCRIBE, PLAY, PAUSE, SETUP, TEARDOWN, SET_PARAMETER, "
    "GET_PARAMETER\r\nDate:  Tue, Nov 24 2026 08:00:00 GMT\r\n\r\n",
    "RTSP/1.0 200 OK\r\nCSeq: {0}\r\nServer: Rtsp Server/3.0\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n",
    "RTSP/1.0 501 Not Implemented\r\nCSEQ:  {0} \r\n\r\n",
    "RTSP/1.0 200\nCseq: {0}\nPublic: DESCRIBE,\n GET_PARAMETER\n\n",
)
SETUPS = (
    "RTSP/1.0 200 OK\r\nCSeq: {0}\r\nSession:       1185255211;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;"
    'interleaved=0-1;ssrc=  3bda1a; mode="play"\r\n\r\n',
    "RTSP/1.0 200 OK\r\nCSeq: {0}\r\nSession: 77 ; Timeout = 90\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n"
    "x-Dynamic-Rate: 1\r\n\r\n",
    "RTSP/1.0 200 OK\r\nCSeq: {0}\r\nSession: a;timeout=4294967\r\n\r\n",
)
HEADERS = (
    'RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=  1A;mode="play"',
    "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;source=192.0.2.7, RTP/AVP/TCP;interleaved=2-3",
    'RTP/AVP/UDP;server_port="6970-6971";source="[2001:db8::7]"',
    "RTP/AVP;multicast;destination=239.0.0.1;port=5000-5001;ttl=16",
    "77 ; Timeout = 90",
    '1185255211;timeout="60";x',
)
PLAYS = (
    "RTSP/1.0 200 OK\r\nCSeq: {0}\r\nSession: 1185255211\r\nRTP-Info: url=trackID=1;seq=4711;rtptime=289084\r\n\r\n",
    "RTSP/1.0 200 OK\r\nCSeq: {0}\r\nRange: npt=0.000-\r\nScale: 1.0\r\n\r\n",
)
OF_THE_CAMERA = (
    "OPTIONS rtsp://client/ RTSP/1.0\r\nCSeq: 5\r\n\r\n",
    "SET_PARAMETER rtsp://client/ RTSP/1.0\r\nCSeq: 6\r\nContent-Length: 4\r\n\r\na: b",
    "ANNOUNCE * RTSP/1.0\r\nCSeq: 7\r\n\r\n",
    "TEARDOWN rtsp://client/ RTSP/1.0\r\nCSeq: 8\r\n\r\n",
    "RTSP/1.0 454 Session Not Found\r\nCSeq: 5\r\n\r\n",
)
REFUSALS = ("404 Not Found", "453 Not Enough Bandwidth", "461 Unsupported Transport", "302 Moved", "459 Aggregate")

ADDRESSES = (
    "rtsp://192.0.2.10/stream1",
    "rtsp://user:p%40ss@host:8554/path?x",
    "RTSP://admin:a@b@host/live",
    "rtsps://[2001:db8::7%25eth0]:10554/a b#c",
    "rtsp://camera.local:/cam/realmonitor?channel=1&subtype=0",
    "  rtsp://host/đường  ",
    "rtsp://a:b@host/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream&pwd=abc",
)


def messages() -> list[bytes]:
    """Replies and requests, each a whole message."""
    found = [text.format(2).encode() for text in (*OPTIONS, *SETUPS, *PLAYS, *OF_THE_CAMERA)]
    found += [described(2, text) for text in DESCRIPTIONS]
    found += [f"RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: {one}\r\n\r\n".encode() for one in CHALLENGES]
    return [*found, b"HTTP/1.1 400 Bad Request\r\nServer: web\r\n\r\n", b"\r\n\n" + found[0] + found[1]]


def described(number: int, text: str, base: str = "Content-Base: rtsp://camera/live/\r\n") -> bytes:
    """The answer to DESCRIBE."""
    body = text.encode()
    head = (
        f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{base}Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
    )
    return head.encode() + b"\r\n" + body


def sessions() -> list[bytes]:
    """All that a camera sends in one session, from the answer to OPTIONS on."""
    rng = Random(1)
    found = []
    for number in range(12):
        out = bytearray()
        sequence = 1
        if number % 3 == 0:
            text = CHALLENGES[number // 3 % len(CHALLENGES)]
            out += f"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: {text}\r\n\r\n".encode()
            sequence = 2
        out += OPTIONS[number % len(OPTIONS)].format(sequence).encode()
        base = "" if number % 4 == 3 else "Content-Base: rtsp://camera/live/\r\n"
        out += described(sequence + 1, DESCRIPTIONS[number % 3], base)
        out += SETUPS[number % len(SETUPS)].format(sequence + 2).encode()
        out += PLAYS[number % len(PLAYS)].format(sequence + 3).encode()
        packets = interleave(h264_packets(rng, pictures=4 + number))
        out += packets[: len(packets) if number % 2 else -7]
        out += interleave([reports()[number % 3]], channel=1)
        out += OF_THE_CAMERA[number % len(OF_THE_CAMERA)].encode()
        out += interleave(h264_packets(rng, pictures=2))
        found.append(bytes(out))
    return found


def reports() -> list[bytes]:
    """RTCP: sender reports, descriptions, a goodbye."""
    sender = struct.pack(">BBHIIIIII", 0x80, 200, 6, 0xAB, 3_900_000_000, 1 << 31, 9, 1, 2)
    described_as = struct.pack(">BBHI", 0x81, 202, 2, 0xAB) + b"\1\0\0\0"
    goodbye = struct.pack(">BBHI", 0x81, 203, 1, 0xAB)
    return [sender, sender + described_as, sender[:4] + bytes(4) + sender[8:], sender + described_as + goodbye]


def arrivals() -> list[bytes]:
    """Sequence numbers as they come over UDP, for `targets.reorder`: in order, one late, one lost, two sources."""
    orders = [range(65_530, 65_560), (1, 2, 4, 3, 5, 6), (7, 8, 10, 11, 12), (1, 2, 2, 40_000, 40_001, 40_002)]
    found = [b"".join(struct.pack(">BBH", 1, 0, number & 0xFFFF) for number in order) for order in orders]
    return [*found, found[1] + b"".join(struct.pack(">BBH", 200, 1, number) for number in range(5))]


def aac_packets() -> list[bytes]:
    """AAC: a description, then packets each behind its length in 2 bytes; whole frames, several, fragments."""
    camera, description = Sender(), DESCRIBED.encode()
    packets = [camera.frames(0, b"a" * 90), camera.frames(1024, b"b" * 80, b"c" * 70, b"d" * 60)]
    packets += [camera.packet(4096, [60], b"e" * 25) for _ in range(3)]
    packets.append(camera.frames(2**32 - 1, b"f" * 40))
    stream = b"".join(struct.pack(">H", len(one)) + one for one in packets)
    other = description.replace(b"1408", b"1190").replace(b"16000/1", b"48000/2")
    return [one + b"\0" + stream for one in (description, other, description.replace(b"AAC-hbr", b"AAC-lbr"))]


def h264_packets(rng: Random, *, pictures: int) -> list[bytes]:
    """A stream of made-up pictures in every packetisation that the tests' packer knows."""
    packer = Packer(sequence=rng.choice([0, 65_530, 30_000]))
    packets = []
    for number in range(pictures):
        key = number % 5 == 0
        units = [SPS, PPS] if key and rng.random() < 0.7 else []
        units += [b"\x06\5sei"] * (rng.random() < 0.2) + [b"\x09\xf0"] * (rng.random() < 0.2)
        units.append(slice_unit(rng.randbytes(1 + int(rng.random() * 300)), key=key))
        units += [slice_unit(b"more" * 9, key=key, leads=False)] * (rng.random() < 0.2)
        if rng.random() < 0.15:
            packets += packer.aggregate(rng.choice([24, 25, 26, 27]), units, number * 6000, marker=True)
            continue
        for unit in units:
            size = rng.choice([20, 60, 100])
            if rng.random() < 0.7:
                order = 7 if rng.random() < 0.1 else None
                packets += packer.fragments(unit, number * 6000, unit is units[-1], size=size, order=order)
            else:
                packets += packer.single(unit, number * 6000, unit is units[-1])
    return packets


def h264_streams() -> list[bytes]:
    """Interleaved streams: made-up ones, and what x264 codes, with B-frames and several slices too."""
    rng = Random(2)
    found = [interleave(h264_packets(rng, pictures=count)) for count in (2, 6, 10, 45, 60)]
    for b_frames, slices in ((0, 1), (2, 1), (0, 4)):
        packer, packets = Packer(), []
        for number, units in enumerate(coded("libx264", b_frames, slices)):
            for unit in units:
                packets += packer.fragments(unit, number * 6000, unit is units[-1], size=300)
        found.append(interleave(packets))
    return found


def h265_streams() -> list[bytes]:
    """Interleaved streams of what x265 codes: single units, fragments (RFC 7798 §4.4.3), aggregates (§4.4.2)."""
    found = []
    for b_frames, size in ((0, 100), (2, 300), (0, 5000)):
        packer, packets = Packer(), []
        for number, units in enumerate(coded("libx265", b_frames, 1)):
            small = [unit for unit in units if len(unit) < 200 and size == 300]
            if len(small) > 1:
                joined = b"".join(struct.pack(">H", len(unit)) + unit for unit in small)
                packets.append(packer.packet(b"\x60\x01" + joined, number * 6000, len(small) == len(units)))
            for unit in (unit for unit in units if unit not in small or len(small) < 2):
                packets += _h265_fragments(packer, unit, number * 6000, unit is units[-1], size)
        found.append(interleave(packets))
    return found


def _h265_fragments(packer: Packer, unit: bytes, time: int, marker: bool, size: int) -> Iterator[bytes]:
    if len(unit) <= size + 2:
        yield packer.packet(unit, time, marker)
        return
    kind = unit[0] >> 1 & 63
    head = bytes((unit[0] & 0x81 | 49 << 1, unit[1]))
    for at in range(2, len(unit), size):
        last = at + size >= len(unit)
        flags = 0x80 * (at == 2) | 0x40 * last | kind
        yield packer.packet(head + bytes((flags,)) + unit[at : at + size], time, marker and last)


def h264_sets() -> list[bytes]:
    """Parameter sets, and the beginnings of slices."""
    found = [SPS, PPS, bytes.fromhex("6764001facd9405005bb011000000300100000030320f1831960"), b"\x65\x88\x84\0\x10"]
    return [*found, *(unit for units in coded("libx264", 2, 1)[:1] for unit in units if unit[0] & 31 in (7, 8))]


def h265_sets() -> list[bytes]:
    """Parameter sets of x265."""
    return [unit for unit in coded("libx265", 0, 1)[0] if 32 <= unit[0] >> 1 & 63 <= 34]


@cache
def coded(codec: str, b_frames: int, slices: int) -> list[list[bytes]]:
    """Pictures of a moving bar in decoding order, each a list of units."""
    import av
    import numpy as np

    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = 128, 96, "yuv420p"
    context.framerate, context.time_base, context.gop_size = 15, Fraction(1, 15), 8
    common = f"bframes={b_frames}:repeat-headers=1:aud=1:keyint=8:slices={slices}"
    context.options = {
        "preset": "ultrafast",
        f"{codec.removeprefix('lib')}-params": common + (":threads=1" if codec == "libx264" else ":log-level=none"),
    }
    packets = []
    for number in range(20):
        picture = np.random.default_rng(number).integers(0, 40, (144, 128), np.uint8)
        picture[:96, number * 6 : number * 6 + 8] = 200
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return [[unit for unit in re.split(rb"\x00{2,}\x01", bytes(packet)) if unit] for packet in packets]


def recordings() -> list[bytes]:
    """Small files of ours."""
    found = []
    kinds = ((0, 3, None, None), (6000, 2, (0, 12000, -6000), None), (0, 1, None, None), (0, 3, None, SOUND))
    for delay, groups, offsets, sound in kinds:
        data = bytearray(
            init_segment(PARAMETERS, presentation_delay=delay, created_us=1_700_000_000_000_000, sound=sound)
        )
        for number in range(groups):
            units = [slice_unit(bytes((number + 1,)) * size, key=size == 90) for size in (90, 30, 40)]
            samples = [len(unit).to_bytes(4, "big") + unit for unit in units]
            sizes = [len(sample) for sample in samples]
            heard = SoundFrames(number * 3200, [1024, 2048], [20, 30]) if sound is not None else None
            data += fragment_header(number + 1, number * 18_000, [6000] * 3, sizes, offsets, key=True, sound=heard)
            data += b"".join(samples) + (b"\7" * 50 if heard is not None else b"")
        found.append(bytes(data))
    return found


def tables() -> list[bytes]:
    """Packed group tables."""
    plain = [GroupEntry(800 + place * 500_000, 500_000, 180_000, 30, True) for place in range(5)]
    odd = [GroupEntry(800, 100, 1, 1, True, True), GroupEntry(2000, 1 << 30, 1 << 40, 65_535, False, False, 90_000)]
    return [pack(plain), pack(odd), pack([])]


def live_answers() -> list[bytes]:
    """What a recorder sends to a viewer."""
    from base64 import b64encode

    sets = ",".join(f'"{b64encode(one).decode()}"' for one in (SPS, PPS))
    head = (
        '{"size":5,"pts":900,"key":true,"arrived_us":1700000000000000,"parameters":{"codec":"h264","sets":['
        + sets
        + '],"width":320,"height":180,"reorder_frames":null,"declared_fps":15.0}}\n'
    )
    return [
        head.encode() + b"\0\0\0\1e",
        head.encode() + b"\0\0\0\1e" + b'{"size":5,"pts":6900,"key":false,"arrived_us":1700000000000000}\n\0\0\0\1a',
        b'{"size":0}\n{"size":0}\n',
    ]


def onvif_answers() -> list[bytes]:
    """Answers of ONVIF cameras, one of each kind: as the simulated ones give them."""
    return asyncio.run(_onvif_answers())


async def _onvif_answers() -> list[bytes]:
    camera, answers = OnvifCamera(), []
    async with OnvifServer({1: camera}) as server:
        point = PullPoint(server.address(1), None)
        for number in range(6):
            camera.move(number % 2 == 0)
            answer = await exchange(point.request(0, 0.0))
            answers.append(answer.body)
            point.answer(answer, 0, 0.0)
        old = OnvifCamera(knows_services=False)
        server.cameras[2] = old
        point = PullPoint(server.address(2), None)
        for _ in range(3):
            answer = await exchange(point.request(0, 0.0))
            answers.append(answer.body)
            point.answer(answer, 0, 0.0)
    return answers


def http_answers() -> list[bytes]:
    """The same as HTTP: with a length, in chunks, up to the end of the connection; a log-in that is wanted."""
    whole = []
    for body in onvif_answers()[:4]:
        head = b"HTTP/1.1 200 OK\r\nServer: gSOAP/2.8\r\nContent-Type: application/soap+xml; charset=utf-8\r\n"
        whole.append(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        whole.append(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
        whole.append(head + b"Connection: close\r\n\r\n" + body)
    challenge = CHALLENGES[1].encode()
    return [*whole, b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: " + challenge + b"\r\nContent-Length: 0\r\n\r\n"]


def texts(*kinds: Sequence[str]) -> list[bytes]:
    """The same as bytes."""
    return [text.encode() for kind in kinds for text in kind]
