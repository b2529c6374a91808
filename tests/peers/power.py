"""A disk that remembers, and what a power cut may leave of it.

`LoggedDisk` writes to a real folder and logs every call in true order, `LoggedDatabase` logs each commit with a copy of
the database. `rebuild` makes folder and database as they may be after a cut at any place of the log.

What is taken for granted, and no more (POSIX fsync(2), and what its rationale leaves open):

- What a finished sync of a file covers, namely every write and cut that was finished before the sync began, is there.
- Of later writes and cuts each 4096-byte page is there or is not, in any subset; the length is any that the file had on
  the way; a page within the length that is not there holds what it held before, or zeros.
- A name (of a file or folder made or removed) is safe when its folder was synced afterwards; else it is there or not.
- A commit of the database that was acknowledged is there (SQLite, `synchronous=FULL`); one that was under way is whole
  or not there at all.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session

from vonggac.core.database import Database
from vonggac.video.recorder.disk import Buffer, SystemDisk

PAGE = 4096


@dataclass(frozen=True)
class Event:
    """One finished call. `upto`: for syncs, how much of the log was there when it began."""

    kind: str
    path: Path = Path()
    inode: int = 0
    data: bytes = b""
    at: int = 0
    upto: int = 0
    clock_s: float = 0.0


@dataclass
class Log:
    """Calls in true order; `clock_s` is the scenario's clock."""

    events: list[Event] = field(default_factory=list)
    clock_s: float = 0.0
    files: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, kind: str, **rest: object) -> None:
        self.events.append(Event(kind, clock_s=self.clock_s, **rest))  # type: ignore[arg-type]


class LoggedDisk(SystemDisk):
    """The system's disk, logged."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._inodes: dict[int, int] = {}
        self._sizes: dict[int, int] = {}

    def make_folders(self, path: Path) -> list[Path]:
        with self.log.lock:
            missing = []
            above = path
            while not above.is_dir():
                missing.append(above)
                above = above.parent
            made = super().make_folders(path)
            for folder in reversed(missing):
                self.log.add("mkdir", path=folder)
            return made

    def create(self, path: Path) -> int:
        with self.log.lock:
            descriptor = super().create(path)
            self.log.files += 1
            inode = self._inodes[descriptor] = self.log.files
            self._sizes[inode] = 0
            self.log.add("create", path=path, inode=inode)
            return descriptor

    def append(self, descriptor: int, buffers: Sequence[Buffer]) -> None:
        with self.log.lock:
            super().append(descriptor, buffers)
            inode = self._inodes[descriptor]
            data = b"".join(bytes(one) for one in buffers)
            self.log.add("write", inode=inode, data=data, at=self._sizes[inode])
            self._sizes[inode] += len(data)

    def truncate(self, descriptor: int, size: int) -> None:
        with self.log.lock:
            super().truncate(descriptor, size)
            inode = self._inodes[descriptor]
            if size != self._sizes[inode]:
                self.log.add("truncate", inode=inode, at=size)
            self._sizes[inode] = size

    def sync(self, descriptor: int) -> None:
        with self.log.lock:
            upto = len(self.log.events)
        super().sync(descriptor)
        with self.log.lock:
            self.log.add("sync", inode=self._inodes[descriptor], upto=upto)

    def sync_folder(self, path: Path) -> None:
        with self.log.lock:
            upto = len(self.log.events)
        super().sync_folder(path)
        with self.log.lock:
            self.log.add("sync_folder", path=path, upto=upto)

    def remove(self, path: Path) -> None:
        with self.log.lock:
            super().remove(path)
            self.log.add("remove", path=path)


class LoggedDatabase(Database):
    """A database on SQLite whose commits stand in the log of the disk."""

    def __init__(self, url: str, log: Log) -> None:
        super().__init__(url)
        self._log = log

    @contextmanager
    def write(self) -> Iterator[Session]:
        with super().write() as session:
            yield session
            session.flush()
            with self._log.lock:
                self._log.add("commit begins")
        with self._log.lock:
            self._log.add("commit", data=self.copy())

    def copy(self) -> bytes:
        """Return the database as one file."""
        connection = sqlite3.connect(str(self.url.database))
        try:
            return connection.serialize()
        finally:
            connection.close()


Choice = Callable[[str, int], int]
"""`choice(kind, n)`: one of n possibilities for a `commit`, `name`, `length` or `page`.

0 is always that what was not synced is lost, n - 1 that it is there.
"""


def rebuild(log: Sequence[Event], cut: int, choice: Choice, root: Path, into: Path, database: Path) -> None:
    """Make a folder and a database as they may be after a cut before `log[cut]`; `root` is `into` in the log."""
    done = log[:cut]
    database.write_bytes(_database(log, cut, choice))
    names = _names(done, choice)
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for path, inode in sorted(names.items()):
        target = into / path.relative_to(root)
        if not target.parent.is_dir():
            continue  # the folder's own name was lost, and all that was in it
        if inode == 0:
            target.mkdir()
        else:
            target.write_bytes(_content(done, inode, choice))


def _database(log: Sequence[Event], cut: int, choice: Choice) -> bytes:
    copies = [event.data for event in log[:cut] if event.kind == "commit"]
    under_way = sum(event.kind == "commit begins" for event in log[:cut]) > len(copies)
    if under_way and choice("commit", 2):
        return next(event.data for event in log[cut:] if event.kind == "commit")
    return copies[-1]


def _names(done: Sequence[Event], choice: Choice) -> dict[Path, int]:
    """Return the names that are there, and the file each means (0: a folder)."""
    safe: dict[Path, int] = {}
    for event in done:
        if event.kind == "sync_folder":
            safe[event.path] = max(safe.get(event.path, 0), event.upto)
    names: dict[Path, int] = {}
    for position, event in enumerate(done):
        if event.kind in ("mkdir", "create", "remove") and (
            position < safe.get(event.path.parent, 0) or choice("name", 2)
        ):
            if event.kind == "remove":
                names.pop(event.path, None)
            else:
                names[event.path] = event.inode
    return names


def _content(done: Sequence[Event], inode: int, choice: Choice) -> bytes:
    safe_upto = max((event.upto for event in done if event.kind == "sync" and event.inode == inode), default=0)
    content, safe = bytearray(), b""
    lengths = [0]
    for position, event in enumerate(done):
        if event.inode != inode or event.kind not in ("write", "truncate"):
            continue
        if event.kind == "write":
            content[event.at :] = event.data
        else:
            del content[event.at :]
        if position < safe_upto:
            safe = bytes(content)
            lengths = [len(content)]
        else:
            lengths.append(len(content))
    # On the way a file has also had every length at the end of a page.
    lengths += list(range((min(lengths) // PAGE + 1) * PAGE, max(lengths), PAGE))
    lengths = [lengths[0], *sorted(lengths[1:])]
    length = lengths[choice("length", len(lengths))]
    newest = bytes(content)
    made = bytearray(length)
    for at in range(0, length, PAGE):
        old, new = safe[at : at + PAGE], newest[at : at + PAGE]
        page = new if old == new or choice("page", 2) else old
        made[at : at + len(page)] = page
    return bytes(made[:length])
