"""The meter on sizes made by rule: still scenes say nothing, what moves is told once, what stays becomes the usual."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.activity.meter import QUIET_US, RELEARN_US, News, SizeMeter

GROUP_US = 2_000_000
Group = tuple[int, int]
"""Bytes without the key frame's, and the key frame's."""


def play(groups: Iterable[Group], meter: SizeMeter | None = None) -> list[tuple[News, float]]:
    """What the meter says, and at which second."""
    meter = meter or SizeMeter()
    said = []
    for number, (size, key) in enumerate(groups):
        at = number * GROUP_US
        if (news := meter.add(size, key, 180_000, at, at + GROUP_US)) not in (None, News.GOES_ON):
            said.append((news, at / 1e6))
    return said


def still(count: int, chance: Random, size: int = 80_000, key: int = 60_000, noise: float = 0.05) -> list[Group]:
    """A still scene: sizes that waver by a share."""
    waver = [(chance.gauss(1, noise), chance.gauss(1, noise / 3)) for _ in range(count)]
    return [(int(size * one), int(key * other)) for one, other in waver]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(5_000, 2_000_000), st.floats(0, 0.06))
def test_a_still_scene_says_nothing_whatever_its_bit_rate(seed: int, size: int, noise: float) -> None:
    assert play(still(1800, Random(seed), size=size, noise=noise)) == []


def test_what_moves_is_told_when_it_begins_and_when_it_is_over() -> None:
    scene = still(100, Random(1)) + still(5, Random(2), size=240_000) + still(20, Random(3))
    meter = SizeMeter()
    said = play(scene, meter)
    assert [news for news, _ in said] == [News.BEGAN, News.ENDED]
    assert said[0][1] == 200
    assert (meter.start_us, meter.end_us) == (200_000_000, 210_000_000)
    assert 0.55 < meter.score < 0.75
    assert said[1][1] * 1e6 <= 210_000_000 + QUIET_US


def test_a_pause_of_some_seconds_does_not_part_an_episode() -> None:
    loud = still(3, Random(2), size=240_000)
    said = play(still(100, Random(1)) + loud + still(2, Random(4)) + loud + still(20, Random(3)))
    assert [news for news, _ in said] == [News.BEGAN, News.ENDED]


def test_at_a_constant_bit_rate_the_key_frame_that_shrinks_tells() -> None:
    scene = still(100, Random(1)) + still(4, Random(2), size=84_000, key=28_000) + still(20, Random(3))
    assert [news for news, _ in play(scene)] == [News.BEGAN, News.ENDED]


def test_key_frames_that_a_rate_control_makes_of_noise_tell_nothing() -> None:
    chance = Random(5)
    scene = [
        (int(78_000 * chance.gauss(1, 0.1)), chance.choice([6, 12, 18, 20, 22, 24, 26]) * 1000) for _ in range(600)
    ]
    assert [one for one in play(scene) if one[1] > 120] == []


def test_a_busy_road_is_no_news_and_a_quiet_street_stays_quiet_though_people_pass() -> None:
    chance = Random(6)
    busy = [(int(chance.uniform(150_000, 420_000)), 60_000) for _ in range(900)]
    assert len(play(busy)) <= 2
    quiet = []
    for _ in range(15):
        quiet += still(30, chance) + still(4, chance, size=260_000)
    assert len([one for one in play(quiet) if one[0] is News.BEGAN]) == 15


def test_lamps_that_stay_on_become_the_usual_after_minutes() -> None:
    said = play(still(100, Random(1)) + still(600, Random(2), size=300_000))
    assert [news for news, _ in said] == [News.BEGAN, News.ENDED]
    assert said[1][1] - said[0][1] <= RELEARN_US / 1e6 + 4


def test_short_groups_are_taken_together_and_pictures_without_key_frames_do() -> None:
    meter = SizeMeter()
    for number in range(400):
        news = meter.add(10_000, 30_000, 22_500, number * 250_000, number * 250_000 + 250_000)
        assert news is None
    meter = SizeMeter()
    said = [meter.add(80_000 if n < 100 else 300_000, 0, 180_000, n * GROUP_US, (n + 1) * GROUP_US) for n in range(103)]
    assert said[100] is News.BEGAN


def test_a_connection_that_breaks_ends_the_episode_and_keeps_what_is_usual() -> None:
    meter = SizeMeter()
    play(still(100, Random(1)) + still(2, Random(2), size=240_000), meter)
    assert meter.pause() is News.ENDED
    assert meter.pause() is None
    assert meter.add(240_000, 60_000, 180_000, 10**9, 10**9 + GROUP_US) is News.BEGAN


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 24), st.integers(0, 1 << 23), st.integers(1, 10**7), st.integers(0, 10**13)),
        max_size=200,
    )
)
def test_no_sizes_and_times_break_it(pieces: list[tuple[int, int, int, int]]) -> None:
    meter, open_ = SizeMeter(), False
    for size, key, ticks, at in pieces:
        news = meter.add(size, key, ticks, at, at + ticks)
        assert not (news is News.BEGAN and open_)
        assert not (news in (News.GOES_ON, News.ENDED) and not open_)
        open_ = meter.active
        assert 0 <= meter.score <= 1
