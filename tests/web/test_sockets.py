"""WebSockets have doors as well: log-in, verb and origin are looked at before a handler runs."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
import uvicorn
import websockets
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from vonggac.shell import remember
from vonggac.shell.doors import Doors, SocketRoute, check_routes
from vonggac.shell.models import LookRow
from vonggac.shell.visit import Visit
from vonggac.web.live import doors as live_doors
from vonggac.web.role import listen

doors = Doors()


@doors.socket("/echo/{word}", verb="live.view")
async def echo(visit: Visit, socket: WebSocket) -> None:
    """Say who asks, and send back what comes."""
    if socket.path_params["word"] == "nowhere":
        raise HTTPException(404)
    await socket.accept()
    await socket.send_text(visit.known.name)
    await socket.send_text(await socket.receive_text())
    await socket.close()


@pytest.fixture
def routes(application: Any) -> Iterator[None]:
    """Our own socket among the doors of the house."""
    application.router.routes.extend(doors.routes)
    check_routes(application.routes)
    yield
    for route in doors.routes:
        application.router.routes.remove(route)


@contextlib.asynccontextmanager
async def served(application: Any) -> Any:
    """The application behind a real server."""
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        application, ws="websockets-sansio", lifespan="off", log_config=None, ws_per_message_deflate=False
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    serving = asyncio.create_task(server.serve([listening]))
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()


async def talk(
    address: str, word: str = "hello", cookie: str = "", origin: str | None = None, path: str = "/echo/"
) -> list[str] | int:
    """Return what a socket says, or the status with which it is closed or refused."""
    headers = {"cookie": cookie} if cookie else {}
    if origin is not None:
        headers["origin"] = origin
    try:
        async with asyncio.timeout(20), connect(f"ws://{address}{path}{word}", additional_headers=headers) as socket:
            said = [await socket.recv()]
            await socket.send(word)
            return [*map(str, said), str(await socket.recv())]
    except websockets.ConnectionClosed as error:
        return error.rcvd.code if error.rcvd else 0
    except websockets.InvalidStatus as error:
        return error.response.status_code


@pytest.mark.usefixtures("routes")
def test_only_who_is_logged_in_and_may_is_let_in_and_only_from_our_own_pages(application: Any, client: Any) -> None:
    async def walk() -> list[Any]:
        seen = []
        async with served(application) as address:
            seen.append(await talk(address))
            await client.log_in("khach1")
            seen.append(await talk(address, cookie=cookies(client)))
            client.http.cookies.clear()
            await client.log_in()
            cookie = cookies(client)
            seen.append(await talk(address, cookie=cookie))
            seen.append(await talk(address, cookie=cookie, origin=f"http://{address}"))
            seen.append(await talk(address, cookie=cookie, origin="https://elsewhere.test"))
            seen.append(await talk(address, "nowhere", cookie=cookie))
        return seen

    said = ["trucban1", "hello"]
    assert asyncio.run(walk()) == [4401, 4403, said, said, 403, 4404]


def cookies(client: Any) -> str:
    """The client's cookies as a header."""
    return "; ".join(f"{name}={value}" for name, value in client.http.cookies.items())


def test_a_socket_names_a_verb_that_there_is() -> None:
    with pytest.raises(ValueError, match="not one of"):
        SocketRoute("/x", echo, verb="live.veiw")


def test_no_socket_of_the_house_opens_for_a_stranger(application: Any) -> None:
    paths = [route.path for route in application.routes if isinstance(route, SocketRoute)]
    assert paths

    async def walk() -> list[Any]:
        async with served(application) as address:
            return [await talk(address, re.sub(r"\{[^}]+\}", "1", path), path="") for path in paths]

    assert set(asyncio.run(walk())) == {4401}


async def watch(application: Any, client: Any, until: Callable[[], bool]) -> int | None:
    """Watch camera 1 until something is so; returns the code with which the socket was closed before, if it was."""
    await client.log_in()
    async with served(application) as address:
        url = f"ws://{address}/live/1"
        async with asyncio.timeout(60), connect(url, additional_headers={"cookie": cookies(client)}) as socket:
            try:
                while not until():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await socket.recv()
            except websockets.ConnectionClosed as error:
                return error.rcvd.code if error.rcvd else 0
        application.state.live.close()
    return None


def test_that_somebody_watches_is_entered_again_for_as_long_as_he_does(
    application: Any, client: Any, district: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_doors, "CHECK_S", 0.05)
    monkeypatch.setattr(remember, "AGAIN_AFTER_S", 0.4)

    def entered() -> list[LookRow]:
        with district.database.read() as session:
            return list(session.scalars(sa.select(LookRow).order_by(LookRow.at)))

    assert asyncio.run(watch(application, client, lambda: len(entered()) >= 4)) is None
    rows = entered()
    assert {(row.kind, row.camera_id) for row in rows} == {("live", rows[0].camera_id)}
    assert all((after.at - before.at).total_seconds() >= 0.4 for before, after in itertools.pairwise(rows))


def test_where_it_cannot_be_entered_any_more_that_somebody_watches_he_is_sent_away(
    application: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_doors, "CHECK_S", 0.05)
    monkeypatch.setattr(live_doors, "TRUSTED_S", 0.5)
    monkeypatch.setattr(remember, "AGAIN_AFTER_S", 0.2)
    tried: list[int] = []
    store = application.state.shell.looks.store

    async def fails_after_the_first(rows: Any) -> None:
        tried.append(len(rows))
        if len(tried) > 1:
            raise OperationalError("INSERT", {}, Exception("the disk is full"))
        await store(rows)

    monkeypatch.setattr(application.state.shell.looks, "store", fails_after_the_first)
    assert asyncio.run(watch(application, client, lambda: False)) == 1013
    assert len(tried) > 2, "once is no reason"
