"""Playback as an officer meets it: Debian's Chromium, the real role, recordings whose pictures carry numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image
from playwright.sync_api import expect

from peers.coded import HEIGHT, Recorded, encode_numbers, picture_number, record
from peers.footage import Footage
from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.video.models import GapReason

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
SECOND = 1_000_000
MINUTE = 60 * SECOND
FPS = 15
FRAME_MS = 1000 / FPS
GROUP = 30
PICTURES = 60 * FPS


@cache
def minute(number: int) -> Recorded:
    """A recording of a minute whose first picture has this number; media time goes on from the minute before."""
    coded = encode_numbers(PICTURES, fps=FPS, group=GROUP, first=number * PICTURES, crf=35)
    return record(coded.groups(), origin=number * 60 * 90_000, last_end=(number + 1) * 60 * 90_000)


class Day:
    """Four minutes of cameras, an hour ago; `at(s)` is so many seconds after their beginning."""

    def __init__(self, district: Any) -> None:
        self.district = district
        self.start_us = microseconds(utc_now()) // MINUTE * MINUTE - 60 * MINUTE
        self.cameras = list(district.cameras.values())
        with district.database.write() as session:
            session.execute(sa.update(Camera).values(created_at=utc(self.start_us - 600 * MINUTE)))

    def footage(self, number: int) -> Footage:
        """What is recorded of a camera."""
        return Footage(self.district.database, self.cameras[number - 1], self.district.folder.path / "media")

    def whole(self, number: int) -> None:
        """Record all four minutes of a camera."""
        kept = self.footage(number)
        for part in range(4):
            kept.put(self.start_us + part * MINUTE, minute(part))

    def with_gap(self, number: int) -> None:
        """Record the first and the last minute; between them the camera did not answer."""
        kept = self.footage(number)
        for part in (0, 3):
            kept.put(self.start_us + part * MINUTE, minute(part), run=1 + part)
        kept.gap(self.start_us + MINUTE, self.start_us + 3 * MINUTE, GapReason.TIMED_OUT, "no answer within 5 s")

    def ms(self, seconds: float) -> int:
        """A moment in milliseconds since 1970."""
        return round(self.start_us / 1000 + seconds * 1000)

    def written(self, seconds: float) -> str:
        """A moment as it stands in addresses."""
        return datetime.fromtimestamp(self.ms(seconds) / 1000, ZONE).isoformat(timespec="milliseconds")[:23]

    def address(self, cameras: str, seconds: float, more: str = "&speed=1&paused=1") -> str:
        """The page at a moment."""
        return f"/playback?cameras={cameras}&at={self.written(seconds)}{more}"


@pytest.fixture
def day(district: Any) -> Day:
    """Cameras 1 and 2 whole, 3 with a gap of two minutes, the others never recorded."""
    made = Day(district)
    made.whole(1)
    made.whole(2)
    made.with_gap(3)
    return made


@pytest.fixture
def opened(logged_in: Page, web: str, day: Day) -> Callable[..., Page]:
    """`opened(cameras, seconds)`: the page at a moment of the day."""

    def open_at(cameras: str, seconds: float, more: str = "&speed=1&paused=1") -> Page:
        logged_in.goto(web + day.address(cameras, seconds, more))
        return logged_in

    return open_at


def number_shown(page: Page, camera: int) -> int:
    """The number that the picture on a tile carries; -1 where there is no picture of ours."""
    rows = page.evaluate(
        """camera => {
          const video = document.querySelector(`.tile[data-camera="${camera}"] video`);
          if (!video || !video.videoWidth) return null;
          const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
          const pen = canvas.getContext("2d");
          pen.drawImage(video, 0, 0);
          const pixels = pen.getImageData(0, 0, canvas.width, 16).data;
          return Array.from({length: 16}, (_, y) => Array.from({length: canvas.width}, (_, x) =>
            pixels[(y * canvas.width + x) * 4 + 1]));
        }""",
        camera,
    )
    return -1 if rows is None else picture_number(np.array(rows, np.uint8))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; the limit only ends a test that would otherwise hang."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def expect_number(page: Page, camera: int, number: int) -> None:
    """Wait until a tile shows the picture of this number."""
    seen: list[int] = []

    def there() -> bool:
        seen[:] = [number_shown(page, camera)]
        return seen[0] == number

    try:
        wait_until(there, f"picture {number}")
    except AssertionError:
        raise AssertionError(f"camera {camera} shows {seen}, not {number}") from None


def complaints(watch: Any) -> list[str]:
    """What the page complained of."""
    return list(watch.complaints)


def picture_at(seconds: float) -> int:
    """The number of the picture that showed at a moment of the day."""
    return int(seconds * FPS + 1e-6)


def clock_of(page: Page, day: Day) -> float:
    """Where the page's clock stands, in seconds of the day, to the second."""
    page.evaluate("() => {}")
    return (int(page.locator("canvas").get_attribute("aria-valuenow") or 0) * 1000 - day.ms(0)) / 1000


