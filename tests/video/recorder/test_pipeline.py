"""The pipeline's threads against a disk that fails on command, over a real database."""

from __future__ import annotations

import errno
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core import schema
from vonggac.core.database import Database
from vonggac.org.models import Unit
from vonggac.video import index
from vonggac.video.models import Gap, GapReason, Recording, RecordingState
from vonggac.video.mp4 import group_table, scan
from vonggac.video.recorder.disk import Buffer, SystemDisk
from vonggac.video.recorder.groups import Piece
from vonggac.video.recorder.pipeline import RecordingPipeline
from vonggac.video.recorder.recording_file import RecordingFile, WriteFailed
from vonggac.video.recorder.recovery import recover
from vonggac.video.stream import AccessUnit, VideoParameters
from vonggac.video.volumes import MARKER, MountedVolume, create_volume

SPS = bytes.fromhex("6742c01fd9005005bb011000000300100000030 3c8f183 2480".replace(" ", ""))
PARAMETERS = VideoParameters("h264", (SPS, bytes.fromhex("68cb83cb20")), 1280, 720, 0, 15.0)
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


class FailingDisk(SystemDisk):
    """The system's disk, but a named operation fails from the n-th call on; the log tells the order of calls."""

    def __init__(self) -> None:
        self.fail: dict[str, int] = {}
        self.log: list[str] = []
        self.hold = threading.Event()
        self.hold.set()

    def _call(self, name: str) -> None:
        self.hold.wait(10)
        self.log.append(name)
        if name in self.fail and self.log.count(name) >= self.fail[name]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def create(self, path: Path) -> int:
        self._call("create")
        return super().create(path)

    def append(self, descriptor: int, buffers: Sequence[Buffer]) -> None:
        try:
            self._call("append")
        except OSError:
            super().append(descriptor, [bytes(buffers[0])[:50]])  # a torn write, as a full disk leaves it
            raise
        super().append(descriptor, buffers)

    def sync(self, descriptor: int) -> None:
        self._call("sync")
        super().sync(descriptor)

    def sync_folder(self, path: Path) -> None:
        self._call("sync_folder")
        super().sync_folder(path)


class Bench:
    """A pipeline with one camera, its volume, and what it reports."""

    def __init__(self, database: Database, path: Path, queue_bytes: int = 1 << 20) -> None:
        self.database = database
        self.disk = FailingDisk()
        self.failures: list[WriteFailed] = []
        with database.write() as session:
            unit = Unit(code="u", name="U", name_folded="u", name_sort="u", kind="station", created_at=NOW)
            session.add(unit)
            session.flush()
            camera = Camera(
                number=1, name="C", name_folded="c", name_sort="c", folder="c-1", unit_id=unit.id, kind="overview",
                url="rtsp://127.0.0.1/", created_at=NOW,
            )  # fmt: skip
            session.add(camera)
            volume = create_volume(session, path / "media", NOW)
            session.flush()
            self.camera_id: uuid.UUID = camera.id
            self.volume = MountedVolume(volume.id, Path(volume.path))
        self.pipeline = RecordingPipeline(
            database,
            queue_bytes=queue_bytes,
            sync_s=0.4,
            reserve_bytes=0,
            on_failure=lambda _recording, failure: self.failures.append(failure),
            disk=self.disk,
        )
        self.pipeline.start()

    def recording(self, second: int = 0) -> RecordingFile:
        file = RecordingFile(
            camera_id=self.camera_id, camera_folder="c-1", volume=self.volume, parameters=PARAMETERS, run=1,
            origin_pts=0, media_start=second * 90_000, start_us=second * 1_000_000, delay=0,
        )  # fmt: skip
        self.pipeline.begin(file)
        return file

    def rows(self) -> list[Recording]:
        with self.database.read() as session:
            return list(session.scalars(sa.select(Recording).options(sa.orm.undefer(Recording.groups))))

    def files(self) -> list[Path]:
        return sorted(self.volume.path.rglob("*.mp4"))


def piece(second: int, size: int = 1000) -> Piece:
    units = [AccessUnit(second * 90_000 + n * 6000, n == 0, bytearray(size), PARAMETERS, 0) for n in range(15)]
    return Piece(units, True, size * 15, (second + 1) * 90_000)


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    database = Database(database_url)
    schema.upgrade(database)
    made = Bench(database, tmp_path)
    yield made
    made.disk.hold.set()
    if made.pipeline._write_thread.is_alive():
        made.pipeline.stop()
    database.close()


def test_a_finished_recording_is_described_by_its_row_to_the_byte(bench: Bench) -> None:
    file = bench.recording()
    for second in range(3):
        assert bench.pipeline.append(file, piece(second))
    bench.pipeline.finish(file, 0, 3_000_000)
    bench.pipeline.stop()
    (row,) = bench.rows()
    assert (row.state, row.start_us, row.end_us, row.frames) == (RecordingState.COMPLETE, 0, 3_000_000, 45)
    assert row.media_duration == 270_000
    path = bench.volume.path / row.path
    assert path.stat().st_size == row.size
    with path.open("rb") as opened:
        assert scan(opened).entries() == group_table.unpack(row.groups or b"")


