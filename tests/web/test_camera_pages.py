"""The list of cameras, the page of one, its form: what they say, what they keep, and what they never give away."""

from __future__ import annotations

import asyncio
import html
import io
import re
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from vonggac.cameras import pictures, service
from vonggac.cameras.address import Credentials, split_address
from vonggac.cameras.models import Camera, CameraPicture
from vonggac.cameras.schemas import CameraChanges
from vonggac.core.clock import microseconds, utc_now
from vonggac.core.eventlog import EventRow
from vonggac.org.models import Unit
from vonggac.shell.models import LookRow
from vonggac.video.models import Gap

SECRET = "bi-mat-cua-camera"
HOUR = 3_600_000_000


def jpeg(width: int = 640, height: int = 360) -> bytes:
    """A picture as a telephone makes it, with a place in its EXIF that nobody asked for."""
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "MAKER-OF-THE-TELEPHONE"
    Image.effect_noise((width, height), 40).convert("RGB").save(file, "JPEG", exif=exif)
    return file.getvalue()


def camera(district: Any, name: str = "Chợ Liên Nghĩa") -> Camera:
    with district.database.read() as session:
        return session.get_one(Camera, district.cameras[name])


def change(district: Any, which: str = "Chợ Liên Nghĩa", **changes: Any) -> None:
    with district.database.write() as session:
        box = district.folder.secret_box()
        service.edit_camera(session, box, session.get_one(Camera, district.cameras[which]), CameraChanges(**changes))


def with_secret(district: Any, url: str = "rtsp://192.0.2.1/stream") -> None:
    change(district, address=split_address(url), credentials=Credentials("admin", SECRET))


