"""The district that is simulated: the units and cameras of Đức Trọng as of 2021.

What is known and not invented: 102 cameras, 6 of them plate cameras and 96 for overview and pan/scan, spread over the
town and 14 communes (the district's police to the provincial paper, 19 January 2021). Where exactly they hang, and
what they are called, is made up; positions are near the places they name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from urllib.parse import quote

from vonggac.core.errors import VonggacError
from vonggac.core.text import normalise

CAMERAS_LIMIT = 2000
"""The district's own cameras and those of 1,022 residents are 1,124; some more are possible."""

IMPORT_HEADER = ("name", "url", "unit", "kind", "latitude", "longitude", "sub_url")

PLATE_PLACES = {
    "QL20 – cửa ngõ phía Bắc, Hiệp An": "north",
    "QL20 – cửa ngõ phía Nam, Ninh Gia": "south",
    "QL27 – cửa ngõ phía Đông, Hiệp Thạnh": "east",
    "QL27 – cửa ngõ phía Tây, Liên Hiệp": "west",
    "Ngã ba sân bay Liên Khương": "airport",
    "Đường đi Tà Năng": "ta-nang",
}
"""The plate cameras' names, and what their places are called in `journeys.ROADS`."""

_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class SimUnit:
    """A unit of the tree. `parent` is the path of the unit above, empty for the province."""

    code: str
    name: str
    kind: str
    parent: str

    @property
    def path(self) -> str:
        """The codes from the province down: `lam-dong/duc-trong/lien-nghia`."""
        return f"{self.parent}/{self.code}" if self.parent else self.code


@dataclass(frozen=True, slots=True)
class CameraPlace:
    """Where a simulated camera hangs. `unit` is a path, `path` the part of the RTSP address after the port."""

    name: str
    unit: str
    kind: str
    latitude: float
    longitude: float
    scene: str
    path: str


def units() -> list[SimUnit]:
    """Return the tree, parents first; the file itself can be imported with `vonggac unit import`."""
    return [
        SimUnit(row["code"], normalise(row["name"]), row["kind"], row["parent"])
        for row in csv.DictReader(io.StringIO(units_csv()))
    ]


def units_csv() -> str:
    """Return the tree in the format of `vonggac unit import`."""
    return (files(__package__) / "district" / "units.csv").read_text(encoding="utf-8")


def cameras(count: int = 102) -> list[CameraPlace]:
    """Return the first `count` cameras; a small number shows every kind and scene.

    Beyond the district's 102 follow cameras of the self-managed groups, which exist for load tests only. Raises
    VonggacError for a count below 1 or above `CAMERAS_LIMIT`.
    """
    if not 1 <= count <= CAMERAS_LIMIT:
        raise VonggacError(f"The simulated district has 1 to {CAMERAS_LIMIT} cameras, not {count}.")
    text = (files(__package__) / "district" / "cameras.csv").read_text(encoding="utf-8")
    own = [
        CameraPlace(
            normalise(row["name"]),
            row["unit"],
            row["kind"],
            float(row["latitude"]),
            float(row["longitude"]),
            row["scene"],
            _path(number),
        )
        for number, row in enumerate(csv.DictReader(io.StringIO(text)), 1)
    ]
    return own[:count] + list(islice(_groups(own), max(0, count - len(own))))


def cameras_csv(base_url: str, user: str = "", password: str = "", *, count: int = 102, sub: bool = True) -> str:
    """Return the cameras in the format of `vonggac camera import`.

    `base_url` is `rtsp://HOST:PORT`. User and password, where given, stand in the addresses: the text is a secret.
    `sub` says whether the server has sub-streams.
    """
    base = _with_credentials(base_url.rstrip("/"), user, password)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(IMPORT_HEADER)
    for camera in cameras(count):
        url = base + camera.path
        position = (f"{camera.latitude:.5f}", f"{camera.longitude:.5f}")
        table.writerow((camera.name, url, camera.unit, camera.kind, *position, f"{url}/sub" if sub else ""))
    return text.getvalue()


def phase(number: int, period: int) -> int:
    """Return where in a loop of `period` ticks camera `number` begins: any run of cameras is spread evenly."""
    return int(number * _GOLDEN % 1 * period)


def _with_credentials(base: str, user: str, password: str) -> str:
    if not user:
        return base
    scheme, _, rest = base.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def _path(number: int) -> str:
    return f"/cam/{number:03}"


def _groups(own: list[CameraPlace]) -> Iterator[CameraPlace]:
    number = len(own)
    while True:
        near = own[number % len(own)]
        number += 1
        yield CameraPlace(
            f"Tổ tự quản {number:04} – {near.name}",
            near.unit,
            "overview",
            round(near.latitude + (number * _GOLDEN % 1 - 0.5) / 200, 5),
            round(near.longitude + (number * _GOLDEN * _GOLDEN % 1 - 0.5) / 200, 5),
            "road" if near.kind == "plate" else near.scene,
            _path(number),
        )
