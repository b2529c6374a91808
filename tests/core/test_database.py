"""Transactions and column types, the same over SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from vonggac.core.database import Database
from vonggac.core.eventlog import SubscriberRow, announce, latest, move_subscriber, subscriber_position
from vonggac.core.ids import new_id
from vonggac.org.models import Account

if TYPE_CHECKING:
    from peers.postgres import PostgresServer

MOMENT = datetime(2026, 11, 24, 1, 2, 3, 456789, tzinfo=UTC)


def account(name: str = "trucban1") -> Account:
    return Account(name=name, name_folded=name, password_hash="", created_at=MOMENT)


def names(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(sa.select(Account.name).order_by(Account.name)))


def test_a_written_row_comes_back_with_its_key_and_its_moment(database: Database):
    with database.write() as session:
        session.add(row := account())
    with database.read() as session:
        found = session.get(Account, row.id)
        assert found is not None
        assert isinstance(found.id, uuid.UUID)
        assert found.created_at == MOMENT
        assert found.created_at.tzinfo is UTC


def test_a_moment_without_a_zone_is_not_stored(database: Database):
    row = account()
    row.created_at = MOMENT.replace(tzinfo=None)
    with pytest.raises(sa.exc.StatementError, match="without a zone"), database.write() as session:
        session.add(row)
    assert names(database) == []


def test_a_block_that_fails_leaves_no_trace(database: Database):
    def fail() -> None:
        with database.write() as session:
            session.add(account())
            session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert names(database) == []


def test_references_are_enforced(database: Database):
    from vonggac.org.models import LoginSession

    with pytest.raises(sa.exc.IntegrityError), database.write() as session:
        session.add(
            LoginSession(
                token_hash=b"x" * 32,
                account_id=new_id(),
                csrf_token="",
                created_at=MOMENT,
                seen_at=MOMENT,
                expires_at=MOMENT,
                address="",
            )
        )


def test_a_reading_transaction_is_one_picture(database: Database):
    with database.read() as session:
        before = session.scalar(sa.select(sa.func.count()).select_from(Account))
        with database.write() as writing:
            writing.add(account())
        assert session.scalar(sa.select(sa.func.count()).select_from(Account)) == before
    assert names(database) == ["trucban1"]


def test_writers_wait_for_each_other_and_lose_nothing(database: Database):
    def count_up() -> None:
        for _ in range(25):
            with database.write() as session:
                row = session.scalars(sa.select(SubscriberRow).with_for_update()).one()
                row.last_id += 1

    with database.write() as session:
        move_subscriber(session, "counter", 0)
    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with database.read() as session:
        assert subscriber_position(session, "counter") == 100


def test_a_reader_never_waits_for_a_writer(database: Database):
    with database.write() as writing:
        writing.add(account())
        writing.flush()
        assert names(database) == []


def test_work_from_an_event_loop_is_done_on_another_thread(database: Database):
    async def scenario() -> tuple[int, int]:
        def write(session: sa.orm.Session, topic: str) -> int:
            announce(session, topic)
            return threading.get_ident()

        thread = await database.run(write, "role.started")
        return thread, await database.query(latest)

    thread, newest = asyncio.run(scenario())
    assert thread != threading.get_ident()
    assert newest == 1


def test_a_password_in_the_address_is_not_in_an_error():
    database = Database("postgresql+psycopg://somebody:hush@127.0.0.1:1/nothing")
    with pytest.raises(sa.exc.OperationalError) as caught, database.read() as session:
        session.execute(sa.text("SELECT 1"))
    database.close()
    assert "hush" not in str(caught.value)


def test_moments_compare_in_the_database(database: Database):
    with database.write() as session:
        for hour in range(3):
            row = account(f"a{hour}")
            row.created_at = MOMENT + timedelta(hours=hour)
            session.add(row)
    with database.read() as session:
        late = session.scalars(sa.select(Account.name).where(Account.created_at > MOMENT).order_by(Account.created_at))
        assert list(late) == ["a1", "a2"]


@pytest.mark.slow
def test_a_connection_that_the_server_cut_while_it_rested_is_made_anew(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vonggac.core.database.PING_AFTER_S", 0.0)
    url = postgres.new_database()
    resting, other = Database(url), Database(url)
    with resting.read() as session:
        pid = session.scalar(sa.text("SELECT pg_backend_pid()"))
    with other.write() as session:
        assert session.scalar(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    with resting.read() as session:
        assert session.scalar(sa.text("SELECT pg_backend_pid()")) != pid
    resting.close()
    other.close()


@pytest.mark.slow
def test_a_connection_just_used_is_not_asked_whether_it_lives(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    database = Database(postgres.new_database())
    asked: list[object] = []
    ping = type(database.engine.dialect).do_ping
    monkeypatch.setattr(
        database.engine.dialect,
        "do_ping",
        lambda connection: asked.append(connection) or ping(database.engine.dialect, connection),
    )
    for _ in range(3):
        with database.read() as session:
            assert session.scalar(sa.text("SELECT 1")) == 1
    assert asked == []
    monkeypatch.setattr("vonggac.core.database.PING_AFTER_S", 0.0)
    with database.read() as session:
        assert session.scalar(sa.text("SELECT 1")) == 1
    assert len(asked) == 1
    database.close()
