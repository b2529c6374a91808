"""The wall as an officer meets it, in Debian's Chromium: numbers, keys, drag, views, tours, address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, Locator, Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def open_wall(page: Page, web: str, query: str = "") -> None:
    """Open the wall and wait until it has its cameras."""
    page.goto(f"{web}/wall{query}")
    expect(page.locator(".tree-camera").first).to_be_attached(timeout=20_000)


@pytest.fixture
def wall(logged_in: Page, web: str) -> Page:
    """The wall before an officer, who chose nothing yet."""
    open_wall(logged_in, web)
    return logged_in


def tile(page: Page, number: int) -> Locator:
    """A tile, counted from 1."""
    return page.locator(f"#tile-{number - 1}")


def numbers(page: Page) -> list[str]:
    """The numbers of the cameras on the tiles, "" for an empty one."""
    return [tile.inner_text() for tile in page.locator(".tile .number").all()]


def expect_numbers(page: Page, *wanted: str) -> None:
    expect(page.locator(".tile .number")).to_have_text(list(wanted), timeout=20_000)


def drag(page: Page, source: Locator, target: Locator) -> None:
    """Drag as a hand does: let go where the page shows that it would take it."""
    source.hover()
    page.mouse.down()
    target.hover()
    target.hover(position={"x": 30, "y": 30})
    expect(target).to_have_class(re.compile("target"))
    page.mouse.up()


def say(page: Page) -> Locator:
    """The read-out."""
    return page.locator("[data-readout]")


def asked(page: Page) -> dict[str, str]:
    """What stands in the address."""
    return {name: texts[0] for name, texts in parse_qs(urlsplit(page.url).query, keep_blank_values=True).items()}


def test_a_number_and_enter_call_a_camera_up_on_the_chosen_tile(wall: Page, watch: Any) -> None:
    expect_numbers(wall, "1", "2", "3", "4", "5", "6", "", "", "")
    expect(tile(wall, 1)).to_be_focused()
    wall.keyboard.press("ArrowDown")
    wall.keyboard.press("ArrowRight")
    expect(tile(wall, 5)).to_be_focused()
    wall.keyboard.press("1")
    expect(say(wall)).to_have_text("Ô 5 ← camera 1, Chợ Liên Nghĩa · Enter")
    wall.keyboard.press("Enter")
    expect_numbers(wall, "1", "2", "3", "4", "1", "6", "", "", "")
    expect(say(wall)).to_have_text("Ô 5: camera 1, Chợ Liên Nghĩa")
    assert asked(wall) == {"layout": "9", "cameras": "1,2,3,4,1,6"}
    wall.keyboard.type("77")
    expect(say(wall)).to_have_text("Ô 5 ← camera 77")
    wall.keyboard.press("Enter")
    expect(say(wall)).to_have_text("Không có camera số 77.")
    wall.keyboard.type("3")
    wall.keyboard.press("Escape")
    expect(say(wall)).to_have_text("")
    expect_numbers(wall, "1", "2", "3", "4", "1", "6", "", "", "")
    wall.keyboard.press("Delete")
    expect_numbers(wall, "1", "2", "3", "4", "", "6", "", "", "")
    assert watch.complaints == []


def test_every_tile_says_which_camera_it_is_and_what_is_seen(wall: Page) -> None:
    expect(tile(wall, 2)).to_have_attribute("aria-label", re.compile("^Ô 2: camera 2, Bến xe Đức Trọng, .+"))
    expect(tile(wall, 7)).to_have_attribute("aria-label", "Ô 7: trống")


def test_a_screen_reader_finds_rows_of_named_tiles(wall: Page, context: BrowserContext) -> None:
    expect(tile(wall, 7)).to_have_attribute("aria-label", "Ô 7: trống")
    nodes = context.new_cdp_session(wall).send("Accessibility.getFullAXTree")["nodes"]
    by_id = {node["nodeId"]: node for node in nodes}

    def below(node: Any, role: str) -> list[Any]:
        children = [by_id[child] for child in node.get("childIds", []) if child in by_id]
        inner = [found for child in children for found in below(child, role)] if role != "row" else []
        return [child for child in children if child["role"]["value"] == role] + inner

    [grid] = [node for node in nodes if node["role"]["value"] == "grid"]
    assert grid["name"]["value"] == "Hình ảnh trực tiếp"
    rows = below(grid, "row")
    names = [[cell["name"]["value"] for cell in below(row, "gridcell")] for row in rows]
    assert [len(row) for row in names] == [3, 3, 3]
    assert names[2] == ["Ô 7: trống", "Ô 8: trống", "Ô 9: trống"]
    assert names[0][1].startswith("Ô 2: camera 2, Bến xe Đức Trọng, ")


def test_another_number_of_tiles_loses_no_camera(wall: Page) -> None:
    wall.click('[data-layout="4"]')
    expect_numbers(wall, "1", "2", "3", "4")
    expect(wall.locator("[data-step]")).to_have_text("Trang 1/2")
    wall.click("[data-next]")
    expect_numbers(wall, "5", "6", "", "")
    wall.click('[data-layout="16"]')
    expect(wall.locator(".tile")).to_have_count(16)
    assert numbers(wall)[:7] == ["1", "2", "3", "4", "5", "6", ""]
    expect(wall.locator("[data-pager]")).to_be_hidden()
    wall.click('[data-layout="1"]')
    expect(wall.locator(".tile")).to_have_count(1)
    assert asked(wall) == {"layout": "1", "cameras": "1,2,3,4,5,6"}
    wall.click('[data-layout="36"]')
    expect(wall.locator(".tile")).to_have_count(36)


def test_cameras_are_found_without_accents_and_put_on_the_chosen_tile(wall: Page) -> None:
    wall.keyboard.press("/")
    wall.keyboard.type("duc trong")
    found = wall.locator(".tree-camera")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("Bến xe Đức Trọng")
    expect(wall.locator("[data-count]")).to_have_text("1/6 camera")
    wall.keyboard.press("ArrowDown")
    expect(wall.locator(".tree-unit").first).to_be_focused()
    wall.keyboard.press("ArrowDown")
    wall.keyboard.press("Enter")
    expect_numbers(wall, "2", "2", "3", "4", "5", "6", "", "", "")
    wall.keyboard.press("ArrowUp")
    wall.keyboard.press("ArrowUp")
    wall.keyboard.press("Escape")
    expect(found).to_have_count(6)


def test_a_unit_is_closed_and_put_on_the_wall_by_keys(wall: Page) -> None:
    wall.keyboard.press("/")
    wall.keyboard.press("ArrowDown")
    unit = wall.locator(".tree-unit").first
    expect(unit).to_contain_text("Đà Loan")
    wall.keyboard.press("ArrowLeft")
    expect(unit).to_have_attribute("aria-expanded", "false")
    expect(unit.locator(".tree-camera")).to_be_hidden()
    wall.keyboard.press("ArrowDown")
    expect(wall.locator(".tree-unit").nth(1)).to_be_focused()
    wall.keyboard.press("Shift+Enter")
    expect_numbers(wall, "5", "4", "", "", "", "", "", "", "")


def test_a_camera_is_dragged_from_the_list_and_tiles_are_swapped(wall: Page) -> None:
    drag(wall, wall.locator(".tree-camera", has_text="Trường học Đà Loan"), tile(wall, 8))
    expect_numbers(wall, "1", "2", "3", "4", "5", "6", "", "6", "")
    drag(wall, tile(wall, 1), tile(wall, 8))
    expect_numbers(wall, "6", "2", "3", "4", "5", "6", "", "1", "")


def test_tiles_are_swapped_by_keys_too(wall: Page) -> None:
    wall.keyboard.press("s")
    expect(say(wall)).to_contain_text("Chọn ô để đổi chỗ")
    wall.keyboard.press("ArrowRight")
    wall.keyboard.press("Enter")
    expect_numbers(wall, "2", "1", "3", "4", "5", "6", "", "", "")


def test_enter_opens_the_choice_and_gives_the_focus_back(wall: Page) -> None:
    wall.keyboard.press("End")
    wall.keyboard.press("Enter")
    expect(wall.locator("#wall-choose input")).to_be_focused()
    wall.keyboard.type("cho")
    expect(wall.locator("#wall-choose [role=option]")).to_have_count(2)
    wall.keyboard.press("ArrowDown")
    wall.keyboard.press("Enter")
    expect_numbers(wall, "1", "2", "3", "4", "5", "6", "", "", "1")
    expect(tile(wall, 9)).to_be_focused()
    wall.keyboard.press("Enter")
    wall.keyboard.press("Escape")
    expect(wall.locator("#wall-choose")).to_be_hidden()
    expect(tile(wall, 9)).to_be_focused()


def test_the_menu_of_a_tile_leads_to_playback_and_the_camera(wall: Page, district: Any) -> None:
    wall.keyboard.press("ArrowRight")
    wall.keyboard.press("m")
    menu = wall.get_by_role("menu")
    expect(menu.get_by_role("menuitem").first).to_be_focused()
    links = [link.get_attribute("href") or "" for link in menu.locator("a").all()]
    assert re.fullmatch(r"/playback\?cameras=2&at=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", links[0])
    assert links[1] == f"/cameras/{district.cameras['Bến xe Đức Trọng'].hex}"
    wall.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(tile(wall, 2)).to_be_focused()
    tile(wall, 3).click(button="right")
    menu.get_by_role("menuitem", name="Xem riêng ô này").click()
    expect(wall.locator(".tile:visible")).to_have_count(1)
    expect(tile(wall, 3)).to_be_visible()
    wall.keyboard.press("Escape")
    expect(wall.locator(".tile:visible")).to_have_count(9)
    tile(wall, 3).dblclick()
    expect(wall.locator(".tile:visible")).to_have_count(1)


def test_a_saved_view_comes_back_for_whoever_opens_its_address(
    wall: Page, context: BrowserContext, web: str, watch: Any
) -> None:
    wall.click('[data-layout="4"]')
    wall.click("[data-save]")
    wall.fill("#wall-save [name=name]", "Ca đêm")
    wall.click("#wall-save [data-new]")
    expect(say(wall)).to_have_text("Đã lưu bố cục Ca đêm.")
    expect(wall.locator("[data-views] option:checked")).to_have_text("Ca đêm")
    assert list(asked(wall)) == ["view"]
    wall.keyboard.type("6")
    wall.keyboard.press("Enter")
    expect(wall.locator("[data-views] option:checked")).to_have_text("Ca đêm (đã sửa)")
    assert asked(wall)["layout"] == "4"
    wall.select_option("[data-views]", label="Ca đêm")
    expect_numbers(wall, "1", "2", "3", "4")
    other = context.new_page()
    watch.over(other)
    other.goto(wall.url)
    expect_numbers(other, "1", "2", "3", "4")
    wall.click("[data-save]")
    asked_before: list[str] = []
    wall.once("dialog", lambda dialog: (asked_before.append(dialog.message), dialog.accept()))
    wall.click("#wall-save [data-delete]")
    assert asked_before == ["Xóa bố cục Ca đêm?"]
    expect(say(wall)).to_have_text("Đã xóa bố cục Ca đêm.")
    other.reload()
    expect(other.locator("[data-lost]")).to_be_visible()
    assert watch.complaints == []


def test_a_view_that_cannot_be_kept_says_why_and_nothing_typed_is_lost(wall: Page, watch: Any) -> None:
    wall.click("[data-save]")
    # The box has a limit, and the centre has its own.
    wall.locator("#wall-save [name=name]").evaluate("box => { box.removeAttribute('maxlength'); }")
    wall.fill("#wall-save [name=name]", "Ca đêm " * 20)
    wall.click("#wall-save [data-new]")
    expect(wall.locator("#wall-save [data-problem]")).to_have_text("Tên bố cục phải có từ 1 đến 100 chữ cái.")
    assert wall.input_value("#wall-save [name=name]") == "Ca đêm " * 20
    watch.complaints.clear()  # the browser notes the refusal in its console
    wall.route("**/api/wall/views", lambda route: route.abort())
    wall.click("#wall-save [data-new]")
    expect(wall.locator("#wall-save [data-problem]")).to_contain_text("Không lưu được bố cục")
    watch.complaints.clear()


def test_what_was_on_the_wall_is_there_again_next_time(wall: Page, web: str) -> None:
    with wall.expect_response("**/api/wall/last") as noted:
        wall.click('[data-layout="4"]')
    assert noted.value.ok
    with wall.expect_response("**/api/wall/last"):
        wall.locator(".tree-camera", has_text="Trường học Đà Loan").click()
    open_wall(wall, web)
    expect_numbers(wall, "6", "2", "3", "4")


def test_a_tour_turns_the_pages_and_pauses_when_somebody_touches_a_tile(wall: Page) -> None:
    wall.keyboard.press("Space")
    expect(say(wall)).to_contain_text("Muốn tự chuyển")
    wall.click('[data-layout="4"]')
    wall.select_option("[data-dwell]", "5")
    wall.click("[data-play]")
    expect(wall.locator("[data-play]")).to_have_attribute("aria-pressed", "true")
    expect_numbers(wall, "5", "6", "", "")
    expect_numbers(wall, "1", "2", "3", "4")
    tile(wall, 2).click()
    expect(say(wall)).to_contain_text("Đã tạm dừng tự chuyển")
    expect(wall.locator("[data-play]")).to_have_attribute("aria-pressed", "false")
    wall.keyboard.press("Space")
    expect_numbers(wall, "5", "6", "", "")


def test_a_tour_of_views_shows_them_in_turn_and_is_saved(wall: Page) -> None:
    for layout, name in (("1", "Chợ"), ("4", "Bốn ô")):
        wall.click(f'[data-layout="{layout}"]')
        wall.click("[data-save]")
        wall.fill("#wall-save [name=name]", name)
        wall.click("#wall-save [data-new]")
        expect(wall.locator("[data-views] option:checked")).to_have_text(name)
    wall.click("[data-make-tour]")
    wall.click("#wall-tour [data-run]")
    expect(wall.locator("#wall-tour [data-problem]")).to_have_text("Hãy chọn ít nhất hai bố cục.")
    for box in wall.locator("#wall-tour [data-stops] input").all():
        box.check()
    wall.select_option("#wall-tour [name=dwell]", "5")
    wall.fill("#wall-tour [name=name]", "Vòng đêm")
    wall.click("#wall-tour [data-keep]")
    expect(wall.locator("[data-views] option:checked")).to_have_text("Vòng đêm (tự chuyển)")
    expect(wall.locator("[data-step]")).to_have_text("Bốn ô · 1/2")
    expect(wall.locator(".tile")).to_have_count(4)
    expect(wall.locator("[data-step]")).to_have_text("Chợ · 2/2", timeout=20_000)
    expect(wall.locator(".tile")).to_have_count(1)
    wall.reload()
    expect(wall.locator("[data-step]")).to_have_text("Bốn ô · 1/2", timeout=20_000)


def test_a_second_screen_opens_without_menu_and_leaves_the_first_alone(wall: Page, context: BrowserContext) -> None:
    with context.expect_page() as opened:
        wall.click("[data-window]")
    second = opened.value
    expect_numbers(second, "1", "2", "3", "4", "5", "6", "", "", "")
    expect(second.locator(".top")).to_be_hidden()
    expect(tile(second, 1)).to_be_focused()
    second.keyboard.type("5")
    second.keyboard.press("Enter")
    expect_numbers(second, "5", "2", "3", "4", "5", "6", "", "", "")
    assert asked(second)["bare"] == "1"
    expect_numbers(wall, "1", "2", "3", "4", "5", "6", "", "", "")


def test_the_wall_fills_the_screen_and_comes_back(wall: Page, until: Callable[..., Any]) -> None:
    wall.click("[data-full]")
    until(wall, "document.fullscreenElement !== null")
    expect(tile(wall, 1)).to_be_focused()
    wall.keyboard.type("4")
    wall.keyboard.press("Enter")
    expect_numbers(wall, "4", "2", "3", "4", "5", "6", "", "", "")
    wall.evaluate("document.exitFullscreen()")
    until(wall, "document.fullscreenElement === null")


def test_on_a_telephone_four_tiles_stand_in_one_column(wall: Page) -> None:
    wall.set_viewport_size({"width": 390, "height": 844})
    expect(wall.locator(".tile")).to_have_count(4)
    expect(wall.locator("[data-step]")).to_have_text("Trang 1/2")
    boxes = [one.bounding_box() for one in wall.locator(".tile").all()]
    assert len({box["x"] for box in boxes if box}) == 1
    assert wall.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(wall.locator("[data-side]")).to_be_hidden()
    wall.click("[data-toggle-tree]")
    wall.locator(".tree-camera", has_text="Trường học Đà Loan").click()
    expect_numbers(wall, "6", "2", "3", "4")


def test_keys_of_the_wall_do_nothing_where_one_types(wall: Page) -> None:
    wall.keyboard.press("/")
    wall.keyboard.type("5")
    expect(say(wall)).to_have_text("")
    expect(wall.locator(".tree-camera")).to_have_count(1)
    wall.keyboard.press("Tab")
    wall.keyboard.press("Tab")
    expect(tile(wall, 1)).to_be_focused()
    wall.keyboard.press("Tab")
    expect(tile(wall, 1).locator(".tile-menu-button")).to_be_focused()
    wall.keyboard.press("Tab")
    expect(wall.locator(".stage :focus")).to_have_count(0)


def test_a_camera_that_is_renamed_or_removed_is_so_on_the_wall_without_a_reload(wall: Page, district: Any) -> None:
    import sqlalchemy as sa

    from vonggac.cameras.models import Camera
    from vonggac.core.clock import utc_now
    from vonggac.core.eventlog import announce

    with district.database.write() as session:
        session.execute(sa.update(Camera).where(Camera.number == 1).values(name="Chợ mới"))
        session.execute(sa.update(Camera).where(Camera.number == 6).values(removed_at=utc_now()))
        announce(session, "camera.changed", subject=district.cameras["Chợ Liên Nghĩa"])
    expect(tile(wall, 1).locator(".name")).to_have_text("Chợ mới", timeout=20_000)
    expect_numbers(wall, "1", "2", "3", "4", "5", "", "", "", "")
    expect(wall.locator(".tree-camera", has_text="Trường học Đà Loan")).to_have_count(0)