def test_the_menu_leads_to_it_and_a_newcomer_chooses_a_camera_and_a_time(
    logged_in: Page, day: Day, web: str, watch: Any
) -> None:
    logged_in.get_by_role("link", name="Xem lại").click()
    logged_in.locator(".camera-list").get_by_role("button", name="Chợ Liên Nghĩa").click()
    moment = datetime.fromtimestamp(day.ms(70) / 1000, ZONE)
    logged_in.get_by_placeholder("Đến: 14:03 hôm qua").fill(f"{moment:%H:%M:%S %d/%m}")
    logged_in.keyboard.press("Enter")
    wait_until(lambda: number_shown(logged_in, 1) > picture_at(70), "a picture")
    assert number_shown(logged_in, 1) < picture_at(110)
    assert complaints(watch) == []


def test_the_field_of_date_and_time_shows_the_moment_and_leads_to_another(
    opened: Callable[..., Page], day: Day
) -> None:
    page = opened("1", 72.5)
    picker = page.get_by_label("Ngày và giờ")
    expect(picker).to_have_value(day.written(72)[:19])
    picker.fill(day.written(105)[:19])
    expect_number(page, 1, picture_at(105))
    page.click('[data-jump="10"]')
    expect(picker).to_have_value(day.written(115)[:19])


def test_the_address_shows_the_exact_picture(opened: Callable[..., Page], watch: Any) -> None:
    page = opened("1", 72.5)
    expect_number(page, 1, picture_at(72.5))
    assert complaints(watch) == []


@pytest.mark.parametrize("more", ["&speed=1&paused=1", "&speed=1"])
def test_a_tile_on_its_way_to_a_place_that_was_let_go_of_turns_back(opened: Callable[..., Page], more: str) -> None:
    page = opened("1", 72.5, more)
    wait_until(lambda: number_shown(page, 1) >= picture_at(72.5), "a picture")
    # What happens where somebody leaves a place while its first picture is being looked for.
    assert page.locator("video").evaluate("video => { video.currentTime -= 3600; return video.seeking; }")
    wait_until(lambda: not page.locator("video").evaluate("video => video.seeking"), "a way out")
    wait_until(lambda: number_shown(page, 1) >= picture_at(72.5), "the picture of the clock")


def test_a_click_on_the_timeline_goes_there(opened: Callable[..., Page], day: Day) -> None:
    page = opened("1", 30)
    expect_number(page, 1, picture_at(30))
    page.get_by_role("button", name="1 phút", exact=True).click()
    box = page.locator("canvas").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] - 6)
    wait_until(lambda: number_shown(page, 1) >= picture_at(44), "the picture of 15 seconds later")
    assert number_shown(page, 1) <= picture_at(46)
    assert abs(clock_of(page, day) - 45) <= 1


def test_frames_are_stepped_one_by_one_across_groups_and_files(opened: Callable[..., Page]) -> None:
    page = opened("1", 59.9)
    number = picture_at(59.9)
    expect_number(page, 1, number)
    for _ in range(4):
        page.keyboard.press(".")
        number += 1
        expect_number(page, 1, number)
    for _ in range(5):
        page.keyboard.press(",")
        number -= 1
        expect_number(page, 1, number)


