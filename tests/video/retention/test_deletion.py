"""The one path by which a recording is deleted: nothing held goes, nothing leaks, a crash at any step is harmless."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.orm import Session

from peers.stored_archive import MINUTE_US, NOW_US, StoredArchive, content
from vonggac.core import schema
from vonggac.core.database import Database
from vonggac.core.eventlog import EventRow
from vonggac.core.faults import standing_faults
from vonggac.core.settings import StorageSettings
from vonggac.video.archive import files, footage, holds
from vonggac.video.archive.footage import MediaStore
from vonggac.video.models import Expired, GapReason, RecordedHour, Recording, RecordingState
from vonggac.video.recorder.start import read_pasts
from vonggac.video.retention import clearing, deletion, expired
from vonggac.video.retention.clearing import (
    BELOW_MINIMUM,
    CLOCK_DOUBTED,
    DELETED_FILES_STAY,
    HELD_FOOTAGE_FILLS_DISK,
    Clearing,
    VolumeSpace,
)
from vonggac.video.retention.planning import DAY_US, Candidate, Deletion, Rank
from vonggac.video.volumes import MARKER, MountedVolume

Stored = Callable[..., StoredArchive]
HOUR_US = 60 * MINUTE_US
PLENTY = 10**12
OLD = NOW_US - 40 * DAY_US


class Disk:
    """Free space as the test says: so much, and what is deleted comes on top."""

    def __init__(self, stored: StoredArchive, room: int, reserve: int = 16_000_000) -> None:
        self.stored = stored
        self.room = room
        self.reserve = reserve
        self.full = self.used()

    def used(self) -> int:
        return sum(path.stat().st_size for volume in self.stored.volumes for path in volume.path.rglob("*.mp4"))

    def __call__(self, volume: MountedVolume) -> int:
        return self.reserve + self.room + self.full - self.used()


def clear(
    stored: StoredArchive, free: Callable[[MountedVolume], int] = lambda _volume: PLENTY, **days: int
) -> CollectorRegistry:
    """One round of the keeper's job."""
    registry = CollectorRegistry()
    settings = StorageSettings(reserve_mb=16, **{"min_days": 30, **days})  # type: ignore[arg-type]
    asyncio.run(Clearing(stored.database, settings, stored.clock, registry, free).round())
    return registry


def place(stored: StoredArchive, start_us: int, end_us: int, camera: int = 1) -> str:
    with stored.database.write() as session:
        camera_id = stored.camera_ids[camera - 1]
        return footage.hold(session, camera_id, start_us, end_us, "case 7", placed_by="test").id.hex


def reasons(stored: StoredArchive, from_us: int, to_us: int, camera: int = 1) -> list[tuple[int, int, str, str]]:
    with stored.database.read() as session:
        store = MediaStore.of(session)
        camera_id = stored.camera_ids[camera - 1]
        found = footage.timeline(session, store, camera_id, from_us, to_us, NOW_US)
    return [(gap.start_us, gap.end_us, str(gap.reason), gap.detail) for gap in found.gaps]


def faults(stored: StoredArchive) -> dict[str, str]:
    with stored.database.read() as session:
        return {fault.kind: fault.detail for fault in standing_faults(session)}


def events(stored: StoredArchive, topic: str) -> list[dict[str, Any]]:
    with stored.database.read() as session:
        return list(session.scalars(sa.select(EventRow.payload).where(EventRow.topic == topic).order_by(EventRow.id)))


