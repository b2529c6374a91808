"""The simulated vehicles and their registration plates.

Formats, colours and sizes are those in force since 2025 (Circular 79/2024/TT-BCA; QCVN 08:2024/BCA): a car or lorry has
a long plate of one row in front and a short one of two rows behind, a motorbike one of two rows behind. 49 is Lâm Đồng.
The numbers are made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

SERIES = "ABCDEFGHKLMNPSTUVXYZ"
SECOND = "ABCDEFHKLMNPRSTUVXYZ"
"""The letters of motorbikes' second place: with R, without G."""
PROVINCES = ("49", "49", "49", "49", "48", "86", "51", "79")

Colour = tuple[int, int, int]
BACKGROUNDS: dict[str, tuple[Colour, Colour]] = {
    "white": ((244, 244, 240), (20, 20, 22)),
    "yellow": ((246, 204, 40), (20, 20, 22)),
    "blue": ((26, 74, 170), (248, 248, 248)),
    "red": ((196, 24, 32), (248, 248, 248)),
}
"""Ground and ink: white for people, yellow for transport business, blue for the state, red for the army."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in metres."""

    wide: float
    high: float


LONG, SHORT, MOTORBIKE = Size(0.52, 0.11), Size(0.33, 0.165), Size(0.19, 0.14)


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle of the simulation. `kind` is car, lorry or motorbike; `rows` are the two rows of its plate behind."""

    number: int
    kind: str
    rows: tuple[str, str]
    background: str

    @property
    def plate(self) -> str:
        """The plate as it is written in one line: 49A-123.45, 49-AB 123.45, TH-52-73."""
        top, below = self.rows
        return f"{top} {below}" if self.kind == "motorbike" else f"{top}-{below}"

    def shown(self, *, towards: bool) -> tuple[tuple[str, ...], Size] | None:
        """Return the rows and the size of the plate that is seen; a motorbike has none in front."""
        if self.kind == "motorbike":
            return None if towards else (self.rows, MOTORBIKE)
        return ((self.plate,), LONG) if towards else (self.rows, SHORT)


def fleet(seed: int, count: int) -> list[Vehicle]:
    """Return so many vehicles, the same for the same seed, no plate twice."""
    rng = Random(seed)  # noqa: S311 (a model, not a secret)
    vehicles: list[Vehicle] = []
    known: set[str] = set()
    while len(vehicles) < count:
        vehicle = _vehicle(rng, len(vehicles))
        if vehicle.plate not in known:
            known.add(vehicle.plate)
            vehicles.append(vehicle)
    return vehicles


def _vehicle(rng: Random, number: int) -> Vehicle:
    kind = ("car", "motorbike", "car", "lorry")[number % 4]
    digits = f"{rng.randrange(100, 1000)}.{rng.randrange(100):02}"
    province = rng.choice(PROVINCES)
    if kind == "motorbike":
        return Vehicle(number, kind, (f"{province}-{rng.choice(SERIES)}{rng.choice(SECOND)}", digits), "white")
    if number % 12 == 10:
        army = f"{rng.randrange(10, 100)}-{rng.randrange(10, 100)}"
        return Vehicle(number, kind, (rng.choice(("TH", "KA", "QA")), army), "red")
    background = "yellow" if kind == "lorry" or number % 8 == 2 else "blue" if number % 12 == 6 else "white"
    return Vehicle(number, kind, (f"{province}{rng.choice(SERIES)}", digits), background)
