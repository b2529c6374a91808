"""The power-cut promise, at every point of a recording, with what was not synced lost in any subset."""

from __future__ import annotations

import itertools
import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from peers.power import Choice, Log, LoggedDatabase, LoggedDisk, rebuild
from vonggac.cameras.models import Camera
from vonggac.core import schema
from vonggac.core.clock import utc
from vonggac.core.database import Database
from vonggac.org.models import Unit
from vonggac.video.models import Gap, GapReason, RecordedHour, Recording, RecordingState
from vonggac.video.mp4 import read_init, read_samples, scan
from vonggac.video.recorder.anchor import Timebase
from vonggac.video.recorder.camera import TrackRecorder
from vonggac.video.recorder.live import LiveFeed
from vonggac.video.recorder.pipeline import RecordingPipeline
from vonggac.video.recorder.recovery import make_ready
from vonggac.video.recorder.start import open_account, read_pasts
from vonggac.video.stream import AccessUnit, VideoParameters
from vonggac.video.volumes import MARKER, MountedVolume, create_volume

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SPS = bytes.fromhex("6742c01fd9005005bb0110000003001000000303c8f1832480")
PARAMETERS = VideoParameters("h264", (SPS, bytes.fromhex("68cb83cb20")), 1280, 720, 0, 15.0)
BEGAN_US = 1_795_489_194_000_000  # 2026-11-24 02:59:54: files cross an hour, which makes new folders
BEGAN_US -= (BEGAN_US + 6_000_000) % 3_600_000_000
FPS = 5
SYNC_S = 2.0
STEP = 90_000 // FPS


@dataclass
class StoppedClock:
    """A clock that stands where the scenario put it."""

    us: int

    def now_us(self) -> int:
        return self.us

    def monotonic_ns(self) -> int:
        return self.us * 1000


def picture(camera: int, number: int, lost_before: int = 0) -> AccessUnit:
    """Return a picture that can be recognised: 3 kB, a key frame each second."""
    body = b"\x65" + camera.to_bytes(1, "big") + number.to_bytes(3, "big") + b"\x77" * (2500 + 137 * (number % 7))
    data = bytearray(len(body).to_bytes(4, "big") + body)
    arrived_ns = number * 1_000_000_000 // FPS
    return AccessUnit(number * STEP, number % FPS == 0, data, PARAMETERS, arrived_ns, lost_before)


