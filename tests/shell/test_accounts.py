"""Accounts and their sessions, over both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from vonggac.core import schema
from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.core.text import fold
from vonggac.org import accounts
from vonggac.org.models import Account, LoginSession
from vonggac.org.passwords import hash_password

PASSWORD = "một mật khẩu dài"
NOW = utc_now()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.upgrade(database)
    with database.write() as session:
        session.add(
            Account(
                name="Trực ban 1",
                name_folded=fold("Trực ban 1"),
                password_hash=hash_password(PASSWORD),
                administrator=True,
                created_at=NOW,
            )
        )
    yield database
    database.close()


def _log_in(database: Database) -> str:
    with database.write() as session:
        account = accounts.authenticate(session, "truc ban 1", PASSWORD)
        assert account is not None
        return accounts.open_session(session, account, "192.0.2.1", NOW).token


def test_a_name_is_known_with_and_without_accents_and_only_with_its_password(database: Database) -> None:
    with database.read() as session:
        assert accounts.authenticate(session, "Trực ban 1", PASSWORD) is not None
        assert accounts.authenticate(session, "Trực ban 1", PASSWORD + "!") is None
        assert accounts.authenticate(session, "Trực ban 2", PASSWORD) is None
        assert accounts.authenticate(session, "x" * 5000, "y" * 5000) is None


def test_a_session_ends_after_its_time_and_when_it_is_not_used(database: Database) -> None:
    token = _log_in(database)
    with database.write() as session:
        found = accounts.visitor(session, token, NOW + timedelta(minutes=5))
        assert found is not None
        assert found[0].name == "Trực ban 1"
        assert accounts.visitor(session, token, NOW + accounts.IDLE) is None
        accounts.note_seen(session, found[0].session_key, NOW + accounts.ABSOLUTE - timedelta(minutes=1))
    with database.read() as session:
        assert accounts.visitor(session, token, NOW + accounts.ABSOLUTE - timedelta(seconds=1)) is not None
        assert accounts.visitor(session, token, NOW + accounts.ABSOLUTE) is None
        assert accounts.visitor(session, "another", NOW) is None


def test_log_out_and_purge_delete_the_session_and_no_other(database: Database) -> None:
    first, second = _log_in(database), _log_in(database)
    with database.write() as session:
        found = accounts.visitor(session, first, NOW)
        assert found is not None
        accounts.close_session(session, found[0].session_key)
    with database.write() as session:
        assert accounts.visitor(session, first, NOW) is None
        assert accounts.visitor(session, second, NOW) is not None
        assert accounts.purge_sessions(session, NOW) == 0
        assert accounts.purge_sessions(session, NOW + accounts.ABSOLUTE) == 1


def test_one_account_holds_no_endless_number_of_sessions(database: Database) -> None:
    with database.write() as session:
        account = session.query(Account).one()
        tokens = [
            accounts.open_session(session, account, "192.0.2.1", NOW + timedelta(seconds=number)).token
            for number in range(accounts.SESSIONS_EACH + 5)
        ]
        assert session.query(LoginSession).count() == accounts.SESSIONS_EACH
        assert accounts.visitor(session, tokens[0], NOW) is None
        assert accounts.visitor(session, tokens[-1], NOW) is not None


def test_what_is_shown_of_a_session_holds_no_secret(database: Database) -> None:
    token = _log_in(database)
    with database.read() as session:
        found = accounts.visitor(session, token, NOW)
        assert found is not None
        assert found[0].csrf_token not in repr(found[0])
        assert token not in repr(accounts.NewSession(token, NOW))
