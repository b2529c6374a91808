"""A past that nobody recorded is like one that somebody did: to the byte of its files and the row of its index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import undefer

from peers.material import Material
from peers.past import SMALL, first_number, numbered_loop, record_past
from peers.stored_archive import StoredArchive
from vonggac.cameras.models import Camera
from vonggac.core import schema
from vonggac.core.clock import microseconds, utc
from vonggac.core.database import Database
from vonggac.sim import demo_past
from vonggac.sim.loops import RATE, WIDTH, Loop, small_loop
from vonggac.sim.past import PastCamera, write_past
from vonggac.video import index
from vonggac.video.account import accounting
from vonggac.video.archive import checking, footage
from vonggac.video.archive.checking import CheckedCamera, Options, Tally
from vonggac.video.archive.footage import MediaStore
from vonggac.video.clips import writing
from vonggac.video.clips.writing import ClipWriter
from vonggac.video.index import CompletedRecording, Interval
from vonggac.video.models import Gap, GapReason, RecordedHour, Recording
from vonggac.video.mp4 import group_table, scan
from vonggac.video.recorder.disk import SystemDisk
from vonggac.video.recorder.groups import GroupAssembler
from vonggac.video.recorder.recording_file import RecordingFile
from vonggac.video.retention import deletion
from vonggac.video.spans import length, without
from vonggac.video.stream import AccessUnit

SECOND = 1_000_000
FROM_US = 1_795_450_000 * SECOND
TO_US = FROM_US + 75 * 60 * SECOND + 777_000
AWAY = Interval(FROM_US + 601 * SECOND, FROM_US + 700 * SECOND + 500_000, GapReason.TIMED_OUT, "no answer")
LOST = Interval(FROM_US + 3600 * SECOND, FROM_US + 3604 * SECOND, GapReason.LOSS, "packets were lost")


@dataclass
class Past:
    """An archive of two cameras with a bit more than an hour, and two gaps of the second."""

    archive: StoredArchive
    loop: Loop

    def __post_init__(self) -> None:
        ids = self.archive.camera_ids
        media = self.archive.volumes[0].path
        self.written = record_past(self.archive.database, media, ids, self.loop, FROM_US, TO_US, {ids[1]: (AWAY, LOST)})
        self.archive.clock.us = TO_US + 60 * SECOND


@pytest.fixture(scope="session")
def loop(material: Material) -> Loop:
    return numbered_loop(material.cache)


@pytest.fixture
def past(tmp_path: Path, loop: Loop) -> Iterator[Past]:
    database = Database(f"sqlite:///{tmp_path / 'vonggac.db'}")
    schema.upgrade(database)
    yield Past(StoredArchive(database, tmp_path), loop)
    database.close()


def read(past: Past, query: Any) -> list[Any]:
    with past.archive.database.read() as session:
        return list(session.scalars(query))


def problems(past: Past) -> list[Any]:
    cameras = [CheckedCamera(one, number, f"c-{number}") for number, one in enumerate(past.archive.camera_ids, 1)]
    options = Options(0, past.archive.clock.us, past.archive.clock.us)
    return list(checking.check(past.archive.database, past.archive.volumes, cameras, options, Tally()))


def test_files_and_index_agree_in_every_group(past: Past) -> None:
    assert problems(past) == []
    past.archive.assert_index_and_disk_agree()
    rows = past.archive.rows()
    assert past.written.recordings == len(rows)
    assert past.written.size == sum(row.size for row in rows)
    # A file is about a minute, and each camera changes files at its own second.
    lengths = [(row.end_us or 0) - row.start_us for row in rows]
    assert sorted(lengths)[len(lengths) // 2] == 60 * SECOND
    assert max(lengths) <= 77 * SECOND
    seconds = {row.camera_id: row.start_us // SECOND % 60 for row in rows[5:20] + rows[90:105]}
    assert len(set(seconds.values())) == 2


def test_media_time_runs_on_within_a_run_and_every_run_begins_anew(past: Past) -> None:
    second = [row for row in past.archive.rows() if row.camera_id == past.archive.camera_ids[1]]
    runs = sorted({row.run for row in second})
    assert runs == [FROM_US, AWAY.end_us, LOST.end_us]
    for run in runs:
        rows = [row for row in second if row.run == run]
        assert rows[0].media_start == 0
        for before, after in pairwise(rows):
            assert after.start_us == before.end_us
            assert after.media_start == before.media_start + before.media_duration
        for row in rows:
            with (past.archive.volumes[0].path / row.path).open("rb") as file:
                assert scan(file).media_start == row.media_start


def test_every_moment_is_recorded_or_in_a_gap_with_its_reason(past: Past) -> None:
    with past.archive.database.read() as session:
        first, second = (
            footage.timeline(session, MediaStore.of(session), one, FROM_US, TO_US, past.archive.clock.us)
            for one in past.archive.camera_ids
        )
    assert [gap.reason for gap in first.gaps] == [GapReason.STOPPED]
    reasons = [gap.reason for gap in second.gaps]
    assert reasons == [GapReason.TIMED_OUT, GapReason.LOSS, GapReason.STOPPED]
    away, lost, _ = second.gaps
    # A run ends with its last whole group: two seconds here.
    assert AWAY.start_us - 2 * SECOND < away.start_us <= AWAY.start_us
    assert (away.end_us, away.detail) == (AWAY.end_us, AWAY.detail)
    assert LOST.start_us - 2 * SECOND < lost.start_us <= LOST.start_us
    assert lost.end_us == LOST.end_us
    missing = [(gap.start_us, gap.end_us) for gap in second.gaps]
    assert second.recorded_us == length(without([(FROM_US, TO_US)], missing))
    (still,) = [
        gap for gap in read(past, sa.select(Gap).where(Gap.end_us.is_(None))) if gap.camera_id == second.camera_id
    ]
    assert (still.reason, still.detail) == (GapReason.STOPPED, "the recorder was stopped")


def test_the_sums_of_hours_and_the_account_are_those_of_a_recorder(past: Past) -> None:
    with past.archive.database.read() as session:
        rows = list(session.scalars(sa.select(Recording).options(undefer(Recording.groups))))
        sums = {
            (one.camera_id, one.hour_us): (one.recorded_us, one.size)
            for one in session.scalars(sa.select(RecordedHour))
        }
        lines = accounting.camera_lines(session, FROM_US, TO_US, past.archive.clock.us)
    assert [line.seconds.unexplained for line in lines] == [0, 0]
    with past.archive.database.write() as session:
        # Taken away and entered again one by one, as a recorder does.
        session.execute(sa.delete(RecordedHour))
        for row in rows:
            done = CompletedRecording(
                row.id, row.camera_id, row.start_us, row.end_us or 0, row.media_duration, row.size, row.frames,
                row.groups or b"",
            )  # fmt: skip
            index.complete_recording(session, done)
        again = {
            (one.camera_id, one.hour_us): (one.recorded_us, one.size)
            for one in session.scalars(sa.select(RecordedHour))
        }
    assert again == sums


def test_a_file_is_to_the_byte_what_the_recorder_writes_of_the_same_pictures(past: Past, tmp_path: Path) -> None:
    row = next(row for row in past.archive.rows() if row.media_start)
    with (past.archive.volumes[0].path / row.path).open("rb") as file:
        found = scan(file)
        data = file.seek(0) or file.read()
    assembler, pieces, pts = GroupAssembler(), [], 0
    count = sum(entry.key for entry in found.entries())
    first = _first_group(past, row)
    for number in range(first, first + count + 1):
        for piece in past.loop.groups[number % len(past.loop.groups)]:
            for place, (picture, ticks) in enumerate(zip(piece.pictures, piece.durations, strict=True)):
                unit = AccessUnit(
                    row.media_start + pts, piece.key and place == 0, bytearray(picture), past.loop.parameters,
                    (row.media_start + pts) * 100_000 // 9,
                )  # fmt: skip
                if (done := assembler.add(unit)) is not None:
                    pieces.append(done)
                pts += ticks
    volume = past.archive.volumes[0]
    recording = RecordingFile(
        row.camera_id, "again", volume, past.loop.parameters, row.run, 0, row.media_start, row.start_us, 0
    )
    disk = SystemDisk()
    recording.create(disk, 0)
    for piece in pieces[: len(found.groups)]:
        recording.write(disk, piece)
    assert recording.absolute.read_bytes() == data
    done_row = recording.completed()
    with past.archive.database.read() as session:
        packed = session.scalar(sa.select(Recording.groups).where(Recording.id == row.id))
    assert (done_row.groups, done_row.size, done_row.frames) == (packed, row.size, row.frames)
    opened = recording.row()
    assert (opened.codec, opened.init_size, opened.width) == (row.codec, row.init_size, row.width)


def _first_group(past: Past, row: Recording) -> int:
    """Return which group of its camera's loop a recording begins with."""
    number = 1 + past.archive.camera_ids.index(row.camera_id)
    for earlier in past.archive.rows():
        if earlier.camera_id == row.camera_id and earlier.start_us < row.start_us:
            with past.archive.database.read() as session:
                packed = session.scalar(sa.select(Recording.groups).where(Recording.id == earlier.id))
            number += sum(entry.key for entry in group_table.unpack(packed or b""))
    return number


