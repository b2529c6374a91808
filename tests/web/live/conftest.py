"""A centre with a real recorder and real pages, for live pictures the whole way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from peers.gst import GstCamera
from peers.live_viewer import LiveViewer
from vonggac.cameras.models import Camera
from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.presence import RoleRow
from vonggac.org import accounts
from vonggac.org.models import Account
from vonggac.org.passwords import hash_password

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

VONGGAC = [sys.executable, "-m", "vonggac"]


def wait_until(condition: Callable[[], Any], what: str, limit_s: float = 60.0) -> Any:
    """Poll until the condition gives something; returns it."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain for {what}"
        time.sleep(0.05)
    return found


@dataclass
class LiveCentre:
    """A data folder, and the roles that run on it."""

    path: Path
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    cameras: list[uuid.UUID] = field(default_factory=list)
    token: str = ""

    def __post_init__(self) -> None:
        self.log = self.path.parent / "log"
        self.command("init", str(self.path))
        self.folder = DataFolder.open(self.path)
        self.database: Database = self.folder.database()
        with self.database.write() as session:
            account = Account(
                name="trucban1",
                name_folded="trucban1",
                password_hash=hash_password("một mật khẩu dài"),
                administrator=True,
                created_at=utc_now(),
            )
            session.add(account)
            session.flush()
            self.token = accounts.open_session(session, account, "127.0.0.1", utc_now()).token

    def command(self, *arguments: str) -> str:
        done = subprocess.run([*VONGGAC, *arguments], env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_camera(self, url: str, *options: str) -> uuid.UUID:
        """Add a camera; returns its id."""
        self.command("camera", "add", f"Camera {len(self.cameras) + 1}", url, *options, "--data", str(self.path))
        with self.database.read() as session:
            self.cameras = list(session.scalars(sa.select(Camera.id).order_by(Camera.number)))
        return self.cameras[-1]

    def start(self, role: str, **environment: str) -> None:
        """Start a role (again)."""
        with self.log.open("ab") as log:
            self.running[role] = subprocess.Popen(
                [*VONGGAC, "run", role, "--data", str(self.path)], env=self.environment | environment, stderr=log
            )

    def end(self, role: str, with_signal: int = signal.SIGTERM) -> None:
        """End a role."""
        process = self.running.pop(role)
        process.send_signal(with_signal)
        assert process.wait(30) in (0, -with_signal)

    def web(self, port: int = 0) -> str:
        """Serve the pages; returns their address."""
        self.start("web", VONGGAC_WEB_PORT=str(port))
        pid = self.running["web"].pid

        def address() -> str | None:
            with self.database.read() as session:
                return session.scalar(sa.select(RoleRow.address).where(RoleRow.name == "web", RoleRow.pid == pid))

        self.address: str = wait_until(address, f"the pages; {self.said()}")
        return self.address

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def cookie(self) -> str:
        return f"vonggac_session={self.token}"

    def viewer(self, camera: int = 1, **asked: Any) -> LiveViewer:
        """Watch the camera with this number."""
        return LiveViewer(self.address, camera, self.cookie, **asked)


@contextmanager
def _live_centre(folder: Path) -> Iterator[LiveCentre]:
    environment = {
        **os.environ,
        "VONGGAC_METRICS_RECORDER_PORT": "-1",
        "VONGGAC_STORAGE_RESERVE_MB": "16",
        "VONGGAC_LOG_FORMAT": "json",
    }
    made = LiveCentre(folder / "centre", environment)
    try:
        yield made
    finally:
        for process in made.running.values():
            process.kill()
            process.wait(10)
        made.database.close()


@pytest.fixture(scope="session")
def live_centre(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], AbstractContextManager[LiveCentre]]:
    """`with live_centre() as centre`: one on SQLite, with nothing running."""
    return lambda: _live_centre(tmp_path_factory.mktemp("live"))


CLIPS: dict[str, dict[str, Any]] = {
    "h264": {},
    "h264-b": {"b_frames": 3},
    "h265": {"codec": "libx265"},
    "h265-b": {"codec": "libx265", "b_frames": 3},
}


@pytest.fixture(scope="module")
def centre(live_centre: Any, numbered_clip: Any) -> Iterator[LiveCentre]:
    """A centre whose cameras (1 to 4: CLIPS, 5: a large one) are recorded, and its pages; a file's tests share it."""
    clips = [numbered_clip(width=640, height=360, bits_per_second=400_000, **one) for one in CLIPS.values()]
    with GstCamera([*clips, numbered_clip()]) as cameras, live_centre() as made:
        for number in range(1, len(clips) + 2):
            made.add_camera(cameras.url(number))
        made.start("recorder")
        made.web()
        yield made


ROOT = Path(__file__).parents[3]
LIMIT_MS = 60_000
MOUNT = """([number, stream]) => {
  const host = document.createElement('div');
  host.style.width = '640px';
  host.style.height = '360px';
  host.dataset.words = '{"live_stale": "old by {age}"}';
  document.getElementById('content').prepend(host);
  window.host = host;
  window.states = [];
  window.tile = new tiles.LiveTile(host, String(number), {stream, says: true});
  tile.onState = (state) => states.push(state);
  tile.start();
}"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tile's script alone, as a page of the wall has it in its bundle."""
    out = tmp_path_factory.mktemp("tile") / "tile.js"
    command = [ROOT / "node_modules/.bin/esbuild", ROOT / "src/vonggac/web/ui/live/tile.ts", f"--outfile={out}"]
    options = ["--bundle", "--format=iife", "--global-name=tiles", "--log-level=warning"]
    subprocess.run([*map(str, command), *options], check=True, timeout=60)
    return out.read_text("utf-8") + ";window.tiles = tiles"


class Looking:
    """A page with a tile on it."""

    def __init__(self, page: Page, centre: Any, script: str, until: Callable[..., Any]) -> None:
        self.page = page
        self.until = until
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{centre.address}/health")
        page.evaluate(script)

    def mount(self, number: int = 1, stream: str = "auto") -> None:
        self.page.evaluate(MOUNT, [number, stream])

    def wait(self, condition: str) -> Any:
        return self.until(self.page, condition, LIMIT_MS)

    def kinds(self) -> list[str]:
        kinds: list[str] = self.page.evaluate("states.map((state) => state.kind)")
        return kinds


@pytest.fixture
def looking(browser: Browser, centre: Any, script: str, until: Callable[..., Any]) -> Iterator[Looking]:
    """A logged-in officer's page, without a tile yet."""
    context = browser.new_context(locale="vi-VN", viewport={"width": 1366, "height": 768})
    context.add_cookies([{"name": "vonggac_session", "value": centre.token, "url": centre.address}])
    made = Looking(context.new_page(), centre, script, until)
    yield made
    assert made.complaints == []
    context.close()