def test_what_is_past_its_maximum_goes_and_the_timeline_says_so(stored: Stored) -> None:
    there = stored()
    for minute in range(90):
        there.record(OLD + minute * MINUTE_US)
    young = NOW_US - 10 * DAY_US
    there.record(young)
    with there.database.read() as session:
        hours = session.execute(sa.select(RecordedHour.hour_us, RecordedHour.recorded_us)).all()
    registry = clear(there, max_days=35)
    assert there.starts() == [young]
    there.assert_index_and_disk_agree()
    assert there.garbage() == []
    assert reasons(there, OLD, OLD + 90 * MINUTE_US) == [
        (OLD, OLD + 90 * MINUTE_US, GapReason.EXPIRED, "after 39 days")
    ]
    with there.database.read() as session:
        # What was recorded was recorded: the account of the past is none of what lies on disk now.
        assert session.execute(sa.select(RecordedHour.hour_us, RecordedHour.recorded_us)).all() == hours
        assert len(session.scalars(sa.select(Expired)).all()) == 1
    told = events(there, "recordings.deleted")
    assert sum(one["files"] for one in told) == 90
    assert all(one["cameras"] == 1 and one["below_minimum"] == 0 for one in told)
    assert registry.get_sample_value("vonggac_keeper_deleted_files_total") == 90
    assert registry.get_sample_value("vonggac_keeper_deleted_bytes_total") == 90 * len(content())
    assert len(list((there.volumes[0].path / "c-1").iterdir())) == 1  # the day of the young one
    assert faults(there) == {}


def test_folders_left_empty_go_and_those_a_recorder_may_use_stay(stored: Stored) -> None:
    there = stored(cameras=1)
    there.record(OLD)
    there.record(NOW_US - 2 * MINUTE_US)
    with there.database.write() as session:
        session.execute(sa.update(Recording).values(end_us=OLD + MINUTE_US))
    clear(there, max_days=35)
    assert there.rows() == []
    folders = [path for path in (there.volumes[0].path / "c-1").rglob("*") if path.is_dir()]
    assert len(folders) == 2  # the day and the hour of now


def test_a_server_whose_clock_leaps_a_year_ahead_deletes_nothing_for_its_age_at_first(stored: Stored) -> None:
    there = stored()
    for minute in range(3):
        there.record(NOW_US - 3 * DAY_US + minute * MINUTE_US)
    settings = StorageSettings(reserve_mb=16, min_days=1, max_days=35)
    keeper = Clearing(there.database, settings, there.clock, CollectorRegistry(), lambda _volume: PLENTY)
    asyncio.run(keeper.round())
    there.clock.leap(365 * DAY_US)
    asyncio.run(keeper.round())
    assert len(there.starts()) == 3
    assert "Nothing is deleted for its age" in faults(there)[CLOCK_DOUBTED]
    # Another keeper knows of it too, and after a day the clock is believed.
    clear(there, min_days=1, max_days=35)
    assert len(there.starts()) == 3
    there.clock.us += DAY_US
    clear(there, min_days=1, max_days=35)
    assert there.starts() == []
    assert CLOCK_DOUBTED not in faults(there)


def test_a_server_whose_clock_is_set_right_again_goes_on_as_before(stored: Stored) -> None:
    there = stored()
    there.record(OLD)
    there.record(NOW_US - 3 * DAY_US)
    settings = StorageSettings(reserve_mb=16, min_days=1, max_days=100)
    keeper = Clearing(there.database, settings, there.clock, CollectorRegistry(), lambda _volume: PLENTY)
    for leap_us in (0, 365 * DAY_US, -365 * DAY_US):
        there.clock.leap(leap_us)
        asyncio.run(keeper.round())
    assert len(there.starts()) == 2
    assert faults(there) == {}


def test_for_room_the_oldest_go_and_no_more_than_needed(stored: Stored) -> None:
    there = stored()
    size = len(content())
    for minute in range(10):
        for camera in (1, 2):
            there.record(OLD + minute * MINUTE_US + camera, camera)
    settings_margin = clearing.planning.margin(0.0, 10, 10**12)
    disk = Disk(there, settings_margin - 5 * size)
    clear(there, disk)
    assert (len(there.starts(1)), len(there.starts(2))) in {(7, 8), (8, 7)}
    assert faults(there) == {}
    clear(there, disk)
    assert len(there.rows()) == 15
    there.assert_index_and_disk_agree()


