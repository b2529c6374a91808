"""The supervisor: starts again what dies or hangs, ends all roles together.

It inherits the roles from the nursery, which forked them and then executed this module in its own place. It is to
be small and to live for months: it imports next to nothing, and needs neither settings nor database (what it has to
tell the centre is told by `obituary`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from vonggac.core import process, systemd
from vonggac.core.backoff import BackOff
from vonggac.core.ratelimit import RateLimit

NAME = "supervisor"
"""Of its lock, and in its lines of the log."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
"""While a recorder is waited for nothing is recorded; one that ends at once costs a second of a processor each time."""
HEALTHY_AFTER_S = 10.0
"""A role that lived so long did its work: its back-off starts from the beginning."""
REFUSED = 75
"""Exit status of a role whose lock another process holds: try again later (EX_TEMPFAIL of sysexits(3))."""
SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Blocked for good, and taken one by one."""
_WAKE_S = 5.0
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long roles may take."""

    stop_s: float = 20.0
    """Roles that have not ended so long after SIGTERM are killed."""
    silence_s: float = 60.0
    """A role whose event loop gave no sign of life for so long hangs: it is killed and started again."""


@dataclass(slots=True)
class RunningRole:
    """One role and how it fares."""

    name: str
    command: list[str]
    pid: int
    started_s: float = field(default_factory=time.monotonic)
    heard_s: float | None = None
    """When it last gave a sign of life; None before it was ready (to start may take long: a large index)."""
    due_s: float = 0.0
    """When it is to be started again, by the monotonic clock, while `pid` is 0."""


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What the nursery leaves: descriptors that stay open, the log's form, and the roles, which run already."""

    data: str
    lock: int
    listener: int
    listener_path: str
    mask: list[int]
    """Signals that were blocked before; roles get it back."""
    as_json: bool
    level: str
    limits: Limits
    roles: list[RunningRole]


def pause_after(back_off: BackOff, lived_s: float) -> float:
    """Return how long to wait before a role is started again that lived so long."""
    if lived_s >= HEALTHY_AFTER_S:
        back_off.reset()
    return back_off.next()


