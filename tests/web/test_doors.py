"""Who comes in: every route has a verb, nobody gets further than his verbs, and forms come from our own pages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from vonggac.core.errors import VonggacError
from vonggac.org.accounts import Visitor
from vonggac.org.models import LoginSession
from vonggac.shell.doors import PUBLIC, VERBS, DoorRoute, Doors, SocketRoute, check_routes

PUBLIC_ROUTES = {"/login", "/preferences", "/static/{name}"}
"""What anybody may see. A new one is added here on purpose, or not at all."""


def _path(pattern: str) -> str:
    """An address of a route: numbers are 1, everything else is an id."""
    return re.sub(r"\{\w+\}", "0" * 32, re.sub(r"\{\w+:int\}", "1", pattern))


def test_every_route_declares_its_verb(application: Any) -> None:
    routes = application.routes
    assert len(routes) >= 11
    for route in routes:
        assert isinstance(route, DoorRoute | SocketRoute), route
        assert route.verb in VERBS
    assert {route.path for route in routes if route.verb == PUBLIC} == PUBLIC_ROUTES
    assert {route.path for route in routes if route.loopback} == {"/metrics"}


def test_a_house_with_an_entrance_without_a_door_does_not_open() -> None:
    async def anybody(request: Any) -> Any:
        raise AssertionError

    with pytest.raises(VonggacError, match="declares no verb"):
        check_routes([Route("/side-entrance", anybody)])
    with pytest.raises(ValueError, match="not one of"):
        Doors().get("/x", verb="health.veiw")(anybody)


def test_a_stranger_is_led_to_the_log_in_or_told_to(application: Any, client: Any) -> None:
    async def walk() -> None:
        for route in application.routes:
            if route.verb == PUBLIC or isinstance(route, SocketRoute):
                continue
            path = _path(route.path)
            for method in sorted(route.methods - {"HEAD"}):
                for accept in ("text/html", "application/json"):
                    answer = await client.http.request(method, path, headers={"accept": accept})
                    if method == "GET" and accept == "text/html":
                        assert answer.status_code == 303, path
                        assert answer.headers["location"].startswith("/login?next=/"), path
                    else:
                        assert answer.status_code == 401, path

    asyncio.run(walk())


def test_an_account_without_verbs_gets_nowhere(application: Any, client: Any) -> None:
    async def walk() -> None:
        await client.log_in("khach1")
        for route in application.routes:
            if route.verb != PUBLIC and isinstance(route, DoorRoute):
                path = _path(route.path)
                for method in sorted(route.methods - {"HEAD"}):
                    assert (await client.http.request(method, path)).status_code == 403, path

    asyncio.run(walk())


def test_every_answer_carries_the_headers_also_of_errors(client: Any) -> None:
    async def ask() -> list[httpx.Response]:
        paths = ("/login", "/nowhere", "/health", "/static/none.js", "/api/health")
        return [await client.get(path, page=path != "/api/health") for path in paths]

    for answer in asyncio.run(ask()):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


async def _right(client: Any) -> httpx.Response:
    return await client.log_in()


async def _without_token(client: Any) -> httpx.Response:
    await client.get("/login")
    return await client.post("/login", {"name": "trucban1", "password": "một mật khẩu dài"}, token="")


async def _with_a_token_of_another_browser(client: Any) -> httpx.Response:
    await client.get("/login")
    return await client.post("/login", {"name": "trucban1", "password": "một mật khẩu dài"}, token="x" * 32)


async def _from_another_site(client: Any) -> httpx.Response:
    return await client.post("/login", {"name": "trucban1"}, origin="https://elsewhere.test")


async def _from_another_site_as_the_browser_says(client: Any) -> httpx.Response:
    return await client.post("/login", {"name": "trucban1"}, sec_fetch_site="cross-site")


@pytest.mark.parametrize(
    ("attempt", "status"),
    [
        (_right, 303),
        (_without_token, 403),
        (_with_a_token_of_another_browser, 403),
        (_from_another_site, 403),
        (_from_another_site_as_the_browser_says, 403),
    ],
)
def test_a_form_must_come_from_our_own_page(
    client: Any, attempt: Callable[[Any], Awaitable[httpx.Response]], status: int
) -> None:
    async def send() -> int:
        return (await attempt(client)).status_code

    assert asyncio.run(send()) == status


def test_after_the_log_in_only_the_sessions_own_token_counts(client: Any) -> None:
    async def walk() -> None:
        stranger = await client.token()
        await client.log_in()
        token = await client.token()
        assert token != stranger
        wish = {"cameras": []}
        for sent, status in ((stranger, 403), ("", 403), (token, 200)):
            answer = await client.http.post("/api/stills", json=wish, headers={"x-csrf-token": sent})
            assert answer.status_code == status
        assert (await client.post("/logout", {}, token=stranger)).status_code == 403
        assert (await client.post("/logout", {}, token=token)).status_code == 303
        assert (await client.get("/health")).status_code == 303

    asyncio.run(walk())


def test_the_database_holds_no_token_and_the_cookie_cannot_be_read_by_scripts(client: Any, district: Any) -> None:
    async def walk() -> httpx.Response:
        return await client.log_in()

    answer = asyncio.run(walk())
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("vonggac_session="))
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "Secure" not in cookie
    token = cookie.partition("=")[2].partition(";")[0]
    with district.database.read() as session:
        stored = session.query(LoginSession).one()
        assert len(stored.token_hash) == 32
        assert token.encode() not in stored.token_hash
    for path in district.folder.path.glob("vonggac.db*"):
        assert token.encode() not in path.read_bytes()


def test_over_https_the_cookies_belong_to_this_host_alone(application: Any, client: Any) -> None:
    async def walk() -> None:
        transport = httpx.ASGITransport(application)
        client.http = httpx.AsyncClient(transport=transport, base_url="https://centre.test")
        answer = await client.log_in()
        cookie = next(line for line in answer.headers.get_list("set-cookie") if "session=" in line)
        assert cookie.startswith("__Host-vonggac_session=")
        assert "Secure" in cookie
        assert "max-age" in answer.headers["strict-transport-security"]
        assert (await client.get("/health")).status_code == 200

    asyncio.run(walk())


@pytest.mark.parametrize(
    "elsewhere", ["https://elsewhere.test/", "//elsewhere.test", "/\\elsewhere.test", "javascript:alert(1)", "/\n/x"]
)
def test_the_log_in_leads_to_our_own_pages_only(client: Any, elsewhere: str) -> None:
    async def walk() -> str:
        return (await client.log_in(following=elsewhere)).headers["location"]

    assert asyncio.run(walk()) == "/"


@pytest.mark.parametrize(
    ("may", "page"),
    [
        ({"wall.use", "playback.view", "camera.view", "health.view"}, "/wall"),
        ({"playback.view", "camera.view", "health.view"}, "/playback"),
        ({"camera.view", "health.view"}, "/cameras"),
        ({"health.view"}, "/health"),
    ],
)
def test_the_first_page_is_the_first_of_the_menu_that_one_may_use(
    client: Any, monkeypatch: pytest.MonkeyPatch, may: set[str], page: str
) -> None:
    async def walk() -> str:
        await client.log_in()
        allowed = may | {"centre.enter"}
        monkeypatch.setattr(Visitor, "may", lambda _self, verb, _unit=None: verb in allowed)
        return (await client.get("/")).headers["location"]

    assert asyncio.run(walk()) == page


def test_guessing_is_slowed_down_and_does_not_lock_out_from_elsewhere(application: Any, client: Any) -> None:
    async def walk() -> None:
        for _ in range(5):
            assert (await client.log_in(password="không phải mật khẩu")).status_code == 401
        refused = await client.log_in()
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 20
        assert "Thử quá nhiều lần" in refused.text
        transport = httpx.ASGITransport(application, client=("192.0.2.99", 1))
        client.http = httpx.AsyncClient(transport=transport, base_url="http://centre.test")
        assert (await client.log_in()).status_code == 303

    asyncio.run(walk())


def test_metrics_are_for_programs_of_this_machine_and_for_who_is_logged_in(application: Any, client: Any) -> None:
    async def ask(address: str, host: str, **headers: str) -> int:
        transport = httpx.ASGITransport(application, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
            return (await http.get("/metrics", headers=headers)).status_code

    async def walk() -> None:
        assert await ask("127.0.0.1", "127.0.0.1:8080") == 200
        assert await ask("::1", "localhost") == 200
        assert await ask("192.0.2.7", "127.0.0.1") == 401
        # A proxy on this machine asks for others; a page that renamed itself to us is in a browser on this machine.
        assert await ask("127.0.0.1", "127.0.0.1", **{"x-forwarded-for": "192.0.2.7"}) == 401
        assert await ask("127.0.0.1", "elsewhere.test") == 401
        await client.log_in()
        answer = await client.get("/metrics", page=False)
        assert answer.status_code == 200
        assert "vonggac_web_answer_seconds_bucket" in answer.text

    asyncio.run(walk())


def test_a_body_without_end_is_cut_off(client: Any) -> None:
    async def walk() -> int:
        return (await client.post("/login", {"name": "x" * 100_000}, token="x")).status_code

    assert asyncio.run(walk()) == 413


def test_files_of_the_bundle_are_kept_for_ever_and_go_out_compressed(client: Any, application: Any) -> None:
    async def walk() -> None:
        path = application.state.shell.bundle.address("style.css")
        answer = await client.get(path, page=False)
        assert answer.headers["content-encoding"] == "gzip"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.text.startswith("* { color")
        assert (await client.get("/static/..%2Fstyle.css", page=False)).status_code == 404

    asyncio.run(walk())