def test_below_the_minimum_it_goes_on_and_says_so_until_the_minimum_is_held_again(stored: Stored) -> None:
    there = stored(cameras=1)
    for minute in range(6):
        there.record(NOW_US - 12 * DAY_US + minute * MINUTE_US)
    disk = Disk(there, clearing.planning.margin(0.0, 10, 10**12) - 3 * len(content()))
    registry = clear(there, disk)
    assert len(there.rows()) == 3
    assert registry.get_sample_value("vonggac_keeper_deleted_below_minimum_files_total") == 3
    assert "camera 1, C1: 11 of 30 days" in faults(there)[BELOW_MINIMUM]
    assert events(there, "recordings.deleted")[0]["below_minimum"] == 3
    there.clock.us += 17 * DAY_US
    clear(there)
    assert "28 of 30 days" in faults(there)[BELOW_MINIMUM]
    there.clock.us += 2 * DAY_US
    clear(there)
    assert faults(there) == {}


def test_held_footage_stays_when_nothing_else_is_left_and_that_is_a_fault(stored: Stored) -> None:
    there = stored(cameras=1)
    for minute in range(10):
        there.record(OLD + minute * MINUTE_US)
    held = place(there, OLD + 3 * MINUTE_US + 1, OLD + 5 * MINUTE_US)
    registry = clear(there, lambda _volume: 0, max_days=35)
    assert there.starts() == [OLD + 3 * MINUTE_US, OLD + 4 * MINUTE_US]
    there.assert_index_and_disk_agree()
    assert "Held recordings" in faults(there)[HELD_FOOTAGE_FILLS_DISK]
    assert registry.get_sample_value("vonggac_keeper_held_bytes") == 2 * len(content())
    assert [gap[:2] for gap in reasons(there, OLD, OLD + 10 * MINUTE_US)] == [
        (OLD, OLD + 3 * MINUTE_US),
        (OLD + 5 * MINUTE_US, OLD + 10 * MINUTE_US),
    ]
    with there.database.write() as session:
        holds.release(session, holds.find(session, held[-6:]), released_by="test", reason="closed")
    clear(there, lambda _volume: 0, max_days=35)
    assert there.rows() == []
    assert faults(there) == {}
    with there.database.read() as session:
        # What was deleted later closes the hole: one stretch again.
        assert [(row.start_us, row.end_us) for row in session.scalars(sa.select(Expired))] == [
            (OLD, OLD + 10 * MINUTE_US)
        ]


def test_what_is_being_written_is_never_deleted(stored: Stored) -> None:
    there = stored(cameras=1)
    there.record(OLD, state=RecordingState.OPEN)
    clear(there, lambda _volume: 0, max_days=35)
    assert there.starts() == [OLD]


def test_a_volume_that_is_away_keeps_its_garbage_until_it_is_back(stored: Stored) -> None:
    there = stored(cameras=1, volumes=2)
    there.record(OLD, volume=1)
    there.record(OLD + MINUTE_US, volume=2)
    marker = there.volumes[1].path / MARKER
    hidden = marker.rename(marker.with_name("hidden"))
    registry = clear(there, max_days=35)
    assert there.rows() == []
    assert len(there.garbage()) == 1
    assert registry.get_sample_value("vonggac_keeper_garbage_files") == 1
    assert {volume for volume, _ in there.files()} == {there.volumes[1].id}
    hidden.rename(marker)
    clear(there, max_days=35)
    assert there.garbage() == []
    assert there.files() == set()


def test_room_is_made_only_on_volumes_that_are_there(stored: Stored) -> None:
    there = stored(cameras=1, volumes=2)
    for minute in range(40):
        there.record(OLD + minute * MINUTE_US, volume=1 + minute % 2)
    (there.volumes[0].path / MARKER).unlink()
    clear(there, lambda _volume: 0)
    assert {row.volume_id for row in there.rows()} == {there.volumes[0].id}
    assert len(there.rows()) == 20


