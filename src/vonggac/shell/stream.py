"""The event stream: what changed, told to every open page as it happens (Server-Sent Events, WHATWG HTML §9.2).

One reader of the event log a process, fanned out to a bounded queue a page. A page that cannot keep up is told to
reload, one that does not read at all is let go. Who comes back says how far it was with an opaque cursor, since
consecutive ids would count what it may not see. What no rule lets through is not sent. A page only hears *that*
something changed, and asks for what it may know.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import os
import random
import struct
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.exc import OperationalError
from starlette.responses import Response

from vonggac.core.database import Database
from vonggac.core.eventlog import Event, LogPruned, events_after, follow, latest
from vonggac.core.log import RateLimit, get_logger
from vonggac.org.accounts import Visitor
from vonggac.shell.headers import Message, Receive, Scope, Send

HEARTBEAT_S = 15.0
QUEUE = 200
"""Events that may wait for a page; one that has more to come is told to reload instead."""
MOST_PAGES = 500
CATCH_UP = 500
"""A page that missed more than this reloads instead."""
SEND_TIMEOUT_S = 20.0
START_TIMEOUT_S = 10.0
RETRY_MS = 2000
POLL_S = 0.1
_NONCE = 12


class NotNow(Exception):
    """More pages listen than this process serves, or the database does not answer."""


class Cursor:
    """Positions in the log as browsers hold them: encrypted, bound to the account, worthless after a restart."""

    def __init__(self) -> None:
        self._cipher = AESGCM(os.urandom(32))

    def seal(self, position: int, account_id: uuid.UUID) -> str:
        """Return a position as a page may keep it."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, struct.pack(">Q", position), account_id.bytes)
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, cursor: str, account_id: uuid.UUID) -> int | None:
        """Return the position; None when the cursor is another account's, another process's, or none at all."""
        try:
            raw = base64.urlsafe_b64decode(cursor[:100].encode())
            plain = self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], account_id.bytes)
        except (InvalidTag, ValueError, binascii.Error):
            return None
        return int(struct.unpack(">Q", plain)[0])


@dataclass(slots=True, eq=False)
class Subscription:
    """One open page."""

    queue: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    """None: reload, for what happened cannot be told event by event."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process ends."""


class EventStream:
    """One follower of the event log for all pages; it runs while a page is open."""

    def __init__(self, database: Database, verbs: Mapping[str, str]) -> None:
        """`verbs` maps prefixes of topics to the verb that lets hear of them."""
        self._database = database
        self._verbs = dict(verbs)
        self._subscriptions: set[Subscription] = set()
        self._follower: asyncio.Task[None] | None = None
        self._position: asyncio.Future[int] | None = None
        self._limit = RateLimit()
        self.cursor = Cursor()
        self.overrun_total = 0

    @property
    def pages(self) -> int:
        """How many pages listen."""
        return len(self._subscriptions)

    def verb_of(self, topic: str) -> str | None:
        """Return the verb that lets hear of a topic; None: nobody hears of it."""
        return next((verb for prefix, verb in self._verbs.items() if topic.startswith(prefix)), None)

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[tuple[Subscription, int]]:
        """Listen while the block runs: yields the subscription and the position that it follows on.

        NotNow when no more are served, or the log cannot be read.
        """
        if len(self._subscriptions) >= MOST_PAGES:
            raise NotNow
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            if self._follower is None:
                self._position = asyncio.get_running_loop().create_future()
                self._follower = asyncio.create_task(self._follow(), name="event stream")
            assert self._position is not None
            try:
                async with asyncio.timeout(START_TIMEOUT_S):
                    await asyncio.shield(self._position)
            except TimeoutError:
                raise NotNow from None
            yield subscription, await self._database.query(latest)
        finally:
            self._subscriptions.discard(subscription)
            if not self._subscriptions and self._follower is not None:
                self._follower.cancel()
                self._follower = None

    async def missed(self, position: int) -> list[Event] | None:
        """Return the events after a position; None when there are too many or they are gone."""
        try:
            batch = await self._database.query(events_after, position, tuple(self._verbs), CATCH_UP)
        except LogPruned:
            return None
        return batch.events if len(batch.events) < CATCH_UP else None

    def close(self) -> None:
        """Let every page go: the process ends."""
        for subscription in self._subscriptions:
            subscription.closed.set()

    async def _follow(self) -> None:
        retry_s = 1.0
        position: int | None = None
        while True:
            try:
                if position is None:
                    position = await self._database.query(latest)
                assert self._position is not None
                if not self._position.done():
                    self._position.set_result(position)
                async for event in follow(self._database, tuple(self._verbs), after=position, poll_s=POLL_S):
                    position = event.id
                    retry_s = 1.0
                    self._hand_out(event)
            except LogPruned:
                position = None
                self._hand_out(None)
            except OperationalError as error:
                if (held_back := self._limit.passes("database")) is not None:
                    reason = " ".join(str(error.orig).split())
                    get_logger().warning("The event stream waits for the database", reason=reason, held_back=held_back)
                await asyncio.sleep(retry_s * random.uniform(0.5, 1.5))  # noqa: S311
                retry_s = min(retry_s * 2, 30.0)

    def _hand_out(self, event: Event | None) -> None:
        for subscription in self._subscriptions:
            try:
                subscription.queue.put_nowait(event)
            except asyncio.QueueFull:
                # A street of cameras comes back at once, or the line is thin: one reload says it all.
                while not subscription.queue.empty():
                    subscription.queue.get_nowait()
                subscription.queue.put_nowait(None)
                self.overrun_total += 1