class Scenario:
    """Two cameras recorded by the real pipeline on a logged disk: file changes, a loss, a stop, a second recorder."""

    def __init__(self, path: Path) -> None:
        self.log = Log()
        self.path = path
        self.database = LoggedDatabase(f"sqlite:///{path / 'vonggac.db'}", self.log)
        schema.upgrade(self.database)
        self.cameras: dict[uuid.UUID, int] = {}
        self.unit_id = uuid.uuid4()
        with self.database.write() as session:
            unit = Unit(code="u", name="U", name_folded="u", name_sort="u", kind="station", created_at=utc(BEGAN_US))
            session.add(unit)
            session.flush()
            self.unit_id = unit.id
            for number in (1, 2):
                camera = Camera(
                    number=number, name=f"C{number}", name_folded=f"c{number}", name_sort=f"c{number}",
                    folder=f"c-{number}", unit_id=unit.id, kind="overview", url="rtsp://127.0.0.1/",
                    created_at=utc(BEGAN_US),
                )  # fmt: skip
                session.add(camera)
                session.flush()
                self.cameras[camera.id] = number
            volume = create_volume(session, path / "media", utc(BEGAN_US))
            self.volume = MountedVolume(volume.id, Path(volume.path))
        self.folders = {f"c-{number}": key for key, number in self.cameras.items()}
        self.begins_at = len(self.log.events)
        self.record(range(8 * FPS))
        self.record(range(9 * FPS, 13 * FPS), loss_at=11 * FPS + 2)
        self.database.close()
        self.arrived = {(camera, number): number / FPS for camera in (1, 2) for number in range(13 * FPS)}
        self.kept = pictures_on(self.volume.path)
        self.seen: dict[int, set[tuple[int, int]]] = {}
        """States that were started on already, and the pictures that each held."""

    def record(self, numbers: range, loss_at: int = -1) -> None:
        start_up(self, self.database, self.volume, self.log.clock_s)
        pipeline = RecordingPipeline(
            self.database, queue_bytes=1 << 24, sync_s=SYNC_S, reserve_bytes=0,
            on_failure=lambda _recording, failure: pytest.fail(str(failure)), disk=LoggedDisk(self.log),
            monotonic=lambda: self.log.clock_s,
        )  # fmt: skip
        pipeline.start()
        now_us = BEGAN_US + int(self.log.clock_s * 1e6)
        with self.database.read() as session:
            pasts = read_pasts(session, now_us)
        tracks = [
            TrackRecorder(
                camera_id=key, camera_folder=f"c-{number}", number=number,
                account=open_account(key, self.unit_id, pipeline.change, pasts[key], now_us), pipeline=pipeline,
                live=LiveFeed(lambda _watched: None), choose_volume=lambda: self.volume,
                timebase=Timebase(BEGAN_US, 0), recording_s=3,
            )
            for key, number in self.cameras.items()
        ]  # fmt: skip
        for number in numbers:
            self.log.clock_s = number / FPS
            for camera, track in enumerate(tracks, 1):
                if number != loss_at:
                    track.add(picture(camera, number, 3 if number == loss_at + 1 else 0))
            assert pipeline.flush_index()
            wait_until(lambda: pipeline.queued_bytes == 0, "the writer")
            # The scenario's clock stands still until the sync thread has kept its promise.
            wait_until(lambda: not self.overdue(pipeline), "the sync of what is older than the promise")
        for track in tracks:
            track.end_run(GapReason.STOPPED, "the recorder was stopped", BEGAN_US + int((self.log.clock_s + 0.2) * 1e6))
        pipeline.stop()

    def overdue(self, pipeline: RecordingPipeline) -> bool:
        due = self.log.clock_s + 1 / FPS - SYNC_S
        dirty = [file.dirty_since for file in list(pipeline._live)]
        # A file that is being synced is not dirty and not yet safe.
        syncing = any(writer._busy[1] for writer in pipeline.writers.values())
        return syncing or any(since is not None and since < due for since in dirty)


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.002)


def pictures_on(volume: Path) -> set[tuple[int, int]]:
    """Return every picture in the files of a volume, by camera and number."""
    found = set()
    for path in volume.rglob("*.mp4"):
        with path.open("rb") as file:
            delay = read_init(file).presentation_delay
            for group in scan(file).groups:
                for sample in read_samples(file, group, presentation_delay=delay):
                    found.add((sample.data[5], int.from_bytes(sample.data[6:9], "big")))
    return found


def start_up(scenario: Scenario, database: Database, volume: MountedVolume, clock_s: float) -> None:
    """Do what a recorder does before it connects to the first camera."""
    now_us = BEGAN_US + int(clock_s * 1e6)
    make_ready(
        database, volume, scenario.folders, 0, 1, being_written=tuple, distrust_cache=False, step=lambda: None,
        clock=StoppedClock(now_us),
    )  # fmt: skip
    with database.read() as session:
        pasts = read_pasts(session, now_us)
    changes: list[Any] = []
    for key in scenario.cameras:
        open_account(key, scenario.unit_id, changes.append, pasts[key], now_us)
    with database.write() as session:
        for change in changes:
            change(session)


def everything(database: Database, volume: Path) -> tuple[Any, ...]:
    with database.read() as session:
        tables = [
            sorted(map(repr, session.execute(sa.select(table.__table__)))) for table in (Recording, Gap, RecordedHour)
        ]
    files = {path: path.read_bytes() for path in volume.rglob("*.mp4")}
    return tables, files


def assert_promises(scenario: Scenario, cut: int, choice: Choice, into: Path) -> None:
    """Rebuild a state after a cut, start on it twice, and see that every promise is kept."""
    log = scenario.log.events
    clock_s = log[cut - 1].clock_s
    file = into / "cut.db"
    for old in into.glob("cut.db*"):
        old.unlink()
    rebuild(log, cut, choice, scenario.volume.path, into / "media", file)
    due = {one for one in scenario.kept if scenario.arrived[one] < clock_s - SYNC_S}
    volume = MountedVolume(scenario.volume.id, into / "media")
    state = hash((file.read_bytes(), *((path, path.read_bytes()) for path in sorted(volume.path.rglob("*.mp4")))))
    if state not in scenario.seen:
        scenario.seen[state] = started_twice(scenario, file, volume, clock_s)
    held = scenario.seen[state]
    assert due <= held, f"lost although older than {SYNC_S} s: {sorted(due - held)}"