def test_two_cameras_are_in_step_within_a_frame(opened: Callable[..., Page], watch: Any) -> None:
    page = opened("1,2", 20, "&speed=1")
    wait_until(lambda: min(number_shown(page, 1), number_shown(page, 2)) > picture_at(23), "both to play")
    apart = page.evaluate(
        """async () => {
          const videos = [...document.querySelectorAll(".tile video")];
          const apart = [];
          for (let look = 0; look < 40; look++) {
            await new Promise(resolve => setTimeout(resolve, 100));
            apart.push(Math.abs(videos[0].currentTime - videos[1].currentTime) * 1000);
          }
          return apart.sort((one, other) => one - other);
        }"""
    )
    assert apart[len(apart) * 9 // 10] <= FRAME_MS, apart
    assert complaints(watch) == []


@pytest.mark.parametrize(("speed", "least", "most"), [("4", 2.5, 6), ("16", 8, 24), ("-4", -6, -2.5)])
def test_fast_and_backwards_key_frames_are_shown(
    opened: Callable[..., Page], day: Day, speed: str, least: float, most: float
) -> None:
    page = opened("1", 100, f"&speed={speed}")
    before = number_shown(page, 1)
    wait_until(lambda: number_shown(page, 1) not in (-1, before), "another picture")
    began, at = time.monotonic(), clock_of(page, day)
    numbers = set()
    while time.monotonic() < began + 3:
        numbers.add(number_shown(page, 1))
    rate = (clock_of(page, day) - at) / (time.monotonic() - began)
    assert len(numbers - {-1}) >= 2
    assert all(number % GROUP == 0 for number in numbers - {-1}), numbers
    assert least <= rate <= most


def test_a_gap_is_shown_with_its_reason_and_when_it_is_over(opened: Callable[..., Page], day: Day, watch: Any) -> None:
    page = opened("1,3", 90)
    expect_number(page, 1, picture_at(90))
    cover = page.locator('.tile[data-camera="3"] .cover')
    expect(cover.locator(".why")).to_have_text("Camera không trả lời")
    for edge in (60, 180):
        moment = datetime.fromtimestamp(day.ms(edge) / 1000, ZONE)
        expect(cover.locator(".when")).to_contain_text(f"{moment:%H:%M:%S}")
    page.locator(".listing summary").click()
    expect(page.locator(".listing tbody")).to_contain_text("Camera không trả lời")
    assert complaints(watch) == []


def test_where_no_camera_recorded_the_clock_goes_on_to_where_one_did(opened: Callable[..., Page], day: Day) -> None:
    page = opened("3", 58, "&speed=1")
    wait_until(lambda: number_shown(page, 3) >= picture_at(180), "the footage behind the gap")
    assert clock_of(page, day) < 200


def test_with_skipping_switched_off_the_gap_runs_by(opened: Callable[..., Page], day: Day) -> None:
    page = opened("3", 57)
    expect_number(page, 3, picture_at(57))
    page.get_by_label("Bỏ khoảng trống").uncheck()
    page.keyboard.press("k")
    page.locator('.tile[data-camera="3"] .cover .why').wait_for(state="visible", timeout=30_000)
    time.sleep(1)
    assert 59 <= clock_of(page, day) < 100


def test_the_picture_is_saved_with_the_moment_in_its_name(opened: Callable[..., Page], day: Day) -> None:
    page = opened("1", 72.5)
    expect_number(page, 1, picture_at(72.5))
    with page.expect_download() as download:
        page.get_by_role("button", name="Lưu ảnh").click()
    moment = datetime.fromtimestamp(day.ms(72) / 1000, ZONE)
    assert download.value.suggested_filename == f"1-{moment:%Y-%m-%dT%H-%M-%S}.jpg"
    picture = Image.open(BytesIO(download.value.path().read_bytes()))
    assert picture.height > HEIGHT, "the strip stands below the picture"
    assert picture_number(np.array(picture.convert("L"))) == picture_at(72.5)


def test_a_colleague_who_opens_the_link_sees_the_same(opened: Callable[..., Page], web: str) -> None:
    page = opened("2,1", 33.4)
    expect_number(page, 1, picture_at(33.4))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Sao chép liên kết").click()
    expect(page.locator(".notice")).to_contain_text("Đã sao chép")
    link = page.evaluate("navigator.clipboard.readText()")
    other = page.context.new_page()
    other.goto(link)
    expect_number(other, 1, picture_at(33.4))
    expect_number(other, 2, picture_at(33.4))
    names = other.locator(".labels [data-focus] b").all_inner_texts()
    assert names == ["2", "1"]


def test_the_address_follows_and_history_does_not_grow(opened: Callable[..., Page], day: Day) -> None:
    page = opened("1", 20)
    expect_number(page, 1, picture_at(20))
    before = page.evaluate("history.length")
    page.keyboard.press("ArrowRight")
    page.keyboard.press(">")
    page.wait_for_url(f"**at={day.written(30)[:19]}**speed=2**")
    assert page.evaluate("history.length") == before


def test_what_is_wrong_in_the_address_is_said_and_the_rest_is_shown(
    logged_in: Page, web: str, day: Day, watch: Any
) -> None:
    logged_in.goto(f"{web}/playback?cameras=1,99,abc&at=hom-qua&speed=3")
    notice = logged_in.locator(".notice")
    for said in ("“abc”", "camera 99", "“hom-qua”", "“3”"):
        expect(notice).to_contain_text(said)
    expect(logged_in.locator(".tile")).to_have_count(1)
    assert complaints(watch) == []


def test_a_time_that_cannot_be_read_is_said_and_nothing_moves(opened: Callable[..., Page]) -> None:
    page = opened("1", 30)
    expect_number(page, 1, picture_at(30))
    field = page.get_by_placeholder("Đến: 14:03 hôm qua")
    field.fill("khi nào đó")
    field.press("Enter")
    expect(page.locator(".notice")).to_contain_text("Không hiểu thời điểm này")
    assert field.input_value() == "khi nào đó"
    assert number_shown(page, 1) == picture_at(30)


def test_cameras_are_found_without_accents_and_put_beside_each_other(opened: Callable[..., Page]) -> None:
    page = opened("1", 30)
    expect_number(page, 1, picture_at(30))
    page.keyboard.press("c")
    page.keyboard.type("ben xe")
    page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(2)
    expect_number(page, 2, picture_at(30))
    assert "cameras=1,2" in page.url
    page.get_by_role("button", name="Bỏ ra: Chợ Liên Nghĩa").click()
    expect(page.locator(".tile")).to_have_count(1)
    assert "cameras=2&" in page.url


def test_an_interval_is_chosen_by_dragging_in_the_row_above(opened: Callable[..., Page]) -> None:
    page = opened("1", 30)
    expect_number(page, 1, picture_at(30))
    box = page.locator("canvas").bounding_box()
    assert box
    row = box["y"] + 24 + 8
    page.mouse.move(box["x"] + box["width"] * 0.4, row)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, row)
    page.mouse.move(box["x"] + box["width"] * 0.6, row)
    page.mouse.up()
    expect(page.locator(".chosen")).to_contain_text("phút")
    assert "from=" in page.url
    page.get_by_role("button", name="Bỏ chọn").click()
    expect(page.locator(".chosen")).to_be_hidden()
    assert number_shown(page, 1) == picture_at(30)


