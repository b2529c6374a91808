"""The roles of a centre: which there are, what is shared before they are forked, and the commands that run them."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from vonggac import roles
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import NotFound
from vonggac.core.presence import RoleRow, alive

ANYWHERE = {
    "VONGGAC_WEB_PORT": "0",
    "VONGGAC_METRICS_RECORDER_PORT": "0",
    "VONGGAC_METRICS_KEEPER_PORT": "0",
    "VONGGAC_LOG_FORMAT": "json",
}


@pytest.fixture
def centre(tmp_path: Path) -> Path:
    """A data folder made by `vonggac init`."""
    path = tmp_path / "centre"
    subprocess.run([sys.executable, "-m", "vonggac", "init", str(path)], check=True, capture_output=True, timeout=60)
    return path


@pytest.fixture
def vonggac() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`vonggac("up", "--data", path)`: the command as a process, stopped when the test ends."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "vonggac", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | ANYWHERE,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()


def who_lives(path: Path) -> dict[str, RoleRow]:
    database = DataFolder.open(path).database(threads=1)
    with database.read() as session:
        found = {row.name: row for row in alive(session)}
    database.close()
    return found


def wait_for_roles(path: Path, names: set[str], unlike: int = 0) -> dict[str, RoleRow]:
    deadline = time.monotonic() + 60
    while set(found := who_lives(path)) != names or any(row.pid == unlike for row in found.values()):
        assert time.monotonic() < deadline, f"waited in vain for {names}, found {set(found)}"
        time.sleep(0.05)
    return found


def test_every_role_is_a_function_that_exists():
    for role in roles.ROLES.values():
        module, _, function = role.target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_recording_is_started_first():
    assert next(iter(roles.ROLES)) == "recorder"


@pytest.mark.parametrize("name", ["recorder", "recorder-2", "recorder-12"])
def test_there_may_be_several_recorders(name: str):
    assert roles.kind_of(name) is roles.ROLES["recorder"]


@pytest.mark.parametrize("name", ["", "alarms", "recorder-", "recorder-two", "recorder2", "supervisor", "../web"])
def test_any_other_name_is_no_role(name: str):
    with pytest.raises(NotFound, match="There are: recorder, keeper, web"):
        roles.kind_of(name)


def test_an_unknown_role_is_refused_in_plain_words(centre: Path):
    from vonggac.cli import front_door

    result = CliRunner().invoke(front_door, ["run", "alarms", "--data", str(centre)])
    assert result.exit_code == 1
    assert "There is no role alarms" in result.output


def test_a_folder_that_is_no_centre_is_refused_before_anything_starts(tmp_path: Path):
    from vonggac.cli import front_door

    result = CliRunner().invoke(front_door, ["up", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "vonggac init" in result.output


@pytest.mark.slow
def test_what_is_shared_before_the_fork_starts_no_thread_and_keeps_nothing_open(centre: Path):
    program = """
import json, os, sys, threading
from pathlib import Path
import psutil
from vonggac import roles
from vonggac.core.datafolder import DataFolder
before = len(psutil.Process().open_files())
roles.preload(DataFolder.open(Path(sys.argv[1])))
print(json.dumps({
    "threads": psutil.Process().num_threads(),
    "files": len(psutil.Process().open_files()) - before,
    "heavy": sorted({"av", "numpy", "fastapi", "pydantic", "jinja2", "rich", "alembic"} & set(sys.modules)),
}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(centre)], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == {"threads": 1, "files": 0, "heavy": []}


@pytest.mark.slow
def test_up_runs_every_role_starts_a_killed_one_again_and_ends_all(
    centre: Path, vonggac: Callable[..., subprocess.Popen[str]]
):
    process = vonggac("up", "--data", centre)
    first = wait_for_roles(centre, set(roles.ROLES))
    killed = first["web"].pid
    os.kill(killed, signal.SIGKILL)
    second = wait_for_roles(centre, set(roles.ROLES), unlike=killed)
    assert second["recorder"].pid == first["recorder"].pid, "a crash of the web never stops a recording"

    refused = vonggac("run", "recorder", "--data", centre)
    _, said = refused.communicate(timeout=60)
    assert refused.returncode == 75
    assert f"process {first['recorder'].pid}" in said

    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert who_lives(centre) == {}
    assert not psutil.wait_procs(children, timeout=10)[1]


@pytest.mark.slow
def test_up_can_leave_a_role_out_and_run_can_be_that_role(centre: Path, vonggac: Callable[..., subprocess.Popen[str]]):
    up = vonggac("up", "--without", "recorder", "--data", centre)
    wait_for_roles(centre, {"keeper", "web"})
    alone = vonggac("run", "recorder", "--data", centre)
    assert wait_for_roles(centre, set(roles.ROLES))["recorder"].pid == alone.pid
    alone.send_signal(signal.SIGTERM)
    assert alone.wait(60) == 0
    up.send_signal(signal.SIGTERM)
    assert up.wait(60) == 0
