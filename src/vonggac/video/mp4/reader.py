"""Reads recordings back: which groups stand in a file, when, and how far the file is whole.

Reads what `boxes` writes, and nothing else: a fragment that does not look exactly like ours is not ours, and where the
first such one begins the valid part of the file ends. What is held in memory: heads and sample tables, never pictures
that were not asked for. Clause numbers are those of ISO/IEC 14496-12.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from vonggac.video.mp4.boxes import (
    FRAGMENT_HEAD,
    LAYOUT,
    LAYOUT_WITH_SOUND,
    MAX_PAYLOAD,
    MAX_SAMPLES,
    NON_SYNC,
    SYNC,
    TFDT_VERSION_1,
    TFHD_FLAGS,
    TRACK,
    TRUN_FLAGS,
    TRUN_OFFSETS,
    TRUN_SIGNED,
)
from vonggac.video.mp4.codec import parse_sample_entry
from vonggac.video.mp4.errors import RecordingDamaged
from vonggac.video.mp4.group_table import MAX_ENTRIES, GroupEntry
from vonggac.video.mp4.sound import FRAMES_AT_MOST, SOUND_HEAD, SoundTable, parse_sound_entry, read_sound_head
from vonggac.video.mp4.timing import MAX_SPAN
from vonggac.video.stream import SoundParameters, VideoParameters

MAX_INIT = 1 << 20
"""Bytes of `ftyp` and `moov`: ours have about 700, and can hold 286 parameter sets of 4 KiB."""
_READ_AHEAD = 4096
"""Bytes read at the place of a fragment: enough for head and sample table of 300 pictures."""
_LOST_SECTOR = bytes(512)
"""What a disk gives back for what was never written. No coded picture holds it: three zero bytes in a row cannot
stand within a unit (ITU-T H.264 §7.4.1, H.265 §7.4.2.1), nor a unit have length 0."""
_MOST_SOUND = SOUND_HEAD.size + 8 * FRAMES_AT_MOST
_BOX = struct.Struct(">I4s")
_TRUN_KINDS = {
    TRUN_FLAGS: 2,
    TRUN_FLAGS | TRUN_OFFSETS: 3,
    TRUN_FLAGS | TRUN_OFFSETS | TRUN_SIGNED: 3,
}
"""Version and flags of `trun`, and the fields of a sample that they announce."""


class Span(Protocol):
    """Where a fragment lies: a GroupEntry (from a row) or a ScannedGroup (from the file)."""

    @property
    def offset(self) -> int: ...
    @property
    def size(self) -> int: ...


@dataclass(frozen=True, slots=True)
class InitSegment:
    """What a recording says before its first group."""

    size: int
    """Bytes of `ftyp` and `moov`: a player's initialisation segment is [0, size)."""
    sample_entry: bytes
    parameters: VideoParameters
    """As written; what MP4 does not hold (reordering, declared frame rate) is None."""
    presentation_delay: int
    sound_entry: bytes = b""
    """The sample entry of the track of sound; empty without one."""
    sound: SoundParameters | None = None


@dataclass(frozen=True, slots=True)
class ScannedGroup:
    """One whole fragment."""

    offset: int
    size: int
    header_size: int
    """Bytes before the first picture: `moof` and the header of `mdat`."""
    sequence: int
    base_decode_time: int
    duration_ticks: int
    frames: int
    key: bool


@dataclass(frozen=True, slots=True)
class ScannedRecording:
    """What stands in a file."""

    init: InitSegment
    groups: list[ScannedGroup]
    valid_end: int
    """Byte after the last whole fragment: where a torn file is to be cut."""
    file_size: int

    @property
    def torn(self) -> bool:
        """True when something follows the last whole fragment."""
        return self.valid_end < self.file_size

    @property
    def frames(self) -> int:
        """Pictures in the whole fragments."""
        return sum(group.frames for group in self.groups)

    @property
    def media_start(self) -> int | None:
        """Media time at which the first picture shows; None where there is none."""
        return self.groups[0].base_decode_time if self.groups else None

    @property
    def media_duration(self) -> int:
        """Ticks from the first picture to the end of the last."""
        if not self.groups:
            return 0
        last = self.groups[-1]
        return last.base_decode_time + last.duration_ticks - self.groups[0].base_decode_time

    def entries(self) -> list[GroupEntry]:
        """Return the rows of its group table."""
        made: list[GroupEntry] = []
        end = self.media_start or 0
        for group in self.groups:
            pause = max(0, group.base_decode_time - end)
            made.append(
                GroupEntry(group.offset, group.size, group.duration_ticks, group.frames, group.key, pause_ticks=pause)
            )
            end = group.base_decode_time + group.duration_ticks
        return made


