"""The registry of a demonstration: the simulated district's units and cameras, brought in line with every start.

The simulator's port and passwords may change from start to start, the cameras' numbers and recordings must not.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras import service
from vonggac.cameras.address import Credentials, StreamAddress
from vonggac.cameras.models import Camera
from vonggac.cameras.schemas import CameraChanges, NewCamera
from vonggac.core.secrets import SecretBox
from vonggac.org import service as org
from vonggac.org.csv_table import parse_table
from vonggac.org.units_csv import OPTIONAL, REQUIRED, import_rows
from vonggac.sim import district

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SimulatedCameras:
    """Where the simulator serves its cameras."""

    address: str
    """`rtsp://127.0.0.1:PORT`."""
    user: str
    password: str = field(repr=False)
    count: int
    sub_streams: bool


def add_units(session: Session) -> None:
    """Add the district's units; those that are there stay as they are."""
    rows = parse_table(district.units_csv().encode(), "the simulated district", REQUIRED, OPTIONAL)
    known = {branch.unit.code for branch in org.tree(session)}
    import_rows(session, [row for row in rows if row["code"] not in known], "the simulated district")


def match_cameras(session: Session, box: SecretBox, simulated: SimulatedCameras) -> set[uuid.UUID]:
    """Add the simulator's cameras, give those of an earlier start their new addresses, switch off the others.

    Cameras that somebody added to the demonstration by hand are left alone. Returns the keys of those that are to be
    recorded now.
    """
    there = {
        urlsplit(camera.url).path: camera
        for camera in session.scalars(sa.select(Camera).where(Camera.removed_at.is_(None)))
        if urlsplit(camera.url).hostname == HOST
    }
    credentials = Credentials(simulated.user, simulated.password)
    news: list[NewCamera] = []
    keys: set[uuid.UUID] = set()
    for place in district.cameras(simulated.count):
        url = simulated.address + place.path
        address = StreamAddress(url, credentials)
        sub_address = StreamAddress(f"{url}/sub", credentials) if simulated.sub_streams else StreamAddress("")
        if (camera := there.pop(place.path, None)) is not None:
            keys.add(camera.id)
            changes = CameraChanges(address=address, sub_address=sub_address, credentials=credentials, enabled=True)
            service.edit_camera(session, box, camera, changes)
            continue
        news.append(
            NewCamera(
                name=place.name,
                address=address,
                unit_id=org.find_unit(session, place.unit).id,
                kind=place.kind,
                sub_address=sub_address if sub_address.url else None,
                latitude=place.latitude,
                longitude=place.longitude,
            )
        )
    ours = {place.path for place in district.cameras(district.CAMERAS_LIMIT)}
    for path, camera in there.items():
        if path in ours:
            service.edit_camera(session, box, camera, CameraChanges(enabled=False))
    return keys | {camera.id for camera in service.add_cameras(session, box, news)}
