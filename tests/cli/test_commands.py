"""Units and cameras on the command line: plain words, JSON for programs, exit status 0, 1 and 2, no secret anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result

from vonggac.cameras import service
from vonggac.core.clock import microseconds, utc_now
from vonggac.core.datafolder import DataFolder
from vonggac.video.models import CameraStatus

Vonggac = Callable[..., Result]
SECRET = "bi-mat-cua-camera"


def stream_url(centre: Path, named: str) -> str:
    folder = DataFolder.open(centre)
    with folder.database().read() as session:
        return service.stream_url(service.find_camera(session, named), folder.secret_box())


def test_units_are_added_and_shown_as_a_tree(vonggac: Vonggac, centre: Path) -> None:
    assert (
        "Added Tỉnh Lâm Đồng as lam-dong."
        in vonggac("unit", "add", "Tỉnh Lâm Đồng", "--code", "lam-dong", "--kind", "province").output
    )
    added = vonggac(
        "unit", "add", "Xã Hiệp An", "--kind", "commune", "--parent", "lam-dong", "--to", "2025-07-01", "--json"
    )
    assert json.loads(added.output)["path"] == "lam-dong/xa-hiep-an"
    lines = vonggac("unit", "list", "--on", "2021-01-19").output.splitlines()
    assert [line.rstrip().split()[-1] for line in lines[:2]] == ["root", "lam-dong"]
    assert lines[2].startswith("    Xã Hiệp An  ")
    assert lines[2].endswith("lam-dong/xa-hiep-an  (until 2025-07-01)")
    assert [unit["code"] for unit in json.loads(vonggac("unit", "list", "--json").output)] == ["root", "lam-dong"]
    assert len(json.loads(vonggac("unit", "list", "--all", "--json").output)) == 3


def test_the_sound_of_a_unit_is_switched_on_inherited_and_off_again(vonggac: Vonggac, centre: Path) -> None:
    vonggac("unit", "add", "Tỉnh Lâm Đồng", "--code", "lam-dong", "--kind", "province")
    vonggac("camera", "add", "Cổng", "rtsp://192.0.2.10/1", "--unit", "lam-dong")
    assert json.loads(vonggac("camera", "show", "1", "--json").output)["audio"] == "not recorded (unit setting)"
    assert vonggac("unit", "edit", "root", "--audio", "yes").output.endswith(": sound is recorded.\n")
    assert json.loads(vonggac("camera", "show", "1", "--json").output)["audio"] == "switched on for its unit"
    units = json.loads(vonggac("unit", "list", "--json").output)
    assert [(unit["audio"], unit["audio_recorded"]) for unit in units] == [("yes", True), ("inherit", True)]
    assert vonggac("unit", "edit", "lam-dong", "--audio", "no").output == "Tỉnh Lâm Đồng: sound is not recorded.\n"
    said = json.loads(vonggac("unit", "edit", "lam-dong", "--audio", "inherit", "--json").output)
    assert (said["audio"], said["audio_recorded"], said["changed"]) == ("inherit", True, True)


def test_a_unit_import_says_what_it_did_or_which_lines_are_wrong(
    vonggac: Vonggac, centre: Path, tmp_path: Path
) -> None:
    file = tmp_path / "units.csv"
    file.write_text("code,name,kind,parent\nb,B,x,a\na,A,x,\n", "utf-8")
    assert vonggac("unit", "import", file).output == "2 units added, 0 changed, 0 unchanged.\n"
    file.write_text("code,name,kind,parent\nc,C,x,nowhere\n", "utf-8")
    failed = vonggac("unit", "import", file)
    assert failed.exit_code == 1
    assert "line 2: its parent nowhere" in failed.stderr
    failed = vonggac("unit", "import", file, "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.output)["faults"][0]["line"] == 2


def test_a_camera_lives_from_add_to_remove(vonggac: Vonggac, centre: Path, password_file: Path) -> None:
    password_file.write_text(SECRET)
    options = ["--kind", "ptz", "--latitude", "11.735", "--longitude", "108.373"]
    options += ["--password-file", str(password_file), "--sub-url", f"rtsp://o:{SECRET}@192.0.2.1/sub"]
    added = vonggac("camera", "add", "Chợ Liên Nghĩa", "rtsp://admin@192.0.2.1/s", *options)
    assert added.output == "Added camera 1, Chợ Liên Nghĩa.\n"
    assert stream_url(centre, "1") == f"rtsp://admin:{SECRET}@192.0.2.1/s"
    shown = vonggac("camera", "show", "cho lien").output
    assert "user set, password set" in shown
    assert "rtsp://192.0.2.1/sub" in shown
    assert json.loads(vonggac("camera", "list", "--json").output)[0]["kind"] == "ptz"
    assert (
        vonggac("camera", "edit", "1", "--user", "operator").output == "Changed camera 1, Chợ Liên Nghĩa: password.\n"
    )
    assert stream_url(centre, "1") == f"rtsp://operator:{SECRET}@192.0.2.1/s"
    edited = vonggac(
        "camera", "edit", "1", "--url", "rtsp://192.0.2.1:8554/s", "--no-position", "--sub-url", "", "--disable"
    )
    assert edited.output == "Changed camera 1, Chợ Liên Nghĩa: enabled, latitude, longitude, password, sub, url.\n"
    assert stream_url(centre, "1") == f"rtsp://operator:{SECRET}@192.0.2.1:8554/s"
    assert "disabled" in vonggac("camera", "list").output
    assert "nothing to change" in vonggac("camera", "edit", "1", "--disable").output
    assert json.loads(vonggac("camera", "remove", "1", "--json").output)["number"] == 1
    assert vonggac("camera", "list").output == "There is no camera yet: vonggac camera add --help\n"
    assert json.loads(vonggac("camera", "list", "--all", "--json").output)[0]["state"] == "removed"
    for file in centre.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()


def test_no_output_of_any_command_holds_a_password(vonggac: Vonggac, centre: Path, tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    url = f"rtsp://admin:{SECRET}@192.0.2.1/s?password={SECRET}&ch="
    file.write_text(f"name,url\na,{url}1\n", "utf-8")
    for words in (
        ("camera", "import", file),
        ("camera", "import", file),
        ("camera", "add", "b", f"{url}2"),
        ("camera", "add", "c", f"{url}2"),
        ("camera", "add", "c", f"rtsp://admin:{SECRET}/x@192.0.2.1/s"),
        ("camera", "add", "c", f"http://admin:{SECRET}@192.0.2.1/s"),
        ("camera", "edit", "b", "--url", f"{url}1"),
        ("camera", "edit", "b", "--url", f"{url}3", "--json"),
        ("camera", "show", "b"),
        ("camera", "show", "b", "--json"),
        ("camera", "list", "--json"),
    ):
        done = vonggac(*words)
        assert SECRET not in done.output + done.stderr, words


def test_what_the_recorder_says_is_listed_and_not_believed_when_it_is_old(vonggac: Vonggac, centre: Path) -> None:
    vonggac("camera", "add", "a", "rtsp://192.0.2.1/a")
    folder = DataFolder.open(centre)
    now = microseconds(utc_now())
    with folder.database().write() as session:
        key = service.find_camera(session, "a").id
        session.add(
            CameraStatus(
                camera_id=key,
                recorder="recorder",
                state="away",
                reason="refused",
                detail="x",
                since_us=now,
                updated_us=now,
                clock_offset_us=-192_000_000,
            )
        )
    assert vonggac("camera", "list").output.rstrip().endswith("away: refused")
    assert "3 min 12 s behind" in vonggac("camera", "show", "a").output
    with folder.database().write() as session:
        session.execute(sa.update(CameraStatus).values(updated_us=now - 120_000_000))
    assert vonggac("camera", "list").output.rstrip().endswith("unknown")
    assert "vonggac up" in vonggac("camera", "show", "a").output
    assert "behind" not in vonggac("camera", "show", "a").output


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["camera", "add", "x"], 2, "Missing argument 'URL'"),
        (["camera", "add", "x", "rtsp://h/", "--kind", "dome"], 2, "'dome' is not one of"),
        (["camera", "add", "x", "rtsp://h/", "--unit", "nowhere"], 1, "There is no unit 'nowhere'"),
        (["camera", "add", "x", "rtsp://h/", "--latitude", "11"], 1, "both latitude and longitude"),
        (["camera", "add", "x", "http://h/"], 1, "must begin with rtsp://"),
        (["camera", "show", "x"], 1, "There is no camera 'x'"),
        (["camera", "edit", "x", "--no-password", "--user", "a"], 2, "not both"),
        (["camera", "import", "missing.csv"], 2, "does not exist"),
        (["camera", "paint"], 2, "No such command 'paint'"),
        (["unit", "add", "X"], 2, "Missing option '--kind'"),
        (["unit", "add", "X", "--kind", "Big Town"], 1, "for example big-town"),
        (["unit", "list", "--on", "yesterday"], 2, "does not match the format"),
        (["unit", "list", "--data", "elsewhere"], 1, "vonggac init"),
        (["fly"], 2, "No such command 'fly'"),
        (["help", "fly"], 2, "There is no command `fly`"),
    ],
)
def test_a_mistake_is_answered_in_plain_words(
    vonggac: Vonggac, centre: Path, words: list[str], status: int, says: str
) -> None:
    failed = vonggac(*words)
    assert failed.exit_code == status
    assert says in failed.stderr
    assert failed.stdout == ""


def test_a_database_that_cannot_be_reached_is_a_plain_error(vonggac: Vonggac, centre: Path) -> None:
    url = f"postgresql+psycopg://u:{SECRET}@127.0.0.1:1/x"
    failed = vonggac("camera", "list", VONGGAC_DATABASE_URL=url)
    assert failed.exit_code == 1
    assert failed.stderr.startswith("Error: The database cannot be used:")
    assert SECRET not in failed.stderr


@pytest.mark.slow
def test_the_installed_command_works_as_a_process_of_its_own(centre: Path, tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text("name,url\n" + "".join(f"Camera {i},rtsp://192.0.2.1/{i}\n" for i in range(1124)), "utf-8")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "vonggac", *words], capture_output=True, text=True, timeout=60, check=False
        )

    done = run("camera", "import", str(file))
    assert (done.returncode, done.stdout) == (0, "1124 cameras added, numbers 1 to 1124.\n")
    assert len(json.loads(run("camera", "list", "--json").stdout)) == 1124
    failed = run("camera", "show", "Camera")
    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: 'Camera' fits several cameras: 1 Camera 0, 2 Camera 1,")
