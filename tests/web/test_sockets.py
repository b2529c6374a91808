"""WebSockets have doors as well: log-in, verb and origin are looked at before a handler runs."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
import websockets
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from vonggac.shell.doors import Doors, SocketRoute, check_routes
from vonggac.shell.visit import Visit
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
