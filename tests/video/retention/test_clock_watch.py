"""A clock that leaps forward deletes nothing for its age until somebody had a day to set it right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.retention.clock_watch import AWAY_US, DOUBT_US, HOUR_US, LEAP_US, ClockState, looked

NOW = 1_795_489_200_000_000
YEAR_US = 365 * 24 * HOUR_US
ROUND_US = 10_000_000


def after(state: ClockState | None, *steps: tuple[int, int | None]) -> ClockState:
    """Look once for each (by how much the clock went on, how much time passed)."""
    now_us = state.seen_us if state else NOW
    for went_us, passed_us in steps:
        now_us += went_us
        state = looked(state, now_us, passed_us)
    assert state is not None
    return state


@given(st.lists(st.tuples(st.integers(-YEAR_US, LEAP_US), st.integers(0, HOUR_US)), max_size=30))
def test_a_clock_that_goes_as_time_does_or_falls_back_is_believed(steps: list[tuple[int, int]]) -> None:
    rounds = [(passed_us + by_us, passed_us) for by_us, passed_us in steps]
    assert not after(ClockState(NOW), *rounds).doubted


@given(st.integers(LEAP_US + 1, 50 * YEAR_US), st.integers(0, 100 * HOUR_US))
def test_a_leap_is_doubted_for_a_day_and_no_longer(leap_us: int, later_us: int) -> None:
    leapt = after(ClockState(NOW), (ROUND_US + leap_us, ROUND_US))
    assert leapt.doubted
    assert leapt.before_us == NOW + ROUND_US
    rounds = [(HOUR_US, HOUR_US)] * (later_us // HOUR_US)
    assert after(leapt, *rounds).doubted == (len(rounds) * HOUR_US < DOUBT_US)


def test_a_clock_that_is_set_right_is_believed_at_once() -> None:
    leapt = after(ClockState(NOW), (YEAR_US, ROUND_US), (ROUND_US, ROUND_US))
    assert not after(leapt, (ROUND_US - YEAR_US, ROUND_US)).doubted


def test_a_clock_that_is_set_half_right_is_doubted_for_another_day() -> None:
    leapt = after(ClockState(NOW), (YEAR_US, ROUND_US), (20 * HOUR_US, 20 * HOUR_US))
    half = after(leapt, (ROUND_US - YEAR_US // 2, ROUND_US))
    assert half.doubted
    assert after(half, (20 * HOUR_US, 20 * HOUR_US)).doubted
    assert not after(half, (30 * HOUR_US, 30 * HOUR_US)).doubted
    assert not after(half, (-YEAR_US // 2, ROUND_US)).doubted


def test_a_weekend_with_the_machine_off_is_believed_and_a_year_is_not() -> None:
    assert not looked(ClockState(NOW), NOW + AWAY_US, None).doubted
    assert looked(ClockState(NOW), NOW + YEAR_US, None).doubted


def test_a_keeper_that_starts_in_a_new_centre_doubts_nothing() -> None:
    assert looked(None, NOW, None) == ClockState(NOW)
