"""The data folder: what lies where, and the locks of the roles.

vonggac.toml      settings                     keys/secret.key   encrypts stored secrets; back it up apart
vonggac.db        the database (if SQLite)     media/            recordings (one volume; more by setting)
run/              locks and sockets of the running roles
clips/            clips that people asked for; each goes after a day
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vonggac.core import secrets, settings
from vonggac.core.database import Database
from vonggac.core.errors import AlreadyRunning, VonggacError
from vonggac.core.settings import Settings

_SOCKET_PATH_LIMIT = 100
"""A Unix socket's address holds 108 bytes (unix(7))."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """One centre on disk."""

    path: Path
    settings: Settings

    @classmethod
    def open(cls, path: Path) -> DataFolder:
        """Return the folder with its settings; NotInitialised when it is none."""
        return cls(path.resolve(), settings.load(path.resolve()))

    @property
    def database_url(self) -> str:
        """Where the database is."""
        return self.settings.database.url or f"sqlite:///{self.path / 'vonggac.db'}"

    @property
    def key_path(self) -> Path:
        """The key of stored secrets."""
        return self.path / "keys" / "secret.key"

    @property
    def media_paths(self) -> list[Path]:
        """The volumes' folders, absolute."""
        return [self.path / name for name in self.settings.storage.media]

    @property
    def clips_path(self) -> Path:
        """Where clips lie until they are fetched: no volume of recordings."""
        return self.path / "clips"

    def database(self, threads: int = 2) -> Database:
        """Connect to the database."""
        return Database(self.database_url, threads=threads)

    def secret_box(self) -> secrets.SecretBox:
        """Return what opens stored secrets."""
        return secrets.load_key(self.key_path)

    def socket_path(self, name: str) -> Path:
        """Return where a role's socket lies: in run/, or in a private folder when that path is too long."""
        path = self.path / "run" / f"{name}.sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            return path
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"vonggac-{os.getuid()}-{digest}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise VonggacError(f"{folder} belongs to another user. Remove it, or give the data folder a shorter path.")
        return folder / f"{name}.sock"

    @contextmanager
    def lock(self, role: str) -> Iterator[int]:
        """Hold the lock of a role while the block runs; AlreadyRunning when another process has it.

        The kernel lets go of it when the process ends, however it ends; but a forked child holds it too, until it
        closes the descriptor that the block gets.
        """
        folder = self.path / "run"
        folder.mkdir(mode=0o700, exist_ok=True)
        with (folder / f"{role}.lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise AlreadyRunning(
                    f"The role {role} of {self.path} is already running (process {owner}). Stop that one first."
                ) from None
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield file.fileno()

    def lock_owner(self, role: str) -> int | None:
        """Return the process that wrote itself into the lock of a role; None when none did. It may have ended since."""
        try:
            owner = (self.path / "run" / f"{role}.lock").read_text().strip()
        except OSError:
            return None
        return int(owner) if owner.isdigit() else None
