"""A foreign camera, a real recorder process, files on disk: what is promised of them, also after the worst."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from vonggac.cameras.models import Camera
from vonggac.core.presence import RoleRow
from vonggac.video.live_client import LivePicture, latest_key_frame, pictures
from vonggac.video.models import CameraStatus, GapReason

pytestmark = pytest.mark.slow

VONGGAC = [sys.executable, "-m", "vonggac"]


def consecutive(numbers: list[int], loop: int) -> bool:
    return all(after == (before + 1) % loop for before, after in itertools.pairwise(numbers))


@pytest.fixture
def camera(gst_server: Callable[..., Any], numbered_clip: Callable[..., Path]) -> Any:
    return gst_server(
        [numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=400_000)], mounts=3
    )


def test_every_picture_is_on_disk_once_across_files_and_files_follow_without_a_hole(
    centre: Any, camera: Any, judge: Any, read_numbers: Callable[[Path], list[int]]
) -> None:
    for number in (1, 2, 3):
        centre.add_camera(f"Camera {number}", camera.url(number))
    centre.start()
    centre.wait_for_files(9)
    assert centre.end() == 0
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()
    numbers: dict[str, list[int]] = {}
    for path in centre.media():
        assert judge.plays(path), judge.complaints(path)
        numbers.setdefault(path.parents[2].name, []).extend(read_numbers(path))
    assert len(numbers) == 3
    for seen in numbers.values():
        assert len(seen) > 100
        assert consecutive(seen, 150)
    assert {gap.reason for gap in centre.gaps() if gap.end_us is None} == {GapReason.STOPPED}
    # The camera runs on this machine's clock: its sender reports say so, to what it takes them to get here.
    offsets = [row.clock_offset_us for row in centre.recordings() if row.clock_offset_us is not None]
    assert len(offsets) > 3
    assert all(abs(offset) < 2_000_000 for offset in offsets), offsets


def test_pictures_that_are_shown_in_another_order_than_they_are_sent_come_out_in_order(
    centre: Any, gst_server: Any, numbered_clip: Any, judge: Any, read_numbers: Callable[[Path], list[int]]
) -> None:
    clip = numbered_clip(
        width=320, height=180, fps=15, seconds=10, group_seconds=2, bits_per_second=400_000, b_frames=2
    )
    camera = gst_server([clip])
    centre.add_camera("Camera", camera.url(1))
    centre.start()
    centre.wait_for_files(3)
    assert centre.end() == 0
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()
    numbers: list[int] = []
    for path in centre.media():
        assert judge.plays(path), judge.complaints(path)
        numbers += read_numbers(path)
    assert len(numbers) > 100
    # The last file may end in mid-group: a picture shown before one that had not come yet is then missing there.
    assert consecutive(numbers[:-5], 150)


def test_after_kill_9_again_and_again_every_file_plays_and_at_most_the_open_group_is_lost(
    centre: Any, camera: Any, judge: Any, read_numbers: Callable[[Path], list[int]]
) -> None:
    for number in (1, 2, 3):
        centre.add_camera(f"Camera {number}", camera.url(number))
    for round_ in range(1, 5):
        centre.start()
        centre.wait_for_files(3 * round_, grown_to=50_000)
        time.sleep(0.4 * round_)
        killed = time.time() * 1e6
        centre.end(signal.SIGKILL)
        # What is on disk at this moment is all there is: each camera lacks at most its open group of one second,
        # what the pause between reads held, and what the writer had not taken yet.
        for path in centre.media()[-1:]:
            assert judge.plays(path), judge.complaints(path)
    centre.start()
    centre.wait_for_files(3 * 5, grown_to=50_000)
    assert centre.end() == 0
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()
    for path in centre.media():
        assert judge.plays(path), judge.complaints(path)
        assert consecutive(read_numbers(path), 150)
    crashed = [gap for gap in centre.gaps() if gap.reason == GapReason.CRASHED]
    assert len(crashed) == 3 * 4
    last = [gap.start_us for gap in crashed[3::4]]
    assert all(killed - start < 2_500_000 for start in last), [killed - start for start in last]


def test_a_camera_that_goes_away_leaves_a_gap_with_its_reason_and_comes_back(centre: Any, camera: Any) -> None:
    centre.add_camera("Camera", camera.url(1))
    centre.start()
    centre.wait_for_files(1)
    camera.stop()
    centre.wait_until(lambda: any(gap.reason == GapReason.REFUSED for gap in centre.gaps()), "the gap")
    camera.start()
    centre.wait_until(lambda: all(gap.end_us for gap in centre.gaps()), "the end of the gap")
    assert centre.end() == 0
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()
    reasons = [gap.reason for gap in centre.gaps()]
    assert reasons[0] == GapReason.STOPPED
    assert GapReason.CLOSED in reasons
    assert GapReason.REFUSED in reasons
    assert "127.0.0.1" in next(gap.detail for gap in centre.gaps() if gap.reason == GapReason.REFUSED)


def test_a_camera_that_stays_connected_and_sends_nothing_is_noticed_and_recorded_again(
    centre: Any, camera: Any
) -> None:
    centre.environment["VONGGAC_RECORDER_CONNECT_TIMEOUT_SECONDS"] = "2"
    centre.add_camera("Camera", camera.url(1))
    centre.start()
    centre.wait_for_files(1)
    os.kill(camera.pid, signal.SIGSTOP)
    try:
        centre.wait_until(lambda: any(gap.reason == GapReason.STALLED for gap in centre.gaps()), "the gap")
    finally:
        os.kill(camera.pid, signal.SIGCONT)
    centre.wait_until(lambda: all(gap.end_us for gap in centre.gaps()), "the end of the gap")
    assert centre.end() == 0
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()


def test_who_watches_gets_the_current_group_at_once_and_then_every_picture(centre: Any, camera: Any) -> None:
    centre.add_camera("Camera", camera.url(1))
    centre.start()
    centre.wait_for_files(1)
    with centre.database.read() as session:
        address = session.get(RoleRow, "recorder").address
    camera_id = centre.recordings()[0].camera_id

    async def watch() -> tuple[LivePicture | None, list[LivePicture]]:
        key_frame = await latest_key_frame(address, camera_id)
        seen: list[LivePicture] = []
        async for picture in pictures(address, camera_id):
            seen.append(picture)
            if len(seen) == 40:
                break
        return key_frame, seen

    key_frame, seen = asyncio.run(watch())
    assert key_frame is not None
    assert key_frame.key
    assert key_frame.parameters.width == 320
    assert seen[0].key
    steps = [after.pts - before.pts for before, after in itertools.pairwise(seen)]
    assert all(abs(step - 6000) <= 1 for step in steps), steps  # GStreamer rounds to nanoseconds on the way
    assert all(abs(picture.arrived_us / 1e6 - time.time()) < 60 for picture in seen)


def test_cameras_added_changed_and_removed_while_recording_are_followed(centre: Any, camera: Any) -> None:
    centre.start()
    centre.add_camera("First", camera.url(1))
    centre.wait_for_files(1)
    centre.add_camera("Second", camera.url(2))
    centre.wait_for_files(2)
    centre.command("camera", "edit", "Second", "--url", camera.url(3), "--data", str(centre.path))
    centre.wait_until(lambda: len({row.run for row in centre.recordings()}) == 3, "a new run of the second camera")
    centre.command("camera", "remove", "First", "--data", str(centre.path))
    centre.wait_until(
        lambda: any(gap.reason == GapReason.DISABLED for gap in centre.gaps()), "the end of the first camera"
    )
    assert centre.end() == 0
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()


def test_two_recorders_share_the_cameras_out_and_a_third_refuses(centre: Any, camera: Any) -> None:
    centre.environment["VONGGAC_RECORDER_PROCESSES"] = "2"
    for number in (1, 2, 3):
        centre.add_camera(f"Camera {number}", camera.url(number))
    centre.start()
    centre.start_beside("recorder-2")
    centre.wait_for_files(3)
    refused = subprocess.run(
        [*VONGGAC, "run", "recorder-3", "--data", str(centre.path)],
        env=centre.environment, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "processes" in refused.stderr
    assert centre.end() == 0
    centre.end_beside()
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()
    with centre.database.read() as session:
        shares = dict(session.execute(sa.select(Camera.number, CameraStatus.recorder).join(CameraStatus)).all())
    assert shares == {1: "recorder-2", 2: "recorder", 3: "recorder-2"}


def test_cameras_over_udp_and_through_tls_are_recorded_picture_for_picture(
    centre: Any, gst_server: Any, numbered_clip: Any, tmp_path: Path, judge: Any, read_numbers: Any
) -> None:
    clip = numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=400_000)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera",
         "-keyout", "key.pem", "-out", "own.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "own.pem").read_bytes() + (tmp_path / "key.pem").read_bytes())
    said = centre.command("camera", "add", "Datagrams", gst_server([clip], udp_only=True).url(1), "--transport", "udp",
                          "--data", str(centre.path))  # fmt: skip
    assert "Added camera 1" in said
    encrypted = gst_server([clip], tls=both).url(1)
    centre.add_camera("Encrypted", encrypted)
    centre.start()
    # Nobody has said yet that this certificate is the camera's.
    centre.wait_until(lambda: any(gap.reason == GapReason.UNTRUSTED for gap in centre.gaps()), "the refusal")
    detail = next(gap.detail for gap in centre.gaps() if gap.reason == GapReason.UNTRUSTED)
    assert "--tls-fingerprint" in detail
    pin = subprocess.run(
        ["openssl", "x509", "-in", str(both), "-noout", "-fingerprint", "-sha256"],
        check=True, capture_output=True, text=True,
    ).stdout.partition("=")[2].strip()  # fmt: skip
    centre.command("camera", "edit", "Encrypted", "--tls-fingerprint", pin, "--data", str(centre.path))
    centre.wait_for_files(4)
    assert centre.end() == 0
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()
    numbers: dict[str, list[int]] = {}
    for path in centre.media():
        assert judge.plays(path), judge.complaints(path)
        numbers.setdefault(path.parents[2].name, []).extend(read_numbers(path))
    assert len(numbers) == 2
    for seen in numbers.values():
        assert len(seen) > 60
        assert consecutive(seen, 150)


def test_time_that_is_switched_off_is_told_to_the_second(centre: Any, camera: Any) -> None:
    centre.add_camera("Camera 1", camera.url(1))
    centre.start()
    centre.wait_for_files(1)
    centre.command("camera", "edit", "1", "--disable", "--data", str(centre.path))
    centre.wait_until(lambda: [gap.reason for gap in centre.gaps() if gap.end_us is None] == ["disabled"], "the gap")
    centre.command("camera", "edit", "1", "--enable", "--data", str(centre.path))
    centre.wait_until(lambda: all(gap.end_us is not None for gap in centre.gaps()), "the camera's return")
    assert centre.end() == 0
    centre.assert_time_is_accounted_for()
    # What connecting takes after it was switched on is due: it has a gap of its own.
    assert [gap.reason for gap in centre.gaps()] == ["stopped", "disabled", "stopped", "stopped"]
