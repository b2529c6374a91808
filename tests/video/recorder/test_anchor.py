"""Media time and wall time: neither a burst nor a slow clock makes a jump."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.recorder.anchor import FOLLOW_US, TimeAnchor, Timebase, ticks_to_us, us_to_ticks
from vonggac.video.stream import VIDEO_TIMESCALE

SECOND = 1_000_000


def observe(anchor: TimeAnchor, media: int, arrived_us: int) -> None:
    anchor.observe(arrived_us - ticks_to_us(media), arrived_us)


def test_the_first_recording_takes_the_earliest_arrival_as_the_truth() -> None:
    # The camera sends its last second at once, then live: only the live pictures tell when they were taken.
    anchor = TimeAnchor(1000 * SECOND)
    for n in range(150):
        media = n * VIDEO_TIMESCALE // 15
        observe(anchor, media, 1000 * SECOND + max(0, ticks_to_us(media) - SECOND) + 5_000 * (n % 3))
    assert anchor.settle(0, 10 * VIDEO_TIMESCALE) == (999 * SECOND, 1009 * SECOND)


def test_later_recordings_follow_by_at_most_500_parts_in_a_million() -> None:
    anchor = TimeAnchor(0)
    observe(anchor, 0, 0)
    anchor.settle(0, 60 * VIDEO_TIMESCALE)
    observe(anchor, 60 * VIDEO_TIMESCALE, 60 * SECOND + FOLLOW_US)  # all of a sudden so late
    assert anchor.settle(60 * VIDEO_TIMESCALE, 120 * VIDEO_TIMESCALE) == (60 * SECOND, 120 * SECOND + 30_000)


def test_what_slewing_would_never_mend_is_taken_over_whole_at_the_end_of_a_recording() -> None:
    anchor = TimeAnchor(0)
    observe(anchor, 0, 0)
    anchor.settle(0, 60 * VIDEO_TIMESCALE)
    observe(anchor, 60 * VIDEO_TIMESCALE, 61 * SECOND)
    assert anchor.settle(60 * VIDEO_TIMESCALE, 120 * VIDEO_TIMESCALE) == (60 * SECOND, 121 * SECOND)


def test_where_stamps_were_mended_start_and_end_are_each_told_by_their_own_arrivals() -> None:
    anchor = TimeAnchor(0)
    observe(anchor, 0, 0)
    anchor.jumped()
    observe(anchor, 30 * VIDEO_TIMESCALE, 37 * SECOND)
    assert anchor.settle(0, 60 * VIDEO_TIMESCALE) == (0, 67 * SECOND)


def test_a_day_of_a_camera_whose_clock_is_slow_shows_no_drift() -> None:
    # 100 ppm slow, read every 200 ms, arrivals jittered: after a day the anchor is where the wall clock is.
    rng = random.Random(1)
    anchor = TimeAnchor(0)
    true_us = media = before = 0
    for _ in range(24 * 60):
        for _ in range(60):
            true_us += SECOND
            media += VIDEO_TIMESCALE * 999_900 // 1_000_000
            observe(anchor, media, true_us + rng.randrange(240_000))
        anchor.settle(before, media)
        before = media
    assert abs(anchor.wall_us(media) - true_us) < 50_000


@given(st.integers(0, 2**50))
def test_ticks_and_microseconds_round_down_and_come_back(us: int) -> None:
    assert 0 <= us - ticks_to_us(us_to_ticks(us)) <= 12


def test_a_step_of_the_clock_is_told_and_a_slew_is_followed() -> None:
    timebase = Timebase(1_000_000, 0)
    assert timebase.follow(2_000_400, 1_000_000_000) == 0
    assert timebase.wall_us(1_000_000_000) == 2_000_400
    before = timebase.clock
    assert timebase.follow(33_000_400, 2_000_000_000) == 30_000_000
    assert timebase.wall_us(2_000_000_000) == 33_000_400
    assert before.wall_us(2_000_000_000) == 3_000_400  # whoever holds the old clock goes on by it
