"""What a camera showed in the past: a few groups of pictures that come again and again, as a recorder would store them.

A loop is coded once. A recording of it is the loop's fragments copied, with other decode times: a day of recordings of
a camera is made in a second.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

import av
from av.video.frame import PictureType

from vonggac.core.errors import VonggacError
from vonggac.sim.clips import Clip, split_units
from vonggac.sim.packetise import NAL_DELIMITER, NAL_FILLER, NAL_PPS, NAL_SEI, NAL_SPS
from vonggac.video.mp4 import GroupEntry, codec_string, fragment_header, group_table, init_segment
from vonggac.video.mp4.boxes import DECODE_TIME_AT
from vonggac.video.recorder.groups import PIECE_TICKS
from vonggac.video.rtsp.sps import ParameterSets
from vonggac.video.stream import VIDEO_TIMESCALE, VideoParameters

WIDTH, HEIGHT = 480, 270
RATE = 4
"""Pictures a second of a small loop."""
GROUP_S = 6
QUALITY = 37
"""Constant rate factor of libx264: plain enough to know a person from a motorcycle, and about 2 kB a second."""
LONGEST_S = 24

_DECODE_TIME = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Piece:
    """Pictures that are one fragment: durations in ticks, and their bytes with lengths before each unit."""

    durations: tuple[int, ...]
    pictures: tuple[bytes, ...]
    key: bool


@dataclass(frozen=True, slots=True)
class Template:
    """Some groups of a loop as they stand in a file, all decode times counted from the first picture."""

    body: bytes
    decode_times: tuple[tuple[int, int], ...]
    """Where in the body each decode time stands, and what it is."""
    groups: bytes
    """The row's table of groups."""
    ticks: int
    frames: int

    def content(self, media_start: int) -> bytearray:
        """Return the body for a recording that begins so many ticks after its run."""
        body = bytearray(self.body)
        for at, ticks in self.decode_times:
            _DECODE_TIME.pack_into(body, at, media_start + ticks)
        return body


@dataclass(slots=True)
class Loop:
    """Closed groups of pictures that follow each other without end, all of the same parameters, none reordered."""

    parameters: VideoParameters
    groups: Sequence[Sequence[Piece]]
    """Pieces of at most two seconds, as a recorder cuts them; the first of each group begins with a key frame."""
    codec: str = ""
    init_size: int = 0
    _templates: dict[tuple[int, int], Template] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.codec = codec_string(self.parameters)
        self.init_size = len(self.head(0))

    def head(self, start_us: int) -> bytes:
        """Return what stands at the beginning of a recording that begins at a moment."""
        return init_segment(self.parameters, presentation_delay=0, created_us=start_us)

    def ticks(self, number: int) -> int:
        """Return how long the group of this number lasts; numbers go on beyond the loop's end."""
        return sum(sum(piece.durations) for piece in self.groups[number % len(self.groups)])

    def template(self, first: int, count: int) -> Template:
        """Return `count` groups from the one numbered `first` on, as a file; made once."""
        first %= len(self.groups)
        if (known := self._templates.get((first, count))) is None:
            known = self._templates[first, count] = self._build(first, count)
        return known

    def _build(self, first: int, count: int) -> Template:
        body = bytearray()
        entries: list[GroupEntry] = []
        times: list[tuple[int, int]] = []
        ticks = 0
        for number in range(first, first + count):
            for piece in self.groups[number % len(self.groups)]:
                sizes = [len(picture) for picture in piece.pictures]
                header = fragment_header(len(entries) + 1, ticks, piece.durations, sizes, key=piece.key)
                lasts, size = sum(piece.durations), len(header) + sum(sizes)
                times.append((len(body) + DECODE_TIME_AT, ticks))
                entries.append(GroupEntry(self.init_size + len(body), size, lasts, len(sizes), piece.key))
                body += header + b"".join(piece.pictures)
                ticks += lasts
        frames = sum(entry.frames for entry in entries)
        return Template(bytes(body), tuple(times), group_table.pack(entries), ticks, frames)


def loop_of(clip: Clip) -> Loop:
    """Return a clip's own pictures as a loop; VonggacError for one whose pictures are reordered."""
    shown = [picture.pts for picture in clip.pictures]
    if shown != sorted(shown):
        raise VonggacError(f"The pictures of {clip.name} are reordered: they make no loop.")
    times = [picture.due for picture in clip.pictures]
    ends = [*times[1:], clip.duration]
    coded = [(picture.key, picture.nals) for picture in clip.pictures]
    return _loop(clip.parameter_sets, coded, [end - time for time, end in zip(times, ends, strict=True)])


