"""The pages as an officer meets them: Debian's Chromium against the real role."""

from __future__ import annotations

import os
import signal
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from vonggac.core.clock import microseconds, utc_now
from vonggac.core.presence import alive
from vonggac.org import accounts
from vonggac.org.models import LoginSession
from vonggac.video import stills
from vonggac.video.models import Still

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def cell(page: Page, district: Any, name: str, which: str) -> Any:
    """The cell of a camera's row."""
    return page.locator(f'#camera-{district.cameras[name].hex} [data-cell="{which}"]')


def expect_text(locator: Any, text: str) -> None:
    expect(locator).to_have_text(text, timeout=20_000)


def wanted_until(district: Any, camera: uuid.UUID) -> int:
    """Until when somebody wants a camera's still."""
    with district.database.read() as session:
        found = session.get(Still, camera)
        return found.wanted_until_us if found else 0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; the limit only ends a test that would otherwise hang."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def test_a_wrong_password_is_refused_and_a_right_one_leads_on(context: BrowserContext, web: str, watch: Any) -> None:
    page = context.new_page()
    page.goto(f"{web}/health?state=away")
    assert page.url.startswith(f"{web}/login?next=")
    page.fill("#name", "trucban1")
    page.fill("#password", "không phải mật khẩu")
    page.keyboard.press("Enter")
    expect_text(page.locator("[role=alert]"), "Tên tài khoản hoặc mật khẩu không đúng.")
    assert page.input_value("#password") == ""
    watch.over(page)
    page.fill("#password", "một mật khẩu dài")
    page.keyboard.press("Enter")
    page.wait_for_url("**/health?state=away")
    assert watch.complaints == []


def test_every_camera_stands_on_the_page_with_what_it_does(logged_in: Page, district: Any, watch: Any) -> None:
    assert logged_in.locator(".camera").count() == len(district.cameras)
    expect_text(cell(logged_in, district, "Chợ Hiệp An", "state"), "Đang ghi")
    expect_text(cell(logged_in, district, "Chợ Hiệp An", "share"), "100%")
    expect_text(logged_in.locator('[data-total="recording"]'), "6/6")
    assert watch.complaints == []


def test_what_the_recorder_reports_is_seen_without_a_reload(logged_in: Page, district: Any, watch: Any) -> None:
    logged_in.evaluate("window.same = true")
    district.say({"Chợ Hiệp An": "unauthorised"}, lost_packets=1234, recorded_us=3_599_000_000)
    expect_text(cell(logged_in, district, "Chợ Hiệp An", "state"), "Mất tín hiệu")
    expect_text(cell(logged_in, district, "Chợ Hiệp An", "why"), "Sai tên hoặc mật khẩu camera")
    expect_text(cell(logged_in, district, "Bến xe Đức Trọng", "share"), "99,97%")
    title = cell(logged_in, district, "Bến xe Đức Trọng", "share").get_attribute("title")
    assert title == "ghi được 3.599 giây trên 3.600 giây đã trôi qua"
    expect_text(logged_in.locator('[data-total="recording"]'), "5/6")
    assert logged_in.locator("[data-trouble]").is_visible()
    district.say()
    expect_text(cell(logged_in, district, "Chợ Hiệp An", "state"), "Đang ghi")
    logged_in.locator("[data-trouble]").wait_for(state="hidden")
    assert logged_in.evaluate("window.same") is True
    assert watch.complaints == []


def test_the_search_finds_without_accents_as_one_types(logged_in: Page) -> None:
    logged_in.keyboard.press("/")
    logged_in.keyboard.type("cho hiep")
    shown = logged_in.locator(".camera:visible")
    expect_text(logged_in.locator("[data-count]"), "Hiển thị 1/6 camera")
    assert "Chợ Hiệp An" in shown.first.inner_text()
    logged_in.keyboard.press("Escape")
    expect_text(logged_in.locator("[data-count]"), "Hiển thị 6/6 camera")
    logged_in.select_option('[data-filter="unit"]', label="Liên Nghĩa")
    expect_text(logged_in.locator("[data-count]"), "Hiển thị 3/6 camera")
    assert "unit=" in logged_in.url


def test_cameras_are_sorted_by_trouble_and_back_by_unit(logged_in: Page, district: Any) -> None:
    first = logged_in.locator(".camera").first
    by_unit = first.get_attribute("data-number")
    district.say({"Trường học Đà Loan": "timed_out"})
    expect_text(cell(logged_in, district, "Trường học Đà Loan", "state"), "Mất tín hiệu")
    logged_in.select_option("[data-sort]", "trouble")
    assert "Trường học Đà Loan" in first.inner_text()
    logged_in.reload()
    assert "Trường học Đà Loan" in first.inner_text()
    logged_in.select_option("[data-sort]", "unit")
    logged_in.wait_for_url(lambda url: "sort" not in url)
    logged_in.locator(".group").first.wait_for()
    assert first.get_attribute("data-number") == by_unit