@dataclass(frozen=True, slots=True)
class SampleTable:
    """The samples of one fragment, in decoding order."""

    payload: int
    """Where in the file the first picture begins; the others follow without a hole."""
    sequence: int
    base_decode_time: int
    key: bool
    """The first sample is a key frame; no other one is."""
    sizes: array[int]
    durations: array[int]
    offsets: array[int] | None
    """Composition minus decode time, signed; None: all 0."""
    pictures_end: int
    """Where in the file its last picture ends, and its sound begins."""
    end: int
    """Where in the file the fragment ends."""
    sound: SoundTable | None = None
    """None where no sound came."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture read back."""

    data: bytes
    decode_time: int
    presentation_time: int
    """Media time at which it shows: the delay of the init segment is already taken off."""
    duration: int
    key: bool


def scan(file: BinaryIO, *, verify_from: int | None = None) -> ScannedRecording:
    """Walk through a recording and return its whole groups, and where they end.

    RecordingDamaged when not even the init segment is whole: such a file holds no pictures. A fragment counts as
    whole when head and sample table are ours, continue the one before, and the file holds all its bytes. After a
    power cut a file may have its length but not its contents: fragments that end beyond `verify_from` (bytes; what
    was synced before is safe) are read through and must hold pictures.
    """
    file_size = file.seek(0, 2)
    init = read_init(file)
    groups: list[ScannedGroup] = []
    offset = init.size
    while offset < file_size and len(groups) < MAX_ENTRIES:
        try:
            table = _table_at(file, offset)
        except RecordingDamaged:
            break
        if table.end > file_size or (groups and not _follows(table, groups[-1])):
            break
        if verify_from is not None and table.end > verify_from and not _payload_is_whole(file, table):
            break
        groups.append(
            ScannedGroup(
                offset,
                table.end - offset,
                table.payload - offset,
                table.sequence,
                table.base_decode_time,
                sum(table.durations),
                len(table.sizes),
                table.key,
            )
        )
        offset = table.end
    return ScannedRecording(init, groups, offset, file_size)


def read_init(file: BinaryIO) -> InitSegment:
    """Read `ftyp` and `moov`; RecordingDamaged when they are not whole, not ours, or of a newer layout."""
    file.seek(0)
    head = file.read(_READ_AHEAD)
    type_size = _box_size(head, 0, b"ftyp")
    moov_size = _box_size(head, type_size, b"moov")
    size = type_size + moov_size
    if size > MAX_INIT:
        raise RecordingDamaged("The head of this recording is larger than any real one.")
    if size > len(head):
        head += file.read(size - len(head))
    if size > len(head):
        raise RecordingDamaged("The head of this recording is cut off.")
    layout = int.from_bytes(head[12:16], "big")
    if head[8:12] != b"iso6" or layout not in (LAYOUT, LAYOUT_WITH_SOUND):
        raise RecordingDamaged("This recording was not written by this version of Vọng Gác.")
    movie = head[type_size + 8 : size]
    track = _child(movie, b"trak")
    entry = _sample_entry(track)
    if layout == LAYOUT:
        return InitSegment(size, entry, parse_sample_entry(entry), _delay(track))
    tracks = [at for at in _boxes(movie) if movie[at + 4 : at + 8] == b"trak"]
    if len(tracks) != 2:
        raise RecordingDamaged("The head of this recording promises sound and has none.")
    sound = _sample_entry(_child(movie[tracks[1] :], b"trak"))
    return InitSegment(size, entry, parse_sample_entry(entry), _delay(track), sound, parse_sound_entry(sound))


