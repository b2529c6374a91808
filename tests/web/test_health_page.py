"""The health page as the server makes it, and what programs get."""

from __future__ import annotations

import asyncio
import gzip
import uuid
from typing import Any

import msgspec
import sqlalchemy as sa

from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds, utc_now
from vonggac.shell.models import LookRow
from vonggac.video import stills
from vonggac.video.models import Still


def looks(district: Any) -> list[uuid.UUID]:
    """The cameras of which it is remembered that somebody looked at their stills."""
    with district.database.read() as session:
        return list(session.scalars(sa.select(LookRow.camera_id).where(LookRow.kind == "still").order_by(LookRow.id)))


async def ask_for_stills(client: Any, cameras: list[str]) -> Any:
    return await client.http.post(
        "/api/stills", json={"cameras": cameras}, headers={"x-csrf-token": await client.token()}
    )


def test_search_filters_and_order_work_without_scripts(client: Any, district: Any) -> None:
    async def walk() -> None:
        await client.log_in()
        page = (await client.get("/health?q=hiep+an&sort=name")).text
        rows = [row.partition(">")[0] for row in page.split('class="camera"')[1:]]
        assert len(rows) == len(district.cameras)
        assert sum(" hidden" not in row for row in rows) == 2
        assert [row.partition('data-number="')[2].partition('"')[0] for row in rows] == ["2", "5", "1", "3", "6", "4"]
        page = (await client.get("/health?state=away")).text
        assert "Hiển thị 0/6 camera" in page
        assert (await client.get("/health?sort=nonsense&state=nonsense&unit=%27%22%3E")).status_code == 200

    asyncio.run(walk())


def test_names_are_shown_as_text_whatever_they_hold(client: Any, district: Any) -> None:
    with district.database.write() as session:
        session.execute(sa.update(Camera).values(name='<script>alert("1")</script>'))

    async def walk() -> str:
        await client.log_in()
        return str((await client.get("/health")).text)

    page = asyncio.run(walk())
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_the_page_speaks_the_readers_language(client: Any) -> None:
    async def walk() -> None:
        await client.log_in()
        assert "Tình trạng camera" in (await client.get("/health")).text
        assert "Health of the cameras" in (await client.get("/health", accept_language="en-GB,en")).text
        await client.post("/preferences", {"language": "en", "theme": "light", "next": "/health"})
        page = (await client.get("/health", accept_language="vi")).text
        assert '<html lang="en" data-theme="light">' in page
        await client.post("/preferences", {"language": "xx", "theme": "pink", "next": "/health"})
        assert '<html lang="en" data-theme="light">' in (await client.get("/health")).text

    asyncio.run(walk())


def test_programs_get_the_same_as_json(client: Any, district: Any) -> None:
    district.say({"Chợ Hiệp An": "timed_out"}, recorded_us=3_599_280_000)

    async def walk() -> Any:
        await client.log_in()
        answer = await client.get("/api/health", page=False)
        assert answer.headers["content-encoding"] == "gzip"
        return answer.json()

    view = asyncio.run(walk())
    assert view["totals"]["cells"]["recording"] == "5/6"
    assert [trouble["name"] for trouble in view["totals"]["trouble"]] == ["Chợ Hiệp An"]
    rows = {row["number"]: row for group in view["groups"] for row in group["rows"]}
    assert rows[5]["cells"]["why"] == "Camera không trả lời"
    assert rows[1]["cells"]["share"] == "99,98%"
    assert rows[1]["cells"]["picture"] == "H.264 1280×720"
    assert rows[1]["levels"]["share"] == "good"


