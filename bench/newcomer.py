"""How long a newcomer's finds take in the browser: the times of the test that lets him find them.

`tests/web/test_newcomer_in_chromium.py` clicks visible links only, in Vietnamese and English, before a large window and
a telephone. It writes down how long each thing took from the first action until the pictures that were wanted had been
seen (six different ones, read by their numbers) or the file was there, without a person's time to read and to aim.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from bench import REPOSITORY
from bench.centre import FOLDER, BenchmarkFailed, work_folder
from bench.results import Result

TEST = "tests/web/test_newcomer_in_chromium.py"
ROUNDS = 3


def results(quick: bool) -> list[Result]:
    """Run the test some times, or one of its screens once."""
    times: dict[str, list[tuple[float, int]]] = {}
    with work_folder("newcomer", FOLDER) as work:
        for number in range(1 if quick else ROUNDS):
            for line in _run(work / f"{number}.jsonl", "vi-large" if quick else ""):
                told = json.loads(line)
                times.setdefault(told["what"], []).append((told["seconds"], told["actions"]))
    return [_result(what, took) for what, took in times.items()]


def _result(what: str, took: list[tuple[float, int]]) -> Result:
    seconds = sorted(one for one, _ in took)
    return Result(
        f"a newcomer finds {what}: median",
        statistics.median(seconds),
        "s",
        note=f"{len(seconds)} times, {seconds[0]:.1f} to {seconds[-1]:.1f} s, at most "
        f"{max(actions for _, actions in took)} actions.",
    )


def _run(kept: Path, only: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "-q", TEST, *(["-k", only] if only else [])]
    environment = {**os.environ, "VONGGAC_NEWCOMER_TIMES": str(kept)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=1800)
    if done.returncode:
        raise BenchmarkFailed(f"The newcomer did not find everything: {done.stdout[-2000:]}")
    return kept.read_text("utf-8").splitlines()
