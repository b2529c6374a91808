"""`vonggac recordings` and `vonggac clip` on what a real recorder wrote of a foreign camera, while it writes on."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from vonggac.cli import front_door
from vonggac.core.datafolder import DataFolder
from vonggac.video.models import Gap, GapReason, Recording, RecordingState
from vonggac.video.wording import parse_moment

VONGGAC = [sys.executable, "-m", "vonggac"]
LOOP = 150
"""Pictures in the camera's clip; the next one is number 0 again."""
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
NOW = datetime(2026, 11, 24, 7, 3, 5, tzinfo=UTC)
"""14:03:05 at the centre."""
SLEW_US = 5_000
"""A clip's last file runs by the camera's clock, a row's end by ours: 500 ppm of a few seconds apart at most."""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("2026-11-24 14:03", datetime(2026, 11, 24, 7, 3, tzinfo=UTC)),
        ("2026-11-20 9:03:07.25", datetime(2026, 11, 20, 2, 3, 7, 250_000, tzinfo=UTC)),
        ("14:01", datetime(2026, 11, 24, 7, 1, tzinfo=UTC)),
        (" 6:59:30 ", datetime(2026, 11, 23, 23, 59, 30, tzinfo=UTC)),
        ("2026-11-24T14:03:05+07:00", NOW),
        ("2026-11-24 07:03:05Z", NOW),
        ("2026-11-24 02:03:05 -0500", NOW),
        ("-90s", NOW - timedelta(seconds=90)),
        ("-10min", NOW - timedelta(minutes=10)),
        ("-2h", NOW - timedelta(hours=2)),
        ("-1d", NOW - timedelta(days=1)),
    ],
)
def test_a_time_is_understood_as_a_person_at_the_centre_means_it(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW, ZONE) == moment


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-11-24", "24:00", "2026-02-30 10:00", "-5 weeks", "10min", "14.03"]
)
def test_what_is_no_time_is_refused_in_plain_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"no time|no such time"):
        parse_moment(text, NOW, ZONE)


