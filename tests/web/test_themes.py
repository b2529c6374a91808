"""The themes can be read: contrast as WCAG 2.2 asks for, computed from the style sheet itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vonggac.web

SHEET = Path(vonggac.web.__file__).parent / "ui" / "themes.css"
GROUNDS = ("ground", "surface", "raised")


def themes() -> dict[str, dict[str, str]]:
    """The colours of each theme."""
    found = {}
    for selector, body in re.findall(r"([^{}]+)\{([^}]+)\}", SHEET.read_text("utf-8")):
        name = re.search(r'data-theme="(\w+)"', selector)
        colours = dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", body))
        if colours:
            found[name[1] if name else "dark"] = colours
    return found


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, definitions)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2, definitions)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["dark", "dim", "light"])
def test_text_can_be_read_on_every_ground(theme: str) -> None:
    colours = themes()[theme]
    for ground in GROUNDS:
        for text in ("text", "muted", "accent", "good", "warn", "bad"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for ground in ("bad-ground", "warn-ground"):
        for text in ("text", "muted", "bad"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5


@pytest.mark.parametrize("theme", ["dark", "dim", "light"])
def test_the_edges_of_controls_can_be_seen(theme: str) -> None:
    colours = themes()[theme]
    for ground in GROUNDS:
        assert contrast(colours["edge"], colours[ground]) >= 3, ground


def test_all_themes_name_the_same_colours() -> None:
    assert set(themes()) == {"dark", "dim", "light"}
    assert len({frozenset(colours) for colours in themes().values()}) == 1
