"""What moves in a simulated picture: cars, lorries, buses, motorbikes, people. All faces are in metres, front to +z."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, radians, sin
from typing import TypeAlias

import numpy as np

from vonggac.sim.scenes.drawing import NEAR, Canvas, Colour, Face, Patch, Points, Solid, box

GLASS: Colour = (52, 66, 78)
TYRE: Colour = (28, 28, 30)
STEEL: Colour = (92, 96, 102)
SKIN: Colour = (196, 150, 118)
STRAW: Colour = (222, 204, 150)
WHITE: Colour = (236, 236, 232)
TROUSERS: tuple[Colour, ...] = ((58, 58, 72), (44, 46, 50), (88, 74, 62), (60, 76, 104))

_STEPS = 12
_STRIDE_M = 1.4
_SMALL = 30
"""A figure less high than this, in pixels, is drawn without smoothing its edges."""
_KINDS = 4096
_SUNLIT = 0.2
"""With less sun than this nothing throws a shadow."""
_SHADE: Colour = (12, 14, 22)


@dataclass(frozen=True, slots=True)
class Look:
    """What tells one figure from the next of its kind."""

    main: Colour
    second: Colour = WHITE
    hat: bool = False
    """A conical straw hat on a walker; a rain cape on a rider."""
    phase: float = 0.0


@dataclass(frozen=True, slots=True)
class Pose:
    """What changes in a figure while it moves."""

    step: int = 0
    braking: bool = False
    lamps: bool = False
    away: bool = False
    """Its back is turned to the lens."""


@dataclass(frozen=True, slots=True)
class Ball:
    """A head or a helmet, in the figure's own metres. `flat`: height over width."""

    centre: tuple[float, float, float]
    radius: float
    colour: Colour
    flat: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Parts from far to near, and how much room they take: across, along, up."""

    parts: tuple[Solid | Ball, ...]
    size: tuple[float, float, float]


Painter: TypeAlias = Callable[[Look, Pose], Figure]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a figure stands at one moment: metres on the ground, heading in degrees from +z to the right."""

    x: float
    z: float
    heading: float
    walked: float = 0.0
    """Metres so far: moves the legs."""
    braking: bool = False
    lamps: bool = False

    def point(self, right: float, up: float, ahead: float) -> tuple[float, float, float]:
        """Return a point of the figure in the world's metres."""
        angle = radians(self.heading)
        return (
            self.x + right * cos(angle) + ahead * sin(angle),
            up,
            self.z - right * sin(angle) + ahead * cos(angle),
        )


def paint(painter: Painter, look: Look, place: Place, canvas: Canvas) -> None:
    """Draw a figure where it stands, with its shadow."""
    ahead = np.array(place.point(0, 0, 1)) - np.array(place.point(0, 0, 0))
    away = bool(ahead @ (np.array([place.x, 0.0, place.z]) - canvas.view.eye) > 0)
    step = int((place.walked / _STRIDE_M + look.phase) * _STEPS) % _STEPS if painter in (walker, under_umbrella) else 0
    figure = painter(look, Pose(step, place.braking, place.lamps, away))
    wide, long, high = figure.size
    room: Points = np.array(
        [
            place.point(right, up, ahead)
            for right in (-wide / 2 - 0.1, wide / 2 + 0.4)
            for up in (0.0, high)
            for ahead in (-long / 2 - 0.1, long / 2 + 0.4)
        ]
    )
    extent = canvas.extent(room)
    depths = canvas.view.seen(room)[:, 2]
    passes_under = depths.min() < NEAR < depths.max()
    if extent is None and not passes_under:
        return
    _shadow(place, canvas, figure.size)
    here = Patch(canvas, extent) if extent is not None and extent[3] - extent[1] > _SMALL else canvas
    for part in figure.parts:
        if isinstance(part, Solid):
            here.solid(part, place.x, place.z, place.heading)
        else:
            colour = here.light.on(part.colour, np.array([-0.2, 0.4, -0.9]))
            here.ball(place.point(*part.centre), part.radius, colour, flat=part.flat)
    if isinstance(here, Patch):
        here.finish()


