"""Pictures into groups: what is appended to a file in one write.

A group of pictures begins with a key frame and ends where the next one arrives; long ones are cut into pieces of at
most two seconds or one mebibyte, so that a crash loses little and memory stays small. Access units in, pieces out.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from itertools import pairwise

from vonggac.video.recorder.sound import PlacedSound
from vonggac.video.recorder.stamps import MAX_REORDERED, StampStraightener, arrival_ticks
from vonggac.video.stream import VIDEO_TIMESCALE, AccessUnit, VideoParameters

PIECE_TICKS = 2 * VIDEO_TIMESCALE
PIECE_BYTES = 1 << 20
HARD_BYTES = 8 << 20
"""A piece is cut here even where pictures are reordered across the cut and a decode time must be bent."""
PIECE_NS = 4_000_000_000
"""A piece is cut when it has been collected for so long, whatever its time stamps say."""
HARD_NS = 8_000_000_000
"""So is one that was collected for so long: pictures of which one is missing never fill their time."""
_NEVER = -(1 << 80)


class Break(enum.StrEnum):
    """Why pictures no longer follow each other without a seam."""

    LOSS = "loss"
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
    least_ns: int = 0
    """(Arrival − presentation time) of the picture that came earliest by its own time, monotonic nanoseconds."""
    mended: bool = False
    """True where the camera's time stamps were mended in it (see `stamps`)."""
    jumps: bool = False
    """True where its times do not follow those before by the camera's clock: what arrivals said before is void."""

    sound: PlacedSound | None = None
    """What is heard with it; its bytes count in `size`."""

    def add_sound(self, sound: PlacedSound) -> None:
        """Take the sound up that is written behind the pictures."""
        self.sound = sound
        self.size += sound.size

    @property
    def parameters(self) -> VideoParameters:
        """The parameter sets of every picture in it."""
        return self.units[0].parameters


