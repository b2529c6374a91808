"""Which of the simulated cameras somebody means: by number, path, name, unit or street."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vonggac.core.errors import NotFound
from vonggac.core.text import fold
from vonggac.sim.camera import SimCamera


def find(cameras: Iterable[SimCamera], named: str) -> SimCamera:
    """Return the camera with this number ("7" or "007"), path or name. NotFound says what there is."""
    wanted = named.strip()
    similar = []
    for camera in cameras:
        if wanted in (camera.path, camera.path.lstrip("/"), camera.name):
            return camera
        if wanted.isdecimal() and camera.number.isdecimal() and int(wanted) == int(camera.number):
            return camera
        if fold(wanted) in fold(camera.name):
            similar.append(camera)
    if len(similar) == 1:
        return similar[0]
    if similar:
        listed = ", ".join(f"{camera.number} {camera.name}" for camera in similar[:5])
        raise NotFound(f"{len(similar)} simulated cameras are called so: {listed}. Give the number.")
    raise NotFound(f"There is no simulated camera {named!r}. `vonggac sim status` lists them.")


def select(
    cameras: Sequence[SimCamera], named: Sequence[str] = (), unit: str = "", street: str = "", *, everyone: bool = False
) -> list[SimCamera]:
    """Return the cameras that are named, and all of a unit (its path or last code), a street, or the district.

    A camera belongs to a street when its name contains the street's. Raises NotFound when a name, the unit or the
    street has none.
    """
    chosen = {camera.path: camera for camera in (find(cameras, one) for one in named)}
    if unit:
        wanted = unit.strip("/")
        of_unit = [camera for camera in cameras if _within(camera.unit, wanted)]
        if not of_unit:
            units = sorted({camera.unit.rpartition("/")[2] for camera in cameras if camera.unit})
            raise NotFound(f"No simulated camera belongs to a unit {unit!r}. There are: {', '.join(units) or 'none'}.")
        chosen |= {camera.path: camera for camera in of_unit}
    if street:
        on_street = [camera for camera in cameras if fold(street.strip()) in fold(camera.name)]
        if not on_street:
            raise NotFound(f"No simulated camera has {street!r} in its name. `vonggac sim status` lists them.")
        chosen |= {camera.path: camera for camera in on_street}
    if everyone:
        chosen |= {camera.path: camera for camera in cameras}
    return list(chosen.values())


def _within(unit: str, wanted: str) -> bool:
    codes = unit.split("/")
    return unit == wanted or unit.startswith(f"{wanted}/") or wanted in codes
