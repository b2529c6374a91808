"""What is fuzzed, and what must hold for every input. A new parser is one more `Target` in `known`.

A check returns what came of the input in a few hashable words (new ones are worth keeping and mutating further), or
raises: `Violated` where a promise does not hold, and whatever else is not an error that the parser documents.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import ipaddress
import itertools
import socket
import struct
import uuid
import zlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from io import BytesIO
from random import Random
from types import SimpleNamespace
from typing import Any

from bench.fuzz import corpus, grammars
from vonggac.cameras.address import Credentials, split_address
from vonggac.cameras.onvif.client import Answer
from vonggac.cameras.onvif.errors import OnvifError
from vonggac.cameras.onvif.messages import MOST_MESSAGES
from vonggac.cameras.onvif.motion import MotionState
from vonggac.cameras.onvif.pull_point import HttpResponse, PullPoint, Step
from vonggac.core.digest import Authenticator, parse_challenges
from vonggac.core.errors import Invalid
from vonggac.video import live_client
from vonggac.video.mp4 import RecordingDamaged, read_samples, scan
from vonggac.video.mp4.group_table import MAX_ENTRIES, GroupEntry, pack, unpack
from vonggac.video.mp4.reader import read_sound, read_table
from vonggac.video.rtsp import rtcp, sdp
from vonggac.video.rtsp.aac import MAX_FRAMES, AacDepacketiser, SoundRefused, sound_parameters
from vonggac.video.rtsp.address import CameraAddress, hide_secrets
from vonggac.video.rtsp.client import MIN_BUFFER
from vonggac.video.rtsp.datagrams import DatagramPair
from vonggac.video.rtsp.depacketiser import MAX_PICTURE, Depacketiser
from vonggac.video.rtsp.errors import RtspError
from vonggac.video.rtsp.h264 import H264Depacketiser
from vonggac.video.rtsp.message import MAX_MESSAGE, Headers, Request, parse
from vonggac.video.rtsp.reorder import HEAD, MAX_MISORDER, PACKETS, ReorderWindow
from vonggac.video.rtsp.session import MAX_OUTPUT, RtspSession
from vonggac.video.rtsp.sps import MalformedParameterSet, ParameterSets, parse_pps, parse_sps, slice_pps
from vonggac.video.rtsp.transport import parse_session, parse_transports
from vonggac.video.stream import AccessUnit

MAX_ODDITIES, MAX_SIDE = 32, 16_384
_OUT_OF_STEP = "bytes between packets passed over"
_PASSWORD = "s3cret-of-the-test"
_CAMERA = uuid.UUID(int=7)


class Violated(AssertionError):
    """A parser did not keep a promise."""


@dataclass(frozen=True)
class Target:
    """One parser: inputs to begin with, inputs made from nothing, and what must hold."""

    name: str
    what: str
    corpus: Callable[[], list[bytes]]
    check: Callable[[bytes], Hashable]
    grammar: Callable[[Random], bytes] | None = None
    weight: float = 1.0
    """Its share of the time."""
    tokens: Sequence[bytes] = ()


def known() -> list[Target]:
    """Return every target that this version has."""
    words = [text.encode() for text in grammars.WORDS]
    headers = [f"\r\n{name}: {value}".encode() for name in grammars.NAMES for value in grammars.VALUES[:6]]
    attributes = corpus.texts(corpus.DESCRIPTIONS)[0].split(b"\r\n")
    targets = [
        Target("message", "RTSP messages", corpus.messages, message, grammars.message, tokens=words + headers),
        Target("session", "a whole RTSP session, whole and in slices", corpus.sessions, session, grammars.session, 3.0,
               words + headers + attributes),
        Target("sdp", "stream descriptions (SDP), control addresses", lambda: corpus.texts(corpus.DESCRIPTIONS),
               description, grammars.sdp, tokens=words + attributes),
        Target("challenge", "log-in challenges, and the answers to them", lambda: corpus.texts(corpus.CHALLENGES),
               challenge, grammars.challenge, tokens=words),
        Target("headers", "Transport and Session headers", lambda: corpus.texts(corpus.HEADERS), headers_of_setup,
               grammars.setup_headers, 0.5, words),
        Target("rtcp", "RTCP", corpus.reports, reports, grammars.reports, 0.5),
        Target("reorder", "datagrams put in order", corpus.arrivals, reorder, grammars.arrivals, 0.5),
        Target("datagrams", "a session over UDP, in one read and in several", corpus.h264_streams, datagrams,
               grammars.datagrams),
        Target("aac", "AAC over RTP, and what describes it", corpus.aac_packets, aac),
        Target("h264", "H.264 over RTP, in slices and packet by packet", corpus.h264_streams, h264, grammars.h264, 3.0),
        Target("h264-sets", "H.264 parameter sets", corpus.h264_sets, h264_sets, grammars.h264_set),
        Target("address", "camera addresses", lambda: corpus.texts(corpus.ADDRESSES), address, grammars.address, 0.5,
               words),
        Target("live", "the live protocol, the viewer's end", corpus.live_answers, live, grammars.live),
        Target("onvif", "answers of ONVIF cameras, through a whole subscription", corpus.onvif_answers, onvif),
        Target("onvif-http", "the same as HTTP, in slices", corpus.http_answers, onvif_http, weight=0.5),
        Target("recording", "recordings read back (torn files)", corpus.recordings, recording, grammars.recording),
        Target("group-table", "packed group tables", corpus.tables, table, grammars.table, 0.5),
    ]  # fmt: skip
    if importlib.util.find_spec("vonggac.video.rtsp.h265"):
        targets += [
            Target("h265", "H.265 over RTP, in slices and packet by packet", corpus.h265_streams, h265, weight=3.0),
            Target("h265-sets", "H.265 parameter sets", corpus.h265_sets, h265_sets),
        ]
    return targets


def _must(holds: bool, promise: str) -> None:
    if not holds:
        raise Violated(promise)


def _rng(data: bytes) -> Random:
    """Chance that depends on the input alone, so that a file replays it."""
    return Random(zlib.crc32(data))


def message(data: bytes) -> Hashable:
    """Messages one after another until none is left; a shorter input gives the same first message, or none yet."""
    view, pos, seen = memoryview(data), 0, []
    while pos < len(data):
        try:
            found, after = parse(view, pos, len(data))
        except RtspError as error:
            return (*seen, error.reason, str(error)[:30])
        _must(pos <= after <= len(data), "a message ends within what was given")
        if found is None:
            _must(len(data) - after <= MAX_MESSAGE, "what waits for its end is bounded")
            seen.append("waits")
            break
        if not seen:
            again, ends = parse(view, pos, after)
            _must((again is not None, ends) == (True, after), "a message is whole at its end")
            _must(parse(view, pos, after - 1)[0] is None, "a message is not whole before its end")
        seen.append(found.method if isinstance(found, Request) else found.status // 100)
        pos = after
        if len(seen) > 8:
            break
    return tuple(seen)


def session(data: bytes) -> Hashable:
    """The whole of what a camera sends, in one piece and in slices: the same pictures, answers and end."""
    rng = _rng(data)
    cuts = sorted(int(rng.random() * len(data)) for _ in range(int(rng.random() * 12)))
    whole, sliced = _play(data, []), _play(data, cuts)
    # What a session that has lost its step finds again depends on how much of the bytes lies before it.
    out_of_step = any(_OUT_OF_STEP in one.oddities for one in (whole, sliced))
    _must(out_of_step or whole == sliced, "a session in slices is the session in one piece")
    return whole.outcome


@dataclass
class _Played:
    pictures: list[AccessUnit]
    outcome: tuple[Hashable, ...]
    oddities: set[str]
    output: bytes
    left: bytes


def _play(data: bytes, cuts: list[int]) -> _Played:
    pictures: list[AccessUnit] = []
    where = CameraAddress("camera", 554, "/live?x=1", "admin", _PASSWORD)
    sound = (lambda _frame: None) if len(data) % 2 else None
    one = RtspSession(where, on_access_unit=pictures.append, cnonce=lambda: "c", on_sound=sound)
    one.start()
    output, kept, said = one.take_output(), b"", ""
    try:
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            piece = kept + data[start:end]
            used = one.receive(memoryview(piece), len(piece), 1)
            _must(0 <= used <= len(piece), "what is used lies within what was given")
            kept = piece[used:]
            _must(len(kept) <= MAX_MESSAGE + 4, "what is left over is bounded")
        if one.state == "playing":
            one.send_keepalive(2)
        one.end_of_stream()
        one.teardown()
    except RtspError as error:
        kept, said = b"", f"{error.reason}: {error}"
        _must(_PASSWORD not in said and len(said) < 500, "an error is short and holds no password")
    output += one.take_output()
    _must(len(output) <= 2 * MAX_OUTPUT, "what waits to be sent is bounded")
    _must(len(one.oddities) <= MAX_ODDITIES, "oddities are bounded")
    _must(_PASSWORD.encode() not in output, "the password is sent only as a digest or in Base64")
    _whole(pictures)
    few = min(len(pictures), 4), min(one.lost, 2), bool(one.last_sender_report)
    outcome = (one.state, said[:40], frozenset(one.oddities), one.description.authentication, *few)
    return _Played(pictures, outcome, one.oddities, output, kept)


def _whole(pictures: list[AccessUnit]) -> None:
    """Each picture is units with lengths that add up, and no more of it than there may be."""
    for picture in pictures:
        at, size = 0, len(picture.data)
        while at < size:
            unit = int.from_bytes(picture.data[at : at + 4], "big")
            _must(unit > 0, "no unit is empty")
            at += 4 + unit
        _must(at == size > 0, "the lengths of a picture's units add up")
        _must(size <= MAX_PICTURE, "a picture is bounded")
        _must(0 < picture.parameters.width <= MAX_SIDE, "the picture's size is possible")


def h264(data: bytes) -> Hashable:
    return _stream(data, lambda hand_over: H264Depacketiser(hand_over, parameter_sets=corpus.PARAMETERS.sets))


def h265(data: bytes) -> Hashable:
    module = importlib.import_module("vonggac.video.rtsp.h265")
    return _stream(data, lambda hand_over: module.H265Depacketiser(hand_over, parameter_sets=corpus.h265_sets()))


def _stream(data: bytes, make: Callable[[Callable[[AccessUnit], None]], Depacketiser]) -> Hashable:
    """Interleaved packets up to the first torn one: in slices by the fast loop, and one by one without it."""
    packets, at = [], 0
    while at + 4 <= len(data) and data[at] == 0x24:
        end = at + 4 + (data[at + 2] << 8 | data[at + 3])
        if end > len(data):
            break
        packets.append((data[at + 1], at, end))
        at = end
    stream, rng = data[:at], _rng(data)
    told = []
    for fast in (True, False):
        pictures: list[AccessUnit] = []
        one = make(pictures.append)
        if fast:
            cuts = sorted(int(rng.random() * at) for _ in range(int(rng.random() * 8)))
            _feed(one, stream, [*cuts, at])
        else:
            view = memoryview(stream)
            for channel, begin, end in packets:
                if channel == 0:
                    one.packet(view, begin + 4, end, 1)
        one.finish()
        _whole(pictures)
        _must(len(one.oddities) <= MAX_ODDITIES, "oddities are bounded")
        told.append((pictures, one.packets, one.lost, one.oddities))
    # Where sequence numbers wrap, the fast loop takes one packet of the next payload type for the stream's, since its
    # number carries over into that field; a test for it would cost something at each packet.
    wrapped = any(stream[begin + 5 : begin + 8] in (b"\x61\0\0", b"\xe1\0\0") for _, begin, _ in packets)
    _must(wrapped or told[0] == told[1], "the fast ways give what the slow one gives")
    pictures, _, lost, oddities = told[0]
    return min(len(pictures), 6), min(lost, 2), frozenset(oddities), len({picture.parameters for picture in pictures})


def _feed(one: Depacketiser, stream: bytes, ends: list[int]) -> None:
    kept, at = b"", 0
    for end in ends:
        piece = kept + stream[at:end]
        view, pos = memoryview(piece), 0
        while True:
            before, pos = pos, one.interleaved(view, pos, len(piece), 1)
            _must(before <= pos <= len(piece), "what is used lies within what was given")
            # What the fast loop leaves is taken as the session does: short packets, and those of other channels.
            after = pos + 4 + int.from_bytes(piece[pos + 2 : pos + 4], "big") if pos + 4 <= len(piece) else -1
            if not 0 <= after <= len(piece):
                break
            if piece[pos + 1] == 0:
                one.packet(view, pos + 4, after, 1)
            pos = after
        kept, at = piece[pos:], end
    _must(not kept, "of whole packets nothing is left over")


def h264_sets(data: bytes) -> Hashable:
    return _sets(data, (parse_sps, parse_pps, slice_pps), ParameterSets(), corpus.PARAMETERS.sets)


def h265_sets(data: bytes) -> Hashable:
    module = importlib.import_module("vonggac.video.rtsp.hevc_sps")
    readers = (module.parse_vps, module.parse_sps, module.parse_pps, module.slice_pps)
    return _sets(data, readers, module.HevcParameterSets(), corpus.h265_sets())


def _sets(data: bytes, readers: Sequence[Callable[[bytes], Any]], sets: Any, others: Sequence[bytes]) -> Hashable:
    """One unit by each reader; then as a set after others."""
    said: list[Hashable] = []
    for read in readers:
        try:
            found = read(data)
        except MalformedParameterSet as error:
            said.append(str(error)[:25])
            continue
        if read.__name__ == "parse_sps":
            _must(0 < found.width <= MAX_SIDE and 0 < found.height <= MAX_SIDE, "the picture's size is possible")
            _must(found.fps is None or 0 < found.fps <= 1000, "the rate is possible")
            said.append((found.reorder_frames, found.frame_mbs_only, found.fps is None))
        else:
            said.append(True)
    for unit in (*others, data):
        try:
            sets.add(unit)
        except MalformedParameterSet:
            said.append("refused")
    sets.activate(data)
    _must(sets.parameters is not None, "a set that cannot be read leaves the old ones in force")
    return tuple(said)


def description(data: bytes) -> Hashable:
    """A description, and the addresses that come of it over a base that a header names."""
    try:
        found = sdp.parse(data)
    except RtspError as error:
        return error.reason
    _must(len(found.media) <= sdp.MAX_MEDIA, "streams are bounded")
    written = data[:40].decode("utf-8", "replace")
    for base in ("rtsp://h/a", sdp.base_url("rtsp://h/a", Headers([("Content-Base", "rtsp://" + written)]))):
        for control in (found.control, *(media.control for media in found.media)):
            try:
                sdp.control_url(base, control)
            except RtspError as error:
                _must(error.reason == "protocol", "an address that makes no sense is the camera's fault")
    for media in found.media:
        _must(len(media.name) <= 41, "names are bounded")
        _must(all(media.parameter_sets), "no parameter set is empty")
    return tuple((media.kind[:6], media.encoding[:6], media.payload_type < 0, len(media.parameter_sets),
                  media.framerate is None) for media in found.media[:3])  # fmt: skip


def challenge(data: bytes) -> Hashable:
    """Headers, one a line; an answer to the strongest, on one line and without the password."""
    offered = parse_challenges(data.decode("utf-8", "replace").split("\n")[:8])
    one = Authenticator("admin", _PASSWORD, cnonce=lambda: "c")
    taken = one.accept(offered)
    if taken is None:
        return len(offered)
    answer = one.authorization("PLAY", "rtsp://h/")
    _must(answer is not None and _PASSWORD not in answer, "a challenge is answered, without the password")
    return len(offered), one.kind, frozenset(taken.parameters) if len(taken.parameters) < 8 else 8


def headers_of_setup(data: bytes) -> Hashable:
    """One header, read as the one and as the other."""
    text = data.decode("utf-8", "replace")
    found = parse_transports(text)
    for one in found:
        _must(one.lower in ("tcp", "udp", "multicast", ""), "a transport is one that there is, or none")
        _must(all(0 <= number <= 255 for number in one.channels or ()), "channels are bytes")
        _must(all(0 < number <= 65_535 for number in one.server_ports or ()), "ports are ports")
        _must(not one.source or ipaddress.ip_address(one.source) is not None, "a source is an address")
    name, seconds = parse_session(text)
    _must(len(name) <= 256 and (seconds is None or 0 <= seconds < 10**9), "a session is bounded")
    few = tuple((one.lower, one.channels is None, one.server_ports is None, one.source == "") for one in found[:3])
    return few, bool(name), seconds is None


def reports(data: bytes) -> Hashable:
    found = rtcp.parse(data)
    _must(found == rtcp.parse(memoryview(data)), "bytes and a view of them are read alike")
    return found.report is not None, found.bye


def reorder(data: bytes) -> Hashable:
    """Arrivals of four bytes: how much later than the one before, source, sequence number. Each packet has a number."""
    window, now, given = ReorderWindow(), 0, []
    for number, at in enumerate(range(0, len(data) - 3, 4)):
        pause, source, sequence = struct.unpack_from(">BBH", data, at)
        now += pause * 1_000_000
        packet = struct.pack(">BBHIII", 0x80, 96, sequence, 0, source & 3, number)
        if window.passes(sequence, source & 3):
            given.append(packet)
        else:
            given += window.take(packet, now)
        _must(window.waiting <= PACKETS, "packets that wait are bounded")
    given += window.flush()
    _must(window.waiting == 0, "in the end nothing waits")
    _must(len(set(given)) == len(given) == window.received, "each packet is given out once at most, and counted")
    for before, after in itertools.pairwise(given):
        (old, old_source), (new, source) = HEAD.unpack_from(before), HEAD.unpack_from(after)
        _must(old_source != source or (old - new & 0xFFFF) > MAX_MISORDER, "a late packet is not given out")
    return min(len(given), 4), min(window.late, 2), min(window.lost, 2)


def datagrams(data: bytes) -> Hashable:
    """Packets as they would come interleaved, each a datagram; those of odd further channels from somebody else."""
    packets, at = [], 0
    while at + 4 <= len(data) and data[at] == 0x24:
        end = at + 4 + (data[at + 2] << 8 | data[at + 3])
        packets.append((data[at + 1], data[at + 4 : end]))
        at = end
    cuts = sorted(int(_rng(data).random() * len(packets)) for _ in range(3))
    whole, pieces = _over_udp(packets, []), _over_udp(packets, cuts)
    # Reports are read after what has come beside them: between which pictures depends on the reads.
    _must(any(channel == 1 for channel, _ in packets) or whole == pieces, "read at once is as read in pieces")
    return whole[0], min(len(whole[1]), 6)


class _Arrived:
    """In place of a socket: datagrams that have come, and from where."""

    def __init__(self, waiting: list[tuple[str, bytes]]) -> None:
        self.waiting = waiting

    def recvfrom_into(self, room: memoryview) -> tuple[int, tuple[str, int]]:
        if not self.waiting:
            raise BlockingIOError
        sender, data = self.waiting.pop(0)
        room[: len(data)] = data
        return len(data), (sender, 1)

    def close(self) -> None: ...


def _over_udp(packets: list[tuple[int, bytes]], cuts: list[int]) -> tuple[str, list[AccessUnit]]:
    pictures: list[AccessUnit] = []
    one = RtspSession(CameraAddress("camera", 554, "/"), on_access_unit=pictures.append, client_ports=lambda: (2, 3))
    one.start()
    for number, answer in enumerate((corpus.OPTIONS[0], "", "", corpus.PLAYS[0]), 1):
        reply = answer.format(number).encode()
        if number == 2:
            reply = corpus.described(number, corpus.DESCRIPTIONS[0])
        elif number == 3:
            reply = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 1\r\nTransport: RTP/AVP;server_port=4-5\r\n\r\n"
        one.receive(memoryview(reply), len(reply), 1)
    _must(one.state == "playing", "the session plays")
    control = SimpleNamespace(
        family=socket.AF_INET, getpeername=lambda: ("127.0.0.1", 1), getsockname=lambda: ("127.0.0.1", 1)
    )
    pair = DatagramPair(control, 0, lambda sock: None)  # type: ignore[arg-type]
    pair.close()
    rtp, reports_at = pair._rtp, pair._rtcp = _Arrived([]), _Arrived([])  # type: ignore[assignment]
    said, buffer = "", memoryview(bytearray(MIN_BUFFER))
    try:
        for start, end in zip([0, *cuts], [*cuts, len(packets)], strict=True):
            for channel, packet in packets[start:end]:
                stranger = channel > 1 and channel % 2
                (reports_at if channel == 1 else rtp).waiting.append(("stranger" if stranger else "127.0.0.1", packet))
            pair.read(one, buffer, 1)
            _must(not rtp.waiting and not reports_at.waiting, "what has come is read")
            _must(pair._window.waiting <= PACKETS, "packets that wait are bounded")
        pair.finish(one, 1)
        one.end_of_stream()
    except RtspError as error:
        said = error.reason
    _whole(pictures)
    _must(len(one.oddities) <= MAX_ODDITIES, "oddities are bounded")
    return said, pictures


def aac(data: bytes) -> Hashable:
    """A description up to a zero byte, then packets behind their lengths: bounded frames, or the track is refused."""
    text, _, stream = data.partition(b"\0")
    try:
        media = next((one for one in sdp.parse(text).media if one.kind == "audio"), None)
        if media is None:
            return "no sound"
        parameters = sound_parameters(media)
    except (RtspError, SoundRefused) as error:
        return str(error)[:40]
    sizes: list[int] = []
    taker = AacDepacketiser(lambda _time, frame: sizes.append(len(frame)), media, parameters)
    view, at = memoryview(stream), 0
    while at + 2 <= len(stream):
        start, at = at + 2, min(at + 2 + (stream[at] << 8 | stream[at + 1]), len(stream))
        before = len(sizes)
        taker.packet(view, start, at)
        _must(len(sizes) - before <= MAX_FRAMES, "frames of one packet are bounded")
    _must(sum(sizes) <= len(stream) and 0 not in sizes, "frames hold what came, and something")
    _must(len(taker.oddities) <= MAX_ODDITIES, "what is noted is bounded")
    return min(len(sizes), 8), min(taker.lost, 3), frozenset(taker.oddities)


def address(data: bytes) -> Hashable:
    """An address as the client and as the registry take it; each is refused in words, or goes over the wire."""
    text = data.decode("utf-8", "surrogateescape")
    said: list[Hashable] = []
    try:
        found = CameraAddress.parse(text)
        again = CameraAddress.parse(found.url)
        _must((again.host, again.port, again.path) == (found.host, found.port, found.path), "an address comes back")
        _must("\r" not in found.url and "\n" not in found.url, "an address is one line")
        found.url.encode()
        word = found.password or ""
        # A short one, or one of the signs that every address has, may stand there by chance.
        if len(word) > 5 and word.isalnum() and word not in (found.username or "") + found.url:
            _must(word not in found.redacted + repr(found), "a password is not shown")
        said.append((found.secure, found.username is None, found.path[:1]))
    except Invalid as error:
        said.append(str(error)[:40])
    try:
        split_address(text)
    except Invalid as error:
        said.append(str(error)[:40])
    hide_secrets(text)
    return tuple(said)


def onvif(data: bytes) -> Hashable:
    """One answer, at every step of a subscription: it goes on, or ends in words; nothing is asked of another host."""
    said: list[Hashable] = []
    for step in Step:
        if step is Step.OVER:
            continue
        point = PullPoint("http://camera:81/onvif/device_service", Credentials("admin", _PASSWORD))
        point.step = step
        try:
            point.request(0, 0.0)
            told = point.answer(HttpResponse(200, (), data), 0, 0.0)
            _must(len(told) <= MOST_MESSAGES, "messages are bounded")
            _must(all(len(one.topic) <= 200 and len(one.data) <= 16 for one in told), "what is told is bounded")
            state = MotionState()
            state.take(told, 0.0)
            request = point.request(0, 0.0) if point.step is not Step.OVER else None
            if request is not None:
                _must(request.host == "camera" and 0 < request.port < 65536, "only the camera itself is asked")
                _must(request.head.count(b"\r\n\r\n") == 1, "a request has one head")
                _must(_PASSWORD.encode() not in request.head + request.body, "no password is sent")
            said.append((point.step.value, min(len(told), 2), state.moves(0.0)))
        except OnvifError as error:
            _must(len(str(error)) < 400 and _PASSWORD not in str(error), "an error is short and holds no password")
            said.append((error.reason.value, str(error)[:30]))
    return tuple(said)


def onvif_http(data: bytes) -> Hashable:
    """An answer at once and in slices: the same, or the same refusal."""
    rng = _rng(data)
    cuts = sorted(int(rng.random() * len(data)) for _ in range(int(rng.random() * 6)))
    found = [_http(data, []), _http(data, cuts)]
    _must(found[0] == found[1], "an answer in slices is the answer in one piece")
    status, challenges, body = found[0]
    _must(len(body) <= len(data) and len(challenges) <= 8, "an answer holds what came")
    return status, len(challenges), min(len(body), 1)


def _http(data: bytes, cuts: Sequence[int]) -> tuple[int, tuple[str, ...], bytes]:
    answer = Answer()
    try:
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            if start < end and not answer.complete:
                answer.take(data[start:end])
        if not answer.complete:
            answer.take(b"")
    except OnvifError:
        return -1, (), b""
    taken = answer.response()
    return taken.status, tuple(taken.challenges), taken.body


def recording(data: bytes) -> Hashable:
    """A file: its whole groups are within it, and their pictures can be read or are refused."""
    try:
        found = scan(BytesIO(data), verify_from=len(data) // 2)
    except RecordingDamaged as error:
        return str(error)[:40]
    _must(found.init.size <= found.valid_end <= found.file_size == len(data), "what is valid lies within the file")
    _must(unpack(pack(found.entries())) == found.entries(), "what a file holds fits into its table")
    pictures = 0
    for group in found.groups:
        samples = read_samples(BytesIO(data), group, presentation_delay=found.init.presentation_delay)
        pictures += len(samples)
        sound = read_table(BytesIO(data), group).sound
        heard = sum(map(len, read_sound(BytesIO(data), sound))) if sound is not None else 0
        _must(sum(len(sample.data) for sample in samples) + heard + group.header_size == group.size, "sizes add up")
    _must(pictures == found.frames, "pictures are those that were counted")
    return min(len(found.groups), 4), found.torn, min(pictures, 8)


def table(data: bytes) -> Hashable:
    try:
        found: list[GroupEntry] = unpack(data)
    except RecordingDamaged as error:
        return str(error)[:50]
    _must(len(found) <= MAX_ENTRIES, "entries are bounded")
    _must(unpack(pack(found)) == found, "a table comes back")
    return len(found), any(entry.pause_ticks for entry in found)


def live(data: bytes) -> Hashable:
    """What a recorder answers, by the client's own loop over a stream in memory: pictures, an end, or LiveError."""
    return _LOOP.run_until_complete(_watch(data))


async def _watch(data: bytes) -> Hashable:
    reader = asyncio.StreamReader(limit=live_client.LINE_LIMIT)
    reader.feed_data(data)
    reader.feed_eof()

    async def opened(path: str, limit: int) -> tuple[asyncio.StreamReader, Any]:
        return reader, _Writer()

    real = live_client.asyncio
    live_client.asyncio = SimpleNamespace(  # type: ignore[attr-defined]
        open_unix_connection=opened, timeout=real.timeout, IncompleteReadError=real.IncompleteReadError
    )
    shown = 0
    try:
        async for picture in live_client.pictures("unix:memory", _CAMERA):
            _must(len(picture.data) <= live_client.PICTURE_LIMIT, "a picture is bounded")
            shown += 1
    except live_client.LiveError as error:
        return min(shown, 3), str(error)[:60]
    finally:
        live_client.asyncio = real  # type: ignore[attr-defined]
    return min(shown, 3)


class _Writer:
    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...
    async def wait_closed(self) -> None: ...


_LOOP = asyncio.new_event_loop()
