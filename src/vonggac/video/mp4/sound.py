"""The track of sound: its sample entry, its part of a fragment, and what is read back of both.

`mp4a` with `esds` (ISO/IEC 14496-14 §5.6, 14496-1 §7.2.6) holds the camera's AudioSpecificConfig; the timescale is the
sample rate, so that a frame lasts as many ticks as it has samples.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from vonggac.video.mp4.errors import RecordingDamaged
from vonggac.video.stream import SoundParameters

SOUND_TRACK = 2
FRAMES_AT_MOST = 4096
"""Coded frames of sound in one fragment: 43 s at 96,000 samples a second."""
FRAME_BYTES_AT_MOST = 1 << 16

SOUND_HEAD = struct.Struct(">I4s I4sII I4sIQ I4sIIi")
"""`traf` up to the samples of its `trun`: traf, tfhd, tfdt, trun; clauses as for the pictures (`boxes`)."""
TRUN_FLAGS = 0x000301
"""data-offset, and of each sample its duration and size; what kind of sample it is stands in `trex`."""
_TFHD_FLAGS = 0x020000
_TFDT_VERSION_1 = 0x01000000
_TRUN_AT = 44
_AUDIO_ENTRY = struct.Struct(">6xH8xHH4xI")
"""SampleEntry and AudioSampleEntry without their box header (14496-12 §8.5.2.2, §12.2.3.2)."""
_AAC = 0x40  # objectTypeIndication "Audio ISO/IEC 14496-3" (14496-1 table 5)
_AUDIO_STREAM = 0x05 << 2 | 1


@dataclass(frozen=True, slots=True)
class SoundFrames:
    """The sound of one fragment as it is written: frames that follow each other."""

    base_decode_time: int
    """Ticks of the sample rate, on the media time of the run."""
    durations: Sequence[int]
    sizes: Sequence[int]


@dataclass(frozen=True, slots=True)
class SoundTable:
    """The sound of one fragment as it is read back."""

    payload: int
    """Where in the file the first frame begins; the others follow without a hole."""
    base_decode_time: int
    sizes: array[int]
    durations: array[int]


def sound_entry(sound: SoundParameters) -> bytes:
    """Return the `mp4a` box of a track."""
    decoder = struct.pack(">BB3xII", _AAC, _AUDIO_STREAM, 0, 0) + _descriptor(5, sound.config)
    stream = struct.pack(">HB", 0, 0) + _descriptor(4, decoder) + _descriptor(6, b"\2")
    esds = struct.pack(">I4sI", 0, b"esds", 0) + _descriptor(3, stream)
    esds = struct.pack(">I", len(esds)) + esds[4:]
    audio = _AUDIO_ENTRY.pack(1, sound.channels, 16, sound.sample_rate << 16)
    return struct.pack(">I4s", 8 + len(audio) + len(esds), b"mp4a") + audio + esds


def parse_sound_entry(entry: bytes) -> SoundParameters:
    """Read an `mp4a` box of ours back; RecordingDamaged when it is none."""
    start = 8 + _AUDIO_ENTRY.size
    try:
        _, channels, _, rate = _AUDIO_ENTRY.unpack_from(entry, 8)
        stream = _contents(entry[start + 12 :], 3)
        decoder = _contents(stream[3:], 4)
        config = _contents(decoder[13:], 5)
    except (struct.error, IndexError):
        raise RecordingDamaged("The sample entry of this recording's sound is cut off.") from None
    rate >>= 16
    # Of the configuration only what is not said elsewhere: the length of a frame (14496-3 §4.4.1).
    sound = SoundParameters(config, rate, channels, _frame_samples(config))
    if not rate or not channels or sound_entry(sound) != entry:
        raise RecordingDamaged("The sample entry of this recording's sound is not ours.")
    return sound


def sound_head(frames: SoundFrames, data_offset: int) -> bytes:
    """Return the `traf` of the sound; `data_offset`: where in the fragment its first frame begins."""
    count = len(frames.sizes)
    fields = [0] * (2 * count)
    fields[0::2], fields[1::2] = frames.durations, frames.sizes
    size = sound_head_size(count)
    return SOUND_HEAD.pack(
        size, b"traf",
        16, b"tfhd", _TFHD_FLAGS, SOUND_TRACK,
        20, b"tfdt", _TFDT_VERSION_1, frames.base_decode_time,
        size - _TRUN_AT, b"trun", TRUN_FLAGS, count, data_offset,
    ) + struct.pack(f">{2 * count}I", *fields)  # fmt: skip


def sound_head_size(count: int) -> int:
    """Return the bytes of the `traf` of so many frames."""
    return SOUND_HEAD.size + 8 * count


def read_sound_head(head: bytes, at: int, end: int, data_offset: int) -> tuple[int, array[int], array[int]]:
    """Read the `traf` that fills head[at:end]: (base decode time, sizes, durations); RecordingDamaged: not ours."""
    if end - at < SOUND_HEAD.size:
        raise RecordingDamaged("A group of this recording does not begin as ours do.")
    (
        traf, traf_kind, tfhd, tfhd_kind, tfhd_flags, track, tfdt, tfdt_kind, tfdt_flags, base,
        trun, trun_kind, trun_flags, count, offset,
    ) = SOUND_HEAD.unpack_from(head, at)  # fmt: skip
    if (
        (traf_kind, tfhd_kind, tfdt_kind, trun_kind) != (b"traf", b"tfhd", b"tfdt", b"trun")
        or (tfhd, tfhd_flags, track, tfdt, tfdt_flags) != (16, _TFHD_FLAGS, SOUND_TRACK, 20, _TFDT_VERSION_1)
        or not 0 < count <= FRAMES_AT_MOST
        or (traf, trun, trun_flags) != (sound_head_size(count), traf - _TRUN_AT, TRUN_FLAGS)
        or (at + traf, offset) != (end, data_offset)
    ):
        raise RecordingDamaged("A group of this recording does not begin as ours do.")
    numbers = struct.unpack_from(f">{2 * count}I", head, at + SOUND_HEAD.size)
    durations, sizes = array("I", numbers[0::2]), array("I", numbers[1::2])
    if min(durations) == 0 or not 0 < min(sizes) <= max(sizes) <= FRAME_BYTES_AT_MOST or base >> 62:
        raise RecordingDamaged("The sample table of a group does not fit its sound.")
    return base, sizes, durations


def _descriptor(tag: int, contents: bytes) -> bytes:
    """A descriptor with its length in one byte (14496-1 §8.3.3): ours have under 128."""
    if len(contents) > 127:
        raise ValueError(f"a descriptor of {len(contents)} bytes")
    return bytes((tag, len(contents))) + contents


def _contents(data: bytes, tag: int) -> bytes:
    if data[0] != tag or 2 + data[1] > len(data):
        raise RecordingDamaged("The sample entry of this recording's sound is not ours.")
    return data[2 : 2 + data[1]]


def _frame_samples(config: bytes) -> int:
    value = int.from_bytes(config[:8].ljust(8, b"\0"), "big")
    explicit_rate = value >> 55 & 15 == 15
    return 960 if value >> (26 if explicit_rate else 50) & 1 else 1024
