"""Log-in, log-out, choices of language and theme, files of the bundle, the event stream, and pages for what failed."""

from __future__ import annotations

import asyncio
import math

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from vonggac.core import metrics
from vonggac.core.clock import utc
from vonggac.core.errors import NotFound
from vonggac.core.i18n import LANGUAGES, N_
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.text import fold
from vonggac.org import accounts
from vonggac.org.accounts import Visitor
from vonggac.org.models import Account
from vonggac.shell.doors import FORM_COOKIE, PUBLIC, SESSION_COOKIE, Doors, delete_cookie, set_cookie
from vonggac.shell.stream import EventStreamResponse
from vonggac.shell.visit import (
    LANGUAGE_COOKIE,
    PREFERENCES_S,
    THEME_COOKIE,
    THEMES,
    Shell,
    Visit,
    json_response,
    local_path,
    redirect,
)

doors = Doors()

LONGEST_NAME = 100
LONGEST_PASSWORD = 1024
PASSWORD_WAIT_S = 5.0
"""How long a log-in waits for those before it."""
FOR_EVER = "public, max-age=31536000, immutable"

STATUS_WORDS: dict[int, tuple[str, str]] = {
    400: (N_("The request cannot be understood"), N_("Go back, load the page again and try once more.")),
    401: (N_("Please log in"), N_("Your session is over, or you have not logged in yet.")),
    403: (N_("You may not do this"), N_("Your account has no right to it. Ask the administrator of the centre.")),
    404: (N_("There is no such page"), N_("Check the address, or start from the first page.")),
    405: (N_("The request cannot be understood"), N_("Go back, load the page again and try once more.")),
    408: (N_("The request took too long"), N_("Check the connection and try once more.")),
    413: (N_("The request is too long"), N_("Send less at once.")),
    500: (
        N_("Something failed in the centre"),
        N_("It was written down. Try again; if it stays, tell the administrator."),
    ),
    503: (N_("The database cannot be used"), N_("Recording goes on by itself. Try again in a moment.")),
}
_FORM_TOO_OLD = (N_("The form is out of date"), N_("Go back, load the page again and try once more."))

_refused = RateLimit(every_s=10.0)


@doors.get("/login", verb=PUBLIC)
async def login_page(visit: Visit) -> Response:
    """Show the log-in form; who is in already goes on."""
    following = local_path(visit.request.query_params.get("next", "/"))
    return redirect(following) if visit.visitor else _login_form(visit, following)


@doors.post("/login", verb=PUBLIC)
async def log_in(visit: Visit) -> Response:
    """Check name and password, open a session, go on to where the visitor wanted to be."""
    form = visit.form()
    name, password = form.get("name", "")[:LONGEST_NAME], form.get("password", "")[:LONGEST_PASSWORD]
    following = local_path(form.get("next", "/"))
    shell = visit.shell
    seconds = shell.clock.monotonic_ns() / 1e9
    if (wait := shell.attempts.take(fold(name), visit.address, seconds)) > 0:
        said = visit.words.plural(
            "Too many attempts. Try again in {n} second.",
            "Too many attempts. Try again in {n} seconds.",
            math.ceil(wait),
        )
        return _login_form(visit, following, name, said, 429, {"retry-after": str(math.ceil(wait))})
    try:
        async with asyncio.timeout(PASSWORD_WAIT_S):
            await shell.passwords_checked.acquire()
    except TimeoutError:
        return _login_form(visit, following, name, visit.words.say("The centre is busy. Try again in a moment."), 503)
    try:
        account = await shell.database.query(accounts.authenticate, name, password)
    finally:
        shell.passwords_checked.release()
    if account is None:
        if (held_back := _refused.passes(visit.address)) is not None:
            # Not the name: people type their password into the wrong field.
            get_logger().info("A log-in was refused", address=visit.address, held_back=held_back)
        return _login_form(visit, following, name, visit.words.say("Name or password is wrong."), 401)
    shell.attempts.succeeded(fold(name), visit.address, seconds)
    return await _enter(visit, account, following)


