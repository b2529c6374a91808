"""The page `/wall` as the server makes it, and the addresses that its scripts use."""

from __future__ import annotations

import asyncio
import html
import json
import re
from typing import Any

import httpx
import sqlalchemy as sa

from vonggac.core import text
from vonggac.org.models import Unit
from vonggac.web.models import WallView


async def send(client: Any, method: str, path: str, body: Any = None) -> httpx.Response:
    """Ask as the page's scripts do."""
    answer = await client.http.request(method, path, json=body, headers={"x-csrf-token": await client.token()})
    return answer  # type: ignore[no-any-return]


async def start(client: Any, path: str = "/wall") -> dict[str, Any]:
    """With what a page begins."""
    page = (await client.get(path)).text
    found = re.search(r'data-start="([^"]+)"', page)
    assert found
    return dict(json.loads(html.unescape(found[1])))


def test_a_view_is_kept_listed_changed_and_deleted(client: Any, district: Any) -> None:
    market, station = (district.cameras[name].hex for name in ("Chợ Liên Nghĩa", "Bến xe Đức Trọng"))
    body = {"name": "Ca đêm", "layout": 4, "cameras": [market, None, station]}

    async def walk() -> None:
        await client.log_in()
        kept = await send(client, "POST", "/api/wall/views", body)
        assert kept.status_code == 201
        address = f"/api/wall/views/{kept.json()['id']}"
        [view] = (await client.get("/api/wall/views", page=False)).json()["views"]
        assert view["name"] == "Ca đêm"
        assert view["cameras"] == [market, "", station]
        assert view["may_change"] is True
        assert await start(client, f"/wall?view={view['id']}") == {
            "layout": 4,
            "cameras": [market, "", station],
            "view": view["id"],
            "lost": False,
        }
        assert (await send(client, "POST", address, {**body, "name": "Ca ngày", "layout": 9})).status_code == 200
        [view] = (await client.get("/api/wall/views", page=False)).json()["views"]
        assert (view["name"], view["layout"]) == ("Ca ngày", 9)
        assert (await send(client, "DELETE", address)).status_code == 200
        assert (await send(client, "DELETE", address)).status_code == 404
        gone = await start(client, f"/wall?view={view['id']}")
        assert (gone["view"], gone["lost"]) == (None, True)

    asyncio.run(walk())


def test_the_units_for_which_one_may_keep_views_are_named(client: Any, district: Any) -> None:
    async def walk() -> None:
        await client.log_in()
        listed = (await client.get("/api/wall/views", page=False)).json()
        assert [unit["name"] for unit in listed["units"]] == ["Đà Loan", "Hiệp An", "Liên Nghĩa"]
        unit = listed["units"][1]
        kept = await send(
            client, "POST", "/api/wall/views", {"name": "Xã", "unit": unit["id"], "layout": 1, "cameras": []}
        )
        assert kept.status_code == 201
        [view] = (await client.get("/api/wall/views", page=False)).json()["views"]
        assert (view["unit"], view["unit_name"]) == (unit["id"], "Hiệp An")

    asyncio.run(walk())


def test_what_cannot_be_kept_is_refused_with_words(client: Any, district: Any) -> None:
    async def walk() -> None:
        await client.log_in()
        for body, status in (
            ({"name": "", "layout": 4, "cameras": []}, 400),
            ({"name": "x", "layout": 5, "cameras": []}, 400),
            ({"name": "x", "layout": 4, "cameras": ["nonsense"]}, 400),
            ({"name": "x", "layout": 4, "cameras": ["0" * 32]}, 404),
            ({"name": "x", "layout": 4}, 400),
        ):
            answer = await send(client, "POST", "/api/wall/views", body)
            assert answer.status_code == status, body
            assert answer.json()["error"]
        assert (
            await send(client, "POST", "/api/wall/views/nonsense", {"name": "x", "layout": 1, "cameras": []})
        ).status_code == 404
        assert (await send(client, "POST", "/api/wall/last", {"layout": 7, "cameras": []})).status_code == 400

    asyncio.run(walk())
    with district.database.read() as session:
        assert session.scalars(sa.select(WallView)).all() == []


def test_the_wall_begins_with_its_address_else_with_the_last_time_else_with_the_first_cameras(
    client: Any, district: Any
) -> None:
    cameras = [district.cameras[name].hex for name in district.cameras]

    async def walk() -> None:
        await client.log_in()
        usual = await start(client)
        assert (usual["layout"], usual["cameras"]) == (9, cameras)
        last = {"layout": 4, "cameras": [cameras[5], None, cameras[2]]}
        assert (await send(client, "POST", "/api/wall/last", last)).status_code == 200
        again = await start(client)
        assert (again["layout"], again["cameras"]) == (4, [cameras[5], "", cameras[2]])
        named = await start(client, f"/wall?layout=16&cameras=3,,{cameras[0]},77,x")
        assert (named["layout"], named["cameras"]) == (16, [cameras[2], "", cameras[0], "", ""])
        fitting = await start(client, "/wall?cameras=1,2,3")
        assert (fitting["layout"], fitting["cameras"]) == (4, cameras[:3])
        assert (await start(client, "/wall?layout=%27&cameras=" + "9," * 4000))["layout"] == 36

    asyncio.run(walk())


def test_the_page_speaks_both_languages_also_in_what_its_scripts_say(client: Any) -> None:
    async def words(language: str) -> tuple[str, dict[str, str]]:
        page = (await client.get("/wall", accept_language=language)).text
        found = re.search(r'data-words="([^"]+)"', page)
        assert found
        return page, json.loads(html.unescape(found[1]))

    async def walk() -> None:
        await client.log_in()
        page, said = await words("vi")
        assert "Màn hình thứ hai" in page
        assert said["empty"] == "Ô trống"
        page, english = await words("en")
        assert "Second screen" in page
        assert english["empty"] == "Empty tile"
        assert all(text != english[key] or key in {"typed"} for key, text in said.items() if len(text) > 30)

    asyncio.run(walk())


def test_a_second_screen_has_no_menu(client: Any) -> None:
    async def walk() -> None:
        await client.log_in()
        assert 'class="wall-page bare"' in (await client.get("/wall?bare=1")).text
        assert 'class="wall-page"' in (await client.get("/wall")).text

    asyncio.run(walk())


def test_names_of_views_and_units_are_data_never_markup(client: Any, district: Any) -> None:
    name = '"><script>alert(1)</script>'
    with district.database.write() as session:
        session.execute(sa.update(Unit).values(name=name, name_sort=text.sort_key(name)))

    async def walk() -> None:
        await client.log_in()
        kept = await send(client, "POST", "/api/wall/views", {"name": name, "layout": 1, "cameras": []})
        assert kept.status_code == 201
        listed = await client.get("/api/wall/views", page=False)
        assert listed.headers["content-type"] == "application/json"
        assert "<script>alert" not in (await client.get(f"/wall?view={kept.json()['id']}")).text

    asyncio.run(walk())
