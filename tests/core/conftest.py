"""What the tests of the ground share: a centre on disk, a database with its tables, processes beside this one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vonggac.core import schema, secrets
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.settings import FILE_NAME

SETTINGS = """
[web]
port = 0
[metrics]
recorder_port = -1
keeper_port = -1
[log]
format = "json"
"""


def wait_until(condition: Callable[[], object], what: str, limit_s: float = 30.0) -> None:
    """Wait for a condition; the limit only ends a test that would otherwise hang."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain for {what}"
        time.sleep(0.02)


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., None]:
    """`wait_until(condition, what)`: polls until the condition is true."""
    return wait_until


@pytest.fixture
def make_centre(tmp_path: Path) -> Callable[..., DataFolder]:
    """`make_centre(name="centre", url="")`: a data folder with settings, key and tables, without any rows."""

    def make(name: str = "centre", url: str = "") -> DataFolder:
        path = tmp_path / name
        path.mkdir(mode=0o700)
        (path / FILE_NAME).write_text(f'{SETTINGS}\n[database]\nurl = "{url}"\n')
        (path / "media").mkdir()
        folder = DataFolder.open(path)
        secrets.make_key(folder.key_path)
        database = folder.database()
        schema.upgrade(database)
        database.close()
        return folder

    return make


@pytest.fixture
def centre(make_centre: Callable[..., DataFolder]) -> DataFolder:
    """A data folder with settings, key and tables, on SQLite."""
    return make_centre()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with its tables; every test that asks for it runs over SQLite and over PostgreSQL."""
    database = Database(database_url)
    schema.upgrade(database)
    yield database
    database.close()


def heed_signals() -> None:
    """Heed signals also where the tests themselves were started with some of them ignored (nohup, a shell's `&`)."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`start(script or path, *arguments, env=…)`: another Python process, killed when the test ends."""
    running: list[subprocess.Popen[str]] = []

    def begin(program: str | Path, *arguments: object, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        how = [str(program)] if isinstance(program, Path) else ["-c", program]
        process = subprocess.Popen(
            [sys.executable, *how, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
            preexec_fn=heed_signals,  # noqa: PLW1509 - the tests start no threads of their own
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate(timeout=30)
