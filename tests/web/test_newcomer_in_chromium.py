"""A newcomer before the pages: visible links only, three actions at most for each thing that he wants, no error."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from peers.chromium import chromium
from peers.gst import GstCamera
from peers.numbered import NumberedClip, NumberUnreadable, read_numbers, rendered
from peers.past import first_number, numbered_loop, record_past
from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.core.datafolder import DataFolder
from vonggac.core.i18n import translations
from vonggac.core.presence import RoleRow
from vonggac.org.models import Account
from vonggac.video.clips import service
from vonggac.video.clips.models import Clip
from vonggac.video.models import CameraStatus

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from peers.material import Material

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

NAME, PASSWORD = "trucban1", "một mật khẩu dài"
CAMERAS = 10
WANTED, WANTED_NUMBER = "Chợ Liên Nghĩa", 10
"""Its place is behind the nine that the wall shows at first."""
TIMES = "VONGGAC_NEWCOMER_TIMES"
"""A file in which `bench/newcomer.py` wants to read how long each thing took."""
PURPOSE = "Vụ va chạm giao thông, hồ sơ 17"
MOST_ACTIONS = 3
LONG_MS = 90_000
PICTURES = NumberedClip(width=320, height=180, fps=5, seconds=600, group_seconds=2, bits_per_second=60_000)
GROUP_US = 2_000_000
PAST = timedelta(hours=13, minutes=30), timedelta(hours=14, minutes=30)
"""What is recorded of yesterday."""
MOMENT = timedelta(hours=14, minutes=3)
ANYWHERE = {
    "VONGGAC_WEB_PORT": "0",
    "VONGGAC_METRICS_RECORDER_PORT": "-1",
    "VONGGAC_METRICS_KEEPER_PORT": "-1",
    "VONGGAC_STORAGE_RESERVE_MB": "16",
    "VONGGAC_LOG_FORMAT": "json",
}
COMMAND = [sys.executable, "-m", "vonggac"]


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for something true and return it; the limit only ends a test that would otherwise hang."""
    deadline = time.monotonic() + LONG_MS / 1000
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)
    return found


