"""`vonggac doctor`: what is wrong with this machine and this centre, and what to do.

`examine` collects facts with `probes` and judges them with the pure functions below; every finding has plain words.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vonggac.core import probes
from vonggac.core.clock import utc_now
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import VonggacError

MB = 1_000_000
ASSUMED_BITS_PER_S = 2_000_000
"""What a camera is taken to send before anything was measured."""
LARGEST_BITS_PER_S = 8_000_000
"""What a large camera sends: the socket's buffer must hold four pauses of it."""
FILES_PER_CAMERA = 4
FILES_BESIDES = 256
_BUILT_IN = 2026
"""A clock before the year this was written is wrong."""
_SLOW_SYNC_MS = 150.0
_FEW_DAYS = 3.0


class Level(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was found, and what to do unless all is well."""

    check: str
    level: Level
    found: str
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """Return a good finding."""
    return Finding(check, Level.OK, found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """Return a finding that needs somebody some day."""
    return Finding(check, Level.WARNING, found, remedy)


def fault(check: str, found: str, remedy: str) -> Finding:
    """Return a finding that stops the centre or loses recordings."""
    return Finding(check, Level.FAULT, found, remedy)


@dataclass(frozen=True, slots=True)
class Load:
    """What this machine has to record."""

    cameras: int
    bytes_per_s: float
    measured: bool
    """Whether the rate is that of the last day, or assumed."""


def judge_versions(python: tuple[int, ...], sqlite: tuple[int, ...]) -> Finding:
    """Python 3.11; SQLite 3.35 (RETURNING, which SQLAlchemy uses)."""
    shown = f"Python {'.'.join(map(str, python[:3]))}, SQLite {'.'.join(map(str, sqlite))}"
    if python < (3, 11):
        return fault("versions", shown, "Install Python 3.11 or newer and make the virtual environment anew.")
    if sqlite < (3, 35):
        return fault("versions", shown, "Install a Python whose SQLite is 3.35 or newer (Debian 12 has one).")
    return ok("versions", shown)


def judge_access(check: str, path: Path, owner: probes.Owner | None, us: int, allowed: int) -> Finding:
    """A file or folder must belong to this user and have no permission bits beyond `allowed`."""
    if owner is None:
        return fault(check, f"{path} is missing", "Restore it from a backup: vonggac restore FILE --data DIR")
    if owner.user != us:
        judge = warning if us == 0 else fault
        return judge(check, f"{path} belongs to user {owner.user}, this is user {us}", "Run as the user who owns it.")
    if owner.mode & ~allowed & 0o777:
        return warning(
            check, f"{path} has mode {owner.mode:04o}: others may read it", f"Close it: chmod {allowed:o} {path}"
        )
    return ok(check, f"{path} belongs to this user, mode {owner.mode:04o}")


def judge_space(path: Path, free: int, reserve: int, load: Load) -> Finding:
    """Free space on a volume against the reserve, and for how many days it lasts."""
    check = "space"
    room = free - reserve
    basis = "as in the last day" if load.measured else f"assuming {ASSUMED_BITS_PER_S / 1e6:g} Mbit/s a camera"
    if room <= 0:
        return fault(
            check,
            f"{path} has {_size(free)} free; {_size(reserve)} must stay free, so nothing more is recorded there",
            "Free some space, add a volume ([storage] media), or lower [storage] reserve_mb.",
        )
    if load.bytes_per_s <= 0:
        return ok(check, f"{path} has {_size(free)} free")
    days = room / load.bytes_per_s / 86_400
    found = f"{path} has {_size(free)} free: room for {days:.1f} days of {load.cameras} cameras ({basis})"
    if days < _FEW_DAYS:
        return warning(check, found, "Add a volume ([storage] media) or a larger disk.")
    return ok(check, found)


def judge_speed(path: Path, speed: probes.DiskSpeed, load: Load) -> Finding:
    """A volume must take twice what the cameras send, and a sync must not take long."""
    check = "disk speed"
    found = f"{path} takes {_size(speed.bytes_per_s)}/s; a sync takes {speed.sync_ms:.1f} ms"
    if speed.bytes_per_s < load.bytes_per_s:
        return fault(check, f"{found}; the cameras send {_size(load.bytes_per_s)}/s", "Use a faster disk, or several.")
    if speed.bytes_per_s < 2 * load.bytes_per_s:
        return warning(
            check, f"{found}; the cameras send {_size(load.bytes_per_s)}/s", "Use a faster disk, or several."
        )
    if speed.sync_ms > _SLOW_SYNC_MS:
        return warning(check, found, "See what else writes to this disk; raise [recorder] sync_seconds if it must be.")
    return ok(check, found)


def judge_port(role: str, host: str, port: int, state: probes.Port) -> Finding:
    """A port must be free, or held by the running role it is meant for."""
    check = f"port {port}"
    if state is probes.Port.FREE:
        return ok(check, f"{host}:{port} is free for {role}")
    if state is probes.Port.OURS:
        return ok(check, f"{host}:{port} is served by the running {role}")
    option = "[web] port" if role == "web" else f"[metrics] {role}_port"
    remedy = f"Stop what uses it (ss -ltnp 'sport = :{port}'), or set another {option}."
    if state is probes.Port.NO_ADDRESS:
        return fault(check, f"{host} is no address of this machine", "Correct the host in [web] or [metrics].")
    if state is probes.Port.FORBIDDEN:
        return fault(check, f"this user may not use {host}:{port}", f"Set {option} to 1024 or more.")
    return (fault if role == "web" else warning)(check, f"{host}:{port} is used by another program", remedy)


def judge_clock(now: datetime, synchronised: bool | None) -> Finding:
    """Recordings are evidence of a time: the clock must be set, and kept by NTP."""
    check = "clock"
    found = f"the clock says {now:%Y-%m-%d %H:%M:%S} UTC"
    if not _BUILT_IN <= now.year < _BUILT_IN + 50:
        return fault(check, found, "Set the clock: timedatectl set-time, or better: apt-get install chrony")
    if synchronised is None:
        return warning(check, f"{found}; whether NTP keeps it cannot be seen here", "Look at it with: timedatectl")
    if not synchronised:
        return warning(check, f"{found}; NTP does not keep it", "Let NTP keep it: apt-get install chrony")
    return ok(check, f"{found} and is kept by NTP")


def judge_zone(name: str, known: bool) -> Finding:
    """The centre's time zone must be in the time zone database."""
    if known:
        return ok("time zone", name)
    return fault("time zone", f"{name} is not known here", "Correct [centre] zone, or: apt-get install tzdata")


def judge_files(limit: int, cameras: int) -> Finding:
    """A recorder needs a socket and up to three files a camera."""
    needed = cameras * FILES_PER_CAMERA + FILES_BESIDES
    found = f"{limit} files may be open; {cameras} cameras need {needed}"
    if limit < needed:
        return fault("open files", found, f"Raise the limit: LimitNOFILE={needed * 2} in the unit, or ulimit -Hn.")
    return ok("open files", found)


def judge_receive_buffer(rmem_max: int | None, pause_ms: int) -> Finding:
    """The kernel must grant a socket four pauses of a large camera; otherwise it is read more often than needed."""
    check = "receive buffer"
    needed = 4 * pause_ms * LARGEST_BITS_PER_S // 8000
    if rmem_max is None:
        return ok(check, "net.core.rmem_max cannot be seen here; cameras are read as often as their buffer needs")
    found = f"net.core.rmem_max is {rmem_max}; a camera of 8 Mbit/s read every {pause_ms} ms needs {needed}"
    if rmem_max < needed:
        return warning(
            check,
            f"{found}: it is read more often, which costs processor time",
            f"Put net.core.rmem_max={needed} into /etc/sysctl.d/vonggac.conf and run: sysctl --system",
        )
    return ok(check, found)


def examine(folder: DataFolder, *, thorough: bool = False) -> Iterator[Finding]:
    """Look at everything; yields findings as they are made (disk and database take a second or two).

    `thorough` lets the check of the database take as long as it needs.
    """
    settings = folder.settings
    us = probes.user()
    yield judge_versions(tuple(sys.version_info[:3]), probes.sqlite_version())
    yield judge_access("data folder", folder.path, probes.owner(folder.path), us, 0o750)
    yield judge_access("key", folder.key_path, probes.owner(folder.key_path), us, 0o600)
    yield from _examine_key(folder)
    yield judge_clock(utc_now(), probes.clock_is_synchronised())
    yield judge_zone(settings.centre.zone, probes.zone_is_known(settings.centre.zone))
    yield judge_receive_buffer(probes.rmem_max(), settings.recorder.read_pause_ms)
    for role, host, port in (
        ("web", settings.web.host, settings.web.port),
        ("recorder", settings.metrics.host, settings.metrics.recorder_port),
        ("keeper", settings.metrics.host, settings.metrics.keeper_port),
    ):
        if port > 0:
            yield judge_port(role, host, port, probes.port(host, port, folder.lock_owner(role)))
    load, findings = _examine_database(folder, thorough)
    yield from findings
    yield judge_files(probes.open_files_limit(), load.cameras)
    for path in folder.media_paths:
        yield from _examine_volume(path, settings.storage.reserve_mb * MB, load)


def worst(findings: Iterable[Finding]) -> Level:
    """Return the worst level of the findings."""
    levels = {finding.level for finding in findings}
    return next((level for level in (Level.FAULT, Level.WARNING) if level in levels), Level.OK)


def _examine_key(folder: DataFolder) -> Iterator[Finding]:
    if folder.key_path.exists():
        try:
            folder.secret_box()
        except VonggacError as error:
            yield fault("key", str(error), "Restore the data folder's keys from a backup made with them.")


def _examine_database(folder: DataFolder, thorough: bool) -> tuple[Load, list[Finding]]:
    state = probes.database(folder, limit_s=None if thorough else 5.0)
    load = Load(state.cameras, state.bytes_per_s or state.cameras * ASSUMED_BITS_PER_S / 8, state.bytes_per_s > 0)
    if state.failure:
        return load, [fault("database", state.failure, state.remedy)]
    if state.damage:
        return load, [
            fault("database", f"{state.shown} is damaged: {state.damage}", "Restore the last good backup elsewhere.")
        ]
    extent = (
        "its check found nothing" if state.checked else "its check was cut short after 5 s (--thorough finishes it)"
    )
    return load, [ok("database", f"{state.shown}, version {state.version}; {extent}")]


def _examine_volume(path: Path, reserve: int, load: Load) -> Iterator[Finding]:
    where = "Mount its disk, or correct [storage] media and run: vonggac init DIR"
    if not path.is_dir():
        yield fault("volume", f"{path} is not there", where)
        return
    try:
        speed = probes.disk_speed(path)
        free = probes.free_bytes(path)
    except OSError as error:
        yield fault("volume", f"{path} cannot be written: {error.strerror}", "Mend the disk, or its permissions.")
        return
    yield judge_space(path, free, reserve, load)
    yield judge_speed(path, speed, load)


def _size(amount: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}" if amount < 100 else f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
