"""The scenes: a street by day, a market in the morning, a junction in rain, a street at night, a road, a bank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image

from vonggac.sim.scenes import bank_front, buildings, figures, overlays, traffic
from vonggac.sim.scenes.drawing import Canvas, Colour, Light, Patch, Viewpoint, box
from vonggac.sim.scenes.figures import Place
from vonggac.sim.scenes.lettering import board
from vonggac.sim.scenes.traffic import Actor

WIDTH, HEIGHT = 1280, 720

Finish = Callable[[Image.Image, Canvas, list[tuple[Actor, Place]], float], None]

_ASPHALT: Colour = (104, 106, 110)
_PAVEMENT: Colour = (168, 160, 150)
_TWO_WHEELS = (figures.motorbike,)
_FOUR_WHEELS = (figures.car, figures.car, figures.pickup, figures.car)


@dataclass(frozen=True, slots=True)
class Scene:
    """A place: what stands still, who moves, what lies over it all (rain, glow); the sensor's noise in grey levels."""

    name: str
    view: Viewpoint
    light: Light
    backdrop: Callable[[Canvas], None]
    actors: tuple[Actor, ...]
    finish: Finish | None = None
    noise: float = 2.5


def street() -> Scene:
    """A street of the town by day, shop-houses on both sides."""
    rng = Random(25)  # noqa: S311 (a picture, not a secret)
    view = Viewpoint(WIDTH, HEIGHT, (2.6, 6.2, -3.0), 14, -7, 68)

    def backdrop(canvas: Canvas) -> None:
        _town(canvas, Random(7), ((132, 178, 222), (222, 232, 236)))  # noqa: S311
        buildings.clock(canvas, "09:20", -6.6, 5.4, 15.0, 0.9, post=True)

    return Scene("street", view, Light(), backdrop, tuple(_town_traffic(rng)))


def market() -> Scene:
    """A market in the early morning: a low sun, long shadows, stalls, parasols, many people on foot, straw hats."""
    rng = Random(96)  # noqa: S311
    view = Viewpoint(WIDTH, HEIGHT, (0.4, 5.2, -2.5), 16, -2, 66)

    def backdrop(canvas: Canvas) -> None:
        chance = Random(4)  # noqa: S311
        buildings.sky(canvas, (158, 186, 214), (252, 226, 186), chance, 6)
        buildings.ground(canvas, (176, 160, 138), -200, 200)
        buildings.stains(canvas, chance, 120, -9, 9, 45)
        for z in np.arange(4.0, 40.0, 4.6):  # the houses on the right, where the sun is, with gaps between them
            height = chance.uniform(4.0, 8.5)
            buildings.shade(canvas, np.array([(11.5, z), (11.5, z + 4.3)]), height)
        buildings.row_of_houses(canvas, chance, -1, -11.5, first=4, last=60)
        buildings.row_of_houses(canvas, chance, 1, 11.5, first=4, last=60)
        _market_hall(canvas)
        buildings.clock(canvas, "06:40", 0.0, 8.1, 36.6, 1.3)
        for z in (24.0, 20.2, 16.4, 12.6, 8.8, 5.0):
            for x, roof in ((-8.4, (198, 62, 54)), (-4.9, (48, 104, 168)), (4.9, (52, 134, 92)), (8.4, (206, 130, 44))):
                buildings.stall(canvas, chance, x + chance.uniform(-0.2, 0.2), z, roof)
        for x, z, cloth in ((2.5, 30.5, (206, 60, 60)), (-2.6, 22.4, (52, 110, 170)), (2.6, 14.6, (230, 150, 50))):
            buildings.parasol(canvas, chance, x, z, cloth)

    people = [
        *traffic.strollers(rng, [(-1.6, 0.5), (-1.2, 33)], 8, hats=0.5),
        *traffic.strollers(rng, [(1.5, 33), (1.0, 0.5)], 8, hats=0.5),
        *traffic.strollers(rng, [(0.2, 31), (-0.3, 1)], 4, hats=0.35),
        *traffic.strollers(rng, [(-2.6, 34), (-2.2, 27), (2.2, 27), (2.6, 34)], 4, hats=0.4),
        *traffic.stream(rng, [(0.6, 1), (0.3, 34)], _TWO_WHEELS, 1),
    ]
    people += [_at_stall(rng, x, z) for z in (5.0, 8.8, 12.6, 16.4, 20.2) for x in (-4.9, 4.9)]
    light = Light(ambient=0.56, sun=0.56, towards=(0.72, 0.5, -0.48), tint=(1.07, 1.0, 0.87))
    return Scene("market", view, light, backdrop, tuple(people))