class LineLog:
    """Writes lines like those of the other processes, without what their log imports."""

    def __init__(self, *, as_json: bool, level: str) -> None:
        self._as_json = as_json
        self._least = _LEVELS.index(level)

    def info(self, event: str, **fields: object) -> None:
        """Write a line that is no cause for concern."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Write a line that somebody should see some day."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Write a line that somebody should see."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        if _LEVELS.index(level) < self._least:
            return
        moment = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        if self._as_json:
            line = {**fields, "event": event, "role": NAME, "level": level, "timestamp": moment}
            text = json.dumps(line, ensure_ascii=False)
        else:
            text = f"{moment} [{level:9}] {event:30} role={NAME}" + "".join(f" {k}={v}" for k, v in fields.items())
        # A terminal or a journal that went away stops no recording.
        with contextlib.suppress(OSError):
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


class Supervisor:
    """Keeps the roles of one data folder alive. `run()` once."""

    def __init__(self, inheritance: Inheritance, listener: systemd.Listener) -> None:
        self._data = inheritance.data
        self._limits = inheritance.limits
        self._mask = inheritance.mask
        self._roles = inheritance.roles
        self._back_offs = {role.name: BackOff(FIRST_PAUSE_S, LONGEST_PAUSE_S) for role in inheritance.roles}
        self._listener = listener
        self._log = LineLog(as_json=inheritance.as_json, level=inheritance.level)
        self._limit = RateLimit()
        self._untold: deque[dict[str, str]] = deque(maxlen=100)
        self._telling: tuple[int, list[dict[str, str]]] | None = None  # the child that tells now, and what
        self._tell_from_s = 0.0
        self._tell_back_off = BackOff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._killed = False

    def run(self) -> int:
        """Keep the roles alive until SIGTERM, SIGINT or SIGHUP, then end them; return the exit status.

        0: all ended by themselves; 1: some had to be killed.
        """
        self._log.info("The supervisor starts", roles=[role.name for role in self._roles])
        systemd.notify("READY=1")
        self._watch()
        systemd.notify("STOPPING=1")
        self._stop()
        self._log.info("The supervisor ends")
        return 1 if self._killed else 0

    def _watch(self) -> None:
        period_s = min(_WAKE_S, (systemd.watchdog_period_s() or 3600.0) / 3, self._limits.silence_s / 2)
        while True:
            self._reap()
            self._listen()
            self._start_due()
            self._tell()
            systemd.notify("WATCHDOG=1")
            due = [role.due_s for role in self._roles if not role.pid]
            wait_s = max(0.0, min([period_s, *(moment - time.monotonic() for moment in due)]))
            received = signal.sigtimedwait(SIGNALS, wait_s)
            if received is not None and received.si_signo != signal.SIGCHLD:
                return

    def _reap(self) -> None:
        for pid, status in process.ended_children():
            if self._telling is not None and pid == self._telling[0]:
                self._told(status, self._telling[1])
            role = next((role for role in self._roles if role.pid == pid), None)
            if role is not None:
                self._died(role, status)

    def _died(self, role: RunningRole, status: int) -> None:
        now_s = time.monotonic()
        pause_s = pause_after(self._back_offs[role.name], now_s - role.started_s)
        words = process.status_in_words(status)
        pid, role.pid = role.pid, 0
        role.due_s = now_s + pause_s
        held_back = self._limit.passes((role.name, words))
        if status == REFUSED:
            # It has said itself which process holds its lock; the centre need not hear of it.
            if held_back is not None:
                self._log.warning("A role runs elsewhere and is tried again", refused=role.name, held_back=held_back)
            return
        moment = datetime.now(UTC).isoformat()
        self._untold.append({"name": role.name, "pid": str(pid), "status": words, "at": moment})
        if held_back is not None:
            self._log.error(
                "A role ended and is started again",
                ended=role.name,
                status=words,
                in_s=round(pause_s, 1),
                held_back=held_back,
            )

    def _listen(self) -> None:
        heard = self._listener.heard()
        now_s = time.monotonic()
        for role in self._roles:
            words = heard.get(role.pid, set())
            if "READY=1" in words or ("WATCHDOG=1" in words and role.heard_s is not None):
                role.heard_s = now_s
            elif role.pid and role.heard_s is not None and now_s - role.heard_s > self._limits.silence_s:
                self._log.error("A role hangs and is killed", hangs=role.name, silent_s=round(now_s - role.heard_s))
                role.heard_s = None
                os.kill(role.pid, signal.SIGKILL)

    def _start_due(self) -> None:
        for role in self._roles:
            if not role.pid and role.due_s <= time.monotonic():
                role.pid = self._execute(role.command)
                role.started_s = time.monotonic()
                role.heard_s = None

    def _tell(self) -> None:
        if self._telling is not None or not self._untold or time.monotonic() < self._tell_from_s:
            return
        deaths = list(self._untold)
        self._untold.clear()
        command = [sys.executable, "-m", "vonggac.core.obituary", self._data, json.dumps(deaths)]
        self._telling = (self._execute(command), deaths)

    def _told(self, status: int, deaths: Sequence[dict[str, str]]) -> None:
        self._telling = None
        if status == 0:
            self._tell_back_off.reset()
        else:
            self._untold.extendleft(reversed(deaths))
            self._tell_from_s = time.monotonic() + self._tell_back_off.next()

    def _stop(self) -> None:
        self._log.info("The roles are asked to end")
        for role in self._roles:
            if role.pid:
                os.kill(role.pid, signal.SIGTERM)
        deadline_s = time.monotonic() + self._limits.stop_s
        while running := [role for role in self._roles if role.pid]:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                for role in running:
                    self._log.error("A role did not end and is killed", killed=role.name, after_s=self._limits.stop_s)
                    os.kill(role.pid, signal.SIGKILL)
                self._killed = True
                deadline_s = time.monotonic() + self._limits.stop_s
            signal.sigtimedwait({signal.SIGCHLD}, max(0.0, min(left_s, 1.0)))
            for pid, _status in process.ended_children():
                for role in running:
                    role.pid = 0 if role.pid == pid else role.pid

    def _execute(self, command: Sequence[str]) -> int:
        """Return the process of a child that executes a command, speaks to our listener, and ends with us."""
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            process.end_with_parent(parent)
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
            systemd.speak_to(str(self._listener.path), self._limits.silence_s)
            os.execv(command[0], list(command))  # noqa: S606
        finally:
            os._exit(1)


def inherit(will: int) -> Inheritance:
    """Read what the nursery left behind a descriptor, and keep all that was left from our own children."""
    with os.fdopen(will, "rb") as file:
        file.seek(0)
        left = json.load(file)
    left["limits"] = Limits(**left["limits"])
    left["roles"] = [RunningRole(**role) for role in left["roles"]]
    inheritance = Inheritance(**left)
    for descriptor in (inheritance.lock, inheritance.listener):
        os.set_inheritable(descriptor, False)
    return inheritance


@contextlib.contextmanager
def _lock_until_the_end(lock: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(lock)


def main(will: int) -> int:
    """Be the supervisor of what was inherited; return the exit status."""
    process.set_name("vg-supervisor")
    inheritance = inherit(will)
    listener = systemd.Listener.adopt(inheritance.listener, Path(inheritance.listener_path))
    with _lock_until_the_end(inheritance.lock), listener:
        return Supervisor(inheritance, listener).run()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
