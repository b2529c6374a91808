"""The first minute of `vonggac up`: forks the roles, then becomes the supervisor.

Roles are forked, not executed anew: what was imported before (`roles.preload`) is shared copy-on-write by all of them.
So that a fork is safe this process has one thread, no event loop and no database connection. Once the roles run it has
no more use for all that it imported, and executes the supervisor in its own place: same process, same children, a
quarter of the memory.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import NoReturn

from vonggac.core import process, systemd
from vonggac.core.datafolder import DataFolder
from vonggac.core.supervisor import NAME, SIGNALS, Inheritance, Limits, RunningRole


@dataclass(frozen=True, slots=True)
class Newborn:
    """A role to be started."""

    name: str
    run: Callable[[], int]
    """What its forked process does; returns the exit status."""
    command: Sequence[str]
    """The command line that does the same in a process of its own, when it is started again."""


def supervise(folder: DataFolder, roles: Iterable[Newborn], limits: Limits | None = None) -> NoReturn:
    """Start the roles in order and become their supervisor; never returns.

    Call it from the main thread of a process with no other one. AlreadyRunning when this folder has a supervisor.
    """
    limits = limits or Limits()
    with (
        folder.lock(NAME) as lock,
        systemd.Listener.bind(folder.socket_path("notify")) as listener,
    ):
        mask = [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)]
        # The children's collectors would write into every shared page; what exists now is never collected.
        gc.disable()
        gc.collect()
        gc.freeze()
        process.trim_memory()
        closed = (lock, listener.fileno())
        running = [
            RunningRole(role.name, list(role.command), _fork(role, mask, closed, str(listener.path), limits))
            for role in roles
        ]
        settings = folder.settings.log
        inheritance = Inheritance(
            data=str(folder.path),
            lock=lock,
            listener=listener.fileno(),
            listener_path=str(listener.path),
            mask=mask,
            as_json=settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty()),
            level=settings.level,
            limits=limits,
            roles=running,
        )
        _become_supervisor(inheritance)


def _become_supervisor(inheritance: Inheritance) -> NoReturn:
    will = os.memfd_create("vonggac-supervisor", 0)
    os.write(will, json.dumps(asdict(inheritance)).encode())
    for descriptor in (inheritance.lock, inheritance.listener, will):
        os.set_inheritable(descriptor, True)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", "vonggac.core.supervisor", str(will)])  # noqa: S606


def _fork(role: Newborn, mask: Sequence[int], closed: Iterable[int], notify: str, limits: Limits) -> int:
    """Return the process of a child that is the role and ends with its status; the child never returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        process.end_with_parent(parent)
        for descriptor in closed:
            os.close(descriptor)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        systemd.speak_to(notify, limits.silence_s)
        gc.enable()
        status = role.run()
    except BaseException:  # noqa: BLE001 - the edge of the process: whatever it was, it is written down
        traceback.print_exc()
    finally:
        # Not through the frames above: their locks and files are not the child's to clean up.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
