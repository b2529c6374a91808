"""Who watches is asked for again and again: his session, his right, and what counts while nobody can say."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from vonggac.cameras.models import Camera
from vonggac.core.clock import SystemClock, utc_now
from vonggac.core.database import Database
from vonggac.org import accounts
from vonggac.org.models import Account, LoginSession
from vonggac.web.live import rights as module
from vonggac.web.live.rights import Rights, Unknown


def log_in(database: Database, name: str = "trucban1") -> bytes:
    with database.write() as session:
        account = session.scalars(sa.select(Account).where(Account.name == name)).one()
        token = accounts.open_session(session, account, "", utc_now()).token
        found = accounts.visitor(session, token, utc_now())
        assert found is not None
        return found[0].session_key


@pytest.fixture
def rights(district: Any, monkeypatch: pytest.MonkeyPatch) -> Rights:
    """The rights of the district, asked for anew each time."""
    monkeypatch.setattr(module, "FRESH_S", -1.0)
    return Rights(district.database, SystemClock())


def test_who_may_watch_goes_on_until_his_session_ends(district: Any, rights: Rights) -> None:
    key, camera = log_in(district.database), district.cameras["Chợ Hiệp An"]
    assert asyncio.run(rights.missing(key, camera)) is None
    with district.database.write() as session:
        accounts.close_session(session, key)
    assert asyncio.run(rights.missing(key, camera)) == "session"


def test_who_has_no_right_on_the_camera_does_not(district: Any, rights: Rights) -> None:
    key = log_in(district.database, "khach1")
    assert asyncio.run(rights.missing(key, district.cameras["Chợ Hiệp An"])) == "rights"


def test_a_camera_that_was_removed_is_nobody_s(district: Any, rights: Rights) -> None:
    key, camera = log_in(district.database), district.cameras["Chợ Hiệp An"]
    with district.database.write() as session:
        session.execute(sa.update(Camera).where(Camera.id == camera).values(removed_at=utc_now()))
    assert asyncio.run(rights.missing(key, camera)) == "rights"
    assert asyncio.run(rights.missing(key, district.cameras["Chợ Liên Nghĩa"])) is None


def test_a_session_that_watches_is_in_use(district: Any, rights: Rights) -> None:
    key, long_ago = log_in(district.database), utc_now() - accounts.IDLE / 2
    with district.database.write() as session:
        accounts.note_seen(session, key, long_ago)
    assert asyncio.run(rights.missing(key, district.cameras["Chợ Hiệp An"])) is None
    with district.database.read() as session:
        seen = session.scalars(sa.select(LoginSession.seen_at).where(LoginSession.token_hash == key)).one()
    assert seen > long_ago


def test_many_tiles_ask_the_database_once(district: Any) -> None:
    key, camera = log_in(district.database), district.cameras["Chợ Hiệp An"]
    asked = []
    with_count = Rights(district.database, SystemClock())
    sa.event.listen(district.database.engine, "begin", lambda _: asked.append(1))

    async def all_at_once() -> None:
        await asyncio.gather(*(with_count.missing(key, camera) for _ in range(36)))

    asyncio.run(all_at_once())
    assert len(asked) == 1


def test_while_the_database_is_silent_the_last_answer_counts_for_a_minute(
    district: Any, rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, camera = log_in(district.database), district.cameras["Chợ Hiệp An"]
    assert asyncio.run(rights.missing(key, camera)) is None

    def silent(*_: Any) -> Any:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(module, "_look", silent)
    assert asyncio.run(rights.missing(key, camera)) is None
    monkeypatch.setattr(module, "TRUSTED_S", -1.0)
    with pytest.raises(Unknown):
        asyncio.run(rights.missing(key, camera))


def test_who_came_after_the_last_answer_is_not_sent_home_because_the_database_is_silent(
    district: Any, rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = district.cameras["Chợ Hiệp An"]
    assert asyncio.run(rights.missing(log_in(district.database), camera)) is None
    newcomer = log_in(district.database)

    def silent(*_: Any) -> Any:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(module, "_look", silent)
    with pytest.raises(Unknown):  # "session" would end his tile for good
        asyncio.run(rights.missing(newcomer, camera))


def test_a_database_that_hangs_is_not_waited_for_for_ever(
    district: Any, rights: Rights, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, camera = log_in(district.database), district.cameras["Chợ Hiệp An"]
    assert asyncio.run(rights.missing(key, camera)) is None
    goes_on = threading.Event()
    monkeypatch.setattr(module, "ANSWER_S", 0.2)
    monkeypatch.setattr(module, "_look", lambda *_: goes_on.wait(60))
    try:
        assert asyncio.run(rights.missing(key, camera)) is None
        monkeypatch.setattr(module, "TRUSTED_S", -1.0)
        with pytest.raises(Unknown):
            asyncio.run(rights.missing(key, camera))
    finally:
        goes_on.set()
