"""What people arrange on the wall: named views, tours, and what each had on it last.

A view belongs to who made it, or to a unit: then all have it who may use the wall there, and whoever may share there
changes it. Functions take a session and never commit; `May` says what the asking person may do on a unit.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core import text
from vonggac.core.errors import Invalid, NotFound
from vonggac.core.i18n import N_
from vonggac.core.ids import new_id
from vonggac.org.models import Unit
from vonggac.web.models import WallLast, WallView

LAYOUTS = (1, 4, 9, 16, 25, 36)
DEFAULT_LAYOUT = 9
NAME_LENGTH = 100
MOST_PLACES = 360
"""Ten pages of the largest layout."""
MOST_STOPS = 50
MOST_VIEWS_EACH = 200
SHORTEST_DWELL_S = 5
LONGEST_DWELL_S = 600

May = Callable[[str, uuid.UUID], bool]
"""Whether who asks may do a verb on a unit."""
Places = list[uuid.UUID | None]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How many tiles at once, and which camera in each place (None: empty); more places than tiles are pages."""

    layout: int
    cameras: Places


@dataclass(frozen=True, slots=True)
class Wanted:
    """A view as somebody wants it kept."""

    name: str
    unit_id: uuid.UUID | None
    arrangement: Arrangement
    stops: list[uuid.UUID] = field(default_factory=list)
    dwell_s: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """A view as somebody sees it: cameras he may not see are empty places."""

    id: uuid.UUID
    name: str
    unit_id: uuid.UUID | None
    unit_name: str
    may_change: bool
    arrangement: Arrangement
    stops: list[uuid.UUID]
    dwell_s: int


def views(session: Session, account_id: uuid.UUID, may: May) -> list[Shown]:
    """Return the views that somebody has: his own first, then those of units, each by name in Vietnamese order."""
    query = (
        sa.select(WallView, Unit.name)
        .outerjoin(Unit, Unit.id == WallView.unit_id)
        .where(sa.or_(WallView.unit_id.is_not(None), WallView.account_id == account_id))
        .order_by(Unit.name_sort.is_not(None), Unit.name_sort, WallView.name_sort, WallView.id)
    )
    found = [(row, name) for row, name in session.execute(query) if row.unit_id is None or may("wall.use", row.unit_id)]
    seen = {row.id for row, _ in found}
    visible = _visible(session, may)
    return [
        Shown(
            id=row.id,
            name=row.name,
            unit_id=row.unit_id,
            unit_name=unit_name or "",
            may_change=_may_change(row, account_id, may),
            arrangement=Arrangement(row.layout, _only(_places(row.cameras), visible)),
            stops=[stop for stop in _stops(row.stops) if stop in seen],
            dwell_s=row.dwell_s,
        )
        for row, unit_name in found
    ]


def keep(session: Session, account_id: uuid.UUID, may: May, wanted: Wanted, now: datetime) -> uuid.UUID:
    """Keep a new view; returns its id. Invalid where it breaks a rule, NotFound where it names what is not there."""
    held = session.scalar(sa.select(sa.func.count()).where(WallView.account_id == account_id))
    if (held or 0) >= MOST_VIEWS_EACH:
        raise Invalid(
            N_("There are {most} views of yours already. Delete one that nobody needs."), most=MOST_VIEWS_EACH
        )
    _may_keep(session, wanted.unit_id, may)
    row = WallView(id=new_id(), account_id=account_id)
    _write(session, row, account_id, may, wanted, now)
    session.add(row)
    session.flush()
    return row.id


def change(
    session: Session, view_id: uuid.UUID, account_id: uuid.UUID, may: May, wanted: Wanted, now: datetime
) -> None:
    """Give a view another content; places whose camera the person does not see stay as they are."""
    row = _own(session, view_id, account_id, may)
    _may_keep(session, wanted.unit_id, may)
    if row.unit_id is not None and wanted.unit_id is None:
        row.account_id = account_id  # taken out of the unit by him, for himself
    _write(session, row, account_id, may, wanted, now)


def delete(session: Session, view_id: uuid.UUID, account_id: uuid.UUID, may: May) -> None:
    """Delete a view; tours go on without it."""
    session.delete(_own(session, view_id, account_id, may))


def last(session: Session, account_id: uuid.UUID, may: May) -> Arrangement | None:
    """Return what somebody last had on the wall; None when he never had anything."""
    row = session.get(WallLast, account_id)
    if row is None:
        return None
    return Arrangement(row.layout, _only(_places(row.cameras), _visible(session, may)))


def note_last(session: Session, account_id: uuid.UUID, may: May, arrangement: Arrangement, now: datetime) -> None:
    """Note what somebody has on the wall."""
    _check(arrangement)
    _must_be_visible(session, may, arrangement.cameras)
    row = {"layout": arrangement.layout, "cameras": _packed(arrangement.cameras), "changed_at": now}
    # Two windows of one person may say it at the same moment.
    insert = (postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert)(WallLast)
    session.execute(
        insert.values(account_id=account_id, **row).on_conflict_do_update(index_elements=["account_id"], set_=row)
    )


