"""A centre with a small district, its pages served by a process of their own, and a browser before them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from vonggac.cameras.models import Camera
from vonggac.core import schema, secrets, text
from vonggac.core.clock import microseconds, utc_now
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.presence import RoleRow
from vonggac.core.settings import FILE_NAME
from vonggac.org.models import Account, Unit
from vonggac.org.passwords import hash_password
from vonggac.shell.bundle import Bundle
from vonggac.video import index
from vonggac.web.application import make_application

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

NAME = "trucban1"
PASSWORD = "một mật khẩu dài"
HOUR_US = 3_600_000_000

_SERVE = "import sys; from pathlib import Path; from vonggac.core.datafolder import DataFolder; "
_SERVE += "from vonggac.web.role import run; sys.exit(run(DataFolder.open(Path(sys.argv[1])), 'web'))"

PLACES = [
    ("Liên Nghĩa", "Chợ Liên Nghĩa", "overview"),
    ("Liên Nghĩa", "Bến xe Đức Trọng", "ptz"),
    ("Liên Nghĩa", "Quốc lộ 20, cửa ngõ", "plate"),
    ("Hiệp An", "Ủy ban xã Hiệp An", "overview"),
    ("Hiệp An", "Chợ Hiệp An", "overview"),
    ("Đà Loan", "Trường học Đà Loan", "overview"),
]


@dataclass
class District:
    """A centre on disk with units, six cameras and an account; `say` speaks for its recorder."""

    folder: DataFolder
    database: Database
    cameras: dict[str, uuid.UUID] = field(default_factory=dict)

    def say(self, away: dict[str, str] | None = None, **changed: Any) -> None:
        """Let the recorder report: every camera records but those in `away` (name to reason)."""
        now = microseconds(utc_now())
        rows = [
            {
                "camera_id": camera_id,
                "recorder": "recorder",
                "state": "away" if name in (away or {}) else "recording",
                "reason": (away or {}).get(name, ""),
                "detail": "",
                "since_us": now - HOUR_US,
                "updated_us": now,
                "codec": "avc1.64001f",
                "width": 1280,
                "height": 720,
                "fps": 15.0,
                "bits_per_s": 2_000_000.0,
                "frames": 1,
                "lost_packets": 0,
                "reconnects": 0,
                "passed_us": HOUR_US,
                "recorded_us": HOUR_US,
                **changed,
            }
            for name, camera_id in self.cameras.items()
        ]
        with self.database.write() as session:
            index.replace_statuses(session, "recorder", rows)


def fill(database: Database) -> dict[str, uuid.UUID]:
    """Write the district's rows; returns the cameras by name."""
    now = utc_now()
    cameras: dict[str, uuid.UUID] = {}
    units: dict[str, Unit] = {}
    with database.write() as session:
        for number, (unit, name, kind) in enumerate(PLACES, 1):
            if unit not in units:
                columns = {"name": unit, "name_folded": text.fold(unit), "name_sort": text.sort_key(unit)}
                units[unit] = Unit(code=text.slug(unit), kind="commune", created_at=now, **columns)
                session.add(units[unit])
                session.flush()
            camera = Camera(
                number=number,
                name=name,
                name_folded=text.fold(name),
                name_sort=text.sort_key(name),
                folder=f"camera-{number}",
                unit_id=units[unit].id,
                kind=kind,
                url="rtsp://192.0.2.1/stream",
                created_at=now,
            )
            session.add(camera)
            session.flush()
            cameras[name] = camera.id
        for account, administrator in ((NAME, True), ("khach1", False)):
            session.add(
                Account(
                    name=account,
                    name_folded=account,
                    password_hash=hash_password(PASSWORD),
                    administrator=administrator,
                    created_at=now,
                )
            )
    return cameras


@pytest.fixture
def district(tmp_path: Path) -> Iterator[District]:
    """The district, recording, with nothing running."""
    (tmp_path / "centre").mkdir()
    settings = '[centre]\nname = "Đức Trọng"\n[web]\nport = 0\n[log]\nformat = "json"\n'
    (tmp_path / "centre" / FILE_NAME).write_text(settings, encoding="utf-8")
    folder = DataFolder.open(tmp_path / "centre")
    secrets.make_key(folder.key_path)
    database = folder.database()
    schema.upgrade(database)
    made = District(folder, database, fill(database))
    made.say()
    yield made
    database.close()


