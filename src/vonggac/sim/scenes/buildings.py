"""What stands still in a simulated picture: shop-houses, trees, poles with their wires, stalls, hills, ground."""

from __future__ import annotations

from itertools import pairwise
from math import sin
from random import Random

import numpy as np
from PIL import Image

from vonggac.sim.scenes.drawing import Canvas, Colour, Face, Points, box
from vonggac.sim.scenes.lettering import board

WALLS: tuple[Colour, ...] = (
    (232, 214, 170),
    (206, 222, 212),
    (238, 196, 160),
    (196, 210, 228),
    (240, 232, 214),
    (222, 186, 176),
    (214, 218, 168),
)
SHOP_SIGNS: tuple[tuple[str, Colour, Colour], ...] = (
    ("CÀ PHÊ", (255, 240, 205), (96, 52, 30)),
    ("TẠP HÓA", (255, 235, 90), (190, 36, 40)),
    ("PHỞ BÒ", (255, 250, 235), (200, 60, 30)),
    ("NHÀ THUỐC", (245, 255, 245), (24, 128, 76)),
    ("ĐIỆN THOẠI", (255, 255, 255), (26, 84, 170)),
    ("SỬA XE MÁY", (30, 30, 30), (244, 196, 48)),
    ("VẬT LIỆU XÂY DỰNG", (255, 255, 255), (60, 70, 130)),
    ("MAY ĐO", (255, 240, 250), (140, 40, 110)),
    ("CƠM TẤM", (255, 245, 190), (170, 30, 40)),
)
_GLASS: Colour = (74, 98, 116)
_LIT_WINDOW: Colour = (255, 214, 138)


def sky(canvas: Canvas, above: Colour, below: Colour, rng: Random, clouds: int = 9) -> None:
    """Fill the picture with a sky that grows from one colour to another, and soft clouds."""
    image = canvas.image
    share = np.linspace(0, 1, image.height)[:, None, None] ** 0.8
    rows = np.asarray(above) * (1 - share) + np.asarray(below) * share
    image.paste(Image.fromarray(np.broadcast_to(rows, (image.height, image.width, 3)).astype(np.uint8)))
    for _ in range(clouds):
        x, y = rng.uniform(0, image.width), rng.uniform(0, image.height * 0.3)
        for _ in range(14):
            wide = rng.uniform(0.03, 0.09) * image.width
            left, top = x + rng.gauss(0, 0.05) * image.width, y + rng.gauss(0, 0.012) * image.height
            canvas.draw.ellipse((left, top, left + wide, top + wide * 0.28), (255, 255, 255, 22))


def hills(canvas: Canvas, rng: Random, colour: Colour, distance: float, height: float) -> None:
    """Draw a ridge along the horizon."""
    turn = rng.uniform(0, 6)
    spots = np.linspace(-distance * 2, distance * 2, 90)
    ridge = [
        (x, height * (0.55 + 0.3 * sin(x / distance * 5 + turn) + 0.15 * sin(x / distance * 13 + turn * 2)), distance)
        for x in spots
    ]
    canvas.flat([*ridge, (distance * 2, -2, distance), (-distance * 2, -2, distance)], colour)


def ground(canvas: Canvas, colour: Colour, left: float, right: float, near: float = -4, far: float = 400) -> None:
    """Cover the ground between two lines that run away from the lens."""
    canvas.flat(_strip(left, right, near, far), colour)


def stains(canvas: Canvas, rng: Random, count: int, left: float, right: float, far: float = 70) -> None:
    """Darken and lighten spots of the ground: wheels, oil, mended asphalt."""
    for _ in range(count):
        x, z = rng.uniform(left, right), rng.uniform(1, far)
        wide, long = rng.uniform(0.1, 0.5), rng.uniform(0.5, 5)
        tone: Colour = (20, 20, 22) if rng.random() < 0.7 else (190, 186, 178)
        canvas.flat(_strip(x, x + wide, z, z + long), tone, rng.uniform(0.03, 0.08))


def dashes(canvas: Canvas, x: float, colour: Colour, far: float = 150) -> None:
    """Draw the broken line between two lanes."""
    for start in np.arange(-2, far, 6.0):
        canvas.flat(_strip(x - 0.08, x + 0.08, start, start + 3), colour)


def zebra(canvas: Canvas, near: float, left: float, right: float, long: float = 3.2) -> None:
    """Draw a crossing for those on foot."""
    for x in np.arange(left, right, 1.0):
        paint = canvas.light.on((236, 236, 230), np.array([0.0, 1.0, 0.0]))
        canvas.flat(_strip(x, x + 0.5, near, near + long), paint, 0.92)


