"""The sample tables of a plain MP4 file, collected group by group (ISO/IEC 14496-12 §8.5 to §8.7).

Numbers are kept in arrays or as runs of equal ones: an hour of a camera takes about 230 KB, a day 6 MB.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from vonggac.video.mp4.boxes import box, full_box
from vonggac.video.mp4.reader import SampleTable


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
    """Bytes of all pictures so far."""
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
        count = self.frames
        boxes = [
            full_box(b"stsd", 0, 0, struct.pack(">I", len(self.entries)), *self.entries),
            full_box(b"stts", 0, 0, _pairs(self._durations)),
        ]
        delay = self.presentation_delay
        offsets = _Runs(self._offsets.counts, array("q", (value + delay for value in self._offsets.values)))
        if any(offsets.values):
            boxes.append(full_box(b"ctts", 0, 0, _pairs(offsets)))
        boxes += (
            full_box(b"stss", 0, 0, struct.pack(">I", len(self._keys)), _big_endian(self._keys)),
            full_box(
                b"stsc", 0, 0, struct.pack(">I", len(self._chunk_runs)),
                b"".join(struct.pack(">III", *run) for run in self._chunk_runs),
            ),
            full_box(b"stsz", 0, 0, struct.pack(">II", 0, count), _big_endian(self._sizes)),
        )  # fmt: skip
        places = array("Q" if large else "I", (payload_at + chunk for chunk in self._chunks))
        boxes.append(full_box(b"co64" if large else b"stco", 0, 0, struct.pack(">I", len(places)), _big_endian(places)))
        return box(b"stbl", *boxes)


def _pairs(runs: _Runs) -> bytes:
    flat = array("I", bytes(8 * len(runs.values)))
    flat[0::2], flat[1::2] = runs.counts, array("I", runs.values)
    return struct.pack(">I", len(runs.values)) + _big_endian(flat)


def _big_endian(numbers: array[int]) -> bytes:
    if sys.byteorder == "little":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()
