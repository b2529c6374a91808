"""The supervisor with real processes: what dies is started again, what hangs is killed, all end together."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from vonggac.core.backoff import BackOff
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import AlreadyRunning
from vonggac.core.eventlog import EventRow
from vonggac.core.presence import RoleRow
from vonggac.core.supervisor import FIRST_PAUSE_S, HEALTHY_AFTER_S, LONGEST_PAUSE_S, pause_after

pytestmark = pytest.mark.slow

SMALL_ROLES = Path(__file__).with_name("small_roles.py")
Start = Callable[..., subprocess.Popen[str]]
Wait = Callable[..., None]


@pytest.fixture
def up(centre: DataFolder, start: Start) -> Callable[..., subprocess.Popen[str]]:
    """`up("steady", "crashing", SILENCE_S="2")`: a supervisor with these roles."""

    def begin(*kinds: str, **environment: str) -> subprocess.Popen[str]:
        return start(SMALL_ROLES, centre.path, *kinds, env=os.environ | environment)

    return begin


def pids(centre: DataFolder, kind: str) -> list[int]:
    path = centre.path / f"{kind}.starts"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def query(centre: DataFolder, statement: sa.Select[tuple[EventRow]] | sa.Select[tuple[RoleRow]]) -> list[object]:
    database = centre.database()
    with database.read() as session:
        found: list[object] = list(session.scalars(statement))
    database.close()
    return found


def deaths(centre: DataFolder) -> list[dict[str, str]]:
    return [row.payload for row in query(centre, sa.select(EventRow).where(EventRow.topic == "role.died"))]


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def stop(process: subprocess.Popen[str]) -> list[dict[str, object]]:
    process.send_signal(signal.SIGTERM)
    _, written = process.communicate(timeout=60)
    return [json.loads(line) for line in written.splitlines() if line.startswith("{")]


def test_a_role_that_crashes_is_started_again_with_growing_pauses(centre: DataFolder, up: Start, wait_until: Wait):
    process = up("crashing", "steady")
    wait_until(lambda: len(pids(centre, "crashing")) >= 4, "four starts")
    wait_until(lambda: len(deaths(centre)) >= 3, "the centre to hear of it")
    said = stop(process)
    assert process.returncode == 0
    assert len(pids(centre, "steady")) == 1, "the others are not touched"
    assert {(death["name"], death["status"]) for death in deaths(centre)} == {("crashing", "SIGKILL")}
    started = [line["timestamp"] for line in said if line["event"] == "The role starts" and line["role"] == "crashing"]
    moments = [datetime.fromisoformat(str(moment)) for moment in started[:4]]
    pauses = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(moments)]
    assert [pause >= least for pause, least in zip(pauses, (0.25, 0.5, 1.0), strict=True)] == [True, True, True]


def test_a_role_that_did_its_work_is_started_again_at_once_however_often_it_is_killed():
    back_off = BackOff(FIRST_PAUSE_S, LONGEST_PAUSE_S, lambda: 1.0)
    assert [pause_after(back_off, HEALTHY_AFTER_S) for _ in range(40)] == [FIRST_PAUSE_S] * 40
    assert [pause_after(back_off, 1.0) for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_the_log_says_once_a_minute_that_a_role_dies(centre: DataFolder, up: Start, wait_until: Wait):
    process = up("failing")
    wait_until(lambda: len(pids(centre, "failing")) >= 3, "three starts")
    said = [line for line in stop(process) if line["event"] == "A role ended and is started again"]
    assert [(line["ended"], line["status"]) for line in said] == [("failing", "exit status 1")]


def test_a_dead_role_is_no_longer_listed(centre: DataFolder, up: Start, wait_until: Wait):
    up("steady")
    wait_until(lambda: pids(centre, "steady"), "the role")
    [first] = pids(centre, "steady")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(pids(centre, "steady")) == 2, "the second start")
    wait_until(lambda: deaths(centre), "the note")
    [row] = query(centre, sa.select(RoleRow))
    assert isinstance(row, RoleRow)
    assert row.pid == pids(centre, "steady")[1]


def test_a_role_that_hangs_is_killed_and_started_again(centre: DataFolder, up: Start, wait_until: Wait):
    process = up("hanging", "steady", SILENCE_S="1.5", STOP_S="1")
    wait_until(lambda: len(pids(centre, "hanging")) >= 2, "the second start")
    said = stop(process)
    assert any(line["event"] == "A role hangs and is killed" and line["hangs"] == "hanging" for line in said)
    assert len(pids(centre, "steady")) == 1, "who gives signs of life is left alone"


def test_a_signal_ends_all_roles_in_order(centre: DataFolder, up: Start, wait_until: Wait):
    process = up("steady", "absent")
    wait_until(lambda: pids(centre, "steady") and pids(centre, "absent"), "the roles")
    children = pids(centre, "steady") + pids(centre, "absent")
    stop(process)
    assert process.returncode == 0
    assert (centre.path / "steady.tidied").exists()
    assert all(gone(pid) for pid in children)
    assert query(centre, sa.select(RoleRow)) == []


def test_a_role_that_does_not_end_is_killed(centre: DataFolder, up: Start, wait_until: Wait):
    process = up("stubborn", "steady", STOP_S="1")
    wait_until(lambda: pids(centre, "stubborn") and pids(centre, "steady"), "the roles")
    said = stop(process)
    assert process.returncode == 1
    assert [line["killed"] for line in said if line["event"] == "A role did not end and is killed"] == ["stubborn"]
    assert gone(pids(centre, "stubborn")[0])


def test_roles_end_with_a_killed_supervisor_and_the_next_one_starts(centre: DataFolder, up: Start, wait_until: Wait):
    process = up("steady")
    wait_until(lambda: pids(centre, "steady"), "the role")
    process.kill()
    process.wait(30)
    wait_until(lambda: gone(pids(centre, "steady")[0]), "the role to end")
    assert (centre.path / "steady.tidied").exists(), "it had time to close its files"
    up("steady")
    wait_until(lambda: len(pids(centre, "steady")) == 2, "the next one")


def test_a_folder_has_one_supervisor_and_its_children_do_not_hold_its_lock(
    centre: DataFolder, up: Start, wait_until: Wait
):
    process = up("stubborn")
    wait_until(lambda: pids(centre, "stubborn"), "the role")
    with pytest.raises(AlreadyRunning), centre.lock("supervisor"):
        raise AssertionError("two supervisors")
    process.kill()
    process.wait(30)
    assert not gone(pids(centre, "stubborn")[0])
    with centre.lock("supervisor"):
        pass
    os.kill(pids(centre, "stubborn")[0], signal.SIGKILL)


def test_a_role_that_runs_elsewhere_is_reported_and_tried_again(centre: DataFolder, up: Start, wait_until: Wait):
    with centre.lock("steady"):
        process = up("steady", "absent")
        wait_until(lambda: pids(centre, "absent"), "the other role")
        time.sleep(1)
        assert pids(centre, "steady") == []
    wait_until(lambda: pids(centre, "steady"), "the role, once its lock is free")
    said = stop(process)
    assert any(f"process {os.getpid()}" in str(line.get("reason")) for line in said)
    assert deaths(centre) == [], "nobody died"


def test_a_database_that_is_away_hears_of_a_death_later(centre: DataFolder, up: Start, wait_until: Wait):
    process = up("steady")
    wait_until(lambda: pids(centre, "steady"), "the role")
    database, away = centre.path / "vonggac.db", centre.path / "away"
    database.rename(away)
    os.kill(pids(centre, "steady")[0], signal.SIGKILL)
    time.sleep(1.5)
    for stray in centre.path.glob("vonggac.db*"):
        stray.unlink()
    away.rename(database)
    wait_until(lambda: deaths(centre), "the note")
    said = stop(process)
    assert any("cannot be noted" in str(line["event"]) for line in said)
