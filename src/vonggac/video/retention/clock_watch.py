"""Whether the server's clock may be believed when recordings are deleted for their age. Pure, and a row that remembers.

A clock that is set a year ahead makes every recording a year old. So one that leaps forward is doubted for a day:
nothing is deleted for its age meanwhile, a fault says so, and somebody can set it right. Set back, it deletes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from vonggac.core.clock import utc
from vonggac.core.i18n import N_
from vonggac.core.said import Said
from vonggac.video.models import KeeperClock

HOUR_US = 3_600_000_000
LEAP_US = HOUR_US
"""More than this ahead of the time that passed is a leap: no drift, no leap second, no time zone."""
AWAY_US = 48 * HOUR_US
"""A keeper that was away cannot know how long: a weekend with the machine off is believed."""
DOUBT_US = 24 * HOUR_US
"""For so long after a leap nothing is deleted for its age: a working day in which the fault is seen."""
SAVE_EVERY_US = 60_000_000


@dataclass(frozen=True, slots=True)
class ClockState:
    """What was last seen of the clock, and since when it is doubted."""

    seen_us: int
    before_us: int | None = None
    """In doubt: what time it was at the leap, by the clock before it."""
    until_us: int | None = None
    """In doubt: until when, by the clock after it."""

    @property
    def doubted(self) -> bool:
        """Whether nothing may be deleted for its age now."""
        return self.until_us is not None


def looked(state: ClockState | None, now_us: int, passed_us: int | None) -> ClockState:
    """Return what is known after a look at the clock.

    `passed_us`: how long ago the last look was, by a clock that nobody sets; None where it was another process's.
    """
    if state is None:
        return ClockState(now_us)
    expected = state.seen_us + (passed_us or 0)
    if now_us > expected + (AWAY_US if passed_us is None else LEAP_US):
        return ClockState(now_us, _truth(state, expected), now_us + DOUBT_US)
    if state.until_us is None:
        return ClockState(now_us)
    if now_us < expected - LEAP_US:  # set back: to the time that it ought to be, or half-way
        truth = _truth(state, expected)
        return ClockState(now_us) if now_us <= truth + LEAP_US else ClockState(now_us, truth, now_us + DOUBT_US)
    return ClockState(now_us) if now_us >= state.until_us else ClockState(now_us, state.before_us, state.until_us)


def _truth(state: ClockState, expected_us: int) -> int:
    """Return what time it would be without the leap."""
    if state.before_us is None or state.until_us is None:
        return expected_us
    return state.before_us + expected_us - (state.until_us - DOUBT_US)


def read(session: Session) -> ClockState | None:
    """Return what the last keeper knew; None in a new centre."""
    row = session.get(KeeperClock, 1)
    return None if row is None else ClockState(row.seen_us, row.before_us, row.until_us)


def save(session: Session, state: ClockState) -> None:
    """Remember it for the next keeper."""
    row = session.get(KeeperClock, 1)
    if row is None:
        session.add(KeeperClock(id=1, seen_us=state.seen_us, before_us=state.before_us, until_us=state.until_us))
    else:
        row.seen_us, row.before_us, row.until_us = state.seen_us, state.before_us, state.until_us


class ClockWatch:
    """Looks at the clock for one keeper process."""

    def __init__(self) -> None:
        self._state: ClockState | None = None
        self._at_ns: int | None = None
        self._saved: ClockState | None = None

    @property
    def doubted(self) -> bool:
        """Whether the last look left a doubt."""
        return self._state is not None and self._state.doubted

    def look(self, session: Session, now_us: int, monotonic_ns: int) -> ClockState:
        """Return what is known of the clock now, remembered in the transaction where that is due."""
        if self._state is None:
            self._state = self._saved = read(session)
        passed_us = None if self._at_ns is None else (monotonic_ns - self._at_ns) // 1000
        state = looked(self._state, now_us, passed_us)
        saved = self._saved
        if saved is None or saved.until_us != state.until_us or abs(now_us - saved.seen_us) >= SAVE_EVERY_US:
            save(session, state)
            self._saved = state
        self._state, self._at_ns = state, monotonic_ns
        return state


def doubt_words(state: ClockState) -> str:
    """Return what the fault says; empty where nothing is doubted."""
    if state.before_us is None or state.until_us is None:
        return ""
    before, after, until = (
        f"{utc(us):%Y-%m-%d %H:%M}" for us in (state.before_us, state.until_us - DOUBT_US, state.until_us)
    )
    return Said(
        N_(
            "The server's clock went from {before} to {after} UTC at once. Nothing is deleted for its age until "
            "{until} UTC by this clock. If it is wrong, set it right before then; if it is right, nothing need be done."
        ),
        before=before,
        after=after,
        until=until,
    )
