"""`python -m bench.fuzz [--inputs N] [--minutes M] [--only NAME]`: fuzz the parsers; `--replay FILE`: one input again.

Exit status 1 where something was found: the inputs then lie in build/fuzz, each with what it did.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path

from bench.fuzz import report
from bench.fuzz.report import Run, Tally
from bench.fuzz.targets import Target, known
from bench.fuzz.worker import FOLDER, HANG_CPU_S, WARM_UP_TURNS, Child, Finding, Turn, measured, run_one, save

KEPT_MEMORY = 96 << 20
"""Bytes that a child may gain after its warm-up, beside the inputs that it keeps."""


class Watch:
    """Runs the children and counts what they do."""

    def __init__(self, targets: list[Target], seed: int, processes: int) -> None:
        self.run = Run(seed, tallies={target.name: Tally() for target in targets})
        self.findings: list[Finding] = []
        self._targets = targets
        self._next_seed = seed * 1000
        self._turns: dict[int, list[int]] = {}
        self._children = [self._born() for _ in range(processes)]

    def until(self, inputs: int, seconds: float) -> None:
        """Watch until so many inputs were run or so long passed (or Ctrl-C)."""
        begin = told = time.monotonic()
        try:
            while self.run.inputs < inputs and time.monotonic() - begin < seconds:
                self._listen()
                self.run.seconds = time.monotonic() - begin
                if time.monotonic() - told > 60:
                    told = time.monotonic()
                    self._tell()
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
        finally:
            for child in self._children:
                child.end()
            self._tell()

    def _listen(self) -> None:
        pipes = {child.pipe: child for child in self._children if child.pipe is not None}
        for ready in wait(list(pipes), timeout=1.0):
            child = pipes[ready]  # type: ignore[index]
            try:
                said = child.pipe.recv()  # type: ignore[union-attr]
            except (EOFError, OSError):
                self._died(child, "the process died")
                continue
            if isinstance(said, Finding):
                self._found(said, child.seed)
            elif isinstance(said, Turn):
                self._count(said, child)
        for child in list(self._children):
            if child.hanging():
                self._died(child, f"no end after {HANG_CPU_S:g} s of processor time")

    def _count(self, turn: Turn, child: Child) -> None:
        self.run.tallies[turn.target].add(turn)
        sizes = self._turns.setdefault(child.pid, [])
        sizes.append(turn.resident)
        warm = WARM_UP_TURNS * len(self._targets)
        if len(sizes) > warm:
            self.run.growth = max(self.run.growth, turn.resident - max(sizes[:warm]))
        if self.run.growth > KEPT_MEMORY and not any(one.key == "growth" for one in self.findings):
            self._found(Finding(turn.target, "growth", b"", f"a child grew by {self.run.growth:,} bytes"), child.seed)

    def _died(self, child: Child, how: str) -> None:
        name, data = child.at_hand()
        status = child.end()
        if not name:
            raise SystemExit(f"A child ended between two inputs (status {status}).")
        self._found(Finding(name, how, data, f"{how}; wait status {status}"), child.seed)
        self._children[self._children.index(child)] = self._born()

    def _found(self, finding: Finding, seed: int) -> None:
        if any((one.target, one.key) == (finding.target, finding.key) for one in self.findings):
            return
        self.findings.append(finding)
        self.run.tallies[finding.target].findings += 1
        path = save(FOLDER, finding, seed)
        print(f"FOUND {finding.target}: {finding.key} ({len(finding.data)} bytes): {path}", file=sys.stderr, flush=True)

    def _born(self) -> Child:
        self._next_seed += 1
        child = Child(self._targets, self._next_seed)
        child.start()
        return child

    def _tell(self) -> None:
        run = self.run
        cpu = sum(tally.cpu_s for tally in run.tallies.values())
        print(
            f"{run.seconds:7.0f} s {run.inputs:12,} inputs {run.inputs / max(cpu, 1e-9):8,.0f} a CPU-second, "
            f"{len(self.findings)} findings, a child grew by {run.growth / 1e6:.1f} MB",
            file=sys.stderr,
            flush=True,
        )


def replay(targets: list[Target], path: Path) -> int:
    """Run a saved input again and say what comes of it."""
    target = next((one for one in targets if one.name == path.name.split(".")[0]), None)
    if target is None:
        raise SystemExit(f"The name of a saved input begins with its target: {', '.join(one.name for one in targets)}.")
    data = path.read_bytes()
    begin = time.process_time()
    outcome, finding = run_one(target, data)
    spent = time.process_time() - begin
    if finding is None:
        peak, finding = measured(target, data)
        print(f"{target.name}: {outcome!r}, {spent * 1000:.1f} ms, {peak:,} bytes")
    if finding is not None:
        print(f"{finding.key}\n{finding.trace}")
    return 1 if finding else 0


def main() -> int:
    """Fuzz as the options say; the account of a run that leaves out no target is kept."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000_000, help="how many, all targets together")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--only", action="append", metavar="NAME", help="this target alone (again for another)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one saved input again")
    parser.add_argument("--unkept", action="store_true", help="leave docs/fuzzing.md as it is")
    parser.add_argument("--list", action="store_true", help="name the targets")
    chosen = parser.parse_args()
    targets = known()
    if chosen.list:
        print("\n".join(f"{target.name:<12} {target.what}" for target in targets))
        return 0
    if chosen.replay:
        return replay(targets, chosen.replay)
    names = [target.name for target in targets]
    if unknown := [name for name in chosen.only or () if name not in names]:
        parser.error(f"there is no target {unknown[0]}; there are: {', '.join(names)}")
    mine = [target for target in targets if not chosen.only or target.name in chosen.only]
    for target in mine:  # once, in the parent: coding the clips takes a moment, and threads must not live on in a fork
        target.corpus()
    for signum in (signal.SIGINT, signal.SIGTERM):  # in the background the first is ignored unless asked for
        signal.signal(signum, signal.default_int_handler)
    watch = Watch(mine, chosen.seed, chosen.processes)
    watch.until(chosen.inputs, chosen.minutes * 60)
    if not chosen.only and not chosen.unkept:
        report.keep(watch.run, targets)
    return 1 if watch.findings else 0


if __name__ == "__main__":
    sys.exit(main())
