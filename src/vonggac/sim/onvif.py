"""The ONVIF service of simulated cameras: time, services, pull-point events, as a camera in the field answers.

Written after the standards alone and apart from the client that is tested with it: it reads requests by searching for
what it must know, and its answers are texts. A camera is at `/NUMBER/onvif/device_service`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType

from vonggac.sim.digest import Credentials, Guard
from vonggac.sim.messages import Request

MAX_REQUEST = 64 << 10
MOST_WAITING = 200
TOPICS = {
    "cell": ("tns1:RuleEngine/CellMotionDetector/Motion", "IsMotion"),
    "alarm": ("tns1:VideoSource/MotionAlarm", "State"),
    "person": ("tns1:RuleEngine/MyRuleDetector/PeopleDetect", "State"),
}
"""What cameras call motion."""
_TOLERANCE = timedelta(seconds=10)
_FIELDS = {
    name: re.compile(rf"<(?:\w+:)?{name}\b[^>]*>([^<]*)<")
    for name in ("Username", "Password", "Nonce", "Created", "Timeout", "InitialTerminationTime", "TerminationTime")
}
_ACTION = re.compile(
    r"<(?:\w+:)?(GetSystemDateAndTime|GetServices|GetCapabilities|CreatePullPointSubscription|PullMessages|Renew|"
    r"Unsubscribe)\b"
)
_SPAN = re.compile(r"PT(?:(\d+)M)?(?:(\d+)S)?")


@dataclass
class OnvifCamera:
    """One camera's service. `move` says that something moves before it."""

    clock_off: timedelta = timedelta()
    """By how much its clock is wrong."""
    topic: str = "cell"
    knows_services: bool = True
    """Whether it knows GetServices; old ones know only GetCapabilities."""
    renews: bool = True
    asks_digest: bool = False
    """Whether it wants HTTP Digest instead of a token in the request."""
    moves: bool = False
    asked: list[str] = field(default_factory=list)
    """What was asked of it, in order."""
    subscriptions: dict[str, _Subscription] = field(default_factory=dict)

    def now(self) -> datetime:
        """What its clock reads."""
        return datetime.now(UTC) + self.clock_off

    def move(self, moves: bool) -> None:
        """Something begins to move, or ends."""
        self.moves = moves
        for subscription in self.subscriptions.values():
            subscription.say(self._message("Changed"))

    def forget(self) -> None:
        """Forget every subscription, as after a start."""
        self.subscriptions.clear()

    def _message(self, operation: str) -> str:
        topic, name = TOPICS[self.topic]
        return (
            "<wsnt:NotificationMessage><wsnt:Topic "
            'Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
            f"{topic}</wsnt:Topic><wsnt:Message>"
            f'<tt:Message UtcTime="{self.now():%Y-%m-%dT%H:%M:%SZ}" PropertyOperation="{operation}"><tt:Source>'
            '<tt:SimpleItem Name="VideoSourceConfigurationToken" Value="VideoSource_1"/>'
            '<tt:SimpleItem Name="Rule" Value="MyMotionDetectorRule"/></tt:Source>'
            f'<tt:Data><tt:SimpleItem Name="{name}" Value="{"true" if self.moves else "false"}"/></tt:Data>'
            "</tt:Message></wsnt:Message></wsnt:NotificationMessage>"
        )


@dataclass
class _Subscription:
    ends: datetime
    waiting: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, message: str) -> None:
        self.waiting = [*self.waiting, message][-MOST_WAITING:]
        self.news.set()


class _Fault(Exception):
    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status, self.code = status, code


