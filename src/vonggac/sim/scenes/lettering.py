"""Vietnamese capitals on shop signs.

The font that Pillow carries knows no Vietnamese, and a simulated sign must look alike on every machine. So base
letters come from that font and the marks are drawn here.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from vonggac.sim.scenes.drawing import Colour

_SIZE = 96
_MARGIN = 44
_STROKE = 9


def board(text: str, ink: Colour, ground: Colour) -> Image.Image:
    """Return a sign of one line, tall enough for all marks."""
    font = _font()
    bases = ["".join(_base(letter)) for letter in text.upper()]
    widths = [font.getlength(base) for base in bases]
    image = Image.new("RGB", (int(sum(widths)) + 2 * _MARGIN, _SIZE + 2 * _MARGIN), ground)
    draw = ImageDraw.Draw(image)
    x = float(_MARGIN)
    for letter, base, width in zip(text.upper(), bases, widths, strict=True):
        draw.text((x, _MARGIN + _SIZE), base, font=font, fill=ink, anchor="ls", stroke_width=2)
        _marks(draw, letter, x, width, ink)
        x += width
    return image


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=_SIZE)


def plate_font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the letters and digits of registration plates: the same everywhere, and free to use."""
    return _font()


def _base(letter: str) -> str:
    return "D" if letter == "Đ" else unicodedata.normalize("NFD", letter)[0]


def _marks(draw: ImageDraw.ImageDraw, letter: str, x: float, width: float, ink: Colour) -> None:
    middle = x + width / 2
    top = _MARGIN + _SIZE * 0.27  # a capital's height above the base line is 0.73 of its size
    high = top - 10
    if letter == "Đ":
        y = _MARGIN + _SIZE * 0.64
        draw.line((x - 2, y, x + width * 0.5, y), ink, _STROKE)
    parts = unicodedata.normalize("NFD", letter)[1:]
    if "\u0302" in parts:  # circumflex
        draw.line((middle - 17, high, middle, high - 17, middle + 17, high), ink, _STROKE, "curve")
        high -= 26
    if "\u0306" in parts:  # breve
        draw.arc((middle - 17, high - 22, middle + 17, high + 2), 10, 170, ink, _STROKE)
        high -= 24
    if "\u031b" in parts:  # horn
        draw.arc((x + width - 22, top - 14, x + width + 8, top + 18), -80, 90, ink, _STROKE)
    if "\u0323" in parts:  # dot below
        y = _MARGIN + _SIZE + 16
        draw.ellipse((middle - 7, y - 7, middle + 7, y + 7), ink)
    if "\u0301" in parts:  # acute
        draw.line((middle - 6, high, middle + 12, high - 18), ink, _STROKE)
    if "\u0300" in parts:  # grave
        draw.line((middle + 6, high, middle - 12, high - 18), ink, _STROKE)
    if "\u0309" in parts:  # hook
        draw.arc((middle - 9, high - 24, middle + 9, high - 6), 180, 90, ink, _STROKE - 2)
        draw.line((middle, high - 7, middle, high), ink, _STROKE - 2)
    if "\u0303" in parts:  # tilde
        wave = [(middle - 18, high - 4), (middle - 8, high - 14), (middle + 8, high - 4), (middle + 18, high - 14)]
        draw.line(wave, ink, _STROKE - 1, "curve")