def test_it_plays_picture_for_picture(
    past: Past, tmp_path: Path, read_numbers: Callable[[Path], list[int]], judge: Any
) -> None:
    with past.archive.database.read() as session:
        store = MediaStore.of(session)
        span = FROM_US, FROM_US + 130 * SECOND
        selection = footage.select(session, store, past.archive.camera_ids[0], *span, past.archive.clock.us)
    planned = writing.plan(store, selection)
    assert writing.missing(planned, selection) == []
    target = tmp_path / "clip.mp4"
    writer = ClipWriter(planned, target, tmp_path / "part")
    writer.go_on(lambda: False)
    writer.finish()
    numbers = read_numbers(target)
    first = first_number(1, past.loop)
    assert numbers == [(first + place) % SMALL.pictures for place in range(len(numbers))]
    assert len(numbers) == 130 * SMALL.fps
    assert judge.complaints(target) == ""


def test_retention_deletes_it_like_any_other_and_holds_keep_it(past: Past) -> None:
    camera_id = past.archive.camera_ids[0]
    with past.archive.database.write() as session:
        footage.hold(session, camera_id, FROM_US + 60 * SECOND, FROM_US + 61 * SECOND, "case", placed_by="an")
    with past.archive.database.read() as session:
        held = [(FROM_US + 60 * SECOND, FROM_US + 61 * SECOND)]
        ages = [one.start_us for one, _ in zip(deletion.oldest(session, camera_id, held), range(3), strict=False)]
    starts = past.archive.starts()
    assert ages == [start for start in starts if not start <= FROM_US + 60 * SECOND < start + 60 * SECOND][:3]


