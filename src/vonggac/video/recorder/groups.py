"""Pictures into groups: what is appended to a file in one write.

A group of pictures begins with a key frame and ends where the next one arrives; long ones are cut into pieces of at
most two seconds or one mebibyte, so that a crash loses little and memory stays small. Access units in, pieces out.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from itertools import pairwise

from vonggac.video.stream import VIDEO_TIMESCALE, AccessUnit, VideoParameters

PIECE_TICKS = 2 * VIDEO_TIMESCALE
PIECE_BYTES = 1 << 20
HARD_BYTES = 8 << 20
"""A piece is cut here even where pictures are reordered across the cut and a decode time must be bent."""
MAX_REORDERED = 16
"""So many pictures at most are sent after one and shown before it (H.264 §A.3.1, H.265 §A.4.2)."""
JUMP_TICKS = 5 * VIDEO_TIMESCALE
"""Media time and arrival may differ by this much between two pictures; more is a jump of the camera's clock."""
_NEVER = 1 << 62
_HALF_JUMP_NS = JUMP_TICKS * 1_000_000_000 // VIDEO_TIMESCALE // 2


class Break(enum.StrEnum):
    """Why pictures no longer follow each other without a seam."""

    LOSS = "loss"
    JUMP = "jump"
    PARAMETERS = "parameters"


@dataclass(slots=True)
class Piece:
    """Pictures in decoding order that become one `moof` and `mdat`."""

    units: list[AccessUnit]
    starts_group: bool
    """True when the first picture is a key frame: a player may begin here."""
    size: int
    end_pts: int | None = None
    """Presentation time of the picture that follows; None when nothing followed (the last duration is estimated)."""
    broken_by: Break | None = None
    """Set on the last piece before a seam."""
    clean: bool = True
    """False where it was cut although pictures of a neighbour show between its own."""

    @property
    def parameters(self) -> VideoParameters:
        """The parameter sets of every picture in it."""
        return self.units[0].parameters


