"""Disks that go, stall and come back, under a real recorder process and a foreign camera."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from vonggac.core.faults import Fault
from vonggac.video.models import GapReason, RecordingState, Volume
from vonggac.video.mp4 import scan

pytestmark = pytest.mark.slow


@pytest.fixture
def camera(gst_server: Callable[..., Any], numbered_clip: Callable[..., Path]) -> Any:
    return gst_server(
        [numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=400_000)], mounts=4
    )


@pytest.fixture
def two_disks(centre: Any, tmp_path: Path) -> tuple[Path, Path]:
    """The centre's volume, and a second one beside it."""
    first, second = centre.path / "media", tmp_path / "second"
    centre.environment["VONGGAC_STORAGE_MEDIA"] = f"{first},{second}"
    centre.command("init", str(centre.path))
    return first, second


def faults(centre: Any) -> list[tuple[str, bool]]:
    """Return the kind of every fault there was, and whether it is over."""
    with centre.database.read() as session:
        return [(fault.kind, fault.cleared_at is not None) for fault in session.scalars(sa.select(Fault))]


def grown(folder: Path, than: int = 0) -> bool:
    return sum(path.stat().st_size for path in folder.rglob("*.mp4")) > than + 100_000


def assert_rows_and_files_agree(centre: Any) -> None:
    with centre.database.read() as session:
        roots = {volume.id: Path(volume.path) for volume in session.scalars(sa.select(Volume))}
    rows = {roots[row.volume_id] / row.path: row for row in centre.recordings()}
    assert set(rows) == {path for root in roots.values() for path in root.rglob("*.mp4")}
    for path, row in rows.items():
        assert row.state != RecordingState.OPEN, path
        with path.open("rb") as file:
            scanned = scan(file, verify_from=0)
        assert (scanned.valid_end, scanned.frames) == (row.size, row.frames)
        assert path.stat().st_size == row.size


def test_a_disk_that_goes_while_recording_is_left_at_once_and_used_again_when_it_is_back(
    centre: Any, camera: Any, two_disks: tuple[Path, Path]
) -> None:
    first, second = two_disks
    for number in (1, 2, 3, 4):
        centre.add_camera(f"Camera {number}", camera.url(number))
    centre.start()
    centre.wait_until(lambda: grown(first) or grown(second), "recordings")
    gone = max(two_disks, key=lambda folder: sum(path.stat().st_size for path in folder.rglob("*.mp4")))
    stays = second if gone is first else first
    away = gone.with_name("unmounted")
    gone.rename(away)
    before = sum(path.stat().st_size for path in stays.rglob("*.mp4"))
    centre.wait_until(lambda: grown(stays, before), "recording on the other disk")
    centre.wait_until(lambda: ("volume_missing", False) in faults(centre), "the fault")
    assert not gone.exists(), "nothing may be written in the place of a disk that is not mounted"
    away.rename(gone)
    centre.wait_until(lambda: ("volume_missing", True) in faults(centre), "the end of the fault")
    held = sum(path.stat().st_size for path in gone.rglob("*.mp4"))
    centre.wait_until(lambda: grown(gone, held), "recording on the disk that is back")
    assert centre.end() == 0
    assert_rows_and_files_agree(centre)
    centre.assert_time_is_accounted_for()
    assert all(is_over for _, is_over in faults(centre)), faults(centre)


def test_without_any_disk_the_gap_says_so_and_a_disk_mounted_later_is_used_without_a_restart(
    centre: Any, camera: Any
) -> None:
    media = centre.path / "media"
    media.rename(centre.path / "unmounted")
    centre.add_camera("Camera", camera.url(1))
    centre.start()
    centre.wait_until(lambda: any(gap.reason == GapReason.VOLUME_LOST for gap in centre.gaps()), "the gap")
    centre.wait_until(lambda: ("no_volume", False) in faults(centre), "the fault")
    assert not media.exists()
    (centre.path / "unmounted").rename(media)
    centre.wait_for_files(1)
    assert centre.end() == 0
    assert_rows_and_files_agree(centre)
    centre.assert_time_is_accounted_for()
    assert {kind for kind, _ in faults(centre)} == {"no_volume", "volume_missing"}
    assert all(is_over for _, is_over in faults(centre))


def test_a_disk_that_refuses_new_files_while_recording_is_left_and_used_again(
    centre: Any, camera: Any, two_disks: tuple[Path, Path]
) -> None:
    first, second = two_disks
    for number in (1, 2, 3, 4):
        centre.add_camera(f"Camera {number}", camera.url(number))
    centre.start()
    centre.wait_until(lambda: grown(first) or grown(second), "recordings")
    gone = max(two_disks, key=lambda folder: sum(path.stat().st_size for path in folder.rglob("*.mp4")))
    stays = second if gone is first else first
    # Root may write where nobody may: only a file in the way of the cameras' folders refuses it, whoever runs this.
    kept = {folder: folder.with_name(folder.name + "-kept") for folder in gone.iterdir() if folder.is_dir()}
    for folder, aside in kept.items():
        folder.rename(aside)
        folder.write_bytes(b"")
    before = sum(path.stat().st_size for path in stays.rglob("*.mp4"))
    centre.wait_until(lambda: grown(stays, before), "recording on the other disk")
    centre.wait_until(lambda: any(not over for _, over in faults(centre)), "the fault")
    for folder, aside in kept.items():
        folder.unlink()
        aside.rename(folder)
    centre.wait_until(lambda: all(over for _, over in faults(centre)), "the end of the fault")
    assert centre.end() == 0
    assert_rows_and_files_agree(centre)
    centre.assert_time_is_accounted_for()


def test_stopping_with_a_disk_away_ends_in_order(centre: Any, camera: Any, two_disks: tuple[Path, Path]) -> None:
    first, second = two_disks
    centre.add_camera("Camera", camera.url(1))
    centre.start()
    centre.wait_until(lambda: grown(first) or grown(second), "recordings")
    for folder in two_disks:
        folder.rename(folder.with_name(folder.name + "-unmounted"))
    assert centre.end() == 0
    for folder in two_disks:
        folder.with_name(folder.name + "-unmounted").rename(folder)
    centre.start()
    files = len(centre.recordings())
    centre.wait_until(lambda: len(centre.recordings()) > files, "recording")
    assert centre.end() == 0
    assert_rows_and_files_agree(centre)
    centre.assert_time_is_accounted_for()
    stretches = itertools.pairwise(sorted((row.start_us, row.end_us) for row in centre.recordings()))
    assert all(end <= start for (_, end), (start, _) in stretches)
