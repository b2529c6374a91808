"""The register as a table: every camera with its record, without user and password, as `csv_import` reads it again."""

from __future__ import annotations

import csv
import io

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.cameras.record import NAMES, written
from vonggac.org import service as org
from vonggac.org.models import Unit

COLUMNS = (
    "number", "name", "url", "unit", "kind", "latitude", "longitude", "sub_url", "transport", "tls_fingerprint", *NAMES,
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection")."""


def export_cameras(session: Session, cameras: list[Camera]) -> str:
    """Return cameras as CSV in UTF-8 with a byte order mark (RFC 4180), in the order given.

    A unit is named by its path. A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    units = {unit.id: unit for unit in session.scalars(sa.select(Unit))}
    paths = {key: "/".join(org.path_codes(session, unit)[1:]) for key, unit in units.items()}
    file = io.StringIO()
    file.write("\ufeff")
    table = csv.writer(file)
    table.writerow(COLUMNS)
    for camera in cameras:
        table.writerow(
            [
                camera.number,
                _safe(camera.name),
                camera.url,
                paths[camera.unit_id],
                camera.kind,
                "" if camera.latitude is None else camera.latitude,
                "" if camera.longitude is None else camera.longitude,
                camera.sub_url,
                camera.transport,
                camera.tls_fingerprint,
                *(_safe(written(getattr(camera, name))) for name in NAMES),
            ]
        )
    return file.getvalue()


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
