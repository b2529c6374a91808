"""The index with 30 days of 102 cameras in it: how fast an hour is found, and how soon recording goes on after a kill.

A centre is made as a user makes one and its index filled with 4.4 million rows: an hour is entered row by row, the
other 719 are copies of it moved in time by the database itself. The last hour has files of the right size, so that
start-up finds index and disk in agreement; the files of the days before are away, and what the keeper makes of that in
the background is part of the load.

    python -m bench.index --days 1 --cameras 20         smaller; nothing is written down
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.centre import FOLDER, BenchmarkFailed, make_centre, start_centre
from bench.process_tree import busy_seconds, kill, stop
from bench.results import Result, tell
from peers.gst import GstCamera
from peers.material import find
from peers.numbered import NumberedClip, rendered
from peers.postgres import PostgresServer
from vonggac.cameras.models import Camera
from vonggac.core import schema
from vonggac.core.clock import SystemClock, utc
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.org.models import Unit
from vonggac.video import index
from vonggac.video.index import HOUR_US
from vonggac.video.models import RecordedHour, Recording, RecordingState, Volume
from vonggac.video.mp4 import GroupEntry
from vonggac.video.mp4.group_table import pack

GROUP = "index"
QUERY_P95_MS = 5.0
AGAIN_S = 10.0

CLIP = NumberedClip(width=320, height=180, fps=15, seconds=60, group_seconds=2, bits_per_second=200_000)
"""What the cameras send: little, since start-up is measured here and not the recording."""

_MINUTE_US = 60_000_000
_FILE_BYTES = 15_000_000
_MORE_THAN_A_HEAD = 4096
_TIMEOUT_S = 180.0


@dataclass(frozen=True)
class Size:
    """How much is in the index, and how often it is asked."""

    cameras: int = 102
    days: int = 30
    questions: int = 500

    @property
    def hours(self) -> int:
        return self.days * 24


def fill(database: Database, size: Size, now_us: int) -> None:
    """Enter `size.days` of recordings up to the minute before now, oldest first, as the recorder would have."""
    first_hour_us = now_us - now_us % HOUR_US - size.hours * HOUR_US
    with database.write() as session:
        volume_id = session.scalars(sa.select(Volume.id)).one()
        cameras = [(row.id, row.folder) for row in session.execute(sa.select(Camera.id, Camera.folder))]
        session.execute(sa.update(Camera).values(created_at=utc(first_hour_us)))
        session.execute(sa.insert(Recording), _hour(cameras, volume_id, first_hour_us))
        last_id = session.scalars(sa.select(sa.func.max(Recording.id))).one()
    for number in range(1, size.hours + 1):
        shift_us = number * HOUR_US
        with database.begin_write() as connection:
            connection.execute(_copy_hour(last_id, first_hour_us, shift_us, now_us - _MINUTE_US))
            connection.execute(sa.insert(RecordedHour), _sums(cameras, first_hour_us + shift_us - HOUR_US))
        if number % 72 == 0:
            print(f"{number // 24} days entered", file=sys.stderr, flush=True)


def _hour(cameras: Sequence[tuple[uuid.UUID, str]], volume_id: uuid.UUID, hour_us: int) -> list[dict[str, object]]:
    groups = pack([GroupEntry(800 + place * 500_000, 500_000, 180_000, 30, True) for place in range(30)])
    rows: list[dict[str, object]] = []
    for minute in range(60):
        for number, (camera_id, folder) in enumerate(cameras):
            # Rotation is staggered over the cameras.
            start_us = hour_us + minute * _MINUTE_US + number * _MINUTE_US // len(cameras)
            start = utc(start_us)
            rows.append(
                {
                    "camera_id": camera_id,
                    "volume_id": volume_id,
                    "path": f"{folder}{_prefix(start_us)}{start:%M-%S}.{start.microsecond // 1000:03}Z.mp4",
                    "state": int(RecordingState.COMPLETE),
                    "run": hour_us,
                    "start_us": start_us,
                    "end_us": start_us + _MINUTE_US,
                    "media_start": minute * 5_400_000,
                    "media_duration": 5_400_000,
                    "codec": "avc1.42c01f",
                    "width": 1280,
                    "height": 720,
                    "init_size": 800,
                    "size": _FILE_BYTES,
                    "frames": 900,
                    "lost_packets": 0,
                    "groups": groups,
                }
            )
    return rows


def _prefix(time_us: int) -> str:
    """Return what the paths of an hour have in common after the camera's folder."""
    return f"/{_folder(time_us)}/{utc(time_us):%H}-"


def _folder(time_us: int) -> str:
    return f"{utc(time_us):%Y-%m-%d/%H}"


