"""What the supervisor is made of, without its processes: its lines of the log, words for endings, its inheritance."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from vonggac.core import process, systemd
from vonggac.core.supervisor import Inheritance, Limits, LineLog, RunningRole, inherit


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "exit status 0"), (1, "exit status 1"), (-9, "SIGKILL"), (-11, "SIGSEGV"), (-40, "signal 40")],
)
def test_an_ending_is_said_in_words(status: int, words: str):
    assert process.status_in_words(status) == words


def test_the_supervisors_lines_have_the_form_of_all_others(capsys: pytest.CaptureFixture[str]):
    log = LineLog(as_json=True, level="info")
    log.error("A role ended and is started again", ended="web", in_s=0.4)
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "A role ended and is started again",
        "ended": "web",
        "in_s": 0.4,
        "role": "supervisor",
        "level": "error",
    }


def test_the_supervisors_lines_keep_to_the_level(capsys: pytest.CaptureFixture[str]):
    log = LineLog(as_json=False, level="warning")
    log.info("quiet")
    log.warning("loud", why="because")
    assert [line.split("] ")[1].split() for line in capsys.readouterr().err.splitlines()] == [
        ["loud", "role=supervisor", "why=because"]
    ]


def test_what_the_nursery_leaves_is_what_the_supervisor_inherits():
    left, kept = os.pipe()
    inheritance = Inheritance(
        data="/srv/centre",
        lock=left,
        listener=kept,
        listener_path="/srv/centre/run/notify.sock",
        mask=[int(signal.SIGUSR1)],
        as_json=True,
        level="info",
        limits=Limits(stop_s=1.0),
        roles=[RunningRole("recorder", ["python", "-m", "vonggac"], pid=7)],
    )
    will = os.memfd_create("will")
    os.write(will, json.dumps(asdict(inheritance)).encode())
    try:
        assert inherit(will) == inheritance
        assert not os.get_inheritable(left)
    finally:
        os.close(left)
        os.close(kept)


def test_a_listener_knows_who_spoke(tmp_path: Path):
    with systemd.Listener.bind(tmp_path / "notify.sock") as listener:
        program = "from vonggac.core import systemd; systemd.notify('READY=1', 'STATUS=good')"
        speaker = subprocess.Popen(
            [sys.executable, "-c", program], env=os.environ | {"NOTIFY_SOCKET": str(listener.path)}
        )
        assert speaker.wait(30) == 0
        assert listener.heard() == {speaker.pid: {"READY=1", "STATUS=good"}}
        assert listener.heard() == {}
    assert not (tmp_path / "notify.sock").exists()


def test_nobody_listening_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    systemd.notify("READY=1")


@pytest.mark.parametrize(
    ("period", "meant", "seconds"),
    [("3000000", "", 3.0), ("3000000", "self", 3.0), ("3000000", "1", None), ("0", "", None), ("often", "", None)],
)
def test_the_watchdog_is_for_the_process_it_names(
    period: str, meant: str, seconds: float | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WATCHDOG_USEC", period)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if meant == "self" else meant)
    assert systemd.watchdog_period_s() == seconds


@pytest.mark.slow
def test_the_supervisor_imports_next_to_nothing():
    program = "import sys, vonggac.core.supervisor; print(len(sys.modules), 'sqlalchemy' in sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    modules, database = said.split()
    assert int(modules) < 120
    assert database == "False"
