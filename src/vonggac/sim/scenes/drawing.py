"""Drawing a place as a camera on a pole sees it: points in metres to pixels, flat faces with light on them.

The world: x to the right, y up, z away from the pole's foot, in metres. Faces are polygons; what is nearer is drawn
later. Nothing here knows what it draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, radians, sin, tan
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Points: TypeAlias = NDArray[np.float64]
Colour: TypeAlias = tuple[int, int, int]

NEAR = 0.6
"""What is nearer to the lens than this, in metres, is cut off."""


@dataclass(frozen=True, slots=True)
class Light:
    """How bright faces are: `ambient` everywhere, and `sun` more for those that face `towards` it. Tint: per colour."""

    ambient: float = 0.62
    sun: float = 0.45
    towards: tuple[float, float, float] = (-0.45, 0.75, -0.48)
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def thrown(self, height: float) -> tuple[float, float]:
        """Return how far to the right and away the shadow of what is so high falls on the ground, in metres."""
        right, up, away = self.towards
        return -right / up * height, -away / up * height

    def on(self, colour: Colour, normal: Points) -> Colour:
        """Return the colour of a lit face; `normal` has length 1."""
        strength = self.ambient + self.sun * max(0.0, float(normal @ np.asarray(self.towards)))
        red, green, blue = (min(255, int(part * strength * tint)) for part, tint in zip(colour, self.tint, strict=True))
        return red, green, blue


@dataclass(frozen=True, slots=True)
class Face:
    """A flat polygon, its corners (n, 3) in metres, counter-clockwise seen from outside."""

    corners: Points
    colour: Colour
    glows: bool = False
    """Shines by itself: a lamp, a lit window."""


_CORNERS = 8
"""Faces of a solid are kept with so many corners, the last one repeated, so that they fit one array."""


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """Faces that are drawn together in their order: corners (n, 8, 3), normals and colours (n, 3), glows (n,)."""

    corners: Points
    normals: Points
    colours: Points
    glows: NDArray[np.bool_]

    @classmethod
    def of(cls, faces: Sequence[Face]) -> Solid:
        """Gather faces of at most eight corners."""
        corners = [
            np.concatenate([face.corners, np.repeat(face.corners[-1:], _CORNERS - len(face.corners), axis=0)])
            for face in faces
        ]
        normals = [np.cross(face.corners[1] - face.corners[0], face.corners[2] - face.corners[0]) for face in faces]
        return cls(
            np.array(corners),
            np.array([normal / (np.sqrt(normal @ normal) or 1.0) for normal in normals]),
            np.array([face.colour for face in faces], np.float64),
            np.array([face.glows for face in faces]),
        )


class Viewpoint:
    """A lens: where it hangs, where it looks, how wide, and onto how many pixels."""

    def __init__(
        self, width: int, height: int, eye: tuple[float, float, float], down: float, right: float, across: float
    ) -> None:
        """`eye` in metres; `down` and `right` turn the lens, `across` is its horizontal field, all in degrees."""
        self.width, self.height = width, height
        self.eye = np.asarray(eye, np.float64)
        pitch, yaw = radians(down), radians(right)
        self._axes = np.array(
            [
                [cos(yaw), 0.0, -sin(yaw)],
                [sin(yaw) * sin(pitch), cos(pitch), cos(yaw) * sin(pitch)],
                [sin(yaw) * cos(pitch), -sin(pitch), cos(yaw) * cos(pitch)],
            ]
        )
        self.focal = width / 2 / tan(radians(across) / 2)
        self.middle = np.array([width / 2, height / 2])

    def scaled(self, factor: int) -> Viewpoint:
        """Return the same lens with more pixels."""
        other = object.__new__(Viewpoint)
        other.width, other.height = self.width * factor, self.height * factor
        other.eye, other._axes = self.eye, self._axes
        other.focal, other.middle = self.focal * factor, self.middle * factor
        return other

    def seen(self, corners: Points) -> Points:
        """Return points (n, 3) as the lens has them: to the right, up, and away from it, in metres."""
        seen: Points = (corners - self.eye) @ self._axes.T
        return seen

    def pixels(self, seen: Points) -> Points:
        """Return where points that lie before the lens fall, (n, 2) in pixels from the top left."""
        scale = self.focal / seen[:, 2]
        return np.stack([self.middle[0] + seen[:, 0] * scale, self.middle[1] - seen[:, 1] * scale], axis=1)

    def polygon(self, corners: Points) -> Points:
        """Return the outline in pixels of what of a polygon lies before the lens; (0, 2) when nothing does."""
        seen = self.seen(corners)
        if (seen[:, 2] >= NEAR).all():
            return self.pixels(seen)
        kept: list[Points] = []
        for here, after in zip(seen, np.roll(seen, -1, axis=0), strict=True):
            if here[2] >= NEAR:
                kept.append(here)
            if (here[2] >= NEAR) != (after[2] >= NEAR):
                kept.append(here + (after - here) * ((NEAR - here[2]) / (after[2] - here[2])))
        return self.pixels(np.array(kept)) if len(kept) > 2 else np.empty((0, 2))


class Canvas:
    """A picture that is drawn on from far to near."""

    def __init__(self, image: Image.Image, view: Viewpoint, light: Light) -> None:
        self.image, self.view, self.light = image, view, light
        self.draw = ImageDraw.Draw(image, "RGBA")
        self._origin = np.zeros(2)

    def flat(self, corners: Iterable[Sequence[float]], colour: Colour, opacity: float = 1.0) -> None:
        """Fill a polygon given in metres with the colour as it is, whatever the light."""
        outline = self.view.polygon(np.asarray(list(corners), np.float64))
        self._fill(outline, colour, opacity)

    def lit(self, faces: Sequence[Face]) -> None:
        """Fill those faces that are turned towards the lens, in the order given."""
        self.solid(Solid.of(faces))

    def solid(self, solid: Solid, x: float = 0.0, z: float = 0.0, heading: float = 0.0) -> None:
        """Fill the faces that are turned towards the lens; the solid is turned to the right and moved first."""
        angle = radians(heading)
        turn = np.array([[cos(angle), 0, -sin(angle)], [0, 1, 0], [sin(angle), 0, cos(angle)]])
        corners = solid.corners @ turn + (x, 0.0, z)
        normals = solid.normals @ turn
        turned = ((self.view.eye - corners[:, 0]) * normals).sum(axis=1) > 0
        strength = self.light.ambient + self.light.sun * np.maximum(0, normals @ self.light.towards)
        colours = np.minimum(255, solid.colours * strength[:, None] * self.light.tint)
        colours = np.where(solid.glows[:, None], solid.colours, colours).astype(int).tolist()
        seen = self.view.seen(corners.reshape(-1, 3))
        if (seen[:, 2] < NEAR).any():
            for index in np.flatnonzero(turned):
                self._fill(self.view.polygon(corners[index]), tuple(colours[index]))
            return
        outlines = (self.view.pixels(seen) - self._origin).reshape(len(corners), -1).tolist()
        for index in np.flatnonzero(turned):
            self.draw.polygon(outlines[index], tuple(colours[index]))

    def ball(
        self, centre: Sequence[float], radius: float, colour: Colour, opacity: float = 1.0, flat: float = 1.0
    ) -> None:
        """Fill a disc that faces the lens; `flat` is its height over its width."""
        seen = self.view.seen(np.asarray([centre], np.float64))
        if seen[0, 2] < NEAR:
            return
        x, y = self.view.pixels(seen)[0] - self._origin
        size = radius * self.view.focal / seen[0, 2]
        self.draw.ellipse((x - size, y - size * flat, x + size, y + size * flat), (*colour, int(opacity * 255)))

    def line(self, path: Iterable[Sequence[float]], colour: Colour, metres: float, opacity: float = 1.0) -> None:
        """Draw a line through points before the lens, at least one pixel wide."""
        seen = self.view.seen(np.asarray(list(path), np.float64))
        seen = seen[seen[:, 2] >= NEAR]
        if len(seen) < 2:
            return
        wide = max(1, round(metres * self.view.focal / float(seen[:, 2].mean())))
        spots = [tuple(spot) for spot in self.view.pixels(seen) - self._origin]
        self.draw.line(spots, (*colour, int(opacity * 255)), wide)

    def sign(self, board: Image.Image, corners: Iterable[Sequence[float]]) -> None:
        """Paste a picture onto four corners in metres: top left, top right, bottom right, bottom left."""
        outline = self.view.polygon(np.asarray(list(corners), np.float64))
        if len(outline) != 4:
            return
        low = np.floor(outline.min(axis=0)).astype(int)
        width, height = (np.ceil(outline.max(axis=0)).astype(int) - low).tolist()
        if not (0 < width <= 4096 and 0 < height <= 4096):
            return
        source = np.array([[0, 0], [board.width, 0], [board.width, board.height], [0, board.height]], np.float64)
        warped = board.convert("RGBA").transform(
            (width, height),
            Image.Transform.PERSPECTIVE,
            _perspective(outline - low, source),
            Image.Resampling.BICUBIC,
        )
        self.image.paste(warped, (int(low[0]), int(low[1])), warped)

    def extent(self, corners: Points) -> tuple[int, int, int, int] | None:
        """Return the part of the picture that these corners span in pixels, None where they are out of it."""
        seen = self.view.seen(corners)
        if (seen[:, 2] < NEAR).any():
            return None
        spots = self.view.pixels(seen)
        low = np.maximum(np.floor(spots.min(axis=0) - 1), 0).astype(int)
        high = np.minimum(np.ceil(spots.max(axis=0) + 1), self.image.size).astype(int)
        if (high - low < 2).any():
            return None
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def _fill(self, outline: Points, colour: Colour, opacity: float = 1.0) -> None:
        if len(outline) < 3:
            return
        spots = (outline - self._origin).ravel().tolist()
        self.draw.polygon(spots, colour if opacity >= 1 else (*colour, int(opacity * 255)))


class Patch(Canvas):
    """A part of another canvas at twice its resolution: smooth edges where something moves, and only there."""

    FINER = 2

    def __init__(self, whole: Canvas, box: tuple[int, int, int, int]) -> None:
        part = whole.image.crop(box)
        finer = part.resize((part.width * self.FINER, part.height * self.FINER), Image.Resampling.NEAREST)
        super().__init__(finer, whole.view.scaled(self.FINER), whole.light)
        self._origin = np.asarray(box[:2], np.float64) * self.FINER
        self._whole, self._box = whole, box

    def finish(self) -> None:
        """Put the part back where it came from."""
        self._whole.image.paste(self.image.reduce(self.FINER), self._box[:2])


def box(
    centre: tuple[float, float, float],
    size: tuple[float, float, float],
    colour: Colour,
    sides: Colour | None = None,
    taper: float = 1.0,
) -> list[Face]:
    """Return the five upper faces of a box: `centre` of its base, `size` along x, y and z.

    `sides` colours all but the top; the top is `taper` times as large as the base.
    """
    x, y, z = centre
    half_x, half_z = size[0] / 2, size[2] / 2
    base = np.array([[-half_x, 0, -half_z], [half_x, 0, -half_z], [half_x, 0, half_z], [-half_x, 0, half_z]])
    top = base * [taper, 1, taper] + [0, size[1], 0]
    move = np.array([x, y, z])
    base, top = base + move, top + move
    around = sides or colour
    faces = [Face(np.array([base[i], top[i], top[(i + 1) % 4], base[(i + 1) % 4]]), around) for i in (2, 1, 3, 0)]
    return [*faces, Face(top[::-1].copy(), colour)]


def _perspective(target: Points, source: Points) -> tuple[float, ...]:
    """Return the eight coefficients that Pillow wants: from a pixel of the target to one of the source."""
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solution = np.linalg.solve(np.array(rows), source.ravel())
    return tuple(float(number) for number in solution)
