"""Two hours of a district in which something breaks every few seconds: memory, and an account of every second.

`vonggac sim serve` plays the cameras; faults are taken at random from those that it knows. Each half minute the memory
(PSS) of every role is read. In the end every camera's recordings and gaps are added up: nothing may be left over, and
nothing be told twice. Ctrl-C or SIGTERM ends it early; what was seen until then is told.

    python -m bench.soak --cameras 12 --minutes 5         shorter; nothing is written down
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.accounting import Account, accounts, disagreements, gaps_by_reason
from bench.centre import FOLDER, BenchmarkFailed, Centre, work_folder
from bench.district import district
from bench.process_tree import proportional_by_name
from bench.results import Result, tell
from vonggac.core.clock import SystemClock
from vonggac.core.errors import VonggacError
from vonggac.sim.control import SimControl
from vonggac.sim.faults import KINDS

GROUP = "soak"
GROWTH = 0.05
SAMPLE_S = 30.0
_SETTLED_S = 30.0
"""Without faults at the end, so that every camera is being recorded when the account is closed."""


@dataclass(frozen=True)
class Load:
    """How much, how long, how rough."""

    cameras: int = 102
    minutes: float = 120.0
    from_minute: float = 20.0
    """From here on memory must stand still."""
    fault_every_s: float = 5.0
    longest_fault_s: float = 60.0
    seed: int = 1
    kilobits: int = 250
    """A second and camera: 102 cameras fill 23 GB in two hours with it."""


@dataclass
class Seen:
    """What was seen meanwhile."""

    samples: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    """Minute; bytes of each role."""
    faults: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    interrupted: bool = False
    minutes: float = 0.0


def run(load: Load, folder: Path = FOLDER) -> list[Result]:
    """Soak; then close the account and read every file."""
    clock, seen = SystemClock(), Seen()
    with (
        work_folder("soak", folder) as work,
        district(work / "sim", load.cameras, load.kilobits) as (control, urls, _),
        Centre(work / "centre", urls) as centre,
    ):
        centre.wait_until_recording()
        from_us = clock.now_us()
        try:
            _break_things(load, centre, control, seen)
        except KeyboardInterrupt:
            seen.interrupted = True
            print("interrupted; the account is closed", file=sys.stderr, flush=True)
        to_us = clock.now_us()
        seen.minutes = (to_us - from_us) / 60e6
        centre.stop()
        told = accounts(centre.database, centre.camera_ids(), from_us, to_us)
        reasons = gaps_by_reason(centre.database, from_us, to_us)
        wrong = disagreements(centre.database)
    for line in wrong[:20]:
        print(f"disagreement: {line}", file=sys.stderr)
    return _results(load, seen, told, reasons, wrong)


def _break_things(load: Load, centre: Centre, control: SimControl, seen: Seen) -> None:
    """Give faults and read memory until the time is over."""
    chance, known = random.Random(load.seed), [kind for kind in KINDS if kind != "restore"]
    numbers = [camera.number for camera in control.status()]
    begin = time.monotonic()
    end, next_fault, next_sample = begin + load.minutes * 60, begin + load.fault_every_s, begin
    quiet_from = end - min(_SETTLED_S + load.longest_fault_s, load.minutes * 30)
    while (now := time.monotonic()) < end:
        if now >= next_sample:
            next_sample += SAMPLE_S
            seen.samples.append(((now - begin) / 60, proportional_by_name(centre.roots)))
            _tell(seen)
        if now >= next_fault and now < quiet_from:
            next_fault += chance.expovariate(1 / load.fault_every_s)
            kind = chance.choice(known)
            try:
                control.fault(chance.choice(numbers), kind=kind, for_s=chance.uniform(2, load.longest_fault_s))
                seen.faults[kind] += 1
            except VonggacError as error:
                seen.refused += 1
                print(f"{kind}: {error}", file=sys.stderr)
        if centre.process.poll() is not None:
            raise BenchmarkFailed(f"The centre has ended. {centre.said()}")
        wake = min(end, next_sample, next_fault if now < quiet_from else end)
        time.sleep(max(0.05, min(1.0, wake - time.monotonic())))


def _tell(seen: Seen) -> None:
    minute, held = seen.samples[-1]
    roles = ", ".join(f"{name} {size / 1e6:.1f}" for name, size in sorted(held.items()))
    print(
        f"minute {minute:6.1f}: {sum(held.values()) / 1e6:.1f} MB ({roles}); {seen.faults.total()} faults",
        file=sys.stderr,
        flush=True,
    )


def _results(load: Load, seen: Seen, told: list[Account], reasons: dict[str, int], wrong: list[str]) -> list[Result]:
    seconds = seen.minutes * 60
    what = f"{load.cameras} simulated cameras of {load.kilobits} kbit/s, {seen.minutes:.0f} minutes, faults at random"
    if seen.interrupted:
        what += " (interrupted)"
    unexplained, twice = (sum(getattr(one, name) for one in told) / 1e6 for name in ("unexplained_us", "twice_us"))
    recorded, gaps = (sum(getattr(one, name) for one in told) / 1e6 for name in ("recorded_us", "gaps_us"))
    growth, words = _growth(load, seen)
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(seen.faults.items()))
    return [
        Result(
            f"{what}: memory from minute {load.from_minute:g} on, most against least",
            growth * 100,
            "%",
            target=GROWTH * 100,
            note=f"Medians of five minutes of the PSS of all roles. {words} {seen.faults.total():,} faults: {faults}.",
        ),
        Result(
            f"{what}: seconds neither recorded nor explained, or told twice",
            round(unexplained + twice, 3),
            "s",
            target=0,
            note=f"Of {seconds * load.cameras:,.0f} s of all cameras {recorded:,.0f} s recorded and {gaps:,.0f} s in "
            f"gaps ({', '.join(f'{name} {count}' for name, count in sorted(reasons.items()))}); unexplained "
            f"{unexplained:.3f} s, told twice {twice:.3f} s, the worst camera {_worst(told):.3f} s.",
        ),
        Result(f"{what}: disagreements of index and disk afterwards", len(wrong), "", target=0),
    ]


def _worst(told: list[Account]) -> float:
    return max(one.unexplained_us + one.twice_us for one in told) / 1e6


def _growth(load: Load, seen: Seen) -> tuple[float, str]:
    """Return by how much the largest median of five minutes exceeds the smallest, and each role's first and last."""
    parts: dict[int, list[dict[str, int]]] = {}
    for minute, held in seen.samples:
        if minute >= load.from_minute:
            parts.setdefault(int((minute - load.from_minute) // 5), []).append(held)
    if not parts:
        return 0.0, f"It ended before minute {load.from_minute:g}: nothing to compare."
    totals = [statistics.median(sum(held.values()) for held in part) for part in parts.values()]
    first, last = parts[min(parts)], parts[max(parts)]
    roles = ", ".join(
        f"{name} {_median(first, name) / 1e6:.1f} → {_median(last, name) / 1e6:.1f} MB" for name in sorted(last[-1])
    )
    return max(totals) / min(totals) - 1, f"{totals[0] / 1e6:.1f} → {totals[-1] / 1e6:.1f} MB ({roles})."


def _median(part: list[dict[str, int]], name: str) -> float:
    return statistics.median(held.get(name, 0) for held in part)


def results(quick: bool) -> list[Result]:
    """Measure the load of the table, or a small and short one."""
    return run(Load(cameras=6, minutes=1, from_minute=0, fault_every_s=3, longest_fault_s=10) if quick else Load())


def main() -> None:
    """Measure as the options say; what is not the measurement of the table is only printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=Load.cameras)
    parser.add_argument("--minutes", type=float, default=Load.minutes)
    parser.add_argument("--from-minute", type=float, default=Load.from_minute, help="from here on memory is compared")
    parser.add_argument("--fault-every", type=float, default=Load.fault_every_s, help="seconds, on average")
    parser.add_argument("--longest-fault", type=float, default=Load.longest_fault_s, help="seconds")
    parser.add_argument("--seed", type=int, default=Load.seed)
    parser.add_argument("--kilobits", type=int, default=Load.kilobits, help="a second, of each camera")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="on the disk that is recorded to")
    chosen = parser.parse_args()
    for signum in (signal.SIGINT, signal.SIGTERM):  # in the background the first is ignored unless asked for
        signal.signal(signum, signal.default_int_handler)
    load = Load(
        chosen.cameras,
        chosen.minutes,
        chosen.from_minute,
        chosen.fault_every,
        chosen.longest_fault,
        chosen.seed,
        chosen.kilobits,
    )
    found = run(load, chosen.folder)
    tell(GROUP, found, whole=load == Load() and not any("interrupted" in result.name for result in found))


if __name__ == "__main__":
    main()
