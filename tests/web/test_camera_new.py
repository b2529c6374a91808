"""Adding a camera: checked step by step against a foreign camera, without its password ever coming back."""

from __future__ import annotations

import asyncio
import html
import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from vonggac.cameras import service
from vonggac.cameras.address import Credentials, StreamAddress, shown
from vonggac.cameras.models import Camera, CameraPicture
from vonggac.core.settings import RecorderSettings
from vonggac.org.models import Unit
from vonggac.web import camera_checks
from vonggac.web.camera_checks import RUNNING_AT_ONCE, Check, Checks, TooManyChecks

SECRET = "bi-mat-cua-camera"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are watched for a second, to spare the tests' time."""
    monkeypatch.setattr(camera_checks, "WATCHED_S", 1.5)


def unit(district: Any) -> str:
    with district.database.read() as session:
        found = session.scalar(sa.select(Unit.id).where(Unit.name == "Hiệp An"))
        assert found is not None
        return str(found.hex)


async def start(client: Any, **asked: str) -> Any:
    headers = {"x-csrf-token": await client.token()}
    return await client.http.post("/api/cameras/checks", json=asked, headers=headers)


async def done(client: Any, check: str) -> Any:
    async with asyncio.timeout(60):
        while True:
            answer = await client.get(f"/api/cameras/checks/{check}", page=False)
            assert answer.status_code == 200
            if not answer.json()["running"]:
                return answer
            await asyncio.sleep(0.05)


@pytest.mark.slow
def test_a_foreign_camera_is_checked_seen_and_added_with_the_password_of_the_check(
    client: Any, district: Any, gst_server: Any, clip: Any
) -> None:
    foreign = gst_server([clip("street-cars.mp4")], user="admin", password=SECRET)

    async def steps() -> tuple[Any, Any, Any, Any]:
        await client.log_in()
        begun = await start(client, url=foreign.open_url, user="admin", password=SECRET)
        assert begun.status_code == 201, begun.text
        check = begun.json()["id"]
        found = await done(client, check)
        picture = await client.get(f"/api/cameras/checks/{check}/picture.jpg")
        form = {"check": check, "url": foreign.open_url, "user": "", "password": "", "kind": "overview"}
        form |= {"transport": "tcp", "keep_picture": "yes", "owner": "Ủy ban nhân dân xã"}
        wrong = await client.post("/cameras/new", form | {"name": "", "unit": ""})
        right = await client.post("/cameras/new", form | {"name": "Chợ mới", "unit": unit(district)})
        return found, picture, wrong, right

    found, picture, wrong, right = asyncio.run(steps())
    said = found.json()
    assert said["usable"], said
    assert [step["name"] for step in said["steps"]] == [
        "connect",
        "log-in",
        "description",
        "play",
        "picture",
        "measure",
    ]
    assert said["steps"][1]["words"] == "Đã đăng nhập (Digest MD5)"
    assert SECRET not in found.text
    assert picture.content.startswith(b"\xff\xd8\xff")
    assert wrong.status_code == 422
    assert "Vẫn còn nhớ từ lần kiểm tra" in html.unescape(wrong.text)
    assert f'data-check="{said["id"]}"' in wrong.text
    assert SECRET not in wrong.text
    assert right.headers["location"] == "/cameras/7?notice=added"
    with district.database.read() as session:
        added = service.find_camera(session, "7")
        assert service.stream_url(added, district.folder.secret_box()) == foreign.url()
        assert (added.owner, added.kind, added.enabled) == ("Ủy ban nhân dân xã", "overview", True)
        kept = session.get(CameraPicture, added.id)
        assert kept is not None
        assert kept.origin == "camera"


@pytest.mark.slow
def test_a_wrong_password_and_a_closed_port_are_told_in_the_readers_words(
    client: Any, gst_server: Any, clip: Any
) -> None:
    foreign = gst_server([clip("street-cars.mp4")], user="admin", password=SECRET)

    async def steps() -> list[Any]:
        await client.log_in()
        asked = [
            {"url": foreign.open_url, "user": "admin", "password": "sai"},
            {"url": foreign.open_url},
            {"url": "rtsp://127.0.0.1:9/none"},
        ]
        return [(await done(client, (await start(client, **one)).json()["id"])).json() for one in asked]

    wrong, without, closed = asyncio.run(steps())
    assert wrong["failure"]["words"] == "Sai tên hoặc mật khẩu camera"
    assert without["failure"]["advice"] == "Hãy nhập tên đăng nhập và mật khẩu của camera."
    assert closed["failure"]["reason"] == "refused"
    assert "ping" in closed["failure"]["advice"]
    assert not wrong["usable"]


def test_only_rtsp_addresses_are_opened_and_wrong_ones_are_named_by_field(client: Any, district: Any) -> None:
    wrong = {
        "": "Hãy nhập địa chỉ luồng hình của camera.",
        "http://192.0.2.1/": "Địa chỉ phải bắt đầu bằng rtsp://",
        "file:///etc/passwd": "Địa chỉ phải bắt đầu bằng rtsp://",
        "rtsp://": "Địa chỉ không có máy chủ và cổng dùng được",
        "rtsp://192.0.2.1:0/": "Cổng trong địa chỉ phải từ 1 đến 65535.",
        "rtsp://192.0.2.1/a\r\nTEARDOWN b": "dấu cách hoặc ký tự không in được",
        "rtsp://192.0.2.1/stream": "đã thuộc về camera",
    }

    async def steps() -> dict[str, Any]:
        await client.log_in()
        return {url: await start(client, url=url) for url in wrong}

    for url, answer in asyncio.run(steps()).items():
        assert answer.status_code == 422, url
        assert wrong[url] in answer.json()["problems"]["url"], url


