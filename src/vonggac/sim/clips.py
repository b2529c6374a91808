"""Clips that simulated cameras play: H.264 read from a file as it lies there, never re-encoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import av.error

from vonggac.core.errors import VonggacError
from vonggac.sim.packetise import NAL_DELIMITER, NAL_FILLER, NAL_PPS, NAL_SLICE_IDR, NAL_SPS
from vonggac.video.stream import VIDEO_TIMESCALE

BYTES_LIMIT = 256 << 20
"""What is kept of one clip; a longer one loops after this."""

KEY_DISTANCE_LIMIT_S = 20
"""A clip whose groups of pictures are longer leaves a viewer without a picture for too long, and is refused."""

KEY_DISTANCE_NOTE_S = 4

SUFFIXES = (".mp4", ".mkv", ".mov")


class UnusableClip(VonggacError):
    """A file that a simulated camera cannot play; the message names the file, the reason and the cure."""


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One access unit in decoding order. `due` and `pts` are 90 kHz ticks from the start of the clip.

    `due` is when a camera sends it; `pts`, when it was seen, is never later (with B-frames it is earlier).
    """

    due: int
    pts: int
    key: bool
    nals: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that loops: its first picture is a key frame, and follows its last one after `duration` ticks."""

    name: str
    width: int
    height: int
    parameter_sets: tuple[bytes, ...]
    pictures: tuple[CodedPicture, ...]
    duration: int
    notes: tuple[str, ...] = ()

    @property
    def frame_rate(self) -> Fraction:
        """Pictures a second on average, with small denominators put right (12.5, 30000/1001)."""
        return Fraction(len(self.pictures) * VIDEO_TIMESCALE, self.duration).limit_denominator(1001)

    @property
    def longest_group(self) -> int:
        """Pictures in the longest group of pictures."""
        keys = [index for index, picture in enumerate(self.pictures) if picture.key]
        return max(after - before for before, after in zip(keys, [*keys[1:], len(self.pictures)], strict=True))


@dataclass(frozen=True, slots=True)
class Footage:
    """What one camera shows: its main stream and, where there is one, its smaller sub-stream."""

    main: Clip
    sub: Clip | None = None


def load_folder(folder: Path) -> dict[str, Footage]:
    """Return what the folder's files give, by file name without its ending, in the order of the names.

    `market.sub.mp4` is the sub-stream of `market.mp4`. Raises UnusableClip when a file, or the folder, gives nothing.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise UnusableClip(f"The folder of clips {folder} cannot be read: {error.strerror}.") from error
    subs = {path.stem.removesuffix(".sub"): path for path in files if path.stem.endswith(".sub")}
    mains = [path for path in files if not path.stem.endswith(".sub")]
    if not mains:
        raise UnusableClip(f"No clip in {folder}: put .mp4 or .mkv files with H.264 video there.")
    return {
        path.stem: Footage(read_clip(path), read_clip(subs[path.stem]) if path.stem in subs else None) for path in mains
    }


def read_clip(path: Path) -> Clip:
    """Return the first H.264 track of an MP4 or Matroska file. Raises UnusableClip.

    What stands before the first key frame (IDR) is left out. Delimiters and filler are left out; parameter sets are
    put before every key frame, as cameras do.
    """
    try:
        with av.open(str(path)) as container:
            tracks = [track for track in container.streams.video if track.codec_context.name == "h264"]
            if not tracks:
                raise UnusableClip(f"{path} has no H.264 video. Convert it: {_conversion(path)}")
            track = tracks[0]
            context = track.codec_context
            sets, length_size = _decoder_configuration(context.extradata or b"")
            samples = list(_samples(container, track, length_size))
            width, height = context.width, context.height
    except (av.error.FFmpegError, OSError) as error:
        raise UnusableClip(f"{path} cannot be read as a video file: {error.strerror}.") from error
    if not sets or not width or not height:
        raise UnusableClip(f"{path} does not say how to decode its video. Convert it: {_conversion(path)}")
    return _looped(path, width, height, sets, samples)


@dataclass(slots=True)
class _Sample:
    pts: int
    nals: tuple[bytes, ...]
    key: bool


