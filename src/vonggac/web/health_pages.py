"""The page `/health`, and what it asks for again when something changes."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session
from starlette.responses import Response

from vonggac.core.text import fold
from vonggac.shell.doors import Doors
from vonggac.shell.visit import Visit, redirect
from vonggac.video.health import STATE_WORDS, State, health_rows, storage, summary
from vonggac.web.answers import packed_json
from vonggac.web.fault_view import fault_lines
from vonggac.web.health_view import Group, HealthView, Row, health_view

doors = Doors()

SORTS = ("unit", "trouble", "number", "name", "share", "lost", "rate")
VIEWS = ("cards", "table")
FIRST_PAGES = (("wall.use", "/wall"), ("playback.view", "/playback"), ("camera.view", "/cameras"))
"""Verb and address, in the order of the menu; who may none of them starts from `/health`."""
VIEW_COOKIE = "vonggac_view"
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader chose to see; stands in the page's address, so that it can be sent to a colleague."""

    search: str
    state: str
    unit: str
    sort: str
    view: str

    def shows(self, row: Row, group: Group) -> bool:
        """Return whether a camera is among what was chosen."""
        if self.state and row.state != self.state:
            return False
        if self.unit and group.id != self.unit:
            return False
        found = search_text(row, group)
        return all(word in found for word in fold(self.search).split())


def search_text(row: Row, group: Group) -> str:
    """Return in what a camera is searched: number, name, unit and kind, without accents."""
    return fold(f"{row.number} {row.cells['name']} {group.name} {row.cells['kind']}")


@doors.get("/", verb="centre.enter")
async def first_page(visit: Visit) -> Response:
    """Lead to the page that one starts from: the first of the menu that the visitor may use."""
    return redirect(next((path for verb, path in FIRST_PAGES if visit.may(verb)), "/health"))


@doors.get("/health", verb="health.view")
async def health_page(visit: Visit) -> Response:
    """Show what every camera does now."""
    view = await _view(visit)
    choice = _choice(visit)
    return visit.page(
        "health.html",
        view=view,
        choice=choice,
        groups=_arranged(view, choice),
        shown=sum(choice.shows(row, group) for group in view.groups for row in group.rows),
        search_text=search_text,
        states=[state for state in State if any(row.state == state for group in view.groups for row in group.rows)],
        state_words=STATE_WORDS,
        views=VIEWS,
    )


@doors.get("/api/health", verb="health.view")
async def health_json(visit: Visit) -> Response:
    """Return what the page shows, in the reader's words, as JSON."""
    return packed_json(visit, await _view(visit))


async def _view(visit: Visit) -> HealthView:
    limits = visit.shell.settings.storage
    reserve = limits.reserve_mb * _MEGABYTE
    words, now_us, visitor = visit.words, visit.shell.clock.now_us(), visit.known

    def read(session: Session) -> HealthView:
        everything = health_rows(session, now_us)
        rows = [row for row in everything if visitor.may("health.view", row.unit_id)]
        rate = sum(row.bits_per_s for row in everything)
        room = storage(session, reserve, limits.min_days, limits.max_days, bits_per_s=rate)
        view = health_view(words, rows, summary(session, rows), room, now_us)
        view.faults = fault_lines(session, words, lambda fault: visitor.may("health.view", fault.unit_id), now_us)
        return view

    return await visit.shell.database.query(read)


def _choice(visit: Visit) -> Choice:
    asked = visit.request.query_params
    sort, state = asked.get("sort", ""), asked.get("state", "")
    view = visit.request.cookies.get(VIEW_COOKIE, "")
    return Choice(
        search=asked.get("q", "")[:100],
        state=state if state in list(State) else "",
        unit=asked.get("unit", "")[:32],
        sort=sort if sort in SORTS else SORTS[0],
        view=view if view in VIEWS else VIEWS[0],
    )


def _arranged(view: HealthView, choice: Choice) -> list[tuple[Group, list[tuple[Row, Group]]]]:
    """Return the groups as they are shown: by unit, or all cameras in one order."""
    if choice.sort == "unit":
        return [(group, [(row, group) for row in group.rows]) for group in view.groups]
    pairs = [(row, group) for group in view.groups for row in group.rows]
    if choice.sort == "number":
        pairs.sort(key=lambda pair: pair[0].number)
    elif choice.sort == "name":
        pairs.sort(key=lambda pair: pair[0].order["name"])
    else:
        key = "state" if choice.sort == "trouble" else choice.sort
        pairs.sort(key=lambda pair: (pair[0].order[key], pair[0].number))
    return [(Group("", "", "", []), pairs)]
