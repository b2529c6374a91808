"""The forecast: what is held when the disks are full fills them, and nobody is held longer than his maximum."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.retention.forecast import FAR_DAYS, Growth, days_held_when_full, days_until_full
from vonggac.video.retention.planning import Days

DISTRICT = [Growth(Days(30, 0), 21.6e9, 0.0)] * 102


def test_the_district_needs_66_terabytes_for_30_days() -> None:
    assert days_held_when_full(DISTRICT, 66.1e12) == pytest.approx([30.0] * 102, rel=0.001)
    assert days_until_full(DISTRICT, 66.1e12) == pytest.approx(30.0, rel=0.001)


def test_a_disk_that_is_full_is_full_now_and_one_that_maxima_keep_from_filling_never_is() -> None:
    assert days_until_full(DISTRICT, -5.0) == 0.0
    limited = [Growth(Days(0, 7), 1e9, 3.0), Growth(Days(0, 7), 1e9, 7.5)]
    assert days_until_full(limited, 5e9) is None
    assert days_until_full(limited, 2e9) == pytest.approx(2.0)
    assert days_until_full([], 1.0) is None
    assert days_held_when_full(limited, 100e9) == [7, 7]


def test_cameras_with_a_longer_minimum_are_held_longer_by_as_much() -> None:
    cameras = [Growth(Days(10, 0), 1e9, 0.0), Growth(Days(30, 0), 1e9, 0.0), Growth(Days(30, 0), 0.0, 9.0)]
    assert days_held_when_full(cameras, 60e9) == pytest.approx([20.0, 40.0, 0.0])
    assert days_held_when_full(cameras, 30e9) == pytest.approx([5.0, 25.0, 0.0])


growths = st.builds(
    lambda minimum, more, rate, held: Growth(Days(minimum, minimum + more if more else 0), rate, held),
    st.integers(0, 60), st.integers(0, 30), st.floats(1e6, 1e11), st.floats(0, 90),
)  # fmt: skip


@given(st.lists(growths, min_size=1, max_size=6), st.floats(1e9, 1e14))
def test_what_is_held_fits_and_leaves_no_space_that_a_camera_could_use(cameras: list[Growth], capacity: float) -> None:
    held = days_held_when_full(cameras, capacity)
    used = sum(camera.bytes_a_day * days for camera, days in zip(cameras, held, strict=True))
    assert used <= capacity * 1.000001
    wants_more = [
        camera
        for camera, days in zip(cameras, held, strict=True)
        if not 0 < camera.days.maximum <= days and days < FAR_DAYS
    ]
    assert used == pytest.approx(capacity, rel=1e-4) or not wants_more


@given(st.lists(growths, max_size=6), st.floats(1, 1e13))
def test_more_room_lasts_longer(cameras: list[Growth], room: float) -> None:
    one, two = days_until_full(cameras, room), days_until_full(cameras, 2 * room)
    assert one is not None or two is None
    if one is not None and two is not None:
        assert two >= one
