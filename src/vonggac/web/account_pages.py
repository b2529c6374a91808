"""The pages `/health/account`: seconds recorded of the seconds that were due, by unit and camera, with the reasons."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from vonggac.cameras.models import Camera
from vonggac.core.text import sort_key
from vonggac.shell.doors import Doors
from vonggac.shell.visit import Visit
from vonggac.video import period
from vonggac.video.account import accounting, csv_tables
from vonggac.video.account.accounting import CameraLine, UnitLine
from vonggac.video.period import Period
from vonggac.web.account_view import FAMILY_WORDS, SORTS, camera_line, gap_line, totals, unit_line

doors = Doors()

T = TypeVar("T")

GAPS_SHOWN = 500
"""Gaps on a camera's page; the CSV file holds all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the reader chose; stands in the page's address, so that it can be sent to a colleague."""

    month: Period
    months: list[str]
    sort: str
    now_us: int

    def query(self, **changed: str) -> str:
        """Return the query of the same page with something else chosen."""
        return "?" + urlencode({"month": self.month.name, "sort": self.sort} | changed)

    @property
    def earlier(self) -> str:
        """The month before; empty where there is none."""
        return self._beside(1)

    @property
    def later(self) -> str:
        """The month after; empty where there is none."""
        return self._beside(-1)

    def _beside(self, step: int) -> str:
        if self.month.name not in self.months:
            return ""
        at = self.months.index(self.month.name) + step
        return self.months[at] if 0 <= at < len(self.months) else ""


@doors.get("/health/account", verb="health.view")
async def account_page(visit: Visit) -> Response:
    """Show a month: the sums, the reasons, every unit and every camera."""
    asked = await _asked(visit)

    def read(session: Session) -> tuple[list[CameraLine], list[UnitLine]]:
        lines = _lines(session, visit, asked)
        return lines, accounting.unit_lines(session, lines)

    lines, units = await visit.shell.database.query(read)
    words = visit.words
    most = max((line.seconds.lacking for line in lines), default=0)
    cameras = [camera_line(words, line, most, place) for place, line in enumerate(lines)]
    if asked.sort == "name":
        cameras.sort(key=lambda line: (sort_key(line.name), line.number))
    else:
        cameras.sort(key=lambda line: line.order[asked.sort])
    most_of_unit = max((unit.seconds.lacking for unit in units), default=0)
    return visit.page(
        "account.html",
        asked=asked,
        total=totals(words, lines, accounting.total(lines)),
        units=[unit_line(words, unit, most_of_unit) for unit in units],
        cameras=cameras,
        sorts=SORTS,
        family_words=FAMILY_WORDS,
        until_us=min(asked.month.to_us, asked.now_us),
    )


@doors.get("/health/account.csv", verb="health.view")
async def account_csv_file(visit: Visit) -> Response:
    """Return a month as CSV: a line a camera, or with `by=unit` or `by=reason` a line for each of those."""
    asked = await _asked(visit)
    zone = visit.words.zone
    by = visit.request.query_params.get("by", "")

    def read(session: Session) -> str:
        lines = _lines(session, visit, asked)
        span = asked.month.from_us, min(asked.month.to_us, asked.now_us)
        if by == "unit":
            return csv_tables.by_unit(accounting.unit_lines(session, lines), span, zone)
        if by == "reason":
            return csv_tables.by_reason(accounting.total(lines), span, zone)
        return csv_tables.by_camera(lines, zone)

    kind = f"-{by}s" if by in ("unit", "reason") else ""
    return _csv(await visit.shell.database.query(read), f"recorded-time-{asked.month.name}{kind}.csv")


@doors.get("/health/account/{camera_id}", verb="health.view")
async def account_of_camera(visit: Visit) -> Response:
    """Show a camera's month: its sums and every gap, the newest first. The camera by its number or its id."""
    asked = await _asked(visit)
    line, gaps = await _camera(visit, asked, lambda session, line: accounting.gap_list(session, line, asked.now_us))
    words = visit.words
    return visit.page(
        "account_camera.html",
        asked=asked,
        line=line,
        total=totals(words, [line], line.seconds),
        gaps=[gap_line(words, gap) for gap in reversed(gaps[-GAPS_SHOWN:])],
        count=len(gaps),
        until_us=line.due[1],
    )


@doors.get("/health/account/{camera_id}/gaps.csv", verb="health.view")
async def gaps_csv_file(visit: Visit) -> Response:
    """Return every gap of a camera's month as CSV."""
    asked = await _asked(visit)
    line, gaps = await _camera(visit, asked, lambda session, line: accounting.gap_list(session, line, asked.now_us))
    table = csv_tables.gaps([(line, gaps)], visit.words.zone)
    return _csv(table, f"gaps-{line.number}-{asked.month.name}.csv")


async def _asked(visit: Visit) -> Asked:
    now_us = visit.shell.clock.now_us()
    zone = ZoneInfo(visit.shell.settings.centre.zone)
    first_us = await visit.shell.database.query(accounting.first_due)
    months = period.months(now_us if first_us is None else first_us, now_us, zone)
    wanted = visit.request.query_params.get("month", "")
    chosen = wanted if wanted in months else months[0]
    sort = visit.request.query_params.get("sort", "")
    return Asked(period.month(chosen, zone), months, sort if sort in SORTS else "worst", now_us)


def _lines(session: Session, visit: Visit, asked: Asked) -> list[CameraLine]:
    lines = accounting.camera_lines(session, asked.month.from_us, asked.month.to_us, asked.now_us)
    return [line for line in lines if visit.may("health.view", line.unit_id)]


async def _camera(visit: Visit, asked: Asked, work: Callable[[Session, CameraLine], T]) -> tuple[CameraLine, T]:
    named = visit.request.path_params["camera_id"]

    def read(session: Session) -> tuple[CameraLine, T]:
        camera = session.scalars(sa.select(Camera).where(_is_named(named))).first()
        if camera is None or not visit.may("health.view", camera.unit_id):
            raise HTTPException(404)
        month = asked.month
        found = accounting.camera_lines(session, month.from_us, month.to_us, asked.now_us, camera.id)
        if not found:
            raise HTTPException(404)
        return found[0], work(session, found[0])

    return await visit.shell.database.query(read)


def _is_named(named: str) -> sa.ColumnElement[bool]:
    if named.isascii() and named.isdecimal() and len(named) < 10:
        return Camera.number == int(named)
    try:
        return Camera.id == uuid.UUID(hex=named)
    except ValueError:
        raise HTTPException(404) from None


def _csv(table: str, name: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(table.encode(), headers=headers, media_type="text/csv; charset=utf-8")
