"""A pull-point subscription from the first question to the last, without I/O: requests out, answers in.

    what time is it → where are the events → subscribe → pull, pull, renew, pull, … → unsubscribe

Log-in: a UsernameToken with the digest of the password by the camera's own clock, and HTTP Digest where the camera asks
for that (status 401). The password itself is never sent, nor anything to another host than the one that was entered: of
the addresses that a camera names only the path is taken, and the port where it names itself by the same host.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from vonggac.cameras.address import Credentials
from vonggac.cameras.onvif import messages
from vonggac.cameras.onvif.errors import OnvifError, Reason
from vonggac.cameras.onvif.messages import Notification
from vonggac.cameras.onvif.soap import Element
from vonggac.core.digest import Authenticator, parse_challenges

TERM_S = 120
"""For so long a subscription is asked for, and renewed when half of it is over."""
SHORTEST_TERM_S, LONGEST_TERM_S = 10.0, 3600.0
PULL_S = 20
"""So long the camera waits for something to happen; an answer comes at once when it does."""
ANSWER_S = 10.0
"""So long an answer may take beyond that."""
_TRIES = 3
"""How often a request is sent again because the camera wants to see a log-in, or another."""
_MOST_PATH = 1024


class Step(enum.StrEnum):
    """What is asked next."""

    TIME = "GetSystemDateAndTime"
    SERVICES = "GetServices"
    CAPABILITIES = "GetCapabilities"
    SUBSCRIBE = "CreatePullPointSubscription"
    PULL = "PullMessages"
    RENEW = "Renew"
    UNSUBSCRIBE = "Unsubscribe"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is to be sent, and where to."""

    host: str
    port: int
    secure: bool
    head: bytes = field(repr=False)
    body: bytes = field(repr=False)
    timeout_s: float = ANSWER_S


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back."""

    status: int
    challenges: Sequence[str]
    """The WWW-Authenticate headers."""
    body: bytes


class PullPoint:
    """Asks one camera for its events: `request`, then `answer`, over and over; `leave` before the last time."""

    def __init__(
        self,
        address: str,
        credentials: Credentials | None,
        *,
        nonce: Callable[[], bytes] = lambda: secrets.token_bytes(16),
        cnonce: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        """`address` is the device service's, as `cameras.address.onvif_address` returns it."""
        parts = urlsplit(address)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._device = (self._port, _path(parts.path, parts.query))
        self._events = self._subscription = self._device
        self._credentials = credentials
        self._nonce = nonce
        self._digest = Authenticator(credentials.user, credentials.password, cnonce=cnonce) if credentials else None
        self._by_digest = False
        self._tries = 0
        self.clock_offset_us = 0
        """The camera's clock minus ours."""
        self.step = Step.TIME
        self._to = self._reference = ""
        self._ends_s = self._renew_s = 0.0
        self._renews = True

    @property
    def subscribed(self) -> bool:
        """Whether the camera tells of what happens."""
        return self.step in (Step.PULL, Step.RENEW)

    def leave(self) -> bool:
        """Let the next request be the last; False when there is nothing to take leave of."""
        leaving = self.subscribed
        self.step = Step.UNSUBSCRIBE if leaving else Step.OVER
        return leaving

    def request(self, now_us: int, monotonic_s: float) -> HttpRequest:
        """Return what is to be sent now."""
        if self.step is Step.PULL and monotonic_s >= self._renew_s:
            self.step = Step.RENEW if self._renews else Step.SUBSCRIBE
        step, timeout_s = self.step, ANSWER_S
        where, to = self._device, ""
        if step is Step.TIME:
            body = messages.get_system_date_and_time()
        elif step is Step.SERVICES:
            body = messages.get_services()
        elif step is Step.CAPABILITIES:
            body = messages.get_capabilities()
        elif step is Step.SUBSCRIBE:
            where, body = self._events, messages.create_subscription(TERM_S)
        else:
            where, to = self._subscription, self._to
            if step is Step.PULL:
                pull_s = max(1, min(PULL_S, int((self._ends_s - monotonic_s) / 2)))
                body, timeout_s = messages.pull_messages(pull_s), pull_s + ANSWER_S
            else:
                body = messages.renew(TERM_S) if step is Step.RENEW else messages.unsubscribe()
        sent = messages.envelope(
            step, body, to=to, reference=self._reference if to else "", security=self._token(now_us)
        )
        return HttpRequest(self._host, where[0], self._secure, self._head(where, len(sent)), sent, timeout_s)

    def answer(self, response: HttpResponse, now_us: int, monotonic_s: float) -> list[Notification]:
        """Take the answer to the last request; OnvifError where it does not go on. Returns what has happened."""
        if response.status == 401:
            self._challenged(response.challenges)
            return []
        if response.status not in (200, 202, 400, 500) and not 200 <= response.status < 300:
            raise _refused(response.status)
        try:
            body = messages.body_of(response.body)
        except OnvifError as error:
            return self._refused(error, response.status)
        self._tries = 0
        return self._take(body, now_us, monotonic_s)

    def _take(self, body: Element, now_us: int, monotonic_s: float) -> list[Notification]:
        step = self.step
        if step is Step.TIME:
            theirs_us = messages.camera_time_us(body)
            self.clock_offset_us = theirs_us - now_us if theirs_us is not None else 0
            self.step = Step.SERVICES
        elif step in (Step.SERVICES, Step.CAPABILITIES):
            try:
                self._events = self._where(messages.events_address(body))
            except OnvifError:
                if step is Step.CAPABILITIES:
                    raise
                self.step = Step.CAPABILITIES
                return []
            self.step = Step.SUBSCRIBE
        elif step is Step.SUBSCRIBE:
            made = messages.subscribed(body)
            self._subscription, self._to, self._reference = self._where(made.address), made.address, made.reference
            self._runs(made.seconds, monotonic_s)
            self.step = Step.PULL
        elif step is Step.RENEW:
            self._runs(messages.remaining(body), monotonic_s)
            self.step = Step.PULL
        elif step is Step.UNSUBSCRIBE:
            self.step = Step.OVER
        return messages.notifications(body) if step is Step.PULL else []

    def _refused(self, error: OnvifError, status: int) -> list[Notification]:
        if self.step is Step.TIME and error.reason is not Reason.PROTOCOL:
            self.step = Step.SERVICES  # some want a log-in even for the time: then by our own clock
            return []
        if self.step is Step.SERVICES and error.reason is not Reason.UNAUTHORISED:
            self.step = Step.CAPABILITIES
            return []
        if self.step is Step.RENEW and error.reason in (Reason.UNSUPPORTED, Reason.PROTOCOL):
            self._renews = False  # it cannot: another subscription instead
            self.step = Step.SUBSCRIBE
            return []
        if self.step is Step.UNSUBSCRIBE:
            self.step = Step.OVER
            return []
        if error.reason is Reason.PROTOCOL and status >= 400 and "no sense" in str(error):
            raise _refused(status)
        raise error

    def _challenged(self, challenges: Sequence[str]) -> None:
        self._tries += 1
        offered = parse_challenges(list(challenges)[:8])
        digest = [one for one in offered if one.scheme == "digest"]
        if self._digest is None:
            raise OnvifError(Reason.UNAUTHORISED, "The camera wants user and password, and none are stored.")
        if self._tries >= _TRIES or (not digest and self._by_digest) or self._digest.accept(digest) is None:
            raise OnvifError(Reason.UNAUTHORISED, "The camera does not accept user and password.")
        self._by_digest = True

    def _runs(self, seconds: float | None, monotonic_s: float) -> None:
        term_s = min(max(seconds if seconds is not None else TERM_S / 2, SHORTEST_TERM_S), LONGEST_TERM_S)
        self._ends_s, self._renew_s = monotonic_s + term_s, monotonic_s + term_s / 2

    def _token(self, now_us: int) -> str:
        if self._credentials is None or self._by_digest or self.step is Step.TIME:
            return ""
        return messages.username_token(self._credentials, self._nonce(), now_us + self.clock_offset_us)

    def _head(self, where: tuple[int, str], length: int) -> bytes:
        port, path = where
        host = f"[{self._host}]" if ":" in self._host else self._host
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {host}:{port}",
            f'Content-Type: application/soap+xml; charset=utf-8; action="{messages.ACTIONS[self.step]}"',
            f"Content-Length: {length}",
            "Connection: close",
        ]
        if self._by_digest and self._digest is not None and (said := self._digest.authorization("POST", path)):
            lines.append(f"Authorization: {said}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")

    def _where(self, address: str) -> tuple[int, str]:
        """Return port and path of an address that the camera named; its host counts for nothing."""
        try:
            parts = urlsplit(address.strip())
            port = parts.port or (443 if parts.scheme == "https" else 80)
            same = (parts.hostname or "") == self._host and (parts.scheme == "https") == self._secure
        except ValueError:
            raise OnvifError(Reason.PROTOCOL, "The camera names an address that makes no sense.") from None
        return (port if same else self._port), _path(parts.path, parts.query)


def _path(path: str, query: str) -> str:
    whole = (path or "/") + (f"?{query}" if query else "")
    if not whole.startswith("/") or len(whole) > _MOST_PATH or not all(32 < ord(sign) < 127 for sign in whole):
        raise OnvifError(Reason.PROTOCOL, "The camera names an address that makes no sense.")
    return whole


def _refused(status: int) -> OnvifError:
    reason = {403: Reason.UNAUTHORISED, 404: Reason.UNSUPPORTED, 405: Reason.UNSUPPORTED}.get(status, Reason.PROTOCOL)
    return OnvifError(reason, f"The camera refuses with HTTP status {status}.")