def junction() -> Scene:
    """A crossing of two streets in rain; its lights change twice in a loop."""
    rng = Random(31)  # noqa: S311
    view = Viewpoint(WIDTH, HEIGHT, (6.8, 7.6, -6.0), 19, -17, 70)
    light = Light(ambient=0.66, sun=0.1, tint=(0.86, 0.93, 1.0))
    drops = overlays.rain(rng, WIDTH, HEIGHT)
    glow = overlays.glow()

    def backdrop(canvas: Canvas) -> None:
        chance = Random(13)  # noqa: S311
        buildings.sky(canvas, (128, 138, 150), (186, 192, 196), chance, 0)
        buildings.hills(canvas, chance, (138, 150, 156), 300, 26)
        buildings.ground(canvas, (122, 122, 122), -300, 300)
        _wet_road(canvas, chance)
        buildings.row_of_houses(canvas, chance, -1, -12, first=28, last=110)
        buildings.row_of_houses(canvas, chance, 1, 12, first=28, last=110)
        for x in (-62, -56, -50, -44, -38, -32, -26, -20, -14.8, 14.8, 20, 26, 32, 38, 44):
            buildings.house_ahead(canvas, chance, x, 30, 5.4)
        for x in (-12.0, -24.0, 17.0, 29.0):
            buildings.tree(canvas, chance, x, 28.3, 4.8)
        _corners(canvas, chance)
        buildings.clock(canvas, "16:10", 9.0, 6.2, 24.0, 1.2, post=True)

    def finish(image: Image.Image, canvas: Canvas, seen: list[tuple[Actor, Place]], share: float) -> None:
        signal = _signal(canvas, share)
        overlays.mirrored(image, canvas, glow, (-8.2, 3.2, 27.4), signal, wide=0.5)
        for actor, place in seen:
            if place.lamps:
                _wet_lights(image, canvas, glow, actor, place)
        offset = int(share * drops.height * 36) % drops.height
        image.paste((206, 214, 222), (0, 0), overlays.rolled(drops, offset))

    return Scene("junction", view, light, backdrop, tuple(_crossing_traffic(rng)), finish, noise=3.0)


def night() -> Scene:
    """The same kind of street at night, under lamps."""
    rng = Random(17)  # noqa: S311
    view = Viewpoint(WIDTH, HEIGHT, (-2.2, 6.0, -3.0), 14, 7, 68)
    light = Light(ambient=0.2, sun=0.12, tint=(0.95, 0.92, 1.12))
    glow = overlays.glow()

    def backdrop(canvas: Canvas) -> None:
        _town(canvas, Random(40), ((10, 14, 30), (34, 36, 56)), lit=0.3)  # noqa: S311
        lamps = [(x, float(z)) for z in np.arange(114.0, 5.0, -26.0) for x in (-4.4, 4.4)]
        for x, z in lamps:
            overlays.pool_of_light(canvas, x, z)
            overlays.shine(canvas.image, canvas, glow, (x, 7.5, z), 3.2, (255, 206, 130))
        buildings.clock(canvas, "21:30", 6.6, 5.4, 15.0, 0.9, post=True)

    def finish(image: Image.Image, canvas: Canvas, seen: list[tuple[Actor, Place]], share: float) -> None:
        for actor, place in seen:
            if place.lamps and canvas.view.eye[2] + 2 < place.z < 120:
                towards = abs(place.heading) > 90
                two_wheels = actor.painter is figures.motorbike
                end = 0.7 if two_wheels else 2.1
                spots = [
                    place.point(right, 0.7, end if towards else -end)
                    for right in ((0.0,) if two_wheels else (-0.6, 0.6))
                ]
                radius, colour = (1.3, (255, 244, 214)) if towards else (0.7, (255, 40, 30))
                for spot in spots:
                    overlays.shine(image, canvas, glow, spot, radius, colour)

    return Scene("night", view, light, backdrop, tuple(_town_traffic(rng, lamps=True)), finish, noise=5.0)


