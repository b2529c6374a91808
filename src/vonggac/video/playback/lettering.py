"""Writes Vietnamese text on a strip below a picture, the same on every machine.

The font that Pillow carries knows ASCII alone, and which fonts a server has installed is its own affair. So base
letters come from that font and the marks are drawn beside them: circumflex, breve, horn, bar and the five tones.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

FINE = 3
"""Drawn so many times larger and made small again: marks get smooth edges."""
_GROUND, _INK, _QUIET = (16, 18, 22), (255, 255, 255), (190, 198, 208)
_LEAST_SIZE, _SHARE = 13, 44
"""Letters have a 44th of the picture's width, and never less than 13 pixels."""
_UNKNOWN = "?"
_TONES = "\u0300\u0301\u0303\u0309\u0323"
_HAT, _BREVE, _HORN, _DOT = "\u0302", "\u0306", "\u031b", "\u0323"
_ASCII = {"·": "-", "–": "-", "—": "-", "’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "…": "..."}


def strip_below(picture: Image.Image, first: tuple[str, str], second: tuple[str, str]) -> Image.Image:
    """Return the picture, unchanged, above a strip of two lines, each with something on the left and on the right."""
    size = max(_LEAST_SIZE, picture.width // _SHARE)
    height = round(size * 4.4)
    strip = Image.new("RGB", (picture.width * FINE, height * FINE), _GROUND)
    draw = ImageDraw.Draw(strip)
    margin = size * FINE * 3 // 4
    for line, (left, right), scale, ink in ((1.75, first, 1.0, _INK), (3.55, second, 0.8, _QUIET)):
        room = strip.width - 3 * margin
        letters = size * FINE * scale
        wide = text_width(left, letters) + text_width(right, letters)
        letters *= min(1.0, room / max(1.0, wide))
        base = line * size * FINE
        write(draw, (margin, base), left, letters, ink)
        write(draw, (strip.width - margin - text_width(right, letters), base), right, letters, ink)
    whole = Image.new("RGB", (picture.width, picture.height + height), _GROUND)
    whole.paste(picture, (0, 0))
    whole.paste(strip.resize((picture.width, height), Image.Resampling.LANCZOS), (0, picture.height))
    return whole


def text_width(text: str, size: float) -> float:
    """Return how wide a line is, in pixels."""
    return sum(_font(size).getlength(base) + _horn_width(marks, size) for base, marks in _letters(text))


def write(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: float, ink: tuple[int, int, int]
) -> None:
    """Write one line; `at`: where its base line begins. What no letter stands for becomes a question mark."""
    x, base_line = at
    font = _font(size)
    for base, marks in _letters(text):
        width = font.getlength(base)
        high = base in "bdfhklt" or base.isupper() or base.isdigit()
        dotless = base in "ij" and any(mark != _DOT for mark in marks)
        if dotless:
            _write_dotless(draw, (x, base_line), base, size, ink)
        else:
            draw.text((x, base_line), base, font=font, fill=ink, anchor="ls")
        _Pen(draw, size, ink, x, width, base_line, _CAPITAL if high else _SMALL).marks(marks, base)
        x += width + _horn_width(marks, size)


_CAPITAL, _SMALL = 0.72, 0.54
"""Heights of letters above the base line, of the font's size."""


@lru_cache(maxsize=64)
def _sized(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return _sized(max(4, round(size)))


def _letters(text: str) -> list[tuple[str, str]]:
    """Split a text into letters of the font and the marks on each."""
    found: list[tuple[str, str]] = []
    for letter in unicodedata.normalize("NFC", text):
        if letter in _ASCII:
            found += [(one, "") for one in _ASCII[letter]]
            continue
        if letter in "Đđ":
            found.append(("D" if letter == "Đ" else "d", "bar"))
            continue
        parts = unicodedata.normalize("NFD", letter)
        base, marks = parts[0], parts[1:]
        if base.isascii() and base.isprintable() and all(mark in (*_TONES, _HAT, _BREVE, _HORN) for mark in marks):
            found.append((base, marks))
        else:
            found.append((_UNKNOWN, ""))
    return found


def _horn_width(marks: str, size: float) -> float:
    return size * 0.06 if _HORN in marks else 0.0


def _write_dotless(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], base: str, size: float, ink: tuple[int, int, int]
) -> None:
    """Write an i or j without its dot: where a tone stands."""
    font = _font(size)
    whole = Image.new("L", (round(size), round(size * 1.4)))
    ImageDraw.Draw(whole).text((size * 0.2, size), base, font=font, fill=255, anchor="ls")
    whole.paste(0, (0, 0, whole.width, round(size * (1 - _SMALL - 0.03))))
    draw.bitmap((round(at[0] - size * 0.2), round(at[1] - size)), whole, fill=ink)


class _Pen:
    """Draws the marks of one letter. Lengths are shares of the font's size."""

    def __init__(
        self,
        draw: ImageDraw.ImageDraw,
        size: float,
        ink: tuple[int, int, int],
        x: float,
        width: float,
        base_line: float,
        height: float,
    ) -> None:
        self._draw, self._size, self._ink = draw, size, ink
        self._left, self._right, self._middle = x, x + width, x + width / 2
        self._base_line, self._height = base_line, height
        self._stroke = max(1, round(size * 0.065))

    def marks(self, marks: str, base: str) -> None:
        """Draw them, the vowel's own mark first and the tone beside or above it."""
        if marks == "bar":
            self._bar(base)
            return
        above = self._height + 0.09
        if _HORN in marks:
            self._horn()
        if _HAT in marks:
            self._line((-0.15, above), (0, above + 0.13), (0.15, above))
            above += 0.17
        if _BREVE in marks:
            self._arc((-0.14, above - 0.04, 0.14, above + 0.15), 15, 165)
            above += 0.16
        if _DOT in marks:
            radius, aside = 0.055, 0.2 if base == "y" else 0.0  # beside its tail
            self._ellipse((aside - radius, -0.13 - 2 * radius, aside + radius, -0.13))
        if "\u0301" in marks:
            self._line((-0.05, above), (0.11, above + 0.15))
        if "\u0300" in marks:
            self._line((0.05, above), (-0.11, above + 0.15))
        if "\u0303" in marks:
            wave = ((-0.16, 0.01), (-0.08, 0.09), (0.0, 0.05), (0.08, 0.01), (0.16, 0.1))
            self._line(*((across, above + up) for across, up in wave))
        if "\u0309" in marks:
            self._arc((-0.08, above + 0.03, 0.08, above + 0.19), 180, 90)
            self._line((0, above + 0.04), (0, above - 0.01))

    def _bar(self, base: str) -> None:
        if base == "D":
            self._between(self._left - 0.02 * self._size, self._middle, 0.36)
        else:
            self._between(self._middle - 0.02 * self._size, self._right + 0.06 * self._size, 0.6)

    def _between(self, left: float, right: float, height: float) -> None:
        y = self._base_line - height * self._size
        self._draw.line((left, y, right, y), self._ink, self._stroke)

    def _horn(self) -> None:
        top = self._base_line - self._height * self._size
        right = self._right - 0.05 * self._size
        box = (right - 0.08 * self._size, top - 0.15 * self._size, right + 0.13 * self._size, top + 0.12 * self._size)
        self._draw.arc(box, -60, 90, self._ink, self._stroke)

    def _place(self, x: float, height: float) -> tuple[float, float]:
        return self._middle + x * self._size, self._base_line - height * self._size

    def _line(self, *points: tuple[float, float]) -> None:
        self._draw.line([self._place(*point) for point in points], self._ink, self._stroke, "curve")

    def _box(self, shares: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        left, bottom = self._place(shares[0], shares[1])
        right, top = self._place(shares[2], shares[3])
        return left, top, right, bottom

    def _arc(self, shares: tuple[float, float, float, float], start: float, end: float) -> None:
        self._draw.arc(self._box(shares), start, end, self._ink, self._stroke)

    def _ellipse(self, shares: tuple[float, float, float, float]) -> None:
        self._draw.ellipse(self._box(shares), self._ink)