class EventStreamResponse(Response):
    """The answer that stays open: events for one visitor, a heartbeat, and an end when his session ends."""

    def __init__(
        self,
        stream: EventStream,
        visitor: Visitor,
        last_cursor: str,
        still_valid: Callable[[], Awaitable[Visitor | None]],
    ) -> None:
        """`still_valid` returns the visitor as he is now, or None when his session is over."""
        super().__init__()
        self._stream = stream
        self._visitor = visitor
        self._last_cursor = last_cursor
        self._still_valid = still_valid

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writing = asyncio.ensure_future(self._write(send))
        listening = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({writing, listening}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
        finally:
            for task in (writing, listening):
                task.cancel()
            await asyncio.gather(writing, listening, return_exceptions=True)

    async def _write(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        try:
            async with self._stream.subscribe() as (subscription, position):
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                with contextlib.suppress(TimeoutError):
                    told = await self._begin(position, send)
                    await self._go_on(subscription, told, send)
        except NotNow:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"30")]})
        await send({"type": "http.response.body", "body": b""})

    async def _begin(self, position: int, send: Send) -> int:
        """Tell what a page that comes back has missed; returns the position up to which it was told."""
        account = self._visitor.account_id
        told = self._stream.cursor.open(self._last_cursor, account) if self._last_cursor else None
        missed = await self._stream.missed(told) if told is not None else None
        if told is None or missed is None:
            await _send(send, _message("reload" if self._last_cursor else "open", cursor=self._cursor(position)))
            return position
        await _send(send, _message("open"))
        for event in missed:
            told = event.id
            await self._tell(event, send)
        return told

    async def _go_on(self, subscription: Subscription, told: int, send: Send) -> None:
        loop = asyncio.get_running_loop()
        heartbeat_at = loop.time() + HEARTBEAT_S
        while not subscription.closed.is_set():
            for event in await _next(subscription, heartbeat_at - loop.time()):
                if event is None:
                    await _send(send, _message("reload"))
                elif event.id > told:
                    told = event.id
                    await self._tell(event, send)
            if loop.time() >= heartbeat_at:
                heartbeat_at = loop.time() + HEARTBEAT_S
                visitor = await self._still_valid()
                if visitor is None:
                    await _send(send, _message("ended"))
                    return
                self._visitor = visitor
                await _send(send, _message("heartbeat"))

    async def _tell(self, event: Event, send: Send) -> None:
        verb = self._stream.verb_of(event.topic)
        if verb is None or not self._visitor.may(verb, event.unit_id):
            return
        data = {"topic": event.topic, "subject": event.subject.hex if event.subject else None}
        await _send(send, _message("change", data, self._cursor(event.id)))

    def _cursor(self, position: int) -> str:
        return self._stream.cursor.seal(position, self._visitor.account_id)


async def _next(subscription: Subscription, timeout_s: float) -> list[Event | None]:
    """Return the next event, or nothing when the time is over or the process ends."""
    waiting = asyncio.ensure_future(subscription.queue.get())
    closed = asyncio.ensure_future(subscription.closed.wait())
    try:
        await asyncio.wait({waiting, closed}, timeout=max(0.0, timeout_s), return_when=asyncio.FIRST_COMPLETED)
        return [waiting.result()] if waiting.done() else []
    finally:
        waiting.cancel()
        closed.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, body: bytes) -> None:
    message: Message = {"type": "http.response.body", "body": body, "more_body": True}
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await send(message)


def _message(kind: str, data: object = None, cursor: str = "") -> bytes:
    lines = [f"event: {kind}", f"retry: {RETRY_MS}"] if kind in ("open", "reload") else [f"event: {kind}"]
    if cursor:
        lines.append(f"id: {cursor}")
    lines.append(f"data: {msgspec.json.encode(data).decode()}")
    return ("\n".join(lines) + "\n\n").encode()
