"""A load figure: 1,124 cameras of 0.5 Mbit/s on one machine, nothing lost, and what the recorders spend.

GStreamer's server plays as many as it can beside the recorder on two cores; the simulator plays all. What they spend is
counted apart. After the run every row is looked at (lost packets, gaps, pictures), and of GStreamer's the numbered
pictures of every tenth camera are read back.

    python -m bench.load --cameras 200 --simulated 0 --seconds 20         smaller; nothing is written down
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from bench.accounting import gaps_by_reason, lost_packets
from bench.centre import (
    FOLDER,
    RECORDER,
    BenchmarkFailed,
    Centre,
    count_pictures,
    files_of_cameras,
    servers,
    work_folder,
)
from bench.district import district
from bench.process_tree import proportional_bytes
from bench.results import Result, tell
from bench.spending import Spending, spending
from peers.material import find
from peers.numbered import NumberedClip, rendered
from vonggac.core.clock import SystemClock
from vonggac.video.models import GapReason, Recording

GROUP = "load"
CLIP = NumberedClip(width=640, height=360, fps=15, seconds=64, group_seconds=2, bits_per_second=500_000)
CORES = 0.7
KILOBITS = 500
READ_BACK_EVERY = 10


@dataclass(frozen=True)
class Load:
    """How much, and for how long."""

    cameras: int = 400
    """Of GStreamer's server: it takes half of such a machine to play them."""
    simulated: int = 1124
    servers: int = 2
    pipelines: int = 24
    """In each server; some cameras see the same picture at once. One for each camera costs the server still more."""
    warm_up_s: float = 15.0
    seconds: float = 60.0


def run(load: Load, folder: Path = FOLDER) -> list[Result]:
    """Record what GStreamer's server can play, and read back what was written."""
    clip = rendered(CLIP, find().cache)
    with (
        work_folder("load", folder) as work,
        servers(clip, load.cameras, load.servers, load.pipelines) as (cameras, urls),
    ):
        seen = _record(load, work, urls, [server.pid for server in cameras])
        read = count_pictures(files_of_cameras(work / "data")[::READ_BACK_EVERY], CLIP.pictures)
    holes = sum(holes for _, holes in read)
    what = f"{load.cameras:,} cameras of GStreamer's, 0.5 Mbit/s, 15 fps"
    whose = f"GStreamer's {load.servers} servers, {load.pipelines} pipelines each"
    back = f"; holes between the numbered pictures of every tenth camera: {holes} of {sum(one for one, _ in read):,}"
    return [_cpu(what, load, seen, whose, load.cameras), _lost(what, load, seen, holes, back)]


def run_simulated(load: Load, folder: Path = FOLDER) -> list[Result]:
    """Record as many cameras as the load figure wants, of the simulator, which plays them with half a core."""
    with (
        work_folder("load", folder) as work,
        district(work / "sim", load.simulated, KILOBITS) as (_, urls, pid),
    ):
        seen = _record(load, work / "centre", urls, [pid])
    what = f"{load.simulated:,} simulated cameras, 0.5 Mbit/s, 15 fps"
    return [_cpu(what, load, seen, "The simulator", load.simulated), _lost(what, load, seen, 0, "")]


@dataclass(frozen=True)
class Seen:
    """What was spent, and what is written of it."""

    spent: Spending
    memory: float
    seconds: float
    """For so long all were recorded."""
    lost: int
    gaps: dict[str, int]
    pictures: list[int]
    """On disk, of each camera."""


def _record(load: Load, folder: Path, urls: list[str], servers_pids: list[int]) -> Seen:
    """Record these cameras; count what it costs once all have pictures on disk."""
    with Centre(folder, urls) as centre:
        centre.wait_until_recording()
        from_us = SystemClock().now_us()
        time.sleep(load.warm_up_s)
        spent = spending(centre.roots, servers_pids, load.seconds)
        memory = proportional_bytes(centre.roots)
        to_us = SystemClock().now_us()
        centre.stop()
        if spent.ended:
            raise BenchmarkFailed(f"{spent.ended} processes ended while they were measured. {centre.said()}")
        gaps, lost = gaps_by_reason(centre.database, from_us, to_us), lost_packets(centre.database)
        gaps.pop(GapReason.STOPPED, None)  # From the last picture on: the end of the run.
        with centre.database.read() as session:
            count = sa.select(sa.func.sum(Recording.frames)).group_by(Recording.camera_id)
            pictures = [int(frames) for frames in session.scalars(count)]
    if len(pictures) != len(urls):
        raise BenchmarkFailed(f"{len(pictures)} of {len(urls)} cameras have recordings.")
    return Seen(spent, memory, (to_us - from_us) / 1e6, lost, gaps, pictures)


def _cpu(what: str, load: Load, seen: Seen, whose: str, cameras: int) -> Result:
    spent = seen.spent
    return Result(
        f"{what}: CPU of the recorders",
        spent.of(RECORDER) / load.seconds,
        "cores",
        # The target is that of all 1,124 cameras.
        target=CORES if cameras == Load.simulated else None,
        note=f"Over {load.seconds:g} s. By process, in CPU-s: {spent.parts}. {whose}: {spent.server_cpu_s:.1f} CPU-s. "
        f"Memory of all (PSS): {seen.memory / 1e6:,.0f} MB.{spent.noise()}",
    )


def _lost(what: str, load: Load, seen: Seen, holes: int, read_back: str) -> Result:
    return Result(
        f"{what}: lost",
        seen.lost + holes + sum(seen.gaps.values()),
        "",
        target=0,
        note=f"RTP packets missing by sequence number in all recordings: {seen.lost}; gaps: {seen.gaps or 'none'}"
        f"{read_back}. Pictures on disk: {sum(seen.pictures):,}, fewest of a camera {min(seen.pictures):,} (the time "
        f"that all were recorded has {seen.seconds * CLIP.fps:,.0f}).",
    )


def results(quick: bool) -> list[Result]:
    """Measure the load of the table, or a small and short one."""
    load = Load(cameras=40, simulated=60, servers=2, warm_up_s=3, seconds=10) if quick else Load()
    return [*run(load), *run_simulated(load)]


def main() -> None:
    """Measure as the options say; what is not the measurement of the table is only printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=Load.cameras)
    parser.add_argument("--simulated", type=int, default=Load.simulated, help="cameras of the simulator; 0: none")
    parser.add_argument("--servers", type=int, default=Load.servers, help="processes of GStreamer's server")
    parser.add_argument("--pipelines", type=int, default=Load.pipelines, help="in each of them, that feed its cameras")
    parser.add_argument("--warm-up", type=float, default=Load.warm_up_s, help="seconds before counting")
    parser.add_argument("--seconds", type=float, default=Load.seconds, help="how long is counted")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="on the disk that is recorded to")
    chosen = parser.parse_args()
    load = Load(chosen.cameras, chosen.simulated, chosen.servers, chosen.pipelines, chosen.warm_up, chosen.seconds)
    found = run(load, chosen.folder) if load.cameras else []
    if load.simulated:
        found += run_simulated(load, chosen.folder)
    tell(GROUP, found, whole=load == Load())


if __name__ == "__main__":
    main()
