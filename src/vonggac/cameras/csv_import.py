"""Cameras from a CSV file: all rows or none, every bad row named with its line and reason."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from vonggac.cameras import service
from vonggac.cameras.address import check_credentials
from vonggac.cameras.models import Camera
from vonggac.cameras.record import NAMES, read_record
from vonggac.cameras.schemas import NewCamera, new_camera
from vonggac.core.errors import Invalid, VonggacError
from vonggac.core.secrets import SecretBox
from vonggac.org import service as org
from vonggac.org.csv_table import BadRows, Row, read_table

REQUIRED = ("name", "url")
OPTIONAL = (
    "unit", "kind", "latitude", "longitude", "sub_url", "user", "password", "transport", "tls_fingerprint", "onvif_url",
    *NAMES, "number",
)  # fmt: skip
"""`number` is what `csv_export` writes; it is passed over, since numbers are given once and by the centre."""
_SLICE = 200
"""Cameras between two moves of a progress bar."""


def import_cameras(
    session: Session, box: SecretBox, path: Path, progress: Callable[[int], object] = lambda _done: None
) -> list[Camera]:
    """Add the cameras of a CSV file in its order; BadRows names every fault with its line, and nothing is added.

    `progress` is called with how many more were added.
    """
    news = check_rows(session, read_table(path, REQUIRED, OPTIONAL), str(path))
    cameras: list[Camera] = []
    for start in range(0, len(news), _SLICE):
        part = news[start : start + _SLICE]
        cameras += service.add_cameras(session, box, part)
        progress(len(part))
    return cameras


def check_rows(session: Session, rows: Sequence[Row], source: str) -> list[NewCamera]:
    """Return the cameras of rows; BadRows when one of them breaks a rule or clashes with another."""
    units: dict[str, uuid.UUID | VonggacError] = {}
    faults: list[tuple[int, str]] = []
    checked: list[tuple[int, NewCamera]] = []
    for row in rows:
        named = row["unit"]
        if named not in units:
            try:
                units[named] = org.find_unit(session, named).id
            except VonggacError as unknown:
                units[named] = unknown
        try:
            checked.append((row.line, _read(row, units[named])))
        except VonggacError as fault:
            faults.append((row.line, str(fault)))
    clashes = service.clashes(session, [new for _, new in checked])
    faults += [(line, str(clash)) for (line, _), clash in zip(checked, clashes, strict=True) if clash is not None]
    if faults:
        raise BadRows(source, faults)
    return [new for _, new in checked]


def _read(row: Row, unit: uuid.UUID | VonggacError) -> NewCamera:
    if isinstance(unit, VonggacError):
        raise unit
    new = new_camera(
        name=row["name"],
        url=row["url"],
        unit_id=unit,
        kind=row["kind"],
        sub_url=row["sub_url"],
        onvif_url=row["onvif_url"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        transport=row["transport"],
        tls_fingerprint=row["tls_fingerprint"],
        record=read_record({name: row[name] for name in NAMES}),
    )
    if not row["user"]:
        if row["password"]:
            raise Invalid("There is a password and no user.")
        return new
    return new.with_credentials(check_credentials(row["user"], row["password"]))
