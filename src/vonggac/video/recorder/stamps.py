"""The cameras' time stamps, straightened: media time goes on at the speed of real time, whatever a camera stamps.

Nearly every camera stamps well, and its stamps are taken as they are. One whose stamps jump is followed with the jump
taken out: nothing is lost and no new file begun. One whose stamps stand still, run backwards, jump again and again or
run at another speed than time does is *guided*: each picture is placed by when it arrived, evened out, until the
stamps have been good for half a minute. No I/O; pictures in, pictures with better times out.
"""

from __future__ import annotations

import enum

from vonggac.video.mp4 import nominal_duration
from vonggac.video.stream import VIDEO_TIMESCALE, AccessUnit

JUMP_TICKS = 2 * VIDEO_TIMESCALE
"""A step forward that is longer than the pause between two arrivals by more than this, or one backward, is a jump.

Pictures shown in another order than they are decoded step back by less, and nothing arrives before it was taken."""
_JUMPS = 3
_JUMPS_WITHIN_NS = 60_000_000_000
"""So many jumps in a minute are no accident: the stamps are good for nothing."""
_STANDS_NS = 1_000_000_000
"""For so long no stamp may be the highest yet."""
MAX_REORDERED = 16
"""So many pictures at most are sent after one and shown before it (H.264 §A.3.1, H.265 §A.4.2)."""
_WINDOW_TICKS = 5 * VIDEO_TIMESCALE
"""The earliest arrival of so long a time counts: cameras send in bursts, networks jitter."""
_WINDOWS_WRONG, _WRONG_PARTS = 3, 100
"""Three windows in a row, each a hundredth too fast or too slow: another speed."""
_WINDOWS_RIGHT, _RIGHT_PARTS = 6, 200
"""Half a minute, each window within half a hundredth: the stamps are believed again."""
_PAUSE_TICKS = VIDEO_TIMESCALE
_FIRMNESS = 16
"""A guided picture takes up this share of what it is late or early by: a burst hardly bends the steps."""


class StampFault(enum.StrEnum):
    """What is wrong with a camera's time stamps."""

    JUMP = "jump"
    STILL = "still"
    BACKWARDS = "backwards"
    SPEED = "speed"


STAMP_FAULT_WORDS: dict[StampFault, str] = {
    StampFault.JUMP: "they jump; the jump is taken out and nothing is lost",
    StampFault.STILL: "they stand still; pictures are placed by when they arrive",
    StampFault.BACKWARDS: "they run backwards; pictures are placed by when they arrive",
    StampFault.SPEED: "they run faster or slower than time does; pictures are placed by when they arrive",
}


def arrival_ticks(ns: int) -> int:
    """Return nanoseconds as media time, rounded down."""
    return ns * 9 // 100_000