@lru_cache(_KINDS)
def car(look: Look, pose: Pose) -> Figure:
    """A hatchback, 4.1 m."""
    body = [
        *box((0, 0.28, 0), (1.72, 0.55, 4.1), look.main, taper=0.97),
        *box((0, 0.83, -0.25), (1.62, 0.62, 2.5), look.main, GLASS, taper=0.8),
    ]
    return _vehicle(body, (1.72, 4.1, 1.5), (0.33, 1.3), pose)


@lru_cache(_KINDS)
def pickup(look: Look, pose: Pose) -> Figure:
    """A small lorry with an open bed, loaded with crates, 4.9 m."""
    bed = [
        *box((0, 0.45, -0.9), (1.8, 0.75, 3.0), STEEL, look.main),
        *box((0, 1.1, -0.9), (1.5, 0.5, 2.5), (190, 140, 70), (150, 105, 60)),
    ]
    cab = [
        *box((0, 0.4, 1.55), (1.75, 0.75, 1.7), look.main),
        *box((0, 1.15, 1.35), (1.7, 0.7, 1.25), look.main, GLASS, taper=0.85),
    ]
    return _vehicle([*cab, *bed] if pose.away else [*bed, *cab], (1.8, 4.9, 1.9), (0.38, 1.55), pose)


@lru_cache(_KINDS)
def lorry(look: Look, pose: Pose) -> Figure:
    """A box lorry, 7.5 m."""
    load = box((0, 0.75, -0.95), (2.3, 2.3, 5.4), look.second)
    cab = [
        *box((0, 0.55, 2.75), (2.25, 1.0, 1.9), look.main),
        *box((0, 1.55, 2.7), (2.2, 0.85, 1.6), look.main, GLASS, taper=0.9),
    ]
    return _vehicle([*cab, *load] if pose.away else [*load, *cab], (2.3, 7.5, 3.2), (0.5, 2.5), pose)


@lru_cache(_KINDS)
def coach(look: Look, pose: Pose) -> Figure:
    """A coach, 9 m."""
    body = [
        *box((0, 0.5, 0), (2.4, 1.1, 9.0), look.main),
        *box((0, 1.6, 0), (2.4, 0.95, 9.0), look.main, GLASS),
        *box((0, 2.55, 0), (2.4, 0.4, 9.0), look.second, look.main, taper=0.97),
    ]
    return _vehicle(body, (2.4, 9.0, 3.1), (0.5, 2.9), pose)


@lru_cache(_KINDS)
def motorbike(look: Look, pose: Pose) -> Figure:
    """A step-through motorbike with its rider, 1.9 m; in rain under a cape."""
    jeans: Colour = (50, 54, 70)
    frame = _motorbike_frame(look, pose)
    rider = [
        *box((-0.2, 0.45, 0.15), (0.16, 0.4, 0.42), jeans),
        *box((0.2, 0.45, 0.15), (0.16, 0.4, 0.42), jeans),
        *box((0, 0.78, -0.12), (0.46, 0.6, 0.28), look.second, taper=0.86),
        *box((-0.27, 1.05, 0.16), (0.11, 0.14, 0.5), look.second),
        *box((0.27, 1.05, 0.16), (0.11, 0.14, 0.5), look.second),
    ]
    if look.hat:
        rider = box((0, 0.4, 0.02), (0.95, 1.0, 1.25), look.second, taper=0.42)
    wheels = [face for ahead in (-0.62, 0.68) for side in (-1, 1) for face in _wheel(side, 0.0, ahead, 0.29)]
    order = [*frame, *rider] if pose.away else [*rider, *frame]
    parts: list[Solid | Ball] = [Solid.of([*wheels, *order]), Ball((0, 1.55, -0.08), 0.16, look.main)]
    if not pose.away:
        parts.append(Ball((0, 1.5, 0.04), 0.1, SKIN))
    return Figure(tuple(parts), (0.9, 2.0, 1.75))


