"""Where the simulated vehicles are, and when: from the seed and the time of day alone, with no state.

A vehicle wanders over the district's main roads from one plate camera to the next, at a speed of its own, and rests now
and then. In the two hours around three at night, when the next day's wandering begins elsewhere, nobody drives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from random import Random

from vonggac.sim.plates import Vehicle

DAY_S = 86_400
NIGHT_BEGINS_S = 20 * 3600
"""Three at night in Việt Nam (UTC+7), in seconds of the UTC day: a day of journeys begins here."""
REST_S = 3600
"""So long after the day's beginning and before its end nobody drives: time to get anywhere in the district."""

SINUOSITY = 1.3
"""How much longer the road is than the straight line; roads of the highlands are between 1.2 and 1.5."""

ROADS: Mapping[str, Sequence[str]] = {
    "airport": ("north", "east", "west", "south", "ta-nang"),
    "north": ("airport", "east"),
    "east": ("airport", "north"),
    "west": ("airport",),
    "south": ("airport", "ta-nang"),
    "ta-nang": ("airport", "south"),
}
"""The plate cameras' places and which of them lie next to one another by road: QL20, QL27, the road to Tà Năng."""

_SPEEDS_KM_H = {"car": (38, 62), "motorbike": (32, 50), "lorry": (28, 46)}
_EARTH_KM = 6371.0


@dataclass(frozen=True, slots=True, order=True)
class Pass:
    """A vehicle passes a place at a moment, in seconds of 1970, either towards the lens or away from it."""

    at_s: float
    place: str
    vehicle: int
    towards: bool


def road_km(here: tuple[float, float], there: tuple[float, float]) -> float:
    """Return the length of the road between two places given by latitude and longitude."""
    (a, b), (c, d) = [tuple(radians(part) for part in place) for place in (here, there)]
    half = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
    return 2 * _EARTH_KM * asin(sqrt(half)) * SINUOSITY


def of_day(seed: int, vehicle: Vehicle, day: int, places: Mapping[str, tuple[float, float]]) -> Iterator[Pass]:
    """Yield a vehicle's passes of the day that begins at `day * DAY_S + NIGHT_BEGINS_S`, in their order."""
    rng = Random(f"{seed}/{vehicle.number}/{day}")  # noqa: S311
    begin = day * DAY_S + NIGHT_BEGINS_S
    now = begin + REST_S + rng.uniform(0, 900)
    here, came_from = rng.choice(sorted(ROADS)), ""
    towards = rng.random() < 0.5
    while now < begin + DAY_S - REST_S:
        yield Pass(now, here, vehicle.number, towards)
        onwards = [place for place in ROADS[here] if place != came_from] or list(ROADS[here])
        # Most journeys are short: the far end of the district is seldom chosen.
        weights = [1 / road_km(places[here], places[place]) for place in onwards]
        there = rng.choices(onwards, weights)[0]
        hours = road_km(places[here], places[there]) / rng.uniform(*_SPEEDS_KM_H[vehicle.kind])
        now += hours * 3600 + (rng.uniform(120, 900) if rng.random() < 0.25 else 0)
        came_from, here = here, there
        towards = rng.random() < 0.5


def day_of(at_s: float) -> int:
    """Return the day of journeys that a moment belongs to."""
    return int((at_s - NIGHT_BEGINS_S) // DAY_S)
