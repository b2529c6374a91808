"""Months and days by the calendar of the centre's zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from vonggac.core.clock import microseconds, utc

_MONTH = re.compile(r"(\d{4})-(\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_LAST_YEAR = 2199


@dataclass(frozen=True, slots=True)
class Period:
    """An interval with a name: a month `2026-11`, a day `2026-11-24`, or any other (no name)."""

    from_us: int
    to_us: int
    name: str = ""


def month(text: str, zone: ZoneInfo) -> Period:
    """Return a calendar month such as 2026-11; ValueError with plain words for anything else."""
    match = _MONTH.fullmatch(text.strip())
    if match is None or not (1 <= int(match[2]) <= 12 and 1970 <= int(match[1]) <= _LAST_YEAR):
        raise ValueError(f"{text!r} is no month. Write year and month: 2026-11.")
    first = date(int(match[1]), int(match[2]), 1)
    return Period(_midnight_us(first, zone), _midnight_us(_next_month(first), zone), f"{first:%Y-%m}")


def day(text: str, zone: ZoneInfo) -> Period:
    """Return a calendar day such as 2026-11-24; ValueError with plain words for anything else."""
    try:
        if _DAY.fullmatch(text.strip()) is None:
            raise ValueError
        found = date.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no day. Write year, month and day: 2026-11-24.") from None
    return Period(_midnight_us(found, zone), _midnight_us(found + timedelta(days=1), zone), found.isoformat())


def month_of(us: int, zone: ZoneInfo) -> Period:
    """Return the month in which a moment lies."""
    return month(f"{utc(us).astimezone(zone):%Y-%m}", zone)


def months(first_us: int, now_us: int, zone: ZoneInfo) -> list[str]:
    """Return the months from one moment to another, the newest first."""
    at, last = (utc(us).astimezone(zone).date().replace(day=1) for us in (min(first_us, now_us), now_us))
    found = []
    while at <= last:
        found.append(f"{at:%Y-%m}")
        at = _next_month(at)
    return found[::-1]


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _midnight_us(day: date, zone: ZoneInfo) -> int:
    return microseconds(datetime(day.year, day.month, day.day, tzinfo=zone))
