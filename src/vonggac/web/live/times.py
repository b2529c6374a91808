"""When each live picture is decoded and shown, without waiting for the next one. Ticks of 90 kHz; no I/O.

Browsers (W3C Media Source Extensions, coded frame processing) drop pictures up to the next key frame when a decode
time steps back, or forward by more than twice the duration of the picture before. So decode times only ever ascend,
a picture is said to last longer than it will, and what the camera's stamps leap further is taken out of them.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from vonggac.video.mp4 import nominal_duration
from vonggac.video.stream import VIDEO_TIMESCALE, VideoParameters

FIRST = 20 * VIDEO_TIMESCALE
"""When the first picture is shown: no decode time before it is negative, however far it must be decoded ahead."""
LEAST_DURATION = VIDEO_TIMESCALE // 5
MOST_DURATION = VIDEO_TIMESCALE
LATE_BY = 3
"""So many pictures may be missing, or come so many times later than usual, before time is taken out."""
STEP_BACK = 4 * VIDEO_TIMESCALE
"""A picture shown so long before another that was sent earlier is none out of order: the camera's clock was set."""
MAX_REORDERED = 16
"""Pictures that a decoder may hold back (ITU-T H.264 §A.3.1, H.265 §A.4.2: the size of its picture buffer)."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The times of one picture."""

    decoded: int
    offset: int
    """From decoding to showing. Negative only where a camera reorders that had not done so before."""
    duration: int


@dataclass(slots=True)
class LiveTimes:
    """The times of one stream's pictures, in decoding order.

    One is decoded whenever one is shown: the n-th at the time when the (n - depth)-th is shown, which is known by then.
    """

    parameters: VideoParameters
    _duration: int = field(init=False)
    _usual: int = field(init=False)
    _depth: int = field(init=False)
    _shift: int | None = None
    """What is added to the camera's stamps; None before the first picture."""
    _highest: int = 0
    _decoded: int = 0
    _unshown: list[int] = field(default_factory=list)
    """A heap of the times of pictures that are decoded and have not lent their time to another."""
    _recent: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._usual = min(nominal_duration(self.parameters), MOST_DURATION)
        self._duration = min(max(LATE_BY * self._usual, LEAST_DURATION), MOST_DURATION)
        self._depth = min(self.parameters.reorder_frames or 0, MAX_REORDERED)

    def place(self, pts: int) -> Placed:
        """Return the times of the next picture; `pts` is the camera's stamp, unwrapped."""
        first, furthest = self._shift is None, self._decoded + 2 * self._duration
        shown = self._straightened(pts)
        self._learn_depth(shown)
        heapq.heappush(self._unshown, shown)
        if len(self._unshown) > self._depth:
            due = heapq.heappop(self._unshown)
        elif first:
            due = shown - self._depth * self._usual
        else:
            due = min(self._decoded + self._usual, self._unshown[0])
        self._decoded = due if first else min(max(due, self._decoded + 1), furthest)
        return Placed(self._decoded, shown - self._decoded, self._duration)

    def _straightened(self, pts: int) -> int:
        if self._shift is None:
            self._shift = FIRST - pts
            self._highest = FIRST
            return FIRST
        shown = pts + self._shift
        most = self._highest + 2 * self._duration
        if shown > most:
            # Once may be a pause; a camera that is always so slow is given more time.
            self._duration = min(2 * self._duration, MOST_DURATION)
            self._shift -= shown - most
            shown = most
        elif shown < self._highest - STEP_BACK:
            self._shift += self._highest + self._usual - shown
            shown = self._highest + self._usual
        elif shown <= self._highest and self.parameters.reorder_frames == 0:
            shown = self._highest + 1  # two stamped alike, or one a little before the last
        self._highest = max(self._highest, shown)
        return shown

    def _learn_depth(self, shown: int) -> None:
        if self.parameters.reorder_frames == 0:
            return
        later = sum(other > shown for other in self._recent)
        self._depth = max(self._depth, min(later, MAX_REORDERED))
        self._recent = [*self._recent[1 - MAX_REORDERED :], shown]