def road() -> Scene:
    """A trunk road between pines, seen by a plate camera: narrow, low, traffic coming near."""
    rng = Random(20)  # noqa: S311
    view = Viewpoint(WIDTH, HEIGHT, (1.2, 5.4, -4.0), 11, -3, 46)

    def backdrop(canvas: Canvas) -> None:
        chance = Random(3)  # noqa: S311
        buildings.sky(canvas, (120, 172, 222), (226, 236, 238), chance, 9)
        buildings.hills(canvas, chance, (134, 162, 172), 420, 36)
        buildings.hills(canvas, Random(9), (98, 134, 118), 300, 15)  # noqa: S311
        buildings.ground(canvas, (118, 140, 84), -400, 400)
        buildings.ground(canvas, (166, 128, 96), -7.2, 7.2)  # the red soil of the highlands
        buildings.ground(canvas, _ASPHALT, -5.6, 5.6)
        buildings.stains(canvas, chance, 120, -5.2, 5.2, 120)
        for x in (-5.3, 5.3):
            buildings.ground(canvas, (232, 232, 226), x - 0.08, x + 0.08)
        buildings.dashes(canvas, 0.0, (236, 214, 120), 240)
        for z in np.arange(190.0, 18.0, -5.5):
            for side in (-1, 1):
                x = side * (11 + chance.random() * 16)
                buildings.pine(canvas, chance, x, float(z), chance.uniform(6, 11))
        buildings.poles(canvas, 8.6, 24, count=7, apart=30)
        _milestone(canvas)

    heavy = (figures.lorry, figures.coach, figures.car, figures.pickup, figures.car)
    actors = [
        *traffic.stream(rng, [(-2.1, 300), (-2.1, -8)], heavy, 7),
        *traffic.stream(rng, [(2.1, -8), (2.1, 300)], heavy, 6),
        *traffic.stream(rng, [(-4.5, 230), (-4.5, -6)], _TWO_WHEELS, 7),
        *traffic.stream(rng, [(4.5, -6), (4.5, 230)], _TWO_WHEELS, 6),
    ]
    return Scene("road", view, Light(), backdrop, tuple(actors))


