"""How much happens before a camera, by the sizes of its pictures: no picture is decoded.

An encoder spends bytes on what changed. Two figures are held against what is usual for this camera:

- *rate*: bytes a second of the pictures between key frames. It rises with what moves, unless the camera is set to a
  constant bit rate.
- *share*: the same in proportion to the last key frame. With a constant bit rate what moves is paid for with quality,
  and the key frame, which shows the whole scene, shrinks.

The share is only believed where it is calm, or where its ups and downs last: what moves is seen for longer than one
group, while what the control of a constant bit rate makes of noise changes from group to group.

Both are in octaves (log₂), since noise and light change sizes by factors. What is usual is a low quantile of the last
ten minutes, and how much it wavers: so a quiet street learns what quiet is though people pass, and a busy road is no
news.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from itertools import pairwise

BIN_TICKS = 90_000
"""Sizes are added up for so long at least (90 kHz): a group of a common camera, or several of one with short ones."""
HISTORY = 300
"""Bins of which the usual is made: five minutes where a group takes one second, ten where it takes two."""
WARM = 30
"""Bins before anything is said."""
LEARN_EVERY = 8
"""Bins between two looks at the history: sorting it is the only thing here that takes time."""
LEVEL, LOW = 0.30, 0.08
"""Quantiles: what is usual, and how far below it quiet bins lie."""
WAVERING = 3.0
"""Activity is what lies so many times the distance between both above the usual…"""
LEAST = 0.5
"""…and at least so many octaves."""
GOES_ON = 0.5
"""Of that threshold: below it an episode begins to end."""
QUIET_US = 6_000_000
"""An episode is over after so long below."""
RELEARN_US = 300_000_000
"""An episode of this length is the new usual: lamps were switched on, it rains, a setting was changed."""
RELEARN_BINS = 30
CALM = 0.2
"""Octaves by which the share changes from bin to bin (the median): below it is believed…"""
LASTING = 0.15
"""…and above only where a bin is so much like the one before it (autocorrelation)."""
FLOOR = 4_000.0
"""Bytes a second that count as nothing: the clock in the picture, the encoder's own overhead."""
SILENCE_US = 10_000_000
"""After so long without pictures an episode is over, wherever it stood."""


class News(enum.Enum):
    """What a bin says."""

    BEGAN = "began"
    GOES_ON = "goes on"
    ENDED = "ended"


class _Usual:
    """What one figure usually is."""

    def __init__(self, *, doubted: bool = False) -> None:
        """`doubted`: it is only believed where it is calm or lasting."""
        self._doubted = doubted
        self._values: deque[float] = deque(maxlen=HISTORY)
        self._since = 0
        self._level = 0.0
        self._threshold = math.inf

    def above(self, value: float) -> tuple[float, float]:
        """Return how far a value lies above the usual, in octaves and in thresholds, and learn it."""
        excess = value - self._level if self._threshold < math.inf else 0.0
        share = excess / self._threshold
        self._values.append(value)
        self._since += 1
        if len(self._values) == WARM or (self._since >= LEARN_EVERY and len(self._values) > WARM):
            self._learn()
        return excess, share

    def relearn(self) -> None:
        """Forget all but the last bins."""
        self._values = deque(list(self._values)[-RELEARN_BINS:], maxlen=HISTORY)
        self._learn()

    def _learn(self) -> None:
        ordered = sorted(self._values)
        self._level = ordered[int(len(ordered) * LEVEL)]
        self._threshold = max(LEAST, WAVERING * (self._level - ordered[int(len(ordered) * LOW)]))
        if self._doubted and not _calm_or_lasting(self._values):
            self._threshold = math.inf
        self._since = 0


def _calm_or_lasting(values: deque[float]) -> bool:
    steps = sorted(abs(after - before) for before, after in pairwise(values))
    if steps[len(steps) // 2] <= CALM:
        return True
    mean = sum(values) / len(values)
    apart = [value - mean for value in values]
    alike = sum(before * after for before, after in pairwise(apart))
    return alike >= LASTING * sum(value * value for value in apart)


class SizeMeter:
    """Takes a camera's groups of pictures, says when an episode begins and ends. Times are microseconds.

    A camera whose parameters change gets a new one: nothing of what was usual holds.
    """

    def __init__(self) -> None:
        self.start_us = 0
        """When the episode began."""
        self.end_us = 0
        """Up to when it went on."""
        self.score = 0.0
        """The most that it was above the usual: 1 − 2^(−octaves)."""
        self.active = False
        self._rate, self._share = _Usual(), _Usual(doubted=True)
        self._key_size = 0
        self._size = self._ticks = 0
        self._bin_from_us = 0

    def pause(self) -> News | None:
        """No more pictures for now; what is usual stays so. Returns ENDED where an episode was going on."""
        self._size = self._ticks = 0
        if not self.active:
            return None
        self.active = False
        return News.ENDED

    def add(self, size: int, key_size: int, ticks: int, from_us: int, to_us: int) -> News | None:
        """Take the pictures of an interval: bytes without key frame, those of the key frame (0: none), their duration.

        Returns what is new; the fields say the rest.
        """
        if key_size:
            self._key_size = key_size
        if not self._ticks:
            self._bin_from_us = from_us
        self._size += size
        self._ticks += ticks
        if self._ticks < BIN_TICKS:
            return None
        rate = self._size * 90_000 / self._ticks + FLOOR
        self._size = self._ticks = 0
        excess, above = self._rate.above(math.log2(rate))
        if self._key_size:
            more, share = self._share.above(math.log2(rate / self._key_size))
            excess, above = max(excess, more), max(above, share)
        return self._judge(above, excess, to_us)

    def _judge(self, above: float, excess: float, to_us: int) -> News | None:
        score = 1.0 - 2.0**-excess if excess > 0 else 0.0
        if not self.active:
            if above < 1.0:
                return None
            self.active = True
            self.start_us, self.end_us, self.score = self._bin_from_us, to_us, score
            return News.BEGAN
        if to_us - self.end_us > SILENCE_US or to_us < self.start_us:
            self.active = False
            return News.ENDED
        if to_us - self.start_us > RELEARN_US:
            self._rate.relearn()
            self._share.relearn()
            self.active = False
            return News.ENDED
        if above >= GOES_ON:
            self.end_us, self.score = to_us, max(self.score, score)
            return News.GOES_ON
        if to_us - self.end_us >= QUIET_US:
            self.active = False
            return News.ENDED
        return None
