"""When pictures are decoded, and how long they last."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.mp4 import DEFAULT_DURATION, decode_times, nominal_duration, reorder_delay, time_fragment
from vonggac.video.mp4.timing import MAX_DURATION, strictly_increasing
from vonggac.video.stream import VideoParameters

TICKS = st.integers(min_value=0, max_value=1 << 40)
STEADY = [0, 6000, 12000, 18000]
WITH_B_FRAMES = [0, 18000, 6000, 12000, 36000, 24000, 30000]


def presented(timing) -> list[int]:
    """When the pictures show by the file, the delay not yet taken off."""
    times, at = [], timing.base_decode_time
    for duration, offset in zip(timing.durations, timing.offsets or [0] * len(timing.durations), strict=True):
        times.append(at + offset)
        at += duration
    return times


def test_pictures_in_order_are_decoded_when_they_show():
    timing = time_fragment(STEADY, end=24000)
    assert (timing.base_decode_time, timing.durations, timing.offsets) == (0, [6000] * 4, None)
    assert (timing.end, timing.moved) == (24000, 0)


def test_the_last_picture_lasts_until_the_next_group():
    assert time_fragment(STEADY, end=25500).durations == [6000, 6000, 6000, 7500]


def test_without_a_next_group_the_last_picture_lasts_as_long_as_the_one_before():
    assert time_fragment([0, 6000, 13000]).durations == [6000, 7000, 7000]


def test_a_single_picture_with_nothing_after_it_lasts_the_nominal_time():
    assert time_fragment([500], nominal=3600).durations == [3600]
    assert time_fragment([500]).durations == [DEFAULT_DURATION]


def test_reordered_pictures_are_decoded_ahead_by_the_delay():
    assert reorder_delay(WITH_B_FRAMES) == 6000
    assert decode_times(WITH_B_FRAMES, 6000) == [-6000, 0, 6000, 12000, 18000, 24000, 30000]
    timing = time_fragment(WITH_B_FRAMES, delay=6000, reorder=True, end=42000)
    assert (timing.base_decode_time, timing.durations) == (0, [6000] * 7)
    assert timing.offsets == [6000, 18000, 0, 0, 18000, 0, 0]


def test_a_declared_reordering_counts_where_the_first_group_does_not_use_it():
    assert reorder_delay(STEADY, reorder_frames=2) == 12000
    assert reorder_delay(STEADY, reorder_frames=None) == 0
    assert reorder_delay(WITH_B_FRAMES, reorder_frames=0) == 0


def test_a_camera_that_stamps_two_pictures_alike_moves_one_by_one_tick():
    timing = time_fragment([0, 6000, 6000, 18000], end=24000)
    assert presented(timing) in ([0, 6000, 6001, 18000], [0, 5999, 6000, 18000])
    assert timing.moved == 1


def test_one_time_far_ahead_moves_alone():
    timing = time_fragment([0, 6000, 500000, 18000, 24000], end=30000)
    assert presented(timing)[:2] + presented(timing)[3:] == [0, 6000, 18000, 24000]
    assert timing.moved == 1


def test_times_that_step_back_over_the_end_of_the_group_before_begin_there():
    timing = time_fragment([5000, 12000], earliest=6000, end=18000)
    assert (timing.base_decode_time, timing.end, timing.moved) == (6000, 18000, 1)


def test_more_reordering_than_the_delay_keeps_every_time_with_signed_offsets():
    timing = time_fragment(WITH_B_FRAMES, delay=0, reorder=True, end=42000)
    assert presented(timing) == WITH_B_FRAMES
    assert timing.durations == [6000] * 7
    assert min(timing.offsets or ()) == -6000


def test_a_cut_between_reordered_pictures_moves_none_of_them():
    first = time_fragment([0, 18000], delay=6000, reorder=True, end=6000, clean=False)
    second = time_fragment([6000, 12000, 24000], delay=6000, reorder=True, earliest=first.end, end=30000, clean=False)
    assert presented(first) + presented(second) == [pts + 6000 for pts in [0, 18000, 6000, 12000, 24000]]
    assert (first.moved, second.moved, second.base_decode_time) == (0, 0, first.end)


def test_a_declared_frame_rate_gives_the_nominal_duration():
    def declared(fps):
        return nominal_duration(VideoParameters("h264", (), 16, 16, declared_fps=fps))

    assert [declared(fps) for fps in (25.0, 12.5, None, 0.0)] == [3600, 7200, DEFAULT_DURATION, DEFAULT_DURATION]


def test_no_pictures_are_refused():
    with pytest.raises(ValueError, match="0 pictures"):
        time_fragment([])


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=4), st.integers(-3, 3) | st.none(), st.integers(0, 6))
def test_repair_differs_as_little_as_any_could(times, lowest, room):
    limit = None if lowest is None else lowest + len(times) + room
    repaired = strictly_increasing(times, lowest, limit)
    low = -7 if lowest is None else lowest
    high = 8 if limit is None else limit
    best = min(
        sum(abs(time - asked) for time, asked in zip(one, times, strict=True))
        for one in combinations(range(low, high), len(times))
    )
    assert all(a < b for a, b in pairwise(repaired))
    assert sum(abs(time - asked) for time, asked in zip(repaired, times, strict=True)) == best


@settings(deadline=None)
@given(st.lists(TICKS, min_size=1, max_size=40), st.integers(0, 90_000))
def test_decode_times_always_increase_and_distinct_times_are_kept(pts, delay):
    decoded = decode_times(pts, delay)
    assert all(a < b for a, b in pairwise(decoded))
    if len(set(pts)) == len(pts):
        assert decoded == [time - delay for time in sorted(pts)]


@settings(deadline=None)
@given(
    pts=st.lists(TICKS | st.integers(0, 100), min_size=1, max_size=40),
    delay=st.integers(0, 90_000),
    reorder=st.booleans(),
    earliest=st.none() | TICKS | st.integers(0, 100),
    end=st.none() | TICKS | st.integers(0, 100),
    clean=st.booleans(),
)
def test_whatever_a_camera_stamps_every_number_fits_its_field(pts, delay, reorder, earliest, end, clean):
    timing = time_fragment(pts, delay=delay, reorder=reorder, earliest=earliest, end=end, clean=clean)
    assert len(timing.durations) == len(pts)
    assert all(0 < duration <= MAX_DURATION for duration in timing.durations)
    assert timing.base_decode_time >= (earliest or 0)
    assert timing.end == timing.base_decode_time + sum(timing.durations)
    if timing.offsets is not None:
        assert all(-(1 << 31) <= offset < 1 << 31 for offset in timing.offsets)


@settings(deadline=None)
@given(steps=st.lists(st.integers(1, 20_000), min_size=1, max_size=40), data=st.data())
def test_sound_times_are_kept_to_the_tick_in_any_order(steps, data):
    shown = [sum(steps[:index]) for index in range(len(steps))]
    pts = [shown[0], *data.draw(st.permutations(shown[1:]))]
    delay = reorder_delay(pts)
    timing = time_fragment(pts, delay=delay, reorder=True, end=sum(steps))
    assert presented(timing) == [time + delay for time in pts]
    assert (timing.moved, timing.end) == (0, sum(steps))
    assert timing.offsets is None or min(timing.offsets) >= 0