def bank() -> Scene:
    """The front of a bank in the afternoon: guard, cash machine, parked motorbikes, customers, long shadows."""
    rng = Random(30)  # noqa: S311
    view = Viewpoint(WIDTH, HEIGHT, (-1.5, 5.0, -5.0), 8, 3, 66)
    light = Light(ambient=0.56, sun=0.55, towards=(-0.66, 0.6, -0.45), tint=(1.05, 1.0, 0.92))

    def backdrop(canvas: Canvas) -> None:
        chance = Random(12)  # noqa: S311
        buildings.sky(canvas, (120, 172, 224), (246, 232, 208), chance, 9)
        buildings.hills(canvas, chance, (134, 160, 168), 300, 26)
        buildings.ground(canvas, (196, 184, 166), -300, 300)
        canvas.flat([(-200, 0, -3), (200, 0, -3), (200, 0, 8.6), (-200, 0, 8.6)], _ASPHALT)
        canvas.flat([(-200, 0, 8.6), (200, 0, 8.6), (200, 0, 8.9), (-200, 0, 8.9)], (214, 208, 196))
        for x in np.arange(-60, 60, 5.0):
            canvas.flat([(x, 0, 4.0), (x + 2.6, 0, 4.0), (x + 2.6, 0, 4.16), (x, 0, 4.16)], (236, 234, 226))
        for x in (-33.5, -28.0, -22.5, -17.0, -11.6, 11.6, 17.0, 22.5, 28.0, 33.5):
            buildings.house_ahead(canvas, chance, x, 17.6, 5.3)
        bank_front.draw(canvas)
        buildings.clock(canvas, "14:45", 7.3, 5.65, 15.5, 1.1)
        for x in (-19.0, 14.0, 24.0):
            buildings.tree(canvas, chance, x, 12.0, 4.8)
        for index in range(7):
            look = traffic.some_look(chance, figures.motorbike)
            figures.paint(figures.parked, look, Place(-8.6 + index * 0.85, 11.6, 12.0), canvas)

    return Scene("bank", view, light, backdrop, tuple(_bank_people(rng)))


def _bank_people(rng: Random) -> list[Actor]:
    blue: Colour = (92, 138, 196)
    people = [
        Actor(figures.guard, figures.Look(blue), _standing(-3.9, 14.4, 180.0)),
        Actor(figures.walker, figures.Look((182, 62, 70), phase=1.0), _standing(7.2, 15.9, 10.0)),
        Actor(figures.walker, figures.Look((64, 104, 158), hat=True, phase=4.0), _standing(7.9, 14.4, 20.0)),
    ]
    for begin, x, colour in ((0.05, -1.2, (232, 226, 214)), (0.5, 1.0, (222, 176, 84)), (0.72, -0.2, (96, 142, 92))):
        look = figures.Look(colour, phase=rng.uniform(0, 6))
        people.append(Actor(figures.walker, look, traffic.halting((x, 9.2), 0.0, [(begin, 0.0), (begin + 0.2, 7.2)])))
    for begin, x in ((0.3, 0.6), (0.85, -0.8)):
        look = figures.Look(rng.choice(traffic.CLOTHES), phase=rng.uniform(0, 6))
        people.append(
            Actor(figures.walker, look, traffic.halting((x, 16.4), 180.0, [(begin, 0.0), (begin + 0.2, 7.2)]))
        )
    return [
        *people,
        *traffic.strollers(rng, [(-30, 10.0), (30, 10.0)], 4),
        *traffic.stream(rng, [(-62, 6.3), (62, 6.3)], (*_TWO_WHEELS, *_TWO_WHEELS, figures.car), 6),
        *traffic.stream(rng, [(62, 2.4), (-62, 2.4)], (*_TWO_WHEELS, *_TWO_WHEELS, figures.car), 5),
    ]


PLACES: dict[str, Callable[[], Scene]] = {
    "street": street,
    "market": market,
    "junction": junction,
    "night": night,
    "road": road,
    "bank": bank,
}


def _town(canvas: Canvas, rng: Random, heaven: tuple[Colour, Colour], lit: float = 0.0) -> None:
    light = canvas.light
    upwards = np.array([0.0, 1.0, 0.0])
    buildings.sky(canvas, *heaven, rng, 0 if lit else 8)
    far = light.on((128, 152, 160), upwards)
    buildings.hills(canvas, rng, far, 380, 42)
    buildings.ground(canvas, light.on(_PAVEMENT, upwards), -300, 300)
    buildings.ground(canvas, light.on(_ASPHALT, upwards), -6.2, 6.2)
    buildings.stains(canvas, rng, 160, -5.8, 5.8)
    for x in (-6.3, 6.3):
        buildings.ground(canvas, light.on((206, 202, 192), upwards), x - 0.14, x + 0.14)
    buildings.dashes(canvas, 0.0, light.on((236, 234, 226), upwards))
    buildings.zebra(canvas, 13.0, -5.8, 5.8)
    buildings.row_of_houses(canvas, rng, -1, -9.6, first=6, last=150, lit=lit)
    buildings.row_of_houses(canvas, rng, 1, 9.6, first=8, last=150, lit=lit)
    for z in (70.0, 48.0, 31.0, 19.0):
        buildings.tree(canvas, rng, -7.6, z, 5.2)
        buildings.tree(canvas, rng, 7.7, z + 7, 4.6)
    buildings.poles(canvas, 7.0, 10, arm=-2.6)
    buildings.poles(canvas, -7.0, 10, arm=2.6)


