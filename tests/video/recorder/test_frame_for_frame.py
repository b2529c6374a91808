"""Real pictures, coded in each way that cameras code them: through GStreamer's server onto disk, frame for frame."""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from vonggac.video.models import GapReason

pytestmark = pytest.mark.slow

GROUP = "keyint=25:min-keyint=25:scenecut=0"
STREAMS = {
    "h264": ("street-cars.mp4", "libx264", f"{GROUP}:bframes=0"),
    "h264-b": ("shop-person.mp4", "libx264", f"{GROUP}:bframes=2:b-adapt=0"),
    "h265": ("street-cars.mp4", "libx265", f"{GROUP}:bframes=0:open-gop=0"),
    "h265-b": ("shop-person.mp4", "libx265", f"{GROUP}:bframes=3:b-adapt=0:open-gop=0"),
    # Pictures that lead each key frame: three, which refer to the group before.
    "h265-open": ("street-cars.mp4", "libx265", "keyint=28:scenecut=0:bframes=3:b-adapt=0:open-gop=1"),
}
NOT_YET_WHOLE = 5
"""Pictures at the end of what was recorded: a picture shown before one that had not come yet is missing there."""


def joined(files: list[tuple[Path, int]], path: Path) -> Path:
    """The files of a run, (path, size of its head), played one after the other: their media time runs on."""
    first, *others = files
    path.write_bytes(first[0].read_bytes() + b"".join(file.read_bytes()[head:] for file, head in others))
    return path


def test_what_is_recorded_is_what_the_camera_coded_picture_by_picture(
    centre: Any, gst_server: Any, material: Any, judge: Any, tmp_path: Path
) -> None:
    clips = {name: material.reencoded(*how) for name, how in STREAMS.items()}
    server = gst_server(list(clips.values()))
    for number, name in enumerate(clips, 1):
        centre.add_camera(name, server.url(number))
    centre.start()
    centre.wait_for_files(3 * len(clips), grown_to=5000)
    assert centre.end() == 0
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()
    assert {gap.reason for gap in centre.gaps() if gap.end_us is None} == {GapReason.STOPPED}

    files: dict[str, list[tuple[Path, int]]] = defaultdict(list)
    families = {}
    for row in centre.recordings():
        path = centre.path / "media" / row.path
        folder = row.path.split("/")[0]
        files[folder].append((path, row.init_size))
        families[folder] = (row.codec[:5], row.width)
        assert judge.plays(path), judge.complaints(path)
    assert len(files) == len(clips)
    for folder, parts in files.items():
        name = folder.rpartition("-")[0]
        source = judge.pictures(clips[name])
        seen = judge.pictures(joined(parts, tmp_path / f"{folder}.mp4"))
        assert len(seen) > 80, (name, len(seen))
        expected = list(itertools.islice(itertools.cycle(source), len(seen)))
        assert seen[:-NOT_YET_WHOLE] == expected[:-NOT_YET_WHOLE], name
        assert families[folder] == ("hvc1." if "265" in name else "avc1.", 384)
