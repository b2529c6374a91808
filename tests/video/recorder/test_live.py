"""Live pictures: the current group at once, a slow viewer skips to a key frame, nobody waits for anybody."""

from __future__ import annotations

import asyncio

from vonggac.video.recorder.live import CACHED_BYTES, QUEUED_PICTURES, LiveFeed, Viewer
from vonggac.video.stream import AccessUnit, VideoParameters

PARAMETERS = VideoParameters("h264", (b"\x67sps", b"\x68pps"), 1280, 720)


def picture(number: int, *, key: bool = False, size: int = 10) -> AccessUnit:
    return AccessUnit(number, key, bytearray(size), PARAMETERS, number)


async def waiting_for(viewer: Viewer) -> list[int]:
    viewer.end()
    seen = []
    while (unit := await viewer.next()) is not None:
        seen.append(unit.pts)
    return seen


def test_who_comes_in_mid_group_gets_it_from_its_key_frame_on() -> None:
    async def scenario() -> list[int]:
        feed = LiveFeed(lambda _watched: None)
        for number in range(25):
            feed.push(picture(number, key=number % 10 == 0))
        viewer = feed.watch()
        feed.push(picture(25))
        return await waiting_for(viewer)

    assert asyncio.run(scenario()) == [20, 21, 22, 23, 24, 25]


def test_a_slow_viewer_misses_pictures_up_to_the_next_key_frame_and_never_holds_more_than_his_share() -> None:
    async def scenario() -> tuple[list[int], int]:
        feed = LiveFeed(lambda _watched: None)
        viewer = feed.watch()
        for number in range(QUEUED_PICTURES + 100):
            feed.push(picture(number, key=number % 60 == 0))
        return await waiting_for(viewer), viewer.skipped

    seen, skipped = asyncio.run(scenario())
    assert seen[0] % 60 == 0
    assert seen == list(range(seen[0], QUEUED_PICTURES + 100))
    assert len(seen) + skipped == QUEUED_PICTURES + 100


def test_of_a_group_too_large_to_keep_nothing_undecodable_is_handed_out() -> None:
    async def scenario() -> list[int]:
        feed = LiveFeed(lambda _watched: None)
        feed.push(picture(0, key=True))
        feed.push(picture(1, size=CACHED_BYTES))
        viewer = feed.watch()
        feed.push(picture(2))
        feed.push(picture(3, key=True))
        return await waiting_for(viewer)

    assert asyncio.run(scenario()) == [3]


def test_after_a_seam_the_old_key_frame_is_no_longer_the_present() -> None:
    feed = LiveFeed(lambda _watched: None)
    feed.push(picture(0, key=True))
    feed.break_off()
    assert feed.key_frame is None


def test_the_camera_is_told_when_the_first_viewer_comes_and_the_last_one_goes() -> None:
    async def scenario() -> list[bool]:
        told: list[bool] = []
        feed = LiveFeed(told.append)
        first, second = feed.watch(), feed.watch()
        feed.leave(first)
        feed.leave(second)
        return told

    assert asyncio.run(scenario()) == [True, False]