async def _enter(visit: Visit, account: Account, following: str) -> Response:
    shell = visit.shell

    def change(session: Session) -> accounts.NewSession:
        if visit.visitor is not None:
            accounts.close_session(session, visit.visitor.session_key)
        return accounts.open_session(session, account, visit.address, utc(shell.clock.now_us()))

    opened = await shell.database.run(change)
    get_logger().info("Somebody logged in", account=account.name, address=visit.address)
    response = redirect(following)
    set_cookie(response, visit.request, SESSION_COOKIE, opened.token, int(accounts.ABSOLUTE.total_seconds()))
    delete_cookie(response, visit.request, FORM_COOKIE)
    visit.form_token = ""
    return response


def _login_form(
    visit: Visit,
    following: str,
    name: str = "",
    problem: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    response = visit.page("login.html", status, following=following, name=name, problem=problem)
    response.headers.update(headers or {})
    return response


@doors.post("/logout", verb="centre.enter")
async def log_out(visit: Visit) -> Response:
    """End the session."""
    await visit.shell.database.run(accounts.close_session, visit.known.session_key)
    response = redirect("/login")
    delete_cookie(response, visit.request, SESSION_COOKIE)
    response.headers["clear-site-data"] = '"cache"'
    return response


@doors.post("/preferences", verb=PUBLIC)
async def preferences(visit: Visit) -> Response:
    """Keep the chosen language or theme in the browser."""
    form = visit.form()
    response = redirect(local_path(form.get("next", "/")))
    for name, cookie, allowed in (("language", LANGUAGE_COOKIE, tuple(LANGUAGES)), ("theme", THEME_COOKIE, THEMES)):
        if form.get(name) in allowed:
            set_cookie(response, visit.request, cookie, form[name], PREFERENCES_S)
    return response


@doors.get("/static/{name}", verb=PUBLIC)
async def static(visit: Visit) -> Response:
    """Serve a file of the bundle; its name changes with its content, so browsers may keep it."""
    file = visit.shell.bundle.get(visit.request.path_params["name"])
    if file is None:
        raise HTTPException(404)
    visit.form_token = ""
    headers = {"cache-control": FOR_EVER, "vary": "Accept-Encoding", "content-type": file.content_type}
    if file.zipped is not None and "gzip" in visit.request.headers.get("accept-encoding", ""):
        return Response(file.zipped, headers={**headers, "content-encoding": "gzip"})
    return Response(file.plain, headers=headers)


@doors.get("/events", verb="centre.enter")
async def events(visit: Visit) -> Response:
    """Tell an open page what changes."""
    shell, key = visit.shell, visit.known.session_key

    async def still_valid() -> Visitor | None:
        try:
            found = await shell.database.query(accounts.visitor_by_key, key, utc(shell.clock.now_us()))
        except OperationalError:
            return None
        return found[0] if found else None

    return EventStreamResponse(shell.stream, visit.known, visit.request.headers.get("last-event-id", ""), still_valid)


@doors.get("/metrics", verb="metrics.view", loopback=True)
async def prometheus(visit: Visit) -> Response:
    """Serve this process's metrics: to programs on this machine as they are, to others after log-in."""
    visit.form_token = ""
    return Response(metrics.render(visit.shell.registry), headers={"content-type": metrics.CONTENT_TYPE})


async def failed(request: Request, error: Exception) -> Response:
    """Answer what could not be done: in words for people, as JSON for programs."""
    status, detail = _status(error)
    title, advice = _FORM_TOO_OLD if detail == "form" else STATUS_WORDS.get(status, STATUS_WORDS[500])
    if "text/html" not in request.headers.get("accept", ""):
        return json_response({"error": title}, status)
    shell: Shell = request.app.state.shell
    visit = Visit(request, shell, None)
    return visit.page("error.html", status, title=title, advice=advice, code=status)


def _status(error: Exception) -> tuple[int, str]:
    if isinstance(error, HTTPException):
        return error.status_code, str(error.detail)
    if isinstance(error, NotFound):
        return 404, ""
    if isinstance(error, OperationalError):
        return 503, ""
    return 500, ""
