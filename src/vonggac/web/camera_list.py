"""The cameras and their units as every page with pictures needs them: `GET /api/cameras`."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.responses import Response

from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds
from vonggac.core.text import fold
from vonggac.org import service as units
from vonggac.shell.doors import Doors
from vonggac.shell.models import LookRow
from vonggac.shell.remember import Look
from vonggac.shell.visit import Visit
from vonggac.shell.words import Words
from vonggac.video.health import KIND_WORDS, STATE_WORDS, CameraHealth, health_rows
from vonggac.web.answers import packed_json

doors = Doors()


class ListedUnit(msgspec.Struct):
    """A unit that has cameras of the list, or stands above one that has."""

    id: str
    name: str
    parent: str | None
    """None for the uppermost."""
    sort: int
    """Place in the whole tree: parents first, then by name in the Vietnamese order."""


class ListedCamera(msgspec.Struct):
    """A camera. Times are milliseconds since 1970."""

    id: str
    number: int
    name: str
    folded: str
    """In what it is searched, without accents: number, name, its unit and kind."""
    unit: str
    kind: str
    state: str
    """A `video.health.State`."""
    words: str
    """The state in the reader's words, and why where it does not record."""
    since_ms: int | None
    codec: str
    width: int
    height: int
    has_sub: bool
    looked_ms: int | None
    """When somebody last opened it live."""


class CameraList(msgspec.Struct):
    """The answer."""

    now_ms: int
    updated_ms: int
    """When a recorder last said something; 0 before the first word."""
    units: list[ListedUnit]
    cameras: list[ListedCamera]


@doors.get("/api/cameras", verb="live.view")
async def cameras_json(visit: Visit) -> Response:
    """Return the cameras that the visitor may see live, by unit and name, and their units."""
    words, visitor, now_us = visit.words, visit.known, visit.shell.clock.now_us()

    def read(session: Session) -> CameraList:
        return camera_list(session, words, lambda unit_id: visitor.may("live.view", unit_id), now_us)

    return packed_json(visit, await visit.shell.database.query(read))


def camera_list(session: Session, words: Words, may: Callable[[uuid.UUID], bool], now_us: int) -> CameraList:
    """Return the cameras whose unit `may` be seen, in a reader's words."""
    rows = [row for row in health_rows(session, now_us) if may(row.unit_id)]
    looked, with_sub = _looked(session), _with_sub(session)
    return CameraList(
        now_ms=now_us // 1000,
        updated_ms=max((row.updated_us for row in rows), default=0) // 1000,
        units=_units(session, {row.unit_id for row in rows}),
        cameras=[_camera(row, words, looked.get(row.id), row.id in with_sub) for row in rows],
    )


def _camera(row: CameraHealth, words: Words, looked_us: int | None, has_sub: bool) -> ListedCamera:
    state = words.say(STATE_WORDS[row.state])
    kind = words.say(KIND_WORDS.get(row.kind, row.kind))
    return ListedCamera(
        id=row.id.hex,
        number=row.number,
        name=row.name,
        folded=fold(f"{row.number} {row.name} {row.unit_name} {kind}"),
        unit=row.unit_id.hex,
        kind=row.kind,
        state=row.state.value,
        words=f"{state}: {words.say(row.why)}" if row.why else state,
        since_ms=row.since_us // 1000 or None,
        codec=row.codec,
        width=row.width,
        height=row.height,
        has_sub=has_sub,
        looked_ms=None if looked_us is None else looked_us // 1000,
    )


def _units(session: Session, holding: set[uuid.UUID]) -> list[ListedUnit]:
    branches = [branch.unit for branch in units.tree(session)]
    parents = {unit.id: unit.parent_id for unit in branches}
    wanted: set[uuid.UUID] = set()
    for unit_id in holding:
        above: uuid.UUID | None = unit_id
        while above is not None and above not in wanted:
            wanted.add(above)
            above = parents.get(above)
    return [
        ListedUnit(unit.id.hex, unit.name, unit.parent_id.hex if unit.parent_id else None, place)
        for place, unit in enumerate(branches)
        if unit.id in wanted
    ]


def _looked(session: Session) -> dict[uuid.UUID, int]:
    # One seek in the index for each camera: the table has a row for every look there ever was.
    last = (
        sa.select(sa.func.max(LookRow.at))
        .where(LookRow.camera_id == Camera.id, LookRow.kind == Look.LIVE.value)
        .scalar_subquery()
    )
    found = session.execute(sa.select(Camera.id, last).where(Camera.removed_at.is_(None)))
    return {camera_id: microseconds(at) for camera_id, at in found if at is not None}


def _with_sub(session: Session) -> set[uuid.UUID]:
    return set(session.scalars(sa.select(Camera.id).where(Camera.sub_url != "", Camera.removed_at.is_(None))))
