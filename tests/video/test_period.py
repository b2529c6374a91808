"""Months and days are those of the centre, also where they do not begin with an hour of UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from vonggac.core.clock import microseconds
from vonggac.video import period

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")


def test_a_month_begins_at_midnight_of_the_centre() -> None:
    november = period.month("2026-11", VIETNAM)
    assert november.from_us == microseconds(datetime(2026, 10, 31, 17, tzinfo=UTC))
    assert november.to_us == microseconds(datetime(2026, 11, 30, 17, tzinfo=UTC))
    assert period.month("2026-12", VIETNAM).from_us == november.to_us


def test_a_day_of_a_zone_with_half_an_hour_and_one_of_23_hours() -> None:
    half = period.day("2026-11-24", ZoneInfo("Asia/Kolkata"))
    assert half.from_us == microseconds(datetime(2026, 11, 23, 18, 30, tzinfo=UTC))
    short = period.day("2026-03-29", ZoneInfo("Europe/Berlin"))
    assert short.to_us - short.from_us == 23 * 3_600_000_000


def test_the_months_of_a_centre_the_newest_first() -> None:
    first = microseconds(datetime(2026, 10, 31, 17, tzinfo=UTC))
    now = microseconds(datetime(2027, 1, 1, 0, tzinfo=UTC))
    assert period.months(first, now, VIETNAM) == ["2027-01", "2026-12", "2026-11"]
    assert period.months(first - 1, first, VIETNAM) == ["2026-11", "2026-10"]
    assert period.month_of(first, VIETNAM).name == "2026-11"


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "11-2026", "2026-1", "9999-01", "2026-11-01"])
def test_what_is_no_month_is_refused_in_plain_words(text: str) -> None:
    with pytest.raises(ValueError, match="no month"):
        period.month(text, VIETNAM)


@pytest.mark.parametrize("text", ["", "2026-11", "2026-02-30", "24.11.2026", "20261124"])
def test_what_is_no_day_is_refused_in_plain_words(text: str) -> None:
    with pytest.raises(ValueError, match="no day"):
        period.day(text, VIETNAM)
