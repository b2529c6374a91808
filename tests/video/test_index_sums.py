"""The sums of the hours and the gaps stay true: a moment counts once, and what is found on disk is no gap."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from peers.seeding import HOUR, SECOND, Seeding
from vonggac.core import schema
from vonggac.core.database import Database
from vonggac.video import index
from vonggac.video.index import CompletedRecording
from vonggac.video.models import Gap, GapReason, RecordedHour, Recording, RecordingState

HOUR_BEGINS = 498_750 * HOUR
"""An hour of November 2026."""


class Index:
    """The index of one camera, in seconds of that hour."""

    def __init__(self, database: Database, path: Path) -> None:
        self.seeding = Seeding(database, path)
        self.database = database
        self.camera_id: uuid.UUID = self.seeding.camera("C", self.seeding.unit("U"), HOUR_BEGINS)

    def recorded(self, start_s: float, end_s: float, size: int = 1000) -> int:
        return self.seeding.recorded(self.camera_id, _us(start_s), _us(end_s), size=size)

    def found(self, start_s: float, end_s: float) -> None:
        """A file of which no row knew is entered."""
        row_id = self.seeding.opened(self.camera_id, _us(start_s))
        done = CompletedRecording(
            row_id, self.camera_id, _us(start_s), _us(end_s), 90_000, 10, 1, b"", state=RecordingState.RECOVERED
        )
        with self.database.write() as session:
            index.complete_recording(session, done)

    def take(self, row_id: int) -> None:
        with self.database.write() as session:
            index.take_from_hours(session, session.get_one(Recording, row_id))
            index.forget_recording(session, row_id)

    def missing(self, start_s: float, end_s: float | None, reason: GapReason = GapReason.CRASHED) -> int:
        return self.seeding.missing(self.camera_id, _us(start_s), None if end_s is None else _us(end_s), reason)

    def hours(self) -> list[tuple[float, int]]:
        """Seconds and bytes of each hour."""
        with self.database.read() as session:
            rows = session.scalars(sa.select(RecordedHour).order_by(RecordedHour.hour_us))
            return [(row.recorded_us / SECOND, row.size) for row in rows]

    def gaps(self) -> list[tuple[float, float | None, str]]:
        with self.database.read() as session:
            rows = session.scalars(sa.select(Gap).order_by(Gap.start_us))
            return [
                ((row.start_us - HOUR_BEGINS) / SECOND, row.end_us and (row.end_us - HOUR_BEGINS) / SECOND, row.reason)
                for row in rows
            ]


def _us(seconds: float) -> int:
    return HOUR_BEGINS + round(seconds * SECOND)


@pytest.fixture
def centre(database_url: str, tmp_path: Path) -> Iterator[Index]:
    database = Database(database_url)
    schema.upgrade(database)
    yield Index(database, tmp_path)
    database.close()


def test_a_recording_counts_in_the_hours_in_which_it_lies(centre: Index) -> None:
    centre.recorded(3540, 3640, size=1000)
    assert centre.hours() == [(60, 600), (40, 400)]


def test_a_moment_that_is_on_disk_twice_counts_once_its_bytes_twice(centre: Index) -> None:
    centre.recorded(0, 60)
    # The clock was set back by 40 s.
    centre.recorded(20, 80)
    assert centre.hours() == [(80, 2000)]


def test_what_is_taken_away_leaves_what_another_recording_holds(centre: Index) -> None:
    first = centre.recorded(0, 60)
    second = centre.recorded(20, 80)
    centre.take(first)
    assert centre.hours() == [(60, 1000)]
    centre.take(second)
    assert centre.hours() == [(0, 0)]


def test_what_is_found_on_the_disk_is_no_gap_any_more(centre: Index) -> None:
    centre.missing(0, 30, GapReason.REFUSED)
    centre.missing(30, 3600)
    centre.found(20, 60)
    centre.found(100, 160)
    centre.found(3590, 3610)
    assert centre.gaps() == [(0, 20, "refused"), (60, 100, "crashed"), (160, 3590, "crashed")]
    assert centre.hours()[0][0] == 110


def test_a_gap_that_goes_on_keeps_its_row(centre: Index) -> None:
    gap_id = centre.missing(100, None)
    centre.found(150, 200)
    assert centre.gaps() == [(100, 150, "crashed"), (200, None, "crashed")]
    with centre.database.write() as session:
        index.move_gap_end(session, gap_id, _us(300))
    assert centre.gaps()[1] == (200, 300, "crashed")


def test_what_the_recorder_itself_completes_leaves_the_gaps_alone(centre: Index) -> None:
    centre.missing(0, 30, GapReason.LOSS)
    centre.recorded(20, 60)
    assert centre.gaps() == [(0, 30, "loss")]
