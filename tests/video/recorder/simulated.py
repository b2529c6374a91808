"""A camera in simulated time: any time stamps, any arrivals, through the recorder's real parts, in no time.

What a camera sends is scripted; monotonic and wall clock are injected. The real assembler, track, account, pipeline,
database and files take it, and a test asserts the exact tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from vonggac.cameras.models import Camera
from vonggac.core import schema
from vonggac.core.clock import microseconds
from vonggac.core.database import Database
from vonggac.org.models import Unit
from vonggac.video.index import HourSums
from vonggac.video.models import Gap, GapReason, Recording
from vonggac.video.mp4 import GroupEntry, group_table
from vonggac.video.recorder.account import CameraAccount
from vonggac.video.recorder.anchor import Timebase
from vonggac.video.recorder.camera import TrackRecorder
from vonggac.video.recorder.live import LiveFeed
from vonggac.video.recorder.pipeline import RecordingPipeline
from vonggac.video.recorder.recording_file import WriteFailed
from vonggac.video.recorder.start import CameraPast, read_pasts
from vonggac.video.stream import AccessUnit, VideoParameters
from vonggac.video.volumes import MountedVolume, create_volume

SPS = bytes.fromhex("6742c01fd9005005bb0110000003001000000303c8f1832480")
PARAMETERS = VideoParameters("h264", (SPS, bytes.fromhex("68cb83cb20")), 1280, 720, 0, 15.0)
NOON = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
NOON_US = microseconds(NOON)
SECOND = 1_000_000

Stamp = Callable[[int, float], int]
"""(number of the picture, seconds since noon at which it was taken) to ticks."""
Late = Callable[[int, float], float]
"""The same, to the seconds by which it arrives later than it was taken."""


def true_stamps(_number: int, taken_s: float) -> int:
    return round(taken_s * 90_000)


def at_once(_number: int, _taken_s: float) -> float:
    return 0.0


@dataclass(frozen=True)
class Row:
    """A recording, in seconds since noon."""

    start: float
    end: float
    media_start: float
    media: float
    frames: int
    run: int
    path: str


class Simulation:
    """A camera added at noon, recorded from then on."""

    def __init__(self, path: Path, *, recording_s: int = 60, number: int = 1, tolerance_s: float = 10.0) -> None:
        self.database = Database(f"sqlite:///{path / 'vonggac.db'}")
        schema.upgrade(self.database)
        with self.database.write() as session:
            unit = Unit(code="u", name="U", name_folded="u", name_sort="u", kind="station", created_at=NOON)
            session.add(unit)
            session.flush()
            self.unit_id = unit.id
            camera = Camera(
                number=1, name="C", name_folded="c", name_sort="c", folder="c-1", unit_id=unit.id, kind="overview",
                url="rtsp://127.0.0.1/", created_at=NOON,
            )  # fmt: skip
            session.add(camera)
            volume = create_volume(session, path / "media", NOON)
            session.flush()
            self.camera_id = camera.id
            self.volume = MountedVolume(volume.id, Path(volume.path))
        self.recording_s, self.number, self.tolerance_s = recording_s, number, tolerance_s
        self.now_s = 0.0
        """Seconds since noon, by a clock that is always right: the monotonic one."""
        self.clock_off_s = 0.0
        """By how much the server's clock is ahead of it."""
        self.failures: list[WriteFailed] = []
        self.start()

    # The server.

    def start(self) -> None:
        """Start a recorder, as the role does: with what the index knows of the past."""
        self.pipeline = RecordingPipeline(
            self.database, queue_bytes=1 << 30, sync_s=60, reserve_bytes=0,
            on_failure=lambda _recording, failure: self.failures.append(failure),
        )  # fmt: skip
        self.pipeline.start()
        self.timebase = Timebase(self.wall_us(), self.monotonic_ns())
        with self.database.read() as session:
            past: CameraPast = read_pasts(session, self.wall_us())[self.camera_id]
        self.account = CameraAccount(
            self.camera_id, self.unit_id, self.pipeline.change, due_from_us=past.due_from_us,
            covered_until_us=past.accounted_until_us or past.due_from_us, hours=past.hours or HourSums(), gap=past.gap,
        )  # fmt: skip
        if past.gap is None:
            self.account.away(GapReason.CRASHED if past.recorded_until_us else GapReason.STOPPED, "", self.wall_us())
        self.live = LiveFeed(lambda _watched: None)
        self.track = TrackRecorder(
            camera_id=self.camera_id, camera_folder="c-1", number=self.number, account=self.account,
            pipeline=self.pipeline, live=self.live, choose_volume=lambda: self.volume, timebase=self.timebase,
            recording_s=self.recording_s, clock_tolerance_s=self.tolerance_s,
        )  # fmt: skip

    def stop(self, reason: GapReason = GapReason.STOPPED) -> None:
        self.track.end_run(reason, "", self.wall_us())
        self.pipeline.stop()
        assert self.failures == []

    def wall_us(self) -> int:
        return NOON_US + round((self.now_s + self.clock_off_s) * SECOND)

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e9)

    def tick(self) -> None:
        """What the fleet does once a second."""
        now_us = self.wall_us()
        if step_us := self.timebase.follow(now_us, self.monotonic_ns()):
            self.track.clock_was_set(now_us - step_us, step_us)

    def set_clock(self, by_s: float) -> None:
        self.clock_off_s += by_s
        self.tick()

    def wait(self, seconds: float) -> None:
        """Nothing comes."""
        self.now_s += seconds

    # The camera.

    def play(
        self,
        seconds: float,
        *,
        fps: float = 15.0,
        group_s: float = 2.0,
        stamp: Stamp = true_stamps,
        late: Late = at_once,
        first_key: int = 0,
        parameters: VideoParameters = PARAMETERS,
        lost_at: int = -1,
    ) -> None:
        """Take and send pictures from now on; picture `first_key` is the first key frame."""
        began, ticked = self.now_s, self.now_s
        group = max(1, round(group_s * fps))
        for n in range(round(seconds * fps)):
            taken = began + n / fps
            self.now_s = max(self.now_s, taken + late(n, taken))
            if self.now_s - ticked >= 1.0:
                ticked = self.now_s
                self.tick()
            key = n >= first_key and (n - first_key) % group == 0
            lost = 3 if n == lost_at else 0
            self.track.add(AccessUnit(stamp(n, taken), key, bytearray(100), parameters, self.monotonic_ns(), lost))
        self.now_s = max(self.now_s, began + seconds)

    # What came of it.

    def rows(self) -> list[Row]:
        with self.database.read() as session:
            return [
                Row(
                    seconds(row.start_us), seconds(row.end_us or 0), round(row.media_start / 90_000, 3),
                    round(row.media_duration / 90_000, 3), row.frames, row.run, row.path,
                )
                for row in session.scalars(sa.select(Recording).order_by(Recording.id))
            ]  # fmt: skip

    def table(self) -> list[tuple[float, float, float, float]]:
        """Return (start, end, media start, media duration) of each recording."""
        return [(row.start, row.end, row.media_start, row.media) for row in self.rows()]

    def gaps(self) -> list[tuple[float, float | None, str]]:
        with self.database.read() as session:
            return [
                (seconds(gap.start_us), None if gap.end_us is None else seconds(gap.end_us), gap.reason)
                for gap in session.scalars(sa.select(Gap).order_by(Gap.id))
            ]

    def groups(self) -> list[GroupEntry]:
        """Return the group tables of all rows, one after the other."""
        with self.database.read() as session:
            packed = session.scalars(sa.select(Recording.groups).order_by(Recording.id))
            return [group for table in packed if table is not None for group in group_table.unpack(table)]

    def faults(self) -> set[str]:
        self.track.stamp_faults |= self.track._assembler.stamps.faults
        return {str(fault) for fault in self.track.stamp_faults}


def seconds(us: int) -> float:
    return round((us - NOON_US) / SECOND, 3)
