"""The front of a bank: its sign, its glass doors, its cash machine, the flag. The lens looks along z at it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from vonggac.sim.scenes.drawing import Canvas, Colour, Face, box
from vonggac.sim.scenes.lettering import board

_FRONT = 17.0
_BLUE: Colour = (18, 82, 152)
_WHITE: Colour = (250, 250, 248)
_GLASS: Colour = (96, 138, 158)
_FRAME: Colour = (206, 212, 216)


def draw(canvas: Canvas) -> None:
    """Draw the bank around x = 0, its front 17 m away."""
    canvas.lit(box((0, 0, _FRONT + 5), (17.4, 10.4, 10), (236, 236, 232)))
    canvas.lit(box((0, 10.4, _FRONT + 4.8), (18.2, 0.5, 10.4), (200, 204, 206)))
    for left in np.arange(-7.9, 7.5, 2.7):  # windows of the upper floor
        _pane(canvas, left, left + 2.1, 6.7, 9.5, _GLASS)
        _pane(canvas, left + 1.0, left + 1.1, 6.7, 9.5, _FRAME)
    for left, right in ((-8.2, -4.6), (-3.2, 3.2)):  # the hall behind glass
        _pane(canvas, left, right, 0.5, 3.9, _GLASS)
        _pane(canvas, left, right, 2.9, 3.0, _FRAME)
        for middle in np.arange(left, right + 0.1, 1.6):
            _pane(canvas, middle - 0.05, middle + 0.05, 0.5, 3.9, _FRAME)
    _pane(canvas, -0.75, 0.75, 0.5, 2.9, (52, 66, 74))  # the open door
    _cash_machines(canvas)
    canvas.lit(box((0, 4.1, _FRONT - 0.7), (17.8, 1.9, 1.4), _BLUE))
    name = board("NGÂN HÀNG ĐỨC TRỌNG", _WHITE, _BLUE)
    _sign(canvas, name, 0.0, 5.9, 1.7, _FRONT - 1.42)
    for step in range(3):
        canvas.lit(box((0, 0, _FRONT - 0.5), (8.4 - step * 0.7, 0.16 * (step + 1), 1.9 - step * 0.5), (190, 186, 178)))
    for x in (-8.4, -3.9, 3.9, 8.4):
        canvas.lit(box((x, 0, _FRONT - 1.0), (0.55, 4.1, 0.55), (226, 226, 222)))
    hours = board("GIỜ GIAO DỊCH 7H30 - 16H30", (30, 40, 60), (244, 240, 226))
    _sign(canvas, hours, -6.4, 2.6, 0.42, _FRONT - 0.06)
    _flag(canvas, 9.9, _FRONT - 2.2)


def _cash_machines(canvas: Canvas) -> None:
    _pane(canvas, 4.4, 8.1, 0.3, 4.0, (230, 238, 240))
    for left in (4.9, 6.5):
        _pane(canvas, left, left + 1.1, 0.5, 2.6, (44, 104, 170))
        _pane(canvas, left + 0.2, left + 0.9, 1.7, 2.2, (190, 226, 240))
        _pane(canvas, left + 0.25, left + 0.85, 1.2, 1.45, (70, 74, 80))
    _sign(canvas, board("ATM", _WHITE, (204, 40, 44)), 6.2, 3.85, 1.05, _FRONT - 0.08)


def _flag(canvas: Canvas, x: float, z: float) -> None:
    canvas.line([(x, 0, z), (x, 8.2, z)], (206, 206, 204), 0.09)
    canvas.flat([(x, 8.1, z), (x + 2.1, 7.95, z), (x + 2.1, 6.6, z), (x, 6.7, z)], (214, 32, 38))
    turns = np.arange(10) * np.pi / 5
    star = [
        (x + 1.05 + (0.42 if index % 2 == 0 else 0.17) * np.sin(turn), 7.35 + (0.42, 0.17)[index % 2] * np.cos(turn), z)
        for index, turn in enumerate(turns)
    ]
    canvas.flat(star, (252, 222, 60))


def _pane(canvas: Canvas, left: float, right: float, low: float, high: float, colour: Colour) -> None:
    z = _FRONT - 0.04
    canvas.lit([Face(np.array([(left, high, z), (right, high, z), (right, low, z), (left, low, z)]), colour)])


def _sign(canvas: Canvas, picture: Image.Image, middle: float, top: float, tall: float, z: float) -> None:

    half = tall * picture.width / picture.height / 2
    canvas.sign(
        picture,
        [
            (middle - half, top, z),
            (middle + half, top, z),
            (middle + half, top - tall, z),
            (middle - half, top - tall, z),
        ],
    )
