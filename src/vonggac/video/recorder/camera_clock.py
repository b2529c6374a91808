"""Is a camera's own clock right? What its RTCP sender reports say, judged with patience. No I/O.

The clock of a camera matters although recordings never go by it: it is burnt into the picture, and whoever compares
two cameras, or a picture with a witness, reads it there.
"""

from __future__ import annotations

from vonggac.core.clock import span_in_words
from vonggac.core.i18n import N_
from vonggac.core.said import Said

FAULT = "camera_clock_wrong"
"""Kind of the fault (`core.faults`); its subject is the camera's id in hexadecimal."""
REPORTS = 3
"""So many sender reports in a row must agree; cameras send one about every 5 s (RFC 3550 §6.2)."""
NO_CLOCK_US = 5 * 365 * 86_400 * 1_000_000
"""A clock so far ahead is none: cameras without one count the time since they were switched on (RFC 3550 §6.4.1), and
small numbers of NTP time lie in 2036 and after."""


class CameraClock:
    """Judges one camera's clock: wrong beyond a tolerance, right again within half of it."""

    def __init__(self, tolerance_s: float) -> None:
        self.offset_us: int | None = None
        """Camera's clock minus ours by its last report; None while it says nothing of its clock."""
        self.wrong: bool | None = None
        """None: not judged yet."""
        self._tolerance_us = int(tolerance_s * 1_000_000)
        self._seen_ns = 0
        self._verdict = False
        self._agreeing = 0
        self._told_us = 0

    def said(self, camera_us: int, arrived_ns: int, arrived_us: int) -> bool:
        """Take a report (its time, when it came by the monotonic and the wall clock); True when there is news.

        News: the clock turned out to be wrong or right, or it is wrong by something else than was told.
        """
        if arrived_ns == self._seen_ns:
            return False
        self._seen_ns = arrived_ns
        offset = camera_us - arrived_us
        if offset > NO_CLOCK_US:
            self.forget()
            return False
        self.offset_us = offset
        wrong = abs(offset) > (self._tolerance_us // 2 if self.wrong else self._tolerance_us)
        self._agreeing = self._agreeing + 1 if wrong is self._verdict else 1
        self._verdict = wrong
        if self._agreeing < REPORTS:
            return False
        if wrong is not self.wrong:
            self.wrong, self._told_us = wrong, offset
            return True
        if wrong and abs(offset - self._told_us) > self._tolerance_us:
            self._told_us = offset
            return True
        return False

    def forget(self) -> None:
        """The connection has ended, or our own clock was set: reports from before say nothing of the next ones."""
        self.offset_us = None
        self._agreeing = 0

    @property
    def words(self) -> str:
        """What is wrong with it."""
        return f"the camera's clock runs {offset_in_words(self._told_us)}"

    def said_of(self, name: str, number: int) -> Said:
        """Return the same of a camera, to be read in every language."""
        message = (
            N_("{name} ({number}): the camera's clock runs {time_us} ahead")
            if self._told_us > 0
            else N_("{name} ({number}): the camera's clock runs {time_us} behind")
        )
        return Said(message, name=name, number=number, time_us=self._told_us)


def offset_in_words(offset_us: int) -> str:
    """Return by how much a clock is off: "3 min 12 s behind"."""
    return f"{span_in_words(offset_us)} {'ahead' if offset_us > 0 else 'behind'}"
