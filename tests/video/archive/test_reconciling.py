"""The archive's older hours are compared in the background: what disagrees is mended, an absent disk is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from vonggac.cameras.models import Camera
from vonggac.core import schema
from vonggac.core.clock import microseconds, utc
from vonggac.core.database import Database
from vonggac.org.models import Unit
from vonggac.video import index
from vonggac.video.archive.reconciling import FIRST_AFTER_NS, Reconciling
from vonggac.video.index import HOUR_US
from vonggac.video.models import Gap, GapReason, RecordedHour, Recording, RecordingState
from vonggac.video.mp4 import codec_string, fragment_header, group_table, init_segment, scan
from vonggac.video.stream import VideoParameters
from vonggac.video.volumes import MARKER, create_volume

SPS = bytes.fromhex("6742c01fd9005005bb0110000003001000000303c8f1832480")
PARAMETERS = VideoParameters("h264", (SPS, bytes.fromhex("68cb83cb20")), 1280, 720, 0, 15.0)
NOW_US = 1_795_489_200_000_000 + HOUR_US // 3
OLD_US = NOW_US - NOW_US % HOUR_US - 30 * HOUR_US + 600_000_000


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.ns = 0

    def now_us(self) -> int:
        return NOW_US + self.ns // 1000

    def monotonic_ns(self) -> int:
        return self.ns


class Archive:
    """A camera with one recording of thirty hours ago."""

    def __init__(self, database: Database, path: Path) -> None:
        self.database = database
        long_ago = utc(OLD_US) - timedelta(days=1)
        with database.write() as session:
            unit = Unit(code="u", name="U", name_folded="u", name_sort="u", kind="station", created_at=long_ago)
            session.add(unit)
            session.flush()
            camera = Camera(
                number=1, name="C", name_folded="c", name_sort="c", folder="c-1", unit_id=unit.id, kind="overview",
                url="rtsp://127.0.0.1/", created_at=long_ago,
            )  # fmt: skip
            session.add(camera)
            self.volume = create_volume(session, path / "media", long_ago)
            session.flush()
            self.camera_id = camera.id
        start = utc(OLD_US)
        self.relative = f"c-1/{start:%Y-%m-%d}/{start:%H}/{start:%H-%M-%S}.{start.microsecond // 1000:03d}Z.mp4"
        self.path = Path(self.volume.path) / self.relative
        self.path.parent.mkdir(parents=True)
        self.path.write_bytes(init_segment(PARAMETERS, presentation_delay=0) + b"".join(map(self.fragment, range(4))))

    @staticmethod
    def fragment(number: int) -> bytes:
        payload = b"".join(b"\0\0\0\x06\x65" + bytes([number] * 5) for _ in range(15))
        return fragment_header(number + 1, number * 90_000, [6000] * 15, [10] * 15, key=True) + payload

    def enter(self) -> None:
        """Write the row of the file, as the recorder does."""
        with self.path.open("rb") as file:
            found = scan(file)
        with self.database.write() as session:
            opened = index.OpenedRecording(
                self.camera_id, self.volume.id, self.relative, OLD_US, OLD_US, 0, codec_string(PARAMETERS), 1280, 720,
                found.init.size,
            )  # fmt: skip
            (key,) = index.open_recordings(session, [opened])
            done = index.CompletedRecording(
                key, self.camera_id, OLD_US, OLD_US + 4_000_000, 360_000, found.valid_end, 60,
                group_table.pack(found.entries()),
            )  # fmt: skip
            index.complete_recording(session, done)

    def compare(self, rounds: int = 40) -> None:
        clock = SetClock()
        reconciling = Reconciling(self.database, clock)
        clock.ns = FIRST_AFTER_NS

        async def go() -> None:
            for _ in range(rounds):
                await reconciling.round()

        asyncio.run(go())

    def rows(self) -> list[tuple[int, int, int]]:
        with self.database.read() as session:
            return [(row.start_us, row.frames, row.state) for row in session.scalars(sa.select(Recording))]

    def gaps(self) -> list[tuple[int, int | None, str]]:
        with self.database.read() as session:
            return [(gap.start_us, gap.end_us, gap.reason) for gap in session.scalars(sa.select(Gap))]

    def recorded_us(self) -> int:
        with self.database.read() as session:
            return session.scalar(sa.select(sa.func.sum(RecordedHour.recorded_us))) or 0


@pytest.fixture
def archive(database_url: str, tmp_path: Path) -> Iterator[Archive]:
    database = Database(database_url)
    schema.upgrade(database)
    yield Archive(database, tmp_path)
    database.close()


def test_what_agrees_is_left_as_it_is(archive: Archive) -> None:
    archive.enter()
    archive.compare()
    assert archive.rows() == [(OLD_US, 60, RecordingState.COMPLETE)]
    assert archive.gaps() == []


def test_a_row_whose_file_is_gone_becomes_a_gap(archive: Archive) -> None:
    archive.enter()
    archive.path.unlink()
    archive.compare()
    assert archive.rows() == []
    assert archive.gaps() == [(OLD_US, OLD_US + 4_000_000, GapReason.UNKNOWN)]
    assert archive.recorded_us() == 0


def test_a_file_shorter_than_its_row_says_is_believed_and_the_rest_is_a_gap(archive: Archive) -> None:
    archive.enter()
    archive.path.write_bytes(archive.path.read_bytes()[:-700])
    archive.compare()
    ((start_us, frames, state),) = archive.rows()
    assert (start_us, state) == (OLD_US, RecordingState.RECOVERED)
    assert 0 < frames < 60
    assert archive.gaps() == [(OLD_US + frames // 15 * 1_000_000, OLD_US + 4_000_000, GapReason.UNKNOWN)]
    assert archive.recorded_us() == frames // 15 * 1_000_000


def test_a_file_that_no_row_knows_is_entered(archive: Archive) -> None:
    archive.enter()
    other = archive.path.with_name(archive.path.name.replace(archive.path.name[3:5], "59"))
    other.write_bytes(archive.path.read_bytes())
    archive.compare()
    assert sorted(frames for _, frames, _ in archive.rows()) == [60, 60]
    assert microseconds(utc(max(start for start, _, _ in archive.rows()))) % HOUR_US // 60_000_000 == 59


def test_a_folder_that_cannot_be_read_neither_ends_the_keeper_nor_holds_up_older_hours(archive: Archive) -> None:
    archive.enter()
    archive.path.unlink()
    newer = archive.path.parent.with_name(f"{int(archive.path.parent.name) + 1:02}")
    newer.symlink_to(newer)  # listing it fails, whoever asks
    archive.compare()
    assert archive.gaps() == [(OLD_US, OLD_US + 4_000_000, GapReason.UNKNOWN)]


def test_an_absent_disk_is_no_missing_file(archive: Archive) -> None:
    archive.enter()
    archive.path.unlink()
    (Path(archive.volume.path) / MARKER).unlink()
    archive.compare()
    assert len(archive.rows()) == 1
    assert archive.gaps() == []