def fields(page: str) -> dict[str, str]:
    """The texts of a page's form, as a browser would send them back."""
    found: dict[str, str] = {}
    form = page.partition('class="fields"')[2]
    for tag in re.findall(r"<input [^>]*>", form):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            found[name[1]] = html.unescape(value[1]) if value else ""
    for name, options in re.findall(r'<select [^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    for name, text in re.findall(r'<textarea [^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        found[name] = html.unescape(text)
    found.pop("csrf", None)
    return found


def walk(steps: Any) -> Any:
    return asyncio.run(steps)


def test_the_list_finds_by_number_name_unit_and_place_without_accents(client: Any, district: Any) -> None:
    change(district, "Chợ Hiệp An", record={"place": "Ngã ba Phi Nôm"})

    async def steps() -> dict[str, list[str]]:
        await client.log_in()
        found = {}
        for query in ("", "q=nga+ba+phi+nom", "q=hiep+an", "q=5", "q=da+loan", "kind=plate", "state=away", "q=%3Cb%3E"):
            page = (await client.get(f"/cameras?{query}")).text
            rows = [row.partition("</tr>")[0] for row in page.split('class="entry"')[1:]]
            shown = [row for row in rows if not row.partition(">")[0].endswith(" hidden")]
            found[query] = [re.search(r'/cameras/(\d+)"', row)[1] for row in shown]  # type: ignore[index]
        return found

    found = walk(steps())
    assert sorted(found.pop("")) == ["1", "2", "3", "4", "5", "6"]
    assert found == {
        "q=nga+ba+phi+nom": ["5"],
        "q=hiep+an": ["5", "4"],
        "q=5": ["5"],
        "q=da+loan": ["6"],
        "kind=plate": ["3"],
        "state=away": [],
        "q=%3Cb%3E": [],
    }


def test_a_guarantee_that_ends_within_60_days_or_is_over_is_warned_of(client: Any, district: Any) -> None:
    today = utc_now().astimezone(client_zone(district)).date()
    change(district, "Chợ Liên Nghĩa", record={"guarantee_until": today + timedelta(days=60)})
    change(district, "Chợ Hiệp An", record={"guarantee_until": today - timedelta(days=3)})
    change(district, "Bến xe Đức Trọng", record={"guarantee_until": today + timedelta(days=61)})

    async def steps() -> tuple[str, str, str, str]:
        await client.log_in()
        register = (await client.get("/cameras?record=guarantee")).text
        return register, *[(await client.get(f"/cameras/{number}")).text for number in (1, 5, 2)]  # type: ignore[return-value]

    register, near, over, far = walk(steps())
    assert "Hiển thị 2/6 camera" in register
    assert "Còn 60 ngày là hết bảo hành" in near
    assert "Đã hết bảo hành 3 ngày trước." in over
    assert "hết bảo hành" not in far


def client_zone(district: Any) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(district.folder.settings.centre.zone)


def test_a_camera_is_found_by_its_number_and_by_its_id_and_by_nothing_else(client: Any, district: Any) -> None:
    async def steps() -> list[int]:
        await client.log_in()
        paths = ["1", district.cameras["Chợ Liên Nghĩa"].hex, "99", "0" * 32, "x", "-1", "1e9", "99999999999999999999"]
        return [(await client.get(f"/cameras/{path}")).status_code for path in paths]

    assert walk(steps()) == [200, 200, 404, 404, 404, 404, 404, 404]


def test_the_page_of_a_camera_says_what_it_sends_what_is_missing_and_what_stands_in_its_record(
    client: Any, district: Any
) -> None:
    with_secret(district, "rtsp://192.0.2.9:8554/live?pwd=w0rt")
    change(district, record={"owner": "Ủy ban nhân dân xã Đức Trọng", "installed_on": date(2026, 6, 1)})
    now = microseconds(utc_now())
    with district.database.write() as session:
        row = session.get_one(Camera, district.cameras["Chợ Liên Nghĩa"])
        row.created_at = utc_now() - timedelta(days=3)
        session.add(Gap(camera_id=row.id, start_us=now - 5 * HOUR, end_us=now - 4 * HOUR, reason="timed_out"))
    district.say(clock_offset_us=-90_000_000)

    async def steps() -> str:
        await client.log_in()
        return str((await client.get("/cameras/1")).text)

    page = walk(steps())
    for said in (
        "rtsp://192.0.2.9:8554/live?pwd=***",
        "đã lưu",
        "H.264",
        "1280×720",
        "chậm 1 phút",
        "Camera không trả lời",
        "Ủy ban nhân dân xã Đức Trọng",
        "01/06/2026",
        "30 ngày (theo trung tâm)",
        'href="/playback?cameras=1&amp;at=',
    ):
        assert said in page, said
    assert SECRET not in page
    assert "w0rt" not in page
    assert page.count('<li data-level="') == 24 + 30


def test_no_page_gives_a_password_away_and_a_page_of_a_stranger_is_closed(client: Any, district: Any) -> None:
    with_secret(district)
    paths = ["/cameras", "/cameras.csv", "/cameras/1", "/cameras/1/edit", "/cameras/new", "/api/cameras/1/present"]

    async def steps() -> tuple[list[int], list[Any], list[int]]:
        await client.log_in("khach1")
        closed = [(await client.get(path)).status_code for path in paths]
        client.http.cookies.clear()
        await client.log_in()
        opened = [await client.get(path) for path in paths]
        return closed, opened, [answer.status_code for answer in opened]

    closed, opened, statuses = walk(steps())
    assert closed == [403] * len(paths)
    assert statuses == [200] * len(paths)
    assert not [answer.url for answer in opened if SECRET in answer.text]


def test_the_form_sent_back_as_it_is_changes_nothing(client: Any, district: Any) -> None:
    with_secret(district, "rtsp://192.0.2.9:8554/live?pwd=w0rt")
    change(district, position=(11.735123, 108.37345678), record={"remarks": "một\nhai"}, days={"min_days": 5})
    before = camera(district)

    async def steps() -> Any:
        await client.log_in()
        page = (await client.get("/cameras/1/edit")).text
        return await client.post("/cameras/1/edit", fields(page))

    answer = walk(steps())
    assert answer.headers["location"] == "/cameras/1?notice=same"
    after = camera(district)
    assert {c.name: getattr(after, c.name) for c in Camera.__table__.columns} == {
        c.name: getattr(before, c.name) for c in Camera.__table__.columns
    }


def test_a_change_is_kept_announced_and_keeps_the_password(client: Any, district: Any) -> None:
    with_secret(district)
    with district.database.read() as session:
        unit = session.scalar(sa.select(Unit.id).where(Unit.name == "Đà Loan"))
    assert unit is not None
    wanted = {
        "name": "Chợ Liên Nghĩa, cổng Bắc",
        "unit": unit.hex,
        "kind": "ptz",
        "url": "rtsp://192.0.2.1:8554/main",
        "sub_url": "rtsp://192.0.2.1:8554/sub",
        "min_days": "60",
        "max_days": "0",
        "latitude": "11.735, 108.373",
        "longitude": "",
        "contract": "05/2026/HĐ",
        "guarantee_until": "2028-05-31",
    }

    async def steps() -> Any:
        await client.log_in()
        form = fields((await client.get("/cameras/1/edit")).text)
        form.pop("enabled")
        return await client.post("/cameras/1/edit", form | wanted)

    answer = walk(steps())
    assert answer.headers["location"] == "/cameras/1?notice=saved"
    after = camera(district)
    box = district.folder.secret_box()
    assert (after.name, after.kind, after.unit_id, after.enabled) == (wanted["name"], "ptz", unit, False)
    assert (after.latitude, after.longitude, after.min_days, after.max_days) == (11.735, 108.373, 60, 0)
    assert (after.contract, after.guarantee_until) == ("05/2026/HĐ", date(2028, 5, 31))
    assert service.stream_url(after, box) == f"rtsp://admin:{SECRET}@192.0.2.1:8554/main"
    assert service.stream_url(after, box, "sub") == f"rtsp://admin:{SECRET}@192.0.2.1:8554/sub"
    with district.database.read() as session:
        events = session.scalars(sa.select(EventRow).where(EventRow.topic == "camera.changed")).all()
    assert "url" in events[-1].payload["fields"]
    assert "enabled" in events[-1].payload["fields"]


def test_a_new_password_alone_keeps_the_user_and_both_can_be_forgotten(client: Any, district: Any) -> None:
    with_secret(district)
    box = district.folder.secret_box()
    seen = []

    async def steps() -> None:
        await client.log_in()
        for more in ({"password": "moi"}, {"user": "vien"}, {"forget_credentials": "yes"}):
            form = fields((await client.get("/cameras/1/edit")).text)
            assert (await client.post("/cameras/1/edit", form | more)).status_code == 303
            seen.append(service.stream_url(camera(district), box))

    walk(steps())
    # A new user does not get the password of the old one.
    assert seen == ["rtsp://admin:moi@192.0.2.1/stream", "rtsp://vien:@192.0.2.1/stream", "rtsp://192.0.2.1/stream"]


def test_the_stored_password_is_not_sent_to_another_machine_unasked(client: Any, district: Any) -> None:
    with_secret(district)
    box = district.folder.secret_box()
    before = service.stream_url(camera(district), box)
    elsewhere = {"url": "rtsp://192.0.2.66/stream"}

    async def steps() -> list[Any]:
        await client.log_in()
        form = fields((await client.get("/cameras/1/edit")).text)
        answers = [await client.post("/cameras/1/edit", form | elsewhere)]
        assert service.stream_url(camera(district), box) == before
        answers.append(await client.post("/cameras/1/edit", form | elsewhere | {"user": "admin", "password": "moi"}))
        return answers

    refused, taken = walk(steps())
    assert refused.status_code == 422
    assert "Địa chỉ mới là của máy khác nên tên và mật khẩu đang lưu không được gửi tới đó." in refused.text
    assert taken.headers["location"] == "/cameras/1?notice=saved"
    assert service.stream_url(camera(district), box) == "rtsp://admin:moi@192.0.2.66/stream"


def test_the_user_alone_does_not_fetch_the_stored_password_for_another_machine(client: Any, district: Any) -> None:
    with_secret(district)

    async def steps() -> None:
        await client.log_in()
        form = fields((await client.get("/cameras/1/edit")).text)
        await client.post("/cameras/1/edit", form | {"url": "rtsp://192.0.2.66/stream", "user": "admin"})

    walk(steps())
    assert SECRET not in service.stream_url(camera(district), district.folder.secret_box())


def test_wrong_input_is_named_field_by_field_and_nothing_typed_is_lost_but_the_password(
    client: Any, district: Any
) -> None:
    change(district, "Bến xe Đức Trọng", address=split_address("rtsp://192.0.2.77/taken"))
    wrong = {
        "name": "12345",
        "unit": "",
        "url": f"http://admin:{SECRET}@192.0.2.5/x",
        "password": SECRET,
        "latitude": "200",
        "longitude": "108",
        "min_days": "30",
        "max_days": "7",
        "guarantee_until": "31/02/2027",
        "contract": "05/2026/HĐ <b>",
        "remarks": "x" * 4001,
    }

    async def steps() -> tuple[Any, Any, Any]:
        await client.log_in()
        form = fields((await client.get("/cameras/1/edit")).text)
        first = await client.post("/cameras/1/edit", form | wrong)
        second = await client.post("/cameras/1/edit", form | {"url": "rtsp://192.0.2.77/taken"})
        third = await client.post("/cameras/1/edit", form | {"name": "Bến xe Đức Trọng"}, accept_language="en")
        return first, second, third

    first, second, third = walk(steps())
    page = html.unescape(first.text)
    assert first.status_code == 422
    for said in (
        "Tên phải có chữ cái",
        "Hãy chọn đơn vị",
        "Địa chỉ phải bắt đầu bằng rtsp://",
        "Có mật khẩu thì phải có tên đăng nhập.",
        "Vĩ độ phải nằm trong khoảng -90 đến 90 độ, không phải 200",
        "Không thể vừa giữ bản ghi ít nhất 30 ngày vừa xóa sau 7 ngày",
        "Ngày phải viết như 31/05/2027",
        "“Ghi chú” dài 4001 ký tự",
    ):
        assert said in page, said
    assert SECRET not in page
    kept = fields(first.text)
    assert {name: kept[name] for name in ("contract", "remarks", "max_days", "name")} == {
        name: wrong[name] for name in ("contract", "remarks", "max_days", "name")
    }
    assert kept["url"] == "http://192.0.2.5/x"
    assert "đã thuộc về camera 2 (Bến xe Đức Trọng)" in html.unescape(second.text)
    assert "is taken in this unit by camera 2 (Bến xe Đức Trọng)" in html.unescape(third.text)
    assert camera(district).name == "Chợ Liên Nghĩa"


def test_a_form_that_somebody_else_was_faster_with_says_so_and_loses_nothing(client: Any, district: Any) -> None:
    async def steps() -> tuple[Any, Any]:
        await client.log_in()
        form = fields((await client.get("/cameras/1/edit")).text)
        with district.database.read() as session:
            unit_id = session.scalar(sa.select(Unit.id).where(Unit.name == "Đà Loan"))
        others = {"name": "Của người khác", "unit_id": unit_id, "kind": "plate", "enabled": False}
        change(district, **others, record={"owner": "Công an xã", "guarantee_until": date(2028, 5, 31)})
        mine = form | {"name": "Của tôi", "contract": "7/HĐ"}
        first = await client.post("/cameras/1/edit", mine)
        assert camera(district).name == "Của người khác"
        return first, await client.post("/cameras/1/edit", fields(first.text))

    first, second = walk(steps())
    page = html.unescape(first.text)
    assert first.status_code == 409
    assert "Trong lúc đó người khác đã sửa camera này." in page
    assert "Trong lúc đó đã được sửa thành: Của người khác" in page
    for said in ("Công an xã", "Đà Loan", "Biển số", "không", "31/05/2028"):
        assert f"Trong lúc đó đã được sửa thành: {said}" in page, said
    assert fields(first.text)["name"] == "Của tôi"
    assert second.headers["location"] == "/cameras/1?notice=saved"
    assert (camera(district).name, camera(district).contract) == ("Của tôi", "7/HĐ")


def test_stars_in_an_address_are_never_taken_for_a_password(client: Any, district: Any) -> None:
    with_secret(district, "rtsp://192.0.2.9:8554/live?pwd=w0rt")

    async def steps() -> Any:
        await client.log_in()
        form = fields((await client.get("/cameras/1/edit")).text)
        return await client.post("/cameras/1/edit", form | {"url": "rtsp://192.0.2.9:9000/live?pwd=***"})

    answer = walk(steps())
    assert answer.status_code == 422
    assert "Hãy gõ lại mật khẩu trong địa chỉ" in html.unescape(answer.text)


def test_a_picture_is_uploaded_cleaned_shown_remembered_and_deleted(client: Any, district: Any) -> None:
    async def steps() -> tuple[Any, Any, Any, Any, Any]:
        await client.log_in()
        headers = {"x-csrf-token": await client.token(), "content-type": "image/jpeg"}
        bad = await client.http.post("/cameras/1/installation", content=b"\x89PNG", headers=headers)
        large = await client.http.post("/cameras/1/installation", content=bytes(13 << 20), headers=headers)
        good = await client.http.post("/cameras/1/installation", content=jpeg(2560, 1440), headers=headers)
        shown = await client.get("/cameras/1/installation.jpg")
        page = await client.get("/cameras/1")
        assert "Khi lắp đặt, " in page.text
        gone = await client.post("/cameras/1/installation/forget", {})
        assert (await client.get("/cameras/1/installation.jpg")).status_code == 404
        return bad, large, good, shown, gone

    bad, large, good, shown, gone = walk(steps())
    assert (bad.status_code, bad.json()) == (422, {"error": "Tệp này không phải hình JPEG đọc được."})
    assert large.status_code == 413
    assert good.json() == {"next": "/cameras/1?notice=picture#pictures"}
    assert Image.open(io.BytesIO(shown.content)).size == (1280, 720)
    assert b"MAKER-OF-THE-TELEPHONE" not in shown.content
    assert shown.headers["cache-control"] == "no-store"
    assert gone.headers["location"] == "/cameras/1?notice=no-picture#pictures"
    with district.database.read() as session:
        looked = session.scalars(sa.select(LookRow.camera_id).where(LookRow.kind == "still")).all()
        assert list(looked) == [district.cameras["Chợ Liên Nghĩa"]]
        assert session.scalars(sa.select(CameraPicture)).all() == []


def test_without_a_picture_of_now_none_is_kept(client: Any, district: Any) -> None:
    async def steps() -> tuple[Any, Any]:
        await client.log_in()
        return await client.get("/cameras/1/now.jpg"), await client.post("/cameras/1/installation/take", {})

    now, taken = walk(steps())
    assert now.status_code == 204
    assert taken.headers["location"] == "/cameras/1?notice=no-frame#pictures"
    with district.database.read() as session:
        assert pictures.picture(session, camera(district)) is None


@pytest.mark.parametrize("language", ["vi", "en"])
def test_names_and_texts_are_shown_as_text_whatever_they_hold(client: Any, district: Any, language: str) -> None:
    evil = '<script>alert("1")</script>'
    change(district, name=f"a{evil}", record={"place": evil, "owner": evil, "remarks": evil})

    async def steps() -> list[str]:
        await client.log_in()
        paths = ("/cameras", "/cameras/1", "/cameras/1/edit")
        return [(await client.get(path, accept_language=language)).text for path in paths]

    for page in walk(steps()):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page
