"""Facts about this machine and this centre, for `doctor` to judge. Nothing here changes anything that stays."""

from __future__ import annotations

import contextlib
import ctypes
import enum
import errno
import os
import resource
import socket
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError

from vonggac.core import schema
from vonggac.core.clock import microseconds, utc_now
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import VonggacError
from vonggac.core.log import redact

_SAMPLE_BYTES = 32 * 2**20
_PIECE_BYTES = 2**20
_SYNCS = 15
_STA_UNSYNC = 0x40
"""<linux/timex.h>"""


@dataclass(frozen=True, slots=True)
class Owner:
    """To whom a file belongs, and its permission bits."""

    user: int
    mode: int


@dataclass(frozen=True, slots=True)
class DiskSpeed:
    """What a small sample on a disk took."""

    bytes_per_s: float
    sync_ms: float
    """Median of a small write with fsync."""


class Port(enum.Enum):
    """What stands at a port."""

    FREE = enum.auto()
    OURS = enum.auto()
    TAKEN = enum.auto()
    FORBIDDEN = enum.auto()
    NO_ADDRESS = enum.auto()


@dataclass(slots=True)
class DatabaseState:
    """What a look at the database gave. With a `failure` the rest means nothing."""

    shown: str
    failure: str = ""
    remedy: str = ""
    version: str = ""
    damage: str = ""
    checked: bool = False
    cameras: int = 0
    bytes_per_s: float = 0.0
    """Recorded over the last day; 0 when nothing was."""


def user() -> int:
    """Return this process's user."""
    return os.geteuid()


def owner(path: Path) -> Owner | None:
    """Return the owner of a file or folder; None when it is not there or may not be seen."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Owner(status.st_uid, status.st_mode & 0o7777)


def sqlite_version() -> tuple[int, ...]:
    """Return the version of the SQLite library."""
    return sqlite3.sqlite_version_info


def free_bytes(path: Path) -> int:
    """Return what an ordinary user may still write to the file system of `path`."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def disk_speed(folder: Path) -> DiskSpeed:
    """Write 32 MiB and some small pieces into `folder`, each synced, and take them away again."""
    piece = os.urandom(_PIECE_BYTES)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        start = time.perf_counter()
        for _ in range(_SAMPLE_BYTES // _PIECE_BYTES):
            file.write(piece)
        os.fsync(file.fileno())
        bytes_per_s = _SAMPLE_BYTES / (time.perf_counter() - start)
        syncs = []
        for _ in range(_SYNCS):
            start = time.perf_counter()
            file.write(piece[:4096])
            os.fsync(file.fileno())
            syncs.append(time.perf_counter() - start)
    return DiskSpeed(bytes_per_s, statistics.median(syncs) * 1000)


def port(host: str, number: int, ours: int | None) -> Port:
    """Return what stands at a TCP port; `ours` is the process of the role it is meant for, None when there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, number))
            sock.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return Port.OURS if ours is not None and _listens(ours, number) else Port.TAKEN
            return Port.FORBIDDEN if error.errno in (errno.EACCES, errno.EPERM) else Port.NO_ADDRESS
    return Port.FREE


def clock_is_synchronised() -> bool | None:
    """Return whether something keeps the system's clock (adjtimex(2)); None when the kernel does not say."""

    class Timex(ctypes.Structure):
        _fields_ = (
            ("modes", ctypes.c_uint),
            *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_long * 40),
        )

    values = Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(values)) < 0:
        return None
    return not values.status & _STA_UNSYNC


def zone_is_known(name: str) -> bool:
    """Return whether the time zone database has the zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True


def open_files_limit() -> int:
    """Return how many files a role may open: the hard limit, to which a role raises its own."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 2**31 - 1 if hard == resource.RLIM_INFINITY else hard


def rmem_max() -> int | None:
    """Return the largest receive buffer a socket may ask for, in bytes; None when the kernel hides it."""
    try:
        return int(Path("/proc/sys/net/core/rmem_max").read_text())
    except (OSError, ValueError):
        return None


def database(folder: DataFolder, limit_s: float | None) -> DatabaseState:
    """Connect, compare the version, check for damage (at most `limit_s` seconds), count cameras and the last day."""
    base = folder.database(threads=1)
    state = DatabaseState("SQLite" if base.is_sqlite else "PostgreSQL")
    try:
        if base.is_sqlite and not Path(str(base.url.database)).exists():
            state.failure = f"{base.url.database} is missing"
            state.remedy = "Make it with: vonggac init DIR; or restore it: vonggac restore FILE --data DIR"
            return state
        schema.check(base)
        state.version = schema.head()
        if base.is_sqlite:
            _check_sqlite(Path(str(base.url.database)), limit_s, state)
        else:
            state.checked = True
        with base.read() as session:
            # By the tables' names, since the packages that own them stand above this one.
            state.cameras = (
                session.scalar(sa.text("SELECT count(*) FROM camera WHERE removed_at IS NULL AND enabled")) or 0
            )
            since = microseconds(utc_now()) - 86_400_000_000
            total = session.scalar(
                sa.text("SELECT sum(size) FROM recorded_hour WHERE hour_us >= :since"), {"since": since}
            )
            state.bytes_per_s = float(total or 0) / 86_400
    except VonggacError as error:
        state.failure, state.remedy = str(error), "Run: vonggac init DIR"
    except OperationalError as error:
        state.failure = f"{state.shown} cannot be used: {redact(' '.join(str(error.orig).split()))}"
        state.remedy = "Start the database server, correct [database] url, or mend the file's permissions."
    except DatabaseError as error:
        state.damage = redact(" ".join(str(error.orig).split()))
    finally:
        base.close()
    return state


def _check_sqlite(path: Path, limit_s: float | None, state: DatabaseState) -> None:
    deadline = None if limit_s is None else time.monotonic() + limit_s
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
        if deadline is not None:
            connection.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
        try:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.OperationalError as error:
            if "interrupt" not in str(error):
                raise
            return
        except sqlite3.DatabaseError as error:
            state.damage = str(error)
            return
    state.checked = True
    state.damage = "" if answer == "ok" else str(answer)


def _listens(process: int, number: int) -> bool:
    import psutil

    try:
        connections = psutil.Process(process).net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == number for c in connections)
