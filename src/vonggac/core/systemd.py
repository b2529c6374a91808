"""The few words a service says to what started it: ready, alive, ending (protocol: sd_notify(3)).

`vonggac up` speaks it with systemd, and listens to it from its own roles.
"""

from __future__ import annotations

import os
import socket

_ADDRESS = "NOTIFY_SOCKET"
_PERIOD = "WATCHDOG_USEC"
_FOR = "WATCHDOG_PID"


def notify(*words: str) -> None:
    """Send `READY=1`, `WATCHDOG=1`, `STOPPING=1` or `STATUS=…`; does nothing when nobody listens."""
    address = os.environ.get(_ADDRESS, "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sender:
            sender.sendto("\n".join(words).encode(), address)
    except OSError:
        # Nobody listens any more, or its queue is full: the next message is as good as this one.
        return


def watchdog_period_s() -> float | None:
    """Return within how many seconds a sign of life is expected; None when nobody watches this process."""
    period = os.environ.get(_PERIOD, "")
    meant = os.environ.get(_FOR, "")
    if not period.isdigit() or int(period) == 0 or meant not in ("", str(os.getpid())):
        return None
    return int(period) / 1e6


def listen_at(address: str, period_s: float) -> None:
    """Make this process, just forked, speak to `address` within every `period_s` instead of its parent's systemd."""
    os.environ[_ADDRESS] = address
    os.environ[_PERIOD] = str(int(period_s * 1e6))
    os.environ.pop(_FOR, None)
