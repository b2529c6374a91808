"""Health: what a camera does, never what it did when somebody last said so."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers.seeding import Seeding
from vonggac.cameras.models import Camera
from vonggac.core import presence, schema, text
from vonggac.core.clock import microseconds, utc_now
from vonggac.core.database import Database
from vonggac.core.presence import RoleRow
from vonggac.org.models import Unit
from vonggac.video import index, volumes
from vonggac.video.archive import holds
from vonggac.video.health import (
    REASON_WORDS,
    SILENT_AFTER_US,
    CameraHealth,
    State,
    Storage,
    VolumeHealth,
    health_rows,
    storage,
    summary,
)
from vonggac.video.models import GapReason

HOUR = 3_600_000_000
BYTE_A_DAY = 8 / 86_400
NOW = microseconds(utc_now())


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.upgrade(database)
    yield database
    database.close()


def add_cameras(database: Database, *names: tuple[str, str], **more: Any) -> list[uuid.UUID]:
    """Add cameras, each (unit, name); returns their ids."""
    added = []
    with database.write() as session:
        for number, (unit_name, name) in enumerate(names, 1):
            unit = session.query(Unit).filter_by(name=unit_name).one_or_none() or Unit(
                code=text.slug(unit_name),
                name=unit_name,
                name_folded=text.fold(unit_name),
                name_sort=text.sort_key(unit_name),
                kind="commune",
                created_at=utc_now(),
            )
            session.add(unit)
            session.flush()
            camera = Camera(
                number=number,
                name=name,
                name_folded=text.fold(name),
                name_sort=text.sort_key(name),
                folder=f"camera-{number}",
                unit_id=unit.id,
                kind="overview",
                url="rtsp://192.0.2.1/",
                created_at=utc_now(),
                **more,
            )
            session.add(camera)
            session.flush()
            added.append(camera.id)
    return added


def report(database: Database, camera_id: uuid.UUID, **columns: Any) -> None:
    """Let the recorder say what a camera does."""
    row = {
        "camera_id": camera_id,
        "recorder": "recorder",
        "state": "recording",
        "reason": "",
        "detail": "",
        "since_us": NOW - HOUR,
        "updated_us": NOW,
        "fps": 15.0,
        "bits_per_s": 2e6,
        "lost_packets": 3,
        "passed_us": HOUR,
        "recorded_us": HOUR,
        **columns,
    }
    with database.write() as session:
        index.replace_statuses(session, "recorder", [row])


def rows_of(database: Database, now_us: int = NOW) -> list[CameraHealth]:
    with database.read() as session:
        return health_rows(session, now_us)


def test_cameras_come_by_unit_and_name_in_the_vietnamese_order(database: Database) -> None:
    add_cameras(
        database,
        ("Đà Loan", "Ủy ban"),
        ("Đa Quyn", "Trường học"),
        ("Bình Thạnh", "Đường 10"),
        ("Bình Thạnh", "Đường 9"),
    )
    assert [(row.unit_name, row.name) for row in rows_of(database)] == [
        ("Bình Thạnh", "Đường 9"),
        ("Bình Thạnh", "Đường 10"),
        ("Đà Loan", "Ủy ban"),
        ("Đa Quyn", "Trường học"),
    ]


def test_a_camera_that_nobody_speaks_of_is_silent_and_not_recording(database: Database) -> None:
    (camera,) = add_cameras(database, ("A", "Một"))
    assert rows_of(database)[0].state is State.SILENT
    report(database, camera)
    assert rows_of(database)[0].state is State.RECORDING
    later = rows_of(database, NOW + SILENT_AFTER_US + 1)[0]
    assert later.state is State.SILENT
    assert later.since_us == NOW
    assert (later.fps, later.bits_per_s) == (0, 0)
    assert later.why


def test_an_away_camera_says_why_and_shows_no_rates_of_the_past(database: Database) -> None:
    (camera,) = add_cameras(database, ("A", "Một"))
    report(database, camera, state="away", reason="unauthorised", detail="401")
    row = rows_of(database)[0]
    assert (row.state, row.why, row.detail) == (State.AWAY, REASON_WORDS["unauthorised"], "401")
    assert row.bits_per_s == 0
    report(database, camera, state="away", reason="newer")
    assert rows_of(database)[0].why == REASON_WORDS[GapReason.UNKNOWN]
    report(database, camera, state="newer")
    assert rows_of(database)[0].state is State.SILENT


def test_every_reason_of_a_gap_has_its_words() -> None:
    assert set(REASON_WORDS) == set(GapReason)


def test_removed_cameras_are_not_listed_and_switched_off_ones_not_counted(database: Database) -> None:
    add_cameras(database, ("A", "Một"), enabled=False)
    rows = rows_of(database)
    assert rows[0].state is State.DISABLED
    with database.read() as session:
        assert summary(session, rows).cameras == 0
    with database.write() as session:
        session.query(Camera).update({"removed_at": utc_now()})
    assert rows_of(database) == []


def test_the_summary_adds_up(database: Database) -> None:
    first, second, third = add_cameras(database, ("A", "Một"), ("A", "Hai"), ("B", "Ba"))
    report(database, first)
    report(database, second, recorded_us=HOUR // 2)
    report(database, third, state="away", reason="refused", passed_us=0, recorded_us=0)
    with database.write() as session:
        presence.appear(session, "recorder")
        session.add(
            RoleRow(
                name="keeper",
                host="h",
                pid=1,
                started_at=utc_now() - timedelta(hours=2),
                renewed_at=utc_now() - timedelta(minutes=5),
            )
        )
    rows = rows_of(database)
    with database.read() as session:
        total = summary(session, rows)
    assert (total.cameras, total.by_state[State.RECORDING], total.by_state[State.AWAY]) == (3, 2, 1)
    assert total.by_reason == {REASON_WORDS["refused"]: 1}
    assert total.share == 0.75
    assert total.bits_per_s == 4e6
    assert total.lost_packets == 9
    assert [(role.name, role.alive) for role in total.roles] == [("keeper", False), ("recorder", True)]


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_the_share_never_passes_the_whole(passed: int, recorded: int) -> None:
    fields: dict[str, Any] = dict.fromkeys(CameraHealth.__dataclass_fields__, 0)
    row = CameraHealth(**fields | {"passed_us": passed, "recorded_us": recorded})
    assert row.share is None if passed == 0 else 0 <= (row.share or 0) <= 1


def test_room_is_what_is_free_above_the_reserve(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        volumes.create_volume(session, tmp_path / "media", utc_now())
    with database.read() as session:
        seen = storage(session, reserve=0)
    assert seen.volumes[0].free
    assert seen.oldest_us == 0
    seen_only = [VolumeHealth("a", 1_000, 5_000), VolumeHealth("away", None, None)]
    assert Storage(seen_only, 200, 0).days_left is None
    assert Storage(seen_only, 200, 0, bits_per_s=BYTE_A_DAY).days_left == pytest.approx(800)
    assert Storage([VolumeHealth("a", 100, 5_000)], 200, 0, bits_per_s=1.0).days_left == 0


def test_what_two_volumes_share_and_what_can_only_be_read_is_no_room_more() -> None:
    shared = [VolumeHealth(name, 1_000, 5_000, device=7) for name in "ab"]
    read_only = VolumeHealth("c", 1_000, 5_000, writable=False)
    assert Storage([*shared, read_only], 200, 0, bits_per_s=BYTE_A_DAY).days_left == pytest.approx(800)


def test_the_disk_below_a_volume_that_is_not_mounted_is_not_taken_for_it(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        volumes.create_volume(session, tmp_path / "media", utc_now())
    (tmp_path / "media" / volumes.MARKER).unlink()
    with database.read() as session:
        assert storage(session, 0).volumes == [VolumeHealth(str(tmp_path / "media"), None, None)]


def test_held_recordings_say_nothing_of_how_long_others_stay(database: Database, tmp_path: Path) -> None:
    seeding = Seeding(database, tmp_path)
    unit = seeding.unit("Bồng Lai")
    first, second = (seeding.camera(name, unit, 0) for name in ("A", "B"))
    old, young = NOW - 300 * 24 * HOUR, NOW - 20 * 24 * HOUR
    seeding.recorded(first, old, old + 60_000_000)
    seeding.recorded(first, young + HOUR, young + HOUR + 60_000_000)
    seeding.recorded(second, young, young + 60_000_000)
    with database.write() as session:
        assert storage(session, 0).oldest_us == old
        holds.place(session, first, old, old + 1, "case 7", placed_by="test")
        assert storage(session, 0).oldest_us == young


def test_a_recording_stays_for_the_days_that_are_there_and_those_that_fit_in_yet() -> None:
    day_us = 86_400_000_000
    full = Storage([VolumeHealth("a", 200, 5_000)], reserve=200, oldest_us=10 * day_us)
    assert full.days_kept(40 * day_us) is None
    assert replace(full, bits_per_s=BYTE_A_DAY).days_kept(40 * day_us) == pytest.approx(30)
    empty = Storage([VolumeHealth("a", 1_000, 5_000)], reserve=200, oldest_us=0, bits_per_s=BYTE_A_DAY)
    assert empty.days_kept(40 * day_us) == pytest.approx(800)


def test_no_recording_is_said_to_stay_longer_than_its_maximum_days() -> None:
    empty = Storage([VolumeHealth("a", 1_000, 5_000)], 200, 0, min_days=30, max_days=60, bits_per_s=BYTE_A_DAY)
    assert empty.days_kept(NOW) == 60
    assert replace(empty, max_days=20).days_kept(NOW) == 30  # the minimum wins


def test_a_volume_that_this_machine_cannot_see_is_no_error(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        volume = volumes.create_volume(session, tmp_path / "media", utc_now())
        volume.path = str(tmp_path / "elsewhere")
    with database.read() as session:
        assert storage(session, 0).volumes == [VolumeHealth(str(tmp_path / "elsewhere"), None, None)]