def _copy_hour(last_id: int, hour_us: int, shift_us: int, end_us: int) -> sa.Insert:
    """Return the statement that copies the first hour (up to `last_id`) to another one, as far as that has passed."""
    table = Recording.__table__
    columns: dict[str, sa.ColumnElement[Any]] = {column.name: column for column in table.columns if column.name != "id"}
    columns["path"] = sa.func.replace(table.c.path, _prefix(hour_us), _prefix(hour_us + shift_us))
    for name in ("run", "start_us", "end_us"):
        columns[name] = table.c[name] + shift_us
    copied = (table.c.id <= last_id) & (table.c.end_us + shift_us <= end_us)
    source = sa.select(*columns.values()).where(copied).order_by(table.c.id)
    return sa.insert(Recording).from_select(list(columns), source)


def _sums(cameras: Sequence[tuple[uuid.UUID, str]], hour_us: int) -> list[dict[str, object]]:
    whole = {"hour_us": hour_us, "recorded_us": HOUR_US, "size": 60 * _FILE_BYTES}
    return [{"camera_id": camera_id, **whole} for camera_id, _ in cameras]


def question_times_ms(database: Database, size: Size, now_us: int, *, with_groups: bool) -> list[float]:
    """Ask for the recordings of one camera in one hour, both at random; return how long each answer took."""
    chance = random.Random(20_201_124)
    with database.read() as session:
        cameras = list(session.scalars(sa.select(Camera.id)))
    took = []
    for _ in range(size.questions):
        camera, from_us = chance.choice(cameras), now_us - chance.randrange(2, size.hours) * HOUR_US
        begin = time.perf_counter()
        with database.read() as session:
            found = index.recordings_between(session, camera, from_us, from_us + HOUR_US, with_groups=with_groups)
        took.append((time.perf_counter() - begin) * 1000)
        if not 60 <= len(found) <= 62:
            raise BenchmarkFailed(f"{len(found)} recordings were found in an hour of one a minute.")
    return took


def question_results(what: str, database: Database, size: Size, now_us: int, target: float | None) -> list[Result]:
    """Return the figures of one database."""
    rows = f"{size.cameras} cameras × {size.days} days"
    found = []
    for with_groups, asked in ((False, "recordings"), (True, "recordings with their group tables")):
        begin_s, busy_s = time.monotonic(), busy_seconds()
        took = question_times_ms(database, size, now_us, with_groups=with_groups)
        busy = (busy_seconds() - busy_s) / (time.monotonic() - begin_s) / (os.cpu_count() or 1)
        p95 = statistics.quantiles(took, n=100)[94]
        found.append(
            Result(
                f"{what}, {rows}: {asked} of one camera for any hour, p95",
                p95,
                "ms",
                target=None if with_groups else target,
                note=f"p50 {statistics.median(took):.2f} ms, slowest {max(took):.2f} ms of {size.questions} random "
                "hours, each in a transaction of its own, rows made into objects. The machine's processors were "
                f"{busy:.0%} busy meanwhile, one of {os.cpu_count()} of them with this.",
            )
        )
    return found


@contextmanager
def filled_centre(size: Size, urls: Sequence[str], folder: Path) -> Iterator[tuple[Path, int]]:
    """Make a centre with a full SQLite index; yields its data folder and the moment it is filled up to."""
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="index-", dir=folder))
    try:
        data = work / "data"
        make_centre(data, urls)
        opened = DataFolder.open(data)
        with closing(opened.database()) as database:
            now_us = SystemClock().now_us()
            fill(database, size, now_us)
            _make_files(database, now_us - 2 * HOUR_US)
        yield data, now_us
    finally:
        shutil.rmtree(work)


def _make_files(database: Database, from_us: int) -> None:
    """Put a file of the right size, without blocks on the disk, in the place of every recording since then."""
    with database.read() as session:
        root = Path(session.scalars(sa.select(Volume.path)).one())
        for row in session.execute(sa.select(Recording.path, Recording.size).where(Recording.start_us >= from_us)):
            path = root / row.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.truncate(row.size)


def restart_times_s(data: Path, size: Size, kills: int) -> list[tuple[float, float]]:
    """Kill the recording centre (SIGKILL, all of it) and start it again; return after how many seconds the first and
    the last camera had pictures on disk again, for each kill.
    """
    times = []
    with (data.parent / "log").open("wb") as log:
        process = start_centre(data, log.fileno())
        try:
            _wait_for_new_files(data, time.time(), size.cameras)
            for _ in range(kills):
                time.sleep(10)  # So that every camera has an open recording with several groups in it.
                kill([process.pid])
                process.wait()
                killed = time.time()
                process = start_centre(data, log.fileno())
                times.append(_wait_for_new_files(data, killed, size.cameras))
                print(f"again after {times[-1][0]:.1f} to {times[-1][1]:.1f} s", file=sys.stderr, flush=True)
        finally:
            stop([process])
    return times