def first(session: Session, may: May) -> Arrangement:
    """Return what the wall shows to whoever never arranged it: the first cameras by number."""
    query = sa.select(Camera.id, Camera.unit_id).where(Camera.removed_at.is_(None), Camera.enabled)
    seen: Places = [
        camera_id for camera_id, unit_id in session.execute(query.order_by(Camera.number)) if may("live.view", unit_id)
    ]
    layout = next((one for one in LAYOUTS if one >= len(seen)), DEFAULT_LAYOUT)
    layout = min(layout, DEFAULT_LAYOUT)
    return Arrangement(layout, seen[:layout])


def named(session: Session, may: May, names: Sequence[str]) -> Places:
    """Return the cameras that an address names by number or id; an empty place for each that is not seen."""
    numbers = {int(name) for name in names if name.isascii() and name.isdecimal() and len(name) < 10}
    by_number: dict[int, uuid.UUID] = {}
    if numbers:
        query = sa.select(Camera.number, Camera.id).where(Camera.number.in_(numbers), Camera.removed_at.is_(None))
        by_number = {row.number: row.id for row in session.execute(query)}
    return _only([_named(name, by_number) for name in names], _visible(session, may))


def _named(name: str, by_number: dict[int, uuid.UUID]) -> uuid.UUID | None:
    if name.isascii() and name.isdecimal() and len(name) < 10:
        return by_number.get(int(name))
    try:
        return uuid.UUID(name)
    except ValueError:
        return None


def _write(session: Session, row: WallView, account_id: uuid.UUID, may: May, wanted: Wanted, now: datetime) -> None:
    name = text.one_line(wanted.name)
    if not name or len(name) > NAME_LENGTH:
        raise Invalid(N_("A view needs a name of 1 to {most} letters."), most=NAME_LENGTH)
    _check(wanted.arrangement)
    _must_be_visible(session, may, wanted.arrangement.cameras)
    _check_tour(session, account_id, may, wanted)
    places = list(wanted.arrangement.cameras)
    if row.cameras is not None:
        visible = _visible(session, may)
        for place, camera_id in enumerate(_places(row.cameras)):
            if camera_id is not None and camera_id not in visible and place < len(places) and places[place] is None:
                places[place] = camera_id
    row.name, row.name_sort, row.unit_id = name, text.sort_key(name), wanted.unit_id
    row.layout, row.cameras = wanted.arrangement.layout, _packed(places)
    row.stops = msgspec.json.encode([stop.hex for stop in wanted.stops]).decode()
    row.dwell_s, row.changed_at = wanted.dwell_s, now


def _check(arrangement: Arrangement) -> None:
    if arrangement.layout not in LAYOUTS:
        raise Invalid(
            N_("The wall has {layouts} tiles, not {asked}."),
            layouts=", ".join(map(str, LAYOUTS)),
            asked=arrangement.layout,
        )
    if len(arrangement.cameras) > MOST_PLACES:
        raise Invalid(N_("A view has at most {most} places."), most=MOST_PLACES)


def _check_tour(session: Session, account_id: uuid.UUID, may: May, wanted: Wanted) -> None:
    if wanted.dwell_s and not SHORTEST_DWELL_S <= wanted.dwell_s <= LONGEST_DWELL_S:
        raise Invalid(
            N_("A tour stays {least} to {most} seconds at each stop."), least=SHORTEST_DWELL_S, most=LONGEST_DWELL_S
        )
    if not wanted.stops:
        return
    if not wanted.dwell_s or len(wanted.stops) > MOST_STOPS:
        raise Invalid(N_("A tour has at most {most} stops and stays some seconds at each."), most=MOST_STOPS)
    there = {view.id: view for view in views(session, account_id, may)}
    for stop in wanted.stops:
        if stop not in there or there[stop].stops:
            raise NotFound(N_("A stop of the tour is no view of yours, or is a tour itself."))


def _may_keep(session: Session, unit_id: uuid.UUID | None, may: May) -> None:
    if unit_id is not None and (session.get(Unit, unit_id) is None or not may("wall.share", unit_id)):
        raise NotFound(N_("You may not keep views of that unit."))


def _own(session: Session, view_id: uuid.UUID, account_id: uuid.UUID, may: May) -> WallView:
    row = session.get(WallView, view_id)
    if row is None or not _may_change(row, account_id, may):
        raise NotFound(N_("The view is not there any more, or is not yours to change."))
    return row


def _may_change(row: WallView, account_id: uuid.UUID, may: May) -> bool:
    return row.account_id == account_id if row.unit_id is None else may("wall.share", row.unit_id)


def _visible(session: Session, may: May) -> set[uuid.UUID]:
    found = session.execute(sa.select(Camera.id, Camera.unit_id).where(Camera.removed_at.is_(None)))
    return {camera_id for camera_id, unit_id in found if may("live.view", unit_id)}


def _must_be_visible(session: Session, may: May, places: Places) -> None:
    if {one for one in places if one is not None} - _visible(session, may):
        raise NotFound(N_("A camera of the view is not there, or not yours to see."))


def _only(places: Places, visible: set[uuid.UUID]) -> Places:
    return [one if one in visible else None for one in places]


def _packed(places: Places) -> str:
    kept = list(places)
    while kept and kept[-1] is None:
        kept.pop()
    return msgspec.json.encode([one.hex if one else "" for one in kept]).decode()


def _places(packed: str) -> Places:
    return [uuid.UUID(one) if one else None for one in msgspec.json.decode(packed, type=list[str])]


def _stops(packed: str) -> list[uuid.UUID]:
    return [uuid.UUID(one) for one in msgspec.json.decode(packed, type=list[str])]
