"""The archive as its readers see it: each moment of an interval is recorded or a gap with its reason, never neither."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.cameras.models import Camera
from vonggac.core import schema
from vonggac.core.clock import utc
from vonggac.core.database import Database
from vonggac.org.models import Unit
from vonggac.video import index
from vonggac.video.archive import footage
from vonggac.video.archive.footage import MAX_READ, MediaStore, RecordingUnreadable, Selection, Timeline, explain
from vonggac.video.index import Interval
from vonggac.video.models import GapReason, Recording
from vonggac.video.mp4 import GroupEntry, group_table
from vonggac.video.recorder.disk import SystemDisk
from vonggac.video.recorder.groups import Piece
from vonggac.video.recorder.recording_file import RecordingFile
from vonggac.video.stream import AccessUnit, VideoParameters
from vonggac.video.volumes import MARKER, MountedVolume, VolumeLost, create_volume

SPS = bytes.fromhex("6742c00cda05067e7840000003004000000783c50aa8")
PARAMETERS = VideoParameters("h264", (SPS, bytes.fromhex("68ce0fc8")), 320, 180, 0, 15.0)
SECOND = 1_000_000
BEGIN = 1_795_500_000 * SECOND
"""24 November 2026; the camera of these tests was added 100 s before."""


class Archive:
    """One camera on one volume, with recordings as the recorder leaves them."""

    def __init__(self, database: Database, path: Path) -> None:
        self.database = database
        added = utc(BEGIN - 100 * SECOND)
        with database.write() as session:
            unit = Unit(code="u", name="U", name_folded="u", name_sort="u", kind="station", created_at=added)
            session.add(unit)
            session.flush()
            camera = Camera(
                number=1, name="C", name_folded="c", name_sort="c", folder="c-1", unit_id=unit.id, kind="overview",
                url="rtsp://127.0.0.1/", created_at=added,
            )  # fmt: skip
            session.add(camera)
            volume = create_volume(session, path / "media", added)
            session.flush()
            self.camera_id: uuid.UUID = camera.id
            self.volume = MountedVolume(volume.id, Path(volume.path))

    def file(self, start_s: float) -> RecordingFile:
        return RecordingFile(
            camera_id=self.camera_id, camera_folder="c-1", volume=self.volume, parameters=PARAMETERS, run=1,
            origin_pts=0, media_start=0, start_us=BEGIN + round(start_s * SECOND), delay=0,
        )  # fmt: skip

    def open(self, start_s: float, groups: int) -> RecordingFile:
        """A recording being written: its row, and a file with so many groups of 15 pictures in a second."""
        file = self.file(start_s)
        with self.database.write() as session:
            (file.id,) = index.open_recordings(session, [file.row()])
        file.create(SystemDisk(), 0)
        for number in range(groups):
            units = [
                AccessUnit(90_000 * number + 6000 * at, at == 0, bytearray(b"\0\0\0\2\x65\x88"), PARAMETERS, 0)
                for at in range(15)
            ]
            file.write(SystemDisk(), Piece(units, True, 90, end_pts=90_000 * (number + 1)))
        return file

    def complete(self, start_s: float, groups: int, *, lasts_s: float | None = None) -> RecordingFile:
        """A finished recording of groups of a second, which by the wall clock took `lasts_s`."""
        file = self.open(start_s, groups)
        file.end_us = file.start_us + round((groups if lasts_s is None else lasts_s) * SECOND)
        file.close(SystemDisk())
        with self.database.write() as session:
            index.complete_recording(session, file.completed())
        return file

    def gap(self, start_s: float, end_s: float | None, reason: GapReason) -> None:
        with self.database.write() as session:
            key = index.open_gap(session, self.camera_id, BEGIN + round(start_s * SECOND), reason, "in words")
            if end_s is not None:
                index.close_gap(session, key, self.camera_id, BEGIN + round(end_s * SECOND))

    def timeline(self, from_s: float, to_s: float, now_s: float = 10_000) -> Timeline:
        with self.database.read() as session:
            return footage.timeline(session, MediaStore.of(session), *self._asked(from_s, to_s, now_s))

    def select(self, from_s: float, to_s: float, now_s: float = 10_000, *, readable: bool = False) -> Selection:
        with self.database.read() as session:
            store = MediaStore.of(session)
            return footage.select(session, store, *self._asked(from_s, to_s, now_s), readable=readable)

    def store_and_rows(self) -> tuple[MediaStore, list[Recording]]:
        with self.database.read() as session:
            rows = index.recordings_between(session, self.camera_id, 0, 2 * BEGIN, with_groups=True)
            return MediaStore.of(session), rows

    def _asked(self, *seconds: float) -> tuple[uuid.UUID, int, int, int]:
        from_us, to_us, now_us = (BEGIN + round(second * SECOND) for second in seconds)
        return self.camera_id, from_us, to_us, now_us


@pytest.fixture
def archive(database_url: str, tmp_path: Path) -> Iterator[Archive]:
    database = Database(database_url)
    schema.upgrade(database)
    yield Archive(database, tmp_path)
    database.close()


def seconds(gaps: tuple[Interval, ...] | list[Interval]) -> list[tuple[float, float, str]]:
    return [
        ((gap.start_us - BEGIN) / SECOND, (gap.end_us - BEGIN) / SECOND, str(gap.reason and gap.reason.value))
        for gap in gaps
    ]


def times(selection: Selection) -> list[tuple[float, float]]:
    """When the groups of a selection begin and end."""
    return [
        ((start - BEGIN) / SECOND, (end - BEGIN) / SECOND)
        for stretch in selection.stretches
        for _, start, end in stretch.timed()
    ]


def test_an_interval_is_cut_from_the_group_with_its_beginning_to_the_group_with_its_end(archive: Archive) -> None:
    archive.complete(0, 10)
    archive.complete(10, 10)
    chosen = archive.select(7.5, 12.2)
    assert times(chosen) == [(7, 8), (8, 9), (9, 10), (10, 11), (11, 12), (12, 13)]
    assert [(stretch.start_us - BEGIN, stretch.end_us - BEGIN) for stretch in chosen.stretches] == [
        (7 * SECOND, 10 * SECOND), (10 * SECOND, 13 * SECOND),
    ]  # fmt: skip
    assert chosen.gaps == ()
    assert times(archive.select(8, 9)) == [(8, 9)]
    assert times(archive.select(8.4, 8.6)) == [(8, 9)]


def test_media_time_is_spread_over_the_wall_clock_between_the_ends_of_a_recording(archive: Archive) -> None:
    archive.complete(0, 10, lasts_s=12.5)
    assert times(archive.select(5, 7.4)) == [(5, 6.25), (6.25, 7.5)]


def test_a_gap_has_its_reason_and_a_hole_that_nothing_explains_is_unknown(archive: Archive) -> None:
    archive.complete(0, 10)
    archive.gap(10, 15, GapReason.CLOSED)
    archive.gap(15, 20, GapReason.REFUSED)
    archive.complete(20, 10)
    archive.complete(30.4, 10)  # shorter than half a second: a camera's jitter
    archive.complete(45, 5)
    found = archive.timeline(5, 50)
    assert seconds(found.gaps) == [(10, 15, "closed"), (15, 20, "refused"), (40.4, 45, "unknown")]
    assert found.gaps[0].detail == "in words"
    assert (found.due_us, found.recorded_us) == (45 * SECOND, 30 * SECOND)
    assert times(archive.select(9.5, 20.5)) == [(9, 10), (20, 21)]
    assert seconds(archive.select(11, 14).gaps) == [(11, 14, "closed")]
    assert archive.select(11, 14).stretches == ()


def test_a_gap_row_that_reaches_into_what_is_recorded_takes_nothing_from_it(archive: Archive) -> None:
    archive.complete(0, 10)
    archive.gap(8, 14, GapReason.LOSS)
    archive.complete(13, 5)
    found = archive.timeline(0, 18)
    assert seconds(found.gaps) == [(10, 13, "loss")]
    assert found.recorded_us == 15 * SECOND


def test_before_the_camera_was_added_and_in_the_future_nothing_is_missing(archive: Archive) -> None:
    archive.complete(-100, 50)
    archive.gap(-50, None, GapReason.REFUSED)
    found = archive.timeline(-300, 500, now_s=50)
    assert (found.due_from_us - BEGIN, found.due_until_us - BEGIN) == (-100 * SECOND, 50 * SECOND)
    assert seconds(found.gaps) == [(-50, 50, "refused")]
    assert found.recorded_us == 50 * SECOND
    assert archive.timeline(60, 70, now_s=50).due_us == 0


def test_a_recording_being_written_is_told_from_its_file_and_what_is_on_its_way_is_no_gap(archive: Archive) -> None:
    archive.complete(0, 10)
    archive.open(10, 4)
    found = archive.timeline(0, 20, now_s=17)
    assert [(one.frames, one.end_us - BEGIN) for one in found.held] == [(150, 10 * SECOND), (60, 14 * SECOND)]
    assert found.held[1].size == (archive.volume.path / found.held[1].recording.path).stat().st_size
    assert (found.gaps, found.recorded_us, found.due_us) == ((), 14 * SECOND, 14 * SECOND)
    assert times(archive.select(12.5, 20, now_s=17)) == [(12, 13), (13, 14)]
    # The same file half a minute later: nobody is writing any more.
    assert seconds(archive.timeline(0, 100, now_s=50).gaps) == [(14, 50, "unknown")]


def test_a_recording_whose_file_does_not_exist_yet_or_has_no_whole_head_holds_nothing(archive: Archive) -> None:
    file = archive.file(0)
    with archive.database.write() as session:
        index.open_recordings(session, [file.row()])
    assert archive.timeline(-1, 5, now_s=2).held == ()
    file.absolute.parent.mkdir(parents=True)
    file.absolute.write_bytes(file.head[:100])
    assert archive.select(-1, 5, now_s=2).stretches == ()


def test_a_file_that_is_gone_and_a_disk_that_is_away_are_told_apart(archive: Archive) -> None:
    file = archive.complete(0, 3)
    store, (row,) = archive.store_and_rows()
    assert store.read(row, 4, 4) == b"ftyp"
    assert len(store.groups_of(row)) == 3
    with pytest.raises(RecordingUnreadable, match="shorter than the index says"):
        store.read(row, file.size - 1, 2)
    with pytest.raises(ValueError, match="no range"):
        store.read(row, 0, MAX_READ + 1)
    file.absolute.unlink()
    with pytest.raises(RecordingUnreadable, match="is gone") as gone:
        store.open(row)
    assert gone.value.gone
    assert seconds(archive.select(0, 3, readable=True).gaps) == [(0, 3, "unknown")]
    assert len(archive.select(0, 3).stretches) == 1
    (archive.volume.path / MARKER).unlink()
    with pytest.raises(VolumeLost, match="Is its disk mounted"):
        store.open(row)
    lost = archive.select(0, 3, readable=True)
    assert (seconds(lost.gaps), lost.stretches) == ([(0, 3, "volume_lost")], ())


def test_a_damaged_group_table_is_read_anew_from_the_file(archive: Archive) -> None:
    file = archive.complete(0, 3)
    entries = group_table.unpack(file.completed().groups)
    with archive.database.write() as session:
        session.query(Recording).update({"groups": b"\x07"})
    store, (row,) = archive.store_and_rows()
    assert store.groups_of(row) == entries


def test_the_nearest_recordings_are_found(archive: Archive) -> None:
    archive.complete(0, 3)
    archive.complete(20, 3)
    with archive.database.read() as session:
        before, after = footage.neighbours(session, archive.camera_id, BEGIN + 10 * SECOND)
        assert before is not None
        assert after is not None
        assert (before.start_us - BEGIN, after.start_us - BEGIN) == (0, 20 * SECOND)
        assert footage.neighbours(session, archive.camera_id, BEGIN - SECOND)[0] is None


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8)


@given(spans, spans)
def test_every_moment_of_a_hole_is_told_once_or_too_short_to_tell(
    holes: list[tuple[int, int]], gaps: list[tuple[int, int]]
) -> None:
    moments = sorted({second for start, length in holes for second in range(start, start + length)})
    apart = [list(group) for _, group in itertools.groupby(enumerate(moments), key=lambda one: one[1] - one[0])]
    wanted = [(run[0][1] * SECOND, (run[-1][1] + 1) * SECOND) for run in apart]
    known = sorted(
        (Interval(start * SECOND, (start + length) * SECOND, GapReason.REFUSED) for start, length in gaps),
        key=lambda gap: gap.start_us,
    )
    told = explain(wanted, known)
    covered = [second for gap in told for second in range(gap.start_us // SECOND, gap.end_us // SECOND)]
    assert sorted(covered) == moments
    refused = {second for start, length in gaps for second in range(start, start + length)}
    for gap in told:
        inside = set(range(gap.start_us // SECOND, gap.end_us // SECOND))
        assert inside <= refused if gap.reason is GapReason.REFUSED else not inside & refused


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.floats(0.5, 2), st.floats(0, 20), st.floats(0.001, 9))
def test_the_groups_of_an_interval_cover_it_and_none_could_be_left_out(
    lengths: list[int], pace: float, from_s: float, lasts_s: float
) -> None:
    groups = [GroupEntry(1000 * at, 1000, length * 90_000, 15, True) for at, length in enumerate(lengths)]
    ticks = sum(group.duration_ticks for group in groups)
    row = Recording(start_us=BEGIN, end_us=BEGIN + round(sum(lengths) * pace * SECOND))
    held = footage.Held(row, row.start_us, row.end_us or 0, 0, 0, ticks)
    from_us, to_us = BEGIN + round(from_s * SECOND), BEGIN + round((from_s + lasts_s) * SECOND)
    stretch = footage.stretch(held, groups, from_us, to_us)
    if stretch is None:
        assert from_us >= held.end_us - 20
        return
    assert stretch.start_us <= from_us
    assert stretch.end_us >= min(to_us, held.end_us) - 20
    timed = list(stretch.timed())
    assert timed[0][2] > from_us - 20
    assert timed[-1][1] < to_us + 20