@dataclass(slots=True)
class GroupAssembler:
    """Collects access units; `add` returns the piece that the new one completes, if any.

    After a loss pictures are dropped up to the next key frame (counted in `dropped`): they cannot be decoded, and a
    file must begin with a picture that can. After a seam the pictures that are shown before the key frame they follow
    (H.265: leading pictures) are dropped, too: most of them refer to pictures before the seam. Time stamps that cannot
    be are mended on the way (`stamps`).
    """

    dropped: int = 0
    """Set it to 0 to count anew."""
    stamps: StampStraightener = field(default_factory=StampStraightener)
    waiting_for_key: bool = True
    """True while pictures are dropped because no key frame has come since the start or a seam."""
    _units: list[AccessUnit] = field(default_factory=list)
    _size: int = 0
    _starts_group: bool = False
    _highest_pts: int = 0
    _reordered: bool = False
    _clean: bool = True
    _mended: bool = False
    _jumps: bool = False
    _last: AccessUnit | None = None
    _after_seam: bool = True
    _cut_at: int = 0
    """Above 0: a piece ends before this picture, and it is not known yet which of those after it is shown first."""
    _led_until: int = 0
    """When the picture at `_cut_at` is shown."""
    _parameters: VideoParameters | None = None
    # What a picture adds to its stamp, and up to where it simply follows: kept here for the quick way of `add`.
    _shift: int = 0
    _pts_limit: int = _NEVER
    _arrival_limit: int = 0

    def add(self, unit: AccessUnit) -> Piece | None:
        """Take the next picture in decoding order; returns the finished piece before it, if it ends one."""
        if self._shift:
            unit.pts += self._shift
        # Nearly every picture follows the last one without a seam, in a piece with room for it: no more is asked.
        if (
            self._highest_pts < unit.pts < self._pts_limit
            and not unit.key
            and not unit.lost_before
            and unit.parameters is self._parameters
            and unit.arrived_ns < self._arrival_limit
            and self._size < PIECE_BYTES
        ):
            self._units.append(unit)
            self._size += len(unit.data)
            self._highest_pts = unit.pts
            return None
        return self._add_with_care(unit)

    def _add_with_care(self, unit: AccessUnit) -> Piece | None:
        last = self._units[-1] if self._units else self._last
        seam = self._seam(unit, last)
        piece: Piece | None = None
        if seam is not None and not (seam is Break.PARAMETERS and unit.key):
            piece = self.flush(None, seam)
            self.waiting_for_key = True
        if not unit.key and (self.waiting_for_key or (self._after_seam and unit.leading)):
            self.dropped += 1
            return piece
        jumps = last is not None and self.stamps.straighten(unit, last, self._highest_pts)
        self._shift = self.stamps.shift
        piece = self._end_before(unit, seam, jumps=jumps) or piece
        self._after_seam = unit.key and (self.waiting_for_key or seam is not None)
        self._append(unit, jumps=jumps)
        return piece

    def _end_before(self, unit: AccessUnit, seam: Break | None, *, jumps: bool) -> Piece | None:
        """Return the piece that ends before this picture, if one does; where that is not known yet, note the place."""
        if seam is not None:
            return self.flush(None, seam, look=not jumps)
        if self._cut_at:
            if not (unit.key or jumps or self._all_led_have_come(unit)):
                return None
            piece = self._cut_off(look=not jumps)
            if unit.key:
                self._cut_at = len(self._units)
            return piece
        if not self._units or not (unit.key or jumps or self._cut_here(unit)):
            return None
        may_be_led = _may_be_led(unit) if unit.key else unit.parameters.reorder_frames != 0
        if may_be_led and not jumps and (unit.key or self._size < HARD_BYTES):
            self._cut_at = len(self._units)
            return None
        clean = unit.key or not self._reordered or self._whole_so_far(unit)
        return self.flush(unit.pts, clean=clean, look=not jumps)

    def _append(self, unit: AccessUnit, *, jumps: bool) -> None:
        self.waiting_for_key = False
        if not self._units:
            self._begin(unit)
        self._units.append(unit)
        self._size += len(unit.data)
        self._parameters = unit.parameters
        if unit.pts >= self._highest_pts:
            self._highest_pts = unit.pts
        else:
            self._reordered = True
        if jumps:
            self._jumps = self._mended = True
        if self._cut_at and self._cut_at == len(self._units) - 1:
            # Every picture is looked at with care until the piece before is out.
            self._led_until, self._pts_limit = unit.pts, _NEVER

    def _begin(self, first: AccessUnit) -> None:
        self._starts_group = first.key
        self._highest_pts = first.pts
        self._reordered = self._jumps = False
        self._mended = self.stamps.guided
        self._pts_limit = _NEVER if self.stamps.due else first.pts + PIECE_TICKS
        self._arrival_limit = first.arrived_ns + PIECE_NS

    def flush(
        self, end_pts: int | None = None, broken_by: Break | None = None, *, clean: bool = True, look: bool = True
    ) -> Piece | None:
        """Return what has been collected as a piece; None when there is nothing."""
        units = self._units
        if not units:
            return None
        # Ticks of 90 kHz are 100,000/9 nanoseconds.
        least_ns = min([unit.arrived_ns - unit.pts * 100_000 // 9 for unit in units])
        self._last = last = units[-1]
        if look:
            self.stamps.look(arrival_ticks(least_ns), arrival_ticks(last.arrived_ns), len(units))
        piece = Piece(
            units,
            self._starts_group,
            self._size,
            end_pts,
            broken_by,
            clean and self._clean,
            least_ns,
            self._mended,
            self._jumps,
        )
        self._clean = clean
        self._units = []
        self._size = self._cut_at = 0
        self._pts_limit = _NEVER
        return piece

    def _all_led_have_come(self, unit: AccessUnit) -> bool:
        """Whether nothing more will be shown before the picture at which the piece is cut."""
        return unit.pts > self._led_until or len(self._units) - self._cut_at > MAX_REORDERED

    def _cut_off(self, *, look: bool) -> Piece | None:
        """Return the pictures before `_cut_at`, and go on with those from there."""
        kept, self._units = self._units[self._cut_at :], self._units[: self._cut_at]
        kept_size = sum(len(unit.data) for unit in kept)
        self._size -= kept_size
        piece = self.flush(min(unit.pts for unit in kept), look=look)
        self._begin(kept[0])
        self._units, self._size = kept, kept_size
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
        if unit.parameters is not last.parameters and unit.parameters != last.parameters:
            return Break.PARAMETERS
        return None

    def _cut_here(self, unit: AccessUnit) -> bool:
        units = self._units
        span = unit.pts - units[0].pts
        if span < PIECE_TICKS and self._size < PIECE_BYTES and unit.arrived_ns < self._arrival_limit:
            return False
        waited = unit.arrived_ns >= self._arrival_limit - PIECE_NS + HARD_NS
        if self._size >= HARD_BYTES or (unit.pts > self._highest_pts and (waited or not self._reordered)):
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
