"""The page `/wall`, and what it keeps: views, tours, what each person had on it last."""

from __future__ import annotations

import uuid
from typing import Annotated

import msgspec
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from vonggac.core.clock import utc
from vonggac.core.errors import Invalid, NotFound, VonggacError
from vonggac.org import service as units
from vonggac.shell.doors import Doors
from vonggac.shell.visit import Visit, json_response
from vonggac.web import wall_views
from vonggac.web.answers import packed_json
from vonggac.web.wall_views import LAYOUTS, MOST_PLACES, Arrangement, Shown, Wanted
from vonggac.web.wall_words import script_words

doors = Doors()

DWELLS_S = (5, 10, 15, 20, 30, 60, 120, 300, 600)
BODY_LIMIT = 128 * 1024
"""A view of 360 places is 13 kB."""

_Places = Annotated[list[uuid.UUID | None], msgspec.Meta(max_length=MOST_PLACES)]


class SentArrangement(msgspec.Struct):
    """What a page says is on the wall; null is an empty place."""

    layout: int
    cameras: _Places

    def arrangement(self) -> Arrangement:
        """Return it as the views know it."""
        return Arrangement(self.layout, self.cameras)


class SentView(SentArrangement):
    """A view as a page wants it kept. `unit` null: for oneself. `stops`: views of a tour."""

    name: str
    unit: uuid.UUID | None = None
    stops: Annotated[list[uuid.UUID], msgspec.Meta(max_length=wall_views.MOST_STOPS)] = []
    dwell_s: int = 0

    def wanted(self) -> Wanted:
        """Return it as the views know it."""
        return Wanted(self.name, self.unit, self.arrangement(), self.stops, self.dwell_s)


class ListedArrangement(msgspec.Struct):
    """An arrangement as scripts read it: hexadecimal ids, "" for an empty place."""

    layout: int
    cameras: list[str]


class ListedView(ListedArrangement):
    """A view as scripts read it."""

    id: str
    name: str
    unit: str | None
    unit_name: str
    may_change: bool
    stops: list[str]
    dwell_s: int


class Start(ListedArrangement):
    """What a page begins with."""

    view: str | None
    """The view that its address names."""
    lost: bool
    """The address names a view that is not there."""


@doors.get("/wall", verb="wall.use")
async def wall_page(visit: Visit) -> Response:
    """Show live pictures of many cameras."""
    start = await _start(visit)
    return visit.page(
        "wall.html",
        start=start,
        start_json=msgspec.json.encode(start).decode(),
        words_json=msgspec.json.encode(script_words(visit.words)).decode(),
        layouts=LAYOUTS,
        dwells_s=DWELLS_S,
        bare=visit.request.query_params.get("bare") == "1",
    )


@doors.get("/api/wall/views", verb="wall.use")
async def list_views(visit: Visit) -> Response:
    """Return the visitor's views, those of units, and the units for which he may keep some."""
    account_id = visit.known.account_id

    def read(session: Session) -> tuple[list[Shown], list[dict[str, str]]]:
        mine = [
            {"id": branch.unit.id.hex, "name": branch.unit.name}
            for branch in units.tree(session)
            if visit.may("wall.share", branch.unit.id)
        ]
        return wall_views.views(session, account_id, visit.may), mine

    found, mine = await visit.shell.database.query(read)
    return packed_json(visit, {"views": [_listed(view) for view in found], "units": mine})


@doors.post("/api/wall/views", verb="wall.use", body_limit=BODY_LIMIT)
async def keep_view(visit: Visit) -> Response:
    """Keep a new view."""
    sent: SentView = visit.decode(SentView)
    account_id, now = visit.known.account_id, utc(visit.shell.clock.now_us())
    try:
        view_id = await visit.shell.database.run(wall_views.keep, account_id, visit.may, sent.wanted(), now)
    except (Invalid, NotFound) as error:
        return _refused(visit, error)
    return json_response({"id": view_id.hex}, 201)


@doors.post("/api/wall/views/{view_id}", verb="wall.use", body_limit=BODY_LIMIT)
async def change_view(visit: Visit) -> Response:
    """Give a view another content."""
    sent: SentView = visit.decode(SentView)
    account_id, now = visit.known.account_id, utc(visit.shell.clock.now_us())
    view_id = _view_id(visit)
    try:
        await visit.shell.database.run(wall_views.change, view_id, account_id, visit.may, sent.wanted(), now)
    except (Invalid, NotFound) as error:
        return _refused(visit, error)
    return json_response({"id": view_id.hex})


@doors.delete("/api/wall/views/{view_id}", verb="wall.use")
async def delete_view(visit: Visit) -> Response:
    """Delete a view."""
    await visit.shell.database.run(wall_views.delete, _view_id(visit), visit.known.account_id, visit.may)
    return json_response({})


@doors.post("/api/wall/last", verb="wall.use", body_limit=BODY_LIMIT)
async def note_last(visit: Visit) -> Response:
    """Note what is on the wall, for the next time."""
    sent: SentArrangement = visit.decode(SentArrangement)
    account_id, now = visit.known.account_id, utc(visit.shell.clock.now_us())
    try:
        await visit.shell.database.run(wall_views.note_last, account_id, visit.may, sent.arrangement(), now)
    except (Invalid, NotFound) as error:
        return _refused(visit, error)
    return json_response({})


def _refused(visit: Visit, error: VonggacError) -> Response:
    """Say in the officer's language why a view is not kept."""
    return json_response({"error": visit.words.explain(error)}, 404 if isinstance(error, NotFound) else 400)


async def _start(visit: Visit) -> Start:
    asked = visit.request.query_params
    wanted_view, layout = asked.get("view", "")[:64], asked.get("layout", "")[:4]
    names = asked.get("cameras", "")[:20_000].split(",")[:MOST_PLACES]
    account_id = visit.known.account_id

    def read(session: Session) -> Start:
        if wanted_view:
            found = {view.id.hex: view for view in wall_views.views(session, account_id, visit.may)}
            view = found.get(wanted_view.replace("-", "").lower())
            if view is not None:
                return Start(view.arrangement.layout, _hex(view.arrangement), view.id.hex, lost=False)
        elif layout or "cameras" in asked:
            chosen = int(layout) if layout.isascii() and layout.isdecimal() else 0
            places = wall_views.named(session, visit.may, names)
            fitting = next((one for one in LAYOUTS if one >= len(places)), LAYOUTS[-1])
            arranged = Arrangement(chosen if chosen in LAYOUTS else fitting, places)
            return Start(arranged.layout, _hex(arranged), None, lost=False)
        usual = wall_views.last(session, account_id, visit.may) or wall_views.first(session, visit.may)
        return Start(usual.layout, _hex(usual), None, lost=bool(wanted_view))

    return await visit.shell.database.query(read)


def _listed(view: Shown) -> ListedView:
    return ListedView(
        layout=view.arrangement.layout,
        cameras=_hex(view.arrangement),
        id=view.id.hex,
        name=view.name,
        unit=view.unit_id.hex if view.unit_id else None,
        unit_name=view.unit_name,
        may_change=view.may_change,
        stops=[stop.hex for stop in view.stops],
        dwell_s=view.dwell_s,
    )


def _hex(arrangement: Arrangement) -> list[str]:
    return [camera_id.hex if camera_id else "" for camera_id in arrangement.cameras]


def _view_id(visit: Visit) -> uuid.UUID:
    try:
        return uuid.UUID(visit.request.path_params["view_id"])
    except ValueError:
        raise HTTPException(404) from None