@pytest.fixture
def web_process(district: District) -> Iterator[Callable[..., str]]:
    """`web_process(port=0)`: starts the role `web` (again) and returns its address."""
    running: list[subprocess.Popen[bytes]] = []

    def stop() -> None:
        for process in running:
            process.terminate()
            assert process.wait(30) in (0, -signal.SIGKILL)
        running.clear()

    def start(port: int = 0) -> str:
        stop()
        environment = {**os.environ, "VONGGAC_WEB_PORT": str(port)}
        running.append(subprocess.Popen([sys.executable, "-c", _SERVE, str(district.folder.path)], env=environment))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with district.database.read() as session:
                query = sa.select(RoleRow.address).where(RoleRow.name == "web", RoleRow.pid == running[0].pid)
                if address := session.scalar(query):
                    return address
            assert running[0].poll() is None, "the role ended"
            time.sleep(0.05)
        raise AssertionError("the pages were not served within 30 s")

    yield start
    stop()


@pytest.fixture
def web(web_process: Callable[..., str]) -> str:
    """The address of the pages, served by a process of their own."""
    return web_process()


class Watch:
    """Everything a page complains of: console, scripts, requests that fail."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def over(self, page: Page) -> None:
        """Listen to a page."""
        page.on("console", lambda message: message.type in ("error", "warning") and self.note(message.text))
        page.on("pageerror", lambda error: self.note(str(error)))

    def note(self, complaint: str) -> None:
        """Keep a complaint."""
        self.complaints.append(complaint)


@pytest.fixture
def until() -> Callable[..., Any]:
    """Wait until a script says something true in a page, and return it.

    The page's own `wait_for_function` asks again with `eval`, which the pages' Content-Security-Policy refuses.
    """

    def wait(page: Page, script: str, timeout_ms: int = 30_000) -> Any:
        deadline = time.monotonic() + timeout_ms / 1000
        while not (said := page.evaluate(script)):
            assert time.monotonic() < deadline, f"not within {timeout_ms} ms: {script}"
            page.wait_for_timeout(50)
        return said

    return wait


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that asks for Vietnamese, without cookies."""
    context = browser.new_context(locale="vi-VN", viewport={"width": 1366, "height": 768})
    yield context
    context.close()


@pytest.fixture
def watch() -> Watch:
    """What the pages under test complained of; `logged_in` listens for it."""
    return Watch()


@pytest.fixture
def logged_in(context: BrowserContext, web: str, watch: Watch) -> Page:
    """The health page before a logged-in officer."""
    page = context.new_page()
    watch.over(page)
    page.goto(f"{web}/health")
    page.fill("#name", NAME)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{web}/health")  # not a pattern: /login?next=/health ends alike
    return page


class Client:
    """A program before the pages, in this process: keeps cookies, finds the token of forms."""

    def __init__(self, application: Any) -> None:
        transport = httpx.ASGITransport(application, client=("192.0.2.7", 40000), raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://centre.test")

    async def get(self, path: str, *, page: bool = True, **headers: str) -> httpx.Response:
        """Fetch a page (or, as a program does, something else)."""
        kind = {"accept": "text/html"} if page else {}
        return await self.http.get(
            path, headers=kind | {name.replace("_", "-"): text for name, text in headers.items()}
        )

    async def post(
        self, path: str, form: dict[str, str], *, token: str | None = None, **headers: str
    ) -> httpx.Response:
        """Send a form with the token that the log-in page or the health page carries."""
        token = await self.token() if token is None else token
        kind = {"accept": "text/html"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return await self.http.post(path, data=form | {"csrf": token}, headers=kind)

    async def token(self) -> str:
        """The token of the forms on the page that this client sees."""
        answer = await self.get("/login")
        if answer.status_code == 303:
            answer = await self.get("/health")
        found = re.search(r'name="csrf" value="([^"]+)"', answer.text)
        assert found
        return found[1]

    async def log_in(self, name: str = NAME, password: str = PASSWORD, following: str = "/") -> httpx.Response:
        """Log in."""
        return await self.post("/login", {"name": name, "password": password, "next": following})


@pytest.fixture
def application(district: District) -> Any:
    """The application of the district in this process, with a bundle of empty files."""
    scripts = {f"{name}.js": b"// scripts" for name in ("main", "wall", "playback", "camera", "clips")}
    bundle = Bundle({**scripts, "style.css": b"* { color: red }" * 100, "icon.svg": b"<svg/>"})
    return make_application(
        district.folder.settings,
        district.database,
        CollectorRegistry(),
        bundle=bundle,
        open_box=district.folder.secret_box,
    )


@pytest.fixture
def client(application: Any) -> Client:
    """A client that is not logged in."""
    return Client(application)
