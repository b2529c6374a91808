"""A real recorder records while old footage is deleted for room: what is held stays, account and files agree."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from peers.stored_archive import MINUTE_US, StoredArchive
from vonggac.core.clock import SystemClock, microseconds, utc_now
from vonggac.core.settings import StorageSettings
from vonggac.video.archive.hashing import Hashing
from vonggac.video.models import GapReason, Garbage, Recording
from vonggac.video.retention.clearing import Clearing
from vonggac.video.retention.planning import LEAST_MARGIN
from vonggac.video.volumes import MountedVolume

pytestmark = pytest.mark.slow

RESERVE_MB = 16
KEPT_FILES = 6


@pytest.fixture
def camera(gst_server: Callable[..., Any], numbered_clip: Callable[..., Path]) -> Any:
    return gst_server(
        [numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=400_000)], mounts=2
    )


def small_disk(centre: Any) -> Callable[[MountedVolume], int]:
    """Return the reading of a disk that has room for some files only: no real one is so small and left alone."""

    def free_bytes(_volume: MountedVolume) -> int:
        too_many = len(centre.media()) - KEPT_FILES
        return RESERVE_MB * 1_000_000 + LEAST_MARGIN - too_many * 10_000

    return free_bytes


def test_recording_goes_on_while_the_oldest_goes_and_what_is_held_stays(centre: Any, camera: Any, judge: Any) -> None:
    for number in (1, 2):
        centre.add_camera(f"Camera {number}", camera.url(number))
    clearing = Clearing(
        centre.database,
        StorageSettings(reserve_mb=RESERVE_MB, min_days=0),
        SystemClock(),
        CollectorRegistry(),
        small_disk(centre),
    )
    centre.start()
    centre.wait_for_files(2)
    moment = utc_now() - timedelta(seconds=1)
    centre.command(
        "hold", "add", "1", "--from", f"{moment:%Y-%m-%d %H:%M:%S}Z", "--to", "+1s", "--subject", "VA-118", "--data",
        str(centre.path),
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while sum(row.end_us - row.start_us for row in centre.deleted()) < 30_000_000:
        assert time.monotonic() < deadline, f"nothing is deleted: {centre.said()}"
        asyncio.run(clearing.round())
        time.sleep(0.5)
    assert centre.end() == 0
    asyncio.run(Hashing(centre.database, SystemClock(), CollectorRegistry()).round())
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()
    with centre.database.read() as session:
        assert session.scalars(sa.select(Garbage)).all() == []
    hashed = [row for row in centre.recordings() if row.sha256 is not None]
    assert hashed, "the hold lay on the first recordings of camera 1"
    for row in hashed:
        path = centre.path / "media" / row.path
        assert hashlib.sha256(path.read_bytes()).digest() == row.sha256
        assert judge.plays(path), judge.complaints(path)
    # Deleted was on both sides of what is held, and nothing that is younger than what was left.
    deleted = [row for row in centre.deleted() if row.camera_id == hashed[0].camera_id]
    assert any(row.start_us >= hashed[-1].end_us for row in deleted), "newer footage went before the held"
    assert GapReason.DISK not in {gap.reason for gap in centre.gaps()}
    assert centre.command("archive", "check", "--verify-hashes", "--data", str(centre.path)).count("agree") == 1


def test_the_keeper_deletes_what_is_past_its_days_and_hashes_what_is_held(centre: Any, tmp_path: Path) -> None:
    archive = StoredArchive(centre.database, tmp_path)
    old = microseconds(utc_now() - timedelta(days=40))
    for minute in range(20):
        archive.record(old + minute * MINUTE_US)
    archive.record(microseconds(utc_now() - timedelta(days=2)), camera=2)
    day = f"{utc_now() - timedelta(days=40) + timedelta(minutes=5, seconds=30):%Y-%m-%d %H:%M:%S}Z"
    centre.command(
        "hold", "add", "C1", "--from", day, "--to", "-39d", "--subject", "VA-118", "--data", str(centre.path)
    )
    held = 20 - 5
    centre.environment |= {"VONGGAC_STORAGE_MAX_DAYS": "35", "VONGGAC_METRICS_KEEPER_PORT": "-1"}
    centre.start("run", "keeper")

    def rows() -> list[Recording]:
        return [row for row in archive.rows() if row.camera_id == archive.camera_ids[0]]

    centre.wait_until(lambda: len(rows()) == held, "the end of what is past its days")
    centre.wait_until(lambda: all(row.sha256 for row in rows()), "the hashes of what is held")
    centre.wait_until(lambda: archive.garbage() == [], "the end of the garbage")
    assert centre.end() == 0
    assert len(rows()) == held
    assert len(archive.starts(2)) == 1
    archive.assert_index_and_disk_agree()
