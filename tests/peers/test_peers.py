"""The peers themselves: before they judge anything, they are tried."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from peers import material as material_peer
from peers.gst import GstCamera, PeerFailed
from peers.numbered import NumberUnreadable, holes

SMALL = {"width": 320, "height": 180, "fps": 15, "seconds": 4, "group_seconds": 1, "bits_per_second": 200_000}


def record(url: str, path: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    """Let ffmpeg, a client that no one here wrote, record a stream as it comes."""
    source = ["ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", url]
    return subprocess.run(
        [*source, "-c", "copy", "-t", str(seconds), str(path)], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("slices", [1, 2])
def test_the_numbers_of_a_clip_are_read_as_they_were_drawn(
    numbered_clip: Callable[..., Path], read_numbers: Callable[[Path], list[int]], b_frames: int, slices: int
) -> None:
    path = numbered_clip(**SMALL, b_frames=b_frames, slices=slices)
    assert read_numbers(path) == list(range(60))


def test_numbers_survive_coding_at_a_tenth_of_a_bit_a_pixel(
    numbered_clip: Callable[..., Path], read_numbers: Callable[[Path], list[int]]
) -> None:
    path = numbered_clip(**SMALL | {"bits_per_second": 40_000})
    assert read_numbers(path) == list(range(60))


def test_a_picture_without_a_number_is_an_error_and_never_a_wrong_number(
    tmp_path: Path, read_numbers: Callable[[Path], list[int]]
) -> None:
    path = tmp_path / "black.mp4"
    black = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=black:size=320x180:rate=15", "-t", "1"]
    subprocess.run([*black, "-pix_fmt", "yuv420p", str(path)], check=True, timeout=60)
    with pytest.raises(NumberUnreadable, match="picture 0 of 15"):
        read_numbers(path)


@pytest.mark.slow
def test_cameras_of_one_pipeline_play_the_same_clip_side_by_side(
    numbered_clip: Callable[..., Path], read_numbers: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    with GstCamera([numbered_clip(**SMALL)], mounts=5, pipelines=2) as camera:
        for number in (1, 3, 4):
            path = tmp_path / f"{number}.mp4"
            assert record(camera.url(number), path, 2).returncode == 0
            read = read_numbers(path)
            assert len(read) > 15
            assert holes(read, loop=60) == []


def test_a_hole_is_a_pair_of_neighbours_that_are_not_consecutive() -> None:
    assert holes([3, 4, 5, 0, 1], loop=6) == []
    assert holes([3, 5, 5, 0], loop=6) == [(3, 5), (5, 5)]


@pytest.mark.slow
def test_a_benchmark_clip_has_the_bit_rate_that_was_asked_for(
    numbered_clip: Callable[..., Path], judge: ModuleType
) -> None:
    path = numbered_clip(seconds=8, bits_per_second=2_000_000)
    assert path.stat().st_size * 8 / judge.duration(path) == pytest.approx(2_000_000, rel=0.05)


@pytest.mark.slow
def test_ffmpeg_records_the_camera_picture_for_picture_from_the_first_on_and_over_the_end_of_the_loop(
    numbered_clip: Callable[..., Path],
    read_numbers: Callable[[Path], list[int]],
    gst_server: Callable[..., GstCamera],
    judge: ModuleType,
    tmp_path: Path,
) -> None:
    camera = gst_server([numbered_clip(**SMALL)], mounts=3)
    path = tmp_path / "recorded.mp4"
    assert record(camera.url(3), path, seconds=5).stderr == ""
    numbers = read_numbers(path)
    assert numbers[0] == 0
    assert len(numbers) > 60
    assert holes(numbers, loop=60) == []
    assert judge.plays(path), judge.complaints(path)
    times = [float(packet["pts_time"]) for packet in judge.packets(path)]
    assert all(later - earlier == pytest.approx(1 / 15, abs=0.002) for earlier, later in pairwise(times[1:]))


@pytest.mark.slow
@pytest.mark.parametrize("properties", [{"b_frames": 2}, {"codec": "libx265"}, {"slices": 2}], ids=str)
def test_the_camera_plays_what_else_cameras_send(
    numbered_clip: Callable[..., Path],
    read_numbers: Callable[[Path], list[int]],
    gst_server: Callable[..., GstCamera],
    tmp_path: Path,
    properties: dict[str, Any],
) -> None:
    # Where a key picture has several slices, the parameter sets come between them as well: then only in the SDP.
    camera = gst_server([numbered_clip(**SMALL, **properties)], sets_in_sdp_only="slices" in properties)
    # Reordered pictures without a container: ffmpeg makes no decoding times for what comes by RTSP.
    path = tmp_path / ("recorded.h264" if "b_frames" in properties else "recorded.mkv")
    source = ["ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", camera.url()]
    subprocess.run([*source, "-c", "copy", "-frames:v", "75", str(path)], check=True, timeout=60)
    numbers = read_numbers(path)
    assert len(numbers) > 60
    assert holes(numbers, loop=60) == []


@pytest.mark.slow
@pytest.mark.parametrize("auth", ["digest", "basic"])
def test_a_protected_camera_lets_in_only_who_knows_the_password(
    numbered_clip: Callable[..., Path], gst_server: Callable[..., GstCamera], tmp_path: Path, auth: str
) -> None:
    camera = gst_server([numbered_clip(**SMALL)], user="trực ban", password="p@ss:w/rd", auth=auth)
    assert "401 Unauthorized" in record(camera.open_url, tmp_path / "none.mp4", seconds=1).stderr
    assert "401 Unauthorized" in record(camera.url(password="wrong"), tmp_path / "wrong.mp4", seconds=1).stderr
    assert record(camera.url(), tmp_path / "right.mp4", seconds=1).returncode == 0


@pytest.mark.slow
def test_the_real_clips_or_their_substitutes_can_be_played(
    clip: Callable[[str], Path], gst_server: Callable[..., GstCamera], judge: ModuleType, tmp_path: Path
) -> None:
    camera = gst_server([clip(material_peer.STREET), clip(material_peer.SHOP)])
    for number in (1, 2):
        path = tmp_path / f"{number}.mp4"
        record(camera.url(number), path, seconds=2)
        assert judge.video(path)["width"] == 768
        assert judge.complaints(path) == ""


@pytest.mark.slow
def test_the_camera_says_why_it_cannot_start(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film at all")
    with pytest.raises(PeerFailed, match=r"broken\.mp4: no H\.264 or H\.265 video could be read from it"):
        GstCamera([broken]).start()


@pytest.mark.slow
def test_the_camera_ends_when_whoever_started_it_is_killed(numbered_clip: Callable[..., Path]) -> None:
    program = (
        "import sys, os, signal; sys.path.insert(0, sys.argv[1]); from pathlib import Path; "
        "from peers.gst import GstCamera; camera = GstCamera([Path(sys.argv[2])]).start(); "
        "print(camera.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", program, tests, str(numbered_clip(**SMALL))]
    pid = int(subprocess.run(command, capture_output=True, text=True, timeout=60).stdout)
    descriptor = _pidfd(pid)
    if descriptor is not None:
        import select

        assert select.select([descriptor], [], [], 10)[0], "the camera still runs"
        os.close(descriptor)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None  # It has ended already.


def test_where_the_shared_material_is_away_rendered_clips_take_its_place(tmp_path: Path, judge: ModuleType) -> None:
    away = material_peer.find({"VONGGAC_MATERIAL": str(tmp_path / "nowhere")})
    assert not away.real
    street, shop = away.clip(material_peer.STREET), away.clip(material_peer.SHOP)
    assert (judge.video(street)["width"], judge.video(street)["r_frame_rate"]) == (768, "25/2")
    assert judge.video(street)["has_b_frames"] == 0
    assert judge.video(shop)["has_b_frames"] > 0


def test_a_database_for_a_test_is_empty(database_url: str) -> None:
    engine = sa.create_engine(database_url)
    assert sa.inspect(engine).get_table_names() == []
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE seen (number integer)"))
    engine.dispose()


@pytest.mark.slow
def test_the_browser_shows_a_page_and_plays_our_codec(browser: Any) -> None:
    page = browser.new_page()
    page.set_content("<h1>Vọng Gác</h1>")
    assert page.inner_text("h1") == "Vọng Gác"
    assert page.evaluate("MediaSource.isTypeSupported('video/mp4; codecs=\"avc1.42c01f\"')")


def test_nothing_is_said_when_all_debian_packages_are_there() -> None:
    script = Path(__file__).parents[1] / "debian-packages.sh"
    done = subprocess.run(["sh", "-e", str(script), "dpkg"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["vonggac-no-such-package"])
def test_who_may_not_install_debian_packages_is_told_the_line_to_run(missing: str) -> None:
    script = Path(__file__).parents[1] / "debian-packages.sh"
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with script.open("rb") as text:  # Read from standard input: our folders may be closed to others.
        done = subprocess.run(
            ["sh", "-s", "dpkg", missing], stdin=text, cwd="/", capture_output=True, text=True, timeout=60, **nobody
        )
    assert done.returncode == 1
    assert f"sudo apt-get install --no-install-recommends {missing}\n" in done.stderr
