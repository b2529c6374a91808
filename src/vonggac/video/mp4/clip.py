"""Cuts a clip: groups of several recordings joined into one plain MP4 file, without re-encoding.

The file is written front to back, `moov` first, so that it may go to a disk or straight to a browser, and its size is
known before its first byte. First all sample tables are read, then all pictures copied; memory holds the tables only.

The clip's clock is the wall clock: where recordings leave a gap, the last picture before it stands until the next one,
and the gap is in the report. So a position in the clip, added to its start, says when that picture was taken.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import BinaryIO

from vonggac.core.i18n import N_
from vonggac.video.mp4.boxes import box, file_type, movie_header, sound_track, video_track
from vonggac.video.mp4.errors import ClipRefused, RecordingDamaged
from vonggac.video.mp4.group_table import GroupEntry
from vonggac.video.mp4.reader import InitSegment, SampleTable, read_init, read_table
from vonggac.video.mp4.sample_tables import SampleTables, SoundTables
from vonggac.video.mp4.sound import SoundTable
from vonggac.video.mp4.timing import MAX_DURATION
from vonggac.video.stream import VIDEO_TIMESCALE, SoundParameters, VideoParameters

COPY_BYTES = 1 << 20
GAP_TICKS = VIDEO_TIMESCALE // 2
"""A pause of the pictures longer than this is reported as a gap; shorter ones are a camera's jitter and our slewing."""
MAX_SAMPLES = 50_000_000
"""Pictures in one clip: three weeks at 25 a second, 600 MB of tables. Refused beyond."""


