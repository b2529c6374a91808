"""Times and sizes as people write and read them, for the commands of this package."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import click

from vonggac.core.clock import utc

_MOMENTS = "Write 2026-11-24 14:03, 14:03:05 (today), -10min, -2h, now, or 2026-11-24T14:03:05+07:00."
_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d{1,6})?)?")
_DAY_AND_CLOCK = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?)\s?(Z|[+-]\d\d:?\d\d)?")
_AWAY = re.compile(r"([-+])(\d{1,6})\s*(s|min|h|d)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


def parse_moment(text: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment that a person means, aware; ValueError with plain words for anything else.

    Without a zone it is the centre's time; without a day, today. `now`: aware.
    """
    text = " ".join(text.split())
    if text.lower() == "now":
        return now
    today = now.astimezone(zone).date().isoformat()
    try:
        if match := _AWAY.fullmatch(text):
            away = timedelta(**{_UNITS[match[3]]: int(match[2])})
            return now + away if match[1] == "+" else now - away
        if _CLOCK.fullmatch(text):
            return datetime.fromisoformat(f"{today}T{_padded(text)}").replace(tzinfo=zone)
        if match := _DAY_AND_CLOCK.fullmatch(text):
            moment = datetime.fromisoformat(f"{match[1]}T{_padded(match[2])}{match[3] or ''}")
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r}: there is no such time.") from None
    raise ValueError(f"{text!r} is no time. {_MOMENTS}")


def moment_option(text: str, option: str, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of an option; Click's error names the option."""
    try:
        return parse_moment(text, now, zone)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def local(us: int, zone: ZoneInfo, *, digits: int = 0) -> str:
    """Return a moment in the centre's zone, with so many digits of its second."""
    moment = utc(us).astimezone(zone)
    fraction = f".{moment.microsecond:06}"[: digits + 1] if digits else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction}"


def lasting(us: int) -> str:
    """Return how long something lasts, to a tenth of a second."""
    tenths = us // 100_000
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 10}.{rest % 10} s"
    if hours:
        return f"{hours} h {minutes} min {seconds}"
    return f"{minutes} min {seconds}" if minutes else seconds


def sized(size: int) -> str:
    """Return a size in the unit that fits."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"


def _padded(clock: str) -> str:
    return f"0{clock}" if clock[1] == ":" else clock
