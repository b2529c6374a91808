"""Technical faults: raised once, standing until they are over, announced both times."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.core.eventlog import events_after
from vonggac.core.faults import Fault, clear_fault, clear_others, prune_faults, raise_fault, standing_faults
from vonggac.core.ids import new_id
from vonggac.core.said import Said


def heard(database: Database) -> list[tuple[str, str]]:
    with database.read() as session:
        return [(event.topic, event.payload["kind"]) for event in events_after(session, 0).events]


def test_a_fault_is_raised_once_however_often_it_is_found_and_keeps_the_newest_words(database: Database):
    for free in ("9 GB", "5 GB"):
        with database.write() as session:
            news = raise_fault(session, "disk_full", "a1", detail=f"{free} free", unit_id=new_id())
            assert news == (free == "9 GB")
    with database.read() as session:
        [fault] = standing_faults(session)
    assert fault.detail == "5 GB free"
    assert heard(database) == [("fault.raised", "disk_full")]


def test_the_same_fault_of_another_subject_is_another_fault(database: Database):
    with database.write() as session:
        assert raise_fault(session, "disk_full", "a1")
        assert raise_fault(session, "disk_full", "b2")
        assert raise_fault(session, "disk_slow", "a1")
    with database.read() as session:
        assert len(standing_faults(session)) == 3
        assert [fault.subject for fault in standing_faults(session, "disk_full")] == ["a1", "b2"]


def test_a_fault_that_is_over_stands_no_longer_and_may_come_back(database: Database):
    with database.write() as session:
        raise_fault(session, "clock_wrong", "c3")
    with database.write() as session:
        assert clear_fault(session, "clock_wrong", "c3")
        assert not clear_fault(session, "clock_wrong", "c3")
        assert standing_faults(session) == []
        assert raise_fault(session, "clock_wrong", "c3")
    assert heard(database) == [
        ("fault.raised", "clock_wrong"),
        ("fault.cleared", "clock_wrong"),
        ("fault.raised", "clock_wrong"),
    ]


def test_all_but_those_that_were_found_again_are_over(database: Database):
    with database.write() as session:
        for subject in ("a", "b", "c"):
            raise_fault(session, "below_minimum", subject)
        raise_fault(session, "disk_full", "a")
        assert clear_others(session, "below_minimum", {"b"}) == 2
        assert [(fault.kind, fault.subject) for fault in standing_faults(session)] == [
            ("below_minimum", "b"),
            ("disk_full", "a"),
        ]


def test_two_processes_cannot_raise_the_same_fault_twice(database: Database):
    with database.write() as session:
        raise_fault(session, "disk_full", "a1")
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(Fault(kind="disk_full", subject="a1", detail="", raised_at=utc_now()))


def test_what_was_over_long_ago_is_forgotten_and_what_stands_is_not(database: Database):
    with database.write() as session:
        raise_fault(session, "disk_full", "old")
        clear_fault(session, "disk_full", "old")
        raise_fault(session, "disk_full", "stands")
        session.execute(sa.update(Fault).values(raised_at=utc_now() - timedelta(days=900)))
        session.execute(
            sa.update(Fault).where(Fault.subject == "old").values(cleared_at=utc_now() - timedelta(days=800))
        )
        assert prune_faults(session, timedelta(days=730)) == 1
        assert [fault.subject for fault in session.scalars(sa.select(Fault))] == ["stands"]


def test_words_that_can_be_said_again_are_kept_with_what_they_are_made_of(database: Database) -> None:
    message = "The volume {path} cannot be written: {reason}."
    with database.write() as session:
        raise_fault(session, "disk_full", detail=Said(message, path="/mnt/a", reason="x"))
    with database.read() as session:
        (fault,) = standing_faults(session)
        assert fault.detail == "The volume /mnt/a cannot be written: x."
        assert fault.said == [[message, {"path": "/mnt/a", "reason": "x"}]]
    with database.write() as session:
        raise_fault(session, "disk_full", detail="something else")
    with database.read() as session:
        (fault,) = standing_faults(session)
        assert (fault.detail, fault.said) == ("something else", None)