@lru_cache(_KINDS)
def parked(look: Look, pose: Pose) -> Figure:
    """A motorbike without a rider."""
    del pose
    wheels = [face for ahead in (-0.62, 0.68) for side in (-1, 1) for face in _wheel(side, 0.0, ahead, 0.29)]
    return Figure((Solid.of([*wheels, *_motorbike_frame(look, Pose())]),), (0.7, 2.0, 1.2))


@lru_cache(_KINDS)
def walker(look: Look, pose: Pose) -> Figure:
    """Someone on foot, 1.65 m."""
    swing = 0.24 * sin(pose.step / _STEPS * 2 * pi)
    trousers = TROUSERS[int(look.phase * 7) % len(TROUSERS)]
    body = [
        *box((-0.1, 0, swing), (0.15, 0.82, 0.18), trousers),
        *box((0.1, 0, -swing), (0.15, 0.82, 0.18), trousers),
        *box((-0.27, 0.82, -swing * 0.8), (0.1, 0.5, 0.14), look.main),
        *box((0.27, 0.82, swing * 0.8), (0.1, 0.5, 0.14), look.main),
        *box((0, 0.78, 0), (0.42, 0.62, 0.24), look.main, taper=0.88),
    ]
    parts: list[Solid | Ball] = [Solid.of(body), Ball((0, 1.53, 0), 0.125, SKIN, 1.15)]
    if look.hat:
        parts.append(_straw_hat())
    else:
        hair: Colour = (42, 34, 30)
        parts.append(Ball((0, 1.57 if pose.away else 1.62, -0.03), 0.125, hair, 1.1 if pose.away else 0.7))
    return Figure(tuple(parts), (0.8, 0.8, 1.85))


@lru_cache(_KINDS)
def under_umbrella(look: Look, pose: Pose) -> Figure:
    """Someone on foot under an umbrella of the look's second colour, 2.1 m."""
    body = walker(look, pose)
    return Figure((*body.parts, _cone(1.72, 2.12, 0.62, look.second)), (1.2, 1.2, 2.15))


@lru_cache(_KINDS)
def guard(look: Look, pose: Pose) -> Figure:
    """A guard in uniform with a peaked cap, who stands."""
    navy: Colour = (38, 48, 74)
    body = [
        *box((-0.1, 0, 0), (0.16, 0.82, 0.2), navy),
        *box((0.1, 0, 0), (0.16, 0.82, 0.2), navy),
        *box((0, 0.8, 0), (0.46, 0.62, 0.26), look.main, taper=0.9),
        *box((0, 0.78, 0), (0.44, 0.07, 0.27), (30, 28, 28)),
        *box((-0.29, 0.8, 0), (0.11, 0.54, 0.15), look.main),
        *box((0.29, 0.8, 0), (0.11, 0.54, 0.15), look.main),
    ]
    cap = box((0, 1.62, 0.03), (0.3, 0.1, 0.34), navy)
    return Figure((Solid.of(body), Ball((0, 1.54, 0), 0.125, SKIN, 1.15), Solid.of(cap)), (0.8, 0.8, 1.85))


def _motorbike_frame(look: Look, pose: Pose) -> list[Face]:
    return [
        *box((0, 0.35, -0.1), (0.26, 0.38, 1.25), look.main),
        *box((0, 0.72, -0.3), (0.28, 0.1, 0.8), (40, 36, 34)),
        *box((0, 0.55, 0.55), (0.3, 0.5, 0.2), look.main),
        *box((0, 1.0, 0.52), (0.66, 0.06, 0.1), STEEL),
        *box((0, 0.55, -0.74), (0.2, 0.12, 0.04), (255, 60, 50) if pose.braking else (150, 30, 30)),
        *box((0, 0.3, -0.76), (0.2, 0.14, 0.02), WHITE),
    ]


def _straw_hat() -> Solid:
    return _cone(1.58, 1.82, 0.3, STRAW)


