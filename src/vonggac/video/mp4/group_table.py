"""The table of a recording's groups: small enough for its database row, enough to make a playlist from.

Format, version 1: a byte with the version, the number of entries, then the entries; all numbers are unsigned, 7 bits a
byte, lowest first, the top bit saying that more follow (LEB128); signed ones are folded (0, -1, 1, -2, …). An entry:

    folded(frames - frames before) << 4 | flags     flags: 1 key, 2 damaged, 4 a hole in the file, 8 a pause in time
    [bytes between the end of the entry before and this one]      with flag 4; the first entry counts from byte 0
    [ticks between the end of the entry before and this one]      with flag 8
    size
    folded(duration - duration before)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vonggac.video.mp4.errors import RecordingDamaged

VERSION = 1
MAX_ENTRIES = 65_536
"""More than a file can have: a day in pieces of 2 s."""
_KEY, _DAMAGED, _HOLE, _PAUSE = 1, 2, 4, 8
_FLAG_BITS = 4
_MAX_NUMBER = (1 << 63) - 1
_MIN_ENTRY_BYTES = 3


class GroupEntry(NamedTuple):
    """One fragment of a recording: a group of pictures, or a piece of a long one.

    A tuple, since playlists are made of thousands: a frozen dataclass takes four times as long to make.
    """

    offset: int
    """Where its `moof` begins in the file."""
    size: int
    """Bytes of `moof` and `mdat`."""
    duration_ticks: int
    frames: int
    key: bool
    """Begins with a key frame: a player may begin here."""
    damaged: bool = False
    """Pictures were lost in it."""
    pause_ticks: int = 0
    """Media time without pictures between the entry before and this one; normally 0."""


def pack(entries: Iterable[GroupEntry]) -> bytes:
    """Return the table; ValueError for entries that overlap, stand out of order, or hold a negative number."""
    body = bytearray()
    end = frames = duration = count = 0
    for entry in entries:
        hole = entry.offset - end
        if min(hole, entry.size, entry.duration_ticks, entry.frames, entry.pause_ticks) < 0:
            raise ValueError(f"no table can hold {entry}")
        flags = _KEY * entry.key | _DAMAGED * entry.damaged | _HOLE * (hole > 0) | _PAUSE * (entry.pause_ticks > 0)
        _put(body, _fold(entry.frames - frames) << _FLAG_BITS | flags)
        if hole:
            _put(body, hole)
        if entry.pause_ticks:
            _put(body, entry.pause_ticks)
        _put(body, entry.size)
        _put(body, _fold(entry.duration_ticks - duration))
        end, frames, duration = entry.offset + entry.size, entry.frames, entry.duration_ticks
        count += 1
    if count > MAX_ENTRIES:
        raise ValueError(f"{count} groups do not fit into one table")
    head = bytearray((VERSION,))
    _put(head, count)
    return bytes(head + body)


def unpack(data: bytes) -> list[GroupEntry]:
    """Return the entries of a table; RecordingDamaged for anything that `pack` does not make."""
    if not data or data[0] != VERSION:
        raise RecordingDamaged("The group table of this recording is missing or of a newer version.")
    count, at = _take(data, 1)
    if count > MAX_ENTRIES or count * _MIN_ENTRY_BYTES > len(data) - at:
        raise RecordingDamaged("The group table of this recording is cut off.")
    entries: list[GroupEntry] = []
    end = frames = duration = 0
    for _ in range(count):
        head, at = _take(data, at)
        hole = pause = 0
        if head & _HOLE:
            hole, at = _take(data, at)
        if head & _PAUSE:
            pause, at = _take(data, at)
        size, at = _take(data, at)
        change, at = _take(data, at)
        offset = end + hole
        frames += _unfold(head >> _FLAG_BITS)
        duration += _unfold(change)
        end = offset + size
        if frames < 0 or duration < 0 or end > _MAX_NUMBER or duration > _MAX_NUMBER:
            raise RecordingDamaged("The group table of this recording holds impossible numbers.")
        entries.append(GroupEntry(offset, size, duration, frames, bool(head & _KEY), bool(head & _DAMAGED), pause))
    if at != len(data):
        raise RecordingDamaged("The group table of this recording is followed by something else.")
    return entries


def overlapping(entries: Sequence[GroupEntry], start: int, end: int) -> range:
    """Return which entries must be played to see the interval: from the key frame at or before `start` on.

    `start`, `end` (not included): ticks since the beginning of the first entry. Empty where nothing lies in it.
    """
    first: int | None = None
    key = last = time = 0
    for index, entry in enumerate(entries):
        time += entry.pause_ticks
        if time >= end:
            break
        if entry.key:
            key = index
        time += entry.duration_ticks
        if time > start:
            first = key if first is None else first
            last = index + 1
    return range(first, last) if first is not None else range(0)


def _fold(number: int) -> int:
    return number << 1 if number >= 0 else ~(number << 1)


def _unfold(number: int) -> int:
    return ~(number >> 1) if number & 1 else number >> 1


def _put(into: bytearray, number: int) -> None:
    while number > 0x7F:
        into.append(number & 0x7F | 0x80)
        number >>= 7
    into.append(number)


def _take(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that stands at `at`, and where the next one does."""
    number = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return number, at
        shift += 7
    raise RecordingDamaged("The group table of this recording is cut off.")
