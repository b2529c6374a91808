"""The sample tables of a plain MP4 file, collected group by group (ISO/IEC 14496-12 §8.5 to §8.7).

Numbers are kept in arrays or as runs of equal ones: an hour of a camera takes about 230 KB, a day 6 MB.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vonggac.video.mp4.boxes import box, full_box
from vonggac.video.mp4.reader import SampleTable
from vonggac.video.mp4.timing import MAX_DURATION
from vonggac.video.stream import VIDEO_TIMESCALE

_SHIFTED_PARTS = 50
"""Frames of sound that come 20 ms early or late simply follow each other: nobody hears it, and clocks are no better."""


@dataclass(slots=True)
class _Runs:
    """Numbers, equal neighbours counted: the form of `stts` and `ctts`."""

    counts: array[int] = field(default_factory=lambda: array("I"))
    values: array[int] = field(default_factory=lambda: array("q"))

    def add(self, values: Iterable[int], shift: int = 0) -> None:
        for number in values:
            value = number + shift
            if self.values and self.values[-1] == value:
                self.counts[-1] += 1
            else:
                self.counts.append(1)
                self.values.append(value)

    def replace_last(self, value: int) -> None:
        self.counts[-1] -= 1
        if not self.counts[-1]:
            self.counts.pop()
            self.values.pop()
        self.add((value,))


@dataclass(slots=True)
class SampleTables:
    """Collects groups, each of which becomes one chunk; the chunks follow each other without a hole."""

    entries: list[bytes] = field(default_factory=list)
    """The sample entries (avc1, hvc1) that occur, each once."""
    duration: int = 0
    payload: int = 0
    """Bytes of all pictures and frames of sound so far."""
    _sizes: array[int] = field(default_factory=lambda: array("I"))
    _durations: _Runs = field(default_factory=_Runs)
    _offsets: _Runs = field(default_factory=_Runs)
    _keys: array[int] = field(default_factory=lambda: array("I"))
    _chunks: array[int] = field(default_factory=lambda: array("Q"))
    _chunk_runs: list[tuple[int, int, int]] = field(default_factory=list)
    """First chunk, samples in it, sample entry: where they change (§8.7.4)."""

    @property
    def frames(self) -> int:
        """Pictures so far."""
        return len(self._sizes)

    @property
    def last_duration(self) -> int:
        """How long the last picture lasts, in ticks."""
        return self._durations.values[-1]

    def add(self, table: SampleTable, entry: bytes, shift: int) -> None:
        """Append a group with its sample entry; with `shift` ticks added its composition offsets are media time."""
        if entry not in self.entries:
            self.entries.append(entry)
        if table.key:
            self._keys.append(self.frames + 1)
        self._chunks.append(self.payload)
        shape = (len(table.sizes), self.entries.index(entry) + 1)
        if not self._chunk_runs or self._chunk_runs[-1][1:] != shape:
            self._chunk_runs.append((len(self._chunks), *shape))
        self._offsets.add(table.offsets if table.offsets is not None else bytes(len(table.sizes)), shift)
        self._sizes.extend(table.sizes)
        self._durations.add(table.durations)
        self.duration += sum(table.durations)
        self.payload += sum(table.sizes)

    def stretch_last(self, ticks: int) -> None:
        """Let the last picture last longer, or, with a negative number, shorter."""
        self._durations.replace_last(self.last_duration + ticks)
        self.duration += ticks

    @property
    def presentation_delay(self) -> int:
        """Ticks by which all pictures show later in the file, so that none shows before it is decoded."""
        return max(0, -min(self._offsets.values, default=0))

    def table_box(self, payload_at: int, *, large: bool) -> bytes:
        """Return `stbl` for a file whose pictures begin at `payload_at`; `large`: offsets of 64 bits (co64)."""
        boxes = [
            full_box(b"stsd", 0, 0, struct.pack(">I", len(self.entries)), *self.entries),
            full_box(b"stts", 0, 0, _pairs(self._durations)),
        ]
        delay = self.presentation_delay
        offsets = _Runs(self._offsets.counts, array("q", (value + delay for value in self._offsets.values)))
        if any(offsets.values):
            boxes.append(full_box(b"ctts", 0, 0, _pairs(offsets)))
        boxes.append(full_box(b"stss", 0, 0, struct.pack(">I", len(self._keys)), _big_endian(self._keys)))
        boxes += _places(self._chunk_runs, self._sizes, self._chunks, payload_at, large=large)
        return box(b"stbl", *boxes)


@dataclass(slots=True)
class SoundTables:
    """Collects the sound of a clip: frames that follow each other, each stretch of them one chunk.

    Where there is none the frame before lasts longer: players are silent there, since it holds no more samples.
    """

    entry: bytes
    rate: int
    start: int | None = None
    """Ticks of 90 kHz on the clip's clock at which the first frame is heard."""
    duration: int = 0
    """Samples at `rate`."""
    _begin: int = 0
    _sizes: array[int] = field(default_factory=lambda: array("I"))
    _durations: _Runs = field(default_factory=_Runs)
    _chunks: array[int] = field(default_factory=lambda: array("Q"))
    _chunk_runs: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, at: int, durations: Sequence[int], sizes: Sequence[int], place: int) -> int:
        """Append frames that are heard from `at` (ticks of 90 kHz on the clip's clock) on.

        Frames that would be heard before the clip begins, or that overlap what is there by more than their half, are
        left out: returns how many, always the first. `place`: where in the clip's payload the first one taken lies.
        """
        wanted = at * self.rate // VIDEO_TIMESCALE
        end = 0 if self.start is None else self._begin + self.duration
        first = 0
        while first < len(sizes) and wanted < end - durations[first] // 2:
            wanted += durations[first]
            first += 1
        if first == len(sizes):
            return first
        if self.start is None:
            self._begin = max(0, wanted)
            self.start = self._begin * VIDEO_TIMESCALE // self.rate
        elif abs(wanted - end) > self.rate // _SHIFTED_PARTS:
            self._stretch_last(wanted - end)
        count = len(sizes) - first
        self._chunks.append(place)
        if not self._chunk_runs or self._chunk_runs[-1][1] != count:
            self._chunk_runs.append((len(self._chunks), count, 1))
        self._sizes.extend(sizes[first:])
        self._durations.add(durations[first:])
        self.duration += sum(durations[first:])
        return first

    def table_box(self, payload_at: int, *, large: bool) -> bytes:
        """Return `stbl` for a file whose payload begins at `payload_at`; `large`: offsets of 64 bits (co64)."""
        boxes = [
            full_box(b"stsd", 0, 0, struct.pack(">I", 1), self.entry),
            full_box(b"stts", 0, 0, _pairs(self._durations)),
        ]
        boxes += _places(self._chunk_runs, self._sizes, self._chunks, payload_at, large=large)
        return box(b"stbl", *boxes)

    def _stretch_last(self, samples: int) -> None:
        last = self._durations.values[-1]
        change = min(max(samples, 1 - last), MAX_DURATION - last)
        self._durations.replace_last(last + change)
        self.duration += change


def _places(
    chunk_runs: list[tuple[int, int, int]], sizes: array[int], chunks: array[int], payload_at: int, *, large: bool
) -> list[bytes]:
    """Return `stsc`, `stsz` and `stco` or `co64`: where in the file the samples are."""
    places = array("Q" if large else "I", (payload_at + chunk for chunk in chunks))
    return [
        full_box(
            b"stsc", 0, 0, struct.pack(">I", len(chunk_runs)), b"".join(struct.pack(">III", *run) for run in chunk_runs)
        ),
        full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(sizes)), _big_endian(sizes)),
        full_box(b"co64" if large else b"stco", 0, 0, struct.pack(">I", len(places)), _big_endian(places)),
    ]


def _pairs(runs: _Runs) -> bytes:
    flat = array("I", bytes(8 * len(runs.values)))
    flat[0::2], flat[1::2] = runs.counts, array("I", runs.values)
    return struct.pack(">I", len(runs.values)) + _big_endian(flat)


def _big_endian(numbers: array[int]) -> bytes:
    if sys.byteorder == "little":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()