def test_where_a_disk_refuses_although_there_is_room_the_others_get_some_of_their_own(stored: Stored) -> None:
    there = stored(cameras=1, volumes=2)
    for minute in range(10):
        there.record(OLD + minute * MINUTE_US, volume=1 + minute % 2)

    def free(volume: MountedVolume) -> int:
        return PLENTY if volume.id == there.volumes[0].id else 0

    clear(there, free)
    assert len(there.rows()) == 10
    with there.database.write() as session:
        files.index.open_gap(session, there.camera_ids[0], NOW_US, GapReason.DISK, "read-only")
    clear(there, free)
    assert {row.volume_id for row in there.rows()} == {there.volumes[0].id}


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", ["before note", "after note", "half unlinked", "after unlink", "before forget"])
def test_a_crash_between_any_two_steps_loses_nothing_held_and_leaks_nothing(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    there = stored(cameras=1)
    for minute in range(40):
        there.record(OLD + minute * MINUTE_US)
    place(there, OLD + 10 * MINUTE_US, OLD + 12 * MINUTE_US)
    held = [OLD + 10 * MINUTE_US, OLD + 11 * MINUTE_US]
    note, remove_files, forget = deletion.note, deletion.remove_files, deletion.forget
    calls = 0

    def dying_note(*arguments: Any) -> deletion.Noted:
        nonlocal calls
        calls += 1
        if step == "before note" and calls == 2:
            raise Killed
        done = note(*arguments)
        if step == "after note" and calls == 2:
            raise Killed  # before the commit: the transaction leaves no trace
        return done

    def dying_remove(volume: MountedVolume, waiting: Iterable[Any], now_us: int) -> Any:
        waiting = list(waiting)
        if step == "half unlinked":
            remove_files(volume, waiting[:5], now_us)
            raise Killed
        remove_files(volume, waiting, now_us)
        if step == "after unlink":
            raise Killed
        return waiting, ""

    def dying_forget(session: Session, gone: Any) -> None:
        if step == "before forget":
            raise Killed
        forget(session, gone)

    monkeypatch.setattr(deletion, "note", dying_note)
    monkeypatch.setattr(deletion, "remove_files", dying_remove)
    monkeypatch.setattr(deletion, "forget", dying_forget)
    with pytest.raises(Killed):
        clear(there, max_days=35)
    monkeypatch.undo()
    # Whatever was reached: nothing held is gone, and what is listed is there.
    listed = {(row.volume_id, row.path) for row in there.rows()}
    assert listed <= there.files()
    assert set(held) <= set(there.starts())
    assert there.files() - listed <= {(there.volumes[0].id, path) for path in there.garbage()}
    # The comparison of archive and index does not take a file for lost that is only waiting to go.
    report = files.compare(there.database, there.volumes, {"c-1": there.camera_ids[0]}, OLD, OLD + HOUR_US)
    assert (report.adopted, report.missing, report.corrected) == (0, 0, 0)
    clear(there, max_days=35)
    assert there.starts() == held
    there.assert_index_and_disk_agree()
    assert there.garbage() == []
    assert [gap[2] for gap in reasons(there, OLD, OLD + 40 * MINUTE_US)] == [GapReason.EXPIRED] * 2


def doomed(there: StoredArchive) -> list[Deletion]:
    return [
        Deletion(
            Candidate(row.id, row.camera_id, row.volume_id, row.start_us, row.end_us or 0, row.size),
            Rank.PAST_MINIMUM,
        )
        for row in there.rows()
    ]


def test_a_hold_that_comes_before_the_transaction_wins_although_the_plan_did_not_know_it(stored: Stored) -> None:
    there = stored(cameras=1)
    there.record(OLD)
    there.record(OLD + MINUTE_US)
    plan = doomed(there)
    place(there, OLD, OLD + 1)
    with there.database.write() as session:
        assert deletion.note(session, plan, NOW_US).files == 1
    assert there.starts() == [OLD]


def test_a_hold_waits_for_a_deletion_that_has_begun_and_a_deletion_for_a_hold(stored: Stored) -> None:
    """Two transactions at once: one of them is first, and the other sees what it did."""
    there = stored(cameras=1)
    there.record(OLD)
    plan = doomed(there)
    order: list[str] = []
    begun = threading.Event()

    def hold_slowly() -> None:
        with there.database.write() as session:
            holds.place(session, there.camera_ids[0], OLD, OLD + 1, "case", placed_by="test")
            begun.set()
            time.sleep(0.3)
            order.append("held")

    thread = threading.Thread(target=hold_slowly)
    thread.start()
    begun.wait(10)
    with there.database.write() as session:
        noted = deletion.note(session, plan, NOW_US)
        order.append("deleted")
    thread.join()
    assert order == ["held", "deleted"]
    assert noted.files == 0
    assert there.starts() == [OLD]


def test_a_hold_after_a_deletion_finds_the_recording_gone(stored: Stored) -> None:
    there = stored(cameras=1)
    there.record(OLD)
    begun = threading.Event()
    states: list[holds.HoldState] = []

    def hold() -> None:
        begun.wait(10)
        with there.database.write() as session:
            placed = holds.place(session, there.camera_ids[0], OLD, OLD + 1, "case", placed_by="test")
            states.append(holds.state_of(session, placed))

    thread = threading.Thread(target=hold)
    thread.start()
    with there.database.write() as session:
        assert deletion.note(session, doomed(there), NOW_US).files == 1
        begun.set()
        time.sleep(0.3)
    thread.join()
    assert [(state.files, state.size) for state in states] == [(0, 0)]


def test_a_file_that_is_gone_already_and_one_that_cannot_be_removed_hold_up_nobody(stored: Stored) -> None:
    there = stored(cameras=2)
    for minute in range(3):
        there.record(OLD + minute * HOUR_US)
    there.record(OLD, camera=2)
    folder = there.volumes[0].path / "c-1"
    first, second, _ = sorted(folder.rglob("*.mp4"))
    first.unlink()
    second.unlink()
    second.mkdir()  # a folder in the place of a file cannot be unlinked
    clear(there, max_days=35)
    assert there.rows() == []
    assert there.garbage() == [str(second.relative_to(there.volumes[0].path))]
    assert there.files() == {(there.volumes[0].id, str(second.relative_to(there.volumes[0].path)))}
    second.rmdir()
    clear(there, max_days=35)
    assert there.garbage() == []


def make_irremovable(file: Path) -> None:
    """Put a folder in the place of a file: that cannot be unlinked, whoever asks."""
    file.unlink()
    file.mkdir()


def test_a_file_that_cannot_be_removed_keeps_none_of_its_folder(stored: Stored) -> None:
    there = stored(cameras=1)
    for minute in range(3):
        there.record(OLD + minute * MINUTE_US)
    first = sorted((there.volumes[0].path / "c-1").rglob("*.mp4"))[0]
    make_irremovable(first)
    clear(there, max_days=35)
    assert there.garbage() == [str(first.relative_to(there.volumes[0].path))]
    assert len(there.files()) == 1


def test_many_files_that_cannot_be_removed_do_not_keep_the_others_on_disk(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "_BATCH", 4)
    there = stored(cameras=2)
    for hour in range(6):
        there.record(OLD + hour * HOUR_US)
        there.record(OLD + hour * HOUR_US, camera=2)
    for file in (there.volumes[0].path / "c-1").rglob("*.mp4"):
        make_irremovable(file)
    clear(there, max_days=35)
    assert there.rows() == []
    assert {path.split("/")[0] for path in there.garbage()} == {"c-1"}
    assert {path.split("/")[0] for _, path in there.files()} == {"c-1"}


def test_where_files_cannot_be_removed_no_more_is_deleted_for_room_and_that_is_a_fault(stored: Stored) -> None:
    there = stored(cameras=2)
    for minute in range(60):
        there.record(OLD + minute * MINUTE_US)
    there.record(OLD + DAY_US, camera=2)
    for file in (there.volumes[0].path / "c-1").rglob("*.mp4"):
        make_irremovable(file)
    registry, settings = CollectorRegistry(), StorageSettings(reserve_mb=16, min_days=30)
    wanted = clearing.planning.margin(0.0, 10, 10**12)

    def free(_volume: MountedVolume) -> int:
        return 16_000_000 + wanted - 6 * len(content())

    job = Clearing(there.database, settings, there.clock, registry, free)

    async def rounds() -> None:
        for _ in range(8):
            await job.round()
            there.clock.us += 10_000_000

    asyncio.run(rounds())
    assert 30 < len(there.starts(1)) < 60  # what is deleted and stays on disk makes no room
    assert there.starts(2) == []  # where it does, it goes on
    words = faults(there)
    assert set(words) == {DELETED_FILES_STAY}
    assert "cannot be removed" in words[DELETED_FILES_STAY]
    assert "c-1" in words[DELETED_FILES_STAY]
    for folder in (there.volumes[0].path / "c-1").rglob("*.mp4"):
        folder.rmdir()
    asyncio.run(job.round())
    assert faults(there) == {}
    assert there.garbage() == []


def test_stretches_that_differ_in_age_stay_apart_and_neighbours_are_one(stored: Stored) -> None:
    there = stored(cameras=1)
    key = there.camera_ids[0]
    with there.database.write() as session:
        expired.note(session, key, [expired.Deleted(0, 10, 30), expired.Deleted(10, 20, 31)])
        expired.note(session, key, [expired.Deleted(30, 40, 30)])
        expired.note(session, key, [expired.Deleted(40, 50, 12)])
        expired.note(session, key, [expired.Deleted(20, 30, 30)])
    with there.database.read() as session:
        found = [(one.start_us, one.end_us, one.detail) for one in expired.between(session, key, 5, 45)]
        newest = expired.newest(session, key)
    assert found == [(0, 40, "after 30 days"), (40, 50, "after 12 days")]
    assert newest == expired.Deleted(40, 50, 12)


def test_a_recorder_that_starts_after_everything_was_deleted_knows_until_when_it_had_recorded(stored: Stored) -> None:
    there = stored(cameras=1)
    there.record(OLD)
    clear(there, max_days=35)
    assert there.rows() == []
    with there.database.read() as session:
        past = read_pasts(session, NOW_US)[there.camera_ids[0]]
    # Else the time that was recorded and deleted would be called a time without recording.
    assert past.recorded_until_us == past.accounted_until_us == OLD + MINUTE_US


def test_the_next_page_is_read_from_the_index_whatever_the_number_of_recordings(tmp_path: Path) -> None:
    """Asked of SQLite only: PostgreSQL decides by the number of rows, and there are few here."""
    database = Database(f"sqlite:///{tmp_path / 'vonggac.db'}")
    schema.upgrade(database)
    with database.read() as session:
        compiled = deletion._NEXT.compile(session.connection())
        parameters = (None,) * len(compiled.positiontup or ())
        steps = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", parameters)
        (plan,) = [row[3] for row in steps]
    database.close()
    assert "USING INDEX ix_recording_camera_start (camera_id=? AND start_us>" in plan


def test_volumes_on_one_disk_share_its_room_and_do_not_double_it() -> None:
    def space(number: int, free: int, device: int, writable: bool = True) -> VolumeSpace:
        return VolumeSpace(MountedVolume(uuid.UUID(int=number), Path("/")), free, 1000, writable, device)

    spaces = [space(1, 110, 7), space(2, 110, 7), space(3, 60, 8), space(4, 900, 9, writable=False)]
    spare = clearing.spare_of(spaces, reserve=10)
    assert spare == {uuid.UUID(int=1): 50, uuid.UUID(int=2): 50, uuid.UUID(int=3): 50}
    assert clearing.total_of(spaces) == 2000