def test_a_check_is_nobody_elses_and_the_form_needs_the_right_to_manage(client: Any, district: Any) -> None:
    async def steps() -> list[int]:
        await client.log_in("khach1")
        asked = {"url": "rtsp://192.0.2.1/x"}
        seen = [(await client.http.post("/api/cameras/checks", json=asked)).status_code]
        seen.append((await client.post("/cameras/new", asked, token="none")).status_code)
        client.http.cookies.clear()
        await client.log_in()
        seen.append((await client.get("/api/cameras/checks/none", page=False)).status_code)
        seen.append((await client.get("/api/cameras/checks/none/picture.jpg", page=False)).status_code)
        return seen

    assert asyncio.run(steps()) == [403, 403, 404, 404]


def test_what_was_typed_comes_back_but_no_password(client: Any, district: Any) -> None:
    form = {
        "url": f"rtsp://admin:{SECRET}@192.0.2.40/live?user=a&password={SECRET}",
        "user": "vien",
        "password": SECRET,
        "name": "Ngã tư <mới>",
        "unit": "",
        "kind": "plate",
        "transport": "udp",
        "contract": "7/HĐ",
    }

    async def steps() -> Any:
        await client.log_in()
        return await client.post("/cameras/new", form)

    answer = asyncio.run(steps())
    page = html.unescape(answer.text)
    assert answer.status_code == 422
    assert SECRET not in page
    for kept in (
        'value="Ngã tư <mới>"',
        'value="vien"',
        'value="7/HĐ"',
        'value="plate" selected',
        'value="udp" selected',
    ):
        assert kept in page, kept
    assert 'value="rtsp://192.0.2.40/live?user=a&password=***"' in page
    with district.database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Camera)) == 6


def test_a_camera_that_is_not_reachable_yet_can_be_added_unchecked(client: Any, district: Any) -> None:
    form = {"url": "rtsp://192.0.2.40/live", "user": "a", "password": SECRET, "name": "Chưa lắp", "kind": "ptz"}

    async def steps() -> Any:
        await client.log_in()
        return await client.post("/cameras/new", form | {"unit": unit(district)})

    assert asyncio.run(steps()).headers["location"] == "/cameras/7?notice=added"
    with district.database.read() as session:
        added = service.find_camera(session, "7")
        assert service.stream_url(added, district.folder.secret_box()) == f"rtsp://a:{SECRET}@192.0.2.40/live"


@pytest.mark.parametrize(
    ("typed", "seen"),
    [
        ("rtsp://admin:pa/ss@192.0.2.1/x", "rtsp://192.0.2.1/x"),
        ("admin:word@192.0.2.1", "192.0.2.1"),
        ("rtsp://192.0.2.1/user=a_password=word_channel=1", "rtsp://192.0.2.1/user=a_password=***_channel=1"),
        ("  rtsp://192.0.2.1/x ", "rtsp://192.0.2.1/x"),
        ("", ""),
    ],
)
def test_whatever_was_typed_as_an_address_is_shown_without_its_password(typed: str, seen: str) -> None:
    assert shown(typed) == seen


def silent() -> StreamAddress:
    return StreamAddress("rtsp://192.0.2.1/x", Credentials("a", SECRET))


def test_checks_are_few_one_for_each_account_and_forgotten_in_time() -> None:
    now = 0.0

    async def steps() -> None:
        nonlocal now
        checks = Checks(RecorderSettings(), lambda: now)
        accounts = [uuid.UUID(int=number) for number in range(RUNNING_AT_ONCE + 1)]
        begun = [checks.start(Check(one, silent(), "tcp", "")) for one in accounts[:-1]]
        with pytest.raises(TooManyChecks):
            checks.start(Check(accounts[-1], silent(), "tcp", ""))
        again = checks.start(Check(accounts[0], silent(), "tcp", ""))
        assert checks.find(accounts[0], begun[0].id) is None
        assert checks.find(accounts[0], again.id) is again
        assert checks.find(accounts[1], again.id) is None
        checks.stop(accounts[1])
        last = checks.start(Check(accounts[-1], silent(), "tcp", ""))
        assert last.task is not None
        last.task.cancel()
        await asyncio.gather(last.task, return_exceptions=True)
        now += camera_checks.KEPT_S + 1
        assert checks.find(accounts[-1], last.id) is None
        assert checks.find(accounts[0], again.id) is again, "one that runs is kept"
        checks.close()
        assert SECRET not in repr(again)

    asyncio.run(steps())


@pytest.mark.slow
def test_a_check_that_takes_too_long_is_broken_off_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_checks, "LONGEST_S", 0.3)

    async def steps() -> Check:
        quiet = await asyncio.start_server(lambda _r, _w: asyncio.sleep(30), "127.0.0.1", 0)
        port = quiet.sockets[0].getsockname()[1]
        checks = Checks(RecorderSettings())
        check = checks.start(Check(uuid.UUID(int=1), StreamAddress(f"rtsp://127.0.0.1:{port}/x"), "tcp", ""))
        assert check.task is not None
        await check.task
        quiet.close()
        return check

    check = asyncio.run(steps())
    assert check.report is not None
    assert (check.report.reason, check.running) == ("timed_out", False)


def test_a_check_that_fails_by_itself_keeps_no_page_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(camera_checks, "check_camera", broken)

    async def steps() -> Check:
        check = Checks(RecorderSettings()).start(Check(uuid.UUID(int=1), silent(), "tcp", ""))
        assert check.task is not None
        await asyncio.gather(check.task, return_exceptions=True)
        await asyncio.sleep(0)
        return check

    check = asyncio.run(steps())
    assert check.report is not None
    assert (check.running, check.report.reason) == (False, "protocol")
    assert "ZeroDivisionError" in check.report.failure
    assert SECRET not in check.report.failure