def row_of_houses(
    canvas: Canvas, rng: Random, side: int, x: float, *, first: float, last: float, lit: float = 0.0
) -> None:
    """Draw shop-houses along one side (-1 left, 1 right), the far ones first. `lit`: share of lit windows."""
    fronts: list[tuple[float, float]] = []
    z = first
    while z < last:
        wide = rng.uniform(4.2, 5.6)
        fronts.append((z, wide))
        z += wide
    for z, wide in reversed(fronts):
        _shop_house(canvas, rng, side, x, z, wide, lit)


def _shop_house(canvas: Canvas, rng: Random, side: int, x: float, z: float, wide: float, lit: float) -> None:
    floors = rng.choice((1, 2, 2, 3, 3, 4))
    wall = rng.choice(WALLS)
    height = 3.6 + (floors - 1) * 3.2
    deep = 9.0
    canvas.lit(box((x + side * deep / 2, 0, z + wide / 2), (deep, height, wide - 0.05), wall))
    roof: Colour = rng.choice(((150, 70, 52), (120, 124, 130), (92, 112, 132)))
    canvas.lit(box((x + side * (deep / 2 - 0.3), height, z + wide / 2), (deep + 0.8, 0.3, wide), roof))
    front = x - side * 0.03
    shop = _LIT_WINDOW if rng.random() < lit else rng.choice(((64, 58, 54), (92, 100, 108), (70, 84, 90)))
    _wall_piece(canvas, side, front, z + 0.4, z + wide - 0.4, 0.15, 2.6, shop, glows=shop is _LIT_WINDOW)
    if rng.random() < 0.75:
        awning: Colour = rng.choice(((196, 60, 50), (52, 110, 160), (70, 140, 90), (220, 150, 60)))
        reach = x - side * 1.3
        corners = [(x, 3.0, z + 0.2), (x, 3.0, z + wide - 0.2), (reach, 2.5, z + wide - 0.2), (reach, 2.5, z + 0.2)]
        canvas.lit([Face(np.array(corners if side < 0 else corners[::-1], np.float64), awning)])
    for floor in range(1, floors):
        low = 3.7 + (floor - 1) * 3.2
        for start, end in ((0.14, 0.44), (0.56, 0.86)):
            glows = rng.random() < lit
            _wall_piece(
                canvas,
                side,
                front,
                z + wide * start,
                z + wide * end,
                low + 0.7,
                low + 2.3,
                _LIT_WINDOW if glows else _GLASS,
                glows=glows,
            )
        rail = x - side * 0.4
        canvas.lit(box((rail, low, z + wide / 2), (0.8, 0.6, wide - 0.5), (220, 220, 216), wall))
    if z < 55 and rng.random() < 0.85:
        _shop_sign(canvas, rng, side, x - side * 0.12, z, wide, glow=lit > 0)


def _shop_sign(canvas: Canvas, rng: Random, side: int, x: float, z: float, wide: float, *, glow: bool) -> None:
    words, ink, paint = rng.choice(SHOP_SIGNS)
    picture = board(words, _dim(ink, canvas, glow), _dim(paint, canvas, glow))
    long = min(wide - 0.6, 1.0 * picture.width / picture.height)
    start, end = z + (wide - long) / 2, z + (wide + long) / 2
    # The text runs from left to right for who stands before the house.
    left, right = (end, start) if side > 0 else (start, end)
    canvas.sign(picture, [(x, 3.85, left), (x, 3.85, right), (x, 3.0, right), (x, 3.0, left)])


def _dim(colour: Colour, canvas: Canvas, glow: bool) -> Colour:
    return colour if glow else canvas.light.on(colour, np.array([0.0, 0.6, -0.8]))


def _wall_piece(
    canvas: Canvas,
    side: int,
    x: float,
    start: float,
    end: float,
    low: float,
    high: float,
    colour: Colour,
    *,
    glows: bool = False,
) -> None:
    corners: Points = np.array([(x, low, start), (x, high, start), (x, high, end), (x, low, end)])
    canvas.lit([Face(corners if side < 0 else corners[::-1].copy(), colour, glows)])