def started_twice(scenario: Scenario, file: Path, volume: MountedVolume, clock_s: float) -> set[tuple[int, int]]:
    """Start on a state, assert all promises but that of time, start again; returns the pictures that were there."""
    (volume.path / MARKER).write_text(f"{scenario.volume.id}\n")
    database = Database(f"sqlite:///{file}")
    try:
        start_up(scenario, database, volume, clock_s + 1)
        after = everything(database, volume.path)
        assert_rows_and_files_agree(database, volume.path)
        assert_time_is_accounted_for(scenario, database, clock_s + 1)
        held = pictures_on(volume.path)
        start_up(scenario, database, volume, clock_s + 1)
        assert everything(database, volume.path) == after, "a second start changes something"
        return held
    finally:
        database.close()


def assert_rows_and_files_agree(database: Database, volume: Path) -> None:
    with database.read() as session:
        rows = list(session.scalars(sa.select(Recording)))
    for row in rows:
        assert row.state != RecordingState.OPEN
        with (volume / row.path).open("rb") as file:
            scanned = scan(file, verify_from=0)
        assert scanned.valid_end == scanned.file_size == row.size, row.path
        assert (scanned.frames, scanned.media_duration) == (row.frames, row.media_duration)


def assert_time_is_accounted_for(scenario: Scenario, database: Database, clock_s: float) -> None:
    with database.read() as session:
        for key in scenario.cameras:
            rows = list(session.scalars(sa.select(Recording).where(Recording.camera_id == key)))
            gaps = list(session.scalars(sa.select(Gap).where(Gap.camera_id == key)))
            stretches: list[tuple[int, int | None]] = [(row.start_us, row.end_us) for row in rows]
            stretches += [(gap.start_us, gap.end_us) for gap in gaps]
            stretches.sort()
            assert stretches[0][0] == BEGAN_US
            for (_, end), (start, _) in itertools.pairwise(stretches):
                assert end == start, [((a - BEGAN_US) / 1e6, b and (b - BEGAN_US) / 1e6) for a, b in stretches]
            assert stretches[-1][1] is None
            hours = session.scalar(
                sa.select(sa.func.sum(RecordedHour.recorded_us)).where(RecordedHour.camera_id == key)
            )
            assert (hours or 0) == sum((row.end_us or 0) - row.start_us for row in rows)


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    made = Scenario(tmp_path_factory.mktemp("scenario"))
    assert len(made.kept) > 100
    kinds = {event.kind for event in made.log.events}
    assert kinds >= {"mkdir", "create", "write", "sync", "sync_folder", "commit"}
    return made


def lost(_kind: str, _count: int) -> int:
    return 0


def kept(_kind: str, count: int) -> int:
    return count - 1


def length_without_content(kind: str, count: int) -> int:
    return 0 if kind == "page" else count - 1


def by_chance(chance: random.Random) -> Choice:
    return lambda _kind, count: chance.randrange(count)


@pytest.mark.parametrize("what_was_not_synced", [lost, kept, length_without_content], ids=lambda one: one.__name__)
def test_whenever_the_power_goes_the_promise_holds(
    scenario: Scenario, tmp_path: Path, what_was_not_synced: Choice
) -> None:
    for cut in range(scenario.begins_at, len(scenario.log.events) + 1):
        assert_promises(scenario, cut, what_was_not_synced, tmp_path)


def test_whichever_part_of_what_was_not_synced_is_lost_the_promise_holds(scenario: Scenario, tmp_path: Path) -> None:
    for cut in range(scenario.begins_at, len(scenario.log.events) + 1, 3):
        assert_promises(scenario, cut, by_chance(random.Random(cut)), tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), chance=st.randoms(use_true_random=False))
def test_any_cut_with_any_part_lost_keeps_the_promise(
    scenario: Scenario, tmp_path: Path, data: st.DataObject, chance: random.Random
) -> None:
    cut = data.draw(st.integers(scenario.begins_at, len(scenario.log.events)))
    assert_promises(scenario, cut, by_chance(chance), tmp_path)
