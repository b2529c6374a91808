"""The doors: every route says which verb it needs, and one function decides who comes in.

Deny by default. A route without a verb cannot be made; `public` is a verb that has to be written. What changes
something (POST) also needs the token of the form it comes from, and may not come from another site.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from urllib.parse import parse_qs, quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketState

from vonggac.core.clock import utc
from vonggac.core.errors import VonggacError
from vonggac.org import accounts
from vonggac.org.accounts import Visitor
from vonggac.shell.visit import BODY_LIMIT, BODY_TIMEOUT_S, Shell, Visit, json_response, new_token, redirect, same_token

Handler = Callable[[Visit], Awaitable[Response]]
SocketHandler = Callable[[Visit, WebSocket], Awaitable[None]]

PUBLIC = "public"
VERBS = {
    PUBLIC,
    "camera.manage",
    "camera.view",
    "centre.enter",
    "clip.export",
    "health.view",
    "live.view",
    "metrics.view",
    "playback.view",
    "wall.share",
    "wall.use",
}
"""Every verb there is; a door that names another one is a mistake."""

SESSION_COOKIE = "vonggac_session"
FORM_COOKIE = "vonggac_form"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
LOG_IN_FIRST = 4401
NOT_ALLOWED = 4403
"""How a WebSocket is closed that may not be opened: a browser tells its page no other status (RFC 6455 §7.4.2)."""
_SAFE_METHODS = {"GET", "HEAD"}


class DoorRoute(Route):
    """A route that knows its verb."""

    def __init__(
        self, path: str, handler: Handler, *, verb: str, methods: Sequence[str], loopback: bool, body_limit: int
    ) -> None:
        self.verb = _known(path, verb)
        self.loopback = loopback
        self.body_limit = body_limit
        super().__init__(path, _entrance(self, handler), methods=list(methods), name=handler.__name__)


class SocketRoute(WebSocketRoute):
    """A route for a WebSocket that knows its verb."""

    def __init__(self, path: str, handler: SocketHandler, *, verb: str) -> None:
        self.verb = _known(path, verb)
        self.loopback = False
        super().__init__(path, _socket_entrance(self, handler), name=handler.__name__)


class Doors:
    """The routes of a package."""

    def __init__(self) -> None:
        self.routes: list[DoorRoute | SocketRoute] = []

    def get(self, path: str, *, verb: str, loopback: bool = False) -> Callable[[Handler], Handler]:
        """Add a route that only reads. `loopback` opens it to programs of this machine without log-in."""
        return self._add(path, verb, ("GET",), loopback)

    def post(self, path: str, *, verb: str, body_limit: int = BODY_LIMIT) -> Callable[[Handler], Handler]:
        """Add a route that changes something; a body of more than `body_limit` bytes is refused."""
        return self._add(path, verb, ("POST",), False, body_limit)

    def delete(self, path: str, *, verb: str) -> Callable[[Handler], Handler]:
        """Add a route that takes something away."""
        return self._add(path, verb, ("DELETE",), False)

    def socket(self, path: str, *, verb: str) -> Callable[[SocketHandler], SocketHandler]:
        """Add a WebSocket; its handler accepts it, after all that can still be refused."""

        def add(handler: SocketHandler) -> SocketHandler:
            self.routes.append(SocketRoute(path, handler, verb=verb))
            return handler

        return add

    def _add(
        self, path: str, verb: str, methods: Sequence[str], loopback: bool, body_limit: int = BODY_LIMIT
    ) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            self.routes.append(
                DoorRoute(path, handler, verb=verb, methods=methods, loopback=loopback, body_limit=body_limit)
            )
            return handler

        return add


def _known(path: str, verb: str) -> str:
    if verb not in VERBS:
        raise ValueError(f"{path} names the verb {verb!r}, which is not one of {sorted(VERBS)}")
    return verb


def check_routes(routes: Sequence[BaseRoute]) -> None:
    """Refuse to open a house that has an entrance without a door."""
    for route in routes:
        if not isinstance(route, DoorRoute | SocketRoute):
            raise VonggacError(f"The route {getattr(route, 'path', route)} declares no verb and is not served.")


def _entrance(route: DoorRoute, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def enter(request: Request) -> Response:
        visit = await _visit(request)
        if (refusal := _turn_away(route, visit, request.method)) is not None:
            return refusal
        if request.method not in _SAFE_METHODS:
            visit.body = await _body(request, route.body_limit)
            _check_origin(request)
            _check_token(route, visit)
        response = await handler(visit)
        if visit.form_token and not visit.visitor:
            set_cookie(response, request, FORM_COOKIE, visit.form_token)
        return response

    enter.__name__ = handler.__name__
    return enter


def _socket_entrance(route: SocketRoute, handler: SocketHandler) -> Callable[[WebSocket], Awaitable[None]]:
    async def enter(socket: WebSocket) -> None:
        _check_origin(socket)
        visit = await _visit(socket)
        if (status := _refusal(route, visit)) is not None:
            await socket.accept()  # only so can the page be told why
            await socket.close(LOG_IN_FIRST if status == HTTPStatus.UNAUTHORIZED else NOT_ALLOWED)
            return
        try:
            await handler(visit, socket)
        except HTTPException as error:
            if socket.application_state == WebSocketState.CONNECTING:
                await socket.accept()
            if socket.application_state == WebSocketState.CONNECTED:
                await socket.close(4000 + error.status_code)

    enter.__name__ = handler.__name__
    return enter


def _refusal(route: DoorRoute | SocketRoute, visit: Visit) -> HTTPStatus | None:
    """Return None to let a visit in, else why not. The one place that decides."""
    if route.verb == PUBLIC or (route.loopback and _from_this_machine(visit.request)):
        return None
    if visit.visitor is None:
        return HTTPStatus.UNAUTHORIZED
    return None if visit.visitor.may(route.verb) else HTTPStatus.FORBIDDEN


def _turn_away(route: DoorRoute, visit: Visit, method: str) -> Response | None:
    """Return what a visit gets that is not let in."""
    status = _refusal(route, visit)
    if status == HTTPStatus.UNAUTHORIZED:
        if method == "GET" and "text/html" in visit.request.headers.get("accept", ""):
            return redirect(f"/login?next={quote(visit.here)}")
        return json_response({"error": "log in first"}, status)
    if status is not None:
        raise HTTPException(status)
    return None


async def _visit(request: HTTPConnection) -> Visit:
    shell: Shell = request.app.state.shell
    token = request.cookies.get(_cookie_name(request, SESSION_COOKIE), "")
    visitor: Visitor | None = None
    if token and len(token) < 200:
        now = utc(shell.clock.now_us())
        found = await shell.database.query(accounts.visitor, token, now)
        if found is not None:
            visitor, seen_at = found
            await note_seen(shell, visitor, seen_at, now)
    form_token = "" if visitor else request.cookies.get(_cookie_name(request, FORM_COOKIE), "")[:100] or new_token()
    return Visit(request, shell, visitor, form_token=form_token)


async def note_seen(shell: Shell, visitor: Visitor, seen_at: datetime, now: datetime) -> None:
    """Note that a session is in use, at most once a minute."""
    if now - seen_at > accounts.SEEN_EVERY:
        await shell.database.run(accounts.note_seen, visitor.session_key, now)


async def _body(request: Request, limit: int) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for part in request.stream():
                body += part
                if len(body) > limit:
                    raise HTTPException(413)
    except TimeoutError:
        raise HTTPException(408) from None
    except ClientDisconnect:
        raise HTTPException(400) from None
    return bytes(body)


def _check_origin(request: HTTPConnection) -> None:
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403)
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise HTTPException(403)


def _check_token(route: DoorRoute, visit: Visit) -> None:
    sent = visit.request.headers.get(CSRF_HEADER, "")
    if not sent and "urlencoded" in visit.request.headers.get("content-type", ""):
        sent = parse_qs(visit.body.decode("ascii", "replace")).get(CSRF_FIELD, [""])[0]
    expected = [visit.csrf_token]
    if route.verb == PUBLIC:
        # A log-in form that was open in another tab when this one logged in.
        expected.append(visit.request.cookies.get(_cookie_name(visit.request, FORM_COOKIE), ""))
    if not any(same_token(one, sent) for one in expected):
        raise HTTPException(403, "form")


def _from_this_machine(request: HTTPConnection) -> bool:
    """Whether a program of this machine asks, not a proxy for somebody else, nor a page that renamed itself to us."""
    client = request.client.host if request.client else ""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if any(name in request.headers for name in ("forwarded", "x-forwarded-for", "via", "origin")):
        return False
    return _is_loopback(client) and (host == "localhost" or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def set_cookie(response: Response, request: HTTPConnection, name: str, value: str, max_age: int | None = None) -> None:
    """Set a cookie that scripts cannot read and other sites cannot send."""
    response.set_cookie(
        _cookie_name(request, name),
        value,
        max_age=max_age,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def delete_cookie(response: Response, request: HTTPConnection, name: str) -> None:
    """Take a cookie back."""
    response.delete_cookie(
        _cookie_name(request, name), path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )


def _cookie_name(request: HTTPConnection, name: str) -> str:
    # The prefix makes browsers refuse it from a neighbouring host (RFC 6265bis §4.1.3.2); it needs https.
    return f"__Host-{name}" if request.url.scheme in ("https", "wss") else name
