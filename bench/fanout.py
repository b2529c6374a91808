"""What it costs when every camera is watched: 102 cameras, none watched against all watched, in the same run (ABBA).

Each camera has one viewer on the recorder's live socket (`video.live_client`); the viewers are a process of their own
and counted apart.

    python -m bench.fanout --cameras 20 --seconds 10         smaller; nothing is written down
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import REPOSITORY
from bench.centre import FOLDER, RECORDER, BenchmarkFailed, Centre, servers, work_folder
from bench.recording import CLIP
from bench.results import Result, tell
from bench.spending import Spending, spending
from peers.material import find
from peers.numbered import rendered

GROUP = "fanout"
RATIO = 1.6


@dataclass(frozen=True)
class Load:
    """How much, and for how long each of the four parts is counted."""

    cameras: int = 102
    warm_up_s: float = 10.0
    seconds: float = 30.0


class Watching:
    """The viewers' process."""

    def __init__(self, address: str, cameras: list[str]) -> None:
        command = [sys.executable, "-m", "bench.viewers", address, *cameras]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
        )
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != "watching":
            self.process.kill()
            raise BenchmarkFailed("The viewers did not come to see a picture of every camera.")

    def end(self) -> dict[str, int]:
        """Stop watching; return what was seen."""
        said, _ = self.process.communicate(timeout=60)
        seen: dict[str, int] = json.loads(said)
        return seen


@contextmanager
def watched(centre: Centre, seen: list[dict[str, int]]) -> Iterator[list[int]]:
    """Watch every camera within the block; what was seen is appended."""
    (address,) = centre.recorder_addresses()
    watching = Watching(address, [camera.hex for camera in centre.camera_ids()])
    try:
        yield [watching.process.pid]
        seen.append(watching.end())
    finally:
        watching.process.kill()


def run(load: Load, folder: Path = FOLDER) -> list[Result]:
    """Measure: none watched, all watched, all watched, none watched."""
    sides: dict[bool, list[Spending]] = {False: [], True: []}
    seen: list[dict[str, int]] = []
    with work_folder("fanout", folder) as work, servers(rendered(CLIP, find().cache), load.cameras) as (cameras, urls):
        pids = [server.pid for server in cameras]
        with Centre(work, urls) as centre:
            centre.wait_until_recording()
            for everyone in (False, True, True, False):
                if everyone:
                    with watched(centre, seen) as apart:
                        time.sleep(load.warm_up_s)
                        spent = spending(centre.roots, pids, load.seconds, apart)
                else:
                    time.sleep(load.warm_up_s)
                    spent = spending(centre.roots, pids, load.seconds)
                print(
                    f"{'all' if everyone else 'none'} watched: {spent.cpu_s:.2f} CPU-s ({spent.parts}), viewers "
                    f"{spent.apart_cpu_s:.2f}, others {spent.other_cpu_s:.2f}",
                    file=sys.stderr,
                    flush=True,
                )
                if spent.ended:
                    raise BenchmarkFailed(f"{spent.ended} processes ended while they were measured. {centre.said()}")
                sides[everyone].append(spent)
    none, everyone_s = (statistics.mean(one.cpu_s for one in sides[side]) for side in (False, True))
    recorders = [statistics.mean(one.of(RECORDER) for one in sides[side]) for side in (False, True)]
    noise = max((one for side in sides.values() for one in side), key=lambda one: one.other_cpu_s).noise()
    what = f"{load.cameras} cameras, 720p15, 2 Mbit/s"
    return [
        Result(
            f"{what}: CPU with all of them watched",
            everyone_s,
            "CPU-s",
            target=RATIO * none,
            peer=none,
            note=f"{everyone_s / none:.2f} times the CPU of none watched (the peer) in {load.seconds:g} s; must be at "
            f"most {RATIO} times. None, all, all, none: "
            + ", ".join(f"{one.cpu_s:.2f}" for one in (sides[False][0], *sides[True], sides[False][1]))
            + f" CPU-s, of which the recorder's {recorders[0]:.2f} and {recorders[1]:.2f}. The viewers' process: "
            f"{statistics.mean(one.apart_cpu_s for one in sides[True]):.2f} CPU-s.{noise}",
        ),
        Result(
            f"{what}: pictures that a viewer missed",
            sum(one["missed"] for one in seen),
            "pictures",
            target=0,
            note=f"{sum(one['pictures'] for one in seen):,} pictures were shown, at least "
            f"{min(one['fewest'] for one in seen)} of each camera in each of two parts; "
            f"{sum(one['ended'] for one in seen)} viewers were sent away.",
        ),
    ]


def results(quick: bool) -> list[Result]:
    """Measure the load of the table, or a small and short one."""
    return run(Load(cameras=10, warm_up_s=2, seconds=6) if quick else Load())


def main() -> None:
    """Measure as the options say; what is not the measurement of the table is only printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=Load.cameras)
    parser.add_argument("--warm-up", type=float, default=Load.warm_up_s, help="seconds before counting, in each part")
    parser.add_argument("--seconds", type=float, default=Load.seconds, help="how long is counted, in each part")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="on the disk that is recorded to")
    chosen = parser.parse_args()
    load = Load(chosen.cameras, chosen.warm_up, chosen.seconds)
    found = run(load, chosen.folder)
    tell(GROUP, found, whole=load == Load())


if __name__ == "__main__":
    main()