def _cone(low: float, high: float, radius: float, colour: Colour) -> Solid:
    around = [(radius * cos(turn), low, radius * sin(turn)) for turn in np.arange(0, 2 * pi, pi / 6)]
    faces = [
        Face(np.array([(0.0, high, 0.0), after, here]), colour)
        for here, after in zip(around, [*around[1:], around[0]], strict=True)
    ]
    return Solid.of(faces)


def _vehicle(body: list[Face], size: tuple[float, float, float], wheels: tuple[float, float], pose: Pose) -> Figure:
    radius, apart = wheels
    rims = [
        face
        for side in (-1, 1)
        for ahead in (-apart, apart)
        for face in _wheel(side, side * (size[0] / 2 + 0.01), ahead, radius)
    ]
    return Figure((Solid.of([*body, *rims, *_plates_and_lamps(size[0], size[1], pose)]),), size)


def _plates_and_lamps(wide: float, long: float, pose: Pose) -> list[Face]:
    tail: Colour = (255, 70, 55) if pose.braking or pose.lamps else (165, 32, 30)
    head: Colour = (255, 250, 225) if pose.lamps else (225, 228, 224)
    faces: list[Face] = []
    for end, colour in ((1, head), (-1, tail)):
        z = end * (long / 2 + 0.02)
        for middle, half, low, high, tone in (
            (-wide * 0.36, 0.2, 0.58, 0.76, colour),
            (wide * 0.36, 0.2, 0.58, 0.76, colour),
            (0.0, 0.26, 0.42, 0.56, WHITE),
        ):
            left, right = middle - half, middle + half
            corners = [(left, low, z), (right, low, z), (right, high, z), (left, high, z)]
            # At the back the corners run the other way round, so that the face is turned outwards.
            glows = tone is not WHITE and pose.lamps
            faces.append(Face(np.array(corners if end > 0 else corners[::-1]), tone, glows))
    return faces


def _wheel(side: int, right: float, ahead: float, radius: float) -> list[Face]:
    faces = []
    for size, out, colour in ((radius, 0.0, TYRE), (radius * 0.5, 0.01, STEEL)):
        turns = np.arange(0, 2 * pi, pi / 4)
        ring = np.array([(right + side * out, radius + size * sin(turn), ahead + size * cos(turn)) for turn in turns])
        faces.append(Face(ring if side < 0 else ring[::-1].copy(), colour))
    return faces


def _shadow(place: Place, canvas: Canvas, size: tuple[float, float, float]) -> None:
    """Darken the ground under a figure and, where the sun shines, as far as its height throws it."""
    wide, long, high = size
    corners = [
        place.point(right, 0.0, ahead)
        for right, ahead in ((-wide / 2, -long / 2), (wide / 2, -long / 2), (wide / 2, long / 2), (-wide / 2, long / 2))
    ]
    light = canvas.light
    if light.sun <= _SUNLIT:
        canvas.flat([(x + 0.18, y, z + 0.18) for x, y, z in corners], _SHADE, 0.25)
        return
    right, away = light.thrown(high * 0.9)
    # What is at the top is narrower than the ground it stands on.
    top = [(place.x + (x - place.x) * 0.6 + right, 0.0, place.z + (z - place.z) * 0.6 + away) for x, _, z in corners]
    canvas.flat(_around([*corners, *top]), _SHADE, 0.38)


def _around(points: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Return the convex outline of points on the ground."""
    ordered = sorted(set(points))
    sides: list[list[tuple[float, float, float]]] = []
    for line in (ordered, ordered[::-1]):
        side: list[tuple[float, float, float]] = []
        for point in line:
            while len(side) > 1 and _turn(side[-2], side[-1], point) <= 0:
                side.pop()
            side.append(point)
        sides.append(side[:-1])
    return [*sides[0], *sides[1]]


def _turn(
    first: tuple[float, float, float], second: tuple[float, float, float], third: tuple[float, float, float]
) -> float:
    return (second[0] - first[0]) * (third[2] - first[2]) - (second[2] - first[2]) * (third[0] - first[0])