def test_a_look_is_remembered_before_the_picture_goes_out_and_once_in_ten_minutes(client: Any, district: Any) -> None:
    camera = district.cameras["Chợ Hiệp An"]
    now = microseconds(utc_now())

    async def walk() -> None:
        await client.log_in()
        answer = await ask_for_stills(client, [one.hex for one in district.cameras.values()])
        assert answer.json()["taken"] == {}
        assert sorted(looks(district)) == sorted(district.cameras.values())
        with district.database.write() as session:
            assert session.get(Still, camera).wanted_until_us > now
            stills.keep(session, [(camera, now - 40_000_000, b"\xff\xd8picture")])
        answer = await ask_for_stills(client, [camera.hex])
        assert answer.json()["taken"] == {camera.hex: (now - 40_000_000) // 1000}
        picture = await client.get(f"/cameras/{camera.hex}/still.jpg", page=False)
        assert picture.content == b"\xff\xd8picture"
        assert picture.headers["content-type"] == "image/jpeg"
        assert picture.headers["cache-control"] == "no-store"
        assert 40 <= int(picture.headers["age"]) < 60
        same = await client.get(f"/cameras/{camera}/still.jpg", page=False, if_none_match=picture.headers["etag"])
        assert same.status_code == 304
        assert len(looks(district)) == len(district.cameras)

    asyncio.run(walk())


def test_a_single_picture_is_remembered_too(client: Any, district: Any) -> None:
    camera = district.cameras["Chợ Hiệp An"]

    async def walk() -> None:
        await client.log_in()
        assert (await client.get(f"/cameras/{camera.hex}/still.jpg", page=False)).status_code == 404
        with district.database.write() as session:
            stills.want(session, [camera], 1)
            stills.keep(session, [(camera, microseconds(utc_now()), b"\xff\xd8")])
        assert (await client.get(f"/cameras/{camera.hex}/still.jpg", page=False)).status_code == 200
        assert looks(district) == [camera]

    asyncio.run(walk())


def test_wishes_are_renewed_at_most_every_ten_seconds(client: Any, district: Any) -> None:
    camera = district.cameras["Chợ Hiệp An"]

    def wanted_until() -> int:
        with district.database.read() as session:
            return int(session.get(Still, camera).wanted_until_us)

    async def walk() -> None:
        await client.log_in()
        await ask_for_stills(client, [camera.hex])
        first = wanted_until()
        await ask_for_stills(client, [camera.hex])
        assert wanted_until() == first

    asyncio.run(walk())


def test_cameras_that_are_not_there_have_no_still(client: Any, district: Any) -> None:
    camera = district.cameras["Chợ Hiệp An"]
    with district.database.write() as session:
        session.execute(sa.update(Camera).where(Camera.id == camera).values(removed_at=utc_now()))

    async def walk() -> None:
        await client.log_in()
        for named in (camera.hex, uuid.uuid4().hex, "not-a-camera", "0" * 100):
            assert (await client.get(f"/cameras/{named}/still.jpg", page=False)).status_code == 404
        assert (await ask_for_stills(client, [camera.hex])).json()["taken"] == {}
        for broken in (["x"], [uuid.uuid4().hex] * 201, "x"):
            assert (await ask_for_stills(client, broken)).status_code == 400  # type: ignore[arg-type]

    asyncio.run(walk())


def test_what_fails_is_said_in_words_and_programs_get_json(client: Any) -> None:
    async def walk() -> None:
        page = await client.get("/nowhere")
        assert page.status_code == 404
        assert "Không có trang này" in page.text
        assert (await client.get("/nowhere", page=False)).json() == {"error": "There is no such page"}
        assert (await client.http.request("DELETE", "/health")).status_code == 405

    asyncio.run(walk())


def test_a_database_that_cannot_be_used_is_said_and_is_no_crash(client: Any, district: Any) -> None:
    async def walk() -> None:
        await client.log_in()
        with district.database.begin_write() as connection:
            connection.exec_driver_sql("ALTER TABLE camera_status RENAME TO elsewhere")
        page = await client.get("/health")
        assert page.status_code == 503
        assert "Không dùng được cơ sở dữ liệu" in page.text
        assert "elsewhere" not in page.text

    asyncio.run(walk())


def test_the_json_of_a_whole_district_is_small_enough_for_a_thin_line(client: Any, district: Any) -> None:
    async def walk() -> bytes:
        await client.log_in()
        return bytes((await client.get("/api/health", page=False)).content)

    body = asyncio.run(walk())
    view = msgspec.json.decode(body)
    assert len(gzip.compress(body, 1)) / len([row for group in view["groups"] for row in group["rows"]]) < 500
