"""The page of copied clips before an officer: it follows the work of the keeper, and lets go of what is deleted."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from peers.little_footage import PURPOSE, Footage
from vonggac.org.models import Account
from vonggac.video.clips import service
from vonggac.video.clips.service import Asked

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
LONG_MS = 20_000


@pytest.fixture
def footage(district: Any) -> Footage:
    return Footage(district)


def ask(page: Page, footage: Footage) -> str:
    """Ask for a clip as the playback page does."""
    answer = page.evaluate(
        """async (wanted) => {
            const headers = {"content-type": "application/json", "x-csrf-token": document.body.dataset.csrf};
            const answer = await fetch("/api/clips", {method: "POST", headers, body: JSON.stringify(wanted)});
            return (await answer.json()).id;
        }""",
        footage.wanted(),
    )
    return str(answer)


def make(footage: Footage) -> None:
    """Let the keeper's job work, outside the browser's own event loop."""
    worker = threading.Thread(target=lambda: asyncio.run(footage.make()))
    worker.start()
    worker.join()


def test_a_clip_is_followed_fetched_and_deleted_without_loading_the_page_again(
    logged_in: Page, web: str, footage: Footage, watch: Any
) -> None:
    page = logged_in
    page.goto(f"{web}/clips")
    expect(page.locator(".empty")).to_have_text("Bạn chưa trích xuất đoạn nào.")
    clip_id = ask(page, footage)
    page.goto(f"{web}/clips")
    article = page.locator(f'[data-clip="{clip_id}"]')
    expect(article.locator("[data-words]")).to_have_text("Đang chờ đến lượt")
    expect(article.locator(".purpose")).to_contain_text(PURPOSE)
    with footage.district.database.write() as session:
        clip = service.begin_next(session)
        assert clip is not None
        service.progress(session, clip.id, clip.size // 2)
    expect(article.locator("[data-words]")).to_have_text("Đang trích xuất: 50%", timeout=LONG_MS)
    expect(article.locator("progress")).to_have_js_property("value", 0.5)
    make(footage)
    expect(article.locator("[data-words]")).to_contain_text("Lấy được đến", timeout=LONG_MS)
    expect(article.locator("li")).to_contain_text("Camera không trả lời")
    with page.expect_download() as coming:
        article.get_by_role("link", name="Tải tệp về").click()
    file = Path(coming.value.path())
    assert coming.value.suggested_filename.startswith("1 Chợ Liên Nghĩa ")
    digest = article.locator("code").text_content()
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    article.get_by_role("button", name="Xóa").click()
    expect(page.locator(".empty")).to_have_text("Bạn chưa trích xuất đoạn nào.", timeout=LONG_MS)
    assert watch.complaints == []


def test_a_clip_that_cannot_be_deleted_says_so(logged_in: Page, web: str, footage: Footage) -> None:
    page = logged_in
    with footage.district.database.write() as session:
        account_id = session.scalars(sa.select(Account.id).where(Account.name == "trucban1")).one()
        now_us = footage.from_us + 3_600_000_000
        span = footage.from_us, footage.from_us + 1_000_000
        clip = service.ask(
            session,
            Asked(footage.camera_id, account_id, "trucban1", *span, PURPOSE),
            now_us,
            footage.district.folder.settings.clips,
        )
    page.goto(f"{web}/clips")
    page.route("**/api/clips/*", lambda route: route.abort())
    article = page.locator(f'[data-clip="{clip.id.hex}"]')
    article.get_by_role("button", name="Hủy").click()
    expect(page.locator("[role=alert]")).to_have_text("Không xóa được đoạn này. Hãy thử lại.")
