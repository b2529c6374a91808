"""The times of live pictures: what a browser needs of them, whatever a camera stamps."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.stream import VideoParameters
from vonggac.web.live.times import FIRST, LEAST_DURATION, STEP_BACK, LiveTimes, Placed


def times(reorder: int | None = 0, fps: float | None = 15.0) -> LiveTimes:
    return LiveTimes(VideoParameters("h264", (b"", b""), 640, 360, reorder, fps))


def shown(placed: Placed) -> int:
    return placed.decoded + placed.offset


def assert_a_browser_takes_them(placed: list[Placed]) -> None:
    """W3C Media Source Extensions, coded frame processing: no decode time back, none over two durations ahead."""
    assert placed[0].decoded >= 0
    for before, after in itertools.pairwise(placed):
        assert before.decoded < after.decoded <= before.decoded + 2 * before.duration


@given(
    pts=st.lists(st.integers(-(1 << 40), 1 << 40), min_size=1, max_size=60),
    reorder=st.one_of(st.none(), st.integers(0, 16)),
    fps=st.one_of(st.none(), st.floats(0.1, 120)),
)
def test_whatever_is_stamped_a_browser_drops_nothing(pts, reorder, fps):
    one = times(reorder, fps)
    assert_a_browser_takes_them([one.place(at) for at in pts])


@given(start=st.integers(-(1 << 33), 1 << 33), steps=st.lists(st.integers(1, 2 * LEAST_DURATION), max_size=50))
def test_pictures_that_follow_each_other_keep_their_distances(start, steps):
    one = times()
    stamps = list(itertools.accumulate([start, *steps]))
    placed = [one.place(at) for at in stamps]
    assert [p.offset for p in placed] == [0] * len(placed)
    assert [p.decoded - FIRST for p in placed] == [at - start for at in stamps]


def sent_with_b_frames(groups: int, step: int = 6000) -> list[int]:
    """Presentation times in decoding order: each reference picture before the three that are shown before it."""
    order = [0]
    for number in range(groups):
        base = 4 * number
        order += [base + 4, base + 2, base + 1, base + 3]
    return [at * step for at in order]


def test_pictures_out_of_order_are_shown_in_order_and_never_before_they_are_decoded():
    one = times(reorder=2)
    stamps = sent_with_b_frames(20)
    placed = [one.place(at) for at in stamps]
    assert_a_browser_takes_them(placed)
    assert all(p.offset >= 0 for p in placed)
    assert [shown(p) - FIRST for p in placed] == stamps


def test_a_camera_that_does_not_say_that_it_reorders_is_learned():
    one = times(reorder=None)
    stamps = sent_with_b_frames(20)
    placed = [one.place(at) for at in stamps]
    assert_a_browser_takes_them(placed)
    assert [shown(p) - FIRST for p in placed] == stamps
    assert all(p.offset >= 0 for p in placed[8:]), "known after the first few"


def test_a_leap_of_the_camera_s_clock_is_taken_out():
    one = times()
    placed = [one.place(at) for at in (0, 6000, 90_000_000, 90_006_000, 12_000, 18_000)]
    assert_a_browser_takes_them(placed)
    steps = [b.decoded - a.decoded for a, b in itertools.pairwise(placed)]
    assert steps == [6000, 2 * LEAST_DURATION, 6000, 6000, 6000]
    assert STEP_BACK < 90_000_000


def test_a_camera_that_sends_less_often_than_it_says_is_given_longer_pictures():
    one = times(fps=25.0)
    placed = [one.place(number * 90_000) for number in range(30)]
    steps = [b.decoded - a.decoded for a, b in itertools.pairwise(placed)]
    assert steps[0] < 90_000, "not expected"
    assert steps[-1] == 90_000


def test_stamps_that_shake_do_not_hurry_time_on():
    chance = random.Random(4)
    one = times()
    placed = [one.place(number * 6000 + chance.randint(-4000, 4000)) for number in range(2000)]
    assert_a_browser_takes_them(placed)
    assert abs(placed[-1].decoded - placed[0].decoded - 1999 * 6000) < 20_000