class OnvifServer:
    """Serves cameras by number; open it with `async with`. `address(number)` is what a centre is told."""

    def __init__(
        self, cameras: dict[int, OnvifCamera], *, credentials: Credentials | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.cameras = cameras
        self.port = 0
        self._host = host
        self._credentials = credentials
        self._guard = Guard(credentials) if credentials is not None else None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> OnvifServer:
        self._server = await asyncio.start_server(self._visit, self._host, self.port, limit=MAX_REQUEST)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()

    def address(self, number: int) -> str:
        """Return the address of a camera's device service."""
        return f"http://{self._host}:{self.port}/{number}/onvif/device_service"

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(120):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
                body = (await reader.readexactly(min(int(length[1]) if length else 0, MAX_REQUEST))).decode()
                writer.write(await self._answer(head, body))
                await writer.drain()
        writer.close()

    async def _answer(self, head: str, body: str) -> bytes:
        path = head.split(" ", 2)[1]
        number, _, rest = path.lstrip("/").partition("/")
        camera = self.cameras.get(int(number) if number.isdecimal() else -1)
        if camera is None:
            return _http(404, "")
        action = found[1] if (found := _ACTION.search(body)) else ""
        camera.asked.append(action)
        if action != "GetSystemDateAndTime" and self._guard is not None and camera.asks_digest:
            said = re.search(r"(?i)\r\nauthorization: *([^\r\n]*)", head)
            request = Request("POST", path, {"authorization": said[1] if said else ""})
            if not self._guard.admits(request):
                return _http(401, "", f"WWW-Authenticate: {self._guard.challenge}\r\n")
        try:
            if action != "GetSystemDateAndTime" and self._credentials is not None and not camera.asks_digest:
                self._check_token(camera, body)
            return _http(200, _envelope(await self._do(camera, int(number), action, rest, body)))
        except _Fault as fault:
            return _http(fault.status, _envelope(
                f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{fault.code}</s:Value></s:Subcode>"
                f'</s:Code><s:Reason><s:Text xml:lang="en">{fault}</s:Text></s:Reason></s:Fault>'
            ))  # fmt: skip

    def _check_token(self, camera: OnvifCamera, body: str) -> None:
        assert self._credentials is not None
        said = {name: match[1] if (match := pattern.search(body)) else "" for name, pattern in _FIELDS.items()}
        with suppress(ValueError):
            created = datetime.strptime(said["Created"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            nonce = base64.b64decode(said["Nonce"])
            whole = nonce + said["Created"].encode() + self._credentials.password.encode()
            expected = base64.b64encode(hashlib.sha1(whole, usedforsecurity=False).digest()).decode()
            fresh = abs(camera.now() - created) < _TOLERANCE
            if fresh and said["Username"] == self._credentials.user and said["Password"] == expected:
                return
        raise _Fault(400, "ter:NotAuthorized", "Sender not authorized")

    async def _do(self, camera: OnvifCamera, number: int, action: str, rest: str, body: str) -> str:
        do: dict[str, Callable[[], str]] = {
            "GetSystemDateAndTime": lambda: _date_and_time(camera.now()),
            "GetServices": lambda: self._services(camera, number),
            "GetCapabilities": lambda: self._capabilities(number),
            "CreatePullPointSubscription": lambda: self._subscribe(camera, number, body),
        }
        if action in do:
            return do[action]()
        subscription = camera.subscriptions.get(rest.rpartition("/")[2])
        if subscription is None or subscription.ends < camera.now():
            raise _Fault(400, "wsrf-rw:ResourceUnknownFault", "no such subscription")
        if action == "PullMessages":
            return await self._pull(camera, subscription, _seconds(body, "Timeout"))
        if action == "Renew":
            if not camera.renews:
                raise _Fault(500, "ter:ActionNotSupported", "Renew is not supported")
            subscription.ends = camera.now() + timedelta(seconds=_seconds(body, "TerminationTime"))
            return f"<wsnt:RenewResponse>{_times(camera, subscription)}</wsnt:RenewResponse>"
        if action == "Unsubscribe":
            del camera.subscriptions[rest.rpartition("/")[2]]
            return "<wsnt:UnsubscribeResponse/>"
        raise _Fault(500, "ter:ActionNotSupported", "unknown action")

    def _services(self, camera: OnvifCamera, number: int) -> str:
        if not camera.knows_services:
            raise _Fault(500, "ter:ActionNotSupported", "Optional Action Not Implemented")
        base = f"http://{self._host}:{self.port}/{number}/onvif"
        services = (
            ("http://www.onvif.org/ver10/device/wsdl", "device_service"),
            ("http://www.onvif.org/ver10/media/wsdl", "media"),
            ("http://www.onvif.org/ver10/events/wsdl", "event_service"),
        )
        parts = "".join(
            f"<tds:Service><tds:Namespace>{space}</tds:Namespace><tds:XAddr>{base}/{name}</tds:XAddr>"
            "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
            for space, name in services
        )
        return f"<tds:GetServicesResponse>{parts}</tds:GetServicesResponse>"

    def _capabilities(self, number: int) -> str:
        # Behind a router a camera names the address that it knows of itself.
        return (
            "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Events>"
            f"<tt:XAddr>http://192.168.1.64/{number}/onvif/event_service</tt:XAddr>"
            "<tt:WSPullPointSupport>true</tt:WSPullPointSupport></tt:Events></tds:Capabilities>"
            "</tds:GetCapabilitiesResponse>"
        )

    def _subscribe(self, camera: OnvifCamera, number: int, body: str) -> str:
        name = secrets.token_hex(4)
        ends = camera.now() + timedelta(seconds=_seconds(body, "InitialTerminationTime"))
        subscription = camera.subscriptions[name] = _Subscription(ends)
        subscription.say(camera._message("Initialized"))
        return (
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference><wsa5:Address>"
            f"http://{self._host}:{self.port}/{number}/onvif/subscription/{name}"
            f"</wsa5:Address></tev:SubscriptionReference>{_times(camera, subscription)}"
            "</tev:CreatePullPointSubscriptionResponse>"
        )

    async def _pull(self, camera: OnvifCamera, subscription: _Subscription, wait_s: float) -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await subscription.news.wait()
        subscription.news.clear()
        told, subscription.waiting = "".join(subscription.waiting), []
        times = _times(camera, subscription).replace("wsnt:", "tev:")
        return f"<tev:PullMessagesResponse>{times}{told}</tev:PullMessagesResponse>"


def _seconds(body: str, name: str) -> float:
    span = _SPAN.fullmatch(match[1].strip()) if (match := _FIELDS[name].search(body)) else None
    if span is None:
        raise _Fault(400, "ter:InvalidArgVal", f"{name} is no span of time")
    return int(span[1] or 0) * 60 + int(span[2] or 0)


def _times(camera: OnvifCamera, subscription: _Subscription) -> str:
    now, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (camera.now(), subscription.ends))
    return f"<wsnt:CurrentTime>{now}</wsnt:CurrentTime><wsnt:TerminationTime>{end}</wsnt:TerminationTime>"


def _date_and_time(now: datetime) -> str:
    return (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
        "<tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>ICT-7</tt:TZ></tt:TimeZone>"
        f"<tt:UTCDateTime><tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
        f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
        f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime>"
        "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )


def _envelope(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:tev="http://www.onvif.org/ver10/events/wsdl" '
        'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" '
        'xmlns:wsa5="http://www.w3.org/2005/08/addressing" xmlns:ter="http://www.onvif.org/ver10/error" '
        'xmlns:tns1="http://www.onvif.org/ver10/topics" xmlns:wsrf-rw="http://docs.oasis-open.org/wsrf/rw-2">'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


def _http(status: int, body: str, more: str = "") -> bytes:
    data = body.encode()
    return (
        f"HTTP/1.1 {status} Answer\r\nServer: sim\r\nContent-Type: application/soap+xml; charset=utf-8\r\n{more}"
        f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    ).encode() + data
