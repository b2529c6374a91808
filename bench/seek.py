"""Playback in a browser: from a seek to the first picture, for one camera and nine in step; how far tiles are apart.

The real role `web` before Debian's Chromium; recordings of an hour lie on disk, as a recorder leaves them. A seek is a
click on the timeline (a change of the clock): measured until every tile has painted a picture of the moment sought.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from bench.centre import FOLDER, BenchmarkFailed
from bench.results import Result
from peers.chromium import chromium
from peers.coded import Material, Recorded, encode_numbers, record
from peers.footage import Footage
from vonggac.cameras.models import Camera
from vonggac.core import schema, secrets, text
from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.presence import alive
from vonggac.core.settings import FILE_NAME
from vonggac.org.models import Account, Unit
from vonggac.org.passwords import hash_password

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MINUTE_US = 60_000_000
FPS = 15
CAMERAS = 9
NAME, PASSWORD = "bench", "mật khẩu để đo"
ONE_MS, NINE_MS = 500.0, 1_200.0
"""What must be reached (issue 4)."""
FRAME_MS = 1000 / FPS

_SERVE = "import sys; from pathlib import Path; from vonggac.core.datafolder import DataFolder; "
_SERVE += "from vonggac.web.role import run; sys.exit(run(DataFolder.open(Path(sys.argv[1])), 'web'))"

_SEEK = """
async moment => {
  const tiles = [...document.querySelectorAll('.tile')];
  const canvas = document.querySelector('canvas');
  const box = canvas.getBoundingClientRect();
  const [from, to] = [Number(canvas.dataset.fromMs) / 1000, Number(canvas.dataset.toMs) / 1000];
  const share = (moment - from) / (to - from);
  if (!(share > 0.01 && share < 0.99)) throw new Error(`the moment is not in view: ${share}`);
  const x = box.left + box.width * share;
  const place = {clientX: x, clientY: box.bottom - 6, bubbles: true, button: 0, pointerId: 1};
  const painted = tiles.map(tile => new Promise((resolve, reject) => {
    const video = tile.querySelector('video');
    setTimeout(() => reject(new Error('no picture')), 30000);
    const before = video.currentTime;
    const look = (now, picture) => Math.abs(picture.mediaTime - video.currentTime) < 0.2 && video.currentTime !== before
      ? resolve() : video.requestVideoFrameCallback(look);
    video.requestVideoFrameCallback(look);
  }));
  const began = performance.now();
  canvas.setPointerCapture = () => undefined;
  canvas.dispatchEvent(new PointerEvent('pointerdown', place));
  canvas.dispatchEvent(new PointerEvent('pointerup', place));
  await Promise.all(painted);
  return performance.now() - began;
}
"""

_APART = """
async looks => {
  const videos = [...document.querySelectorAll('.tile video')];
  const apart = [];
  const began = videos[0].currentTime;
  for (let look = 0; look < looks; look++) {
    await new Promise(resolve => setTimeout(resolve, 100));
    const times = videos.map(video => video.currentTime * 1000);
    apart.push(Math.max(...times) - Math.min(...times));
  }
  return [apart, (videos[0].currentTime - began) * 1000];
}
"""


def results(quick: bool) -> list[Result]:
    """Measure seeks of one camera and of nine, and the distance between nine that play."""
    minutes, seeks, looks = (6, 5, 30) if quick else (60, 60, 600)
    folder = FOLDER / f"seek-{os.getpid()}"
    try:
        start_us = _fill(folder, minutes)
        with _served(folder) as address, chromium() as browser:
            page = _logged_in(browser, address)
            one = _seeks(page, address, "1", start_us, minutes, seeks)
            nine = _seeks(page, address, ",".join(str(n + 1) for n in range(CAMERAS)), start_us, minutes, seeks)
            page.keyboard.press("k")
            page.wait_for_timeout(5_000)
            apart, played_ms = page.evaluate(_APART, looks)
            if played_ms < looks * 50:
                raise BenchmarkFailed("The tiles did not play.")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [
        Result("seek to the first picture, one camera, p95", _p95(one), "ms", ONE_MS),
        Result("seek to the first picture, nine cameras in step, p95", _p95(nine), "ms", NINE_MS),
        Result("distance between nine playing tiles, p95", _p95(apart), "ms", FRAME_MS),
    ]


def _p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * 95 // 100)]


@cache
def _coded(first: int) -> Material:
    return encode_numbers(60 * FPS, fps=FPS, group=2 * FPS, first=first, width=640, noise=24)


def _minute(number: int) -> Recorded:
    coded = _coded(number % 4 * 60 * FPS)
    return record(coded.groups(), origin=number * 60 * 90_000, last_end=(number + 1) * 60 * 90_000)


def _fill(folder: Path, minutes: int) -> int:
    """Make a centre with nine cameras and their recordings; returns when these begin."""
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_text("[web]\nport = 0\n", encoding="utf-8")
    data = DataFolder.open(folder)
    secrets.make_key(data.key_path)
    database = data.database()
    try:
        schema.upgrade(database)
        start_us = microseconds(utc_now()) // MINUTE_US * MINUTE_US - (minutes + 10) * MINUTE_US
        kept = [Footage(database, camera_id, folder / "media") for camera_id in _cameras(database, start_us)]
        for number in range(minutes):
            recorded = _minute(number)
            for one in kept:
                one.put(start_us + number * MINUTE_US, recorded)
    finally:
        database.close()
    return start_us


def _cameras(database: Database, start_us: int) -> list[object]:
    now = utc(start_us)
    with database.write() as session:
        unit = Unit(code="u", name="U", name_folded="u", name_sort="u", kind="station", created_at=now)
        hashed = hash_password(PASSWORD)
        session.add(Account(name=NAME, name_folded=NAME, password_hash=hashed, administrator=True, created_at=now))
        session.add(unit)
        session.flush()
        cameras = [
            Camera(
                number=number, name=f"C{number}", name_folded=f"c{number}", name_sort=text.sort_key(f"C{number}"),
                folder=f"c-{number}", unit_id=unit.id, kind="overview", url=f"rtsp://192.0.2.1/{number}",
                created_at=now,
            )
            for number in range(1, CAMERAS + 1)
        ]  # fmt: skip
        session.add_all(cameras)
        session.flush()
        return [camera.id for camera in cameras]


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", _SERVE, str(folder)])
    database = DataFolder.open(folder).database()
    try:
        deadline = time.monotonic() + 60
        address = ""
        while not address:
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkFailed("The pages were not served within a minute.")
            time.sleep(0.1)
            with database.read() as session:
                address = next((role.address for role in alive(session, "web") if role.pid == process.pid), "")
        yield address
    finally:
        database.close()
        process.terminate()
        process.wait(30)


def _logged_in(browser: Browser, address: str) -> Page:
    page = browser.new_context(viewport={"width": 1920, "height": 1080}, locale="en").new_page()
    page.goto(f"{address}/playback")
    page.fill("#name", NAME)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/playback**")
    return page


def _seeks(page: Page, address: str, cameras: str, start_us: int, minutes: int, count: int) -> list[float]:
    """Click around in the recorded stretch; returns how long each click took to be pictures."""
    middle = utc(start_us + minutes * MINUTE_US // 2).strftime("%Y-%m-%dT%H:%M:%SZ")
    page.goto(f"{address}/playback?cameras={cameras}&at={middle}&speed=1&paused=1")
    # Not wait_for_function: the page's Content Security Policy forbids what it does.
    deadline = time.monotonic() + 60
    while page.evaluate("[...document.querySelectorAll('video')].filter(one => one.readyState >= 2).length") <= (
        cameras.count(",")
    ):
        if time.monotonic() > deadline:
            raise BenchmarkFailed("No picture came within a minute.")
        page.wait_for_timeout(100)
    page.get_by_role("button", name="1 h", exact=True).click()
    page.wait_for_timeout(1_000)
    chance = random.Random(4)
    # The view goes with whoever leaves its middle: only what is in view and recorded can be clicked.
    first, last = start_us / 1e6 + 5, start_us / 1e6 + minutes * 60 - 5
    took = []
    for _ in range(count):
        left, right = page.locator("canvas").evaluate("one => [one.dataset.fromMs / 1000, one.dataset.toMs / 1000]")
        edge = (right - left) / 50
        took.append(page.evaluate(_SEEK, chance.uniform(max(first, left + edge), min(last, right - edge))))
    return took