def house_ahead(canvas: Canvas, rng: Random, x: float, z: float, wide: float) -> None:
    """Draw a shop-house that faces the lens, `x` its middle and `z` its front."""
    floors = rng.choice((1, 2, 2, 3, 3))
    height = 3.6 + (floors - 1) * 3.2
    canvas.lit(box((x, 0, z + 4), (wide, height, 8), rng.choice(WALLS)))
    shop: Colour = rng.choice(((64, 58, 54), (92, 100, 108), (70, 84, 90)))
    panes = [(x - wide * 0.42, x + wide * 0.42, 0.1, 2.6, shop)]
    for floor in range(1, floors):
        low = 4.3 + (floor - 1) * 3.2
        panes += [(x + wide * start, x + wide * (start + 0.28), low, low + 1.7, _GLASS) for start in (-0.38, 0.1)]
    for left, right, low, high, colour in panes:
        corners = [(left, high, z - 0.03), (right, high, z - 0.03), (right, low, z - 0.03), (left, low, z - 0.03)]
        canvas.lit([Face(np.array(corners), colour)])
    awning: Colour = rng.choice(((196, 60, 50), (52, 110, 160), (70, 140, 90), (220, 150, 60)))
    left, right = x - wide * 0.46, x + wide * 0.46
    cloth = [(left, 3.1, z), (right, 3.1, z), (right, 2.6, z - 1.2), (left, 2.6, z - 1.2)]
    canvas.lit([Face(np.array(cloth), awning)])


def tree(canvas: Canvas, rng: Random, x: float, z: float, tall: float = 6.0) -> None:
    """Draw a broad-leaved tree."""
    canvas.line([(x, 0, z), (x + 0.1, tall * 0.6, z)], canvas.light.on((98, 74, 54), np.array([0, 0, -1.0])), 0.3)
    for _ in range(70):
        right, up = rng.gauss(0, tall * 0.17), rng.gauss(0, tall * 0.13)
        green = canvas.light.on((rng.randint(48, 84), rng.randint(104, 146), rng.randint(44, 70)), _leaf(up, tall))
        canvas.ball((x + right, tall * 0.75 + up, z + rng.gauss(0, 0.5)), rng.uniform(0.25, 0.6), green)


def pine(canvas: Canvas, rng: Random, x: float, z: float, tall: float = 9.0) -> None:
    """Draw a three-needled pine, the tree of the highlands around Đà Lạt."""
    canvas.line([(x, 0, z), (x, tall, z)], canvas.light.on((88, 68, 54), np.array([0, 0, -1.0])), 0.25)
    for layer in range(7):
        low = tall * (0.34 + layer * 0.095)
        reach = (7.4 - layer) * tall * 0.026
        tone = rng.randint(-10, 10)
        green = canvas.light.on((44 + tone, 86 + tone, 52 + tone), np.array([0.0, 0.6, -0.8]))
        canvas.flat([(x - reach, low, z), (x, low + tall * 0.2, z), (x + reach, low, z)], green)


def _leaf(up: float, tall: float) -> Points:
    share = max(-1.0, min(1.0, up / (tall * 0.2)))
    normal: Points = np.array([-0.3, share, -0.5]) / (0.34 + share * share) ** 0.5
    return normal


def poles(canvas: Canvas, x: float, first: float, *, arm: float = 0.0, count: int = 6, apart: float = 26.0) -> None:
    """Draw a line of poles with sagging wires; `arm` metres of lamp arm, negative to the left."""
    tops = [(x, 7.6, first + apart * index) for index in range(-1, count)]
    shade = canvas.light.on((176, 174, 168), np.array([0.0, 0.3, -0.9]))
    for height in (7.3, 7.0, 6.75, 6.4, 6.3):
        for here in tops[:-1]:
            wire = [
                (x + 0.1, height - 1.1 * 4 * share * (1 - share), here[2] + apart * share)
                for share in np.linspace(0, 1, 12)
            ]
            canvas.line(wire, (30, 30, 34), 0.03)
    for top in reversed(tops[1:]):
        canvas.line([(x, 0, top[2]), top], shade, 0.2)
        canvas.line([(x - 0.7, 7.2, top[2]), (x + 0.7, 7.2, top[2])], shade, 0.1)
        if arm:
            canvas.line([(x, 7.3, top[2]), (x + arm, 7.7, top[2])], shade, 0.1)
            canvas.lit(box((x + arm, 7.6, top[2]), (0.7, 0.14, 0.3), (210, 210, 206)))


