"""Clips over HTTP: whose they are, what is remembered before they leave, how they are fetched and called."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from peers.little_footage import PURPOSE, Footage
from vonggac.core.clock import utc
from vonggac.org.accounts import Visitor
from vonggac.org.models import Account
from vonggac.video.models import Recording
from vonggac.web.clip_view import file_name, plain_name


@pytest.fixture(autouse=True)
def _clips_of_the_district(application: Any, district: Any) -> None:
    application.state.clips_folder = district.folder.clips_path


@pytest.fixture
def footage(district: Any) -> Footage:
    return Footage(district)


@pytest.fixture
def visited(client: Any) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """`visited(body)`: run a coroutine with the client logged in."""

    def run(body: Callable[[], Awaitable[None]]) -> None:
        async def logged_in() -> None:
            await client.log_in()
            await body()

        asyncio.run(logged_in())

    return run


async def post(client: Any, path: str, value: Any) -> httpx.Response:
    found: httpx.Response = await client.http.post(path, json=value, headers={"x-csrf-token": await client.token()})
    return found


async def delete(client: Any, path: str) -> httpx.Response:
    found: httpx.Response = await client.http.delete(path, headers={"x-csrf-token": await client.token()})
    return found


Visited = Callable[[Callable[[], Awaitable[None]]], None]


def test_a_clip_is_asked_for_watched_and_fetched_and_both_are_remembered_with_the_purpose(
    client: Any, footage: Footage, visited: Visited
) -> None:
    async def body() -> None:
        asked = await post(client, "/api/clips", footage.wanted())
        assert asked.status_code == 201
        (look,) = footage.looks()
        assert (look.kind, look.camera_id, look.detail) == ("export", footage.camera_id, PURPOSE)
        assert (look.from_us, look.to_us) == (footage.from_us, footage.from_us + 30_000_000)
        address = f"/api/clips/{asked.json()['id']}"
        waiting = (await client.get(address, page=False)).json()
        assert (waiting["state"], waiting["done"], waiting["href"]) == ("waiting", 0, None)
        await footage.make()
        answer = await client.get(address, page=False)
        assert answer.headers["cache-control"] == "no-store"
        ready = answer.json()
        assert (ready["state"], ready["done"]) == ("ready", 1)
        assert ready["words"].startswith("Lấy được đến")
        (gap,) = ready["gaps"]
        assert gap["from"] == footage.from_us // 1000 + 10_000
        assert gap["to"] - gap["from"] == 10_000
        assert (gap["reason"], gap["words"]) == ("timed_out", "Camera không trả lời")
        assert (await client.get("/api/clips", page=False)).json()["clips"] == [ready]
        assert len(footage.looks()) == 1
        file = await client.get(ready["href"], page=False)
        assert file.status_code == 200
        assert hashlib.sha256(file.content).hexdigest() == ready["sha256"]
        assert len(file.content) == ready["size"]
        assert file.headers["content-type"] == "video/mp4"
        assert file.headers["cache-control"] == "no-store"
        fetched = footage.looks()[1]
        assert (fetched.kind, fetched.detail) == ("export", f"{PURPOSE} (SHA-256 {ready['sha256']})")

    visited(body)


def test_a_file_is_fetched_in_ranges_and_that_is_remembered_once(
    client: Any, footage: Footage, visited: Visited
) -> None:
    async def body() -> None:
        clip_id = (await post(client, "/api/clips", footage.wanted())).json()["id"]
        await footage.make()
        ready = (await client.get(f"/api/clips/{clip_id}", page=False)).json()
        whole = (await client.get(ready["href"], page=False)).content
        part = await client.get(ready["href"], page=False, range="bytes=100-299")
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes 100-299/{len(whole)}"
        assert part.content == whole[100:300]
        rest = await client.get(ready["href"], page=False, range="bytes=-50", if_range=f'"{ready["sha256"]}"')
        assert (rest.status_code, rest.content) == (206, whole[-50:])
        other = await client.get(ready["href"], page=False, range="bytes=-50", if_range='"another"')
        assert (other.status_code, other.content) == (200, whole)
        beyond = await client.get(ready["href"], page=False, range=f"bytes={len(whole)}-")
        assert beyond.status_code == 416
        assert len(footage.looks()) == 2

    visited(body)


def test_the_file_has_a_name_for_people_and_one_for_every_system(
    client: Any, footage: Footage, visited: Visited, district: Any
) -> None:
    async def body() -> None:
        clip_id = (await post(client, "/api/clips", footage.wanted(camera=1))).json()["id"]
        await footage.make()
        ready = (await client.get(f"/api/clips/{clip_id}", page=False)).json()
        local = utc(footage.from_us).astimezone(client.zone)
        assert ready["name"] == f"1 Chợ Liên Nghĩa {local:%Y-%m-%d %H.%M.%S}.mp4"
        plain = f"camera-1-cho-lien-nghia-{local:%Y-%m-%d-%H%M%S}.mp4"
        assert ready["href"] == f"/clips/{clip_id}/{plain}"
        said = (await client.get(ready["href"], page=False)).headers["content-disposition"]
        assert said.startswith(f"attachment; filename=\"{plain}\"; filename*=UTF-8''1%20Ch%E1%BB%A3%20")
        assert said.isascii()

    from zoneinfo import ZoneInfo

    client.zone = ZoneInfo("Asia/Ho_Chi_Minh")
    visited(body)


def test_a_name_never_holds_what_a_file_may_not_be_called(district: Any, footage: Footage) -> None:
    from vonggac.cameras.models import Camera
    from vonggac.shell.words import Words
    from vonggac.video.clips.models import Clip

    words = Words("vi", "Asia/Ho_Chi_Minh")
    clip = Clip(from_us=0, start_us=None)
    camera = Camera(number=3, name='..\\QL20/"Bắc": <a>|\x07*?')
    assert file_name(clip, camera, words) == "3 .. QL20 Bắc a 1970-01-01 08.00.00.mp4"
    assert plain_name(clip, camera, words) == "camera-3-ql20-bac-a-1970-01-01-080000.mp4"


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"purpose": ""}, 409, "trích xuất để làm gì"),
        ({"purpose": "x" * 201}, 409, "200"),
        ({"to_ms": 0}, 409, "sau thời điểm bắt đầu"),
        ({"from_ms": 1000, "to_ms": 2000}, 409, "không có hình ghi"),
        ({"to_ms": 4_000_000_000_000}, 409, "tương lai"),
        ({"from_ms": -1}, 400, ""),
        ({"from_ms": 10**30}, 400, ""),
        ({"from_ms": "gestern"}, 400, ""),
        ({"purpose": None}, 400, ""),
        ({"camera": "99"}, 404, ""),
        ({"camera": "x' OR 1=1"}, 404, ""),
    ],
)
def test_wrong_input_is_refused_in_the_readers_words_and_nothing_is_remembered(
    client: Any, footage: Footage, visited: Visited, changed: dict[str, Any], status: int, words: str
) -> None:
    async def body() -> None:
        answer = await post(client, "/api/clips", footage.wanted(**changed))
        assert answer.status_code == status
        assert words in answer.json()["error"]
        assert footage.looks() == []
        assert (await client.get("/api/clips", page=False)).json()["clips"] == []

    visited(body)


def test_a_clip_belongs_to_whoever_asked_for_it(
    client: Any, application: Any, footage: Footage, visited: Visited, district: Any
) -> None:
    async def body() -> None:
        clip_id = (await post(client, "/api/clips", footage.wanted())).json()["id"]
        await footage.make()
        href = (await client.get(f"/api/clips/{clip_id}", page=False)).json()["href"]
        other = type(client)(application)
        for path in ("/api/clips", f"/api/clips/{clip_id}", href, "/clips"):
            assert (await other.get(path, page=False)).status_code == 401
        with district.database.write() as session:
            session.execute(sa.update(Account).values(administrator=True))
        await other.log_in("khach1")
        assert (await other.get("/api/clips", page=False)).json()["clips"] == []
        for path in (f"/api/clips/{clip_id}", href):
            assert (await other.get(path, page=False)).status_code == 404
        assert (await delete(other, f"/api/clips/{clip_id}")).status_code == 404
        assert (await client.http.delete(f"/api/clips/{clip_id}")).status_code == 403
        assert len(footage.looks()) == 1

    visited(body)


def test_whoever_loses_the_right_to_a_camera_loses_its_clips(
    client: Any, footage: Footage, visited: Visited, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        clip_id = (await post(client, "/api/clips", footage.wanted())).json()["id"]
        await footage.make()
        href = (await client.get(f"/api/clips/{clip_id}", page=False)).json()["href"]
        monkeypatch.setattr(Visitor, "may", lambda _self, _verb, unit_id=None: unit_id is None)
        assert (await client.get("/api/clips", page=False)).json()["clips"] == []
        for path in (f"/api/clips/{clip_id}", href):
            assert (await client.get(path, page=False)).status_code == 403
        assert (await post(client, "/api/clips", footage.wanted())).status_code == 403

    visited(body)


def test_what_is_not_ready_or_gone_or_no_clip_is_not_fetched(
    client: Any, footage: Footage, visited: Visited, district: Any
) -> None:
    async def body() -> None:
        clip_id = (await post(client, "/api/clips", footage.wanted())).json()["id"]
        assert (await client.get(f"/clips/{clip_id}/a.mp4", page=False)).status_code == 404
        await footage.make()
        assert (await client.get(f"/clips/{clip_id}/a.mp4", page=False)).status_code == 200
        shutil.rmtree(district.folder.clips_path)
        gone = await client.get(f"/clips/{clip_id}/a.mp4", page=False)
        assert gone.status_code == 404
        assert "không còn" in gone.json()["error"]
        for name in ("nonsense", uuid.uuid4().hex, "..%2F..%2Fvonggac.toml"):
            assert (await client.get(f"/clips/{name}/a.mp4", page=False)).status_code == 404
            assert (await client.get(f"/api/clips/{name}", page=False)).status_code == 404

    visited(body)


def test_a_clip_is_deleted_by_its_owner_and_the_keeper_removes_the_file(
    client: Any, footage: Footage, visited: Visited, district: Any
) -> None:
    async def body() -> None:
        clip_id = (await post(client, "/api/clips", footage.wanted())).json()["id"]
        await footage.make()
        assert (await delete(client, f"/api/clips/{clip_id}")).status_code == 200
        assert (await client.get(f"/api/clips/{clip_id}", page=False)).status_code == 404
        await footage.make()
        assert list(district.folder.clips_path.iterdir()) == []

    visited(body)


def test_a_recording_that_cannot_be_read_is_told_in_the_readers_language(
    client: Any, footage: Footage, visited: Visited, district: Any
) -> None:
    async def body() -> None:
        shutil.rmtree(district.folder.media_paths[0] / "camera-1")
        clip_id = (await post(client, "/api/clips", footage.wanted())).json()["id"]
        await footage.make()
        failed = (await client.get(f"/api/clips/{clip_id}", page=False)).json()
        assert failed["state"] == "failed"
        assert failed["words"].startswith("Không đọc được")
        page = (await client.get("/clips")).text
        assert failed["words"] in page

    visited(body)


def test_the_page_lists_what_there_is_in_both_languages(client: Any, footage: Footage, visited: Visited) -> None:
    async def body() -> None:
        assert "Bạn chưa trích xuất đoạn nào" in (await client.get("/clips")).text
        clip_id = (await post(client, "/api/clips", footage.wanted(purpose="<b>Vụ 17</b>"))).json()["id"]
        page = (await client.get("/clips")).text
        assert f'data-clip="{clip_id}"' in page
        assert "&lt;b&gt;Vụ 17&lt;/b&gt;" in page
        assert "Đang chờ đến lượt" in page
        await footage.make()
        ready = (await client.get(f"/api/clips/{clip_id}", page=False)).json()
        client.http.cookies.set("vonggac_language", "en")
        page = (await client.get("/clips")).text
        assert f'href="{ready["href"]}"' in page
        assert ready["sha256"] in page
        assert "The camera does not answer" in page
        assert "1 gap: nothing was recorded there" in page

    visited(body)


def test_a_clip_does_not_count_as_a_recording(footage: Footage, district: Any, client: Any, visited: Visited) -> None:
    async def body() -> None:
        await post(client, "/api/clips", footage.wanted())
        await footage.make()
        with district.database.read() as session:
            assert session.query(Recording).count() == 2

    visited(body)
