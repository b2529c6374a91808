"""The doctor: judges facts in plain words, and says what to do about whatever is not well."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from vonggac.core import doctor, probes
from vonggac.core.commands import doctor as doctor_command
from vonggac.core.datafolder import DataFolder
from vonggac.core.doctor import Finding, Level, Load
from vonggac.core.probes import DiskSpeed, Owner, Port

MEDIA = Path("/srv/media")
DISTRICT = Load(cameras=102, bytes_per_s=102 * 250_000, measured=False)
GB = 1_000_000_000


@pytest.mark.parametrize(
    ("finding", "level", "words"),
    [
        (doctor.judge_versions((3, 11, 2), (3, 40, 1)), Level.OK, "Python 3.11.2, SQLite 3.40.1"),
        (doctor.judge_versions((3, 10, 0), (3, 40, 1)), Level.FAULT, "Python 3.10.0"),
        (doctor.judge_versions((3, 11, 2), (3, 34, 0)), Level.FAULT, "SQLite 3.34.0"),
        (doctor.judge_access("key", MEDIA, Owner(7, 0o600), 7, 0o600), Level.OK, "mode 0600"),
        (doctor.judge_access("key", MEDIA, Owner(7, 0o400), 7, 0o600), Level.OK, "mode 0400"),
        (doctor.judge_access("key", MEDIA, Owner(7, 0o644), 7, 0o600), Level.WARNING, "others may read it"),
        (doctor.judge_access("key", MEDIA, Owner(8, 0o600), 7, 0o600), Level.FAULT, "belongs to user 8"),
        (doctor.judge_access("key", MEDIA, Owner(8, 0o600), 0, 0o600), Level.WARNING, "belongs to user 8"),
        (doctor.judge_access("key", MEDIA, None, 7, 0o600), Level.FAULT, "is missing"),
        (doctor.judge_space(MEDIA, 66_000 * GB, GB, DISTRICT), Level.OK, "room for 30.0 days of 102 cameras (assuming"),
        (doctor.judge_space(MEDIA, 3000 * GB, GB, DISTRICT), Level.WARNING, "room for 1.4 days"),
        (doctor.judge_space(MEDIA, GB, GB, DISTRICT), Level.FAULT, "nothing more is recorded"),
        (doctor.judge_space(MEDIA, 2 * GB, GB, Load(0, 0, False)), Level.OK, "2 GB free"),
        (doctor.judge_space(MEDIA, 66_000 * GB, GB, Load(102, 1e6, True)), Level.OK, "as in the last day"),
        (doctor.judge_speed(MEDIA, DiskSpeed(2e8, 8.0), DISTRICT), Level.OK, "a sync takes 8.0 ms"),
        (doctor.judge_speed(MEDIA, DiskSpeed(4e7, 8.0), DISTRICT), Level.WARNING, "the cameras send 25.5 MB/s"),
        (doctor.judge_speed(MEDIA, DiskSpeed(2e7, 8.0), DISTRICT), Level.FAULT, "takes 20 MB/s"),
        (doctor.judge_speed(MEDIA, DiskSpeed(2e8, 400.0), DISTRICT), Level.WARNING, "a sync takes 400.0 ms"),
        (doctor.judge_port("web", "127.0.0.1", 8080, Port.FREE), Level.OK, "free for web"),
        (doctor.judge_port("web", "127.0.0.1", 8080, Port.OURS), Level.OK, "served by the running web"),
        (doctor.judge_port("web", "127.0.0.1", 8080, Port.TAKEN), Level.FAULT, "used by another program"),
        (doctor.judge_port("keeper", "127.0.0.1", 8082, Port.TAKEN), Level.WARNING, "used by another program"),
        (doctor.judge_port("web", "0.0.0.0", 80, Port.FORBIDDEN), Level.FAULT, "may not use"),
        (doctor.judge_port("web", "203.0.113.9", 80, Port.NO_ADDRESS), Level.FAULT, "no address of this machine"),
        (doctor.judge_clock(datetime(2026, 11, 24, tzinfo=UTC), True), Level.OK, "kept by NTP"),
        (doctor.judge_clock(datetime(2026, 11, 24, tzinfo=UTC), False), Level.WARNING, "NTP does not keep it"),
        (doctor.judge_clock(datetime(2026, 11, 24, tzinfo=UTC), None), Level.WARNING, "cannot be seen"),
        (doctor.judge_clock(datetime(1970, 1, 1, tzinfo=UTC), True), Level.FAULT, "1970-01-01"),
        (doctor.judge_zone("Asia/Ho_Chi_Minh", True), Level.OK, "Asia/Ho_Chi_Minh"),
        (doctor.judge_zone("Asia/Saigong", False), Level.FAULT, "not known here"),
        (doctor.judge_files(1024, 102), Level.OK, "102 cameras need 664"),
        (doctor.judge_files(1024, 1124), Level.FAULT, "1124 cameras need 4752"),
        (doctor.judge_receive_buffer(4_194_304, 200), Level.OK, "needs 800000"),
        (doctor.judge_receive_buffer(212_992, 200), Level.WARNING, "read more often"),
        (doctor.judge_receive_buffer(None, 200), Level.OK, "cannot be seen here"),
    ],
)
def test_a_fact_is_judged_in_plain_words(finding: Finding, level: Level, words: str):
    assert finding.level is level
    assert words in finding.found
    assert bool(finding.remedy) == (level is not Level.OK), "whatever is not well says what to do"


def findings(folder: DataFolder) -> dict[str, Finding]:
    return {finding.check: finding for finding in doctor.examine(folder)}


def test_a_fresh_centre_has_no_fault(centre: DataFolder):
    found = findings(centre)
    assert [finding for finding in found.values() if finding.level is Level.FAULT] == []
    assert found["key"].level is Level.OK
    assert found["database"].found.startswith("SQLite, version ")
    assert {"data folder", "clock", "time zone", "open files", "space", "disk speed"} <= set(found)


@pytest.mark.slow
def test_a_centre_on_postgresql_has_no_fault(make_centre: Callable[..., DataFolder], database_url: str):
    found = findings(make_centre(url=database_url))["database"]
    assert found.level is Level.OK


def test_the_sample_on_the_disk_leaves_nothing(centre: DataFolder):
    [media] = centre.media_paths
    speed = probes.disk_speed(media)
    assert speed.bytes_per_s > 0
    assert list(media.iterdir()) == []


def test_a_volume_that_is_away_is_a_fault(centre: DataFolder):
    centre.media_paths[0].rmdir()
    assert findings(centre)["volume"].level is Level.FAULT


def test_a_missing_database_is_a_fault_that_does_not_make_one(centre: DataFolder):
    path = centre.path / "vonggac.db"
    path.unlink()
    assert "is missing" in findings(centre)["database"].found
    assert not path.exists()


def test_a_database_that_does_not_answer_is_a_fault_without_its_password(make_centre: Callable[..., DataFolder]):
    centre = make_centre()
    settings_file = centre.path / "vonggac.toml"
    url = "postgresql+psycopg://somebody:hush@127.0.0.1:1/nothing"
    settings_file.write_text(settings_file.read_text().replace('url = ""', f'url = "{url}"'))
    found = findings(DataFolder.open(centre.path))["database"]
    assert found.level is Level.FAULT
    assert "hush" not in found.found


def test_a_damaged_database_is_a_fault(centre: DataFolder):
    path = centre.path / "vonggac.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page, root = connection.execute("PRAGMA page_size").fetchone()[0], 0
        [root] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_event_at'").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * page)
        file.write(b"\xff" * page)
    assert findings(centre)["database"].level is Level.FAULT


def test_a_torn_key_is_a_fault(centre: DataFolder):
    centre.key_path.write_bytes(b"torn")
    assert findings(centre)["key"].level is Level.FAULT


def test_ports_are_told_apart_by_who_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        assert probes.port("127.0.0.1", number, None) is Port.TAKEN
        assert probes.port("127.0.0.1", number, os.getpid()) is Port.OURS
        assert probes.port("127.0.0.1", number, 1) is Port.TAKEN
    assert probes.port("127.0.0.1", number, None) is Port.FREE
    assert probes.port("203.0.113.9", number, None) is Port.NO_ADDRESS


def test_the_command_prints_findings_and_ends_with_1_at_a_fault(centre: DataFolder):
    runner = CliRunner()
    good = runner.invoke(doctor_command, ["--data", str(centre.path)])
    assert good.exit_code == 0
    assert "database: SQLite" in good.output
    centre.key_path.unlink()
    bad = runner.invoke(doctor_command, ["--data", str(centre.path), "--json"])
    assert bad.exit_code == 1
    report = json.loads(bad.output)
    assert report["worst"] == "fault"
    assert [f["check"] for f in report["findings"] if f["level"] == "fault"] == ["key"]
