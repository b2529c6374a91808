"""`kill -9` of the recorder again and again: what each kill costs each camera, and whether index and disk agree then.

GStreamer's server begins its clip anew for each connection, so the pictures of one run are numbered from 0: none may be
missing at its beginning or between two. What a kill costs is the time from the last picture on disk to the kill; what
then passes until pictures are on disk again is a gap, and told apart.

    python -m bench.kills --cameras 10 --kills 3 --every 15         shorter; nothing is written down
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from bench.accounting import accounts, disagreements, lost_packets
from bench.centre import FOLDER, BenchmarkFailed, Centre, servers, work_folder
from bench.load import CLIP
from bench.results import Result, tell
from peers.material import find
from peers.numbered import holes, read_numbers, rendered
from vonggac.core.clock import SystemClock
from vonggac.core.database import Database
from vonggac.video.models import Recording, Volume

GROUP = "kills"
LATE_S = 0.5
"""What may lie in sockets and on its way to the disk beside the open group: two pauses of reading, and a write."""


@dataclass(frozen=True)
class Load:
    """How much, how often."""

    cameras: int = 102
    kills: int = 40
    every_s: float = 30.0


@dataclass(frozen=True)
class Row:
    """One recording as the index says."""

    camera: uuid.UUID
    run: int
    start_us: int
    end_us: int
    path: Path


def run(load: Load, folder: Path = FOLDER) -> list[Result]:
    """Record, kill, let it come back; in the end read everything."""
    clip = rendered(CLIP, find().cache)
    clock = SystemClock()
    killed: list[int] = []
    with work_folder("kills", folder) as work, servers(clip, load.cameras) as (_, urls), Centre(work, urls) as centre:
        centre.wait_until_recording()
        from_us = clock.now_us()
        for number in range(load.kills):
            time.sleep(load.every_s)
            pids = centre.recorder_pids()
            if not pids:
                raise BenchmarkFailed(f"No recorder runs {load.every_s:g} s after kill {number}. {centre.said()}")
            killed.append(clock.now_us())
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            print(f"kill {number + 1} of {load.kills}", file=sys.stderr, flush=True)
        time.sleep(load.every_s)
        to_us = clock.now_us()
        centre.stop()
        rows = _rows(centre.database)
        costs, away = _costs(rows, killed)
        missing, pictures = _missing(rows)
        wrong = disagreements(centre.database)
        lost = lost_packets(centre.database)
        told = accounts(centre.database, centre.camera_ids(), from_us, to_us)
    for line in wrong[:20]:
        print(f"disagreement: {line}", file=sys.stderr)
    if not costs:
        raise BenchmarkFailed("No camera was being recorded at any of the kills.")
    what = f"{load.cameras} cameras, kill -9 of the recorder every {load.every_s:g} s, {load.kills} times"
    unexplained = max(one.unexplained_us for one in told) / 1e6
    return [
        Result(
            f"{what}: video lost by a kill, worst camera",
            max(costs) / 1e6,
            "s",
            target=CLIP.group_seconds + LATE_S,
            note=f"One group ({CLIP.group_seconds:g} s) and what was on its way (up to {LATE_S} s) at most. Median "
            f"{statistics.median(costs) / 1e6:.2f} s of {len(costs):,} (kills × cameras that were being recorded, of "
            f"{load.cameras * len(killed):,}). The gap until pictures were on disk again: median "
            f"{statistics.median(away) / 1e6:.1f} s, longest {max(away) / 1e6:.1f} s.",
        ),
        Result(
            f"{what}: pictures missing elsewhere",
            missing + lost,
            "",
            target=0,
            note=f"Holes between numbered pictures of one run or before its first: {missing}; lost RTP packets: "
            f"{lost}; {pictures:,} pictures of all cameras read back.",
        ),
        Result(
            f"{what}: disagreements of index and disk afterwards",
            len(wrong),
            "",
            target=0,
            note=f"{len(rows):,} rows and files compared, each file read through. Neither recorded nor in a gap: at "
            f"most {unexplained:.3f} s of a camera.",
        ),
    ]


def _rows(database: Database) -> list[Row]:
    with database.read() as session:
        roots = {volume.id: Path(volume.path) for volume in session.scalars(sa.select(Volume))}
        return [
            Row(one.camera_id, one.run, one.start_us, one.end_us or one.start_us, roots[one.volume_id] / one.path)
            for one in session.scalars(sa.select(Recording).order_by(Recording.camera_id, Recording.start_us))
        ]


def _costs(rows: Sequence[Row], killed: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return for each kill and camera the time from its last picture to the kill, and the time until its next one.

    A camera that had nothing on disk since the kill before was not yet being recorded: its gap goes on.
    """
    of_camera: dict[uuid.UUID, list[Row]] = {}
    for row in rows:
        of_camera.setdefault(row.camera, []).append(row)
    costs, away = [], []
    for mine in of_camera.values():
        for number, moment in enumerate(killed):
            since = killed[number - 1] if number else 0
            last = max((row.end_us for row in mine if since < row.start_us < moment), default=None)
            following = min((row.start_us for row in mine if row.start_us >= moment), default=None)
            if last is not None:
                costs.append(max(0, moment - last))
                if following is not None:
                    away.append(following - moment)
    return costs, away or [0]


def _missing(rows: Sequence[Row]) -> tuple[int, int]:
    """Return at how many places of the runs pictures are missing, and how many there are."""
    runs: dict[tuple[uuid.UUID, int], list[Path]] = {}
    for row in rows:
        runs.setdefault((row.camera, row.run), []).append(row.path)
    with ProcessPoolExecutor(2) as pool:
        counted = list(pool.map(_read_run, runs.values(), chunksize=8))
    return sum(missing for missing, _ in counted), sum(pictures for _, pictures in counted)


def _read_run(files: Sequence[Path]) -> tuple[int, int]:
    numbers = [number for file in files for number in read_numbers(file)]
    return len(holes(numbers, CLIP.pictures)) + (numbers[:1] != [0]), len(numbers)


def results(quick: bool) -> list[Result]:
    """Measure the load of the table, or a small and short one."""
    return run(Load(cameras=6, kills=2, every_s=12) if quick else Load())


def main() -> None:
    """Measure as the options say; what is not the measurement of the table is only printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=Load.cameras)
    parser.add_argument("--kills", type=int, default=Load.kills)
    parser.add_argument("--every", type=float, default=Load.every_s, help="seconds between two kills")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="on the disk that is recorded to")
    chosen = parser.parse_args()
    load = Load(chosen.cameras, chosen.kills, chosen.every)
    found = run(load, chosen.folder)
    tell(GROUP, found, whole=load == Load())


if __name__ == "__main__":
    main()
