"""`vonggac availability` as a technician, a commander and a spreadsheet meet it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from peers.seeding import SECOND, Seeding
from vonggac.cli import front_door
from vonggac.core import schema, secrets
from vonggac.core.clock import microseconds, utc_now
from vonggac.core.datafolder import DataFolder
from vonggac.core.settings import FILE_NAME
from vonggac.video.models import GapReason

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
MARCH = datetime(2026, 3, 1, tzinfo=ZONE)
"""A month that is over: 31 days, 2,678,400 s."""
MONTH_S = 31 * 86_400


def at(days: float, seconds: float = 0) -> int:
    return microseconds(MARCH + timedelta(days=days, seconds=seconds))


class Centre:
    """A centre that recorded two cameras through March, and one that was added in April."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        (path / FILE_NAME).write_text('[centre]\nname = "Đức Trọng"\n', encoding="utf-8")
        self.path = path
        folder = DataFolder.open(path)
        secrets.make_key(folder.key_path)
        self.database = folder.database()
        schema.upgrade(self.database)
        seeding = self.seeding = Seeding(self.database, path / "media")
        district = seeding.unit("Đức Trọng", kind="district")
        market = seeding.camera("Chợ Hiệp An", seeding.unit("Hiệp An", district), at(0))
        outages = [
            (at(2), at(2, 90), GapReason.TIMED_OUT),
            (at(9), at(9, 3600), GapReason.DISK),
            (at(20), at(21), GapReason.DISABLED),
        ]
        seeding.life(market, at(0), at(31), outages)
        # A name that a spreadsheet would compute.
        bridge = seeding.camera('=HYPERLINK("x")', seeding.unit("Đà Loan", district), at(30))
        seeding.life(bridge, at(30), at(31), [])
        seeding.camera("Mới", district, at(40))

    def run(self, *words: str) -> Result:
        done = CliRunner().invoke(front_door, ["availability", *words, "--data", str(self.path)], prog_name="vonggac")
        return done

    def json(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def csv(self, *words: str) -> list[dict[str, str]]:
        done = self.run(*words, "--csv", "-")
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith("\ufeff")
        return list(csv.DictReader(io.StringIO(done.stdout.removeprefix("\ufeff"))))


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    made = Centre(tmp_path / "centre")
    yield made
    made.database.close()


def test_a_month_is_told_by_camera_the_worst_first(centre: Centre) -> None:
    done = centre.run("--month", "2026-03")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "2026-03-01 00:00:00 to 2026-04-01 00:00:00 (Asia/Ho_Chi_Minh)"
    assert lines[2].split() == [
        "1", "Chợ", "Hiệp", "An", "Hiệp", "An", "99.85", "%", "720:00:00", "718:58:30", "1:01:30", "0:00:00",
        "24:00:00", "2", "1:00:00",
    ]  # fmt: skip
    assert lines[3].split()[:1] == ["2"]
    assert "100.00 %" in lines[3]
    assert lines[4].startswith("2 cameras: 99.86 % of the time recorded (742:58:30 of 744:00:00)")
    assert len(lines) == 5


def test_json_adds_up_to_the_second(centre: Centre) -> None:
    told = centre.json("--month", "2026-03", "--gaps")
    assert [camera["number"] for camera in told["cameras"]] == [2, 1]
    market = told["cameras"][1]
    assert market["missing_s"] == {"timed_out": 90, "disk": 3600}
    assert market["due_s"] + market["switched_off_s"] == MONTH_S
    assert market["recorded_s"] + sum(market["missing_s"].values()) + market["unexplained_s"] == market["due_s"]
    assert [(gap["from"], gap["reason"]) for gap in market["gaps"]] == [
        ("2026-03-03T00:00:00+07:00", "timed_out"),
        ("2026-03-10T00:00:00+07:00", "disk"),
        ("2026-03-21T00:00:00+07:00", "disabled"),
    ]
    assert market["mean_time_to_repair_s"] == 1845
    assert told["total"]["recorded_s"] == sum(camera["recorded_s"] for camera in told["cameras"])
    assert [(unit["name"], unit["cameras"]) for unit in told["units"]] == [("Đà Loan", 1), ("Hiệp An", 1)]


def test_a_spreadsheet_gets_a_line_a_camera_and_no_formula(centre: Centre) -> None:
    rows = {row["number"]: row for row in centre.csv("--month", "2026-03")}
    assert rows["2"]["camera"] == '\'=HYPERLINK("x")'
    assert rows["1"]["camera"] == "Chợ Hiệp An"
    assert (rows["1"]["due_from"], rows["2"]["due_from"]) == ("2026-03-01T00:00:00+07:00", "2026-03-31T00:00:00+07:00")
    assert (rows["1"]["availability"], rows["2"]["availability"]) == ("0.998576", "1.000000")
    for row in rows.values():
        missing = sum(
            int(seconds) for name, seconds in row.items() if name.startswith("missing_") and name != "missing_s"
        )
        assert missing == int(row["missing_s"])
        parts = ("recorded_s", "writing_s", "missing_s", "unexplained_s")
        assert sum(int(row[name]) for name in parts) == int(row["due_s"])


def test_units_reasons_and_gaps_have_their_tables(centre: Centre, tmp_path: Path) -> None:
    assert [row["unit"] for row in centre.csv("--month", "2026-03", "--by", "unit")] == ["Đà Loan", "Hiệp An"]
    reasons = centre.csv("--month", "2026-03", "--by", "reason")
    assert [(row["reason"], row["whose"], row["missing_s"]) for row in reasons] == [
        ("disk", "centre", "3600"),
        ("timed_out", "camera", "90"),
    ]
    gaps = centre.csv("--month", "2026-03", "--gaps")
    first = {name: gaps[0][name] for name in ("from", "missing_s", "reason")}
    assert first == {"from": "2026-03-03T00:00:00+07:00", "missing_s": "90.0", "reason": "timed_out"}
    file = tmp_path / "march.csv"
    done = centre.run("--month", "2026-03", "--csv", str(file))
    assert done.exit_code == 0
    assert file.read_bytes().startswith(b"\xef\xbb\xbfnumber,camera,unit,")


def test_a_day_an_hour_and_all_time_can_be_asked_for(centre: Centre) -> None:
    (camera,) = centre.json("--day", "2026-03-10", "--camera", "1")["cameras"]
    assert (camera["due_s"], camera["missing_s"]) == (86_400, {"disk": 3600})
    (camera,) = centre.json("--from", "2026-03-10 00:30", "--to", "2026-03-10 01:30", "--camera", "hiep an")["cameras"]
    assert (camera["due_s"], camera["recorded_s"], camera["missing_s"]) == (3600, 1800, {"disk": 1800})
    (camera,) = centre.json("--ever", "--camera", "2")["cameras"]
    assert camera["from"] == "2026-03-31T00:00:00+07:00"
    assert camera["due_s"] == camera["recorded_s"] + camera["unexplained_s"]
    told = centre.json("--month", "2026-03", "--unit", "da-loan")
    assert [camera["number"] for camera in told["cameras"]] == [2]


def test_without_an_interval_it_is_this_month_until_now(centre: Centre) -> None:
    centre.seeding.camera("Hôm nay", centre.seeding.unit("Ninh Gia"), microseconds(utc_now()) - 10 * SECOND, number=9)
    told = centre.json("--camera", "9")
    assert told["total"]["cameras"] == 1
    assert 10 <= told["total"]["unexplained_s"] < 86_400


def test_the_reasons_are_told_in_words(centre: Centre) -> None:
    done = centre.run("--month", "2026-03", "--by", "reason", "--gaps")
    assert "1:00:00    0.134 %  The disk takes nothing more  centre  disk" in done.stdout
    assert "2026-03-03 00:00:00  2026-03-03 00:01:30        90.0 s  The camera does not answer" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--month", "2026-13"], "is no month"),
        (["--day", "today"], "is no day"),
        (["--month", "2026-03", "--ever"], "Give one of"),
        (["--to", "now"], "--to needs --from"),
        (["--month", "2199-01"], "no time that has passed"),
        (["--from", "2026-03-02 00:00", "--to", "2026-03-01 00:00"], "its beginning comes first"),
        (["--month", "2020-01"], "No camera was there"),
        (["--camera", "99"], "There is no camera number 99"),
        (["--unit", "nowhere"], "There is no unit"),
    ],
)
def test_what_cannot_be_told_says_what_to_do(centre: Centre, words: list[str], said: str) -> None:
    done = centre.run(*words)
    assert done.exit_code in (1, 2)
    assert said in done.output
