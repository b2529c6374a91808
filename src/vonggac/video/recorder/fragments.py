"""Pieces into fragments: the header that precedes the pictures, with times that run on from fragment to fragment."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from vonggac.video.mp4 import fragment_header, nominal_duration, time_fragment
from vonggac.video.recorder.groups import Piece


@dataclass(frozen=True, slots=True)
class Fragment:
    """What is written before the pictures of a piece."""

    header: bytes
    duration: int
    """Ticks from the first decode time to where the next fragment may begin."""
    bent: bool
    """True when the camera's times were mended, here or on the way to here (see `stamps`)."""


class FragmentBuilder:
    """Makes the fragments of one file: decode times follow each other without overlap, whatever the camera stamps."""

    def __init__(self, origin_pts: int, delay: int) -> None:
        """`origin_pts`: presentation time at which the run's media time is 0; `delay`: the file's reorder delay."""
        self._origin_pts = origin_pts
        self._delay = delay
        self._sequence = 0
        self._end: int | None = None

    def build(self, piece: Piece) -> Fragment:
        """Return the fragment of the next piece."""
        origin = self._origin_pts
        units = piece.units
        times = [max(0, unit.pts - origin) for unit in units]
        # Where a camera does not say that it never reorders, the pictures themselves do: times that all ascend need
        # no sorting, and the quick way is taken.
        reorders = self._delay > 0 or any(after <= before for before, after in pairwise(times))
        timing = time_fragment(
            times,
            delay=self._delay,
            reorder=reorders and piece.parameters.reorder_frames != 0,
            earliest=self._end,
            end=None if piece.end_pts is None else max(0, piece.end_pts - origin),
            nominal=nominal_duration(piece.parameters),
            clean=piece.clean,
        )
        self._sequence += 1
        header = fragment_header(
            self._sequence,
            timing.base_decode_time,
            timing.durations,
            [len(unit.data) for unit in units],
            timing.offsets,
            key=piece.starts_group,
            sound=piece.sound.frames if piece.sound is not None else None,
        )
        self._end = timing.end
        return Fragment(header, timing.end - timing.base_decode_time, timing.moved > 0 or piece.mended)
