"""How long the disks last: days that will be held, and when they are full, from rates and limits. No I/O.

All rates are bytes a day. The order of retention makes the forecast simple: once the disks are full, every camera is
held as many days past (or short of) its minimum as all the others, unless its maximum ends it before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vonggac.video.retention.planning import Days

_HALVINGS = 60
FAR_DAYS = 36_500.0


@dataclass(frozen=True, slots=True)
class Growth:
    """One camera: its limits, what it writes a day, and how many days of it are held now."""

    days: Days
    bytes_a_day: float
    held_days: float


def days_until_full(cameras: Sequence[Growth], room: float) -> float | None:
    """Return in how many days `room` bytes are used up; None when never, since maxima delete before."""

    def grown(after: float) -> float:
        return sum(
            camera.bytes_a_day * (min(after, max(0.0, camera.days.maximum - camera.held_days)))
            if camera.days.maximum
            else camera.bytes_a_day * after
            for camera in cameras
        )

    if room <= 0:
        return 0.0
    if grown(FAR_DAYS) < room:
        return None
    return _least(lambda after: grown(after) >= room, 0.0, FAR_DAYS)


def days_held_when_full(cameras: Sequence[Growth], capacity: float) -> list[float]:
    """Return how many days of each camera `capacity` bytes hold; its maximum where there is space for all of that."""

    def held(past: float) -> list[float]:
        return [
            max(0.0, min(camera.days.minimum + past, camera.days.maximum or FAR_DAYS)) if camera.bytes_a_day else 0.0
            for camera in cameras
        ]

    def size(past: float) -> float:
        return sum(camera.bytes_a_day * days for camera, days in zip(cameras, held(past), strict=True))

    if size(FAR_DAYS) <= capacity:
        return held(FAR_DAYS)
    return held(_least(lambda past: size(past) >= capacity, -FAR_DAYS, FAR_DAYS))


def _least(reached: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
