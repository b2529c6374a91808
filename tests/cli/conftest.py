"""The command line in process, and a centre to use it on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

PASSWORD = "mat-khau-truc-ban"


@pytest.fixture
def vonggac(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`vonggac("camera", "list")`: what the command printed, and its exit status."""
    from vonggac.cli import front_door

    monkeypatch.delenv("VONGGAC_DATA", raising=False)

    def run(*words: object, **environment: str) -> Result:
        return CliRunner(env=environment).invoke(front_door, [str(word) for word in words], prog_name="vonggac")

    return run


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password.txt"
    path.write_text(f"{PASSWORD}\n", "utf-8")
    return path


@pytest.fixture
def centre(vonggac: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new centre, named by VONGGAC_DATA."""
    path = tmp_path / "centre"
    assert vonggac("init", path).exit_code == 0
    monkeypatch.setenv("VONGGAC_DATA", str(path))
    return path