def _town_traffic(rng: Random, lamps: bool = False) -> list[Actor]:
    few = 0.6 if lamps else 1.0
    return [
        *traffic.stream(rng, [(1.7, -6), (1.7, 210)], _FOUR_WHEELS, round(6 * few), lamps=lamps),
        *traffic.stream(rng, [(-1.7, 210), (-1.7, -6)], _FOUR_WHEELS, round(6 * few), lamps=lamps),
        *traffic.stream(rng, [(4.4, -6), (4.4, 170)], _TWO_WHEELS, round(9 * few), lamps=lamps),
        *traffic.stream(rng, [(-4.4, 170), (-4.4, -6)], _TWO_WHEELS, round(9 * few), lamps=lamps),
        *traffic.strollers(rng, [(7.9, 2), (7.9, 34)], round(5 * few)),
        *traffic.strollers(rng, [(-7.9, 34), (-7.9, 2)], round(5 * few)),
    ]


def _corners(canvas: Canvas, rng: Random) -> None:
    """Draw what stands on the pavement at the near corners: kerbs, a fruit seller, parked motorbikes, trees."""
    kerb: Colour = (176, 178, 176)
    for side in (-1, 1):
        edge, back = side * 7.0, side * 7.3
        canvas.flat([(edge, 0, -4), (back, 0, -4), (back, 0, 14), (edge, 0, 14)], kerb)
        canvas.flat([(edge, 0, 13.7), (side * 200, 0, 13.7), (side * 200, 0, 14), (edge, 0, 14)], kerb)
    buildings.tree(canvas, rng, -20.0, 11.5, 5.0)
    for x in (-17.4, -15.9, -14.4, -12.9):
        look = traffic.some_look(rng, figures.motorbike)
        figures.paint(figures.parked, look, Place(x, 12.0, 18.0), canvas)
    buildings.stall(canvas, rng, 11.4, 9.6, (54, 104, 176))
    buildings.tree(canvas, rng, 15.5, 11.2, 4.6)


def _crossing_traffic(rng: Random) -> list[Actor]:
    # Half of the loop the street ahead may go (0 to 0.46), then the one across (0.5 to 0.96).
    return [*_ahead(rng), *_across(rng), *_on_foot(rng)]


def _on_foot(rng: Random) -> list[Actor]:
    """People who cross while the street ahead waits."""
    actors = []
    for index, (begin, z) in enumerate(((0.56, 11.2), (0.6, 10.4), (0.63, 29.8))):
        heading, start = (90.0, -8.6) if index % 2 == 0 else (-90.0, 8.6)
        marks = [(begin, 0.0), (begin + 0.3, 17.2)]
        look = figures.Look(rng.choice(traffic.CLOTHES), rng.choice(traffic.CAPES), phase=rng.uniform(0, 6))
        painter = figures.walker if index == 1 else figures.under_umbrella
        actors.append(Actor(painter, look, traffic.halting((start, z), heading, marks)))
    for x, z, heading in ((-9.6, 11.6, 80.0), (-10.8, 12.4, 30.0), (9.4, 12.3, -60.0), (8.8, 28.6, 200.0)):
        look = figures.Look(rng.choice(traffic.CLOTHES), rng.choice(traffic.CAPES), phase=rng.uniform(0, 6))
        actors.append(Actor(figures.under_umbrella, look, _standing(x, z, heading)))
    return actors


