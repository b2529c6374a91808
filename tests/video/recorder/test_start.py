"""What a recorder learns of the past before it begins."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vonggac.cameras.models import Camera
from vonggac.core import schema
from vonggac.core.clock import microseconds
from vonggac.core.database import Database
from vonggac.core.ids import new_id
from vonggac.org.models import Unit
from vonggac.video import index
from vonggac.video.index import CompletedRecording, OpenedRecording
from vonggac.video.models import GapReason
from vonggac.video.recorder.start import CameraPast, note_switched_off, read_pasts
from vonggac.video.volumes import create_volume

ADDED = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
ADDED_US = microseconds(ADDED)
SECOND = 1_000_000


class Past:
    """A database with one camera, and what the index is told of it."""

    def __init__(self, database: Database, path: Path) -> None:
        self.database = database
        with database.write() as session:
            unit = Unit(code="u", name="U", name_folded="u", name_sort="u", kind="station", created_at=ADDED)
            session.add(unit)
            session.flush()
            camera = Camera(
                number=1, name="C", name_folded="c", name_sort="c", folder="c-1", unit_id=unit.id, kind="overview",
                url="rtsp://127.0.0.1/", created_at=ADDED,
            )  # fmt: skip
            session.add(camera)
            session.flush()
            self.camera_id = camera.id
            self.volume_id = create_volume(session, path / "media", ADDED).id

    def recorded(self, from_s: int, to_s: int) -> None:
        opened = OpenedRecording(
            self.camera_id, self.volume_id, f"{new_id().hex}.mp4", 1, ADDED_US + from_s * SECOND, 0, "avc1", 16, 16, 700
        )
        with self.database.write() as session:
            (row_id,) = index.open_recordings(session, [opened])
            done = CompletedRecording(
                row_id, self.camera_id, opened.start_us, ADDED_US + to_s * SECOND, 90_000, 1000, 15, b""
            )
            index.complete_recording(session, done)

    def missing(self, from_s: int, to_s: int | None, reason: GapReason = GapReason.CLOSED) -> None:
        with self.database.write() as session:
            gap = index.open_gap(session, self.camera_id, ADDED_US + from_s * SECOND, reason, "")
            if to_s is not None:
                index.close_gap(session, gap, self.camera_id, ADDED_US + to_s * SECOND)

    def read(self) -> CameraPast:
        with self.database.read() as session:
            return read_pasts(session, ADDED_US + 3600 * SECOND)[self.camera_id]


@pytest.fixture
def past(database_url: str, tmp_path: Path) -> Iterator[Past]:
    database = Database(database_url)
    schema.upgrade(database)
    yield Past(database, tmp_path)
    database.close()


def test_a_camera_that_was_never_recorded_is_due_since_it_was_added(past: Past) -> None:
    assert past.read() == CameraPast(due_from_us=ADDED_US)


def test_time_is_accounted_for_up_to_the_end_of_the_newest_recording(past: Past) -> None:
    past.missing(0, 10)
    past.recorded(10, 70)
    found = past.read()
    assert found.recorded_until_us == found.accounted_until_us == ADDED_US + 70 * SECOND


def test_a_recorder_killed_in_its_first_group_goes_on_from_the_end_of_the_gap_before(past: Past) -> None:
    past.recorded(0, 60)
    past.missing(60, 90)  # ended as a recording began, of which no group reached the disk
    found = past.read()
    assert found.recorded_until_us == ADDED_US + 60 * SECOND
    assert found.accounted_until_us == ADDED_US + 90 * SECOND


def test_a_gap_that_is_open_is_found_open(past: Past) -> None:
    past.recorded(0, 60)
    past.missing(60, None, GapReason.STOPPED)
    found = past.read()
    assert found.gap is not None
    assert (found.gap.start_us, found.gap.reason) == (ADDED_US + 60 * SECOND, GapReason.STOPPED)
    assert found.accounted_until_us == ADDED_US + 60 * SECOND


def switched_off(past: Past, at_s: int, *recorded_here: uuid.UUID) -> list[tuple[int, int | None, str]]:
    """Switch the camera off, let a recorder note it, and return the gaps in seconds."""
    with past.database.write() as session:
        session.get_one(Camera, past.camera_id).enabled = False
        note_switched_off(session, ADDED_US + at_s * SECOND, recorded_here)
    with past.database.read() as session:
        found = index.gaps_between(session, past.camera_id, 0, 2 * ADDED_US)
        return [
            ((gap.start_us - ADDED_US) // SECOND, gap.end_us and (gap.end_us - ADDED_US) // SECOND, gap.reason)
            for gap in found
        ]


def test_a_camera_that_was_added_switched_off_is_so_since_then(past: Past) -> None:
    assert switched_off(past, 500) == [(0, None, "disabled")]
    assert switched_off(past, 600) == [(0, None, "disabled")]


def test_a_camera_that_was_switched_off_while_no_recorder_ran_is_so_from_now_on(past: Past) -> None:
    past.recorded(0, 60)
    past.missing(60, None, GapReason.STOPPED)
    assert switched_off(past, 500) == [(60, 500, "stopped"), (500, None, "disabled")]


def test_what_a_killed_recorder_left_open_is_told_before_the_camera_is_switched_off(past: Past) -> None:
    past.recorded(0, 60)
    assert switched_off(past, 500) == [(60, 500, "crashed"), (500, None, "disabled")]


def test_what_a_recorder_does_itself_is_left_to_it(past: Past) -> None:
    past.recorded(0, 60)
    assert switched_off(past, 500, past.camera_id) == []