@dataclass
class Centre:
    """A centre with all its roles running, whose cameras have a yesterday."""

    folder: DataFolder
    address: str
    yesterday_us: int
    """Midnight in the centre's zone."""
    first: int
    """Number of the picture of the wanted camera with which its past begins."""

    @property
    def moment_ms(self) -> int:
        """14:03 of yesterday."""
        return (self.yesterday_us + MOMENT // timedelta(microseconds=1)) // 1000

    def picture_at(self, ms: float) -> int:
        """Return the number of the picture that the wanted camera showed at a moment of yesterday."""
        since_ms = ms - (self.yesterday_us + PAST[0] // timedelta(microseconds=1)) / 1000
        return (self.first + int(since_ms * PICTURES.fps / 1000 + 1e-6)) % PICTURES.pictures

    def ask_for_clip(self) -> None:
        """Let him have asked for a clip before."""
        database = self.folder.database(threads=1)
        with database.write() as session:
            account_id = session.scalars(sa.select(Account.id).where(Account.name == NAME)).one()
            camera_id = session.scalars(sa.select(Camera.id).where(Camera.name == WANTED)).one()
            span = self.moment_ms * 1000, self.moment_ms * 1000 + 10_000_000
            asked = service.Asked(camera_id, account_id, NAME, *span, PURPOSE)
            service.ask(session, asked, microseconds(utc_now()), self.folder.settings.clips)
        database.close()

    def clip(self) -> Clip:
        """Return the clip that was asked for last."""
        database = self.folder.database(threads=1)
        with database.read() as session:
            found = session.scalars(sa.select(Clip).order_by(Clip.asked_at.desc())).first()
        database.close()
        assert found is not None
        return found


def fill(path: Path, cameras: GstCamera, material: Material) -> tuple[int, int]:
    """Make the centre, its cameras and their yesterday; returns its midnight and the wanted camera's first picture."""
    password = path.with_name("password")
    password.write_text(f"{PASSWORD}\n", "utf-8")
    commands = [["init", str(path), "--admin", NAME, "--password-file", str(password)]]
    names = [f"Ngã tư số {number}" for number in range(1, CAMERAS)] + [WANTED]
    commands += [["camera", "add", name, cameras.url(number)] for number, name in enumerate(names, 1)]
    for command in commands:
        subprocess.run(
            [*COMMAND, *command],
            env=os.environ | {"VONGGAC_DATA": str(path)},
            check=True,
            capture_output=True,
            timeout=120,
        )
    folder = DataFolder.open(path)
    zone = ZoneInfo(folder.settings.centre.zone)
    today = utc_now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday_us = microseconds(today - timedelta(days=1))
    database = folder.database(threads=1)
    with database.read() as session:
        ids: list[uuid.UUID] = list(session.scalars(sa.select(Camera.id).order_by(Camera.number)))
    loop = numbered_loop(material.cache, PICTURES)
    span = [yesterday_us + part // timedelta(microseconds=1) for part in PAST]
    record_past(database, folder.media_paths[0], ids, loop, span[0], span[1])
    database.close()
    return yesterday_us, first_number(WANTED_NUMBER, loop)


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory, material: Material) -> Iterator[Centre]:
    """Ten cameras of GStreamer, recorder, keeper and pages; all tests of this file share it."""
    path = tmp_path_factory.mktemp("newcomer") / "centre"
    with GstCamera([rendered(PICTURES, material.cache)], mounts=CAMERAS) as cameras:
        yesterday_us, first = fill(path, cameras, material)
        running = subprocess.Popen([*COMMAND, "up", "--data", str(path)], env=os.environ | ANYWHERE)
        folder = DataFolder.open(path)
        database = folder.database(threads=1)

        def address() -> str:
            with database.read() as session:
                return session.scalar(sa.select(RoleRow.address).where(RoleRow.name == "web")) or ""

        def recorded() -> bool:
            query = sa.select(sa.func.count()).select_from(CameraStatus).where(CameraStatus.state == "recording")
            with database.read() as session:
                return session.scalar(query) == CAMERAS

        try:
            found = wait_until(address, "the pages")
            wait_until(recorded, "all cameras to be recorded")
            yield Centre(folder, found, yesterday_us, first)
        finally:
            running.terminate()
            running.wait(60)
            database.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the file."""
    with chromium() as running:
        yield running


class Newcomer:
    """Somebody who has a log-in and nothing else: sees what is visible, and every action of his is counted."""

    def __init__(self, page: Page, language: str) -> None:
        self.page = page
        self.say: Callable[[str], str] = translations(language).gettext
        self.actions: list[str] = []
        self.began = 0.0
        self.complaints: list[str] = []
        page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "response", lambda answer: answer.status >= 400 and self.complaints.append(f"{answer.status} {answer.url}")
        )

    def act(self, what: str, do: Callable[[], object]) -> None:
        """Do one thing: a click, a typed text with Enter, or a choice."""
        if not self.actions:
            self.began = time.monotonic()
        self.actions.append(what)
        do()

    def click(self, one: Locator) -> None:
        """Click what is there to be seen."""
        self.act(f"click {one}", lambda: one.click(timeout=LONG_MS))

    def type(self, field: Locator, text: str) -> None:
        """Type a text and press Enter."""

        def typed() -> None:
            field.fill(text, timeout=LONG_MS)
            field.press("Enter")

        self.act(f"type {text}", typed)

    def link(self, name: str) -> Locator:
        """A link by its words in English."""
        return self.page.get_by_role("link", name=self.say(name), exact=True)

    def button(self, name: str) -> Locator:
        """A button by its words in English."""
        return self.page.get_by_role("button", name=self.say(name), exact=True)

    def log_in(self, address: str) -> None:
        """Come in at the only address he was told."""
        self.page.goto(address)
        self.page.get_by_label(self.say("Account name"), exact=True).fill(NAME)
        self.page.get_by_label(self.say("Password"), exact=True).fill(PASSWORD)
        self.page.keyboard.press("Enter")
        menu = self.page.get_by_role("navigation", name=self.say("Main menu"))
        expect(menu).to_be_visible(timeout=LONG_MS)
        for link in menu.get_by_role("link").all():
            expect(link).to_be_in_viewport(ratio=1)

    def has(self, what: str) -> None:
        """It took three actions at most, and nothing complained; the next thing begins."""
        assert len(self.actions) <= MOST_ACTIONS, self.actions
        assert self.complaints == []
        if kept := os.environ.get(TIMES):
            told = {"what": what, "actions": len(self.actions), "seconds": time.monotonic() - self.began}
            with Path(kept).open("a", encoding="utf-8") as file:
                file.write(json.dumps(told) + "\n")
        self.actions.clear()


SCREENS: dict[str, dict[str, Any]] = {
    "large": {"viewport": {"width": 1920, "height": 1080}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


@pytest.fixture(params=["vi-large", "vi-phone", "en-large"])
def newcomer(request: pytest.FixtureRequest, browser: Browser, centre: Centre) -> Iterator[Newcomer]:
    """A newcomer who has just logged in, before a large screen or a telephone."""
    language, _, screen = request.param.partition("-")
    context = browser.new_context(locale={"vi": "vi-VN", "en": "en-GB"}[language], **SCREENS[screen])
    one = Newcomer(context.new_page(), language)
    one.log_in(centre.address)
    yield one
    context.close()


def shown(video: Locator, tmp_path: Path) -> int:
    """Return the number of the picture that a video shows now; -1: none."""
    drawn = video.evaluate(
        """one => {
          if (!one.videoWidth) return "";
          const canvas = document.createElement("canvas");
          canvas.width = one.videoWidth;
          canvas.height = one.videoHeight;
          canvas.getContext("2d").drawImage(one, 0, 0);
          return canvas.toDataURL("image/jpeg", 0.95).split(",")[1];
        }"""
    )
    if not drawn:
        return -1
    (tmp_path / "shown.jpg").write_bytes(base64.b64decode(drawn))
    try:
        return read_numbers(tmp_path / "shown.jpg")[0]
    except NumberUnreadable:
        return -1


def expect_live(place: Locator, tmp_path: Path) -> None:
    """Wait until the present is shown there, and moves."""
    expect(place).to_be_visible()
    expect(place).to_have_attribute("data-live", "live", timeout=LONG_MS)
    seen = {-1}
    wait_until(lambda: seen.add(shown(place.locator("video"), tmp_path)) or len(seen) > 5, "moving pictures")


def expect_moment(newcomer: Newcomer, centre: Centre, tmp_path: Path) -> None:
    """Wait until the playback page plays the minute from 14:03 of yesterday on."""
    tile = newcomer.page.get_by_role("group", name=f"{WANTED_NUMBER} {WANTED}", exact=True)
    minute = [centre.picture_at(centre.moment_ms + part * 200) for part in range(60 * 5)]
    seen: set[int] = set()

    def moves() -> bool:
        seen.update({shown(tile.locator("video"), tmp_path)} & set(minute))
        return len(seen) > 5

    wait_until(moves, "pictures of 14:03 that move")
    expect(newcomer.page.locator("[data-part=time]")).to_contain_text("14:03:")
    expect(newcomer.button("Pause")).to_be_visible()


def copy_clip(newcomer: Newcomer, centre: Centre, judge: Any) -> None:
    """Copy what is played into a file, and let ffmpeg look at it."""
    newcomer.click(newcomer.button("Copy clip"))
    newcomer.type(newcomer.page.get_by_label(newcomer.say("Purpose")), PURPOSE)
    with newcomer.page.expect_download(timeout=LONG_MS) as coming:
        newcomer.click(newcomer.link("Download"))
    file = Path(coming.value.path())
    clip = centre.clip()
    begins = centre.moment_ms * 1000 - 30_000_000
    assert begins <= clip.from_us < begins + 60_000_000, "it is not of the moment that he saw"
    assert clip.start_us is not None
    assert clip.from_us - GROUP_US < clip.start_us <= clip.from_us
    local = utc(clip.from_us).astimezone(ZoneInfo(centre.folder.settings.centre.zone))
    assert coming.value.suggested_filename == f"{WANTED_NUMBER} {WANTED} {local:%Y-%m-%d %H.%M.%S}.mp4"
    assert judge.complaints(file) == ""
    numbers = read_numbers(file)
    assert numbers[0] in (centre.picture_at(clip.start_us / 1000), centre.picture_at(clip.from_us / 1000))
    assert len(numbers) >= 60 * PICTURES.fps


def test_he_finds_them_from_the_wall(newcomer: Newcomer, centre: Centre, judge: Any, tmp_path: Path) -> None:
    page = newcomer.page
    expect(page).to_have_title(f"{newcomer.say('Wall')} · {centre.folder.settings.centre.name}")
    search = page.get_by_label(newcomer.say("Search by number, name or unit (with or without accents)")).first
    expect(page.locator(".tree-camera").first).to_be_attached(timeout=LONG_MS)
    if not search.is_visible():
        newcomer.click(page.get_by_role("button", name=newcomer.say("Cameras")))
    newcomer.type(search, "cho lien nghia")
    tile = page.locator(".tile", has_text=WANTED)
    expect_live(tile.locator(".picture"), tmp_path)
    newcomer.has("a named camera live")

    newcomer.click(tile.get_by_role("button"))
    newcomer.click(page.get_by_role("menuitem", name=newcomer.say("See again from 30 s ago")))
    newcomer.type(page.get_by_role("textbox", name=newcomer.say("Go to a time"), exact=True), yesterday(newcomer))
    expect_moment(newcomer, centre, tmp_path)
    newcomer.has("14:03 of yesterday")

    copy_clip(newcomer, centre, judge)
    newcomer.has("a clip of it in a file")


def test_he_finds_them_from_the_list_of_cameras(newcomer: Newcomer, centre: Centre, judge: Any, tmp_path: Path) -> None:
    page = newcomer.page
    newcomer.click(page.get_by_role("navigation").get_by_role("link", name=newcomer.say("Cameras"), exact=True))
    newcomer.type(page.get_by_role("searchbox"), "cho lien nghia")
    newcomer.click(newcomer.page.get_by_role("link", name=WANTED, exact=True))
    picture = page.get_by_role("group", name=newcomer.say("Live picture of {name}").format(name=WANTED))
    expect_live(picture, tmp_path)
    newcomer.has("a named camera live")

    newcomer.click(page.get_by_role("main").get_by_role("link", name=newcomer.say("Playback"), exact=True))
    newcomer.type(page.get_by_role("textbox", name=newcomer.say("Go to a time"), exact=True), yesterday(newcomer))
    expect_moment(newcomer, centre, tmp_path)
    newcomer.has("14:03 of yesterday")

    copy_clip(newcomer, centre, judge)
    newcomer.has("a clip of it in a file")


def test_he_finds_the_clip_again_that_he_left(newcomer: Newcomer, centre: Centre, judge: Any) -> None:
    page = newcomer.page
    centre.ask_for_clip()
    newcomer.click(page.get_by_role("navigation").get_by_role("link", name=newcomer.say("Playback"), exact=True))
    newcomer.click(page.get_by_role("link", name=newcomer.say("Copied clips")))
    with page.expect_download(timeout=LONG_MS) as coming:
        newcomer.click(page.get_by_role("link", name=newcomer.say("Fetch the file")).first)
    assert judge.complaints(Path(coming.value.path())) == ""
    newcomer.has("a clip that was copied before")


def yesterday(newcomer: Newcomer) -> str:
    """What the field's example says."""
    return newcomer.say("Go to: 14:03 yesterday").partition(": ")[2]
