"""What runs on the machine for some time, and what each part of it spends meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.process_tree import alive, busy_seconds, cpu_by_name, cpu_seconds


@dataclass(frozen=True)
class Spending:
    """Processor time in seconds, brought to the time that was asked for (a reading takes a moment itself)."""

    seconds: float
    cpu_s: float
    """Of the measured processes and all their descendants."""
    by_name: dict[str, float]
    """The same by process names, of those that lived through."""
    server_cpu_s: float
    """Of the cameras."""
    apart_cpu_s: float
    """Of what is counted apart (viewers)."""
    other_cpu_s: float
    """Of everything else on the machine, in the kernel too."""
    ended: int
    """Measured processes that were there at the beginning and not at the end: something was broken, or started anew."""

    @property
    def cores(self) -> float:
        """Of the measured processes."""
        return self.cpu_s / self.seconds

    def of(self, name: str) -> float:
        """Return the processor time of the processes whose names begin so."""
        return sum(spent for one, spent in self.by_name.items() if one.startswith(name))

    @property
    def parts(self) -> str:
        """Names and times, the largest first."""
        names = sorted(self.by_name, key=self.by_name.__getitem__, reverse=True)
        return ", ".join(f"{name} {self.by_name[name]:.2f}" for name in names)

    def noise(self, tolerated_cores: float = 0.1) -> str:
        """Return a sentence on what else ran, "" where it was little."""
        if self.other_cpu_s <= tolerated_cores * self.seconds:
            return ""
        return f" Other work on the machine took up to {self.other_cpu_s:.1f} CPU-s."


def spending(
    roots: Sequence[int],
    servers: Sequence[int],
    seconds: float,
    apart: Sequence[int] = (),
    sleep: Callable[[float], None] = time.sleep,
) -> Spending:
    """Let so many seconds pass and return what was spent in them."""
    there, parts_before = alive(roots), cpu_by_name(roots)
    before, moment = _totals(roots, servers, apart), time.monotonic()
    sleep(max(0.0, moment + seconds - time.monotonic()))
    after, passed_s = _totals(roots, servers, apart), time.monotonic() - moment
    parts_after = cpu_by_name(roots)
    scale = seconds / passed_s
    cpu_s, server_s, apart_s, busy_s = ((end - begin) * scale for begin, end in zip(before, after, strict=True))
    return Spending(
        seconds,
        cpu_s,
        {name: (spent - parts_before.get(name, 0.0)) * scale for name, spent in parts_after.items()},
        server_s,
        apart_s,
        max(0.0, busy_s - cpu_s - server_s - apart_s),
        len(there - alive(roots)),
    )


def _totals(roots: Sequence[int], servers: Sequence[int], apart: Sequence[int]) -> tuple[float, float, float, float]:
    return cpu_seconds(roots), cpu_seconds(servers), cpu_seconds(apart), busy_seconds()
