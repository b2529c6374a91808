"""Sub-streams the whole way: a small tile gets the small stream, a browser without H.265 the one that it plays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from peers.gst import GstCamera

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def centre(live_centre: Any, numbered_clip: Any) -> Iterator[Any]:
    """Camera 1: H.264, both streams. Camera 2: H.265, and its sub-stream in H.264."""
    small = numbered_clip(width=640, height=360, bits_per_second=400_000)
    large, hevc = numbered_clip(), numbered_clip(codec="libx265", width=960, height=540, bits_per_second=800_000)
    with GstCamera([large, small, hevc]) as cameras, live_centre() as made:
        made.add_camera(cameras.url(1), "--sub-url", cameras.url(2))
        made.add_camera(cameras.url(3), "--sub-url", cameras.url(2))
        made.start("recorder")
        made.web()
        yield made


def widths(viewer: Any) -> list[int]:
    return [said["width"] for said in viewer.said if said["type"] == "stream"]


def test_a_stream_is_changed_without_a_new_socket_and_without_a_pause(centre: Any) -> None:
    with centre.viewer(1, stream="sub") as viewer:
        viewer.until(lambda _: 640 in widths(viewer))
        viewer.take(20)
        viewer.socket.send('{"stream":"main"}')
        viewer.until(lambda _: widths(viewer)[-1] == 1280)
        assert viewer.take(10)[0].key
        viewer.socket.send('{"stream":"sub"}')
        viewer.until(lambda _: widths(viewer)[-1] == 640)
    assert {said["type"] for said in viewer.said} <= {"stream", "alive"}


def test_a_browser_without_h265_gets_the_sub_stream(centre: Any) -> None:
    with centre.viewer(2, h265=0) as viewer:
        viewer.take(20)
    assert widths(viewer) == [640]


def test_the_tile_changes_over_with_the_first_picture_of_the_other_stream(looking: Any) -> None:
    looking.mount(1, "main")
    looking.wait("() => tile.video.videoWidth === 1280 && states.at(-1).kind === 'live'")
    looking.page.evaluate("tile.setStream('sub')")
    looking.wait("() => tile.video.videoWidth === 640 && states.at(-1).kind === 'live'")
    assert "connecting" not in looking.kinds()[looking.kinds().index("live") :]
