"""One camera's pictures into recordings: when files change, what is accounted for, without sockets or threads."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from vonggac.video.index import HourSums
from vonggac.video.models import GapReason
from vonggac.video.recorder.account import CameraAccount, OpenGap
from vonggac.video.recorder.anchor import Timebase
from vonggac.video.recorder.camera import TrackRecorder
from vonggac.video.recorder.groups import Piece
from vonggac.video.recorder.live import LiveFeed
from vonggac.video.recorder.recording_file import RecordingFile
from vonggac.video.stream import AccessUnit, VideoParameters
from vonggac.video.volumes import MountedVolume

SPS = bytes.fromhex("6742c01fd9005005bb0110000003001000000303c8f1832480")
PARAMETERS = VideoParameters("h264", (SPS, bytes.fromhex("68cb83cb20")), 1280, 720, 0, 15.0)
STEP = 6000
SECOND = 1_000_000


@dataclass
class NotedPipeline:
    """In place of the pipeline: notes what it is asked for, writes nothing."""

    full: bool = False
    begun: list[RecordingFile] = field(default_factory=list)
    finished: list[tuple[RecordingFile, int, int]] = field(default_factory=list)
    pieces: list[tuple[RecordingFile, Piece]] = field(default_factory=list)
    changes: list[Callable[[Session], None]] = field(default_factory=list)
    gap_ends: list[Callable[[Session], None] | None] = field(default_factory=list)

    def change(self, work: Callable[[Session], None]) -> None:
        self.changes.append(work)

    def has_room(self, volume: MountedVolume) -> bool:
        return not self.full

    def begin(self, recording: RecordingFile) -> None:
        self.begun.append(recording)

    def append(self, recording: RecordingFile, piece: Piece) -> bool:
        if not self.full:
            self.pieces.append((recording, piece))
        return not self.full

    def finish(
        self,
        recording: RecordingFile,
        start_us: int,
        end_us: int,
        gap_ends: Callable[[Session], None] | None = None,
    ) -> None:
        self.finished.append((recording, start_us, end_us))
        self.gap_ends.append(gap_ends)


class Case:
    """A camera that was away until second 1000, and what becomes of its pictures."""

    def __init__(self, number: int = 1, recording_s: int = 60) -> None:
        self.pipeline = NotedPipeline()
        camera_id = uuid.uuid4()
        self.account = CameraAccount(
            camera_id, uuid.uuid4(), self.pipeline.change, due_from_us=900 * SECOND, covered_until_us=900 * SECOND,
            hours=HourSums(), gap=OpenGap(900 * SECOND, GapReason.REFUSED, "", 1),
        )  # fmt: skip
        pipeline: Any = self.pipeline
        self.track = TrackRecorder(
            camera_id=camera_id, camera_folder="c-1", number=number, account=self.account, pipeline=pipeline,
            live=LiveFeed(lambda _watched: None), choose_volume=lambda: MountedVolume(uuid.uuid4(), Path("/nowhere")),
            timebase=Timebase(0, 0), recording_s=recording_s,
        )  # fmt: skip

    def play(self, seconds: int, *, group: int = 30, late: Callable[[int], int] = lambda _n: 0, first: int = 0) -> None:
        """Play pictures from second 1000 on; `late` is by how many microseconds picture n comes later than taken."""
        for n in range(first, first + seconds * 15):
            arrived_us = 1000 * SECOND + n * SECOND // 15 + late(n)
            self.track.add(AccessUnit(n * STEP, n % group == 0, bytearray(100), PARAMETERS, arrived_us * 1000))

    def lengths(self) -> list[float]:
        return [(end - start) / SECOND for _, start, end in self.pipeline.finished]


def test_files_of_a_minute_change_at_the_cameras_own_second_and_follow_without_a_hole() -> None:
    case = Case(number=7)
    case.play(400)
    assert case.lengths()[1:] == [60.0] * 5
    ends_and_starts = [(before[2], after[1]) for before, after in itertools.pairwise(case.pipeline.finished)]
    assert all(end == start for end, start in ends_and_starts)


def test_cameras_change_files_at_different_seconds() -> None:
    seconds = set()
    for number in range(1, 31):
        case = Case(number)
        case.play(200)
        seconds.add(case.pipeline.finished[-1][2] // SECOND % 60)
    assert len(seconds) > 20


def test_a_burst_at_the_start_makes_no_second_short_file_and_is_dated_by_when_it_was_taken() -> None:
    for number in range(1, 40):
        case = Case(number)
        case.play(300, late=lambda n: max(0, SECOND - n * SECOND // 15))  # the first second comes all at once
        assert min(case.lengths()) >= 15.0
        assert abs(case.pipeline.finished[0][1] - 1000 * SECOND) <= 1  # arrivals are rounded down
        # The end of the gap before is corrected with the times of the first file, and with those of no other.
        assert [change is not None for change in case.pipeline.gap_ends] == [True] + [False] * (
            len(case.pipeline.gap_ends) - 1
        )
        assert all(60.0 <= length <= 62.0 for length in case.lengths()[1:]), case.lengths()


def test_when_the_queue_is_full_the_reason_is_the_disk_and_recording_goes_on_later() -> None:
    case = Case()
    case.play(10)
    case.pipeline.full = True
    case.play(4, first=150)
    assert case.account.gap is not None
    assert case.account.gap.reason is GapReason.DISK
    case.pipeline.full = False
    case.play(20, first=210)
    assert case.account.gap is None
    first, second = case.pipeline.begun
    assert second.start_us > first.end_us


def test_a_change_of_parameters_begins_a_new_file_without_a_hole_or_a_lost_picture() -> None:
    case = Case(recording_s=600)
    other = VideoParameters("h264", (SPS, bytes.fromhex("68cb83cb21")), 1280, 720, 0, 15.0)
    for n in range(20 * 15):
        parameters = other if n >= 150 else PARAMETERS
        arrived_ns = 1_000_000_000_000 + n * 66_666_666
        case.track.add(AccessUnit(n * STEP, n % 15 == 0, bytearray(100), parameters, arrived_ns))
    case.track.end_run(GapReason.STOPPED, "", 1020 * SECOND)
    first, second = case.pipeline.begun
    assert (first.parameters, second.parameters) == (PARAMETERS, other)
    assert first.run == second.run
    assert case.pipeline.finished[0][2] == case.pipeline.finished[1][1]
    assert sum(len(piece.units) for _, piece in case.pipeline.pieces) == 300
    assert case.track.counters.dropped_frames == 0


def test_sets_that_fit_into_no_file_are_a_gap_that_says_so_and_nothing_breaks() -> None:
    case = Case()
    many = VideoParameters("h264", (SPS,) * 32 + PARAMETERS.sets[1:], 1280, 720)
    for n in range(60):
        case.track.add(AccessUnit(n * STEP, n % 15 == 0, bytearray(100), many, 1000 * SECOND * 1000 + n * 66_666_666))
    assert case.account.gap is not None
    assert case.account.gap.reason is GapReason.UNSUPPORTED
    assert "parameter sets" in case.account.gap.detail
    assert not case.pipeline.begun
    case.play(10, first=150)
    assert case.account.gap is None


def test_the_share_of_recorded_time_counts_files_that_are_still_open() -> None:
    case = Case()
    case.play(102)
    recorded, passed = case.account.share(1102 * SECOND)
    assert passed == 202 * SECOND
    assert 99 * SECOND < recorded <= 102 * SECOND