class StampStraightener:
    """Judges the stamps of one connection, and mends them. Asked only for pictures that do not simply follow."""

    def __init__(self) -> None:
        self.shift = 0
        """Ticks that are added to every stamp of the camera while it is followed: its jumps, taken out."""
        self.guided = False
        """True while pictures are placed by when they arrive."""
        self.faults: set[StampFault] = set()
        """What was found; whoever tells of it takes it out."""
        self._usual = 0
        self._highest = 0
        self._highest_ns = 0
        self._lower = 0
        self._falls_from = 0
        self._jumps: list[int] = []
        self._windows = _Windows()
        self._due: StampFault | None = None
        self._time = 0
        self._zero = 0

    def straighten(self, unit: AccessUnit, last: AccessUnit, highest: int) -> bool:
        """Look at a picture (`shift` is in its time already) and mend its time; True where it no longer follows.

        `last`: the picture before in decoding order; `highest`: the highest time of those before in its piece.
        """
        if self.guided:
            return self._guide(unit)
        if not self._usual:
            self._usual = nominal_duration(unit.parameters)
        highest = max(highest, last.pts)
        if highest > self._highest:
            self._reached(highest, last.arrived_ns)
        step = unit.pts - last.pts
        arrived = arrival_ticks(unit.arrived_ns - last.arrived_ns)
        if self._due is not None:
            self._begin_guiding(unit, highest, arrived, self._due)
        elif step - arrived > JUMP_TICKS or step < -JUMP_TICKS:
            self._jump(unit, highest, arrived)
        elif unit.pts > self._highest:
            self._reached(unit.pts, unit.arrived_ns)
            return False
        else:
            fault = self._stands(unit)
            if fault is None:
                return False
            self._begin_guiding(unit, self._highest, arrived, fault)
        return True

    def look(self, least: int, arrived: int, pictures: int) -> None:
        """Take note of a finished piece of a camera that is followed: (arrival − stamp), at least; when; how many."""
        if self.guided:
            return
        self._windows.add(least, arrived, pictures)
        if self._windows.closed(arrived):
            self._usual = self._windows.usual or self._usual
            if self._windows.wrong():
                self._due = StampFault.SPEED

    @property
    def due(self) -> bool:
        """True where the next picture must be looked at."""
        return self.guided or self._due is not None

    def _reached(self, pts: int, arrived_ns: int) -> None:
        self._highest, self._highest_ns, self._lower = pts, arrived_ns, 0

    def _jump(self, unit: AccessUnit, highest: int, arrived: int) -> None:
        now_ns = unit.arrived_ns
        self._jumps = [at for at in self._jumps if now_ns - at < _JUMPS_WITHIN_NS] + [now_ns]
        if len(self._jumps) >= _JUMPS:
            self._begin_guiding(unit, highest, arrived, StampFault.JUMP)
            return
        self.faults.add(StampFault.JUMP)
        time = highest + self._step(arrived)
        self.shift += time - unit.pts
        unit.pts = time
        self._windows = _Windows()
        self._reached(time, now_ns)

    def _stands(self, unit: AccessUnit) -> StampFault | None:
        if not self._lower:
            self._falls_from = unit.pts
        self._lower += 1
        allowed = 2 if unit.parameters.reorder_frames == 0 else MAX_REORDERED
        if self._lower <= allowed or unit.arrived_ns - self._highest_ns < _STANDS_NS:
            return None
        return StampFault.BACKWARDS if unit.pts < self._falls_from else StampFault.STILL

    def _step(self, arrived: int) -> int:
        """Return how much later than the one before a picture is where its stamp does not say."""
        # Several pictures are read at the same moment: only a real pause tells more than how often they usually come.
        return arrived if arrived > self._usual + VIDEO_TIMESCALE // 2 else self._usual

    def _begin_guiding(self, unit: AccessUnit, highest: int, arrived: int, fault: StampFault) -> None:
        self.faults.add(fault)
        self.guided, self._due = True, None
        self._time = highest + self._step(arrived)
        self._zero = self._time - arrival_ticks(unit.arrived_ns)
        self._windows = _Windows()
        unit.pts, self.shift = self._time, 0

    def _guide(self, unit: AccessUnit) -> bool:
        now, stamp = arrival_ticks(unit.arrived_ns), unit.pts
        late, usual = self._zero + now - self._time, self._usual
        even = max(usual + (late - usual) // _FIRMNESS, usual // 4, 1)
        self._time += late if late > usual + _PAUSE_TICKS else even
        unit.pts = self._time
        self._windows.add(now - stamp, now, 1)
        if not self._windows.closed(now):
            return False
        self._usual = self._windows.usual or usual
        if not self._windows.right():
            return False
        self.guided, self.shift = False, self._time - stamp
        self._windows, self._jumps = _Windows(), []
        self._reached(self._time, unit.arrived_ns)
        return True


class _Windows:
    """How the earliest arrivals of successive windows of time move against the stamps."""

    def __init__(self) -> None:
        self.usual = 0
        """Ticks between two pictures in the last whole window."""
        self._since: int | None = None
        self._least: int | None = None
        self._before: int | None = None
        self._pictures = 0
        self._moved: list[tuple[int, int]] = []

    def add(self, least: int, arrived: int, pictures: int) -> None:
        if self._since is None:
            self._since = arrived
        if self._least is None or least < self._least:
            self._least = least
        self._pictures += pictures

    def closed(self, arrived: int) -> bool:
        """Close the window if it is long enough."""
        assert self._since is not None
        took = arrived - self._since
        if took < _WINDOW_TICKS or self._least is None:
            return False
        if self._before is not None:
            self._moved = [*self._moved, (self._least - self._before, took)][-_WINDOWS_RIGHT:]
            self.usual = max(1, took // self._pictures)
        self._before, self._least, self._since, self._pictures = self._least, None, arrived, 0
        return True

    def wrong(self) -> bool:
        last = self._moved[-_WINDOWS_WRONG:]
        sizes = [abs(moved) for moved, _ in last]
        return (
            len(last) == _WINDOWS_WRONG
            and all(abs(moved) * _WRONG_PARTS > took for moved, took in last)
            and len({moved > 0 for moved, _ in last}) == 1
            and max(sizes) <= 2 * min(sizes)  # a network that becomes slow does so once
        )

    def right(self) -> bool:
        return len(self._moved) == _WINDOWS_RIGHT and all(
            abs(moved) * _RIGHT_PARTS < took for moved, took in self._moved
        )
