"""PostgreSQL's own programs, for backup and restore. Passwords go through the environment, never the command line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa

from vonggac.core.errors import VonggacError
from vonggac.core.log import redact

_DEBIAN = Path("/usr/lib/postgresql")
_LOOK_EVERY_S = 0.2
_LAST_WORDS = 500


def dump(url: sa.URL, target: Path, progress: Callable[[int], None]) -> None:
    """Write a consistent copy of the database into `target` (pg_dump's custom format); `progress` gets its size."""
    _run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"], url, target, progress)


def load(url: sa.URL, source: Path, *, replace: bool) -> None:
    """Bring a dump into a database, all or nothing; with `replace` the tables it has are dropped first."""
    options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
    options += ["--clean", "--if-exists"] if replace else []
    _run("pg_restore", [*options, str(source)], url, source, lambda _size: None)


def _run(program: str, options: Sequence[str], url: sa.URL, watched: Path, progress: Callable[[int], None]) -> None:
    address = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    environment = dict(os.environ) | ({"PGPASSWORD": str(url.password)} if url.password else {})
    environment.setdefault("PGCONNECT_TIMEOUT", "10")
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [_find(program), f"--dbname={address}", "--no-password", *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        try:
            while process.poll() is None:
                progress(watched.stat().st_size if watched.exists() else 0)
                try:
                    process.wait(_LOOK_EVERY_S)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            said.seek(0)
            words = " ".join(redact(said.read(1 << 16).decode("utf-8", "replace")).split())
            raise VonggacError(f"{program} failed: {words[:_LAST_WORDS] or f'exit status {process.returncode}'}")


def _find(program: str) -> str:
    """Return where the program is: on the path, else the newest of Debian's."""
    if found := shutil.which(program):
        return found
    versions = sorted(
        _DEBIAN.glob(f"*/bin/{program}"), key=lambda path: [int(n) for n in re.findall(r"\d+", path.parent.parent.name)]
    )
    if not versions:
        raise VonggacError(
            f"{program} is missing; a PostgreSQL database needs it. On Debian: apt-get install postgresql-client"
        )
    return str(versions[-1])