@dataclass(slots=True)
class GroupAssembler:
    """Collects access units; `add` returns the piece that the new one completes, if any.

    After a loss or a jump pictures are dropped up to the next key frame (counted in `dropped`): they cannot be
    decoded, and a file must begin with a picture that can. After a seam the pictures that are shown before the key
    frame they follow (H.265: leading pictures) are dropped, too: most of them refer to pictures before the seam.
    """

    dropped: int = 0
    """Set it to 0 to count anew."""
    _units: list[AccessUnit] = field(default_factory=list)
    _size: int = 0
    _starts_group: bool = False
    _highest_pts: int = 0
    _reordered: bool = False
    _clean: bool = True
    _last: AccessUnit | None = None
    _after_seam: bool = True
    _cut_at: int = 0
    """Above 0: a piece ends before this picture, and it is not known yet which of those after it is shown first."""
    _led_until: int = 0
    """When the picture at `_cut_at` is shown."""
    waiting_for_key: bool = True
    """True while pictures are dropped because no key frame has come since the start or a seam."""

    def add(self, unit: AccessUnit) -> Piece | None:
        """Take the next picture in decoding order; returns the finished piece before it, if it ends one."""
        last, units = self._last, self._units
        self._last = unit
        # Nearly every picture follows the last one without a seam, in a piece with room for it: no more is asked.
        # Steps under half of JUMP_TICKS both of media time and of arrival cannot differ by a jump.
        if (
            units
            and last is not None
            and not unit.key
            and not unit.lost_before
            and unit.parameters is last.parameters
            and self._highest_pts < unit.pts < units[0].pts + PIECE_TICKS
            and unit.pts - last.pts < JUMP_TICKS // 2
            and 0 <= unit.arrived_ns - last.arrived_ns < _HALF_JUMP_NS
            and self._size < PIECE_BYTES
        ):
            units.append(unit)
            self._size += len(unit.data)
            self._highest_pts = unit.pts
            return None
        return self._add_with_care(unit, last)

    def _add_with_care(self, unit: AccessUnit, last: AccessUnit | None) -> Piece | None:
        seam = self._seam(unit, last)
        piece = None
        if seam is not None and not (seam is Break.PARAMETERS and unit.key):
            piece = self.flush(None, seam)
            self.waiting_for_key = True
        elif seam is not None:
            piece = self.flush(None, seam)
        elif self._cut_at and (unit.key or self._all_led_have_come(unit)):
            piece = self._cut_off()
            if unit.key:
                self._cut_at = len(self._units)
        elif unit.key:
            if self._units and _may_be_led(unit):
                self._cut_at = len(self._units)
            else:
                piece = self.flush(unit.pts)
        elif self._units and not self._cut_at and self._cut_here(unit):
            if unit.parameters.reorder_frames == 0 or self._size >= HARD_BYTES:
                piece = self.flush(unit.pts, clean=not self._reordered or self._whole_so_far(unit))
            else:
                self._cut_at = len(self._units)
        if not unit.key and (self.waiting_for_key or (self._after_seam and unit.leading)):
            self.dropped += 1
            return piece
        self._after_seam = unit.key and (self.waiting_for_key or seam is not None)
        self.waiting_for_key = False
        if not self._units:
            self._starts_group = unit.key
            self._highest_pts = unit.pts
            self._reordered = False
        self._units.append(unit)
        self._size += len(unit.data)
        if unit.pts >= self._highest_pts:
            self._highest_pts = unit.pts
        else:
            self._reordered = True
        if self._cut_at == len(self._units) - 1 and self._cut_at:
            # Every picture is looked at with care until the piece before is out.
            self._led_until, self._highest_pts = unit.pts, _NEVER
        return piece

    def flush(self, end_pts: int | None = None, broken_by: Break | None = None, *, clean: bool = True) -> Piece | None:
        """Return what has been collected as a piece; None when there is nothing."""
        if not self._units:
            return None
        piece = Piece(self._units, self._starts_group, self._size, end_pts, broken_by, clean and self._clean)
        self._clean = clean
        self._units = []
        self._size = self._cut_at = 0
        return piece

    def _all_led_have_come(self, unit: AccessUnit) -> bool:
        """Whether nothing more will be shown before the picture at which the piece is cut."""
        return unit.pts > self._led_until or len(self._units) - self._cut_at > MAX_REORDERED

    def _cut_off(self) -> Piece | None:
        """Return the pictures before `_cut_at`, and go on with those from there."""
        kept, self._units = self._units[self._cut_at :], self._units[: self._cut_at]
        kept_size = sum(len(unit.data) for unit in kept)
        self._size -= kept_size
        piece = self.flush(min(unit.pts for unit in kept))
        self._units, self._size, self._starts_group = kept, kept_size, kept[0].key
        self._reordered, self._highest_pts = len(kept) > 1, max(unit.pts for unit in kept)
        return piece

    @property
    def pending(self) -> list[AccessUnit]:
        """The pictures of the piece being collected."""
        return self._units

    def _seam(self, unit: AccessUnit, last: AccessUnit | None) -> Break | None:
        if last is None or self.waiting_for_key:
            return None
        if unit.lost_before:
            return Break.LOSS
        arrived = (unit.arrived_ns - last.arrived_ns) * VIDEO_TIMESCALE // 1_000_000_000
        if abs(unit.pts - last.pts - arrived) > JUMP_TICKS:
            return Break.JUMP
        if unit.parameters is not last.parameters and unit.parameters != last.parameters:
            return Break.PARAMETERS
        return None

    def _cut_here(self, unit: AccessUnit) -> bool:
        units = self._units
        span = unit.pts - units[0].pts
        if span < PIECE_TICKS and self._size < PIECE_BYTES:
            return False
        if self._size >= HARD_BYTES or (not self._reordered and unit.pts > self._highest_pts):
            return True
        return self._whole_so_far(unit)

    def _whole_so_far(self, unit: AccessUnit) -> bool:
        # Where pictures are reordered, a cut is clean only before one that is shown after all that came, and when
        # nothing that is shown earlier is still to come: then the pictures so far fill their time without a hole.
        if unit.pts <= self._highest_pts:
            return False
        shown = sorted(other.pts for other in self._units)
        steps = sorted(after - before for before, after in pairwise(shown))
        return steps[-1] <= steps[len(steps) // 2] * 3 // 2


def _may_be_led(unit: AccessUnit) -> bool:
    """Whether pictures that follow a key frame may be shown before it (H.265, leading pictures)."""
    return unit.parameters.codec == "h265" and unit.parameters.reorder_frames != 0
