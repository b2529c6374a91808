"""Commands to a running district: understood, bounded, answered in plain words."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vonggac.sim.camera import Feed, SimCamera
from vonggac.sim.commands import sim
from vonggac.sim.control import ControlError, ControlServer, SimControl
from vonggac.sim.faults import KINDS

Running = Callable[..., Any]


@pytest.fixture(scope="module")
def small_clip(numbered_clip: Callable[..., Path]) -> Path:
    return numbered_clip(width=640, height=360, fps=15, seconds=4, group_seconds=1, bits_per_second=400_000)


@pytest.fixture
def socket_path(running: Running, small_clip: Path, feed: Callable[[Path], Feed], tmp_path: Path) -> Iterator[Path]:
    """The control socket of a running district with two cameras."""
    feed_ = feed(small_clip)
    units = ("lam-dong/duc-trong/lien-nghia", "lam-dong/duc-trong/ta-nang")
    server = running([SimCamera(f"/cam/{n:03}", f"Chợ {n}", feed_, unit=units[n - 1]) for n in (1, 2)])
    control = ControlServer(server.server, tmp_path / "sim.sock")
    server.do(control.__aenter__())
    yield tmp_path / "sim.sock"
    server.do(control.__aexit__(None, None, None))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_camera_is_broken_and_restored_and_the_state_tells(socket_path: Path, kind: str) -> None:
    control = SimControl(socket_path)
    assert [camera.faults for camera in control.fault("2", kind=kind)] == [(kind,)]
    assert [camera.faults for camera in control.status()] == [(), (kind,)]
    assert [camera.faults for camera in control.restore("Chợ 2")] == [()]


@pytest.mark.slow
def test_faults_stand_together_and_are_given_to_a_unit_a_street_or_all_and_ended_one_by_one(socket_path: Path) -> None:
    control = SimControl(socket_path)
    control.fault(unit="ta-nang", kind="loss", share=0.1)
    control.fault(street="chợ", kind="jitter", for_s=60)
    control.fault(everyone=True, kind="black")
    assert [camera.faults for camera in control.status()] == [("jitter", "black"), ("loss", "jitter", "black")]
    control.restore("1", "2", kind="jitter")
    assert [camera.faults for camera in control.status()] == [("black",), ("loss", "black")]
    control.restore(everyone=True)
    assert [camera.faults for camera in control.status()] == [(), ()]


@pytest.mark.slow
def test_only_the_own_user_can_open_the_socket(socket_path: Path) -> None:
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600


@pytest.mark.slow
def test_commands_that_make_no_sense_are_refused_in_plain_words(socket_path: Path) -> None:
    control = SimControl(socket_path)
    with pytest.raises(ControlError, match="no simulated camera '9'"):
        control.fault("9", kind="drop")
    with pytest.raises(ControlError, match="Unknown fault 'burn': drop, freeze, black"):
        control.fault("1", kind="burn")
    with pytest.raises(ControlError, match="Unknown fault 'burn'"):
        control.restore("1", kind="burn")
    with pytest.raises(ControlError, match="Say which cameras"):
        control.fault(kind="drop")
    with pytest.raises(ControlError, match="takes a share from"):
        control.fault("1", kind="loss", share=3)
    for seconds in (0.0, -1.0, 1e9):
        with pytest.raises(ControlError, match="lasts more than 0"):
            control.fault("1", kind="drop", for_s=seconds)


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", [b"hello\n", b"{}\n", b'{"do": 7}\n', b'{"do": "dance"}\n', b"[" * 1000 + b"\n", b"\xff\n"]
)
def test_garbage_is_answered_with_an_error_and_the_next_command_is_heard(socket_path: Path, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.settimeout(5)
        visitor.connect(str(socket_path))
        visitor.sendall(line)
        assert json.loads(visitor.recv(65536))["ok"] is False
    assert len(SimControl(socket_path).status()) == 2


@pytest.mark.slow
def test_a_line_without_end_is_cut_off(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.settimeout(5)
        visitor.connect(str(socket_path))
        with pytest.raises(ConnectionError):
            visitor.sendall(b"a" * (64 << 20))
    assert len(SimControl(socket_path).status()) == 2


def test_without_a_running_district_it_is_said_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"vonggac demo.*vonggac sim serve"):
        SimControl(tmp_path / "none.sock").status()


@pytest.mark.slow
def test_a_district_that_runs_is_not_taken_over_and_a_dead_ones_socket_is(
    socket_path: Path, running: Running, small_clip: Path, feed: Callable[[Path], Feed], tmp_path: Path
) -> None:
    server = running([SimCamera("/cam/001", "Chợ", feed(small_clip))])
    with pytest.raises(ControlError, match="runs here already"):
        server.do(ControlServer(server.server, socket_path).__aenter__())
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    control = ControlServer(server.server, tmp_path / "dead.sock")
    server.do(control.__aenter__())
    assert len(SimControl(tmp_path / "dead.sock").status()) == 1
    server.do(control.__aexit__(None, None, None))


@pytest.mark.slow
def test_the_command_line_serves_breaks_and_tells(tmp_path: Path, small_clip: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "one.mp4").symlink_to(small_clip)
    data = ["--data", str(tmp_path / "data")]
    words = [sys.executable, "-m", "vonggac.sim", "serve", *data, "--cameras", "3", "--clips", str(clips)]
    words += ["--user", "viewer", "--password-env", "SECRET", "--ready-file", str(tmp_path / "ready.json")]
    environment = {**os.environ, "SECRET": "p@ss"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready == json.loads((tmp_path / "ready.json").read_text())
            assert (ready["cameras"], ready["sub_streams"], ready["user"]) == (3, False, "viewer")
            assert "p@ss" not in json.dumps(ready)
            run = CliRunner().invoke
            assert "003 Ngã ba Finôm: black for 60 s" in run(sim, ["fault", "3", "black", "--for", "60", *data]).output
            states = json.loads(run(sim, ["status", "--json", *data]).output)
            assert [state["faults"] for state in states] == [[], [], ["black"]]
            assert "Chợ Liên Nghĩa – cổng Bắc" in run(sim, ["status", *data]).output
            assert "003 Ngã ba Finôm: well" in run(sim, ["restore", "3", *data]).output
            assert (
                run(sim, ["fault", "--unit", "lien-nghia", "loss", "--share", "0.2", *data]).output.count("loss") == 2
            )
            assert run(sim, ["restore", "--all", *data]).output.count("well") == 3
            host = ready["address"].removeprefix("rtsp://")
            probe = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", f"rtsp://viewer:p%40ss@{host}/cam/003"]
            assert subprocess.run(probe, capture_output=True, timeout=30).returncode == 0
        finally:
            process.terminate()
            assert process.wait(20) == 0
    assert not Path(ready["control"]).exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "--user", "viewer"], "not on the command line"),
        (["serve", "--password-env", "X"], "needs its --user"),
        (["serve", "--user", "viewer", "--password-env", "NOT_SET"], "is empty"),
        (["serve", "--cameras", "0", "--clips", "."], "1 to 2000 cameras"),
        (["fault", "1", "burn"], "'burn' is no kind of fault. The kinds are drop"),
        (["fault", "drop"], "Say which cameras"),
        (["fault"], "Say what breaks"),
        (["restore"], "Say which cameras"),
        (["status", "--data", "nowhere"], "There is no folder nowhere"),
    ],
)
def test_wrong_use_is_told_what_to_do(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(sim, words)
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.output.split())


def test_each_kind_of_fault_is_explained_in_a_line() -> None:
    lines = CliRunner().invoke(sim, ["fault", "--list"]).output.splitlines()
    assert [line.split()[0] for line in lines] == list(KINDS)
    assert "--share 0.05" in next(line for line in lines if " loss " in line)


def test_units_and_cameras_are_printed_for_the_centres_import() -> None:
    units = CliRunner().invoke(sim, ["units"]).output
    assert units.startswith("code,name,kind,parent\nlam-dong,Lâm Đồng,province,\n")
    cameras = CliRunner().invoke(sim, ["cameras", "--address", "rtsp://h:1", "--cameras", "2"]).output
    assert cameras.splitlines()[1].split(",")[1] == "rtsp://h:1/cam/001"
