"""Playback: how fast a playlist of any hour is made, over HTTP, out of 30 days of 102 cameras.

The index is that of `bench.index`, without cameras that record: what is measured is the web process. Seeking to a first
picture in Chromium is measured by `bench.seek`.

    python -m bench.playback --days 1 --cameras 5 --questions 50        smaller; nothing is written down
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import sqlalchemy as sa

from bench.centre import FOLDER, BenchmarkFailed, make_centre
from bench.index import Size, fill
from bench.process_tree import busy_seconds
from bench.results import Result, keep
from vonggac.cameras.models import Camera
from vonggac.core.clock import SystemClock, utc_now
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.presence import RoleRow
from vonggac.org.models import Account
from vonggac.org.passwords import hash_password
from vonggac.video.index import HOUR_US

GROUP = "playback"
PLAYLIST_P95_MS = 50.0
NAME, PASSWORD = "bench", uuid.uuid4().hex
_START_S = 60.0


@contextmanager
def served(size: Size, folder: Path) -> Iterator[tuple[httpx.Client, list[int], int]]:
    """Fill an index and serve its pages; yields who is logged in, the cameras' numbers, until when it is full."""
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="playback-", dir=folder))
    try:
        data = work / "data"
        make_centre(data, [f"rtsp://192.0.2.1/{number}" for number in range(size.cameras)])
        with closing(DataFolder.open(data).database()) as database:
            now_us = SystemClock().now_us()
            fill(database, size, now_us)
            with database.write() as session:
                numbers = list(session.scalars(sa.select(Camera.number)))
                secret = hash_password(PASSWORD)
                session.add(
                    Account(name=NAME, name_folded=NAME, password_hash=secret, administrator=True, created_at=utc_now())
                )
            with _web(data, database) as address, httpx.Client(base_url=address, timeout=60) as client:
                _log_in(client)
                yield client, numbers, now_us
    finally:
        shutil.rmtree(work)


@contextmanager
def _web(data: Path, database: Database) -> Iterator[str]:
    command = [sys.executable, "-m", "vonggac", "run", "web", "--data", str(data)]
    process = subprocess.Popen(command, env={**os.environ, "VONGGAC_WEB_PORT": "0"}, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + _START_S
        address = None
        while not address:
            if time.monotonic() > until or process.poll() is not None:
                raise BenchmarkFailed("The pages were not served.")
            time.sleep(0.1)
            with database.read() as session:
                query = sa.select(RoleRow.address).where(RoleRow.name == "web", RoleRow.pid == process.pid)
                address = session.scalar(query)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _log_in(client: httpx.Client) -> None:
    token = client.get("/login", headers={"accept": "text/html"}).text.partition('name="csrf" value="')[2].split('"')[0]
    answer = client.post("/login", data={"name": NAME, "password": PASSWORD, "csrf": token})
    if answer.status_code != 303:
        raise BenchmarkFailed(f"Nobody could log in: {answer.status_code}.")


def playlist_results(size: Size, client: httpx.Client, numbers: list[int], now_us: int) -> list[Result]:
    """Ask for playlists and time lines of random hours of random cameras."""
    chance = random.Random(20_201_124)
    hours = range(2, size.hours)
    found = []
    for what, path, target in (
        ("playlist of one camera for any hour", "/playback/{}/playlist.m3u8?from={}&to={}", PLAYLIST_P95_MS),
        ("playlist of its key frames", "/playback/{}/playlist.m3u8?from={}&to={}&keys=1", None),
        ("time line of a day", "/api/timeline?camera={}&from={}&to={}", None),
        ("time line of 30 days", "/api/timeline?camera={}&from={}&to={}", None),
    ):
        lasts_us = {"time line of a day": 24, "time line of 30 days": 720}.get(what, 1) * HOUR_US
        took, begin_s, busy_s = [], time.monotonic(), busy_seconds()
        for _ in range(size.questions):
            from_us = now_us - chance.choice(hours) * HOUR_US
            address = path.format(chance.choice(numbers), from_us // 1000, (from_us + lasts_us) // 1000)
            asked = time.perf_counter()
            answer = client.get(address)
            took.append((time.perf_counter() - asked) * 1000)
            if answer.status_code != 200 or len(answer.content) < 100:
                raise BenchmarkFailed(f"{address} was answered with {answer.status_code}.")
        busy = (busy_seconds() - busy_s) / (time.monotonic() - begin_s) / (os.cpu_count() or 1)
        found.append(
            Result(
                f"{what}, {size.cameras} cameras × {size.days} days on SQLite, p95",
                statistics.quantiles(took, n=100)[94],
                "ms",
                target=target,
                note=f"p50 {statistics.median(took):.1f} ms, slowest {max(took):.1f} ms of {size.questions} random "
                f"ones, over HTTP on loopback. The machine's processors were {busy:.0%} busy meanwhile.",
            )
        )
    return found


def results(quick: bool) -> list[Result]:
    """Measure playlists and time lines of a full index (a small one when `quick`)."""
    size = Size(cameras=5, days=1, questions=50) if quick else Size()
    return run(size, FOLDER)


def run(size: Size, folder: Path) -> list[Result]:
    """Measure an index of this size."""
    with served(size, folder) as (client, numbers, now_us):
        return playlist_results(size, client, numbers, now_us)


def main() -> None:
    """Measure as the options say; what is not the measurement of the table is only printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=Size.cameras)
    parser.add_argument("--days", type=int, default=Size.days)
    parser.add_argument("--questions", type=int, default=Size.questions)
    options = parser.parse_args()
    size = Size(options.cameras, options.days, options.questions)
    found = run(size, FOLDER)
    for result in found:
        print(f"{result.name}: {result.value:.2f} {result.unit}  ({result.note})")
    if size == Size():
        keep(GROUP, found)


if __name__ == "__main__":
    main()
