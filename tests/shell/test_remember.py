"""What is looked at is entered before it is shown, once in ten minutes, and exports every time."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from vonggac.core import schema
from vonggac.core.database import Database
from vonggac.org.models import Account
from vonggac.shell import remember
from vonggac.shell.models import LookRow
from vonggac.shell.remember import Look, Looks

CAMERAS = [uuid.UUID(int=number) for number in range(1, 4)]
NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def looks(database_url: str) -> Iterator[tuple[Looks, Database, uuid.UUID]]:
    database = Database(database_url)
    schema.upgrade(database)
    with database.write() as session:
        account = Account(name="trucban1", name_folded="trucban1", password_hash="", created_at=NOW)
        session.add(account)
        session.flush()
        account_id = account.id
    yield Looks(database), database, account_id
    database.close()


def row(account_id: uuid.UUID, camera_id: uuid.UUID) -> dict[str, object]:
    return {
        "at": NOW, "account_id": account_id, "address": "192.0.2.1", "kind": "live", "camera_id": camera_id,
        "from_us": None, "to_us": None, "detail": "",
    }  # fmt: skip


def stored(database: Database) -> list[uuid.UUID]:
    with database.read() as session:
        return list(session.scalars(sa.select(LookRow.camera_id)))


def test_many_that_open_at_once_are_each_stored_before_they_go_on(looks: tuple[Looks, Database, uuid.UUID]) -> None:
    book, database, account_id = looks

    async def open_one(camera_id: uuid.UUID) -> bool:
        await book.store([row(account_id, camera_id)])
        return camera_id in stored(database)

    async def walk() -> list[bool]:
        return await asyncio.gather(*(open_one(camera_id) for camera_id in CAMERAS * 4))

    assert all(asyncio.run(walk()))
    assert sorted(stored(database)) == sorted(CAMERAS * 4)


def test_each_hears_of_his_own_failure_and_nothing_stays_behind(looks: tuple[Looks, Database, uuid.UUID]) -> None:
    book, database, account_id = looks

    async def walk() -> list[object]:
        bad = book.store([{**row(account_id, CAMERAS[0]), "kind": None}])
        good = book.store([row(account_id, CAMERAS[1])])
        return await asyncio.gather(bad, good, return_exceptions=True)

    failed, fine = asyncio.run(walk())
    assert isinstance(failed, sa.exc.IntegrityError)
    assert fine is None
    assert stored(database) == [CAMERAS[1]]


def test_the_same_is_entered_once_in_ten_minutes() -> None:
    book = Looks(None)  # type: ignore[arg-type]
    account = uuid.UUID(int=9)
    book.note(account, Look.LIVE, CAMERAS[:2], None, 1000.0)
    assert book.fresh(account, Look.LIVE, CAMERAS, None, 1599.0) == [CAMERAS[2]]
    assert book.fresh(account, Look.STILL, CAMERAS[:1], None, 1599.0) == CAMERAS[:1]
    assert book.fresh(uuid.UUID(int=8), Look.LIVE, CAMERAS[:1], None, 1599.0) == CAMERAS[:1]
    assert book.fresh(account, Look.LIVE, CAMERAS, None, 1600.0) == CAMERAS


def test_recorded_pictures_are_entered_by_interval() -> None:
    book = Looks(None)  # type: ignore[arg-type]
    account, camera = uuid.UUID(int=9), CAMERAS[:1]

    def fresh(from_us: int, to_us: int) -> bool:
        return bool(book.fresh(account, Look.PLAYBACK, camera, (from_us, to_us), 1001.0))

    book.note(account, Look.PLAYBACK, camera, (100, 200), 1000.0)
    assert not fresh(120, 180)
    assert fresh(150, 250)
    book.note(account, Look.PLAYBACK, camera, (200, 300), 1001.0)
    assert not fresh(100, 300)
    assert fresh(300, 301)
    book.note(account, Look.PLAYBACK, camera, (900, 1000), 1001.0)
    assert fresh(100, 300)


def test_what_is_known_as_entered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remember, "MOST", 2)
    book = Looks(None)  # type: ignore[arg-type]
    account = uuid.UUID(int=9)
    book.note(account, Look.LIVE, CAMERAS, None, 1000.0)
    assert book.fresh(account, Look.LIVE, CAMERAS, None, 1000.0) == CAMERAS[:1]
