"""`vonggac demo`: its folder is its own, its cameras keep their numbers from start to start."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest
from click.testing import Result

from vonggac.cameras import service
from vonggac.core.clock import microseconds, utc_now
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import Invalid, VonggacError
from vonggac.sim import demo, district
from vonggac.sim.child import Child
from vonggac.sim.demo_past import make_past
from vonggac.sim.demo_registry import SimulatedCameras, add_units, match_cameras

Vonggac = Callable[..., Result]


def simulated(port: int = 8554, count: int = 12, password: str = "wort", *, sub: bool = True) -> SimulatedCameras:
    return SimulatedCameras(f"rtsp://127.0.0.1:{port}", "vonggac", password, count, sub)


def matched(folder: DataFolder, cameras: SimulatedCameras) -> int:
    with folder.database().write() as session:
        add_units(session)
        return len(match_cameras(session, folder.secret_box(), cameras))


def test_a_demonstration_makes_its_folder_and_finds_its_password_again(tmp_path: Path) -> None:
    folder, state = demo.prepare(tmp_path / "demo")
    assert folder.settings.centre.name == demo.CENTRE_NAME
    assert stat.S_IMODE((folder.path / demo.STATE_FILE).stat().st_mode) == 0o600
    assert demo.prepare(tmp_path / "demo")[1] == state
    assert state.password not in repr(state)


def test_a_real_centre_and_a_folder_with_other_files_are_refused(centre: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="a centre of its own"):
        demo.prepare(centre)
    with pytest.raises(Invalid, match="holds other files"):
        demo.prepare(tmp_path)


def test_a_demonstration_killed_before_it_was_initialised_is_finished_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "demo"
    path.mkdir()
    demo.save(path, demo.DemoState("a password of twelve", "b"))
    assert demo.prepare(path)[1].password == "a password of twelve"


def test_cameras_keep_their_numbers_and_names_when_the_simulator_moves(tmp_path: Path) -> None:
    folder, _ = demo.prepare(tmp_path / "demo")
    assert matched(folder, simulated()) == 12
    with folder.database().read() as session:
        before = [(source.number, source.folder) for source in service.sources(session, folder.secret_box())]
    assert matched(folder, simulated(9554, 12, "neu")) == 12
    with folder.database().read() as session:
        sources = service.sources(session, folder.secret_box())
    assert [(source.number, source.folder) for source in sources] == before
    assert sources[0].url == "rtsp://vonggac:neu@127.0.0.1:9554/cam/001"
    assert sources[0].sub_url == "rtsp://vonggac:neu@127.0.0.1:9554/cam/001/sub"


def test_fewer_cameras_switch_the_others_off_and_more_switch_them_on_again(tmp_path: Path) -> None:
    folder, _ = demo.prepare(tmp_path / "demo")
    for count in (6, 3, 8):
        assert matched(folder, simulated(count=count, sub=False)) == count
        with folder.database().read() as session:
            sources = service.sources(session, folder.secret_box())
        assert [source.number for source in sources] == list(range(1, count + 1))
        assert {source.sub_url for source in sources} == {""}


def test_a_camera_added_by_hand_is_left_alone(tmp_path: Path, vonggac: Vonggac) -> None:
    folder, _ = demo.prepare(tmp_path / "demo")
    vonggac("camera", "add", "Mine", "rtsp://192.0.2.1/cam/001", "--data", folder.path)
    matched(folder, simulated(count=2))
    with folder.database().read() as session:
        assert service.find_camera(session, "Mine").url == "rtsp://192.0.2.1/cam/001"
        assert len(service.sources(session, folder.secret_box())) == 3


def test_a_port_that_was_asked_for_and_is_taken_is_refused_in_plain_words(vonggac: Vonggac, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = vonggac("demo", "--port", port, "--data", tmp_path / "demo")
    assert failed.exit_code == 1
    assert f"Port {port} is taken" in failed.stderr
    assert not (tmp_path / "demo").exists()
    assert demo.choose_port(port) == port


def test_a_folder_whose_centre_is_running_is_refused(vonggac: Vonggac, tmp_path: Path) -> None:
    folder, _ = demo.prepare(tmp_path / "demo")
    with folder.lock("supervisor"):
        failed = vonggac("demo", "--data", folder.path)
    assert failed.exit_code == 1
    assert "already running" in failed.stderr


@pytest.mark.slow
def test_a_demonstration_starts_serves_its_page_stops_and_starts_again(
    tmp_path: Path, clip: Callable[[str], Path]
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy(clip("shop-person.mp4"), clips)
    command = [sys.executable, "-m", "vonggac", "demo", "--data", str(tmp_path / "demo")]
    command += ["--cameras", "3", "--clips", str(clips), "--no-past"]
    ready = []
    for _start in range(2):
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert running.stdout is not None
            ready.append(running.stdout.readline())
            children = psutil.Process(running.pid).children(recursive=True)
            visit = urllib.request.Request(ready[-1].split()[1], headers={"Accept": "text/html"})
            with urllib.request.urlopen(visit, timeout=20) as page:
                assert page.status == 200
        finally:
            running.send_signal(signal.SIGINT)
            _, progress = running.communicate(timeout=60)
        assert running.returncode == 0, progress
        assert re.fullmatch(r"ready http://127\.0\.0\.1:\d+/ user=trucban1 password=\S+\n", ready[-1])
        assert "3 of 3 cameras are recorded." in progress
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert ready[0].split()[2:] == ready[1].split()[2:]
    folder = DataFolder.open(tmp_path / "demo")
    with folder.database().read() as session:
        assert [source.number for source in service.sources(session, folder.secret_box())] == [1, 2, 3]
    assert list((tmp_path / "demo" / "media").rglob("*.mp4"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_first_cameras_have_recordings_since_yesterday_and_the_archive_agrees(
    tmp_path: Path, numbered_clip: Callable[..., Path], vonggac: Vonggac
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    shutil.copy(numbered_clip(width=320, height=180, fps=5, seconds=12, bits_per_second=60_000), clips)
    folder, _ = demo.prepare(tmp_path / "demo")
    assert matched(folder, simulated(count=2)) == 2
    zone, now_us = ZoneInfo(folder.settings.centre.zone), microseconds(utc_now())
    places = district.cameras(1)
    said: list[str] = []
    made = make_past(folder.database(), places, clips, zone, now_us, said.append)
    assert made is not None
    assert said == ["Making up what 1 cameras recorded since yesterday."]
    yesterday = (datetime.now(zone) - timedelta(days=1)).date()
    shown = vonggac("recordings", 1, "--from", f"{yesterday} 14:03", "--to", f"{yesterday} 14:04", "--json",
                    "--data", folder.path)  # fmt: skip
    assert json.loads(shown.stdout)["share"] == 1
    account = vonggac("availability", "--camera", 1, "--day", str(yesterday), "--json", "--data", folder.path)
    assert account.exit_code == 0, account.stderr
    check = vonggac("archive", "check", "--data", folder.path)
    assert check.stdout.endswith("Index and disk agree.\n")
    # What is there is not made up again; a day later only what is missing.
    assert make_past(folder.database(), places, clips, zone, now_us, said.append) is None
    later = make_past(folder.database(), places, clips, zone, now_us + 2 * 3600 * 1_000_000, said.append)
    assert later is not None
    assert 110 <= later.recordings <= 130


@pytest.mark.slow
def test_a_child_that_fails_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        Child("The centre", ["unit", "list", "--data", str(tmp_path / "missing")], {}, log) as child,
        pytest.raises(VonggacError, match=r"The centre ended with status 1(?s:.*)Make one with: vonggac init"),
    ):
        child.read_line(60)


@pytest.mark.slow
def test_a_child_is_stopped_with_its_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\necho ready\nexec sleep 600\n")
    sleeper.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(sleeper))
    with Child("The sleeper", [], {}, tmp_path / "log") as child:
        assert child.read_line(60) == "ready\n"
        child.check()
        pid = child.process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
