"""What of the playback page needs no page: clock, zone, typed times, address, scale, playlists and boxes, run by Node.

Each file in `playback/` is bundled as the pages are (esbuild) and run by Node's own test runner.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vonggac.video.mp4 import SoundFrames, codec_string, fragment_header, init_segment
from vonggac.video.stream import SoundParameters, VideoParameters

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent / "playback"
REPOSITORY = Path(__file__).resolve().parents[2]
AVC = VideoParameters(
    "h264",
    (bytes.fromhex("6742c01fd9005005bb0110000003001000000303c8f1832480"), bytes.fromhex("68cb83cb20")),
    1280, 720, 0, 15.0,
)  # fmt: skip
HEVC_SETS = (
    "40010c01ffff01600000030090000003000003001eba0240",
    "42010101600000030090000003000003001ea018206165ba4a4c2e68080000030008000003007840",
    "4401c073c189",
)
HEVC = VideoParameters("h265", tuple(bytes.fromhex(one) for one in HEVC_SETS), 192, 96, 0, 15.0)
SOUND = SoundParameters(bytes.fromhex("1188"), 48_000, 1)
DELAY = 12_000


def written(folder: Path, name: str, parameters: VideoParameters, *, offsets: Sequence[int] | None, sound: bool) -> Any:
    """Write a head and two groups as the recorder does; returns what must be read from them."""
    delay = DELAY if offsets else 0
    head = init_segment(parameters, presentation_delay=delay, sound=SOUND if sound else None)
    (folder / f"{name}.init").write_bytes(head)
    starts = [2**33, 2**33 + 4 * 6_000]
    body = b""
    for number, start in enumerate(starts):
        heard = SoundFrames(start * 48_000 // 90_000, [1024, 1024], [20, 24]) if sound else None
        durations, sizes = [6_000] * 4, [50, 10, 10, 10]
        body += fragment_header(number + 1, start, durations, sizes, offsets, key=True, sound=heard)
        body += bytes(sum(sizes) + (44 if sound else 0))
    (folder / f"{name}.body").write_bytes(body)
    shown = [
        start + tick for start in starts for tick in sorted(at * 6_000 + (offsets or [0] * 4)[at] for at in range(4))
    ]
    codec = codec_string(parameters)
    return {
        "name": name, "codec": codec, "delay": delay, "starts": starts, "shown": shown, "lasts": 48_000, "sound": sound
    }  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pieces of recordings, and what stands in them."""
    folder = tmp_path_factory.mktemp("footage")
    facts = [
        written(folder, "plain", AVC, offsets=None, sound=False),
        written(folder, "reordered", AVC, offsets=[12_000, 24_000, 6_000, 12_000], sound=False),
        written(folder, "with-sound", AVC, offsets=None, sound=True),
        written(folder, "hevc", HEVC, offsets=None, sound=True),
    ]
    (folder / "facts.json").write_text(json.dumps(facts))
    return folder


@pytest.mark.parametrize("part", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_the_parts_of_the_playback_page_keep_what_they_promise(part: str, files: Path, tmp_path: Path) -> None:
    bundle = tmp_path / part
    esbuild = REPOSITORY / "node_modules" / ".bin" / "esbuild"
    options = ["--bundle", "--format=esm", "--platform=node", f"--outfile={bundle}", "--log-level=warning"]
    subprocess.run([esbuild, HERE / part, *options], check=True, timeout=60)
    environment = {**os.environ, "VONGGAC_TEST_FILES": str(files)}
    done = subprocess.run(
        ["node", "--test", bundle], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "# fail 0" in done.stdout
    assert "# pass 0" not in done.stdout