def test_memory_is_let_go_of_as_the_clock_goes_on(opened: Callable[..., Page]) -> None:
    page = opened("1", 2, "&speed=16")
    wait_until(lambda: number_shown(page, 1) >= picture_at(150), "most of it to have gone by")
    page.keyboard.press("Space")
    wait_until(lambda: page.locator('.play[data-state="play"]').count() == 1, "to stand")
    seconds = """video => Array.from({length: video.buffered.length}, (_, i) =>
      video.buffered.end(i) - video.buffered.start(i)).reduce((sum, one) => sum + one, 0)"""
    wait_until(lambda: 0 < page.locator("video").evaluate(seconds) < 60, "what is far away to be let go of")


def test_the_page_fits_a_phone(opened: Callable[..., Page]) -> None:
    page = opened("1,2,3", 30)
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_single_keys_can_be_switched_off(opened: Callable[..., Page]) -> None:
    page = opened("1", 30)
    expect_number(page, 1, picture_at(30))
    page.keyboard.press("?")
    page.locator("[data-keys-toggle]").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press(".")
    page.keyboard.press("c")
    expect(page.locator(".chooser")).to_be_hidden()
    assert number_shown(page, 1) == picture_at(30)


def test_keys_still_work_after_a_speed_was_chosen_by_hand(opened: Callable[..., Page]) -> None:
    page = opened("1", 30)
    expect_number(page, 1, picture_at(30))
    page.get_by_role("radio", name="2×").click()
    page.keyboard.press(".")
    expect_number(page, 1, picture_at(30) + 1)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="4×")).to_be_checked()
    page.keyboard.press("Space")
    expect(page.locator('.play[data-state="pause"]')).to_have_count(1)


def test_a_bookmark_is_set_with_a_note_and_stands_in_the_list(opened: Callable[..., Page], watch: Any) -> None:
    page = opened("1", 72.5)
    expect_number(page, 1, picture_at(72.5))
    page.keyboard.press("b")
    page.get_by_role("button", name="Đánh dấu", exact=True).last.click()
    expect(page.get_by_role("alert")).to_contain_text("Hãy viết ghi chú")
    page.get_by_label("Ghi chú").fill("Xe máy đỏ rẽ vào chợ")
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_contain_text("Đã đánh dấu lúc")
    page.locator(".listing summary").click()
    expect(page.locator(".listing tbody")).to_contain_text("Xe máy đỏ rẽ vào chợ")
    assert complaints(watch) == []


def test_a_clip_asks_for_its_purpose_and_then_says_how_far_it_is(opened: Callable[..., Page], watch: Any) -> None:
    page = opened("1", 72.5)
    expect_number(page, 1, picture_at(72.5))
    page.keyboard.press("x")
    page.get_by_role("button", name="Tạo đoạn").click()
    expect(page.get_by_role("alert")).to_contain_text("Hãy ghi mục đích")
    page.get_by_label("Mục đích").fill("Vụ trộm ở chợ")
    page.keyboard.press("Enter")
    page.get_by_role("progressbar").wait_for(state="visible")
    assert complaints(watch) == []
