"""The account of all runs so far: `bench/fuzz/runs.json`, and the table of docs/fuzzing.md made from it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench import REPOSITORY
from bench.fuzz.targets import Target
from bench.fuzz.worker import Turn

PAGE = REPOSITORY / "docs" / "fuzzing.md"
RUNS = Path(__file__).with_name("runs.json")
BEGIN, END = "<!-- fuzzing: begin -->", "<!-- fuzzing: end -->"


@dataclass
class Tally:
    """What was done to one target."""

    inputs: int = 0
    cpu_s: float = 0.0
    peak: int = 0
    slowest_s: float = 0.0
    findings: int = 0

    def add(self, turn: Turn) -> None:
        """Take up one turn."""
        self.inputs += turn.inputs
        self.cpu_s += turn.cpu_s
        self.peak = max(self.peak, turn.peak)
        self.slowest_s = max(self.slowest_s, turn.slowest_s)


@dataclass
class Run:
    """One run of the program."""

    seed: int
    began: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M"))
    seconds: float = 0.0
    growth: int = 0
    """Bytes that a child gained after its warm-up, the largest."""
    tallies: dict[str, Tally] = field(default_factory=dict)

    @property
    def inputs(self) -> int:
        """Of all targets."""
        return sum(tally.inputs for tally in self.tallies.values())


def keep(run: Run, targets: Iterable[Target]) -> None:
    """Add the run to those before it and write the table anew."""
    runs = load()
    runs.append(run)
    RUNS.write_text(json.dumps([asdict(one) for one in runs], indent=1) + "\n", "utf-8")
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(runs, targets)}\n\n{END}{after}", "utf-8")


def load() -> list[Run]:
    """Return the runs kept so far."""
    if not RUNS.exists():
        return []
    rows = json.loads(RUNS.read_text("utf-8"))
    return [Run(**{**row, "tallies": {name: Tally(**one) for name, one in row["tallies"].items()}}) for row in rows]


def table(runs: list[Run], targets: Iterable[Target]) -> str:
    """Return the sum of the runs by target, and each run."""
    lines = ["| target | what | inputs | CPU | inputs a CPU-second | most memory of one | slowest | findings |",
             "|---|---|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    total = Tally()
    for target in targets:
        tally = Tally()
        for one in (run.tallies[target.name] for run in runs if target.name in run.tallies):
            tally.inputs += one.inputs
            tally.cpu_s += one.cpu_s
            tally.findings += one.findings
            tally.peak, tally.slowest_s = max(tally.peak, one.peak), max(tally.slowest_s, one.slowest_s)
        lines.append(_line(target.name, target.what, tally))
        total.inputs += tally.inputs
        total.cpu_s += tally.cpu_s
        total.findings += tally.findings
        total.peak, total.slowest_s = max(total.peak, tally.peak), max(total.slowest_s, tally.slowest_s)
    lines += [_line("**all**", "", total), ""]
    lines += [
        f"- {run.began} UTC, seed {run.seed}: {run.inputs:,} inputs in {run.seconds / 60:.0f} minutes, "
        f"{sum(tally.findings for tally in run.tallies.values())} findings; a child grew by at most "
        f"{run.growth / 1e6:.1f} MB after its warm-up."
        for run in runs
    ]
    return "\n".join(lines)


def _line(name: str, what: str, tally: Tally) -> str:
    rate = tally.inputs / tally.cpu_s if tally.cpu_s else 0
    return (
        f"| {name} | {what} | {tally.inputs:,} | {tally.cpu_s:,.0f} s | {rate:,.0f} | {tally.peak / 1e3:,.0f} KB | "
        f"{tally.slowest_s * 1000:,.0f} ms | {tally.findings} |"
    )
