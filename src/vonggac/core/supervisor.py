"""The supervisor: starts the roles, starts again what dies or hangs, ends all of them together.

Roles are forked, not executed anew: what the supervisor imported before (`roles.preload`) is shared copy-on-write by
all of them. So that a fork is safe the supervisor has one thread, no event loop and no database connection; what it
has to tell the centre is told by a short-lived child.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.exc import OperationalError

from vonggac.core import presence, systemd
from vonggac.core.backoff import BackOff
from vonggac.core.clock import utc_now
from vonggac.core.datafolder import DataFolder
from vonggac.core.eventlog import announce
from vonggac.core.log import RateLimit, configure, get_logger
from vonggac.core.role import REFUSED

NAME = "supervisor"
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
HEALTHY_AFTER_S = 60.0
"""A role that lived so long starts its back-off from the beginning."""
STOP_S = 20.0
"""Roles that have not ended so long after SIGTERM are killed."""
SILENCE_S = 60.0
"""A role whose event loop gave no sign of life for so long hangs: it is killed and started again."""
_WAKE_S = 5.0
_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


@dataclass(slots=True)
class SupervisedRole:
    """One role: its name, what it does in its own process (returns the exit status), and how it fares."""

    name: str
    run: Callable[[], int]
    back_off: BackOff = field(default_factory=lambda: BackOff(FIRST_PAUSE_S, LONGEST_PAUSE_S))
    pid: int = 0
    started_s: float = 0.0
    heard_s: float | None = None
    """When it last gave a sign of life; None before it was ready (to start may take long: a large index)."""
    due_s: float = 0.0
    """When it is to be started (again), by the monotonic clock, while `pid` is 0."""


@dataclass(frozen=True, slots=True)
class Death:
    """A role that ended without being asked to."""

    name: str
    pid: int
    status: str
    at: datetime


class Supervisor:
    """Keeps the roles of one data folder alive. `run()` once, from the main thread of its own process."""

    def __init__(self, folder: DataFolder, roles: Sequence[SupervisedRole]) -> None:
        self._folder = folder
        self._roles = list(roles)
        self._log = get_logger()
        self._limit = RateLimit()
        self._untold: deque[Death] = deque(maxlen=100)
        self._telling: tuple[int, list[Death]] | None = None  # the child that tells now, and what
        self._tell_from_s = 0.0
        self._tell_back_off = BackOff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._close_in_child: list[int] = []
        self._mask: set[int] = set()
        self._killed = False

    def run(self) -> int:
        """Start the roles in order and keep them alive until SIGTERM, SIGINT or SIGHUP; return the exit status.

        0: all ended by themselves; 1: some had to be killed. AlreadyRunning when this folder has a supervisor.
        """
        configure(self._folder.settings.log, NAME)
        path = self._folder.socket_path("notify")
        with self._folder.lock(NAME) as lock, systemd.Listener(path) as listener, _blocked(_SIGNALS) as self._mask:
            self._close_in_child = [lock, listener.fileno()]
            self._listener = listener
            # The children's collectors would write into every shared page; what exists now is never collected.
            gc.disable()
            gc.collect()
            gc.freeze()
            self._log.info("The supervisor starts", roles=[role.name for role in self._roles])
            self._start_due()
            systemd.notify("READY=1")
            self._watch()
            systemd.notify("STOPPING=1")
            self._stop()
            self._log.info("The supervisor ends")
        return 1 if self._killed else 0

    def _watch(self) -> None:
        period_s = min(_WAKE_S, (systemd.watchdog_period_s() or 3600.0) / 3)
        while True:
            due = [role.due_s for role in self._roles if not role.pid]
            wait_s = max(0.0, min([period_s, *(moment - time.monotonic() for moment in due)]))
            received = signal.sigtimedwait(_SIGNALS, wait_s)
            if received is not None and received.si_signo != signal.SIGCHLD:
                return
            self._reap()
            self._listen()
            self._start_due()
            self._tell()
            systemd.notify("WATCHDOG=1")

    def _start_due(self) -> None:
        for role in self._roles:
            if not role.pid and role.due_s <= time.monotonic():
                role.pid = self._fork(role.name, role.run)
                role.started_s = time.monotonic()
                role.heard_s = None

    def _reap(self) -> None:
        for pid, status in _ended():
            if self._telling is not None and pid == self._telling[0]:
                self._told(status, self._telling[1])
            role = next((role for role in self._roles if role.pid == pid), None)
            if role is not None:
                self._died(role, status)

    def _died(self, role: SupervisedRole, status: int) -> None:
        now_s = time.monotonic()
        if now_s - role.started_s >= HEALTHY_AFTER_S:
            role.back_off.reset()
        pause_s = role.back_off.next()
        death = Death(role.name, role.pid, _in_words(status), utc_now())
        role.pid = 0
        role.due_s = now_s + pause_s
        held_back = self._limit.passes((role.name, death.status))
        if status == REFUSED:
            # It has said itself which process holds its lock; the centre need not hear of it.
            if held_back is not None:
                self._log.warning("A role runs elsewhere and is tried again", refused=role.name, held_back=held_back)
            return
        self._untold.append(death)
        if held_back is not None:
            self._log.error(
                "A role ended and is started again",
                ended=role.name,
                status=death.status,
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
            elif role.pid and role.heard_s is not None and now_s - role.heard_s > SILENCE_S:
                self._log.error("A role hangs and is killed", hangs=role.name, silent_s=round(now_s - role.heard_s))
                role.heard_s = None
                os.kill(role.pid, signal.SIGKILL)

    def _tell(self) -> None:
        if self._telling is not None or not self._untold or time.monotonic() < self._tell_from_s:
            return
        deaths = list(self._untold)
        self._untold.clear()
        self._telling = (self._fork("notes", lambda: _note(self._folder, deaths)), deaths)

    def _told(self, status: int, deaths: Sequence[Death]) -> None:
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
        deadline_s = time.monotonic() + STOP_S
        while running := [role for role in self._roles if role.pid]:
            if (left_s := deadline_s - time.monotonic()) <= 0:
                for role in running:
                    self._log.error("A role did not end and is killed", killed=role.name, after_s=STOP_S)
                    os.kill(role.pid, signal.SIGKILL)
                self._killed = True
                deadline_s = time.monotonic() + STOP_S
            signal.sigtimedwait({signal.SIGCHLD}, max(0.0, min(left_s, 1.0)))
            for pid, _status in _ended():
                for role in running:
                    role.pid = 0 if role.pid == pid else role.pid

    def _fork(self, name: str, work: Callable[[], int]) -> int:
        """Return the process of a child that does `work` and ends with its status; the child never returns."""
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            self._become_child(name, parent)
            status = work()
        except BaseException:  # noqa: BLE001 - the edge of the process: whatever it was, it is written down
            traceback.print_exc()
        finally:
            # Not through the supervisor's frames: its locks and files are not the child's to clean up.
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _become_child(self, name: str, parent: int) -> None:
        end_with_parent(parent)
        set_process_name(f"vg-{name}")
        for descriptor in self._close_in_child:
            os.close(descriptor)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        systemd.listen_at(str(self._listener.path), SILENCE_S)
        gc.enable()


def end_with_parent(parent: int) -> None:
    """Let this process get SIGTERM when its parent ends, however that ends (prctl(2), PR_SET_PDEATHSIG).

    `parent` is the parent's process as it was before the fork: it may have ended already.
    """
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:
        os._exit(1)


def set_process_name(name: str) -> None:
    """Set the name that top and ps show, at most 15 bytes (prctl(2), PR_SET_NAME)."""
    _prctl(_PR_SET_NAME, name.encode()[:15])


def _prctl(option: int, value: int | bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    argument = ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(value)
    if libc.prctl(option, argument, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _note(folder: DataFolder, deaths: Sequence[Death]) -> int:
    """Tell the centre of deaths: an event each, and their presence ends now instead of when it runs out."""
    configure(folder.settings.log, NAME)
    database = folder.database(threads=1)
    try:
        with database.write() as session:
            for death in deaths:
                presence.forget(session, death.name, death.pid)
                announce(session, "role.died", name=death.name, status=death.status, died_at=death.at.isoformat())
    except OperationalError as error:
        reason = " ".join(str(error.orig).split())
        get_logger().warning("The end of a role cannot be noted in the database yet", reason=reason)
        return 1
    finally:
        database.close()
    return 0


def _ended() -> Iterator[tuple[int, int]]:
    """Yield the children that ended: process and exit status, a signal's number negative."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended[0], os.waitstatus_to_exitcode(ended[1])


def _in_words(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


@contextlib.contextmanager
def _blocked(signals: Sequence[signal.Signals]) -> Iterator[set[int]]:
    """Block signals, so that `sigtimedwait` gets them one by one; yields the mask that was in force before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield set(map(int, before))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
