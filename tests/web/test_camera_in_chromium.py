"""A camera added by an officer: checked, seen, recorded. Debian's Chromium, a whole centre, GStreamer's camera."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from vonggac.cameras import service
from vonggac.cameras.models import Camera
from vonggac.cameras.schemas import CameraChanges
from vonggac.core.datafolder import DataFolder
from vonggac.core.presence import RoleRow
from vonggac.video.models import Recording

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECRET = "bi-mat-cua-camera"
WAIT_MS = 90_000
ANYWHERE = {
    "VONGGAC_WEB_PORT": "0",
    "VONGGAC_METRICS_RECORDER_PORT": "-1",
    "VONGGAC_METRICS_KEEPER_PORT": "-1",
    "VONGGAC_STORAGE_RESERVE_MB": "16",
    "VONGGAC_LOG_FORMAT": "json",
}


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for something true and return it; the limit only ends a test that would otherwise hang."""
    deadline = time.monotonic() + 90
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)
    return found


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[tuple[DataFolder, str]]:
    """A centre without a camera, all its roles running, and the address of its pages."""
    path = tmp_path / "centre"
    (tmp_path / "password").write_text("một mật khẩu dài\n", "utf-8")
    command = [sys.executable, "-m", "vonggac"]
    admin = ["--admin", "trucban1", "--password-file", str(tmp_path / "password")]
    subprocess.run([*command, "init", str(path), *admin], check=True, capture_output=True, timeout=120)
    running = subprocess.Popen([*command, "up", "--data", str(path)], env=os.environ | ANYWHERE)
    folder = DataFolder.open(path)
    database = folder.database(threads=1)

    def address() -> str:
        with database.read() as session:
            return session.scalar(sa.select(RoleRow.address).where(RoleRow.name == "web")) or ""

    try:
        yield folder, wait_until(address, "the pages")
    finally:
        running.terminate()
        running.wait(60)
        database.close()


def log_in(context: BrowserContext, address: str, path: str) -> Page:
    page = context.new_page()
    page.goto(f"{address}{path}")
    page.fill("#name", "trucban1")
    page.fill("#password", "một mật khẩu dài")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{path}")
    return page


def test_a_camera_is_added_by_its_address_seen_and_recorded(
    context: BrowserContext,
    centre: tuple[DataFolder, str],
    watch: Any,
    gst_server: Any,
    clip: Any,
    until: Callable[..., Any],
) -> None:
    folder, address = centre
    foreign = gst_server([clip("street-cars.mp4")], user="admin", password=SECRET)
    page = log_in(context, address, "/cameras")
    watch.over(page)
    page.click("text=Thêm camera đầu tiên")
    page.wait_for_url("**/cameras/new")

    # A wrong address first, then a wrong password: both are told, and nothing that was typed is gone.
    page.fill("#f-name", "Chợ Liên Nghĩa, cổng Bắc")
    page.fill("#f-url", "192.0.2.1")
    page.click("[data-check-start]")
    expect(page.locator("[data-check-problem]")).to_contain_text("phải bắt đầu bằng rtsp://", timeout=WAIT_MS)
    assert page.evaluate("document.activeElement.id") == "f-url"
    watch.complaints.clear()  # the browser names the refused request in its console
    page.fill("#f-url", foreign.open_url)
    page.fill("#f-user", "admin")
    page.fill("#f-password", "sai")
    page.keyboard.press("Enter")
    expect(page.locator("[data-verdict]")).to_contain_text("Sai tên hoặc mật khẩu", timeout=WAIT_MS)
    assert page.input_value("#f-name") == "Chợ Liên Nghĩa, cổng Bắc"

    page.fill("#f-password", SECRET)
    page.keyboard.press("Enter")
    expect(page.locator("[data-verdict]")).to_contain_text("Camera này ghi được", timeout=WAIT_MS)
    assert page.locator("[data-steps] li").count() == 6
    expect(page.locator("[data-picture] img")).to_be_visible(timeout=WAIT_MS)
    assert page.evaluate("document.querySelector('[data-picture] img').naturalWidth") > 0
    assert watch.complaints == []

    # Without a name the server sends the form back: the password is still known from the check.
    page.fill("#f-name", "")
    page.click("button:has-text('Thêm camera')")
    page.wait_for_selector("#problems")
    assert page.input_value("#f-password") == ""
    watch.complaints.clear()
    expect(page.locator("[data-verdict]")).to_contain_text("Camera này ghi được", timeout=WAIT_MS)
    page.fill("#f-name", "Chợ Liên Nghĩa, cổng Bắc")
    page.click("summary:has-text('Hồ sơ')")
    page.fill("#f-guarantee_until", "2020-01-31")
    page.click("button:has-text('Thêm camera')")
    page.wait_for_url("**/cameras/1?notice=added")

    expect(page.locator('[data-present="words"]')).to_have_text("Đang ghi", timeout=WAIT_MS)
    until(page, "document.querySelector('[data-watch] video')?.currentTime > 0", WAIT_MS)
    expect(page.locator("main")).to_contain_text("Đã hết bảo hành")
    database = folder.database(threads=1)

    def recorded() -> bool:
        with database.read() as session:
            return session.scalar(sa.select(sa.func.count()).select_from(Recording)) > 0  # type: ignore[operator]

    wait_until(recorded, "a recording")
    with database.read() as session:
        camera = session.scalars(sa.select(Camera)).one()
        assert service.stream_url(camera, folder.secret_box()) == foreign.url()
    database.close()

    # The picture of the check is the one at installation; beside it the one of now, at full size.
    page.reload()
    then, now = page.locator(".compare .then img"), page.locator(".compare .now img")
    expect(then).to_be_visible(timeout=WAIT_MS)
    expect(now).to_be_visible(timeout=WAIT_MS)
    until(page, "[...document.querySelectorAll('.compare img')].every(one => one.naturalWidth > 320)")
    page.click("[data-way=over]")
    assert page.evaluate("document.activeElement.hasAttribute('data-split')")
    before = then.evaluate("one => getComputedStyle(one).clipPath")
    page.keyboard.press("ArrowRight")
    assert then.evaluate("one => getComputedStyle(one).clipPath") != before
    assert SECRET not in page.content()
    assert watch.complaints == []


