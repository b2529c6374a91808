"""The simulated cameras of a benchmark: `vonggac sim serve`, from entering the block to leaving it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.centre import BenchmarkFailed, vonggac
from bench.process_tree import stop
from vonggac.core.datafolder import DataFolder
from vonggac.core.settings import Settings
from vonggac.sim.control import SimControl

_READY_TIMEOUT_S = 300.0


@contextmanager
def district(folder: Path, cameras: int, kilobits: int) -> Iterator[tuple[SimControl, list[str], int]]:
    """Serve simulated cameras of so many kbit/s; yields their control, their addresses, and the process."""
    folder.mkdir(parents=True)
    ready = folder / "ready.json"
    command = [vonggac(), "sim", "serve", "--data", str(folder), "--cameras", str(cameras)]
    command += ["--bit-rate", str(kilobits), "--ready-file", str(ready)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            end = time.monotonic() + _READY_TIMEOUT_S  # The scenes are drawn at the first start.
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise BenchmarkFailed(
                        f"The simulated cameras did not start. {(folder / 'log').read_text()[-2000:]}"
                    )
                time.sleep(0.25)
            address = json.loads(ready.read_text())["address"]
            control = SimControl(DataFolder(folder.resolve(), Settings()).socket_path("sim"))
            yield control, [f"{address}{camera.path}" for camera in control.status()], process.pid
        finally:
            stop([process])
