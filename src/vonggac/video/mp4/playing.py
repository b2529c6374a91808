"""A recording as players in a browser are given it: as long as the file, each group at the same place, other bytes.

Some things in a recording are right and still go wrong in players (docs/design/playback.md). They are changed on the
way out, in place, so that a playlist can name byte ranges of the file without opening it:

- The edit list that takes the reorder delay off is taken out (its box becomes `free`), and the delay comes off the
  composition offsets instead. hls.js knows no edit lists: it would take pictures for later than they are.
- The track of sound is taken out, unless sound is asked for (its boxes become `free`, which players pass over, §8.1.2).
  Where sound is missing for a whole fragment, Media Source would not show the pictures either.
- Media time begins anew with every run. Where a playlist goes on with another run it names a shift, so that its time
  never steps back: FFmpeg would leave out the group after such a step.

Bytes in, values out. Clause numbers are those of ISO/IEC 14496-12.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from vonggac.video.mp4.boxes import FRAGMENT_HEAD, TRUN_FLAGS, TRUN_OFFSETS, TRUN_SIGNED
from vonggac.video.mp4.errors import RecordingDamaged
from vonggac.video.mp4.sound import SOUND_TRACK
from vonggac.video.stream import VIDEO_TIMESCALE

_BOX = struct.Struct(">I4s")
_TRUN_FLAGS_AT = 76
_TFDT_TIME_AT = 60
_SOUND_TIME_AT = 36
"""Of the decode time in the `traf` of the sound."""
_MOST = (1 << 31) - 1


def head_for_players(head: bytes, *, sound: bool) -> bytes:
    """Return `ftyp` and `moov` of a recording without its edit list; `sound`: with the track of sound.

    RecordingDamaged when it is no such head.
    """
    made = bytearray(head)
    movie = next(((at, end) for at, kind, end in _boxes(head, 0, len(head)) if kind == b"moov"), None)
    if movie is None:
        raise RecordingDamaged("The head of this recording is not an MP4 head.")
    tracks = 0
    for track, kind, end in _boxes(head, movie[0] + 8, movie[1]):
        if kind == b"trak":
            tracks += 1
            if tracks == SOUND_TRACK and not sound:
                _hide(made, track)
            for at, inner, _ in _boxes(head, track + 8, end):
                if inner == b"edts":
                    _hide(made, at)
        elif kind == b"mvex" and not sound:
            for at, _, _ in list(_boxes(head, track + 8, end))[1:]:
                _hide(made, at)
    return bytes(made)


def fragment_for_players(moof: bytes, delay: int = 0, shift: int = 0, sound_rate: int = 0) -> bytes:
    """Return the `moof` of a fragment with the reorder delay taken off its pictures' offsets, and later by `shift`.

    Offsets become signed (§8.8.8, version 1): a picture may show before its decode time, which is then no more than
    its place in the order. Ticks of 90 kHz; `sound_rate`: those of the sound; 0: without the sound. RecordingDamaged
    when it is no `moof` of ours.
    """
    made = bytearray(moof)
    try:
        size, *_, flags, count, _, _ = FRAGMENT_HEAD.unpack_from(moof)
        if moof[4:8] != b"moof" or flags & ~(TRUN_OFFSETS | TRUN_SIGNED) != TRUN_FLAGS:
            raise RecordingDamaged("A group of this recording does not begin as ours do.")
        # Without offsets all show when they are decoded: the delay can only come off the time of all.
        _later(made, _TFDT_TIME_AT, shift if flags & TRUN_OFFSETS else shift - delay)
        if flags & TRUN_OFFSETS and delay:
            numbers = list(struct.unpack_from(f">{3 * count}I", moof, FRAGMENT_HEAD.size))
            for at in range(2, len(numbers), 3):
                offset = numbers[at] - (numbers[at] >> 31 << 32) if flags & TRUN_SIGNED else numbers[at]
                numbers[at] = max(-_MOST, min(_MOST, offset - delay)) & 0xFFFF_FFFF
            struct.pack_into(">I", made, _TRUN_FLAGS_AT, flags | TRUN_SIGNED)
            struct.pack_into(f">{3 * count}I", made, FRAGMENT_HEAD.size, *numbers)
        pictures = FRAGMENT_HEAD.size + (12 if flags & TRUN_OFFSETS else 8) * count
        if size > pictures and sound_rate:
            _later(made, pictures + _SOUND_TIME_AT, shift * sound_rate // VIDEO_TIMESCALE)
        elif size > pictures:
            _hide(made, pictures)
    except struct.error:
        raise RecordingDamaged("This recording ends within the head of a group.") from None
    return bytes(made)


def _later(moof: bytearray, at: int, ticks: int) -> None:
    """Move a decode time (`tfdt`, §8.8.12)."""
    (base,) = struct.unpack_from(">Q", moof, at)
    struct.pack_into(">Q", moof, at, max(0, base + ticks))


def _hide(data: bytearray, at: int) -> None:
    """Make a box one that players pass over."""
    data[at + 4 : at + 8] = b"free"


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes, int]]:
    """Yield (where it begins, kind, where it ends) of the boxes between two places; RecordingDamaged: no boxes."""
    while at < end:
        if at + 8 > end:
            raise RecordingDamaged("The head of this recording is cut off.")
        size, kind = _BOX.unpack_from(data, at)
        if size < 8 or at + size > end:
            raise RecordingDamaged("The head of this recording is not an MP4 head.")
        yield at, kind, at + size
        at += size