def test_the_row_is_open_before_the_file_exists(bench: Bench) -> None:
    bench.disk.hold.clear()
    bench.recording()
    assert bench.pipeline.flush_index()
    assert [row.state for row in bench.rows()] == [RecordingState.OPEN]
    assert bench.files() == []


def test_a_row_is_complete_only_after_file_and_folders_are_synced(bench: Bench) -> None:
    file = bench.recording()
    bench.pipeline.append(file, piece(0))
    bench.disk.fail["sync_folder"] = 1
    bench.pipeline.finish(file, 0, 1_000_000)
    bench.pipeline.stop()
    assert [row.state for row in bench.rows()] == [RecordingState.OPEN]
    assert [failure.reason for failure in bench.failures] == [GapReason.DISK]
    # Start-up reads the file that the row could not vouch for, and believes what it finds.
    bench.disk.fail.clear()
    report = recover(bench.database, [bench.volume])
    assert report.finished == 1
    assert [(row.state, row.frames) for row in bench.rows()] == [(RecordingState.RECOVERED, 15)]


@pytest.mark.parametrize("synced", [True, False])
def test_a_corrected_start_and_the_end_of_the_gap_before_it_are_noted_in_one_transaction(
    bench: Bench, synced: bool
) -> None:
    with bench.database.write() as session:
        gap = index.open_gap(session, bench.camera_id, 0, GapReason.REFUSED, "")
        index.close_gap(session, gap, bench.camera_id, 5_000_000)
    seen: list[tuple[int, int | None]] = []

    def gap_ends(session: Session) -> None:
        index.move_gap_end(session, gap, 4_000_000)
        with bench.database.read() as other:  # what another process sees meanwhile: neither of the two
            (row,) = other.scalars(sa.select(Recording))
            seen.append((row.start_us, other.scalar(sa.select(Gap.end_us))))

    if not synced:
        bench.disk.fail["sync_folder"] = 1
    file = bench.recording(5)
    bench.pipeline.append(file, piece(5))
    bench.pipeline.finish(file, 4_000_000, 6_000_000, gap_ends)
    bench.pipeline.stop()
    (row,) = bench.rows()
    assert row.state == (RecordingState.COMPLETE if synced else RecordingState.OPEN)
    assert row.start_us == 4_000_000
    with bench.database.read() as session:
        assert session.scalar(sa.select(Gap.end_us)) == 4_000_000
    assert seen == [(5_000_000, 5_000_000)]


def test_a_full_disk_in_mid_file_keeps_every_whole_group_and_tells_the_reason(bench: Bench) -> None:
    bench.disk.fail["append"] = 4  # the head, two groups, then no more
    file = bench.recording()
    for second in range(4):
        bench.pipeline.append(file, piece(second))
    bench.pipeline.finish(file, 0, 2_000_000)
    bench.pipeline.stop()
    (row,) = bench.rows()
    assert (row.state, row.frames) == (RecordingState.COMPLETE, 30)
    assert (bench.volume.path / row.path).stat().st_size == row.size
    assert [failure.reason for failure in bench.failures] == [GapReason.DISK]
    assert "No space left" in str(bench.failures[0])
    assert bench.pipeline.queued_bytes == 0


def test_a_file_that_cannot_be_made_leaves_no_row(bench: Bench) -> None:
    bench.disk.fail["create"] = 1
    file = bench.recording()
    bench.pipeline.append(file, piece(0))
    bench.pipeline.finish(file, 0, 1)
    bench.pipeline.stop()
    assert bench.rows() == []
    assert bench.files() == []


def test_an_unmounted_volume_is_noticed_and_nothing_is_written_in_its_place(bench: Bench) -> None:
    (bench.volume.path / MARKER).unlink()
    file = bench.recording()
    bench.pipeline.append(file, piece(0))
    bench.pipeline.finish(file, 0, 1)
    bench.pipeline.stop()
    assert [failure.reason for failure in bench.failures] == [GapReason.VOLUME_LOST]
    assert bench.files() == []


def test_what_waits_for_a_stalled_disk_is_bounded(bench: Bench) -> None:
    file = bench.recording()
    assert bench.pipeline.flush_index()
    bench.disk.hold.clear()
    taken = [bench.pipeline.append(file, piece(second, size=20_000)) for second in range(10)]
    assert taken == [True] * 3 + [False] * 7
    assert bench.pipeline.queued_bytes <= 1 << 20


def test_pictures_are_synced_while_the_file_is_open(bench: Bench, wait: Callable[..., None]) -> None:
    file = bench.recording()
    bench.pipeline.append(file, piece(0))
    wait(lambda: "sync" in bench.disk.log, "the sync of an open file")
    assert bench.disk.log.index("sync") > bench.disk.log.index("append")
    bench.pipeline.finish(file, 0, 1_000_000)


def test_recovery_drops_a_recording_without_a_picture_and_leaves_those_on_an_absent_volume(bench: Bench) -> None:
    bench.recording()
    assert bench.pipeline.flush_index()
    bench.pipeline.stop()
    assert recover(bench.database, []).away == 1
    assert len(bench.rows()) == 1
    report = recover(bench.database, [bench.volume])
    assert report.dropped == 1
    assert bench.rows() == []
    assert bench.files() == []
