"""Parameter sets: what H.264 and H.265 have in common, and which sets are in force.

`sps.py` knows the sets of H.264, `hevc_sps.py` those of H.265.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from vonggac.video.bits import BitReader, MalformedParameterSet
from vonggac.video.stream import VideoParameters

MIN_SET, MAX_SET = 4, 4096
"""Bytes of one set. The smallest legal one is a picture set of H.264; the largest, with all scaling lists, stay under
2 KiB."""
MAX_SIDE = 16_384
"""Luma samples a side: about twice what the highest common levels allow."""
MAX_FPS = 1000.0
_EXTENDED_ASPECT_RATIO = 255
"""aspect_ratio_idc that is followed by the ratio itself (H.264 table E-1, H.265 table E.1)."""


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """The part of a sequence parameter set that a recorder needs."""

    id: int
    profile: int
    width: int
    height: int
    frame_mbs_only: bool
    """False: a picture may come as two fields, each with a first slice of its own (H.264 only)."""
    reorder_frames: int | None
    fps: float | None


def skip_colours(reader: BitReader) -> None:
    """Read past what usability information begins with: the form of pixels and their colours (both annexes E)."""
    if reader.bits(1) and reader.bits(8) == _EXTENDED_ASPECT_RATIO:
        reader.bits(32)
    if reader.bits(1):
        reader.bits(1)
    if reader.bits(1):
        reader.bits(4)
        if reader.bits(1):
            reader.bits(24)
    if reader.bits(1):
        reader.ue()
        reader.ue()


def picture_rate(scale: int, units: int) -> float | None:
    """Return pictures a second, each of `units` ticks of which `scale` are a second; None where it makes no sense."""
    return scale / units if units and 0 < scale / units <= MAX_FPS else None


class StreamSets(ABC):
    """The sets that a stream has sent so far, and the `VideoParameters` that they make.

    A codec says which kinds there are and reads them.
    """

    codec: ClassVar[str]
    kinds: ClassVar[tuple[int, ...]]
    """nal_unit_type of the sets in the order in which a decoder needs them; the last two are SPS and PPS."""

    def __init__(self, declared_fps: float | None = None) -> None:
        self._declared_fps = declared_fps
        self._units: dict[int, dict[int, bytes]] = {kind: {} for kind in self.kinds}
        self._sequences: dict[int, SequenceParameters] = {}
        self._refers: dict[int, int] = {}
        self._current: VideoParameters | None = None
        self.changed = False
        """There is something new since `parameters` was last asked for."""
        self.several = False
        """More than one sequence set: the slices say which is in force."""
        self.frame_mbs_only = True

    @abstractmethod
    def _kind(self, unit: bytes) -> int:
        """Return the kind of a set, by its header; whatever else for what is none."""

    @abstractmethod
    def _read(self, kind: int, unit: bytes) -> tuple[int, SequenceParameters | int | None]:
        """Read a set: its id, and of a sequence set what it says, of a picture set the id of its sequence set."""

    @abstractmethod
    def _slice_refers_to(self, slice_start: bytes) -> int:
        """Return the id of the picture set that a slice names; a dozen of its bytes are enough."""

    def add(self, unit: bytes) -> bool:
        """Take up a set (header first); MalformedParameterSet where it cannot be read, the old one then stays.

        Returns whether pictures may need it before the next key picture: a picture set may change at any picture,
        sequence and video sets only come into force with a key picture (H.264 §7.4.1.2.1, H.265 §7.4.2.4.2).
        """
        unit = unit.rstrip(b"\0")  # some cameras pad; a unit never ends with 0 (H.264 §7.4.1, H.265 §7.4.2)
        if not MIN_SET <= len(unit) <= MAX_SET:
            raise MalformedParameterSet("A parameter set is smaller or larger than any real one.")
        kind = self._kind(unit)
        known = self._units.get(kind)
        if known is None:
            raise MalformedParameterSet("This is no parameter set.")
        if unit in known.values():
            return False
        identity, says = self._read(kind, unit)
        known[identity] = unit
        self.changed = True
        if isinstance(says, SequenceParameters):
            self._sequences[identity] = says
            self.several = len(self._sequences) > 1
            self.frame_mbs_only = all(one.frame_mbs_only for one in self._sequences.values())
        elif says is not None:
            self._refers[identity] = says
            sequence = self._units[self.kinds[-2]].get(says)
            return self._current is not None and sequence in self._current.sets
        return False

    def activate(self, slice_start: bytes) -> None:
        """Note which sets a key picture refers to: only asked where there are several."""
        try:
            active = self._refers.get(self._slice_refers_to(slice_start))
        except MalformedParameterSet:
            return
        sequences = self._units[self.kinds[-2]]
        if active in sequences and next(iter(sequences)) != active:
            # The one in force stands first: its size is the stream's size.
            self._units[self.kinds[-2]] = {active: sequences[active]} | sequences
            self.changed = True

    @property
    def parameters(self) -> VideoParameters | None:
        """What a decoder needs now: the same object until the sets change; None while a kind is missing."""
        if self.changed:
            self.changed = False
            if all(self._units.values()):
                made = self._make()
                if made != self._current:
                    self._current = made
        return self._current

    def _make(self) -> VideoParameters:
        active = self._sequences[next(iter(self._units[self.kinds[-2]]))]
        return VideoParameters(
            self.codec,
            tuple(unit for kind in self.kinds for unit in self._units[kind].values()),
            active.width,
            active.height,
            active.reorder_frames,
            active.fps or self._declared_fps,
        )
