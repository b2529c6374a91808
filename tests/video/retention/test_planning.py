"""The plan of what is deleted next: never what is held, in the order that was decided, and no more than is needed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.retention.planning import (
    DAY_US,
    LEAST_MARGIN,
    Candidate,
    Days,
    Deletion,
    Queue,
    Rank,
    for_space,
    margin,
    past_maximum,
    room,
)
from vonggac.video.spans import Span, joined

NOW = 1000 * DAY_US
HOUR_US = DAY_US // 24
A, B = uuid.UUID(int=1), uuid.UUID(int=2)
V1, V2, V3 = (uuid.UUID(int=number) for number in (11, 12, 13))


class Camera:
    """Recordings of one hour each, so many hours ago."""

    def __init__(
        self, camera_id: uuid.UUID, days: Days, hours_ago: Sequence[int], volumes: Sequence[uuid.UUID] = (V1,),
        held: Sequence[Span] = (), size: int = 10,
    ) -> None:  # fmt: skip
        self.days = days
        self.held = joined(held)
        self.recordings = [
            Candidate(
                camera_id.int * 100_000 + hours, camera_id, volumes[hours % len(volumes)],
                NOW - (hours + 1) * HOUR_US, NOW - hours * HOUR_US, size,
            )
            for hours in sorted(hours_ago, reverse=True)
        ]  # fmt: skip

    def queue(self) -> Queue:
        return Queue(self.days, self.held, iter(self.recordings))


def hours(deletions: Sequence[Deletion]) -> list[tuple[int, int, Rank]]:
    """Camera, hours ago, rank."""
    return [(one.candidate.camera_id.int, (NOW - one.candidate.end_us) // HOUR_US, one.rank) for one in deletions]


def test_past_the_maximum_goes_whether_space_is_wanted_or_not_and_the_furthest_past_it_first() -> None:
    cameras = [
        Camera(A, Days(1, 3), [24, 80, 90]),
        Camera(B, Days(1, 2), [47, 48, 60, 61]),
        Camera(uuid.UUID(int=3), Days(1, 0), [9000]),
    ]
    found = hours(list(past_maximum([camera.queue() for camera in cameras], NOW)))
    assert [one[:2] for one in found] == [(1, 90), (2, 61), (2, 60), (1, 80), (2, 48)]
    assert {one[2] for one in found} == {Rank.PAST_MAXIMUM}


def test_for_space_the_camera_furthest_past_its_minimum_gives_first_and_below_it_only_then() -> None:
    cameras = [Camera(A, Days(2, 0), [30, 47, 48, 60]), Camera(B, Days(1, 0), [10, 24, 30])]
    found = hours(list(for_space([camera.queue() for camera in cameras], NOW, {V1: 0}, 60)))
    assert found == [
        (1, 60, Rank.PAST_MINIMUM),
        (2, 30, Rank.PAST_MINIMUM),
        (1, 48, Rank.PAST_MINIMUM),
        (2, 24, Rank.PAST_MINIMUM),
        (1, 47, Rank.BELOW_MINIMUM),
        (2, 10, Rank.BELOW_MINIMUM),
    ]


def test_nothing_is_deleted_for_room_that_is_there() -> None:
    assert list(for_space([Camera(A, Days(0, 0), range(100)).queue()], NOW, {V1: 50, V2: 50}, 100)) == []


def test_a_reserve_that_is_eaten_into_is_filled_before_it_counts_as_room() -> None:
    found = list(for_space([Camera(A, Days(0, 0), range(100)).queue()], NOW, {V1: -35}, 10))
    assert len(found) == 5
    assert room({V1: -35, V2: 7}) == 7


def test_what_frees_no_room_where_it_is_wanted_is_left_alone() -> None:
    camera = Camera(A, Days(0, 0), range(6), volumes=(V1, V2))
    found = list(for_space([camera.queue()], NOW, {V2: 0}, 1000))
    assert [one.candidate.volume_id for one in found] == [V2] * 3


def test_a_recording_held_for_one_moment_is_kept_whole() -> None:
    start = NOW - 11 * HOUR_US
    touching = [(start - 5, start), (start + HOUR_US, start + HOUR_US + 5)]
    assert hours(list(for_space([Camera(A, Days(0, 0), [10], held=touching).queue()], NOW, {V1: 0}, 10)))
    for held in ([(start - 5, start + 1)], [(start + HOUR_US - 1, start + HOUR_US)], [(start + 7, start + 8)]):
        assert not list(for_space([Camera(A, Days(0, 0), [10], held=held).queue()], NOW, {V1: 0}, 10))
        assert not list(past_maximum([Camera(A, Days(0, 1), [30], held=[(0, NOW)]).queue()], NOW))


def test_a_cameras_own_days_win_and_the_minimum_wins_over_a_maximum_that_contradicts_it() -> None:
    assert Days.of((None, None), (30, 0)) == Days(30, 0)
    assert Days.of((0, 7), (30, 90)) == Days(0, 7)
    assert Days.of((60, None), (30, 45)) == Days(60, 60)
    assert Days.of((60, 0), (30, 45)) == Days(60, 0)


def test_the_margin_is_minutes_of_recording_within_reason() -> None:
    district = 102 * 2_000_000 / 8
    assert margin(district, 10, 66 * 10**12) == 102 * 250_000 * 600
    assert margin(0.0, 10, 66 * 10**12) == LEAST_MARGIN
    assert margin(district, 10, 10**10) == 10**9


spans = st.tuples(st.integers(0, 72 * 4), st.integers(1, 40)).map(
    lambda one: (NOW - one[0] * HOUR_US // 4, NOW - one[0] * HOUR_US // 4 + one[1] * HOUR_US // 4)
)


@st.composite
def archives(draw: st.DrawFn) -> list[Camera]:
    cameras = []
    for number in range(draw(st.integers(0, 4))):
        minimum = draw(st.integers(0, 3))
        maximum = draw(st.sampled_from([0, minimum, minimum + 1]))
        hours_ago = draw(st.sets(st.integers(0, 72), max_size=12))
        held = draw(st.lists(spans, max_size=3))
        days = Days(minimum, maximum)
        cameras.append(Camera(uuid.UUID(int=number + 1), days, list(hours_ago), (V1, V2, V3), held))
    return cameras


@given(archives(), st.dictionaries(st.sampled_from([V1, V2]), st.integers(-100, 100)), st.integers(0, 300))
def test_a_plan_holds_nothing_held_is_in_order_and_is_as_short_as_it_can_be(
    cameras: list[Camera], spare: dict[uuid.UUID, int], wanted: int
) -> None:
    held = {id(one): camera.held for camera in cameras for one in camera.recordings}
    days = {one.camera_id: camera.days for camera in cameras for one in camera.recordings}
    plan = list(for_space([camera.queue() for camera in cameras], NOW, spare, wanted))
    maxima = list(past_maximum([camera.queue() for camera in cameras], NOW))
    for deletion in [*plan, *maxima]:
        one = deletion.candidate
        assert not any(one.start_us < end and start < one.end_us for start, end in held[id(one)])
    assert len({one.candidate.id for one in plan}) == len(plan)

    def past(one: Candidate) -> int:
        return NOW - one.end_us - days[one.camera_id].minimum * DAY_US

    order = [past(deletion.candidate) for deletion in plan]
    assert order == sorted(order, reverse=True)
    assert [deletion.rank is Rank.BELOW_MINIMUM for deletion in plan] == [one < 0 for one in order]
    left = dict(spare)
    for deletion in plan:
        assert room(left) < wanted  # the one before was not enough
        left[deletion.candidate.volume_id] += deletion.candidate.size
    planned = {deletion.candidate.id for deletion in plan}
    spared = [
        one
        for camera in cameras
        for one in camera.recordings
        if one.id not in planned and one.volume_id in spare
        if not any(one.start_us < end and start < one.end_us for start, end in camera.held)
    ]
    assert room(left) >= wanted or not spared
    if plan and spared:
        assert max(map(past, spared)) <= order[-1]
    over = [
        one.id
        for camera in cameras
        for one in camera.recordings
        if camera.days.maximum and NOW - one.end_us >= camera.days.maximum * DAY_US
        if not any(one.start_us < end and start < one.end_us for start, end in camera.held)
    ]
    assert sorted(deletion.candidate.id for deletion in maxima) == sorted(over)