def read_table(file: BinaryIO, group: Span) -> SampleTable:
    """Read the sample table of one group; RecordingDamaged when there is no such group in the file."""
    table = _table_at(file, group.offset)
    if table.end != group.offset + group.size:
        raise RecordingDamaged("A group of this recording has another size than its table says.")
    return table


def read_samples(file: BinaryIO, group: Span, *, presentation_delay: int) -> list[Sample]:
    """Read the pictures of one group in decoding order; RecordingDamaged when they are not all there."""
    table = read_table(file, group)
    file.seek(table.payload)
    payload = file.read(table.pictures_end - table.payload)
    if len(payload) < table.pictures_end - table.payload:
        raise RecordingDamaged("This recording ends before the end of a group.")
    samples = []
    at, time = 0, table.base_decode_time
    offsets = table.offsets or bytes(len(table.sizes))
    for index, (size, duration, offset) in enumerate(zip(table.sizes, table.durations, offsets, strict=True)):
        data = payload[at : at + size]
        samples.append(Sample(data, time, time + offset - presentation_delay, duration, table.key and index == 0))
        at += size
        time += duration
    return samples


def read_sound(file: BinaryIO, table: SoundTable) -> Iterator[bytes]:
    """Yield the coded frames of the sound of a group."""
    file.seek(table.payload)
    for size in table.sizes:
        yield file.read(size)


def payload_is_whole(file: BinaryIO, group: Span) -> bool:
    """Read a group through: True when its pictures are units with lengths that fit and no lost sector among them."""
    try:
        return _payload_is_whole(file, read_table(file, group))
    except RecordingDamaged:
        return False


def _table_at(file: BinaryIO, offset: int) -> SampleTable:
    file.seek(offset)
    head = file.read(_READ_AHEAD)
    if len(head) < FRAGMENT_HEAD.size:
        raise RecordingDamaged("This recording ends within the head of a group.")
    (
        moof, moof_kind, mfhd, mfhd_kind, mfhd_flags, sequence, traf, traf_kind, tfhd, tfhd_kind, tfhd_flags, track,
        tfdt, tfdt_kind, tfdt_flags, base, trun, trun_kind, trun_flags, count, data_offset, first_flags,
    ) = FRAGMENT_HEAD.unpack_from(head)  # fmt: skip
    fields = _TRUN_KINDS.get(trun_flags, 0)
    pictures = FRAGMENT_HEAD.size + 4 * fields * count
    if (
        (moof_kind, mfhd_kind, traf_kind, tfhd_kind, tfdt_kind, trun_kind)
        != (b"moof", b"mfhd", b"traf", b"tfhd", b"tfdt", b"trun")
        or (mfhd, mfhd_flags, tfhd, tfhd_flags, track, tfdt, tfdt_flags)
        != (16, 0, 16, TFHD_FLAGS, TRACK, 20, TFDT_VERSION_1)
        or not fields
        or not 0 < count <= MAX_SAMPLES
        or first_flags not in (SYNC, NON_SYNC)
        or (traf, trun, data_offset) != (pictures - 24, pictures - 68, moof + 8)
        or not pictures <= moof <= pictures + _MOST_SOUND
    ):
        raise RecordingDamaged("A group of this recording does not begin as ours do.")
    if moof + 8 > len(head):
        head += file.read(moof + 8 - len(head))
    if moof + 8 > len(head):
        raise RecordingDamaged("This recording ends within the head of a group.")
    numbers = struct.unpack_from(f">{fields * count}I", head, FRAGMENT_HEAD.size)
    durations, sizes = array("I", numbers[0::fields]), array("I", numbers[1::fields])
    payload = sum(sizes)
    begin = offset + moof + 8
    sound = None
    end = begin + payload
    if moof > pictures:
        heard, heard_sizes, heard_durations = read_sound_head(head, pictures, moof, moof + 8 + payload)
        sound = SoundTable(end, heard, heard_sizes, heard_durations)
        end += sum(heard_sizes)
    mdat, mdat_kind = _BOX.unpack_from(head, moof)
    if mdat_kind != b"mdat" or mdat != end - begin + 8 or payload > MAX_PAYLOAD or min(durations) == 0 or base >> 62:
        raise RecordingDamaged("The sample table of a group does not fit its pictures.")
    offsets = None
    if trun_flags & TRUN_SIGNED:
        offsets = array("q", [number - (number >> 31 << 32) for number in numbers[2::3]])
    elif fields == 3:
        offsets = array("q", numbers[2::3])
    return SampleTable(
        begin, sequence, base, first_flags == SYNC, sizes, durations, offsets, begin + payload, end, sound
    )


