"""`vonggac hold`, `vonggac archive check` and `vonggac storage`, as a person types them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from prometheus_client import CollectorRegistry

from peers.stored_archive import MINUTE_US, StoredArchive, content
from vonggac.cli import front_door
from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.core.datafolder import DataFolder
from vonggac.core.faults import standing_faults
from vonggac.video.archive.hashing import Hashing
from vonggac.video.index import HOUR_US
from vonggac.video.models import Garbage, Hold, Recording, RecordingState
from vonggac.video.retention import deletion
from vonggac.video.retention.planning import DAY_US, Candidate, Deletion, Rank

START = microseconds(utc_now()) // HOUR_US * HOUR_US - 3 * DAY_US


@dataclass
class Centre:
    """A data folder with an archive of two cameras; the first has three files, the second one."""

    data: Path
    archive: StoredArchive

    def __call__(self, *words: object) -> Result:
        environment = {"VONGGAC_DATA": str(self.data), "VONGGAC_STORAGE_RESERVE_MB": "16"}
        return CliRunner(env=environment).invoke(front_door, [str(word) for word in words], prog_name="vonggac")

    def json(self, *words: object, status: int = 0) -> Any:
        result = self(*words, "--json")
        assert result.exit_code == status, result.output
        return json.loads(result.stdout)

    def file(self, number: int) -> Path:
        return self.archive.volumes[0].path / self.archive.rows()[number].path


@pytest.fixture
def centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Centre]:
    monkeypatch.setenv("TZ", "UTC")
    data = tmp_path / "centre"
    made = CliRunner().invoke(front_door, ["init", str(data)], prog_name="vonggac")
    assert made.exit_code == 0, made.output
    database = DataFolder.open(data).database()
    archive = StoredArchive(database, tmp_path)
    for minute in range(3):
        archive.record(START + minute * MINUTE_US)
    archive.record(START, camera=2)
    yield Centre(data, archive)
    database.close()


def at(us: int) -> str:
    return f"{utc(us):%Y-%m-%dT%H:%M:%S}Z".replace("T", " ")


def test_a_hold_is_placed_listed_and_released(centre: Centre) -> None:
    done = centre("hold", "add", 1, "--from", at(START), "--to", at(START + 90_000_000), "--subject", "VA-118")
    assert done.exit_code == 0, done.output
    assert "Holding camera 1, C1" in done.output
    assert "2 files" in done.output
    listed = centre.json("hold", "list")
    (one,) = listed["holds"]
    assert (one["subject"], one["files"], one["hashed"], one["camera"]["number"]) == ("VA-118", 2, 0, 1)
    assert listed["held_bytes"] == 2 * len(content())
    assert one["placed_by"]
    assert one["short_id"] in centre("hold", "list").output
    assert "SHA-256 of 0 of 2 files" in centre("hold", "list").output
    refused = centre("hold", "release", one["short_id"])
    assert refused.exit_code == 2
    assert "--reason" in refused.output
    assert "Released" in centre("hold", "release", one["short_id"], "--reason", "closed").output
    assert "Nothing is held." in centre("hold", "list").output
    assert "closed" in centre("hold", "list", "--all").output
    again = centre("hold", "release", one["short_id"], "--reason", "closed")
    assert again.exit_code == 1
    assert "released already" in again.output


def test_a_hold_may_begin_in_the_future_and_must_end_after_it_begins(centre: Centre) -> None:
    placed = centre.json("hold", "add", "C2", "--from", "+2h", "--to", "+7d", "--subject", "CV 55")
    assert (placed["files"], placed["size"]) == (0, 0)
    with centre.archive.database.read() as session:
        hold = session.scalars(sa.select(Hold)).one()
    ahead = timedelta(microseconds=hold.from_us - microseconds(utc_now()))
    assert timedelta(hours=1, minutes=58) < ahead <= timedelta(hours=2)
    wrong = centre("hold", "add", 1, "--from", "now", "--to", "-1h", "--subject", "x")
    assert wrong.exit_code == 2
    assert "not before --to" in wrong.output


def test_a_hold_says_what_was_deleted_before(centre: Centre) -> None:
    rows = centre.archive.rows()[:2]
    with centre.archive.database.write() as session:
        deletions = [
            Deletion(
                Candidate(row.id, row.camera_id, row.volume_id, row.start_us, row.end_us or 0, row.size),
                Rank.PAST_MINIMUM,
            )
            for row in rows
        ]
        deletion.note(session, deletions, microseconds(utc_now()))
    placed = centre.json("hold", "add", 1, "--from", at(START), "--to", at(START + HOUR_US), "--subject", "x")
    assert (placed["files"], placed["expired_us"]) == (1, 2 * MINUTE_US)
    shown = centre("recordings", 1, "--from", at(START), "--to", at(START + 3 * MINUTE_US))
    assert re.search(r"Deleted when its time was over \(after [23] days\)", shown.output)
    assert "Recorded 1 min 0.0 s of 1 min 0.0 s (100.00 %)" in shown.output
    assert "Another 2 min 0.0 s had been recorded" in shown.output
    told = centre.json("recordings", 1, "--from", at(START), "--to", at(START + 3 * MINUTE_US))
    assert (told["expired_us"], told["share"]) == (2 * MINUTE_US, 1.0)


def test_an_archive_in_order_is_said_to_be_so(centre: Centre) -> None:
    done = centre("archive", "check", "--verify-hashes")
    assert done.exit_code == 0, done.output
    assert "Looked at 4 files" in done.output
    assert "Index and disk agree." in done.output


def broken(centre: Centre) -> dict[str, Path]:
    """Put one of each fault into the archive."""
    missing, short, other = (centre.file(number) for number in range(3))
    missing.unlink()
    short.write_bytes(content()[:-200])
    stranger = other.with_name(other.name.replace(".000Z", ".500Z"))
    stranger.write_bytes(content())
    torn = other.with_name(other.name.replace(".000Z", ".700Z"))
    torn.write_bytes(b"no recording")
    with centre.archive.database.write() as session:
        session.execute(sa.update(Recording).where(Recording.id == 3).values(groups=b"\x01\x00"))
    (centre.archive.volumes[0].path / "holiday.jpg").write_bytes(b"x")
    (other.parent / "notes.txt").write_bytes(b"x")
    return {"missing": missing, "short": short, "stranger": stranger, "torn": torn}


def test_each_disagreement_is_found_and_nothing_is_changed_unless_it_is_asked_for(centre: Centre) -> None:
    paths = broken(centre)
    before = [(row.id, row.size, row.state) for row in centre.archive.rows()]
    sizes = {path: path.stat().st_size for path in centre.archive.volumes[0].path.rglob("*") if path.is_file()}
    found = centre.json("archive", "check", status=1)
    assert found["found"] == {"unknown": 2, "no_file": 1, "size": 1, "groups": 1, "no_row": 1, "unreadable": 1}
    assert found["unmended"] == 5
    assert [(row.id, row.size, row.state) for row in centre.archive.rows()] == before
    assert {path: path.stat().st_size for path in centre.archive.volumes[0].path.rglob("*") if path.is_file()} == sizes
    shown = centre("archive", "check")
    assert shown.exit_code == 1
    assert f"{paths['missing'].name} is gone" in " ".join(shown.output.split())
    assert "archive check --repair" in shown.output
    assert "groups" not in centre.json("archive", "check", "--quick", status=1)["found"]
    only = centre.json("archive", "check", "--camera", "2")
    assert (only["found"], only["files"]) == ({}, 1)
    assert centre.json("archive", "check", "--from", "-1d")["found"]["unknown"] == 2


def test_what_can_be_mended_is_and_the_rest_stays_wrong(centre: Centre) -> None:
    paths = broken(centre)
    found = centre.json("archive", "check", "--repair", status=1)
    assert found["unmended"] == 1  # what is no recording
    assert paths["torn"].read_bytes() == b"no recording"
    paths["torn"].unlink()
    again = centre.json("archive", "check")
    assert again["found"] == {"unknown": 2}
    states = [row.state for row in centre.archive.rows() if row.camera_id == centre.archive.camera_ids[0]]
    assert states == [RecordingState.RECOVERED] * 3
    centre.archive.assert_index_and_disk_agree()


def test_damaged_evidence_is_told_with_and_without_repair_and_left_as_it_is(centre: Centre) -> None:
    centre("hold", "add", 1, "--from", at(START), "--to", at(START + HOUR_US), "--subject", "VA-118")
    asyncio.run(Hashing(centre.archive.database, centre.archive.clock, CollectorRegistry()).round())
    file = centre.file(0)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert centre("archive", "check").exit_code == 0  # nothing but its hash can tell
    found = centre.json("archive", "check", "--verify-hashes", status=1)
    assert (found["found"], found["hashes"]) == ({"hash": 1}, 3)
    with centre.archive.database.read() as session:
        assert [fault.kind for fault in standing_faults(session)] == ["evidence_damaged"]
    assert centre.json("archive", "check", "--verify-hashes", "--repair", status=1)["unmended"] == 1
    assert file.read_bytes() == data
    data[-1] ^= 1
    file.write_bytes(data)
    assert centre("archive", "check", "--verify-hashes").exit_code == 0
    with centre.archive.database.read() as session:
        assert standing_faults(session) == []


def test_files_that_wait_to_be_removed_and_recordings_left_open_are_told(centre: Centre) -> None:
    file = centre.file(0)
    with centre.archive.database.write() as session:
        row = session.scalars(sa.select(Recording).where(Recording.id == 1)).one()
        session.add(
            Garbage(volume_id=row.volume_id, path=row.path, size=row.size, noted_at=utc_now() - timedelta(hours=2))
        )
        session.delete(row)
    centre.archive.record(START + 30 * MINUTE_US, state=RecordingState.OPEN)
    found = centre.json("archive", "check", status=1)
    assert found["found"] == {"garbage": 1, "left_open": 1}
    assert centre.json("archive", "check", "--repair", status=1)["unmended"] == 1
    assert not file.exists()
    with centre.archive.database.read() as session:
        assert session.scalars(sa.select(Garbage)).all() == []


def test_a_volume_that_is_away_is_no_archive_in_order(centre: Centre) -> None:
    centre.archive.volumes[0].path.rename(centre.archive.path / "away")
    shown = centre("archive", "check")
    assert shown.exit_code == 1
    assert "was not looked at" in shown.output
    assert len(centre.archive.rows()) == 4


def test_storage_says_what_is_held_how_long_and_what_goes_next(centre: Centre) -> None:
    now = microseconds(utc_now())
    for minute in range(5):
        centre.archive.record(now - now % HOUR_US - (5 - minute) * MINUTE_US, camera=2)
    with centre.archive.database.write() as session:
        session.execute(sa.text("UPDATE camera SET max_days = 4, min_days = 1 WHERE number = 1"))
    centre("hold", "add", 1, "--from", at(START), "--to", at(START + 1_000_000), "--subject", "VA-118")
    found = centre.json("storage", "--next", "3")
    one, two = found["cameras"]
    assert (one["min_days"], one["max_days"], two["min_days"], two["max_days"]) == (1, 4, 30, 0)
    assert 3.0 <= two["held_days"] < 3.1
    assert two["past_minimum_days"] == pytest.approx(two["held_days"] - 30)
    assert two["bytes_a_day"] > 0
    assert one["bytes_a_day"] == 0
    assert found["held"] == len(content())
    assert found["full_in_days"] is None or found["full_in_days"] > 0
    # Of camera 1 the first is held; the other two go when they are four days old.
    assert [(one["camera"], one["why"]) for one in found["next"][:2]] == [(1, "past_maximum")] * 2
    assert len(found["volumes"]) == 2
    shown = centre("storage")
    assert "Next to go:" in shown.output
    assert "past its maximum days" in shown.output
    assert "by 1 hold (" in shown.output


def test_storage_of_full_disks_says_so(centre: Centre) -> None:
    now = microseconds(utc_now())
    centre.archive.record(now - now % HOUR_US - MINUTE_US, camera=2)
    environment = {"VONGGAC_DATA": str(centre.data), "VONGGAC_STORAGE_RESERVE_MB": "1000000000000"}
    done = CliRunner(env=environment).invoke(front_door, ["storage"], prog_name="vonggac")
    assert done.exit_code == 0, done.output
    assert "The disks are full" in done.output
    assert "for room, BELOW its minimum days" in done.output


def test_a_check_of_no_time_at_all_is_refused_and_not_found_in_order(centre: Centre) -> None:
    failed = centre("archive", "check", "--from", at(START), "--to", at(START - 1_000_000))
    assert failed.exit_code == 2
    assert "is not before --to" in failed.output
