"""The event stream: nothing is missed, nothing is told that may not be heard, nobody slow holds up the others."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vonggac.core import schema
from vonggac.core.database import Database
from vonggac.core.eventlog import announce, prune
from vonggac.org.accounts import Visitor
from vonggac.shell import stream as module
from vonggac.shell.stream import Cursor, EventStream, EventStreamResponse

ACCOUNT = uuid.UUID(int=7)
ADMINISTRATOR = Visitor(ACCOUNT, "trucban1", True, "token", b"key")
GUEST = Visitor(ACCOUNT, "khach1", False, "token", b"key")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'vonggac.db'}")
    schema.upgrade(database)
    yield database
    database.close()


class Browser:
    """Reads an event stream as a browser does, or stops reading."""

    def __init__(self, stream: EventStream, visitor: Visitor = ADMINISTRATOR, cursor: str = "") -> None:
        self.status = 0
        self.messages: asyncio.Queue[tuple[str, Any, str]] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = asyncio.Event()
        self.valid: Visitor | None = visitor
        answer = EventStreamResponse(stream, visitor, cursor, self._still_valid)
        self.task = asyncio.create_task(answer({"type": "http"}, self._receive, self._send))

    async def _still_valid(self) -> Visitor | None:
        return self.valid

    async def _receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
        for block in message.get("body", b"").decode().split("\n\n"):
            if block:
                fields = dict(line.split(": ", 1) for line in block.split("\n"))
                self.messages.put_nowait((fields["event"], json.loads(fields["data"]), fields.get("id", "")))

    async def next(self, kind: str) -> tuple[Any, str]:
        """The next message, which must be of this kind: its data and cursor."""
        async with asyncio.timeout(20):
            found = await self.messages.get()
        assert found[0] == kind, found
        return found[1], found[2]

    async def leave(self) -> None:
        """Close the page."""
        self.gone.set()
        await self.task


def _run(body: Callable[[], Any]) -> None:
    asyncio.run(body())


def _say(database: Database, topic: str, **more: Any) -> None:
    with database.write() as session:
        announce(session, topic, **more)


def make(database: Database) -> EventStream:
    return EventStream(database, {"status.": "health.view", "gap.": "health.view"})


def test_a_page_hears_what_changes_and_a_page_that_comes_back_what_it_missed(database: Database) -> None:
    async def body() -> None:
        stream = make(database)
        _say(database, "status.updated")
        browser = Browser(stream)
        _, cursor = await browser.next("open")
        camera = uuid.uuid4()
        _say(database, "gap.opened", subject=camera, reason="refused")
        data, cursor = await browser.next("change")
        assert data == {"topic": "gap.opened", "subject": camera.hex}
        await browser.leave()
        assert stream.pages == 0
        _say(database, "gap.closed", subject=camera)
        _say(database, "status.updated")
        again = Browser(stream, cursor=cursor)
        await again.next("open")
        assert (await again.next("change"))[0]["topic"] == "gap.closed"
        assert (await again.next("change"))[0]["topic"] == "status.updated"
        _say(database, "gap.opened")
        assert (await again.next("change"))[0]["topic"] == "gap.opened"
        await again.leave()

    _run(body)


def test_topics_without_a_rule_and_verbs_one_does_not_hold_are_not_heard(database: Database) -> None:
    async def body() -> None:
        stream = make(database)
        browser, guest = Browser(stream), Browser(stream, GUEST)
        await browser.next("open")
        await guest.next("open")
        _say(database, "look.still", account="somebody")
        _say(database, "statusless.thing")
        _say(database, "status.updated", recorder="recorder", secret="payloads are not told")
        data, _ = await browser.next("change")
        assert data == {"topic": "status.updated", "subject": None}
        assert guest.messages.empty()
        await browser.leave()
        await guest.leave()

    _run(body)


def test_a_page_that_was_away_too_long_is_told_to_reload(database: Database) -> None:
    async def body() -> None:
        stream = make(database)
        browser = Browser(stream)
        _, cursor = await browser.next("open")
        await browser.leave()
        for _ in range(3):
            _say(database, "status.updated")
        with database.write() as session:
            assert prune(session, timedelta(seconds=-1)) == 2
        again = Browser(stream, cursor=cursor)
        await again.next("reload")
        await again.leave()
        unknown = Browser(stream, cursor="of a process that is gone")
        await unknown.next("reload")
        await unknown.leave()

    _run(body)


def test_a_page_that_does_not_read_is_let_go_and_holds_nobody_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEND_TIMEOUT_S", 0.5)

    async def body() -> None:
        stream = make(database)
        stuck, quick = Browser(stream), Browser(stream)
        await stuck.next("open")
        await quick.next("open")
        stuck.reads.clear()
        _say(database, "status.updated")
        await quick.next("change")
        await asyncio.sleep(0.7)
        stuck.reads.set()
        async with asyncio.timeout(20):
            await stuck.task
        assert stream.pages == 1
        _say(database, "status.updated")
        await quick.next("change")
        await quick.leave()

    _run(body)


def test_more_at_once_than_a_page_can_hold_becomes_one_reload(database: Database) -> None:
    async def body() -> None:
        stream = make(database)
        browser = Browser(stream)
        await browser.next("open")
        with database.write() as session:
            for _ in range(module.QUEUE + 10):
                announce(session, "gap.closed")
        kinds = []
        async with asyncio.timeout(20):
            while "reload" not in kinds:
                kinds.append((await browser.messages.get())[0])
        assert stream.overrun_total == 1
        _say(database, "status.updated")
        async with asyncio.timeout(20):
            while (await browser.messages.get())[0] != "change":
                pass
        assert browser.status == 200
        await browser.leave()

    _run(body)


def test_a_session_that_is_over_ends_its_stream(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.2)

    async def body() -> None:
        stream = make(database)
        browser = Browser(stream)
        await browser.next("open")
        await browser.next("heartbeat")
        browser.valid = None
        # Events that come all the time must not put the question off.
        _say(database, "status.updated")
        kinds = set()
        async with asyncio.timeout(20):
            while "ended" not in kinds:
                kinds.add((await browser.messages.get())[0])
            await browser.task

    _run(body)


def test_the_end_of_the_process_closes_every_stream(database: Database) -> None:
    async def body() -> None:
        stream = make(database)
        browser = Browser(stream)
        await browser.next("open")
        stream.close()
        async with asyncio.timeout(20):
            await browser.task

    _run(body)


def test_there_is_a_most_of_pages(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAGES", 1)

    async def body() -> None:
        stream = make(database)
        browser = Browser(stream)
        await browser.next("open")
        refused = Browser(stream)
        await refused.task
        assert refused.status == 503
        await browser.leave()

    _run(body)


def test_a_cursor_tells_nothing_and_serves_only_whom_it_was_given() -> None:
    cursor = Cursor()
    sealed = cursor.seal(12345, ACCOUNT)
    assert cursor.open(sealed, ACCOUNT) == 12345
    assert len(sealed) == len(cursor.seal(1, ACCOUNT))
    assert cursor.open(sealed, uuid.UUID(int=8)) is None
    assert Cursor().open(sealed, ACCOUNT) is None
    for broken in ("", "x", "é" * 20, sealed[:-4], sealed[::-1]):
        assert cursor.open(broken, ACCOUNT) is None