def test_language_and_theme_are_switched_and_kept(logged_in: Page, watch: Any) -> None:
    assert logged_in.locator("html").get_attribute("lang") == "vi"
    logged_in.click('button[value="en"]')
    expect_text(logged_in.locator("nav.main a[aria-current]"), "Health")
    grounds = []
    for theme in ("light", "dim", "dark"):
        logged_in.click(f'button[value="{theme}"]')
        logged_in.locator(f'html[data-theme="{theme}"]').wait_for()
        grounds.append(logged_in.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(set(grounds)) == 3
    logged_in.reload()
    expect_text(logged_in.locator("nav.main a[aria-current]"), "Health")
    assert watch.complaints == []


def test_the_keyboard_reaches_everything_and_shows_where_it_is(logged_in: Page) -> None:
    logged_in.keyboard.press("Tab")
    assert logged_in.evaluate("document.activeElement.className") == "skip"
    logged_in.keyboard.press("Enter")
    assert logged_in.evaluate("document.activeElement.id") == "content"
    reached = set()
    for _ in range(20):
        logged_in.keyboard.press("Tab")
        style = "getComputedStyle(document.activeElement)"
        reached.add(logged_in.evaluate("document.activeElement.name || document.activeElement.dataset.view || ''"))
        assert logged_in.evaluate(f"{style}.outlineStyle") == "solid"
        if "table" in reached:
            break
    assert {"q", "state", "unit", "sort", "cards", "table"} <= reached
    logged_in.keyboard.press("Enter")
    assert logged_in.locator("table.as-table").count() == 1


def test_the_page_fits_a_phone(logged_in: Page) -> None:
    for view in ("table", "cards"):
        logged_in.click(f'[data-view="{view}"]')
        for width in (390, 320):
            logged_in.set_viewport_size({"width": width, "height": 800})
            assert logged_in.evaluate("document.documentElement.scrollWidth") <= width


def test_a_still_is_wanted_only_while_the_page_is_open_and_an_old_one_says_its_age(
    logged_in: Page, district: Any, watch: Any
) -> None:
    camera = district.cameras["Chợ Hiệp An"]
    row = logged_in.locator(f"#camera-{camera.hex}")
    jpeg = _picture()
    wait_until(lambda: wanted_until(district, camera) > microseconds(utc_now()), "the page's wish")
    now = microseconds(utc_now())
    with district.database.write() as session:
        assert stills.still(session, camera) is None
        stills.keep(session, [(camera, now, jpeg)])
    row.locator("img").wait_for(state="visible", timeout=20_000)
    assert not row.locator(".age").is_visible()
    # What counts is when it was taken: a picture of a minute ago is no picture of now.
    old = district.cameras["Bến xe Đức Trọng"]
    with district.database.write() as session:
        stills.keep(session, [(old, now - 60_000_000, jpeg)])
    stale = logged_in.locator(f"#camera-{old.hex}.stale .age")
    stale.wait_for(state="visible", timeout=20_000)
    assert "phút" in stale.inner_text() or "giây" in stale.inner_text()
    assert watch.complaints == []


def test_a_lost_centre_is_said_and_comes_back_by_itself(
    logged_in: Page, district: Any, web_process: Callable[..., str], web: str
) -> None:
    lost = logged_in.locator('[data-banner="lost"]')
    with district.database.read() as session:
        os.kill(alive(session, "web")[0].pid, signal.SIGKILL)
    lost.wait_for(state="visible", timeout=20_000)
    district.say({"Chợ Hiệp An": "refused"})
    assert web_process(int(web.rpartition(":")[2])) == web
    lost.wait_for(state="hidden", timeout=30_000)
    expect_text(cell(logged_in, district, "Chợ Hiệp An", "why"), "Camera từ chối kết nối")


def test_a_silent_recorder_makes_the_data_old_and_says_so(logged_in: Page, district: Any) -> None:
    minute_ago = microseconds(utc_now()) - 60_000_000
    district.say(updated_us=minute_ago)
    expect_text(cell(logged_in, district, "Chợ Hiệp An", "state"), "Không có tin")
    banner = logged_in.locator('[data-banner="old"]')
    banner.wait_for(state="visible", timeout=20_000)
    assert "1 phút" in banner.inner_text()


def test_a_session_that_ends_closes_the_page_for_good(logged_in: Page, district: Any) -> None:
    with district.database.write() as session:
        for login in session.query(LoginSession):
            accounts.close_session(session, login.token_hash)
    district.say()
    ended = logged_in.locator('[data-banner="ended"]')
    ended.wait_for(state="visible", timeout=30_000)
    assert logged_in.locator('[data-banner="ended"] a').get_attribute("href") == "/login?next=/health"


def test_who_logs_out_is_out(logged_in: Page, web: str, district: Any) -> None:
    logged_in.click(".leave button")
    logged_in.wait_for_url("**/login")
    logged_in.goto(f"{web}/health")
    assert "/login" in logged_in.url
    with district.database.read() as session:
        assert session.query(LoginSession).count() == 0


def _picture() -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (320, 180), (40, 90, 60)).save(out, "JPEG")
    return out.getvalue()