def _follows(table: SampleTable, before: ScannedGroup) -> bool:
    """A file system may show an old block of another recording: only the next number, at a later time, is ours."""
    return table.sequence == before.sequence + 1 and table.base_decode_time > before.base_decode_time


def _payload_is_whole(file: BinaryIO, table: SampleTable) -> bool:
    # A lost sector may hold no more of this fragment than its tail, too short to be recognised as above. No unit ends
    # with a zero byte (H.264 §7.4.1), so a tail of nothing but zeros from the sector's beginning on is a lost one.
    last_sector = (table.end - 1) // len(_LOST_SECTOR) * len(_LOST_SECTOR)
    file.seek(max(table.payload, last_sector))
    if not any(file.read(table.end - max(table.payload, last_sector))):
        return False
    file.seek(table.payload)
    for size in table.sizes:
        data = file.read(size)
        if len(data) < size or _LOST_SECTOR in data:
            return False
        at = 0
        while at < size:
            unit = int.from_bytes(data[at : at + 4], "big")
            if not unit:
                return False
            at += 4 + unit
        if at != size:
            return False
    return table.sound is None or _sound_is_whole(file, table.pictures_end, table.end)


def _sound_is_whole(file: BinaryIO, start: int, end: int) -> bool:
    """Look for sectors of zeros, whole or in part, among the sound: a frame ends with bits of 1 (END, 14496-3 §4.5)."""
    size = len(_LOST_SECTOR)
    first = (start - 1) // size * size  # with the last bytes of the pictures: none ends with a zero byte
    file.seek(first)
    data = file.read(end - first)
    return len(data) == end - first and all(any(data[at : at + size]) for at in range(0, len(data), size))


def _box_size(data: bytes, at: int, kind: bytes | None = None) -> int:
    """Return the size of the box at `at`; RecordingDamaged when there is none, or of another kind."""
    if at + 8 > len(data):
        raise RecordingDamaged("The head of this recording is cut off.")
    size, found = _BOX.unpack_from(data, at)
    if size < 8 or (kind is not None and found != kind):
        raise RecordingDamaged("The head of this recording is not an MP4 head.")
    return int(size)


def _child(data: bytes, *path: bytes) -> bytes:
    """Return the contents of the first box found by following the path of kinds; RecordingDamaged where it ends."""
    for kind in path:
        at = 0
        while True:
            size = _box_size(data, at)
            if at + size > len(data):
                raise RecordingDamaged("The head of this recording is not an MP4 head.")
            if data[at + 4 : at + 8] == kind:
                data = data[at + 8 : at + size]
                break
            at += size
    return data


def _sample_entry(track: bytes) -> bytes:
    entries = _child(track, b"mdia", b"minf", b"stbl", b"stsd")
    return entries[8 : 8 + _box_size(entries, 8)]


def _delay(track: bytes) -> int:
    """Media time of the first and only edit (§8.6.6); 0 where there is none."""
    if b"edts" not in (track[at + 4 : at + 8] for at in _boxes(track)):
        return 0
    edits = _child(track, b"edts", b"elst")
    if len(edits) != 28 or edits[0] != 1 or int.from_bytes(edits[4:8], "big") != 1:
        raise RecordingDamaged("The edit list of this recording is not ours.")
    (delay,) = struct.unpack_from(">q", edits, 16)
    if not 0 <= delay < MAX_SPAN:
        raise RecordingDamaged("The edit list of this recording is not ours.")
    return int(delay)


def _boxes(data: bytes) -> list[int]:
    """Where the boxes in `data` begin."""
    found, at = [], 0
    while at < len(data):
        found.append(at)
        at += _box_size(data, at)
    return found
