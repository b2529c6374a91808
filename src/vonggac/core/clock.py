"""Time as the domain sees it: injected, so that tests can live through a day in a second."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

MICROSECONDS = 1_000_000


class Clock(Protocol):
    """What needs the time asks one of these."""

    def now_us(self) -> int:
        """Wall clock: microseconds since 1970 in UTC. May step when the server's clock is set."""

    def monotonic_ns(self) -> int:
        """Nanoseconds from an arbitrary start. Never steps."""


class SystemClock:
    """The clocks of this machine."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


def utc(us: int) -> datetime:
    """Return microseconds since 1970 as an aware time."""
    seconds, rest = divmod(us, MICROSECONDS)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def microseconds(moment: datetime) -> int:
    """Return an aware time as microseconds since 1970; ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * MICROSECONDS + delta.microseconds


def utc_now() -> datetime:
    """Return the present moment, aware."""
    return datetime.now(UTC)


def span_in_words(us: int) -> str:
    """Return a length of time, whatever its sign, to be read by a person: "3 min 12 s", "2 h 5 min", "41 days"."""
    seconds = (abs(us) + MICROSECONDS // 2) // MICROSECONDS
    if seconds < 10:
        return f"{abs(us) / MICROSECONDS:.1f} s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days >= 2:
        return f"{days} days"
    parts = ((days * 24 + hours, "h"), (minutes, "min"), (seconds, "s"))
    first = next(at for at, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number)
