"""The account and the faults as an officer meets them: Debian's Chromium against the real role."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from peers.seeding import DAY, HOUR, Seeding
from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds, utc
from vonggac.core.faults import clear_fault, raise_fault
from vonggac.core.said import Said
from vonggac.video.models import GapReason

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

MARCH = microseconds(datetime(2026, 3, 1, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh")))


@pytest.fixture
def account(district: Any, logged_in: Page, web: str) -> Page:
    """The account of March 2026, in which camera 3 was away for two days and camera 5 for an hour."""
    seeding = Seeding(district.database, district.folder.path / "media")
    with district.database.write() as session:
        session.execute(sa.update(Camera).values(created_at=utc(MARCH)))
        numbers = dict(session.execute(sa.select(Camera.number, Camera.id)).all())
    away = {3: 2 * DAY, 5: HOUR}
    for number, key in numbers.items():
        gaps = [(MARCH + DAY, MARCH + DAY + away[number], GapReason.TIMED_OUT)] if number in away else []
        seeding.life(key, MARCH, MARCH + 31 * DAY, gaps)
    logged_in.goto(f"{web}/health/account?month=2026-03")
    return logged_in


def numbers(page: Page) -> list[str]:
    return [row.get_attribute("data-number") or "" for row in page.locator("[data-number]").all()]


def test_it_is_found_from_the_health_page_and_shown_under_it(logged_in: Page, watch: Any) -> None:
    logged_in.get_by_role("link", name="Thời gian ghi hình").click()
    logged_in.wait_for_url("**/health/account")
    expect(logged_in.locator("nav.main a[aria-current]")).to_have_attribute("aria-current", "true")
    expect(logged_in.locator("nav.tabs [aria-current]")).to_have_text("Thời gian ghi hình")
    assert watch.complaints == []


def test_a_month_is_chosen_and_stays_in_the_address(account: Page) -> None:
    account.select_option('select[name="month"]', "2026-04")
    account.get_by_role("button", name="Xem").click()
    account.wait_for_url("**/health/account?month=2026-04")
    expect(account.locator("h1")).to_have_text("Thời gian ghi hình · Tháng 4 năm 2026")
    account.get_by_role("link", name="Tháng 3 năm 2026").click()
    expect(account.locator("h1")).to_have_text("Thời gian ghi hình · Tháng 3 năm 2026")


def test_cameras_are_sorted_by_their_headings_and_lead_to_their_gaps(account: Page, watch: Any) -> None:
    assert numbers(account)[:2] == ["3", "5"]
    account.get_by_role("link", name="Số", exact=True).click()
    account.wait_for_url("**sort=number**")
    assert numbers(account) == ["1", "2", "3", "4", "5", "6"]
    expect(account.locator('[aria-sort="ascending"]')).to_have_text("Số")
    account.get_by_role("link", name="Quốc lộ 20, cửa ngõ").click()
    account.wait_for_url("**/health/account/3?month=2026-03")
    expect(account.locator(".gaps tbody tr")).to_have_count(1)
    expect(account.locator(".gaps .c-lasts").last).to_have_text("48:00:00")
    assert watch.complaints == []


def test_the_csv_is_a_file(account: Page) -> None:
    with account.expect_download() as download:
        account.get_by_role("link", name="CSV theo camera").click()
    assert download.value.suggested_filename == "recorded-time-2026-03.csv"
    assert download.value.path().read_bytes().startswith(b"\xef\xbb\xbfnumber,")


def test_the_bars_are_drawn_and_say_what_they_are(account: Page) -> None:
    widest = account.locator('[data-number="3"] .bar rect.f-line')
    assert widest.evaluate("part => part.getBBox().width") == 1000
    assert widest.locator("title").text_content() == "Camera không trả lời: 48:00:00"
    grounds = widest.evaluate("part => getComputedStyle(part).fill")
    assert grounds != "none"


def test_the_pages_fit_a_phone(account: Page) -> None:
    for path in ("/health/account?month=2026-03", "/health/account/3?month=2026-03", "/health/account?month=2026-04"):
        account.goto(account.url.partition("/health")[0] + path)
        for width in (390, 320):
            account.set_viewport_size({"width": width, "height": 800})
            assert account.evaluate("document.documentElement.scrollWidth") <= width


def test_paper_is_white_whatever_the_screen_is(account: Page) -> None:
    account.emulate_media(media="print")
    assert account.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert account.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not account.locator(".months").is_visible()
    assert account.locator(".signatures").is_visible()


def test_a_fault_comes_and_goes_without_a_reload(logged_in: Page, district: Any, watch: Any) -> None:
    logged_in.evaluate("window.same = true")
    faults = logged_in.locator("[data-faults]")
    expect(faults).to_be_hidden()
    with district.database.write() as session:
        raise_fault(session, "no_volume", detail="neither disk can be written")
    expect(faults).to_be_visible(timeout=20_000)
    expect(faults).to_contain_text("Không có ổ đĩa nào ghi được")
    expect(faults).to_contain_text("neither disk can be written")
    assert faults.locator(".detail").get_attribute("lang") == "en"
    with district.database.write() as session:
        message = "The volume {path} cannot be written: {reason}."
        raise_fault(session, "no_volume", detail=Said(message, path="/mnt/a", reason="EIO"))
    logged_in.reload()
    expect(faults).to_contain_text("Không ghi được vào ổ /mnt/a: EIO.")
    assert not faults.locator(".detail").get_attribute("lang")
    logged_in.evaluate("window.same = true")
    with district.database.write() as session:
        raise_fault(session, "camera_clock_wrong", district.cameras["Chợ Hiệp An"].hex, detail="3 h behind")
    expect(faults.locator("li").first).to_contain_text("5 Chợ Hiệp An", timeout=20_000)
    with district.database.write() as session:
        clear_fault(session, "no_volume")
    expect(faults.locator("li")).to_have_count(1, timeout=20_000)
    with district.database.write() as session:
        clear_fault(session, "camera_clock_wrong", district.cameras["Chợ Hiệp An"].hex)
    expect(faults).to_be_hidden(timeout=20_000)
    assert logged_in.evaluate("window.same") is True
    assert watch.complaints == []
