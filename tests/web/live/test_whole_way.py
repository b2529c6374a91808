"""Live pictures the whole way: GStreamer's cameras, a real recorder, real pages, programs that watch, ffmpeg as judge."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from peers.live_viewer import Binary, LiveViewer

pytestmark = pytest.mark.slow


def played(viewer: LiveViewer, judge: Any, folder: Path) -> list[Any]:
    """Let ffmpeg decode what a viewer got; returns the packets as it sees them."""
    path = folder / "film.mp4"
    path.write_bytes(viewer.film())
    assert judge.complaints(path) == ""
    return judge.packets(path)


@pytest.mark.parametrize(
    ("properties", "mime"),
    [
        ({}, "avc1"),
        ({"b_frames": 3}, "avc1"),
        ({"codec": "libx265"}, "hvc1"),
        ({"codec": "libx265", "b_frames": 3}, "hvc1"),
    ],
    ids=["h264", "h264-b", "h265", "h265-b"],
)
def test_every_picture_comes_as_soon_as_it_is_there_and_ffmpeg_plays_them(
    centre: Any,
    gst_server: Callable[..., Any],
    numbered_clip: Any,
    judge: Any,
    tmp_path: Path,
    properties: dict[str, Any],
    mime: str,
) -> None:
    clip = numbered_clip(width=640, height=360, bits_per_second=400_000, **properties)
    centre.add_camera(gst_server([clip]).url())
    centre.start("recorder")
    centre.web()
    with centre.viewer(h265=1) as viewer:
        pictures = viewer.take(60)
        assert viewer.said[0]["type"] == "stream", viewer.said
        assert (viewer.said[0]["mode"], viewer.said[0]["width"], viewer.said[0]["height"]) == ("video", 640, 360)
        assert mime in viewer.said[0]["mime"]
        assert pictures[0].key
        packets = played(viewer, judge, tmp_path)
    assert len(packets) == len(pictures)
    times = [one.times for one in pictures]
    for (before, _, lasts), (after, _, _) in itertools.pairwise(times):
        assert before < after <= before + 2 * lasts, "a browser would drop what follows up to the next key frame"
    shown = sorted(time for _, time, _ in times)
    assert max(b - a for a, b in itertools.pairwise(shown)) <= 3 * 6000
    assert judge.frames(tmp_path / "film.mp4") >= len(pictures) - 4
