"""What a process asks of Linux about itself: its name, its end with its parent, how it ended, its spare memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_M_ARENA_MAX = -8
"""<malloc.h>"""


def end_with_parent(parent: int) -> None:
    """Let this process get SIGTERM when its parent ends, however that ends (prctl(2), PR_SET_PDEATHSIG).

    `parent` is the parent's process as it was before the fork: it may have ended already. Survives exec.
    """
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:
        os._exit(1)


def set_name(name: str) -> None:
    """Set the name that top and ps show, at most 15 bytes (prctl(2), PR_SET_NAME)."""
    _prctl(_PR_SET_NAME, name.encode()[:15])


def use_one_heap() -> None:
    """Let all threads allocate from one heap (mallopt(3), M_ARENA_MAX); call it before there are any.

    A heap for each thread saves waiting, which Python's threads do anyway, and costs a recorder of 102 cameras 8 MB.
    """
    with contextlib.suppress(AttributeError):  # another C library has no such function
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def trim_memory() -> None:
    """Give memory that was freed inside the heap back to the system (malloc_trim(3)); of use after start-up."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def ended_children() -> Iterator[tuple[int, int]]:
    """Yield the children that ended: process and exit status, a signal's number negative."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended[0], os.waitstatus_to_exitcode(ended[1])


def status_in_words(status: int) -> str:
    """Return an exit status, or a signal's negative number, as the log says it."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _prctl(option: int, value: int | bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    argument = ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(value)
    if libc.prctl(option, argument, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
