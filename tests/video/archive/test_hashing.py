"""Held recordings get their SHA-256 when they are complete; from then on they are evidence that nothing mends."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from peers.stored_archive import MINUTE_US, NOW_US, StoredArchive, content
from vonggac.core.errors import Invalid, NotFound
from vonggac.core.eventlog import EventRow
from vonggac.core.faults import standing_faults
from vonggac.video.archive import evidence, files, footage, hashing, holds
from vonggac.video.archive.hashing import Hashing
from vonggac.video.index import HOUR_US
from vonggac.video.models import Recording, RecordingState
from vonggac.video.volumes import MARKER

Stored = Callable[..., StoredArchive]
START = NOW_US - NOW_US % HOUR_US - 5 * HOUR_US


def place(there: StoredArchive, from_us: int, to_us: int, camera: int = 1) -> str:
    with there.database.write() as session:
        return footage.hold(
            session, there.camera_ids[camera - 1], from_us, to_us, "case 7", placed_by="test", reason="a theft"
        ).id.hex


def rounds(there: StoredArchive, hashing_job: Hashing, count: int = 1) -> None:
    async def go() -> None:
        for _ in range(count):
            await hashing_job.round()

    asyncio.run(go())


def job(there: StoredArchive, registry: CollectorRegistry | None = None) -> Hashing:
    return Hashing(there.database, there.clock, registry or CollectorRegistry())


def state(there: StoredArchive, hold: str) -> holds.HoldState:
    with there.database.read() as session:
        return holds.state_of(session, holds.find(session, hold))


def faults(there: StoredArchive) -> dict[str, str]:
    with there.database.read() as session:
        return {fault.subject: fault.detail for fault in standing_faults(session, evidence.EVIDENCE_DAMAGED)}


def test_held_files_are_hashed_to_the_byte_and_others_are_not(stored: Stored) -> None:
    there = stored()
    for minute in range(30):
        there.record(START + minute * MINUTE_US, data=content(1 + minute % 3))
    there.record(START, camera=2)
    held = place(there, START + 2 * MINUTE_US, START + 27 * MINUTE_US)
    assert (state(there, held).files, state(there, held).hashed) == (25, 0)
    registry = CollectorRegistry()
    rounds(there, job(there, registry), 2)
    found = state(there, held)
    assert (found.files, found.hashed) == (25, 25)
    assert found.size == sum(len(content(1 + minute % 3)) for minute in range(2, 27))
    hashed = [row for row in there.rows() if row.sha256 is not None]
    assert len(hashed) == 25
    for row in hashed:
        assert row.sha256 == hashlib.sha256((there.volumes[0].path / row.path).read_bytes()).digest()
    assert registry.get_sample_value("vonggac_keeper_hashed_files_total") == 25


def test_what_is_recorded_while_the_hold_runs_is_hashed_when_it_is_complete(stored: Stored) -> None:
    there = stored(cameras=1)
    held = place(there, START, START + 30 * MINUTE_US)
    there.record(START, state=RecordingState.OPEN)
    at_work = job(there)
    rounds(there, at_work)
    assert (state(there, held).files, state(there, held).hashed) == (1, 0)
    there.record(START + MINUTE_US)
    rounds(there, at_work)
    assert (state(there, held).files, state(there, held).hashed) == (2, 1)
    there.record(START + 2 * MINUTE_US)
    rounds(there, at_work)
    assert state(there, held).hashed == 2
    # The one that a crash left open is completed late, and found when everything is looked through again.
    with there.database.write() as session:
        session.execute(
            sa.update(Recording)
            .where(Recording.state == int(RecordingState.OPEN))
            .values(state=int(RecordingState.RECOVERED), end_us=START + MINUTE_US, size=len(content()))
        )
    there.clock.us += 2 * HOUR_US
    rounds(there, at_work)
    assert state(there, held).hashed == 3


def test_a_held_file_of_another_size_than_its_row_is_no_evidence_but_a_fault(stored: Stored) -> None:
    there = stored(cameras=1)
    key = there.record(START)
    file = there.volumes[0].path / there.rows()[0].path
    file.write_bytes(file.read_bytes() + b"x")
    place(there, START, START + 1)
    at_work = job(there)
    rounds(there, at_work)
    assert "in place of" in faults(there)[str(key)]
    assert there.rows()[0].sha256 is None
    file.write_bytes(content())
    there.clock.us += 2 * HOUR_US
    rounds(there, at_work)
    assert there.rows()[0].sha256 == hashlib.sha256(content()).digest()
    assert faults(there) == {}


def test_hashing_waits_for_a_volume_that_is_away(stored: Stored) -> None:
    there = stored(cameras=1)
    there.record(START)
    place(there, START, START + 1)
    moved = there.volumes[0].path.rename(there.path / "away")
    at_work = job(there)
    rounds(there, at_work)
    assert faults(there) == {}
    moved.rename(there.volumes[0].path)
    assert (there.volumes[0].path / MARKER).exists()
    there.clock.us += 2 * HOUR_US
    rounds(there, at_work)
    assert there.rows()[0].sha256 is not None


def test_evidence_is_never_mended_and_its_damage_is_a_fault_until_it_is_whole_or_gone(stored: Stored) -> None:
    there = stored(cameras=1)
    keys = [there.record(START + minute * MINUTE_US) for minute in range(3)]
    place(there, START, START + 2 * MINUTE_US)
    rounds(there, job(there))
    first, second, third = (there.volumes[0].path / row.path for row in there.rows())
    first.write_bytes(content()[:-200])
    second.unlink()
    third.write_bytes(content()[:-200])
    report = files.compare(there.database, there.volumes, {"c-1": there.camera_ids[0]}, START, START + 1)
    assert (report.damaged, report.corrected, report.missing) == (2, 1, 0)
    assert len(there.rows()) == 3
    assert first.read_bytes() == content()[:-200]
    assert set(faults(there)) == {str(key) for key in keys[:2]}
    with there.database.write() as session:
        session.execute(sa.delete(Recording).where(Recording.id == keys[0]))
    rounds(there, job(there))
    assert set(faults(there)) == {str(keys[1])}


def test_a_recording_that_was_released_and_deleted_while_it_was_hashed_is_no_damaged_evidence(stored: Stored) -> None:
    there = stored(cameras=1)
    there.record(START)
    (row,) = there.rows()
    with there.database.write() as session:
        session.execute(sa.delete(Recording).where(Recording.id == row.id))
        evidence.damaged(session, row, f"the file {row.path} is gone")
    assert faults(there) == {}


def test_what_was_hashed_between_its_examination_and_its_mending_is_not_mended(stored: Stored) -> None:
    there = stored(cameras=1)
    key = there.record(START)
    file = there.volumes[0].path / there.rows()[0].path
    with there.database.write() as session:
        session.execute(sa.update(Recording).where(Recording.id == key).values(groups=b""))
    hour_us = START - START % HOUR_US
    with file.open("ab") as torn:
        torn.write(b"torn")
    with there.database.write() as session:
        session.execute(sa.update(Recording).where(Recording.id == key).values(size=len(content()) + 4))
    found = files.examine_hour(there.database, there.volumes[0], "c-1", there.camera_ids[0], hour_us, read_files=True)
    place(there, START, START + 1)
    rounds(there, job(there))
    (finding,) = found.findings
    assert finding.kind is files.Disagreement.GROUPS
    assert not files.mend(there.database, finding)
    assert hashlib.sha256(file.read_bytes()).digest() == there.rows()[0].sha256


def test_a_changed_bit_is_noticed_and_a_file_that_is_as_it_was_is_not_accused(stored: Stored) -> None:
    there = stored(cameras=1)
    there.record(START)
    place(there, START, START + 1)
    rounds(there, job(there))
    (row,) = there.rows()
    with there.database.read() as session:
        store = footage.MediaStore.of(session)
    assert hashing.fault_in(store, row) == ""
    file = there.volumes[0].path / row.path
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert "does not fit the SHA-256" in hashing.fault_in(store, row)
    file.unlink()
    assert "is gone" in hashing.fault_in(store, row)


def test_a_hold_says_what_for_and_is_released_once_with_a_reason(stored: Stored) -> None:
    there = stored(cameras=1)
    key = there.camera_ids[0]
    with there.database.write() as session:
        for from_us, to_us, subject in ((5, 5, "x"), (5, 4, "x"), (-1, 4, "x"), (1, 2, "  "), (1, 2, "x" * 201)):
            with pytest.raises(Invalid):
                holds.place(session, key, from_us, to_us, subject, placed_by="test")
    one, two = place(there, START, START + 9), place(there, START + 5, NOW_US + 365 * 24 * HOUR_US)
    with there.database.write() as session:
        assert holds.held_spans(session) == {key: [(START, NOW_US + 365 * 24 * HOUR_US)]}
        with pytest.raises(NotFound):
            holds.find(session, "abc")
        with pytest.raises(NotFound):
            holds.find(session, "zzzzzzzz")
        with pytest.raises(Invalid, match="why it is released"):
            holds.release(session, holds.find(session, one), released_by="test", reason=" ")
        holds.release(session, holds.find(session, one[-8:]), released_by="test", reason="over")
        with pytest.raises(Invalid, match="released already, by test"):
            holds.release(session, holds.find(session, one), released_by="other", reason="over")
    with there.database.read() as session:
        assert [hold.id.hex for hold in holds.list_holds(session)] == [two]
        assert [hold.id.hex for hold in holds.list_holds(session, released=True)] == [one, two]
        topics = list(session.execute(sa.select(EventRow.topic, EventRow.subject).order_by(EventRow.id)))
    assert [tuple(row) for row in topics] == [("hold.placed", key), ("hold.placed", key), ("hold.released", key)]


def test_a_file_that_two_holds_share_counts_once(stored: Stored) -> None:
    there = stored(cameras=1)
    for minute in range(3):
        there.record(START + minute * MINUTE_US)
    place(there, START, START + MINUTE_US + 1)
    place(there, START + MINUTE_US + 2, START + 3 * MINUTE_US)
    with there.database.read() as session:
        assert holds.held_bytes(session) == 3 * len(content())