def test_the_list_finds_as_one_types_and_keeps_its_states_current(logged_in: Page, district: Any, watch: Any) -> None:
    page = logged_in
    page.click("nav >> text=camera")
    page.wait_for_url("**/cameras")
    page.keyboard.press("/")
    page.keyboard.type("hiep an")
    expect(page.locator(".entry:visible")).to_have_count(2, timeout=WAIT_MS)
    assert page.url.endswith("/cameras?q=hiep+an")
    expect(page.locator("[data-count]")).to_have_text("Hiển thị 2/6 camera")
    district.say({"Chợ Hiệp An": "refused"})
    expect(page.locator(".entry:visible", has_text="Chợ Hiệp An")).to_contain_text("Mất tín hiệu", timeout=WAIT_MS)
    page.reload()
    expect(page.locator(".entry:visible")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("khong co")
    expect(page.locator("[data-empty]")).to_be_visible()
    assert watch.complaints == []


def test_a_conflict_is_shown_beside_the_fields_and_saving_again_means_it(
    logged_in: Page, district: Any, web: str, watch: Any
) -> None:
    page = logged_in
    page.goto(f"{web}/cameras/1/edit")
    page.fill("#f-owner", "Ủy ban nhân dân xã")
    with district.database.write() as session:
        camera = session.get_one(Camera, district.cameras["Chợ Liên Nghĩa"])
        changes = CameraChanges(record={"owner": "Công an xã", "place": "Cổng Bắc"})
        service.edit_camera(session, district.folder.secret_box(), camera, changes)
    page.click("button:has-text('Lưu')")
    expect(page.locator("#problems")).to_contain_text("người khác đã sửa", timeout=WAIT_MS)
    watch.complaints.clear()  # the browser names the status 409 in its console
    assert page.evaluate("document.activeElement.id") == "problems"
    assert page.input_value("#f-owner") == "Ủy ban nhân dân xã"
    expect(page.locator("#c-owner")).to_contain_text("Công an xã")
    page.fill("#f-place", "Cổng Bắc")
    page.click("button:has-text('Lưu')")
    page.wait_for_url("**/cameras/1?notice=saved")
    with district.database.read() as session:
        camera = session.get_one(Camera, district.cameras["Chợ Liên Nghĩa"])
        assert (camera.owner, camera.place) == ("Ủy ban nhân dân xã", "Cổng Bắc")
    assert watch.complaints == []
