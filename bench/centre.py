"""What the benchmarks of a recording centre share: made and started as by a user; its figures and files read."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import zip_longest
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa

from bench import REPOSITORY
from bench.process_tree import kernel_name, stop, tree
from peers.gst import GstCamera
from peers.numbered import holes, read_numbers
from vonggac.cameras.models import Camera
from vonggac.core import presence
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.settings import options

FOLDER = REPOSITORY / "build" / "bench"
"""On the disk that is recorded to; each run makes a folder of its own in it and deletes it."""
RECORDER = "vg-recorder"
"""How the names of recorder processes begin."""

_START_TIMEOUT_S = 180.0


class BenchmarkFailed(Exception):
    """What was to be measured did not do what it was to be measured at."""


class Centre:
    """A centre on SQLite that records these cameras, from entering the block to leaving it.

    `sub_urls`: of the small streams of the first of them. `settings` are environment variables
    (`VONGGAC_RECORDER_SYNC_SECONDS`). Data lie in `folder/data`, the log in
    `folder/log`. Leaving ends it in order.
    """

    def __init__(self, folder: Path, urls: Sequence[str], sub_urls: Sequence[str] = (), **settings: str) -> None:
        self.folder, self.data = folder, folder / "data"
        self.cameras = len(urls)
        self.settings = settings
        folder.mkdir(parents=True, exist_ok=True)
        make_centre(self.data, urls, sub_urls)
        self._log = (folder / "log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self._database: Database | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        assert self._process is not None, "the centre is not running"
        return self._process

    @property
    def roots(self) -> list[int]:
        """For the functions of `process_tree`."""
        return [self.process.pid]

    @property
    def database(self) -> Database:
        """Its index, opened once."""
        if self._database is None:
            self._database = DataFolder.open(self.data).database()
        return self._database

    def start(self) -> None:
        """Start all of it."""
        self._process = start_centre(self.data, self._log.fileno(), **self.settings)

    def stop(self) -> None:
        """End all of it in order, nothing when it has ended."""
        if self._process is not None:
            stop([self._process])

    def wait_until_recording(self) -> None:
        """Wait until a file of every camera has pictures in it."""
        wait_for_pictures(lambda: files_of_cameras(self.data), self.cameras, [self.process], self.folder / "log")

    def said(self) -> str:
        """Return the end of its log."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def recorder_pids(self) -> list[int]:
        """Return the recorder processes that run now."""
        found = []
        for process in tree(self.roots):
            with contextlib.suppress(FileNotFoundError):
                if kernel_name(process.pid).startswith(RECORDER):
                    found.append(process.pid)
        return found

    def recorder_addresses(self) -> list[str]:
        """Return where the recorders serve live pictures."""
        with self.database.read() as session:
            return [row.address for row in presence.alive(session, "recorder")]

    def camera_ids(self) -> list[uuid.UUID]:
        """Return the cameras in the order of their numbers."""
        with self.database.read() as session:
            return list(session.scalars(sa.select(Camera.id).order_by(Camera.number)))

    def __enter__(self) -> Centre:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self._log.close()
        if self._database is not None:
            self._database.close()


@contextmanager
def work_folder(name: str, folder: Path = FOLDER, *, kept: bool = False) -> Iterator[Path]:
    """Make an empty folder for one run; it is deleted afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    try:
        yield work
    finally:
        if not kept:
            shutil.rmtree(work)


@contextmanager
def servers(
    clip: Path, cameras: int, processes: int = 1, pipelines: int = 0
) -> Iterator[tuple[list[GstCamera], list[str]]]:
    """Start GStreamer's server, in several processes where one could not carry all; yields them and the addresses.

    `pipelines`: so many in each process feed all its cameras; 0: each has its own.
    """
    with ExitStack() as running:
        started: list[GstCamera] = []
        urls: list[str] = []
        for number in range(processes):
            mounts = cameras // processes + (number < cameras % processes)
            server = running.enter_context(GstCamera([clip], mounts=mounts, pipelines=pipelines))
            started.append(server)
            urls += [server.url(mount) for mount in range(1, mounts + 1)]
        yield started, urls


def vonggac() -> str:
    """Return the command `vonggac` of the environment that runs the benchmark."""
    return str(Path(sys.executable).with_name("vonggac"))


def make_centre(data: Path, urls: Sequence[str], sub_urls: Sequence[str] = ()) -> None:
    """Make a centre whose cameras have these addresses, as a user would: `init`, then `camera import`."""
    _do([vonggac(), "init", str(data)])
    table = data.with_suffix(".csv")
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "url", "unit", "kind", "latitude", "longitude", "sub_url"])
        for number, (url, sub_url) in enumerate(zip_longest(urls, sub_urls[: len(urls)], fillvalue=""), 1):
            rows.writerow([f"Camera {number:04}", url, "", "overview", "", "", sub_url])
    _do([vonggac(), "camera", "import", str(table), "--data", str(data)])


def start_centre(data: Path, log: int, **settings: str) -> subprocess.Popen[bytes]:
    """Start `vonggac up` with free ports for pages and metrics, and these variables; it logs to the descriptor."""
    free_ports = {option.variable: "0" for option in options() if option.key.endswith("port")}
    command = [vonggac(), "up", "--data", str(data)]
    environment = {**os.environ, **free_ports, **settings}
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)


def _do(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise BenchmarkFailed(f"`{' '.join(command[:3])}` failed: {done.stderr.strip()}")


def files_of_cameras(data: Path) -> list[list[Path]]:
    """Return the recordings of each camera that has any, in the order of time (which is that of their names)."""
    cameras = sorted((data / "media").glob("*/"))
    return [files for camera in cameras if (files := sorted(camera.glob("*/*/*.mp4")))]


def wait_for_pictures(
    files: Callable[[], list[list[Path]]], cameras: int, started: Sequence[subprocess.Popen[bytes]], log: Path
) -> None:
    """Wait until a file of each of so many cameras has pictures in it; BenchmarkFailed when that does not come."""
    end = time.monotonic() + _START_TIMEOUT_S
    while sum(any(file.stat().st_size for file in found) for found in files()) < cameras:
        if any(process.poll() is not None for process in started) or time.monotonic() > end:
            said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise BenchmarkFailed(f"Not all of {cameras} cameras came to be recorded. {said}")
        time.sleep(0.25)


def count_pictures(cameras: Sequence[Sequence[Path]], loop: int) -> list[tuple[int, int]]:
    """Read the numbers of each camera's pictures: how many there are, and at how many places some are missing.

    The clip has `loop` pictures and begins anew after the last.
    """
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(_count, cameras, [loop] * len(cameras)))


def _count(files: Sequence[Path], loop: int) -> tuple[int, int]:
    numbers = [number for file in files for number in read_numbers(file)]
    return len(numbers), len(holes(numbers, loop))


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def metrics(port: int) -> dict[str, float]:
    """Return the figures that a role serves for Prometheus; one of several volumes or cameras as their sum."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    figures: dict[str, float] = {}
    for name, value in re.findall(r"^(\w+)(?:{[^\n]*})? ([0-9.e+-]+)$", text, re.MULTILINE):
        figures[name] = figures.get(name, 0.0) + float(value)
    return figures
