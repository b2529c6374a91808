"""What lies in deploy/ fits the program: units that systemd accepts, roles that exist, time-outs that fit together."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vonggac import roles
from vonggac.core import role, supervisor

DEPLOY = Path(__file__).parents[2] / "deploy"
SYSTEMD = DEPLOY / "systemd"
SERVICES = ["vonggac.service", "vonggac@.service"]
INSTALLED = "/opt/vonggac/.venv/bin/vonggac"


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(SYSTEMD / name, "utf-8")
    return parser


@pytest.mark.slow
def test_systemd_accepts_the_units(tmp_path: Path):
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        # Without systemd at least their form is looked at.
        assert all(unit(name).has_option("Service", "ExecStart") for name in SERVICES)
        return
    program = tmp_path / "vonggac"
    program.write_text(f"#!{sys.executable}\n")
    program.chmod(0o755)
    for source in SYSTEMD.glob("vonggac*.*"):
        # An instance, since systemd looks at no template by itself.
        target = tmp_path / source.name.replace("@.", "@recorder.")
        target.write_text(source.read_text("utf-8").replace(INSTALLED, str(program)), "utf-8")
    names = ["vonggac.service", "vonggac@recorder.service", "vonggac.target"]
    verdict = subprocess.run(
        [analyze, "verify", "--man=no", *names], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    ours = [line for line in verdict.stderr.splitlines() if "vonggac" in line]
    assert (verdict.returncode, ours) == (0, [])


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_runs_a_command_that_exists_as_an_ordinary_user(name: str):
    from vonggac.cli import front_door

    service = unit(name)["Service"]
    program, command, *_ = service["ExecStart"].split()
    assert program == INSTALLED
    assert command in front_door.list_commands(None)  # type: ignore[arg-type]
    assert service["User"] == "vonggac"
    assert service["NoNewPrivileges"] == "yes"
    assert service["Environment"] == "VONGGAC_DATA=/var/lib/vonggac"


def test_the_target_wants_every_role():
    wanted = re.findall(r"vonggac@(\S+)\.service", unit("vonggac.target")["Unit"]["Wants"])
    assert set(wanted) == set(roles.ROLES)


def test_what_must_not_run_beside_it_is_excluded():
    assert unit("vonggac.service")["Unit"]["Conflicts"] == "vonggac.target"
    assert unit("vonggac.target")["Unit"]["Conflicts"] == "vonggac.service"
    assert unit("vonggac@.service")["Unit"]["Conflicts"] == "vonggac.service"


def test_who_ends_a_role_waits_longer_than_whom_it_ends():
    assert role.FINISH_S + role.CANCEL_S < supervisor.Limits().stop_s < role.LAST_RESORT_S
    for name in SERVICES:
        assert float(unit(name)["Service"]["TimeoutStopSec"]) > role.LAST_RESORT_S


def test_the_container_starts_what_the_units_start():
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    assert 'ENTRYPOINT ["vonggac"]' in text
    assert 'CMD ["up"]' in text
    assert "USER vonggac" in text
    assert "make setup" in text, "the locked requirements, with their hashes"