def stall(canvas: Canvas, rng: Random, x: float, z: float, roof: Colour) -> None:
    """Draw a market stall: heaps of fruit and vegetables on a table, under a sloping roof."""
    canvas.lit(box((x, 0, z), (2.6, 0.8, 1.8), (150, 116, 82), (120, 90, 64)))
    goods = ((208, 62, 44), (232, 146, 40), (86, 150, 62), (236, 206, 74), (150, 70, 120), (200, 220, 150))
    for column in range(4):
        for line in range(3):
            heap: Colour = rng.choice(goods)
            tone = canvas.light.on(heap, np.array([-0.2, 0.9, -0.38]))
            for _ in range(14):
                spot = (
                    x - 1.0 + column * 0.66 + rng.gauss(0, 0.13),
                    0.84 + abs(rng.gauss(0, 0.08)),
                    z - 0.6 + line * 0.6,
                )
                canvas.ball(spot, rng.uniform(0.06, 0.1), tone, flat=0.9)
    for right in (-1.4, 1.4):
        canvas.line([(x + right, 0, z + 1.0), (x + right, 2.6, z + 1.0)], (90, 92, 96), 0.06)
        canvas.line([(x + right, 0, z - 1.0), (x + right, 2.2, z - 1.0)], (90, 92, 96), 0.06)
    count = 6
    for stripe in range(count):
        left = x - 1.6 + 3.2 * stripe / count
        right = left + 3.2 / count
        tone = roof if stripe % 2 == 0 else (238, 236, 228)
        corners = [(left, 2.65, z + 1.15), (right, 2.65, z + 1.15), (right, 2.15, z - 1.25), (left, 2.15, z - 1.25)]
        canvas.lit([Face(np.array(corners), tone)])
        edge = [(left, 2.15, z - 1.25), (right, 2.15, z - 1.25), (right, 1.92, z - 1.25), (left, 1.92, z - 1.25)]
        canvas.lit([Face(np.array(edge), tone)])


def parasol(canvas: Canvas, rng: Random, x: float, z: float, colour: Colour) -> None:
    """Draw a large parasol over baskets on the ground, of someone who sells what the garden gave."""
    for _ in range(5):
        at = (x + rng.uniform(-0.9, 0.9), 0.12, z + rng.uniform(-0.6, 0.6))
        canvas.ball(at, 0.34, canvas.light.on((150, 116, 70), np.array([0.0, 0.8, -0.6])), flat=0.5)
        heap: Colour = rng.choice(((86, 150, 62), (208, 62, 44), (236, 206, 74), (120, 170, 80)))
        canvas.ball((at[0], 0.26, at[2]), 0.26, canvas.light.on(heap, np.array([0.0, 0.9, -0.4])), flat=0.5)
    canvas.line([(x, 0, z), (x, 2.5, z)], (206, 206, 204), 0.06)
    turns = np.linspace(0, 2 * np.pi, 9)
    rim = [(x + 1.5 * np.cos(turn), 1.95, z + 1.5 * np.sin(turn)) for turn in turns]
    for index, (here, after) in enumerate(pairwise(rim)):
        tone = colour if index % 2 else (240, 238, 230)
        canvas.lit([Face(np.array([(x, 2.6, z), after, here]), tone)])


def clock(canvas: Canvas, hour: str, x: float, top: float, z: float, tall: float = 1.0, *, post: bool = False) -> None:
    """Draw a public clock of light-emitting diodes that faces the camera: whoever sees the picture can say the hour."""
    digits = board(hour, (255, 74, 46), (18, 16, 18))
    half = tall * digits.width / digits.height / 2
    if post:
        canvas.lit(box((x, 0, z + 0.1), (0.14, top, 0.14), (112, 116, 120)))
    edge = tall * 0.07
    for grown, picture in ((edge, None), (0.0, digits)):
        left, right, high, low = x - half - grown, x + half + grown, top + grown, top - tall - grown
        corners = [(left, high, z), (right, high, z), (right, low, z), (left, low, z)]
        if picture is None:
            canvas.flat(corners, (150, 154, 158))
        else:
            canvas.sign(picture, corners)


def shade(canvas: Canvas, corners: Points, height: float) -> None:
    """Darken the ground where what stands on these corners (n, 2), so high, throws its shadow."""
    right, away = canvas.light.thrown(height)
    outline = [(float(x), 0.0, float(z)) for x, z in corners]
    outline += [(x + right, 0.0, z + away) for x, _, z in reversed(outline)]
    canvas.flat(outline, (16, 18, 30), 0.34)


def _strip(left: float, right: float, near: float, far: float) -> list[tuple[float, float, float]]:
    return [(left, 0, near), (right, 0, near), (right, 0, far), (left, 0, far)]