@given(st.text(alphabet="0123456789-+:. TZhdmins", max_size=30))
def test_no_text_does_worse_than_not_being_a_time(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_moment(text, NOW, ZONE).tzinfo is not None


@given(st.integers(0, 2_840_000_000))
def test_a_time_that_was_shown_can_be_given_back(seconds: int) -> None:
    shown = datetime.fromtimestamp(seconds, ZONE)
    assert parse_moment(f"{shown:%Y-%m-%d %H:%M:%S}", NOW, ZONE) == shown


@dataclass
class Recorded:
    """A centre whose one camera was recorded, went away, came back, and is being recorded still."""

    path: Path

    def __post_init__(self) -> None:
        self.database = DataFolder.open(self.path).database()

    def run(self, *words: object) -> Result:
        arguments = [*(str(word) for word in words), "--data", str(self.path)]
        return CliRunner().invoke(front_door, arguments, prog_name="vonggac")

    def json(self, *words: object) -> Any:
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def rows(self, *, open_too: bool = False) -> list[Recording]:
        with self.database.read() as session:
            query = sa.select(Recording).order_by(Recording.start_us)
            if not open_too:
                query = query.where(Recording.state != int(RecordingState.OPEN))
            return list(session.scalars(query))

    def gaps(self) -> list[Gap]:
        with self.database.read() as session:
            return list(session.scalars(sa.select(Gap).order_by(Gap.start_us)))


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def moment(us: int) -> str:
    """A time as `--from` and `--to` take it."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).isoformat()


@pytest.fixture(scope="module")
def recorded(numbered_clip: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    from peers.gst import GstCamera

    path = tmp_path_factory.mktemp("recorded") / "centre"
    environment = {
        **os.environ,
        "VONGGAC_RECORDER_RECORDING_SECONDS": "5",
        "VONGGAC_METRICS_RECORDER_PORT": "-1",
        "VONGGAC_STORAGE_RESERVE_MB": "16",
    }
    clip = numbered_clip(width=320, height=180, fps=15, seconds=LOOP / 15, group_seconds=1, bits_per_second=400_000)
    with GstCamera([clip]) as camera:
        for words in (["init", str(path)], ["camera", "add", "Chợ Liên Nghĩa", camera.url(1), "--data", str(path)]):
            subprocess.run([*VONGGAC, *words], env=environment, check=True, timeout=60, capture_output=True)
        centre = Recorded(path)
        recorder = subprocess.Popen(
            [*VONGGAC, "run", "recorder", "--data", str(path)], env=environment, stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: len(centre.rows()) >= 3, "three files")
            camera.stop()
            wait_until(lambda: centre.gaps()[-1].reason == GapReason.REFUSED, "a refused connection")
            camera.start()
            wait_until(lambda: len({row.run for row in centre.rows()}) >= 2, "a file of the second run")
            yield centre
        finally:
            recorder.terminate()
            recorder.wait(30)
            centre.database.close()


@pytest.fixture
def first_run(recorded: Recorded) -> list[Recording]:
    """The finished recordings before the camera went away."""
    rows = recorded.rows()
    return [row for row in rows if row.run == rows[0].run]


def follow(numbers: list[int]) -> list[tuple[int, int]]:
    from peers.numbered import holes

    return holes(numbers, LOOP)


@pytest.mark.slow
def test_a_clip_across_files_holds_every_picture_once_and_is_exact_to_the_group(
    recorded: Recorded,
    first_run: list[Recording],
    judge: Any,
    read_numbers: Callable[[Path], list[int]],
    tmp_path: Path,
) -> None:
    whole, part = tmp_path / "whole.mp4", tmp_path / "part.mp4"
    start_us, end_us = first_run[0].start_us, first_run[-1].end_us or 0
    made = recorded.json("clip", 1, "--from", moment(start_us), "--to", moment(end_us), "-o", whole)
    assert (made["start_us"], made["missing"]) == (start_us, [])
    assert abs(made["end_us"] - end_us) < SLEW_US
    assert made["pictures"] == sum(row.frames for row in first_run)
    assert made["size"] == whole.stat().st_size
    assert judge.plays(whole), judge.complaints(whole)
    numbers = read_numbers(whole)
    assert len(numbers) == made["pictures"]
    assert follow(numbers) == []
    # From the middle of the second group to the middle of the second file's second group.
    begin, end = start_us + 1_500_000, first_run[1].start_us + 1_500_000
    made = recorded.json("clip", "lien nghia", "--from", moment(begin), "--to", moment(end), "-o", part)
    cut = read_numbers(part)
    assert judge.plays(part), judge.complaints(part)
    groups = sum(1 for number in cut if number % 15 == 0)
    assert (len(cut), made["pictures"], cut[0] % 15) == (15 * groups, 15 * groups, 0)
    assert made["start_us"] <= begin < made["start_us"] + 1_010_000
    assert made["end_us"] - 1_010_000 < end <= made["end_us"]
    assert cut == numbers[numbers.index(cut[0]) :][: len(cut)]


@pytest.mark.slow
def test_a_clip_over_a_gap_says_where_and_why_and_keeps_the_time_true(
    recorded: Recorded, judge: Any, read_numbers: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    rows = recorded.rows()
    path = tmp_path / "clip.mp4"
    start_us, end_us = rows[0].start_us, rows[-1].end_us or 0
    made = recorded.json("clip", 1, "--from", moment(start_us), "--to", moment(end_us), "-o", path)
    assert made["start_us"] == start_us
    assert abs(made["end_us"] - end_us) < SLEW_US
    assert {gap["reason"] for gap in made["missing"]} >= {"closed", "refused"}
    assert all(gap["words"] for gap in made["missing"])
    assert judge.plays(path), judge.complaints(path)
    assert abs(judge.duration(path) - (end_us - start_us) / 1e6) < 0.1
    assert made["pictures"] == sum(row.frames for row in rows)
    assert len(follow(read_numbers(path))) <= 1  # where the camera came back
    said = recorded.run("clip", 1, "--from", moment(start_us), "--to", moment(end_us), "-o", path, "--force").output
    assert "Missing in it:" in said
    assert "The camera refuses the connection" in said


@pytest.mark.slow
def test_what_is_being_recorded_can_be_cut_while_it_goes_on(
    recorded: Recorded, judge: Any, read_numbers: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    wait_until(lambda: recorded.json("recordings", 1)["recordings"][-1]["pictures"] >= 15, "a group in an open file")
    newest = recorded.rows(open_too=True)[-1]
    begin_us = next(row.start_us for row in recorded.rows(open_too=True) if row.run == newest.run)
    path = tmp_path / "now.mp4"
    made = recorded.json("clip", 1, "--from", moment(begin_us), "--to", "now", "-o", path)
    assert made["end_us"] > newest.start_us
    assert made["missing"] == []
    assert judge.plays(path), judge.complaints(path)
    numbers = read_numbers(path)
    assert len(numbers) == made["pictures"] >= 15
    assert follow(numbers) == []


@pytest.mark.slow
def test_the_list_of_recordings_and_gaps_accounts_for_every_moment(recorded: Recorded) -> None:
    found = recorded.json("recordings", "1", "--from", "-1h", "--groups")
    missing = sum(gap["end_us"] - gap["start_us"] for gap in found["gaps"])
    assert 0 <= found["due_us"] - found["recorded_us"] - missing < 500_000
    assert found["share"] == pytest.approx(found["recorded_us"] / found["due_us"])
    assert [gap["reason"] for gap in found["gaps"]][:2] == ["stopped", "closed"]
    for one in found["recordings"]:
        assert (one["codec"], one["width"], one["height"]) == ("avc1.42C00D", 320, 180)
        assert sum(group["frames"] for group in one["groups"]) == one["pictures"]
        assert one["groups"][0]["key"]
    text = recorded.run("recordings", "cho lien", "--from", "-1h", "--groups").output
    assert text.startswith("Camera 1, Chợ Liên Nghĩa: ")
    assert "It was added " in text
    assert "complete" in text
    assert "The camera refuses the connection (Nothing listens at rtsp://127.0.0.1" in text
    assert "Recorded " in text.splitlines()[-1]


@pytest.mark.slow
def test_a_file_is_replaced_only_when_told_so_and_nothing_half_written_stays(
    recorded: Recorded, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("evidence of another day")
    words = ("clip", 1, "--from", "-5s", "--to", "now", "-o", path)
    refused = recorded.run(*words)
    assert refused.exit_code == 1
    assert "exists already" in refused.stderr
    assert path.read_text() == "evidence of another day"
    assert recorded.run(*words, "--force").exit_code == 0
    assert path.read_bytes()[4:8] == b"ftyp"
    assert list(tmp_path.iterdir()) == [path]
    assert "is a folder" in recorded.run(*words[:-1], tmp_path).stderr
    assert "There is no folder" in recorded.run(*words[:-1], tmp_path / "nowhere" / "clip.mp4").stderr


@pytest.mark.slow
def test_a_disk_that_takes_no_more_leaves_no_half_file(
    recorded: Recorded, first_run: list[Recording], tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    times = ["--from", moment(first_run[0].start_us), "--to", moment(first_run[-1].end_us or 0)]
    # The kernel refuses to let any file of this process grow beyond 100 KiB, as a full disk would.
    words = [*VONGGAC, "clip", "1", *times, "-o", str(path), "--data", str(recorded.path)]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 200; exec "$@"', "sh", *words], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert f"No room for {path}: File too large. Nothing of it was kept." in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_recording_whose_file_is_gone_is_missing_in_the_clip_and_the_clip_says_so(
    recorded: Recorded, first_run: list[Recording], judge: Any, tmp_path: Path
) -> None:
    lost = recorded.path / "media" / first_run[1].path
    path = tmp_path / "clip.mp4"
    times = ["--from", moment(first_run[0].start_us), "--to", moment(first_run[2].start_us + 1)]
    lost.rename(tmp_path / "aside.mp4")
    try:
        made = recorded.json("clip", 1, *times, "-o", path)
        alone = recorded.run("clip", 1, "--from", moment(first_run[1].start_us), "--to",
                             moment(first_run[1].start_us + 500_000), "-o", tmp_path / "none.mp4")  # fmt: skip
    finally:
        (tmp_path / "aside.mp4").rename(lost)
    (gap,) = made["missing"]
    assert (gap["start_us"], gap["end_us"]) == (first_run[1].start_us, first_run[1].end_us)
    assert "is gone" in gap["detail"]
    assert judge.plays(path), judge.complaints(path)
    assert alone.exit_code == 1
    assert "is gone" in alone.stderr


@pytest.mark.slow
def test_where_nothing_was_recorded_the_nearest_recordings_are_named(
    recorded: Recorded, first_run: list[Recording], tmp_path: Path
) -> None:
    end_us = first_run[-1].end_us or 0
    begin, end = moment(end_us + 200_000), moment(end_us + 900_000)
    failed = recorded.run("clip", 1, "--from", begin, "--to", end, "-o", tmp_path / "none.mp4")
    assert failed.exit_code == 1
    assert "The camera ended the connection" in failed.stderr
    assert "The nearest recording before: " in failed.stderr
    assert "The nearest after: from " in failed.stderr
    failed = recorded.run("clip", 1, "--from", "-2h", "--to", "-1h", "-o", tmp_path / "none.mp4")
    assert "The nearest after: from " in failed.stderr
    assert "before" not in failed.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["recordings", "2"], 1, "There is no camera number 2"),
        (["recordings", "1", "--from", "yesterday"], 2, "Write 2026-11-24 14:03"),
        (["recordings", "1", "--from", "2999-01-01 00:00", "--to", "2999-01-01 01:00"], 2, "lies in the future"),
        (["recordings", "1", "--from", "-1min", "--to", "-2min"], 2, "is not before --to"),
        (["clip", "1", "--from", "-1min", "-o", "x.mp4"], 2, "Missing option '--to'"),
    ],
)
def test_a_mistake_is_answered_in_plain_words(recorded: Recorded, words: list[str], status: int, says: str) -> None:
    failed = recorded.run(*words)
    assert failed.exit_code == status
    assert says in failed.stderr
