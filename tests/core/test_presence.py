"""Which roles run: known while they renew their row, gone when they end or fall silent."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from vonggac.core import presence
from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.core.eventlog import events_after


def alive(database: Database, prefix: str = "") -> list[str]:
    with database.read() as session:
        return [row.name for row in presence.alive(session, prefix)]


def age(database: Database, by: timedelta) -> None:
    with database.write() as session:
        session.execute(sa.update(presence.RoleRow).values(renewed_at=utc_now() - by))


def test_a_role_that_appears_is_found_with_its_address(database: Database):
    with database.write() as session:
        presence.appear(session, "recorder", address="unix:/run/recorder.sock")
    with database.read() as session:
        [row] = presence.alive(session)
        assert (row.name, row.address) == ("recorder", "unix:/run/recorder.sock")
        assert [event.topic for event in events_after(session, 0).events] == ["role.started"]


def test_roles_are_found_by_the_beginning_of_their_name(database: Database):
    with database.write() as session:
        for name in ("web", "recorder-2", "recorder"):
            presence.appear(session, name)
    assert alive(database, "recorder") == ["recorder", "recorder-2"]


def test_a_role_that_falls_silent_is_gone_until_it_renews(database: Database):
    with database.write() as session:
        presence.appear(session, "recorder")
    age(database, presence.ALIVE_FOR + timedelta(seconds=1))
    assert alive(database) == []
    with database.write() as session:
        presence.renew(session, "recorder")
    assert alive(database) == ["recorder"]


def test_a_role_that_is_started_again_takes_its_row_over(database: Database):
    for address in ("unix:/old", "unix:/new"):
        with database.write() as session:
            presence.appear(session, "recorder", address=address)
    with database.read() as session:
        assert [row.address for row in presence.alive(session)] == ["unix:/new"]


def test_a_role_that_ends_is_gone_at_once(database: Database):
    with database.write() as session:
        presence.appear(session, "recorder")
    with database.write() as session:
        presence.disappear(session, "recorder")
    assert alive(database) == []


def test_the_end_of_a_former_process_does_not_take_the_row_of_its_successor(database: Database):
    with database.write() as session:
        presence.appear(session, "recorder")
        presence.forget(session, "recorder", pid=1)
    assert alive(database) == ["recorder"]
