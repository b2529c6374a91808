"""One request and what is known of it: who asks, in which language, under which theme, with which form."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from jinja2 import Environment
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response

from vonggac.core.clock import Clock
from vonggac.core.database import Database
from vonggac.core.i18n import LANGUAGES, preferred
from vonggac.core.settings import Settings
from vonggac.org.accounts import Visitor
from vonggac.shell.attempts import Attempts
from vonggac.shell.bundle import Bundle
from vonggac.shell.remember import Looks
from vonggac.shell.stream import EventStream
from vonggac.shell.words import Words

THEMES = ("dark", "dim", "light")
LANGUAGE_COOKIE = "vonggac_language"
THEME_COOKIE = "vonggac_theme"
PREFERENCES_S = 365 * 86_400
BODY_LIMIT = 64 * 1024
"""No form and no request of a page is longer."""
BODY_TIMEOUT_S = 20.0
FIELDS_LIMIT = 50


class Shell:
    """What all requests of a web process share."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        clock: Clock,
        bundle: Bundle,
        templates: Environment,
        stream: EventStream,
        registry: CollectorRegistry,
    ) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self.bundle = bundle
        self.templates = templates
        self.stream = stream
        self.registry = registry
        self.attempts = Attempts()
        self.looks = Looks(database)
        self.passwords_checked = asyncio.Semaphore(1)
        """Argon2 takes 64 MiB and a core: one at a time."""

    def words(self, language: str) -> Words:
        """Return a language in the centre's zone."""
        return _words(language, self.settings.centre.zone)


@cache
def _words(language: str, zone: str) -> Words:
    return Words(language, zone)


@dataclass(slots=True)
class Visit:
    """A request that was let in. What a handler gets, and all it needs."""

    request: HTTPConnection
    shell: Shell
    visitor: Visitor | None
    body: bytes = field(default=b"", repr=False)
    form_token: str = field(default="", repr=False)
    """The token of forms for who is not logged in (a cookie of its own)."""

    @property
    def known(self) -> Visitor:
        """Who is logged in; for routes that only let such people in."""
        if self.visitor is None:
            raise HTTPException(401)
        return self.visitor

    @property
    def language(self) -> str:
        """Chosen in the header of the page, else asked for by the browser, else the centre's."""
        chosen = self.request.cookies.get(LANGUAGE_COOKIE, "")
        if chosen in LANGUAGES:
            return chosen
        return preferred(self.request.headers.get("accept-language", ""), self.shell.settings.centre.language)

    @property
    def words(self) -> Words:
        """The reader's language."""
        return self.shell.words(self.language)

    @property
    def theme(self) -> str:
        """The reader's theme; dark for who chose none."""
        chosen = self.request.cookies.get(THEME_COOKIE, "")
        return chosen if chosen in THEMES else THEMES[0]

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return self.request.client.host if self.request.client else "unknown"

    @property
    def csrf_token(self) -> str:
        """What every form carries."""
        return self.visitor.csrf_token if self.visitor else self.form_token

    @property
    def here(self) -> str:
        """This page's own path and query."""
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")

    def form(self) -> dict[str, str]:
        """Return the fields of a posted form; status 400 when it is none."""
        try:
            pairs = parse_qsl(self.body.decode(), keep_blank_values=True, max_num_fields=FIELDS_LIMIT)
        except ValueError:
            raise HTTPException(400) from None
        return dict(pairs)

    def decode(self, kind: type[Any]) -> Any:
        """Return the posted JSON as `kind`; status 400 when it is something else."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except msgspec.DecodeError:
            raise HTTPException(400) from None

    def may(self, verb: str, unit_id: uuid.UUID | None = None) -> bool:
        """Return whether who asks may do `verb` on a unit."""
        return self.visitor is not None and self.visitor.may(verb, unit_id)

    def require(self, verb: str, unit_id: uuid.UUID) -> None:
        """End with status 403 unless who asks may do `verb` on a unit."""
        if not self.may(verb, unit_id):
            raise HTTPException(403)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page in the reader's language and theme."""
        words = self.words
        page = self.shell.templates.get_template(template).render(
            visit=self,
            words=words,
            _=words.say,
            plural=words.plural,
            asset=self.shell.bundle.address,
            languages=LANGUAGES,
            themes=THEMES,
            **values,
        )
        return HTMLResponse(page, status)


def json_response(value: Any, status: int = 200) -> Response:
    """Return a value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def redirect(path: str) -> Response:
    """Send the browser on to a path of ours, to be fetched with GET."""
    return RedirectResponse(path, 303)


def local_path(wanted: str) -> str:
    """Return where to go after a form: a path of this centre, else the first page.

    Browsers read `//host`, `/\\host` and paths with line breaks as other sites (WHATWG URL, special schemes).
    """
    if not wanted.startswith("/") or len(wanted) > 1000 or "\\" in wanted or any(ord(c) < 33 for c in wanted):
        return "/"
    parts = urlsplit(wanted)
    return "/" if parts.scheme or parts.netloc or wanted.startswith("//") else wanted


def new_token() -> str:
    """Return a token for the forms of who is not logged in."""
    return secrets.token_urlsafe(24)


def same_token(one: str, other: str) -> bool:
    """Compare in constant time; the empty token is nobody's."""
    return bool(one) and hmac.compare_digest(one.encode(), other.encode())
