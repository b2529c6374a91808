"""Where something may have moved, guessed from the sizes of groups of pictures: nothing is decoded.

An encoder that keeps its quality spends more bytes where pictures differ more. Each group's bit rate is compared with
what is usual for this camera in the ten minutes around it: the median, and how far the quieter half lies below it,
which movement does not disturb. What it cannot do: a camera with constant bit rate spends the same on a street and on
a wall, so it has no marks; a scene that moves more than half of the time is its own usual; rain, lamps switched on and
the change to the night picture look like movement. Pure.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass

from vonggac.video.archive.footage import Stretch

AROUND_US = 300 * 1_000_000
"""How much before and after a group says what is usual."""
LEAST_GROUPS = 10
"""With fewer around it nothing is usual."""
SPREADS = 5.0
"""A group stands out from so many times the usual spread on: one in a thousand does by chance."""
LEAST_SPREAD = 0.04
"""Of the median: less is the encoder's own wavering."""
FULL_SCORE = 3.0
"""A group of so many times the usual bit rate has the score 1."""
APART_US = 4_000_000
"""Marks that lie nearer to each other are one."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An interval in which something may have moved."""

    start_us: int
    end_us: int
    score: float
    """0 to 1: how far its most lively group stands out."""


@dataclass(frozen=True, slots=True)
class _Measured:
    start_us: int
    end_us: int
    rate: float


def marks(stretches: Iterable[Stretch]) -> list[Mark]:
    """Return where a camera's groups are larger than is usual there, in order; stretches in their order of time."""
    measured = [
        _Measured(start, end, group.size * 1e6 / (end - start))
        for stretch in stretches
        for group, start, end in stretch.timed()
        if end > start
    ]
    found: list[Mark] = []
    around: list[float] = []
    first = last = 0
    for one in measured:
        while last < len(measured) and measured[last].start_us <= one.start_us + AROUND_US:
            insort(around, measured[last].rate)
            last += 1
        while measured[first].end_us < one.start_us - AROUND_US:
            del around[bisect_left(around, measured[first].rate)]
            first += 1
        score = _score(around, one.rate)
        if score <= 0:
            continue
        if found and one.start_us - found[-1].end_us < APART_US:
            before = found[-1]
            found[-1] = Mark(before.start_us, max(before.end_us, one.end_us), max(before.score, score))
        else:
            found.append(Mark(one.start_us, one.end_us, score))
    return found


def _score(around: list[float], rate: float) -> float:
    if len(around) < LEAST_GROUPS:
        return 0.0
    median = around[len(around) // 2]
    spread = max(median - around[len(around) // 4], LEAST_SPREAD * median)
    above = rate - median
    if above < SPREADS * spread:
        return 0.0
    return round(min(1.0, above / (median * (FULL_SCORE - 1))), 3) if median else 1.0
