"""The life of a role in a process of its own: what it takes, what it says, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from vonggac.core import systemd
from vonggac.core.datafolder import DataFolder
from vonggac.core.eventlog import EventRow
from vonggac.core.presence import RoleRow
from vonggac.core.role import DONE, FAILED, REFUSED

pytestmark = pytest.mark.slow

SMALL_ROLES = Path(__file__).with_name("small_roles.py")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def alone(centre: DataFolder, start: Start) -> Callable[..., subprocess.Popen[str]]:
    """`alone("steady", FINISH_S="1")`: one role as a process of its own, without a supervisor."""

    def begin(kind: str, **environment: str) -> subprocess.Popen[str]:
        return start(SMALL_ROLES, "--alone", centre.path, kind, env=os.environ | environment)

    return begin


def starts(centre: DataFolder, kind: str) -> int:
    path = centre.path / f"{kind}.starts"
    return len(path.read_text().splitlines()) if path.exists() else 0


def rows(centre: DataFolder) -> list[RoleRow]:
    database = centre.database()
    with database.read() as session:
        found = list(session.scalars(sa.select(RoleRow)))
    database.close()
    return found


def topics(centre: DataFolder) -> list[str]:
    database = centre.database()
    with database.read() as session:
        found = list(session.scalars(sa.select(EventRow.topic).order_by(EventRow.id)))
    database.close()
    return found


def lines(process: subprocess.Popen[str]) -> Iterator[dict[str, str]]:
    _, written = process.communicate(timeout=60)
    for line in written.splitlines():
        yield json.loads(line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_role_appears_and_tidies_up_when_it_is_told_to_stop(
    number: signal.Signals, centre: DataFolder, alone: Start, wait_until: Callable[..., None]
):
    process = alone("steady")
    wait_until(lambda: starts(centre, "steady"), "the role")
    [row] = rows(centre)
    assert (row.name, row.pid, row.address) == ("steady", process.pid, "unix:/steady")
    process.send_signal(number)
    assert process.wait(60) == DONE
    assert (centre.path / "steady.tidied").exists()
    assert rows(centre) == []
    assert topics(centre) == ["role.started", "role.stopped"]


def test_a_second_process_of_a_role_refuses_with_a_status_of_its_own(
    centre: DataFolder, alone: Start, wait_until: Callable[..., None]
):
    first = alone("steady")
    wait_until(lambda: starts(centre, "steady"), "the role")
    second = alone("steady")
    said = list(lines(second))
    assert second.returncode == REFUSED
    assert said[-1]["event"] == "This role runs already"
    assert f"process {first.pid}" in said[-1]["reason"]
    assert starts(centre, "steady") == 1


def test_an_unexpected_failure_is_written_down_without_credentials(centre: DataFolder, alone: Start):
    process = alone("failing")
    said = list(lines(process))
    assert process.returncode == FAILED
    assert said[-1]["event"] == "The role failed"
    assert "LookupError: a broken invariant of rtsp://…@camera/1" in said[-1]["exception"]
    assert rows(centre) == []


def test_a_centre_without_tables_is_refused_in_plain_words(tmp_path: Path, start: Start):
    (tmp_path / "vonggac.toml").touch()
    process = start(SMALL_ROLES, "--alone", tmp_path, "steady")
    said = list(lines(process))
    assert process.returncode == FAILED
    assert said[-1]["event"] == "The role cannot go on"
    assert "vonggac init" in said[-1]["reason"]
    assert "exception" not in said[-1]


def test_a_role_that_does_not_end_is_cancelled_and_in_the_end_ended(
    centre: DataFolder, alone: Start, wait_until: Callable[..., None]
):
    process = alone("stubborn", FINISH_S="0.3", CANCEL_S="0.3", LAST_RESORT_S="2")
    wait_until(lambda: starts(centre, "stubborn"), "the role")
    process.send_signal(signal.SIGTERM)
    _, written = process.communicate(timeout=60)
    assert process.returncode == FAILED
    assert "The role does not end by itself and is cancelled" in written
    assert "Timeout" in written, "the stacks of its threads are written when all else failed"


def test_metrics_say_which_role_they_are_of(centre: DataFolder, alone: Start, wait_until: Callable[..., None]):
    alone("steady", METRICS_PORT="0")
    wait_until(lambda: starts(centre, "steady"), "the role")
    [row] = rows(centre)
    with urllib.request.urlopen(row.metrics, timeout=10) as answer:
        text = answer.read().decode()
    assert 'vonggac_role_info{role="steady"' in text
    assert "process_cpu_seconds_total" in text


def test_a_taken_metrics_port_stops_no_role(centre: DataFolder, alone: Start, wait_until: Callable[..., None]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = alone("steady", METRICS_PORT=str(taken.getsockname()[1]))
        wait_until(lambda: starts(centre, "steady"), "the role")
        process.send_signal(signal.SIGTERM)
        said = [line["event"] for line in lines(process)]
    assert process.returncode == DONE
    assert "Metrics are not served: the port cannot be had" in said


def test_systemd_hears_ready_signs_of_life_and_the_end(
    centre: DataFolder, alone: Start, wait_until: Callable[..., None], tmp_path: Path
):
    said: list[str] = []

    def heard(word: str) -> bool:
        for words in listener.heard().values():
            said.extend(words)
        return word in said

    with systemd.Listener.bind(tmp_path / "notify") as listener:
        process = alone("steady", NOTIFY_SOCKET=str(listener.path), WATCHDOG_USEC="300000")
        wait_until(lambda: heard("READY=1"), "READY")
        said.clear()
        wait_until(lambda: heard("WATCHDOG=1"), "WATCHDOG")
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: heard("STOPPING=1"), "STOPPING")
        assert process.wait(60) == DONE


def test_a_role_is_not_ready_before_it_appears(
    centre: DataFolder, alone: Start, wait_until: Callable[..., None], tmp_path: Path
):
    with systemd.Listener.bind(tmp_path / "notify") as listener:
        alone("absent", NOTIFY_SOCKET=str(listener.path))
        wait_until(lambda: starts(centre, "absent"), "the role")
        assert all("READY=1" not in words for words in listener.heard().values())
    assert rows(centre) == []