def _samples(container: av.container.InputContainer, track: av.VideoStream, length_size: int) -> Iterator[_Sample]:
    to_ticks = (track.time_base or Fraction(1, VIDEO_TIMESCALE)) * VIDEO_TIMESCALE
    started = False
    kept = 0
    for packet in container.demux(track):
        if packet.pts is None or packet.size == 0:
            continue
        nals = tuple(
            nal
            for nal in split_units(bytes(packet), length_size)
            if nal and nal[0] & 0x1F not in (NAL_DELIMITER, NAL_FILLER)
        )
        key = any(nal[0] & 0x1F == NAL_SLICE_IDR for nal in nals)
        started = started or key
        if not started or not nals:
            continue
        kept += packet.size
        if kept > BYTES_LIMIT:
            return
        yield _Sample(round(packet.pts * to_ticks), nals, key)


def _looped(path: Path, width: int, height: int, sets: tuple[bytes, ...], samples: list[_Sample]) -> Clip:
    if len(samples) < 2:
        raise UnusableClip(f"{path} has no key frame (IDR) to begin with. Convert it: {_conversion(path)}")
    # Matroska keeps no decoding times. The times at which pictures are seen, in order, are their rhythm; picture by
    # picture in decoding order they say when to send, later by as much as the most delayed picture needs.
    rhythm = sorted(sample.pts for sample in samples)
    latest = max(sample.pts - due for sample, due in zip(samples, rhythm, strict=True))
    origin = rhythm[0]
    duration = rhythm[-1] - origin + max(1, round((rhythm[-1] - origin) / (len(samples) - 1)))
    pictures = tuple(
        CodedPicture(
            due - origin,
            sample.pts - origin - latest,
            sample.key,
            _with_parameter_sets(sample.nals, sets) if sample.key else sample.nals,
        )
        for sample, due in zip(samples, rhythm, strict=True)
    )
    if any(later.due <= earlier.due for earlier, later in pairwise(pictures)):
        raise UnusableClip(f"{path} has two pictures at the same time. Convert it: {_conversion(path)}")
    starts = [picture.due for picture in pictures if picture.key] + [duration]
    longest_s = max(after - before for before, after in pairwise(starts)) / VIDEO_TIMESCALE
    if longest_s > KEY_DISTANCE_LIMIT_S:
        raise UnusableClip(
            f"{path} goes {longest_s:.0f} s without a key frame, at most {KEY_DISTANCE_LIMIT_S} s are possible."
            f" Convert it: {_conversion(path)}"
        )
    notes: tuple[str, ...] = ()
    if longest_s > KEY_DISTANCE_NOTE_S:
        notes = (f"{path.name} has only one key frame in {longest_s:.1f} s: viewers may wait that long.",)
    return Clip(path.stem, width, height, sets, pictures, duration, notes)


def _with_parameter_sets(nals: tuple[bytes, ...], sets: tuple[bytes, ...]) -> tuple[bytes, ...]:
    carried = any(nal[0] & 0x1F in (NAL_SPS, NAL_PPS) for nal in nals)
    return nals if carried else sets + nals


def _decoder_configuration(extradata: bytes) -> tuple[tuple[bytes, ...], int]:
    """Return parameter sets and bytes per length field, 0 for start codes (ISO/IEC 14496-15 §5.3.3.1)."""
    if not extradata.startswith(b"\x01"):
        units = split_units(extradata, 0)
        return tuple(unit for unit in units if unit and unit[0] & 0x1F in (NAL_SPS, NAL_PPS)), 0
    sets: list[bytes] = []
    position = 5
    for mask in (0x1F, 0xFF):  # the count of SPS has five bits, that of PPS eight
        if position >= len(extradata):
            break
        count = extradata[position] & mask
        position += 1
        for _ in range(count):
            size = int.from_bytes(extradata[position : position + 2], "big")
            sets.append(extradata[position + 2 : position + 2 + size])
            position += 2 + size
    return tuple(unit for unit in sets if unit), (extradata[4] & 3) + 1


def split_units(data: bytes, length_size: int) -> list[bytes]:
    """Return the NAL units of a sample with length fields of `length_size` bytes, or with start codes (0)."""
    units: list[bytes] = []
    if length_size:
        position = 0
        while position + length_size <= len(data):
            size = int.from_bytes(data[position : position + length_size], "big")
            position += length_size
            units.append(data[position : position + size])
            position += size
        return units
    # A unit never contains three bytes 00 00 01 and never ends in 00 (ISO/IEC 14496-10 §7.4.1), so both can be cut.
    return [unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")[1:]]


def _conversion(path: Path) -> str:
    return f"ffmpeg -i {path.name} -an -c:v libx264 -pix_fmt yuv420p -g 30 {path.stem}-h264.mp4"
