"""A load figure: 1,124 cameras of 0.5 Mbit/s on one machine, nothing lost, and what the recorders spend.

GStreamer's server plays the cameras in several processes, whose time is counted apart. After the run every row is
looked at (lost packets, gaps, pictures), and the numbered pictures of every tenth camera are read back.

    python -m bench.load --cameras 200 --seconds 20         smaller; nothing is written down
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
from bench.process_tree import proportional_bytes
from bench.results import Result, keep
from bench.spending import spending
from peers.material import find
from peers.numbered import NumberedClip, rendered
from vonggac.core.clock import SystemClock
from vonggac.video.models import GapReason, Recording

GROUP = "load"
CLIP = NumberedClip(width=640, height=360, fps=15, seconds=64, group_seconds=2, bits_per_second=500_000)
CORES = 0.7
READ_BACK_EVERY = 10


@dataclass(frozen=True)
class Load:
    """How much, and for how long."""

    cameras: int = 1124
    servers: int = 2
    pipelines: int = 24
    """In each server; some twenty cameras see the same picture at once. One for each of 1,124 is too much here."""
    warm_up_s: float = 15.0
    seconds: float = 60.0


def run(load: Load, folder: Path = FOLDER) -> list[Result]:
    """Record the load and read back what was written."""
    clip = rendered(CLIP, find().cache)
    with (
        work_folder("load", folder) as work,
        servers(clip, load.cameras, load.servers, load.pipelines) as (cameras, urls),
    ):
        pids = [server.pid for server in cameras]
        with Centre(work, urls) as centre:
            centre.wait_until_recording()
            from_us = SystemClock().now_us()
            time.sleep(load.warm_up_s)
            spent = spending(centre.roots, pids, load.seconds)
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
            read = count_pictures(files_of_cameras(centre.data)[::READ_BACK_EVERY], CLIP.pictures)
    if len(pictures) != load.cameras:
        raise BenchmarkFailed(f"{len(pictures)} of {load.cameras} cameras have recordings.")
    expected = (to_us - from_us) / 1e6 * CLIP.fps
    what = f"{load.cameras:,} cameras, 0.5 Mbit/s, 15 fps"
    return [
        Result(
            f"{what}: CPU of the recorders",
            spent.of(RECORDER) / load.seconds,
            "cores",
            target=CORES,
            note=f"Over {load.seconds:g} s. By process, in CPU-s: {spent.parts}. GStreamer's {load.servers} servers, "
            f"{load.pipelines} pipelines each: {spent.server_cpu_s:.1f} CPU-s. "
            f"Memory of all (PSS): {memory / 1e6:,.0f} MB.{spent.noise()}",
        ),
        Result(
            f"{what}: lost",
            lost + sum(holes for _, holes in read) + sum(gaps.values()),
            "",
            target=0,
            note=f"RTP packets missing by sequence number in all recordings: {lost}; gaps: {gaps or 'none'}; holes "
            f"between the numbered pictures of every tenth camera: {sum(holes for _, holes in read)} of "
            f"{sum(count for count, _ in read):,} pictures read back. Pictures on disk: {sum(pictures):,}, fewest of a "
            f"camera {min(pictures):,} (the time that all were recorded has {expected:,.0f}).",
        ),
    ]


def results(quick: bool) -> list[Result]:
    """Measure the load of the table, or a small and short one."""
    return run(Load(cameras=40, servers=2, warm_up_s=3, seconds=10) if quick else Load())


def main() -> None:
    """Measure as the options say; what is not the measurement of the table is only printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=Load.cameras)
    parser.add_argument("--servers", type=int, default=Load.servers, help="processes of GStreamer's server")
    parser.add_argument("--pipelines", type=int, default=Load.pipelines, help="in each of them, that feed its cameras")
    parser.add_argument("--warm-up", type=float, default=Load.warm_up_s, help="seconds before counting")
    parser.add_argument("--seconds", type=float, default=Load.seconds, help="how long is counted")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="on the disk that is recorded to")
    chosen = parser.parse_args()
    load = Load(chosen.cameras, chosen.servers, chosen.pipelines, chosen.warm_up, chosen.seconds)
    found = run(load, chosen.folder)
    for result in found:
        print(result)
    if load == Load():
        keep(GROUP, found)


if __name__ == "__main__":
    main()
