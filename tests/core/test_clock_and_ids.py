"""Times to the microsecond, keys in the order in which they were made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.core.backoff import BackOff
from vonggac.core.clock import SystemClock, microseconds, utc, utc_now
from vonggac.core.ids import new_id, short_id


@given(st.integers(-(10**15), 10**16))
def test_microseconds_survive_the_way_there_and_back(us: int):
    assert microseconds(utc(us)) == us


def test_a_time_in_another_zone_is_the_same_moment():
    vietnam = timezone(timedelta(hours=7))
    assert microseconds(datetime(2026, 11, 24, 7, tzinfo=vietnam)) == microseconds(datetime(2026, 11, 24, tzinfo=UTC))


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="without a zone"):
        microseconds(datetime(2026, 11, 24))  # noqa: DTZ001 - that is the point


def test_the_clock_of_the_machine_is_in_microseconds():
    before = microseconds(utc_now())
    assert before <= SystemClock().now_us() <= microseconds(utc_now())


def test_keys_sort_in_the_order_in_which_they_were_made():
    keys = [new_id() for _ in range(1000)]
    assert keys == sorted(keys)
    assert len(set(keys)) == 1000
    assert all(key.version == 7 for key in keys)


def test_keys_made_together_have_different_short_forms():
    assert len({short_id(new_id()) for _ in range(1000)}) == 1000


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=12, max_size=12))
def test_pauses_double_up_to_the_limit_and_are_jittered_by_a_half(chances: list[float]):
    chance = iter(chances)
    back_off = BackOff(0.5, 30.0, lambda: next(chance))
    nominal = [0.5, 1, 2, 4, 8, 16, 30, 30]
    for expected in nominal:
        assert expected / 2 <= back_off.next() <= expected
    back_off.reset()
    assert 0.25 <= back_off.next() <= 0.5
