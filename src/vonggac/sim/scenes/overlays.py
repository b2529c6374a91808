"""What lies over a simulated picture: rain, and light at night."""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from vonggac.sim.scenes.drawing import Canvas, Colour

_GLOW_SIZE = 256


def rain(rng: Random, width: int, height: int) -> Image.Image:
    """Return how much each pixel is veiled by drops, as tall as the picture; rolled down, it rains."""
    veil = Image.new("L", (width, height), 10)
    draw = ImageDraw.Draw(veil)
    for _ in range(520):
        x, y, long = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(14, 42)
        strength = int(rng.uniform(22, 70))
        for over in (0, -height):
            draw.line((x, y + over, x - long * 0.12, y + over + long), strength, 1 if long < 30 else 2)
    return veil


def rolled(veil: Image.Image, down: int) -> Image.Image:
    """Return the veil moved down by so many pixels; what leaves it below comes in above."""
    rolled: NDArray[np.uint8] = np.roll(np.asarray(veil), down, axis=0)
    return Image.fromarray(rolled)


def glow() -> Image.Image:
    """Return a soft spot, brightest in its middle."""
    spread = np.linspace(-1, 1, _GLOW_SIZE)
    away = np.hypot(spread[:, None], spread[None, :])
    return Image.fromarray((np.clip(1 - away, 0, 1) ** 2.6 * 255).astype(np.uint8))


def shine(
    image: Image.Image,
    canvas: Canvas,
    soft: Image.Image,
    spot: tuple[float, float, float],
    radius: float,
    colour: Colour,
) -> None:
    """Add a soft light of so many metres around a spot."""
    seen = canvas.view.seen(np.asarray([spot], np.float64))
    if seen[0, 2] < 1:
        return
    x, y = canvas.view.pixels(seen)[0]
    size = int(min(radius * canvas.view.focal / seen[0, 2], image.width / 3))
    if size < 2:
        return
    image.paste(colour, (int(x) - size, int(y) - size), soft.resize((2 * size, 2 * size)))


def pool_of_light(canvas: Canvas, x: float, z: float) -> None:
    """Light up the ground below a lamp."""
    layer = Image.new("L", canvas.image.size, 0)
    draw = ImageDraw.Draw(layer)
    turn = np.linspace(0, 2 * np.pi, 28)
    for radius, strength in ((6.6, 12), (6.0, 22), (5.3, 33), (4.6, 44), (3.9, 54), (3.2, 63), (2.5, 71), (1.6, 77)):
        ring = np.array([(x + radius * np.cos(a), 0.0, z + radius * np.sin(a)) for a in turn])
        outline = canvas.view.polygon(ring)
        if len(outline) > 2:
            draw.polygon([(float(px), float(py)) for px, py in outline], strength)
    layer = layer.filter(ImageFilter.BoxBlur(18))
    canvas.image.paste((255, 196, 116), (0, 0), layer)


def mirrored(
    image: Image.Image,
    canvas: Canvas,
    soft: Image.Image,
    spot: tuple[float, float, float],
    colour: Colour,
    *,
    wide: float = 0.45,
) -> None:
    """Add the streak that a light makes on wet ground: from below the light down towards the lens."""
    x, up, z = spot
    seen = canvas.view.seen(np.asarray([(x, 0.0, z), (x, -1.6 * up - 1.2, z)], np.float64))
    if seen[:, 2].min() < 2:
        return
    (left, top), (_, bottom) = canvas.view.pixels(seen)
    half = max(2, int(wide * canvas.view.focal / seen[0, 2]))
    tall = int(bottom - top)
    if tall < 3 or half > image.width:
        return
    streak = soft.resize((2 * half, 2 * tall)).crop((0, tall // 2, 2 * half, 2 * tall))
    image.paste(colour, (int(left) - half, int(top) - tall // 2), streak)