def _wait_for_new_files(data: Path, since: float, cameras: int) -> tuple[float, float]:
    """Wait until every camera has a file younger than `since` with pictures in it; return when the first and last had.

    A file that is larger than any head of one has pictures in it.
    """
    waiting = {folder for folder in (data / "media").iterdir() if folder.is_dir()}
    first: float | None = None
    while True:
        hours = {_folder(SystemClock().now_us() - back) for back in (0, _MINUTE_US)}
        waiting -= {folder for folder in waiting if any(_has_new(folder / hour, since) for hour in hours)}
        passed_s = time.time() - since
        if first is None and len(waiting) < cameras:
            first = passed_s
        if not waiting:
            return first or passed_s, passed_s
        if passed_s > _TIMEOUT_S:
            said = (data.parent / "log").read_text(errors="replace")[-2000:]
            raise BenchmarkFailed(
                f"{len(waiting)} of {cameras} cameras are not recorded after {passed_s:.0f} s. {said}"
            )
        time.sleep(0.1)


def _has_new(hour: Path, since: float) -> bool:
    if not hour.is_dir():
        return False
    newest = max(hour.iterdir(), key=lambda path: path.name, default=None)
    if newest is None:
        return False
    status = newest.stat()
    return status.st_size > _MORE_THAN_A_HEAD and status.st_mtime > since


def results(quick: bool) -> list[Result]:
    """Measure a full index on SQLite, and the questions on PostgreSQL as well (a small SQLite one when `quick`)."""
    return run(Size(cameras=10, days=2, questions=100) if quick else Size(), FOLDER, both=not quick)


def run(size: Size, folder: Path, *, both: bool, kills: int = 3) -> list[Result]:
    """Measure an index of this size; `both`: on PostgreSQL too."""
    found = []
    with GstCamera([rendered(CLIP, find().cache)], mounts=size.cameras) as server:
        urls = [server.url(number) for number in range(1, size.cameras + 1)]
        with filled_centre(size, urls, folder) as (data, now_us):
            with closing(DataFolder.open(data).database()) as database:
                found += question_results("SQLite", database, size, now_us, QUERY_P95_MS)
            file_mb = (data / "vonggac.db").stat().st_size / 1e6
            times = restart_times_s(data, size, kills)
            found.append(
                Result(
                    f"`up` after a kill, {size.cameras} cameras × {size.days} days in the index: all recording again",
                    max(last for _, last in times),
                    "s",
                    target=AGAIN_S,
                    note="Worst of "
                    + ", ".join(f"{last:.1f}" for _, last in times)
                    + f" s, from SIGKILL of every process to a whole group of pictures (2 s) of the last camera on "
                    f"disk; of the first camera after {max(first for first, _ in times):.1f} s. The database has "
                    f"{file_mb:,.0f} MB.",
                )
            )
            if both:
                found += _on_postgresql(data, size, now_us)
    return found


def _on_postgresql(data: Path, size: Size, now_us: int) -> list[Result]:
    """Ask the same of PostgreSQL: its cameras and units are copied from the centre on SQLite."""
    with PostgresServer() as server, closing(Database(server.new_database())) as database:
        schema.upgrade(database)
        with (
            closing(DataFolder.open(data).database()) as source,
            source.engine.connect() as rows,
            database.begin_write() as connection,
        ):
            for model in (Unit, Camera, Volume):
                columns = sa.select(model.__table__)
                connection.execute(sa.insert(model), [dict(row) for row in rows.execute(columns).mappings()])
        fill(database, size, now_us)
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")  # As the server's own housekeeping would have by now.
        return question_results("PostgreSQL", database, size, now_us, QUERY_P95_MS)


def main() -> None:
    """Measure as the options say; what is not the measurement of the table is only printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=Size.cameras)
    parser.add_argument("--days", type=int, default=Size.days)
    parser.add_argument("--questions", type=int, default=Size.questions)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--sqlite-only", action="store_true")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="on the disk that is recorded to")
    chosen = parser.parse_args()
    size = Size(chosen.cameras, chosen.days, chosen.questions)
    found = run(size, chosen.folder, both=not chosen.sqlite_only, kills=chosen.kills)
    tell(GROUP, found, whole=size == Size())


if __name__ == "__main__":
    main()
