"""The door to live pictures: `GET /live/{camera}?stream=auto|main|sub&h265=0|1`, a WebSocket (docs/design/live.md)."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass

import msgspec
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect

from vonggac.shell.doors import LOG_IN_FIRST, NOT_ALLOWED, Doors
from vonggac.shell.remember import Look, remember
from vonggac.shell.visit import Visit
from vonggac.web.camera_of import camera_of
from vonggac.web.live.choice import ASKED, Choice
from vonggac.web.live.relay import Relay
from vonggac.web.live.rights import TRUSTED_S, Rights, Unknown
from vonggac.web.live.session import SEND_TIMEOUT_S, LiveSession

doors = Doors()

CHECK_S = 10.0
"""How often it is looked whether who watches still may, and whether that he does is to be entered again."""
NONSENSE = 1008
TRY_AGAIN = 1013
"""Status codes of closing, RFC 6455 §7.4.1 and its registry: policy violation, try again later."""


@dataclass(frozen=True, slots=True)
class End:
    """Why a socket is closed: a status code (None: it is closed already), and what its page is told before."""

    code: int | None
    why: str = ""


@doors.socket("/live/{camera}", verb="live.view")
async def live(visit: Visit, socket: WebSocket) -> None:
    """Show a camera's present to a page until one of them has enough."""
    query = socket.query_params
    asked, h265 = query.get("stream", "auto"), query.get("h265", "0")
    if asked not in ASKED or h265 not in ("0", "1"):
        raise HTTPException(400)
    camera = await camera_of(visit, "live.view", socket.path_params["camera"])
    relay: Relay = visit.request.app.state.live
    relay.enter(visit.known.session_key)
    try:
        await remember(visit, Look.LIVE, [camera.id])
        await socket.accept()
        choice = Choice(asked, h265 == "1")
        session = LiveSession(relay, camera.id, socket, visit.words, visit.shell.clock.now_us, choice)
        end = await _first_of(_send(session), _listen(socket, session), _watch_over(visit, camera.id))
        with contextlib.suppress(WebSocketDisconnect, TimeoutError):
            await _say_goodbye(socket, end)
    finally:
        relay.leave(visit.known.session_key)


async def _first_of(*works: Coroutine[None, None, End]) -> End:
    """Do all of it at once, until one has come to its end."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send(session: LiveSession) -> End:
    try:
        await session.run()
    except WebSocketDisconnect:
        return End(None)
    except TimeoutError:
        return End(TRY_AGAIN)


async def _listen(socket: WebSocket, session: LiveSession) -> End:
    try:
        while True:
            session.ask(await socket.receive_text())
    except WebSocketDisconnect:
        return End(None)
    except (KeyError, msgspec.DecodeError):  # a message of bytes, or of nothing that a page says
        return End(NONSENSE)


async def _watch_over(visit: Visit, camera_id: uuid.UUID) -> End:
    """Look whether he still may, and enter that he still watches: a wall stays open for days."""
    rights: Rights = visit.request.app.state.live_rights
    entered_s = time.monotonic()
    while True:
        await asyncio.sleep(CHECK_S)
        try:
            missing = await rights.missing(visit.known.session_key, camera_id)
        except Unknown:
            return End(TRY_AGAIN)
        if missing is not None:
            return End(LOG_IN_FIRST if missing == "session" else NOT_ALLOWED, missing)
        try:
            await remember(visit, Look.LIVE, [camera_id])
            entered_s = time.monotonic()
        except OperationalError:
            if time.monotonic() - entered_s > TRUSTED_S:
                return End(TRY_AGAIN)


async def _say_goodbye(socket: WebSocket, end: End) -> None:
    if end.code is None:
        return
    async with asyncio.timeout(SEND_TIMEOUT_S):
        if end.why:
            await socket.send_text(msgspec.json.encode({"type": "ended", "why": end.why}).decode())
        await socket.close(end.code)
