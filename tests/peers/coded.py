"""Coded pictures for tests: encoded by libx264 and libx265, each carrying its number, or read from real clips."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from vonggac.video.mp4 import FragmentTiming, fragment_header, init_segment, reorder_delay, time_fragment
from vonggac.video.stream import VIDEO_TIMESCALE, AccessUnit, VideoParameters

Picture = npt.NDArray[np.uint8]
WIDTH, HEIGHT, BLOCK, NUMBER_BITS = 192, 96, 16, 12


@dataclass
class Material:
    """A coded stream, its presentation times beginning at 0."""

    parameters: VideoParameters
    units: list[AccessUnit]

    def groups(self) -> list[list[AccessUnit]]:
        groups: list[list[AccessUnit]] = []
        for unit in self.units:
            if unit.key:
                groups.append([])
            groups[-1].append(unit)
        return groups


@dataclass
class Recorded:
    """A recording made of groups, and what went into it."""

    data: bytes
    ends: list[int]
    """Where the init segment and each fragment end."""
    delay: int
    timings: list[FragmentTiming] = field(default_factory=list)

    def file(self) -> BytesIO:
        return BytesIO(self.data)


def number_picture(number: int, noise: int = 0, width: int = WIDTH) -> Picture:
    """A picture whose upper row of blocks is the number, white for 1; the rest moves, so that motion is predicted.

    `noise`: up to so much is added to each pixel, so that pictures become large.
    """
    luma = np.tile(np.arange(width, dtype=np.int32), (HEIGHT, 1))
    luma = (luma + 5 * number) % 160 + 40
    luma += np.random.default_rng(number).integers(0, noise + 1, luma.shape, dtype=np.int32)
    for bit in range(NUMBER_BITS):
        luma[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> bit & 1 else 16
    picture = np.full((HEIGHT * 3 // 2, width), 128, np.uint8)
    picture[:HEIGHT] = luma
    return picture


def picture_number(luma: Picture) -> int:
    return sum(
        1 << bit
        for bit in range(NUMBER_BITS)
        if luma[BLOCK // 4 : BLOCK * 3 // 4, bit * BLOCK + 4 : bit * BLOCK + 12].mean() > 128
    )


def units_of(data: bytes) -> list[bytes]:
    """Split a byte stream with start codes (H.264 annex B)."""
    units = [unit.rstrip(b"\0") for unit in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")]
    return [unit for unit in units if unit]


def access_unit(units: Iterable[bytes], pts: int, key: bool, parameters: VideoParameters) -> AccessUnit:
    data = bytearray()
    for unit in units:
        data += len(unit).to_bytes(4, "big") + unit
    return AccessUnit(pts, key, data, parameters, arrived_ns=0)


def encode_numbers(
    count: int,
    *,
    fps: int = 15,
    group: int = 15,
    b_frames: int = 0,
    codec: str = "h264",
    width: int = WIDTH,
    first: int = 0,
    crf: int = 23,
    noise: int = 0,
) -> Material:
    context = av.CodecContext.create("libx264" if codec == "h264" else "libx265", "w")
    context.width, context.height, context.pix_fmt = width, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, VIDEO_TIMESCALE), Fraction(fps)
    context.gop_size, context.max_b_frames = group, b_frames
    if codec == "h264":
        context.options = {
            "preset": "veryfast",
            "crf": str(crf),
            "x264-params": f"scenecut=0:keyint={group}:min-keyint={group}:bframes={b_frames}:b-adapt=0:open-gop=0",
        }
    else:
        context.options = {
            "preset": "ultrafast",
            "x265-params": f"scenecut=0:keyint={group}:min-keyint={group}:bframes={b_frames}:open-gop=0:log-level=none"
            ":repeat-headers=1",
        }
    packets: list[av.Packet] = []
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(number_picture(number + first, noise, width), format="yuv420p")
        frame.pts, frame.time_base = number * VIDEO_TIMESCALE // fps, context.time_base
        packets += context.encode(frame)
    packets += context.encode(None)
    return _material(packets, codec, width, HEIGHT, float(fps), reorder=2 if b_frames > 1 else b_frames)


def _material(packets: Sequence[av.Packet], codec: str, width: int, height: int, fps: float, reorder: int) -> Material:
    def kind(unit: bytes) -> int:
        return unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63

    set_kinds, delimiter = ((7, 8), 9) if codec == "h264" else ((32, 33, 34), 35)
    first = [unit for packet in packets[:1] for unit in units_of(bytes(packet)) if kind(unit) in set_kinds]
    parameters = VideoParameters(codec, tuple(first), width, height, reorder, fps)
    units = []
    for packet in packets:
        kept = [unit for unit in units_of(bytes(packet)) if kind(unit) not in (*set_kinds, delimiter)]
        assert packet.pts is not None
        assert packet.time_base is not None
        pts = round(packet.pts * packet.time_base * VIDEO_TIMESCALE)
        units.append(access_unit(kept, pts, packet.is_keyframe, parameters))
    return Material(parameters, units)


def read_clip(path: Path, count: int) -> Material:
    """The first pictures of a real camera's file, from its first key frame on."""
    with av.open(str(path)) as source:
        video = source.streams.video[0]
        turned = av.bitstream.BitStreamFilterContext("h264_mp4toannexb", video)
        packets = []
        for packet in source.demux(video):
            if packet.size and (packets or packet.is_keyframe):
                packets += turned.filter(packet)
            if len(packets) >= count:
                break
        rate = float(video.average_rate or 15)
        return _material(packets, "h264", video.width, video.height, rate, 1 if video.codec_context.has_b_frames else 0)