def small_loop(*parts: tuple[Clip, int], quality: int = QUALITY) -> Loop:
    """Return the first seconds of clips, one after the other, as a loop of small pictures in long groups.

    Each part is a clip and how many seconds of it; a clip that is shorter begins again. `quality`: constant rate factor
    (lower is better). About 2 kB a second; takes a second or two.
    """
    rate = Fraction(RATE)
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.framerate, encoder.time_base = rate, 1 / rate
    group = RATE * GROUP_S
    encoder.options = {
        "preset": "veryfast", "profile": "high", "crf": str(quality), "g": str(group), "keyint_min": str(group),
        "sc_threshold": "0", "bf": "0", "flags": "+cgop", "x264-params": "threads=1:rc-lookahead=10",
    }  # fmt: skip
    packets: list[bytes] = []
    frames = chain.from_iterable(_sampled(clip, seconds * RATE) for clip, seconds in parts)
    for number, frame in enumerate(frames):
        small = frame.reformat(WIDTH, HEIGHT, "yuv420p")
        small.pts, small.time_base = number, 1 / rate
        small.pict_type = PictureType.NONE  # else a key frame of the clip becomes one of the loop
        packets += map(bytes, encoder.encode(small))
    packets += map(bytes, encoder.encode(None))
    return _coded(packets)


def whole_seconds(clip: Clip) -> int:
    """Return how many seconds of a clip make a loop without a seam, or with few: whole groups, at most LONGEST_S."""
    seconds = min(LONGEST_S, clip.duration // VIDEO_TIMESCALE)
    return seconds // GROUP_S * GROUP_S or GROUP_S


def _sampled(clip: Clip, count: int) -> Iterator[av.VideoFrame]:
    """Yield `count` pictures of a clip, RATE a second from its beginning."""
    number = turn = 0
    while True:
        for frame, picture in zip(_decoded(clip), clip.pictures, strict=False):
            while turn * clip.duration + picture.due >= number * VIDEO_TIMESCALE // RATE:
                if number == count:
                    return
                yield frame
                number += 1
        turn += 1


def _decoded(clip: Clip) -> Iterator[av.VideoFrame]:
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    for picture in clip.pictures:
        coded = b"".join(b"\0\0\0\1" + unit for unit in picture.nals)
        yield from decoder.decode(av.Packet(coded))
    yield from decoder.decode(None)


def _coded(packets: Sequence[bytes]) -> Loop:
    """Return the loop of an encoder's packets (start codes before each unit)."""
    units = [[unit for unit in split_units(packet, 0) if unit] for packet in packets]
    sets = tuple(unit for unit in units[0] if unit[0] & 0x1F in (NAL_SPS, NAL_PPS))
    coded = [(any(unit[0] & 0x1F == NAL_SPS for unit in one), tuple(one)) for one in units]
    return _loop(sets, coded, [VIDEO_TIMESCALE // RATE] * len(coded))


def _loop(sets: Sequence[bytes], coded: Sequence[tuple[bool, Sequence[bytes]]], durations: Sequence[int]) -> Loop:
    known = ParameterSets()
    for one in sets:
        known.add(one)
    parameters = known.parameters
    if parameters is None:
        raise VonggacError("The clip does not say how to decode its video.")
    groups: list[list[Piece]] = []
    current: list[int] = []
    for number, (key, _) in enumerate(coded):
        if key:
            groups.append([])
        spans = sum(durations[one] for one in current)
        if current and (key or spans >= PIECE_TICKS):
            groups[-2 if key else -1].append(_piece(coded, durations, current))
            current = []
        current.append(number)
    groups[-1].append(_piece(coded, durations, current))
    return Loop(parameters, groups)


def _piece(coded: Sequence[tuple[bool, Sequence[bytes]]], durations: Sequence[int], numbers: Sequence[int]) -> Piece:
    left_out = (NAL_SPS, NAL_PPS, NAL_DELIMITER, NAL_FILLER, NAL_SEI)
    pictures = tuple(
        b"".join(len(unit).to_bytes(4, "big") + unit for unit in coded[number][1] if unit[0] & 0x1F not in left_out)
        for number in numbers
    )
    return Piece(tuple(durations[number] for number in numbers), pictures, coded[numbers[0]][0])
