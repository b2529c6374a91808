"""A throw-away PostgreSQL server from Debian's package: its own cluster, reached by a socket only, gone afterwards."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

_OWNER = "postgres"
_START_TIMEOUT_S = 30.0

# The kernel stops the server when the tests are killed (util-linux, prctl(2) PR_SET_PDEATHSIG).
_NOT_WITHOUT_US = ["setpriv", "--pdeathsig", "QUIT", "--"]

_SETTINGS = {
    "listen_addresses": "",  # Nothing but the socket: no port to collide with.
    "fsync": "off",  # A cluster that is thrown away need not survive a power cut.
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "log_min_messages": "fatal",
}


class PostgresServer:
    """One server, from entering the block to leaving it; `new_database` gives each test an empty database."""

    def __init__(self) -> None:
        self._programs = programs()
        # PostgreSQL refuses to run as root; then all of it belongs to the user that Debian's package made.
        self._as_owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam(_OWNER)
            self._as_owner = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        # Directly below the system's own: the folders of pytest are closed to other users, and socket paths short.
        self.folder = Path(tempfile.mkdtemp(prefix="vonggac-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> PostgresServer:
        if self._as_owner:
            os.chown(self.folder, self._as_owner["user"], self._as_owner["group"])
        cluster = self.folder / "cluster"
        self._run(
            "initdb", "-U", _OWNER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D", str(cluster)
        )
        settings = [
            f"-c{key}={value}" for key, value in (_SETTINGS | {"unix_socket_directories": str(self.folder)}).items()
        ]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*_NOT_WITHOUT_US, str(self._programs / "postgres"), "-D", str(cluster), *settings],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._as_owner,
            )
        self._wait_until_it_answers()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # "Immediate" shutdown: nothing of it is kept.
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self) -> str:
        """Make an empty database and return its address as SQLAlchemy takes it."""
        name = f"empty_{next(self._numbers)}"
        self._run("createdb", "-h", str(self.folder), "-U", _OWNER, name)
        return self.url(name)

    def url(self, database: str) -> str:
        """Return the address of a database of this server."""
        return f"postgresql+psycopg://{_OWNER}@/{database}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            **self._as_owner,
        )
        assert done.returncode == 0, f"{program} failed: {done.stderr.strip()}"

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        end = time.monotonic() + _START_TIMEOUT_S
        ask = [str(self._programs / "pg_isready"), "-q", "-h", str(self.folder), "-U", _OWNER]
        while subprocess.run(ask, cwd=self.folder).returncode != 0:
            said = (self.folder / "log").read_text(errors="replace")
            assert self._process.poll() is None, f"PostgreSQL did not start: {said}"
            assert time.monotonic() < end, f"PostgreSQL did not answer within {_START_TIMEOUT_S:g} s: {said}"
            time.sleep(0.05)


def programs() -> Path:
    """Return the folder of the newest PostgreSQL: Debian keeps the server's programs off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    assert found or on_path, "PostgreSQL is not installed; on Debian: make debian"
    return found[-1].parent if found else Path(str(on_path)).parent
