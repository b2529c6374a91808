"""Who moves where in a simulated picture, as a function of the time in the loop: its end meets its beginning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import atan2, degrees, hypot
from random import Random
from typing import TypeAlias

import numpy as np

from vonggac.sim.scenes import figures
from vonggac.sim.scenes.drawing import Canvas, Colour
from vonggac.sim.scenes.figures import Look, Painter, Place

PAINTS: tuple[Colour, ...] = (
    (214, 216, 218),
    (236, 236, 234),
    (150, 30, 36),
    (40, 72, 124),
    (54, 58, 62),
    (128, 134, 140),
    (196, 158, 60),
)
CLOTHES: tuple[Colour, ...] = (
    (182, 62, 70),
    (64, 104, 158),
    (232, 226, 214),
    (96, 142, 92),
    (222, 176, 84),
    (126, 92, 148),
    (90, 96, 108),
)
CAPES: tuple[Colour, ...] = ((54, 96, 190), (226, 196, 60), (190, 60, 90), (110, 170, 120), (150, 160, 176))

Path: TypeAlias = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Actor:
    """One figure and where it is at a share (0 to 1) of the loop; None while it is out of sight."""

    painter: Painter
    look: Look
    at: Callable[[float], Place | None]


def draw_all(actors: Sequence[Actor], share: float, canvas: Canvas) -> list[tuple[Actor, Place]]:
    """Draw everyone who is in sight, the far ones first, and say where they are."""
    seen = [(actor, place) for actor in actors if (place := actor.at(share)) is not None]
    seen.sort(key=lambda pair: -hypot(pair[1].x - canvas.view.eye[0], pair[1].z - canvas.view.eye[2]))
    for actor, place in seen:
        figures.paint(actor.painter, actor.look, place, canvas)
    return seen


def along(path: Path, begin: float, *, times: int = 1, lamps: bool = False) -> Callable[[float], Place | None]:
    """Move at an even pace along a path, `times` times in a loop, starting at the share `begin` of it."""
    corners = np.asarray(path, np.float64)
    lengths = np.hypot(*np.diff(corners, axis=0).T)
    marks = np.concatenate([[0.0], np.cumsum(lengths)])

    def at(share: float) -> Place:
        metres = ((share * times + begin) % 1.0) * marks[-1]
        leg = min(int(np.searchsorted(marks, metres, side="right")) - 1, len(lengths) - 1)
        part = (metres - marks[leg]) / lengths[leg]
        x, z = corners[leg] + (corners[leg + 1] - corners[leg]) * part
        ahead = corners[leg + 1] - corners[leg]
        return Place(float(x), float(z), degrees(atan2(ahead[0], ahead[1])), metres, lamps=lamps)

    return at


def halting(
    start: tuple[float, float], heading: float, marks: Sequence[tuple[float, float]], *, lamps: bool = False
) -> Callable[[float], Place | None]:
    """Move straight on by marks (share of the loop, metres from the start), gently between them; before and after
    them out of sight. Marks may run beyond 1: the rest is at the beginning of the loop.
    """
    shares = [mark[0] for mark in marks]
    angle = np.radians(heading)

    def at(share: float) -> Place | None:
        moment = next((share + lap for lap in (0.0, 1.0) if shares[0] <= share + lap <= shares[-1]), None)
        if moment is None:
            return None
        leg = min(int(np.searchsorted(shares, moment, side="right")) - 1, len(marks) - 2)
        (begin, here), (end, there) = marks[leg], marks[leg + 1]
        part = (moment - begin) / (end - begin)
        leaving, arriving = _rests(marks, leg), _rests(marks, leg + 1)
        eased = _ease(part, leaving, arriving)
        metres = here + (there - here) * eased
        standing = here == there or (arriving and part > 0.4)
        return Place(
            start[0] + float(np.sin(angle)) * metres,
            start[1] + float(np.cos(angle)) * metres,
            heading,
            metres,
            braking=standing,
            lamps=lamps,
        )

    return at


def _rests(marks: Sequence[tuple[float, float]], index: int) -> bool:
    """Say whether who moves by these marks stands still before or after this one."""
    before = index > 0 and marks[index - 1][1] == marks[index][1]
    after = index + 1 < len(marks) and marks[index + 1][1] == marks[index][1]
    return before or after


def _ease(part: float, from_rest: bool, to_rest: bool) -> float:
    if from_rest and to_rest:
        return part * part * (3 - 2 * part)
    if from_rest:
        return part * part
    if to_rest:
        return 1 - (1 - part) ** 2
    return part


def stream(
    rng: Random,
    path: Path,
    painters: Sequence[Painter],
    count: int,
    *,
    times: int = 1,
    lamps: bool = False,
    rain: bool = False,
) -> list[Actor]:
    """Return vehicles that follow one another along a lane."""
    actors = []
    for index in range(count):
        begin = (index + rng.uniform(-0.28, 0.28)) / count
        aside = rng.uniform(-0.3, 0.3)
        painter = rng.choice(painters)
        look = some_look(rng, painter, rain=rain)
        actors.append(Actor(painter, look, along([(x + aside, z) for x, z in path], begin, times=times, lamps=lamps)))
    return actors


def strollers(rng: Random, path: Path, count: int, *, hats: float = 0.25, times: int = 1) -> list[Actor]:
    """Return people who walk along a path, each a little aside of it."""
    actors = []
    for index in range(count):
        begin = (index + rng.uniform(-0.4, 0.4)) / count
        aside = rng.uniform(-0.5, 0.5)
        look = Look(rng.choice(CLOTHES), hat=rng.random() < hats, phase=rng.uniform(0, 6))
        actors.append(Actor(figures.walker, look, along([(x + aside, z) for x, z in path], begin, times=times)))
    return actors


def some_look(rng: Random, painter: Painter, *, rain: bool = False) -> Look:
    """Return a look that suits the kind of figure."""
    if painter is figures.motorbike:
        return Look(rng.choice(PAINTS), rng.choice(CAPES if rain else CLOTHES), hat=rain)
    if painter is figures.coach:
        return Look(rng.choice(((222, 120, 40), (40, 110, 90), (180, 40, 60))), (238, 236, 230))
    if painter is figures.lorry:
        return Look(
            rng.choice(((44, 88, 150), (190, 60, 40), (60, 120, 80))), rng.choice(((226, 226, 222), (150, 160, 170)))
        )
    return Look(rng.choice(PAINTS))
