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
        self.stalled: Path | None = None
        """While `hold` is not set, only what lies below this folder stalls; None: everything."""
        self._paths: dict[int, Path] = {}
        self.synced: set[Path] = set()

    def _call(self, name: str, path: Path | None = None) -> None:
        if self.stalled is None or path is None or self.stalled in path.parents:
            self.hold.wait(60)
        self.log.append(name)
        if name in self.fail and self.log.count(name) >= self.fail[name]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def create(self, path: Path) -> int:
        self._call("create", path)
        descriptor = super().create(path)
        self._paths[descriptor] = path
        return descriptor

    def append(self, descriptor: int, buffers: Sequence[Buffer]) -> None:
        try:
            self._call("append", self._paths.get(descriptor))
        except OSError:
            super().append(descriptor, [bytes(buffers[0])[:50]])  # a torn write, as a full disk leaves it
            raise
        super().append(descriptor, buffers)

    def sync(self, descriptor: int) -> None:
        self._call("sync", self._paths.get(descriptor))
        super().sync(descriptor)

    def sync_folder(self, path: Path) -> None:
        self._call("sync_folder", path)
        self.synced.add(path)
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
            other = create_volume(session, path / "other", NOW)
            session.flush()
            self.other = MountedVolume(other.id, Path(other.path))
        self.pipeline = RecordingPipeline(
            database,
            queue_bytes=queue_bytes,
            sync_s=0.4,
            reserve_bytes=0,
            on_failure=lambda _recording, failure: self.failures.append(failure),
            disk=self.disk,
        )
        self.pipeline.start()

    def recording(self, second: int = 0, volume: MountedVolume | None = None) -> RecordingFile:
        file = RecordingFile(
            camera_id=self.camera_id, camera_folder="c-1", volume=volume or self.volume, parameters=PARAMETERS, run=1,
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
    picture = (size - 4).to_bytes(4, "big") + b"\x65" * (size - 4)
    units = [AccessUnit(second * 90_000 + n * 6000, n == 0, bytearray(picture), PARAMETERS, 0) for n in range(15)]
    return Piece(units, True, size * 15, (second + 1) * 90_000)


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    database = Database(database_url)
    schema.upgrade(database)
    made = Bench(database, tmp_path)
    yield made
    made.disk.hold.set()
    if made.pipeline.alive:
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


def test_a_start_that_is_corrected_while_open_recordings_are_looked_for_is_believed(bench: Bench) -> None:
    file = bench.recording(1)
    bench.pipeline.append(file, piece(1))
    bench.disk.fail["sync"] = 1
    bench.pipeline.finish(file, 1_000_000, 2_000_000)
    bench.pipeline.stop()

    def concluded() -> tuple[int, ...]:
        with bench.database.write() as session:
            index.correct_start(session, file.id, 400_000)
        return ()

    assert recover(bench.database, [bench.volume], being_written=concluded).finished == 1
    (row,) = bench.rows()
    assert (row.state, row.start_us, row.end_us) == (RecordingState.RECOVERED, 400_000, 1_400_000)


def frames(bench: Bench) -> dict[uuid.UUID, tuple[RecordingState, int]]:
    return {row.volume_id: (RecordingState(row.state), row.frames) for row in bench.rows()}


def stall(bench: Bench, volume: MountedVolume) -> None:
    bench.disk.stalled = volume.path
    bench.disk.hold.clear()


def test_a_stalled_disk_loses_nothing_that_the_queue_holds_and_goes_on_by_itself(bench: Bench) -> None:
    file = bench.recording()
    stall(bench, bench.volume)
    assert all(bench.pipeline.append(file, piece(second)) for second in range(30))
    bench.disk.hold.set()
    bench.pipeline.finish(file, 0, 30_000_000)
    bench.pipeline.stop()
    assert frames(bench) == {bench.volume.id: (RecordingState.COMPLETE, 450)}
    assert bench.failures == []


def test_a_stalled_disk_holds_up_only_itself_and_leaves_the_others_their_share(
    bench: Bench, wait: Callable[..., None]
) -> None:
    slow, quick = bench.recording(), bench.recording(volume=bench.other)
    assert bench.pipeline.flush_index()
    stall(bench, bench.volume)
    while bench.pipeline.append(slow, piece(0, 5000)):
        pass
    assert not bench.pipeline.has_room(bench.volume)
    for second in range(40):
        assert bench.pipeline.append(quick, piece(second, 5000))
        wait(lambda: bench.pipeline.writers[bench.other.id].queued_bytes == 0, "the disk that does not stall")
    bench.pipeline.finish(quick, 0, 40_000_000)
    wait(lambda: frames(bench).get(bench.other.id) == (RecordingState.COMPLETE, 600), "the finished recording")


def test_the_end_does_not_wait_for_a_disk_that_hangs_and_saves_what_lies_on_the_others(
    bench: Bench, wait: Callable[..., None]
) -> None:
    hanging, good = bench.recording(), bench.recording(volume=bench.other)
    bench.pipeline.append(hanging, piece(0))
    wait(lambda: bench.pipeline.queued_bytes == 0, "the first group")
    stall(bench, bench.volume)
    for file in (hanging, good):
        bench.pipeline.append(file, piece(1))
        bench.pipeline.finish(file, 0, 2_000_000)
    bench.pipeline.stop(timeout_s=3)
    assert frames(bench)[bench.other.id] == (RecordingState.COMPLETE, 15)
    assert frames(bench)[bench.volume.id][0] == RecordingState.OPEN
    assert recover(bench.database, [bench.volume]).finished == 1
    assert frames(bench)[bench.volume.id] == (RecordingState.RECOVERED, 15)


def test_after_a_failed_sync_every_open_file_of_that_volume_is_closed_and_of_no_other(
    bench: Bench, wait: Callable[..., None]
) -> None:
    first, second, elsewhere = bench.recording(), bench.recording(1), bench.recording(volume=bench.other)
    assert bench.pipeline.flush_index()
    bench.disk.fail["sync"] = 1
    bench.pipeline.append(first, piece(0))
    wait(lambda: len(bench.failures) == 2, "the failures")
    assert first.failure is not None
    assert second.failure is not None
    assert elsewhere.failure is None


def test_a_file_whose_sync_failed_keeps_its_open_row_though_the_disk_takes_the_next_sync(
    bench: Bench, wait: Callable[..., None]
) -> None:
    """The system tells of lost pages once: the sync on closing succeeds without them."""
    file = bench.recording()
    bench.disk.fail["sync"] = 1
    bench.pipeline.append(file, piece(0))
    wait(lambda: bench.failures, "the failure")
    del bench.disk.fail["sync"]
    bench.pipeline.finish(file, 0, 1_000_000)
    bench.pipeline.stop()
    (row,) = bench.rows()
    assert (row.state, row.end_us) == (RecordingState.OPEN, None)


def test_what_was_counted_on_and_not_written_after_all_becomes_a_gap(bench: Bench) -> None:
    """The camera had gone on to its next file when the disk refused what still waited for this one."""
    bench.disk.fail["append"] = 3  # the head and one group
    file = bench.recording()
    for second in range(4):
        bench.pipeline.append(file, piece(second))
    bench.pipeline.finish(file, 0, 4_000_000)
    bench.pipeline.stop()
    (row,) = bench.rows()
    assert (row.state, row.start_us, row.end_us, row.frames) == (RecordingState.COMPLETE, 0, 1_000_000, 15)
    with bench.database.read() as session:
        (gap,) = session.scalars(sa.select(Gap))
    assert (gap.start_us, gap.end_us, gap.reason) == (1_000_000, 4_000_000, GapReason.DISK)
    assert "No space left" in gap.detail


def test_a_database_on_a_full_disk_is_waited_for_and_nothing_that_the_queue_holds_is_lost(
    tmp_path: Path, wait: Callable[..., None]
) -> None:
    """SQLite's own limit of pages: every write that needs another page fails with "database or disk is full"."""
    database = Database(f"sqlite:///{tmp_path / 'vonggac.db'}")
    schema.upgrade(database)
    full = threading.Event()

    def limit_pages(connection: sa.Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar() if full.is_set() else 1 << 30
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    sa.event.listen(database.engine, "begin", limit_pages)
    bench = Bench(database, tmp_path)
    full.set()
    files = [bench.recording(second) for second in range(300)]
    for second, file in enumerate(files):
        assert bench.pipeline.append(file, piece(second, 100))
        bench.pipeline.finish(file, second * 1_000_000, (second + 1) * 1_000_000)
    wait(lambda: bench.pipeline.index_waits, "a commit that fails")
    full.clear()
    bench.pipeline.stop(timeout_s=40)
    rows = bench.rows()
    assert len(rows) == 300
    assert {(row.state, row.frames) for row in rows} == {(RecordingState.COMPLETE, 15)}
    assert not bench.pipeline.index_waits
    database.close()


def test_folders_that_a_killed_recorder_made_are_synced_before_a_row_relies_on_them(bench: Bench) -> None:
    file = bench.recording()
    file.absolute.parent.mkdir(parents=True)
    bench.pipeline.append(file, piece(0))
    bench.pipeline.finish(file, 0, 1_000_000)
    bench.pipeline.stop()
    hour = file.absolute.parent
    assert bench.disk.synced == {hour, *hour.parents[:3]}
    assert bench.volume.path in bench.disk.synced