def test_a_second_past_follows_the_first_and_takes_the_open_gap_away(past: Past) -> None:
    archive = past.archive
    later = TO_US + 300 * SECOND
    last = archive.rows()[-1].end_us or 0
    cameras = [
        PastCamera(one, number, f"c-{number}", past.loop, last) for number, one in enumerate(archive.camera_ids, 1)
    ]
    write_past(archive.database, archive.volumes[0], cameras, later)
    assert problems(past) == []
    open_gaps = read(past, sa.select(Gap).where(Gap.end_us.is_(None)))
    assert len(open_gaps) == 2
    assert all(later - 2 * SECOND < gap.start_us <= later for gap in open_gaps)


def test_a_camera_is_there_since_the_first_moment_and_never_later_than_it_was(tmp_path: Path, loop: Loop) -> None:
    database = Database(f"sqlite:///{tmp_path / 'vonggac.db'}")
    schema.upgrade(database)
    archive = StoredArchive(database, tmp_path)
    with database.write() as session:
        camera = session.get_one(Camera, archive.camera_ids[0])
        camera.created_at = utc(TO_US)
        before = session.get_one(Camera, archive.camera_ids[1]).created_at
    record_past(database, archive.volumes[0].path, archive.camera_ids, loop, FROM_US, FROM_US + 60 * SECOND)
    with database.read() as session:
        since = [session.get_one(Camera, one).created_at for one in archive.camera_ids]
    assert since == [utc(FROM_US), before]
    database.close()


def test_the_outages_of_a_demonstration_lie_within_its_days_in_order() -> None:
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    now_us = FROM_US
    from_us = microseconds(utc(now_us).astimezone(zone).replace(hour=0, minute=0, second=0)) - 86_400 * SECOND
    for place in range(demo_past.CAMERAS):
        gaps = demo_past.outages(place, from_us, now_us, zone)
        assert gaps == sorted(gaps, key=lambda gap: gap.start_us)
        assert all(from_us < gap.start_us < gap.end_us < now_us for gap in gaps)
        assert all(before.end_us < after.start_us for before, after in pairwise(gaps))
        assert gaps[0].reason is GapReason.STOPPED
    assert {gap.reason for place in range(9) for gap in demo_past.outages(place, from_us, now_us, zone)} >= {
        GapReason.CLOSED, GapReason.LOSS, GapReason.TIMED_OUT, GapReason.REFUSED, GapReason.STALLED,
    }  # fmt: skip


@pytest.mark.slow
def test_a_clip_becomes_a_small_loop_of_long_groups(clip: Callable[[str], Path], tmp_path: Path, judge: Any) -> None:
    from vonggac.sim.clips import read_clip

    played = read_clip(clip("street-cars.mp4"))
    made = small_loop((played, 8), (played, 4))
    assert [sum(len(piece.pictures) for piece in group) for group in made.groups] == [24, 24]
    assert [piece.key for piece in made.groups[0]] == [True, False, False]
    assert made.parameters.width == WIDTH
    template = made.template(0, 2)
    assert template.ticks == 12 * 90_000
    file = tmp_path / "loop.mp4"
    file.write_bytes(made.head(0) + template.content(0))
    assert judge.complaints(file) == ""
    assert judge.frames(file) == 12 * RATE
