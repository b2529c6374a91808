"""The event log: nothing lost, nothing before it is true, ids in the order of the commits."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.core.eventlog import (
    EventRow,
    LogPruned,
    announce,
    events_after,
    follow,
    latest,
    move_subscriber,
    prune,
    subscriber_position,
)
from vonggac.core.ids import new_id


def say(database: Database, *topics: str, **payload: Any) -> None:
    for topic in topics:
        with database.write() as session:
            announce(session, topic, **payload)


def heard(database: Database, after: int = 0, *topics: str, limit: int = 500) -> list[str]:
    with database.read() as session:
        return [event.topic for event in events_after(session, after, topics, limit).events]


def test_an_event_comes_back_whole(database: Database):
    subject, unit = new_id(), new_id()
    with database.write() as session:
        announce(session, "camera.added", subject=subject, unit_id=unit, name="Chợ Liên Nghĩa", number=7)
    with database.read() as session:
        [event] = events_after(session, 0).events
    assert (event.topic, event.subject, event.unit_id) == ("camera.added", subject, unit)
    assert event.payload == {"name": "Chợ Liên Nghĩa", "number": 7}
    assert abs(event.at - utc_now()) < timedelta(minutes=5)


def test_what_did_not_happen_is_not_announced(database: Database):
    def fail() -> None:
        with database.write() as session:
            announce(session, "camera.added")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert heard(database) == []


def test_ids_are_in_commit_order_when_two_transactions_interleave(database: Database):
    first_announced, first_may_commit, second_tries = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with database.write() as session:
            announce(session, "first.done")
            first_announced.set()
            assert first_may_commit.wait(30)

    def second() -> None:
        assert first_announced.wait(30)
        second_tries.set()
        with database.write() as session:
            announce(session, "second.done")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    assert second_tries.wait(30)
    threads[1].join(0.5)
    assert threads[1].is_alive(), "the second must wait: its id would be seen before the first one's"
    assert heard(database) == []
    first_may_commit.set()
    for thread in threads:
        thread.join(30)
    assert heard(database) == ["first.done", "second.done"]


def test_a_reader_that_polls_while_many_write_misses_nothing(database: Database):
    def write(name: str) -> None:
        for number in range(20):
            say(database, f"{name}.{number}")

    threads = [threading.Thread(target=write, args=(f"writer{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    position = 0
    while True:
        running = any(thread.is_alive() for thread in threads)
        with database.read() as session:
            batch = events_after(session, position, limit=7)
        seen += [event.topic for event in batch.events]
        position = batch.position
        if not running and not batch.events:
            break
    assert len(seen) == len(set(seen)) == 80


def test_topics_are_prefixes_and_the_position_moves_past_the_others(database: Database):
    say(database, "camera.added", "unit.added", "camera.removed", "cam_ra.odd", "unit.moved")
    assert heard(database, 0, "camera.") == ["camera.added", "camera.removed"]
    assert heard(database, 0, "unit.moved", "camera.added") == ["camera.added", "unit.moved"]
    with database.read() as session:
        assert events_after(session, 0, ["camera."]).position == latest(session)


def test_a_long_log_comes_in_slices(database: Database):
    say(database, *(f"n.{number}" for number in range(10)))
    with database.read() as session:
        slices, position = [], 0
        while (batch := events_after(session, position, limit=4)).events:
            slices.append(len(batch.events))
            position = batch.position
    assert slices == [4, 4, 2]


def test_pruning_takes_the_old_in_slices_and_never_the_newest(database: Database):
    say(database, *(f"n.{number}" for number in range(10)))
    with database.write() as session:
        session.execute(sa.update(EventRow).values(at=utc_now() - timedelta(days=8)))
    with database.write() as session:
        assert prune(session, timedelta(days=7), limit=6) == 6
    with database.write() as session:
        assert prune(session, timedelta(days=7), limit=6) == 3
        assert prune(session, timedelta(days=7), limit=6) == 0
    say(database, "n.10")
    assert heard(database, 9) == ["n.9", "n.10"]


def test_who_is_behind_the_pruned_log_is_told_to_reload(database: Database):
    say(database, *(f"n.{number}" for number in range(5)))
    with database.write() as session:
        session.execute(sa.update(EventRow).values(at=utc_now() - timedelta(days=8)))
        prune(session, timedelta(days=7))
    with database.read() as session, pytest.raises(LogPruned):
        events_after(session, 2)
    assert heard(database, 4) == ["n.4"]


def test_a_subscriber_moves_in_the_transaction_of_its_effect(database: Database):
    with database.write() as session:
        assert subscriber_position(session, "reports") is None
        move_subscriber(session, "reports", 5)

    def fail() -> None:
        with database.write() as session:
            move_subscriber(session, "reports", 6)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with database.read() as session:
        assert subscriber_position(session, "reports") == 5


@pytest.mark.slow
def test_a_follower_wakes_on_the_commit_of_another_process(
    database: Database, start: Callable[..., subprocess.Popen[str]]
):
    url = database.url.render_as_string(hide_password=False)
    program = """
import sys
from vonggac.core.database import Database
from vonggac.core.eventlog import announce
database = Database(sys.argv[1])
for topic in ("other.noise", "camera.added", "camera.removed"):
    with database.write() as session:
        announce(session, topic)
database.close()
"""

    async def scenario() -> list[str]:
        say(database, "camera.before")
        topics: list[str] = []
        async with asyncio.timeout(60):
            following = follow(database, ["camera."])
            first = asyncio.ensure_future(anext(following))
            await asyncio.sleep(0.3)
            assert not first.done()
            start(program, url)
            topics.append((await first).topic)
            topics.append((await anext(following)).topic)
            await following.aclose()
        return topics

    assert asyncio.run(scenario()) == ["camera.added", "camera.removed"]


def test_a_follower_takes_up_where_it_was(database: Database):
    say(database, *(f"n.{number}" for number in range(5)))

    async def scenario() -> list[str]:
        async with asyncio.timeout(60):
            following = follow(database, after=2)
            topics = [(await anext(following)).topic for _ in range(3)]
            await following.aclose()
        return topics

    assert asyncio.run(scenario()) == ["n.2", "n.3", "n.4"]
