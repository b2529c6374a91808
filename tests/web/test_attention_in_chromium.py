"""The strip "what changed" in Chromium, on a page of ours: what it shows, how it is reached, that it holds still."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from vonggac.cameras.models import Camera
from vonggac.core.clock import MICROSECONDS, microseconds, utc, utc_now
from vonggac.video import activity
from vonggac.video.activity import Episode, Source

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
S = MICROSECONDS
_START = """() => { window.shown = []; const host = document.createElement("section"); host.dataset.attention = "";
  document.querySelector("main").before(host); Strip.startAttention(host, (id) => window.shown.push(id)); }"""


def happened(district: Any, name: str, ago_s: float, lasted_s: float = 5) -> None:
    start = microseconds(utc_now()) - int(ago_s * S)
    with district.database.write() as session:
        camera = session.get_one(Camera, district.cameras[name])
        episode = Episode(camera.id, camera.unit_id, Source.SIZES, start, start + int(lasted_s * S), 0.5)
        activity.note(session, [episode])


@pytest.fixture
def strip(district: Any, logged_in: Any) -> Any:
    """A page with the strip on it, as the wall has it."""
    with district.database.write() as session:
        session.get_one(Camera, district.cameras["Trường học Đà Loan"]).created_at = utc(
            microseconds(utc_now()) - 86_400 * S
        )
    built = subprocess.run(
        [ROOT / "node_modules/.bin/esbuild", ROOT / "src/vonggac/web/ui/attention.ts", "--bundle", "--format=iife",
         "--global-name=Strip"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    district.say()
    logged_in.evaluate(f"() => {{ {built}; window.Strip = Strip; }}")
    return logged_in


def entries(page: Any) -> list[str]:
    return [" ".join(text.split()) for text in page.locator("[data-attention] li").all_inner_texts()]


def test_the_strip_names_what_changed_once_a_camera_and_asks_to_look_where_nobody_does(
    district: Any, strip: Any, watch: Any
) -> None:
    happened(district, "Chợ Liên Nghĩa", 400)
    happened(district, "Chợ Liên Nghĩa", 200)
    happened(district, "Bến xe Đức Trọng", 6, lasted_s=6)
    strip.evaluate(_START)
    strip.wait_for_selector("[data-attention] li")
    assert entries(strip) == ["2 Bến xe Đức Trọng đang diễn ra", "1 Chợ Liên Nghĩa 3 phút trước"]
    prompt = strip.locator("[data-attention] .unseen-camera")
    assert prompt.inner_text() == "Chưa ai xem camera 6, Trường học Đà Loan."
    if folder := os.environ.get("VONGGAC_SHOTS"):
        for theme in ("dark", "dim", "light"):
            strip.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            for width, height in ((1920, 1080), (1366, 768), (390, 844)):
                strip.set_viewport_size({"width": width, "height": height})
                strip.screenshot(
                    path=f"{folder}/strip-{theme}-{width}.png", clip={"x": 0, "y": 0, "width": width, "height": 300}
                )
    prompt.click()
    strip.locator("[data-attention] li button").first.focus()
    strip.keyboard.press("Tab")
    strip.keyboard.press("Enter")
    assert strip.evaluate("() => window.shown") == [
        district.cameras[name].hex for name in ("Trường học Đà Loan", "Chợ Liên Nghĩa")
    ]
    assert watch.complaints == []


def test_nothing_moves_under_the_pointer_and_what_is_new_is_said_once(district: Any, strip: Any) -> None:
    strip.evaluate(_START)
    strip.wait_for_selector("[data-attention] .calm")
    assert strip.locator("[data-attention] .calm").inner_text() == "Nửa giờ qua không có gì khác thường."
    assert strip.locator("[data-attention] [role=status]").inner_text() == ""
    happened(district, "Chợ Liên Nghĩa", 30)
    strip.wait_for_selector("[data-attention] li", timeout=30_000)
    said = strip.locator("[data-attention] [role=status]").text_content()
    assert said == "Có chuyển động ở camera 1, Chợ Liên Nghĩa."
    strip.locator("[data-attention] li button").first.hover()
    happened(district, "Chợ Hiệp An", 1)
    with strip.expect_response("**/api/activity", timeout=30_000):
        pass
    strip.wait_for_timeout(500)
    assert [entry.split(" ")[0] for entry in entries(strip)] == ["1"]
    strip.mouse.move(5, 700)
    expect(strip.locator("[data-attention] li")).to_have_count(2, timeout=30_000)
    assert [entry.split(" ")[0] for entry in entries(strip)] == ["5", "1"]
