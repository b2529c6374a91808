"""What the power-cut promise costs: 102 cameras with `sync_seconds` 10 against 300, that is practically never (ABBA).

Each part is a centre of its own on the same disk. The recorder's own figures say how long writes and syncs took.

    python -m bench.sync --cameras 20 --seconds 20         smaller; nothing is written down
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.centre import FOLDER, BenchmarkFailed, Centre, free_port, metrics, servers, work_folder
from bench.recording import CLIP
from bench.results import Result, tell
from bench.spending import Spending, spending
from peers.material import find
from peers.numbered import rendered

GROUP = "sync"
MORE = 1.15
OFTEN_S, NEVER_S = 10, 300


@dataclass(frozen=True)
class Load:
    """How much, and for how long each of the four parts is counted."""

    cameras: int = 102
    warm_up_s: float = 15.0
    seconds: float = 60.0


@dataclass(frozen=True)
class Part:
    """One centre."""

    spent: Spending
    write_ms: float
    """Mean of a write of a group."""
    slowest_ms: float
    """Slowest write since the start."""
    sync_ms: float
    syncs: float
    """Files synced a second."""


def run(load: Load, folder: Path = FOLDER) -> list[Result]:
    """Measure: 10 s, 300 s, 300 s, 10 s."""
    sides: dict[int, list[Part]] = {OFTEN_S: [], NEVER_S: []}
    with servers(rendered(CLIP, find().cache), load.cameras) as (cameras, urls):
        for every_s in (OFTEN_S, NEVER_S, NEVER_S, OFTEN_S):
            with work_folder("sync", folder) as work:
                part = _part(load, every_s, work, [server.pid for server in cameras], urls)
            print(
                f"every {every_s} s: {part.spent.cpu_s:.2f} CPU-s ({part.spent.parts}); a write {part.write_ms:.2f} "
                f"ms, slowest {part.slowest_ms:.0f} ms; {part.syncs:.1f} syncs a second of {part.sync_ms:.1f} ms",
                file=sys.stderr,
                flush=True,
            )
            sides[every_s].append(part)
    often, never = (statistics.mean(one.spent.cpu_s for one in sides[side]) for side in (OFTEN_S, NEVER_S))
    noise = max((one.spent for side in sides.values() for one in side), key=lambda one: one.other_cpu_s).noise()
    what = f"{load.cameras} cameras, 720p15, 2 Mbit/s, synced every {OFTEN_S} s"

    def mean(figure: str, side: int) -> float:
        return statistics.mean(getattr(one, figure) for one in sides[side])

    return [
        Result(
            f"{what}: CPU in {load.seconds:g} s",
            often,
            "CPU-s",
            target=MORE * never,
            peer=never,
            note=f"{often / never - 1:+.1%} against a sync every {NEVER_S} s (the peer); must be at most "
            f"{MORE - 1:+.0%}. {OFTEN_S}, {NEVER_S}, {NEVER_S}, {OFTEN_S} s: "
            + ", ".join(f"{one.spent.cpu_s:.2f}" for one in (sides[OFTEN_S][0], *sides[NEVER_S], sides[OFTEN_S][1]))
            + f" CPU-s. {mean('syncs', OFTEN_S):.1f} and {mean('syncs', NEVER_S):.1f} files synced a second (each is "
            f"synced when it ends as well), {mean('sync_ms', OFTEN_S):.1f} and {mean('sync_ms', NEVER_S):.1f} ms "
            f"each.{noise}",
        ),
        Result(
            f"{what}: writing a group",
            mean("write_ms", OFTEN_S),
            "ms",
            peer=mean("write_ms", NEVER_S),
            note=f"Mean; the slowest since the start {max(one.slowest_ms for one in sides[OFTEN_S]):.0f} ms, with a "
            f"sync every {NEVER_S} s {max(one.slowest_ms for one in sides[NEVER_S]):.0f} ms.",
        ),
    ]


def _part(load: Load, every_s: int, work: Path, servers_pids: list[int], urls: list[str]) -> Part:
    port = free_port()
    settings = {"VONGGAC_RECORDER_SYNC_SECONDS": str(every_s), "VONGGAC_METRICS_RECORDER_PORT": str(port)}
    with Centre(work, urls, **settings) as centre:
        centre.wait_until_recording()
        time.sleep(load.warm_up_s)
        before = metrics(port)
        spent = spending(centre.roots, servers_pids, load.seconds)
        after = metrics(port)
        if spent.ended:
            raise BenchmarkFailed(f"{spent.ended} processes ended while they were measured. {centre.said()}")

    def gained(name: str) -> float:
        return after[f"vonggac_{name}_total"] - before[f"vonggac_{name}_total"]

    return Part(
        spent,
        1000 * gained("write_seconds") / max(1, gained("writes")),
        1000 * after["vonggac_write_slowest_seconds"],
        1000 * gained("sync_seconds") / max(1, gained("syncs")),
        gained("syncs") / load.seconds,
    )


def results(quick: bool) -> list[Result]:
    """Measure the load of the table, or a small and short one."""
    return run(Load(cameras=10, warm_up_s=2, seconds=12) if quick else Load())


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
