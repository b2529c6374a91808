"""What a plate camera sees: a few metres of one lane from low above, and now and then a vehicle with its plate."""

from __future__ import annotations

from functools import cache
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from vonggac.sim.plates import BACKGROUNDS, Size, Vehicle
from vonggac.sim.scenes import buildings, figures, traffic
from vonggac.sim.scenes.drawing import Canvas, Light, Points, Viewpoint
from vonggac.sim.scenes.figures import Look, Painter, Place
from vonggac.sim.scenes.lettering import plate_font
from vonggac.sim.scenes.places import HEIGHT, WIDTH, Scene
from vonggac.sim.scenes.traffic import Actor

PASS_S = 2
"""How long a vehicle takes from out of sight to out of sight: one group of pictures."""

_FAR, _NEAR = 30.0, 1.2  # metres from the lens, along the road; 14.4 m/s are 52 km/h
_PAINTERS: dict[str, Painter] = {"car": figures.car, "lorry": figures.lorry, "motorbike": figures.motorbike}
_ENDS = {"car": (2.09, 0.5), "lorry": (3.79, 0.7), "motorbike": (0.82, 0.5)}
"""How far from its middle, and how high, a vehicle's plate hangs, in metres."""
_DOT_PER_M = 900


def gate() -> Scene:
    """A lane without anybody on it."""
    return Scene("gate", _view(), Light(), _backdrop, ())


def passing(vehicle: Vehicle, towards: bool) -> Scene:
    """A vehicle that passes once in the loop, towards the lens or away from it."""
    rng = Random(vehicle.number)  # noqa: S311
    painter = _PAINTERS[vehicle.kind]
    look = Look((86, 98, 58)) if vehicle.background == "red" else traffic.some_look(rng, painter)
    actor = Actor(painter, look, lambda share: _place(share, towards=towards))
    shown = vehicle.shown(towards=towards)
    picture = plate(shown[0], shown[1], vehicle.background) if shown else None

    def finish(image: Image.Image, canvas: Canvas, seen: list[tuple[Actor, Place]], share: float) -> None:
        if picture is not None and shown is not None:
            corners = _corners(vehicle.kind, shown[1], share, towards=towards)
            if (canvas.view.seen(corners)[:, 2] > 1.0).all():
                holder = _corners(vehicle.kind, Size(0.6, 0.2), share, towards=towards)
                if vehicle.kind != "motorbike":
                    canvas.flat(holder, (40, 42, 46))
                canvas.sign(picture, corners)

    return Scene(f"pass {vehicle.number}", _view(), Light(), _backdrop, (actor,), finish)


@cache
def best(vehicle: Vehicle, fps: int, *, towards: bool) -> tuple[int, tuple[float, float, float, float]] | None:
    """Return in which picture of a pass the plate is largest and whole, and where: left, top, right, bottom.

    None when no plate is to be seen.
    """
    shown = vehicle.shown(towards=towards)
    if shown is None:
        return None
    view, count = _view(), fps * PASS_S
    found: tuple[int, tuple[float, float, float, float]] | None = None
    for number in range(count):
        corners = _corners(vehicle.kind, shown[1], number / count, towards=towards)
        if (view.seen(corners)[:, 2] <= 1.0).any():
            continue
        spots = view.pixels(view.seen(corners))
        (left, top), (right, bottom) = spots.min(axis=0).tolist(), spots.max(axis=0).tolist()
        whole = left >= 0 and top >= 0 and right < WIDTH and bottom < HEIGHT
        if whole and (found is None or right - left > found[1][2] - found[1][0]):
            found = number, (left, top, right, bottom)
    return found


@cache
def plate(rows: tuple[str, ...], size: Size, background: str) -> Image.Image:
    """Draw a plate with a rim, its rows as wide as there is room."""
    ground, ink = BACKGROUNDS[background]
    width, height = round(size.wide * _DOT_PER_M), round(size.high * _DOT_PER_M)
    image = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((2, 2, width - 3, height - 3), 8, outline=ink, width=3)
    room = (width - 20, (height - 16) // len(rows) - 4)
    for index, row in enumerate(rows):
        font = plate_font()
        left, top, right, bottom = draw.textbbox((0, 0), row, font=font, stroke_width=2)
        letters = Image.new("L", (int(right - left), int(bottom - top)), 0)
        ImageDraw.Draw(letters).text((-left, -top), row, fill=255, font=font, stroke_width=2)
        scale = min(room[1] / letters.height, room[0] / letters.width * 1.6)
        wide = min(room[0], int(letters.width * scale * 0.95))
        letters = letters.resize((wide, min(room[1], int(letters.height * scale))))
        at = ((width - wide) // 2, 8 + index * (height - 16) // len(rows) + 2)
        image.paste(ink, at, letters)
    return image


def _view() -> Viewpoint:
    return Viewpoint(WIDTH, HEIGHT, (0.0, 2.8, 0.0), 20, 0, 20)


def _backdrop(canvas: Canvas) -> None:
    canvas.image.paste(_lane(canvas.image.width // WIDTH))


@cache
def _lane(finer: int) -> Image.Image:
    """Draw the empty lane once for all who pass."""
    canvas = Canvas(Image.new("RGB", (WIDTH * finer, HEIGHT * finer)), _view().scaled(finer), Light())
    rng = Random(27)  # noqa: S311
    buildings.ground(canvas, (166, 128, 96), -40, 40, 1, 60)
    buildings.ground(canvas, (104, 106, 110), -2.2, 2.2, 1, 60)
    buildings.stains(canvas, rng, 160, -2.1, 2.1, 18)
    for x in (-1.9, 1.9):
        buildings.ground(canvas, (232, 232, 226), x - 0.07, x + 0.07, 1, 60)
    return canvas.image


def _place(share: float, *, towards: bool) -> Place:
    gone = (_FAR - _NEAR) * share
    return Place(-0.25, _FAR - gone, 180.0, gone) if towards else Place(0.25, _NEAR + gone, 0.0, gone)


def _corners(kind: str, size: Size, share: float, *, towards: bool) -> Points:
    """Return the plate's corners in the world: top left, top right, bottom right, bottom left for who reads it."""
    place = _place(share, towards=towards)
    end, up = _ENDS[kind]
    # Who comes has his right on the reader's left.
    left, ahead = (size.wide / 2, end) if towards else (-size.wide / 2, -end)
    high, low = up + size.high / 2, up - size.high / 2
    spots = ((left, high), (-left, high), (-left, low), (left, low))
    return np.array([place.point(right, height, ahead) for right, height in spots])
