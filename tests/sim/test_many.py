"""The district with its residents' cameras: 1,124 of them, every one watched, from one process."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from peers.viewer import Viewer
from vonggac.sim.serving import allow_open_files

CAMERAS = 1124
PACKETS_EACH = 30


@pytest.mark.slow
def test_1124_cameras_are_served_at_once_each_with_its_own_unbroken_stream(
    tmp_path: Path, numbered_clip: Callable[..., Path]
) -> None:
    allow_open_files(CAMERAS + 200)
    clips = tmp_path / "clips"
    clips.mkdir()
    small = numbered_clip(width=640, height=360, fps=5, seconds=4, group_seconds=1, bits_per_second=100_000)
    (clips / "small.mp4").symlink_to(small)
    words = [sys.executable, "-m", "vonggac.sim", "serve", "--data", str(tmp_path / "data")]
    words += ["--cameras", str(CAMERAS), "--clips", str(clips)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["cameras"] == CAMERAS
            port = urlsplit(ready["address"]).port
            assert port
            watch_all(port)
            # One scene is one copy in memory, whoever shows it: a copy for each camera would be gigabytes.
            assert psutil.Process(ready["pid"]).memory_info().rss < 400 << 20
        finally:
            process.terminate()
            process.wait(30)


def watch_all(port: int) -> None:
    """Play every camera, and read until each has sent so many packets, none of them missing."""
    viewers = [Viewer(port) for _ in range(CAMERAS)]
    numbers: dict[Viewer, list[int]] = {viewer: [] for viewer in viewers}
    with selectors.DefaultSelector() as selector:
        for index, viewer in enumerate(viewers, 1):
            viewer.play(f"/cam/{index:03}")
            selector.register(viewer.socket, selectors.EVENT_READ, viewer)
        deadline = time.monotonic() + 120
        waiting = set(viewers)
        while waiting:
            assert time.monotonic() < deadline, f"{len(waiting)} viewers still wait"
            for key, _ in selector.select(1.0):
                viewer = key.data
                viewer.more()
                while len(viewer.kept) >= 4 and len(viewer.kept) >= 4 + int.from_bytes(viewer.kept[2:4], "big"):
                    channel, packet = viewer.packet()
                    if channel == 0:
                        numbers[viewer].append(int.from_bytes(packet[2:4], "big"))
                if len(numbers[viewer]) >= PACKETS_EACH:
                    waiting.discard(viewer)
    for found in numbers.values():
        assert found == [(found[0] + index) & 0xFFFF for index in range(len(found))]
    for viewer in viewers:
        viewer.socket.close()
