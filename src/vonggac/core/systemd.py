"""The few words a service says to what started it: ready, alive, ending (protocol: sd_notify(3)).

`vonggac up` speaks it with systemd, and listens to it from its own roles.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

_ADDRESS = "NOTIFY_SOCKET"
_PERIOD = "WATCHDOG_USEC"
_FOR = "WATCHDOG_PID"
_CREDENTIALS = struct.Struct("3i")
"""struct ucred of unix(7): process, user, group."""
_MESSAGES_AT_ONCE = 1000


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


def speak_to(address: str, period_s: float) -> None:
    """Make this process, just forked, speak to `address` within every `period_s` instead of its parent's systemd."""
    os.environ[_ADDRESS] = address
    os.environ[_PERIOD] = str(int(period_s * 1e6))
    os.environ.pop(_FOR, None)


class Listener:
    """The other end: hears which processes gave a sign of life.

    The kernel says who sent a message (SO_PASSCRED of unix(7)), so that no process can speak for another.
    """

    def __init__(self, listening: socket.socket, path: Path) -> None:
        self.path = path
        self._socket = listening

    @classmethod
    def bind(cls, path: Path) -> Listener:
        """Listen at a path; what lay there is gone."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        path.unlink(missing_ok=True)
        listening.bind(str(path))
        path.chmod(0o600)
        return cls(listening, path)

    @classmethod
    def adopt(cls, descriptor: int, path: Path) -> Listener:
        """Go on listening with the descriptor of one that was bound before this program was executed."""
        return cls(socket.socket(fileno=descriptor), path)

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def heard(self) -> dict[int, set[str]]:
        """Return which processes said what since the last call."""
        said: dict[int, set[str]] = {}
        for _ in range(_MESSAGES_AT_ONCE):
            try:
                message, ancillary, _flags, _address = self._socket.recvmsg(256, socket.CMSG_SPACE(_CREDENTIALS.size))
            except BlockingIOError:
                break
            for level, kind, data in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(data) == _CREDENTIALS.size:
                    process, _user, _group = _CREDENTIALS.unpack(data)
                    said.setdefault(process, set()).update(message.decode("ascii", "replace").splitlines())
        return said
