"""The boxes of a recording, as bytes: what stands at its head, and what stands before every group of pictures.

A recording is `ftyp` `moov`, then `moof` `mdat` for each fragment (docs/design/recording-format.md). Nothing here
reads or writes a file. Clause numbers are those of ISO/IEC 14496-12.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from vonggac.video.mp4.codec import sample_entry
from vonggac.video.mp4.sound import SOUND_TRACK, SoundFrames, sound_entry, sound_head, sound_head_size
from vonggac.video.mp4.timing import MAX_SPAN
from vonggac.video.stream import VIDEO_TIMESCALE, SoundParameters, VideoParameters

LAYOUT, LAYOUT_WITH_SOUND = 1, 2
"""Versions of the layout that `reader` understands; one stands in `ftyp` as minor_version."""
TRACK = 1
MAX_PAYLOAD = 1 << 30
"""Bytes in one `mdat`: far above any group, far below where 32-bit sizes end."""
MAX_SAMPLES = 65_536
"""Pictures in one fragment."""

SYNC = 0x0200_0000
"""sample_flags of a key frame: depends on no other (§8.8.3.1)."""
NON_SYNC = 0x0101_0000
"""sample_flags of any other picture: depends on others, is no sync sample."""

FRAGMENT_HEAD = struct.Struct(">I4s I4sII I4s I4sII I4sIQ I4sIIiI")
"""`moof` up to the samples of its `trun`: moof, mfhd (§8.8.5), traf, tfhd (§8.8.7), tfdt (§8.8.12), trun (§8.8.8)."""
DECODE_TIME_AT = 60
"""Where in a fragment its base decode time stands (64 bits): all that changes where its pictures are shown later."""
TFHD_FLAGS = 0x020000
"""default-base-is-moof: offsets count from the fragment itself, so that it may be moved as it is."""
TFDT_VERSION_1 = 0x01000000
TRUN_FLAGS = 0x000305
"""data-offset, first-sample-flags, and of each sample its duration and size."""
TRUN_OFFSETS = 0x000800
"""Of each sample also its composition time offset."""
TRUN_SIGNED = 0x01000000
"""Version 1: composition time offsets may be negative."""
_MFHD_AT, _TRAF_AT, _TRUN_AT = 8, 24, 68

_BOX = struct.Struct(">I4s")
_UNITY_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED = 0x55C4
"""Language `und`, packed (§8.4.2.3)."""
_SECONDS_1904_TO_1970 = 2_082_844_800


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box of the given parts (§4.2)."""
    return _BOX.pack(8 + sum(map(len, parts)), kind) + b"".join(parts)


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """Return a box with version and flags (§4.2)."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def init_segment(
    parameters: VideoParameters,
    *,
    presentation_delay: int,
    created_us: int | None = None,
    sound: SoundParameters | None = None,
) -> bytes:
    """Return `ftyp` and `moov` of a recording: all that a decoder needs before the first group.

    With `sound` there is a second track, which need not have anything in every group.

    `presentation_delay` is the run's reorder delay in ticks of 90 kHz (timing.reorder_delay); players take it off
    again through the edit list, so that the first picture shows at its media time. `created_us`: wall clock, for
    whoever finds the file alone. UnusableParameters where no decoder could be configured.
    """
    if not 0 <= presentation_delay < MAX_SPAN:
        raise ValueError(f"presentation delay out of range: {presentation_delay}")
    track = video_track(
        _empty_tables(sample_entry(parameters)),
        width=parameters.width,
        height=parameters.height,
        duration=0,
        presentation_delay=presentation_delay,
        created_us=created_us,
    )
    tracks, defaults, layout = [track], [_defaults(TRACK, NON_SYNC)], LAYOUT
    if sound is not None:
        tables = _empty_tables(sound_entry(sound))
        tracks.append(sound_track(tables, rate=sound.sample_rate, duration=0, start=0, created_us=created_us))
        defaults.append(_defaults(SOUND_TRACK, SYNC))
        layout = LAYOUT_WITH_SOUND
    movie = movie_header(0, created_us, next_track=len(tracks) + 1)
    return file_type(b"iso6", layout, (b"iso6", b"mp41")) + box(b"moov", movie, *tracks, box(b"mvex", *defaults))


def fragment_header(
    sequence: int,
    base_decode_time: int,
    durations: Sequence[int],
    sizes: Sequence[int],
    offsets: Sequence[int] | None = None,
    *,
    key: bool,
    sound: SoundFrames | None = None,
) -> bytes:
    """Return `moof` and the header of `mdat`; the samples' bytes follow it in the file, in the same order.

    `sequence` counts from 1 in each file. `base_decode_time`: the first sample's decode time, ticks of 90 kHz, at
    least 0. One entry a sample, in decoding order: `durations` in ticks, `sizes` in bytes, `offsets` from decode to
    composition time in ticks (None: all 0). `key`: the first sample is a key frame; no other one is. `sound`: what
    follows the pictures in the same `mdat`. ValueError where a number does not fit its field (timing.time_fragment
    makes only such that do).
    """
    count = len(sizes)
    payload = sum(sizes)
    if not 0 < count <= MAX_SAMPLES or payload > MAX_PAYLOAD:
        raise ValueError(f"{count} samples of {payload} bytes do not fit into one fragment")
    flags = TRUN_FLAGS
    if offsets is None:
        fields = [0] * (2 * count)
        fields[0::2], fields[1::2] = durations, sizes
    else:
        fields = [0] * (3 * count)
        fields[0::3], fields[1::3] = durations, sizes
        flags |= TRUN_OFFSETS
        if min(offsets) < 0:
            flags |= TRUN_SIGNED
            fields[2::3] = [offset & 0xFFFF_FFFF for offset in offsets]
        else:
            fields[2::3] = offsets
    pictures = FRAGMENT_HEAD.size + 4 * len(fields)
    moof = pictures if sound is None else pictures + sound_head_size(len(sound.sizes))
    heard = 0 if sound is None else sum(sound.sizes)
    try:
        head = FRAGMENT_HEAD.pack(
            moof, b"moof",
            _TRAF_AT - _MFHD_AT, b"mfhd", 0, sequence,
            pictures - _TRAF_AT, b"traf",
            16, b"tfhd", TFHD_FLAGS, TRACK,
            20, b"tfdt", TFDT_VERSION_1, base_decode_time,
            pictures - _TRUN_AT, b"trun", flags, count, moof + 8, SYNC if key else NON_SYNC,
        )  # fmt: skip
        head += struct.pack(f">{len(fields)}I", *fields)
        if sound is not None:
            head += sound_head(sound, moof + 8 + payload)
        return head + _BOX.pack(8 + payload + heard, b"mdat")
    except struct.error as error:
        raise ValueError(f"a number does not fit into a fragment: {error}") from None


def file_type(major: bytes, minor: int, compatible: Sequence[bytes]) -> bytes:
    """Return `ftyp` (§4.3). iso6 is the first brand that knows `tfdt` and default-base-is-moof (annex E)."""
    return box(b"ftyp", major, struct.pack(">I", minor), *compatible)


def movie_header(duration: int, created_us: int | None, *, next_track: int = TRACK + 1) -> bytes:
    """Return `mvhd` (§8.2.2); duration in ticks of 90 kHz, 0 where fragments follow."""
    times = _times(created_us)
    return full_box(
        b"mvhd", 1, 0,
        struct.pack(">QQIQ", times, times, VIDEO_TIMESCALE, duration),
        struct.pack(">IH10x", 0x10000, 0), _UNITY_MATRIX, bytes(24), struct.pack(">I", next_track),
    )  # fmt: skip


def video_track(
    tables: bytes, *, width: int, height: int, duration: int, presentation_delay: int, created_us: int | None
) -> bytes:
    """Return `trak` (§8.3.1) around a sample table box; duration in ticks of 90 kHz."""
    times = _times(created_us)
    header = full_box(
        b"tkhd", 1, 3,
        struct.pack(">QQI4xQ8x8x", times, times, TRACK, duration),
        _UNITY_MATRIX, struct.pack(">II", width << 16, height << 16),
    )  # fmt: skip
    edits = b""
    if presentation_delay:
        # One edit, from the first picture on (§8.6.6); in a fragmented file a duration of 0 means to the end.
        edit = struct.pack(">IQqHH", 1, duration, presentation_delay, 1, 0)
        edits = box(b"edts", full_box(b"elst", 1, 0, edit))
    media = _media(tables, b"vide", b"video\0", full_box(b"vmhd", 0, 1, bytes(8)), VIDEO_TIMESCALE, duration, times)
    return box(b"trak", header, edits, media)


def sound_track(tables: bytes, *, rate: int, duration: int, start: int, created_us: int | None) -> bytes:
    """Return `trak` of sound around a sample table box; `duration` in samples at `rate`.

    `start`: ticks of 90 kHz by which the sound begins after the pictures (an empty edit, §8.6.6).
    """
    times = _times(created_us)
    shown = duration * VIDEO_TIMESCALE // rate
    header = full_box(
        b"tkhd", 1, 3,
        struct.pack(">QQI4xQ8xHHH2x", times, times, SOUND_TRACK, start + shown, 0, 0, 0x0100),
        _UNITY_MATRIX, bytes(8),
    )  # fmt: skip
    edits = b""
    if start:
        edit = struct.pack(">IQqHHQqHH", 2, start, -1, 1, 0, shown, 0, 1, 0)
        edits = box(b"edts", full_box(b"elst", 1, 0, edit))
    media = _media(tables, b"soun", b"sound\0", full_box(b"smhd", 0, 0, bytes(4)), rate, duration, times)
    return box(b"trak", header, edits, media)


def _media(tables: bytes, kind: bytes, name: bytes, header: bytes, timescale: int, duration: int, times: int) -> bytes:
    """Return `mdia` (§8.4)."""
    return box(
        b"mdia",
        full_box(b"mdhd", 1, 0, struct.pack(">QQIQHH", times, times, timescale, duration, _UNDETERMINED, 0)),
        full_box(b"hdlr", 0, 0, bytes(4), kind, bytes(12), name),
        box(
            b"minf",
            header,
            box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))),
            tables,
        ),
    )


def _empty_tables(entry: bytes) -> bytes:
    """Return `stbl` of a track whose samples come in fragments."""
    return box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )


def _defaults(track: int, flags: int) -> bytes:
    """Return `trex` (§8.8.3): what samples of fragments are where they do not say otherwise."""
    return full_box(b"trex", 0, 0, struct.pack(">5I", track, 1, 0, 0, flags))


def _times(created_us: int | None) -> int:
    """Seconds since 1904 (§8.2.2.3); 0: not known."""
    return 0 if created_us is None else created_us // 1_000_000 + _SECONDS_1904_TO_1970