def record(
    groups: Sequence[Sequence[AccessUnit]],
    *,
    origin: int = 0,
    delay: int | None = None,
    created_us: int | None = None,
    last_end: int | None = None,
) -> Recorded:
    """Write groups as the recorder does, media time beginning at `origin`."""
    parameters = groups[0][0].parameters
    reorder = parameters.reorder_frames != 0
    if delay is None:
        delay = reorder_delay([unit.pts for unit in groups[0]], parameters.reorder_frames)
    data = bytearray(init_segment(parameters, presentation_delay=delay, created_us=created_us))
    made = Recorded(b"", [len(data)], delay)
    earliest = None
    for index, group in enumerate(groups):
        end = min(unit.pts for unit in groups[index + 1]) + origin if index + 1 < len(groups) else last_end
        timing = time_fragment(
            [unit.pts + origin for unit in group], delay=delay, reorder=reorder, earliest=earliest, end=end
        )
        earliest = timing.end
        data += fragment_header(
            index + 1,
            timing.base_decode_time,
            timing.durations,
            [len(unit.data) for unit in group],
            timing.offsets,
            key=group[0].key,
        )
        for unit in group:
            data += unit.data
        made.timings.append(timing)
        made.ends.append(len(data))
    made.data = bytes(data)
    return made


@dataclass
class Shown:
    """What a decoder made of a file: number and presentation time of each picture, in the order shown."""

    numbers: list[int]
    pts: list[int]


def decode_numbers(path: Path) -> Shown:
    shown = Shown([], [])
    with av.open(str(path)) as source:
        video = source.streams.video[0]
        for frame in source.decode(video):
            shown.numbers.append(picture_number(frame.to_ndarray(format="yuv420p")[:HEIGHT]))
            assert frame.pts is not None
            assert frame.time_base is not None
            shown.pts.append(round(frame.pts * frame.time_base * VIDEO_TIMESCALE))
    return shown


def judge(path: Path, level: str = "warning") -> int:
    """Let ffmpeg (Debian's) decode a file: returns the pictures it counts; fails where it complains at that level.

    With the level "quiet" any complaint is ignored: what can be shown of a torn file.
    """
    played = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", level, "-i", path, "-f", "null", "-"], capture_output=True, text=True, timeout=60
    )
    assert played.returncode == 0 or level == "quiet"
    assert played.stderr == ""
    count = ["-count_frames", "-select_streams", "v:0", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]
    counted = subprocess.run(["ffprobe", "-v", level, *count, path], capture_output=True, text=True, timeout=60)
    assert counted.stderr == ""
    return int(counted.stdout.strip().strip(","))
