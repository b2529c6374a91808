"""A day in simulated time: nothing drifts, nothing overlaps, no second is missing."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from simulated import NOON_US, PARAMETERS, SECOND, Simulation
from sqlalchemy.orm import Session

from vonggac.video import index
from vonggac.video.index import CompletedRecording
from vonggac.video.models import Gap, GapReason, RecordedHour, Recording
from vonggac.video.recorder.account import IndexChange
from vonggac.video.recorder.groups import Piece
from vonggac.video.recorder.recording_file import RecordingFile
from vonggac.video.stream import AccessUnit
from vonggac.video.volumes import MountedVolume

pytestmark = pytest.mark.slow

DAY_S = 86_400


class RowsOnly:
    """In place of the pipeline: real rows in the real index, no files. A mock, since a day of files takes a day."""

    def __init__(self, sim: Simulation) -> None:
        self._database, self._waiting = sim.database, list[IndexChange]()
        self._ticks: dict[RecordingFile, list[int]] = {}

    def change(self, work: IndexChange) -> None:
        self._waiting.append(work)
        if len(self._waiting) >= 500:
            self.commit()

    def commit(self) -> None:
        with self._database.write() as session:
            for work in self._waiting:
                work(session)
        self._waiting.clear()

    def has_room(self, _volume: MountedVolume) -> bool:
        return True

    def begin(self, recording: RecordingFile) -> None:
        self._ticks[recording] = [recording.media_start, 0]

        def insert(session: Session) -> None:
            (recording.id,) = index.open_recordings(session, [recording.row()])

        self.change(insert)

    def append(self, recording: RecordingFile, piece: Piece) -> bool:
        self._ticks[recording][0] = piece.units[-1].pts + 1 - recording.origin_pts
        self._ticks[recording][1] += len(piece.units)
        return True

    def finish(self, recording: RecordingFile, start_us: int, end_us: int, gap_ends: IndexChange | None = None) -> None:
        if gap_ends is not None:
            self.change(gap_ends)
        end, frames = self._ticks.pop(recording)

        def complete(session: Session) -> None:
            done = CompletedRecording(
                recording.id, recording.camera_id, start_us, end_us, end - recording.media_start, 1000, frames, b""
            )
            index.complete_recording(session, done)

        self.change(complete)


@dataclass(frozen=True)
class Kind:
    """A camera of a kind, and how far from the truth a recording of it may ever begin."""

    fps: float
    speed: float = 1.0
    counted_at: float = 0.0
    """Stamped by counting, as if there were so many pictures a second; 0: by a clock."""
    late: Callable[[random.Random], float] = lambda _rng: 0.0
    first_stamp: int = 0
    within_s: float = 0.001


KINDS = {
    "15 a second": Kind(15),
    "25 declared and 21 delivered": Kind(21 / 4, within_s=0.001),
    "25 stamped and 21 delivered": Kind(21 / 4, counted_at=25 / 4, within_s=0.1),
    "a clock 40 ppm fast": Kind(3, speed=1.00004, within_s=0.01),
    "a clock 450 ppm slow": Kind(3, speed=1 - 450e-6, within_s=0.1),
    "jitter of 0.3 s either way": Kind(3, late=lambda rng: rng.uniform(0, 0.6), within_s=0.1),
    "read five times a second, stamps that wrap twice": Kind(
        3, late=lambda rng: rng.uniform(0, 0.24), first_stamp=2**32 - 3600 * 90_000, within_s=0.05
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_day_has_no_drift_and_no_phantom_gap(tmp_path: Path, name: str) -> None:
    kind, sim, rng = KINDS[name], Simulation(tmp_path), random.Random(7)
    sim.pipeline.stop()
    rows_only = RowsOnly(sim)
    sim.track._pipeline = rows_only  # type: ignore[assignment]
    sim.account._change = rows_only.change
    data, key_every, arrived_s = bytearray(1), round(2 * kind.fps), 0.0
    ticks_each = 90_000 / (kind.counted_at or kind.fps) * kind.speed
    for n in range(round(DAY_S * kind.fps)):
        taken_s = n / kind.fps
        arrived_s = max(arrived_s, taken_s + kind.late(rng))
        stamp = kind.first_stamp + round(n * ticks_each)
        sim.track.add(AccessUnit(stamp, n % key_every == 0, data, PARAMETERS, round(arrived_s * 1e9)))
    sim.now_s = DAY_S
    sim.track.end_run(GapReason.STOPPED, "", sim.wall_us())
    rows_only.commit()
    with sim.database.read() as session:
        rows = list(session.scalars(sa.select(Recording).order_by(Recording.start_us)))
        hours = dict(session.execute(sa.select(RecordedHour.hour_us, RecordedHour.recorded_us)).all())
        gaps = list(session.scalars(sa.select(Gap)))
    sim.database.close()
    # They tile the day: no hole, no overlap, and no gap but before the first picture and after the last.
    assert all(before.end_us == after.start_us for before, after in itertools.pairwise(rows))
    assert all(gap.end_us in (rows[0].start_us, None) for gap in gaps)
    # Each begins when its first picture was taken, to within what is promised.
    frames = itertools.accumulate((row.frames for row in rows), initial=0)
    wrong = [row.start_us - NOON_US - before / kind.fps * SECOND for row, before in zip(rows, frames, strict=False)]
    wrong.append(rows[-1].end_us - NOON_US - DAY_S * SECOND)
    assert max(map(abs, wrong)) < kind.within_s * SECOND, max(map(abs, wrong))
    # The hours add up to what the recordings hold.
    assert sum(hours.values()) == rows[-1].end_us - rows[0].start_us
    assert [hours[NOON_US + hour * 3_600 * SECOND] for hour in range(1, 23)] == [3_600 * SECOND] * 22
