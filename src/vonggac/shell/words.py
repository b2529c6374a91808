"""How a reader is spoken to: texts, numbers, sizes and times in his language and the centre's zone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton

from vonggac.core.clock import MICROSECONDS, utc
from vonggac.core.errors import VonggacError
from vonggac.core.i18n import translations
from vonggac.core.said import SPAN

NOTHING = "–"
"""Stands where a figure is not known."""

_NARROW = "\u00a0"
_TIME = "HH:mm:ss"
_TIME_AND_DAY = {"vi": "HH:mm dd/MM/yyyy", "en": "d MMM yyyy, HH:mm"}


class Words:
    """One language in one time zone; made once and shared, since it holds no state of a reader."""

    def __init__(self, language: str, zone: str) -> None:
        self.language = language
        self.zone = ZoneInfo(zone)
        self._translations = translations(language)
        self._locale = Locale.parse(language)
        symbols = self._locale.number_symbols["latn"]
        self._separators = str.maketrans({",": symbols["group"], ".": symbols["decimal"]})

    def say(self, message: str, **values: object) -> str:
        """Return a text of the catalog; `{name}` in it is filled from `values`."""
        # gettext answers the empty message with the catalog's own header.
        said = self._translations.gettext(message) if message else ""
        return said.format(**values) if values else said

    def explain(self, error: VonggacError) -> str:
        """Return what an error says; what is not in the catalog is said in English. Its `field` is a label of it."""
        values = dict(error.values)
        if isinstance(label := values.get("field"), str):
            values["field"] = self.say(label)
        return self.say(error.message, **values)

    def again(self, parts: Sequence[Sequence[Any]]) -> str:
        """Return words that were made of these parts (`core.said`) in this language."""
        return " ".join(
            self.say(
                message,
                **{name: self.duration(abs(one)) if name.endswith(SPAN) else one for name, one in values.items()},
            )
            for message, values in parts
        )

    def plural(self, one: str, many: str, count: int, **values: object) -> str:
        """Return the form that fits a count; `{n}` in it is the count as it is written."""
        return self._translations.ngettext(one, many, count).format(n=self.number(count), **values)

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number: 1.234,5 in Vietnamese, 1,234.5 in English."""
        return f"{value:,.{digits}f}".translate(self._separators)

    def percent(self, share: float | None) -> str:
        """Return a share of 1 with two digits, rounded down: only what is whole is 100 %."""
        if share is None:
            return NOTHING
        return f"{self.number(math.floor(share * 10_000 + 1e-9) / 100, 2 if share < 1 else 0)}%"

    def size(self, amount: float | None) -> str:
        """Return bytes in the units that disks are sold in (1 GB = 10⁹ bytes)."""
        if amount is None:
            return NOTHING
        for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
            if amount >= factor:
                value = amount / factor
                return f"{self.number(value, 0 if value >= 100 else 1)}{_NARROW}{unit}"
        return f"{self.number(amount / 1e3)}{_NARROW}kB"

    def rate(self, bits_per_s: float) -> str:
        """Return a bit rate."""
        if bits_per_s <= 0:
            return NOTHING
        if bits_per_s < 1e6:
            return f"{self.number(bits_per_s / 1e3)}{_NARROW}kbit/s"
        value = bits_per_s / 1e6
        return f"{self.number(value, 0 if value >= 100 else 1)}{_NARROW}Mbit/s"

    def seconds(self, us: int) -> str:
        """Return microseconds as whole seconds."""
        return self.plural("{n} second", "{n} seconds", us // MICROSECONDS)

    def duration(self, us: int) -> str:
        """Return a length of time as people say it: two units at most, rounded down, seconds only below a minute."""
        seconds = max(0, us) // MICROSECONDS
        days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
        if seconds < 60:
            return self.plural("{n} second", "{n} seconds", seconds)
        parts = [
            self.plural("{n} day", "{n} days", days) if days else "",
            self.plural("{n} hour", "{n} hours", hours) if hours and days < 10 else "",
            self.plural("{n} minute", "{n} minutes", minutes) if minutes and not days else "",
        ]
        return " ".join(part for part in parts if part)

    def hours(self, seconds: float) -> str:
        """Return a length of time to the second, as hours, minutes and seconds: 743:59:08."""
        whole = round(seconds)
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"

    def month(self, name: str) -> str:
        """Return a month such as 2026-11 by its name: Tháng 11 năm 2026, November 2026."""
        said = format_skeleton("yMMMM", datetime.strptime(name, "%Y-%m").replace(tzinfo=UTC), locale=self._locale)
        return said[:1].upper() + said[1:]

    def exact(self, us: int) -> str:
        """Return a moment with its date, to the second."""
        moment = utc(us)
        pattern = "HH:mm:ss dd/MM/yyyy" if self.language == "vi" else "d MMM yyyy, HH:mm:ss"
        return format_datetime(moment, pattern, tzinfo=self.zone, locale=self._locale)

    def day(self, day: date) -> str:
        """Return a day: 31/05/2027 in Vietnamese, 31 May 2027 in English."""
        return format_date(day, "dd/MM/yyyy" if self.language == "vi" else "d MMM yyyy", locale=self._locale)

    def since(self, us: int, now_us: int) -> str:
        """Return since when something is so, and for how long; empty where that is not known."""
        if not us:
            return ""
        return self.say(
            "since {moment} ({duration})", moment=self.moment(us, now_us), duration=self.duration(now_us - us)
        )

    def moment(self, us: int, now_us: int) -> str:
        """Return a moment: the time of day when it is less than a day from now, else with its date."""
        if us <= 0:
            return NOTHING
        if abs(now_us - us) < timedelta(hours=20) / timedelta(microseconds=1):
            return utc(us).astimezone(self.zone).strftime("%H:%M:%S")
        return self._with_day(us // (60 * MICROSECONDS))

    @lru_cache(maxsize=512)  # noqa: B019 (two of these live as long as the process)
    def _with_day(self, minute: int) -> str:
        moment = utc(minute * 60 * MICROSECONDS)
        return format_datetime(moment, _TIME_AND_DAY[self.language], tzinfo=self.zone, locale=self._locale)

    def full(self, moment: datetime) -> str:
        """Return a moment with weekday, date and time, for the clock in the header."""
        pattern = f"EEEE, dd/MM/yyyy {_TIME}" if self.language == "vi" else f"EEEE, d MMMM yyyy {_TIME}"
        return format_datetime(moment, pattern, tzinfo=self.zone, locale=self._locale)
