"""Media time and wall time: neither a burst nor a slow clock makes a jump."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.recorder.anchor import TimeAnchor, Timebase, ticks_to_us, us_to_ticks
from vonggac.video.stream import VIDEO_TIMESCALE

SECOND = 1_000_000


def test_the_first_recording_takes_the_earliest_arrival_as_the_truth() -> None:
    # The camera sends its last second at once, then live: only the live pictures tell when they were taken.
    anchor = TimeAnchor(1000 * SECOND)
    for n in range(150):
        media = n * VIDEO_TIMESCALE // 15
        arrived = 1000 * SECOND + max(0, ticks_to_us(media) - SECOND) + 5_000 * (n % 3)
        anchor.observe(media, arrived)
    anchor.settle(10 * VIDEO_TIMESCALE)
    assert anchor.wall_us(0) == 999 * SECOND


def test_later_recordings_follow_by_at_most_500_parts_in_a_million() -> None:
    anchor = TimeAnchor(0)
    anchor.observe(0, 0)
    anchor.settle(60 * VIDEO_TIMESCALE)
    anchor.observe(60 * VIDEO_TIMESCALE, 61 * SECOND)  # a second late all of a sudden
    anchor.settle(120 * VIDEO_TIMESCALE)
    assert anchor.wall_us(120 * VIDEO_TIMESCALE) - 120 * SECOND == 60 * SECOND * 500 // 1_000_000


def test_a_day_of_a_camera_whose_clock_is_slow_shows_no_drift() -> None:
    # 100 ppm slow, read every 200 ms, arrivals jittered: after a day the anchor is where the wall clock is.
    rng = random.Random(1)
    anchor = TimeAnchor(0)
    true_us = media = 0
    for _ in range(24 * 60):
        for _ in range(60):
            true_us += SECOND
            media += VIDEO_TIMESCALE * 999_900 // 1_000_000
            anchor.observe(media, true_us + rng.randrange(240_000))
        anchor.settle(media)
    assert abs(anchor.wall_us(media) - true_us) < 50_000


@given(st.integers(0, 2**50))
def test_ticks_and_microseconds_round_down_and_come_back(us: int) -> None:
    assert 0 <= us - ticks_to_us(us_to_ticks(us)) <= 12


def test_a_step_of_the_clock_is_told_and_a_slew_is_followed() -> None:
    timebase = Timebase(1_000_000, 0)
    assert timebase.follow(2_000_400, 1_000_000_000) == 0
    assert timebase.wall_us(1_000_000_000) == 2_000_400
    assert timebase.follow(33_000_400, 2_000_000_000) == 30_000_000
    assert timebase.wall_us(2_000_000_000) == 33_000_400