@dataclass(frozen=True, slots=True)
class ClipPart:
    """Groups of one recording that go into a clip."""

    open: Callable[[], BinaryIO]
    """Opens the recording; called twice, once for its tables and once for its pictures."""
    groups: Sequence[GroupEntry]
    """Neighbours in the recording's table, the first beginning with a key frame (group_table.overlapping)."""
    start_us: int
    """Wall clock at which the first of them shows, microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class ClipGap:
    """A time without pictures inside a clip."""

    start_us: int
    end_us: int
    """Wall clock."""
    shown_us: int
    """For how long the last picture stands in its place: shorter than the gap only beyond 6.6 hours."""


@dataclass(frozen=True, slots=True)
class ClipReport:
    """What a clip holds."""

    start_us: int
    end_us: int
    """Wall clock of its first picture, and of the end of its last."""
    duration_us: int
    frames: int
    size: int
    gaps: list[ClipGap]
    damaged_groups: int
    """Groups left out since their recording no longer holds them; their time is among the gaps."""
    sound: str = ""
    """Codec of its sound as RFC 6381 writes it; empty without."""
    sound_left_out: int = 0
    """Groups whose sound is of another form than the first that occurs, and left out for that."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """Bytes of pictures or sound that follow each other in one recording."""

    part: ClipPart
    offset: int
    size: int
    sets: bytes = b""
    """Parameter sets to stand before the first of them, as units with their lengths."""


@dataclass(slots=True)
class ClipPlan:
    """A clip ready to be written: its head is made, its pictures are still where they were recorded."""

    report: ClipReport
    head: bytes
    _copies: list[_Copy]

    def chunks(self) -> Generator[bytes, None, None]:
        """Yield the file in pieces of at most about 1 MiB; RecordingDamaged when a recording was cut meanwhile."""
        yield self.head
        part: ClipPart | None = None
        file: BinaryIO | None = None
        try:
            for copy in self._copies:
                if file is None or copy.part is not part:
                    if file is not None:
                        file.close()
                    part, file = copy.part, copy.part.open()
                if copy.sets:
                    yield copy.sets
                file.seek(copy.offset)
                left = copy.size
                while left:
                    chunk = file.read(min(left, COPY_BYTES))
                    if not chunk:
                        raise RecordingDamaged("A recording became shorter while a clip was cut from it; try again.")
                    left -= len(chunk)
                    yield chunk
        finally:
            if file is not None:
                file.close()


def write_clip(
    sources: Iterable[ClipPart], out: BinaryIO, *, progress: Callable[[int, int], None] | None = None
) -> ClipReport:
    """Write a clip of the given parts, in their order of time, to `out` (which need not be seekable).

    `progress` is told the bytes written and their sum, about once a mebibyte. ClipRefused when the parts cannot be
    one file. The temporary name, fsync and rename are the caller's.
    """
    plan = plan_clip(sources)
    written = 0
    with closing(plan.chunks()) as chunks:
        for chunk in chunks:
            out.write(chunk)
            written += len(chunk)
            if progress is not None:
                progress(written, plan.report.size)
    return plan.report


def plan_clip(sources: Iterable[ClipPart]) -> ClipPlan:
    """Read the tables of all parts and return the clip as it will be; ClipRefused when they cannot be one file."""
    joiner = _Joiner()
    for part in sources:
        if part.groups:
            with part.open() as file:
                joiner.join(part, file)
    return joiner.finish()


@dataclass(slots=True)
class _Joiner:
    """Puts groups one after the other on the clip's timeline."""

    tables: SampleTables = field(default_factory=SampleTables)
    copies: list[_Copy] = field(default_factory=list)
    gaps: list[ClipGap] = field(default_factory=list)
    damaged: int = 0
    start_us: int = 0
    untold: int = 0
    """Ticks by which the wall clock is ahead of the clip's: 0 but after a gap or a clock step too large to show."""
    shapes: list[VideoParameters] = field(default_factory=list)
    entry: bytes = b""
    """The sample entry of the last picture."""
    sound: SoundTables | None = None
    heard: SoundParameters | None = None
    """Of the first group with sound."""
    sound_left_out: int = 0

    def join(self, part: ClipPart, file: BinaryIO) -> None:
        if not part.groups[0].key:
            raise ClipRefused(N_("A clip can only begin with a key frame; choose its beginning a little earlier."))
        try:
            init = read_init(file)
        except RecordingDamaged:
            self.damaged += len(part.groups)
            return
        self._accept(init.parameters)
        time = -part.groups[0].pause_ticks
        decodable = False
        for group in part.groups:
            time += group.pause_ticks
            try:
                table = read_table(file, group)
            except RecordingDamaged:
                table = None
            decodable = table is not None and (decodable or table.key)
            if table is not None and decodable:
                place, size = table.payload, table.pictures_end - table.payload
                self.copies.append(_Copy(part, place, size, self._append(table, init, part.start_us, time)))
                if table.sound is not None and init.sound is not None:
                    self._append_sound(part, init, table, table.sound)
            else:
                self.damaged += 1
            time += group.duration_ticks

    def finish(self) -> ClipPlan:
        tables = self.tables
        if not tables.frames:
            raise ClipRefused(N_("Nothing was recorded in this interval."))
        size = len(self._head(0, large=True))  # offsets are as long whatever they are
        large = size + tables.payload > 0xFFFF_FFFF
        head = self._head(size if large else len(self._head(0, large=False)), large=large)
        report = ClipReport(
            self.start_us,
            self._wall_us(tables.duration),
            _us(tables.duration),
            tables.frames,
            len(head) + tables.payload,
            self.gaps,
            self.damaged,
            self.heard.codec_string if self.heard is not None else "",
            self.sound_left_out,
        )
        return ClipPlan(report, head, self.copies)

    def _accept(self, parameters: VideoParameters) -> None:
        if self.shapes and self.shapes[0].codec != parameters.codec:
            raise ClipRefused(
                N_("The camera changed its codec in this interval; cut one clip before and one after it.")
            )
        if parameters not in self.shapes:
            self.shapes.append(parameters)

    def _append(self, table: SampleTable, init: InitSegment, part_us: int, time: int) -> bytes:
        """Append a group that shows `time` ticks after the wall clock `part_us`; returns what to write before it."""
        tables = self.tables
        if not tables.frames:
            self.start_us = part_us + _us(time)
        else:
            self._meet(_ticks(part_us - self.start_us) + time)
        if tables.frames + len(table.sizes) > MAX_SAMPLES:
            raise ClipRefused(N_("This interval is too long for one clip; cut it into several."))
        sets = b""
        if init.sample_entry != self.entry:
            # Demuxers announce another sample entry, but parsers and some players look only at what stands between
            # the pictures: where the parameters change they stand there, too.
            if self.entry:
                sets = b"".join(len(one).to_bytes(4, "big") + one for one in init.parameters.sets)
                table.sizes[0] += len(sets)
            self.entry = init.sample_entry
        tables.add(table, init.sample_entry, -init.presentation_delay)
        return sets

    def _append_sound(self, part: ClipPart, init: InitSegment, table: SampleTable, sound: SoundTable) -> None:
        """Append the sound of the group that was appended last, where it is heard beside its pictures."""
        assert init.sound is not None
        if self.sound is None:
            self.heard = init.sound
            self.sound = SoundTables(init.sound_entry, init.sound.sample_rate)
        if init.sound != self.heard:
            self.sound_left_out += 1
            return
        pictures_at = self.tables.duration - sum(table.durations)
        later = sound.base_decode_time * VIDEO_TIMESCALE // self.sound.rate - table.base_decode_time
        skipped = self.sound.add(pictures_at + later, sound.durations, sound.sizes, self.tables.payload)
        size, before = sum(sound.sizes[skipped:]), sum(sound.sizes[:skipped])
        if size:
            self.tables.payload += size
            self.copies.append(_Copy(part, sound.payload + before, size))

    def _meet(self, wall: int) -> None:
        """Make the last picture end where the next one shows, `wall` ticks after the clip's start."""
        tables = self.tables
        end = tables.duration
        missing = wall - self.untold - end
        if missing < -GAP_TICKS:  # the clock was set back: the pictures go on, their times are told from here on
            self.untold += missing
            return
        stretch = min(max(missing, 1 - tables.last_duration), MAX_DURATION - tables.last_duration)
        if stretch:
            tables.stretch_last(stretch)
        if missing > GAP_TICKS:
            self.gaps.append(ClipGap(self._wall_us(end), self._wall_us(end + missing), _us(stretch)))
            self.untold += missing - stretch

    def _wall_us(self, ticks: int) -> int:
        return self.start_us + _us(ticks + self.untold)

    def _head(self, payload_at: int, *, large: bool) -> bytes:
        tables = self.tables
        track = video_track(
            tables.table_box(payload_at, large=large),
            width=max(shape.width for shape in self.shapes),
            height=max(shape.height for shape in self.shapes),
            duration=tables.duration,
            presentation_delay=tables.presentation_delay,
            created_us=self.start_us,
        )
        tracks = [track]
        if self.sound is not None and self.sound.start is not None:
            tracks.append(
                sound_track(
                    self.sound.table_box(payload_at, large=large),
                    rate=self.sound.rate,
                    duration=self.sound.duration,
                    start=self.sound.start,
                    created_us=self.start_us,
                )
            )
        header = movie_header(tables.duration, self.start_us, next_track=len(tracks) + 1)
        movie = box(b"moov", header, *tracks)
        if large:
            media = struct.pack(">I4sQ", 1, b"mdat", 16 + tables.payload)  # §4.2: the size follows in 64 bits
        else:
            media = struct.pack(">I4s", 8 + tables.payload & 0xFFFF_FFFF, b"mdat")
        return file_type(b"isom", 512, (b"isom", b"iso2", b"mp41")) + movie + media


def _us(ticks: int) -> int:
    return ticks * 1_000_000 // VIDEO_TIMESCALE


def _ticks(us: int) -> int:
    return us * VIDEO_TIMESCALE // 1_000_000
