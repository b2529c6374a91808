"""What a process and all its descendants use: CPU time without gaps, memory without counting shared pages twice."""

from __future__ import annotations

import contextlib
import signal
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil


def cpu_seconds(roots: Sequence[int]) -> float:
    """Return user and system time spent by these processes and all their descendants up to now, in seconds.

    A descendant that has ended is counted too: its time is with the parent that waited for it (proc(5): cutime and
    cstime), and a zombie still has its own.
    """
    total = 0.0
    for process in tree(roots):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def proportional_bytes(roots: Sequence[int], samples: int = 3, pause_s: float = 1.0) -> float:
    """Return the proportional set size (PSS) of the processes and their descendants: the median of some samples."""
    seen = []
    for number in range(samples):
        if number:
            time.sleep(pause_s)
        seen.append(sum(proportional_by_name(roots).values()))
    return statistics.median(seen)


def proportional_by_name(roots: Sequence[int]) -> dict[str, int]:
    """Return the PSS of the processes and their descendants now, in bytes, by the names they have."""
    held: dict[str, int] = {}
    for process in tree(roots):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess, FileNotFoundError):
            name = kernel_name(process.pid)
            held[name] = held.get(name, 0) + process.memory_full_info().pss
    return held


def kernel_name(pid: int) -> str:
    """Return the name that a process has in the kernel; FileNotFoundError when it is gone.

    Not psutil's `name()`, which completes a short name from the command line: roles name themselves in the kernel.
    """
    return Path(f"/proc/{pid}/comm").read_text().strip()


def tree(roots: Sequence[int]) -> list[psutil.Process]:
    """Return the processes and their descendants that exist now."""
    found: dict[int, psutil.Process] = {}
    for pid in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            for process in [root, *root.children(recursive=True)]:
                found[process.pid] = process
    return list(found.values())


def cpu_by_name(roots: Sequence[int]) -> dict[str, float]:
    """Return the user and system time of the processes that exist now, in seconds, by the names they have."""
    spent: dict[str, float] = {}
    for process in tree(roots):
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            times = process.cpu_times()
            name = kernel_name(process.pid)
            spent[name] = spent.get(name, 0.0) + times.user + times.system
    return spent


def alive(roots: Sequence[int]) -> set[int]:
    """Return the numbers of those that have not ended."""
    found = set()
    for process in tree(roots):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
    return found


def busy_seconds() -> float:
    """Return how long all processors of this machine have been busy, in seconds (what a hypervisor took included)."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def kill(roots: Sequence[int]) -> None:
    """Kill the processes and all their descendants at once (SIGKILL), as a power cut would."""
    for process in tree(roots):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


def stop(started: Sequence[subprocess.Popen[bytes]], timeout_s: float = 30.0) -> None:
    """Ask the processes to end (SIGTERM) and wait until all have; those that do not are killed with their trees."""
    for process in started:
        if process.poll() is None:
            process.terminate()
    end = time.monotonic() + timeout_s
    for process in started:
        try:
            process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            kill([process.pid])
            process.wait()