def _ahead(rng: Random) -> list[Actor]:
    actors: list[Actor] = []
    for lane, heading, start in ((2.2, 0.0, -14.0), (-2.2, 180.0, 92.0)):
        stop = 19.5 if heading == 0 else 57.5
        for place, (painter, aside) in enumerate(
            (
                (figures.car, 0.0),
                (figures.motorbike, 2.4 if heading == 0 else -2.4),
                (figures.pickup, 0.0),
                (figures.motorbike, 2.2 if heading == 0 else -2.2),
            )
        ):
            queue = stop - (place // 2) * 7.5 - (0 if painter is figures.motorbike else 0.8)
            go = 1.02 + (place // 2) * 0.035
            marks = [(0.58 + place * 0.06, 0.0), (0.84 + place * 0.03, queue), (go, queue), (go + 0.3, 112.0)]
            look = traffic.some_look(rng, painter, rain=True)
            at = traffic.halting((lane + aside, start), heading, marks, lamps=True)
            actors.append(Actor(painter, look, at))
    return actors


def _across(rng: Random) -> list[Actor]:
    actors: list[Actor] = []
    for lane, heading, start in ((18.2, 90.0, -62.0), (22.4, -90.0, 62.0)):
        for place, painter in enumerate((figures.motorbike, figures.car, figures.motorbike, figures.lorry)):
            aside = (-1.9 if heading > 0 else 1.9) if painter is figures.motorbike else 0.0
            queue = 49.0 - (place // 2) * 8.0 - (0 if painter is figures.motorbike else 1.5)
            go = 0.52 + (place // 2) * 0.035
            marks = [(0.08 + place * 0.06, 0.0), (0.34 + place * 0.03, queue), (go, queue), (go + 0.32, 124.0)]
            look = traffic.some_look(rng, painter, rain=True)
            actors.append(Actor(painter, look, traffic.halting((start, lane + aside), heading, marks, lamps=True)))
    return actors


def _wet_lights(image: Image.Image, canvas: Canvas, glow: Image.Image, actor: Actor, place: Place) -> None:
    """Light up the lamps that are turned to the lens, and their streaks on the wet road."""
    ahead = np.array(place.point(0, 0, 1)) - np.array(place.point(0, 0, 0))
    towards = bool(ahead @ (canvas.view.eye - np.array([place.x, 0.0, place.z])) > 0)
    two_wheels = actor.painter is figures.motorbike
    end = 0.8 if two_wheels else 2.1
    colour: Colour = (255, 244, 214) if towards else (255, 60, 44)
    for right in (0.0,) if two_wheels else (-0.6, 0.6):
        spot = place.point(right, 0.7, end if towards else -end)
        overlays.shine(image, canvas, glow, spot, 0.9 if towards else 0.5, colour)
        overlays.mirrored(image, canvas, glow, spot, colour)


def _wet_road(canvas: Canvas, rng: Random) -> None:
    wet: Colour = (74, 80, 88)
    buildings.ground(canvas, wet, -7, 7)
    canvas.flat([(-200, 0, 14), (200, 0, 14), (200, 0, 26.5), (-200, 0, 26.5)], wet)
    buildings.dashes(canvas, 0.0, (196, 200, 204), 8)
    canvas.flat([(-0.1, 0, 34), (0.1, 0, 34), (0.1, 0, 150), (-0.1, 0, 150)], (196, 200, 204))
    for near in (9.6, 28.4):
        buildings.zebra(canvas, near, -6.6, 6.6, 2.8)
    for _ in range(46):  # puddles mirror the sky
        x, z = rng.uniform(-16, 16), rng.uniform(3, 40)
        if abs(x) > 7 and not 14 < z < 26:
            continue
        turn = np.linspace(0, 2 * np.pi, 14)
        wide, long = rng.uniform(0.4, 1.6), rng.uniform(0.3, 0.9)
        canvas.flat(
            [(x + wide * np.cos(a), 0, z + long * np.sin(a)) for a in turn], (176, 186, 196), rng.uniform(0.12, 0.32)
        )


def _signal(canvas: Canvas, share: float) -> Colour:
    """Draw a traffic light, which counts for the street ahead, and return the colour that it shows."""
    x, z = -8.2, 27.6
    states = ((0.0, 2), (0.46, 1), (0.5, 0), (1.0, 0))
    lit = next(state for begin, state in reversed(states) if share >= begin)
    faces = [
        *box((x, 0, z), (0.16, 5.4, 0.16), (120, 122, 126)),
        *box((x, 4.0, z - 0.1), (0.62, 1.9, 0.3), (34, 36, 38)),
    ]
    extent = canvas.extent(np.array([(x - 1, 0, z), (x + 1, 7, z)]))
    colours: tuple[Colour, ...] = ((236, 48, 40), (244, 190, 40), (60, 214, 110))
    if extent is None:
        return colours[lit]
    patch = Patch(canvas, extent)
    patch.lit(faces)
    for index, colour in enumerate(colours):
        on = index == lit
        tone: Colour = colour if on else (58, 52, 50)
        spot = (x, 5.6 - index * 0.58, z - 0.3)
        if on:
            patch.ball(spot, 0.5, colour, 0.22)
        patch.ball(spot, 0.23, tone)
    patch.finish()
    return colours[lit]


def _market_hall(canvas: Canvas) -> None:
    canvas.lit(box((0, 0, 44), (26, 6.5, 14), (150, 70, 56), (226, 206, 160)))
    canvas.lit(box((0, 6.5, 44), (27, 2.2, 15), (158, 66, 52), taper=0.72))
    for x in (-9.0, -4.5, 4.5, 9.0):
        canvas.flat([(x - 1.6, 0, 36.9), (x + 1.6, 0, 36.9), (x + 1.6, 4, 36.9), (x - 1.6, 4, 36.9)], (82, 68, 60))
    canvas.flat([(-2.4, 0, 36.9), (2.4, 0, 36.9), (2.4, 4.6, 36.9), (-2.4, 4.6, 36.9)], (58, 50, 46))
    sign = board("CHỢ ĐỨC TRỌNG", (255, 232, 120), (176, 30, 36))
    canvas.sign(sign, [(-5, 6.6, 36.8), (5, 6.6, 36.8), (5, 5.0, 36.8), (-5, 5.0, 36.8)])


def _standing(x: float, z: float, heading: float) -> Callable[[float], Place]:
    place = Place(x, z, heading)
    return lambda _: place


def _at_stall(rng: Random, x: float, z: float) -> Actor:
    side = 1 if x < 0 else -1
    look = figures.Look(rng.choice(traffic.CLOTHES), hat=rng.random() < 0.6, phase=rng.uniform(0, 6))
    place = Place(x + side * 1.9, z + rng.uniform(-0.4, 0.4), -90.0 * side + rng.uniform(-20, 20))
    wander = rng.uniform(0, 6.28)

    def at(share: float) -> Place:
        sway = 0.06 * float(np.sin(2 * np.pi * 3 * share + wander))
        return Place(place.x + sway, place.z + sway / 2, place.heading + sway * 160)

    return Actor(figures.walker, look, at)


def _milestone(canvas: Canvas) -> None:
    canvas.lit(box((7.4, 0, 16), (0.6, 0.75, 0.25), (206, 60, 50), (236, 236, 230)))
    sign = board("QL20", (60, 60, 60), (236, 236, 230))
    canvas.sign(sign, [(7.14, 0.55, 15.86), (7.66, 0.55, 15.86), (7.66, 0.25, 15.86), (7.14, 0.25, 15.86)])
