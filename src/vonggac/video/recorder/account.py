"""One camera's account: every stretch of time is either on disk or a gap with its reason.

All decisions are made on the event loop; the index is changed through the pipeline, in the order of the decisions.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from vonggac.core.clock import span_in_words
from vonggac.video import index
from vonggac.video.index import HOUR_US, HourSums, Interval
from vonggac.video.models import GapReason

IndexChange = Callable[[Session], None]
_AHEAD_US = 5_000_000
SHOWN_HOURS = 24
"""The health page's share of recorded time looks back this far."""


@dataclass(slots=True)
class OpenGap:
    """A gap that is not over. Its row's id is known once the index thread has written it."""

    start_us: int
    reason: GapReason
    detail: str
    id: int = 0


class CameraAccount:
    """Keeps a camera's gaps, and how much of the last hours is recorded."""

    def __init__(
        self,
        camera_id: uuid.UUID,
        unit_id: uuid.UUID,
        change: Callable[[IndexChange], None],
        *,
        due_from_us: int,
        covered_until_us: int,
        hours: HourSums,
        gap: OpenGap | None = None,
    ) -> None:
        """`change` queues work for the index; the rest is what the index said at start."""
        self._camera_id = camera_id
        self._unit_id = unit_id
        self._change = change
        self._due_from_us = due_from_us
        self._hours = hours
        self._gap = gap
        self._closed_gap: OpenGap | None = None
        self._open_from_us: int | None = None
        self._furthest_us = covered_until_us
        self.covered_until_us = covered_until_us
        """End of what is recorded, also of what is still being written."""

    @property
    def gap(self) -> OpenGap | None:
        """The gap that is not over, None while recording."""
        return self._gap

    def away(self, reason: GapReason, detail: str, now_us: int) -> None:
        """There is no video, for this reason. A new reason ends the gap of the old one and begins another."""
        if self._gap is not None:
            if self._gap.reason is reason:
                return
            start_us = max(now_us, self._known(self._gap.start_us, now_us))
            self._close_gap(self._gap, start_us)
        else:
            start_us = self._known(self.covered_until_us, now_us)
        self._open_gap(start_us, reason, detail)

    def begins(self, start_us: int) -> int:
        """Video begins at `start_us`; returns the time to note, which is never before what is recorded already."""
        start_us = max(start_us, self._known(self.covered_until_us, start_us))
        gap, self._gap, self._closed_gap = self._gap, None, None
        if gap is not None:
            start_us = max(start_us, self._known(gap.start_us, start_us))
            self._close_gap(gap, start_us)
            if gap.start_us < start_us:
                self._closed_gap = gap
        self._open_from_us = start_us
        return start_us

    def began(self, start_us: int) -> tuple[int, IndexChange | None]:
        """The recording that began last turns out to have begun earlier; returns the time to note.

        The change that comes with it moves the end of the gap before. It belongs into the transaction that notes the
        time: a crash between the two would leave a moment in neither, or in both.
        """
        gap = self._closed_gap
        if gap is None or self._open_from_us is None or start_us >= self._open_from_us:
            return (self._open_from_us if self._open_from_us is not None else start_us), None
        start_us = max(start_us, gap.start_us)
        self._open_from_us = start_us
        return start_us, lambda session: index.move_gap_end(session, gap.id, start_us)

    def covers(self, until_us: int) -> None:
        """Video goes on until `until_us`."""
        self.covered_until_us = max(self.covered_until_us, until_us)

    def clock_was_set(self, now_us: int, step_us: int) -> None:
        """The server's clock, which read `now_us`, was set by `step_us`; what comes is told by the new time.

        Nothing is missing: the time that was skipped is a gap of its own. Set back, the same time passes twice.
        """
        gap = self._gap
        if gap is not None:
            now_us = max(now_us, gap.start_us)
            self._close_gap(gap, now_us)
        then_us = now_us + step_us
        if step_us > 0:
            words = f"the server's clock was set forward by {span_in_words(step_us)}, or the server slept"
            skipped = Interval(now_us, then_us, GapReason.CLOCK_SET, words)
            self._change(lambda session: index.add_gap(session, self._camera_id, skipped))
        if gap is not None:
            self._open_gap(then_us, gap.reason, gap.detail)
        self.covered_until_us = then_us

    def recorded_before(self, start_us: int) -> bool:
        """Return whether something that is on disk already may have begun at this time: the clock was set back."""
        return start_us < self._furthest_us

    def lost(self, start_us: int, end_us: int, detail: str) -> None:
        """A stretch was lost inside a run, and is over."""
        interval = Interval(start_us, end_us, GapReason.LOSS, detail)
        self._change(lambda session: index.add_gap(session, self._camera_id, interval))

    def recorded(self, start_us: int, end_us: int) -> None:
        """The recording that began last is finished, and ends here even if more was expected to be covered."""
        if end_us > start_us:
            self._hours.add(start_us, end_us, 0)
        self.covered_until_us = end_us
        self._furthest_us = max(self._furthest_us, end_us)
        self._open_from_us = None

    def share(self, now_us: int) -> tuple[int, int]:
        """Return (microseconds recorded, microseconds passed) of the last 24 hours, whole hours at the start."""
        from_us = now_us - SHOWN_HOURS * HOUR_US
        from_hour = from_us - from_us % HOUR_US + HOUR_US
        self._hours.forget_before(from_hour)
        start_us = max(from_hour, self._due_from_us)
        passed = max(0, now_us - start_us)
        open_us = 0
        if self._open_from_us is not None:
            open_us = max(0, self.covered_until_us - max(self._open_from_us, start_us))
        return min(passed, self._hours.recorded_us(from_hour) + open_us), passed

    @staticmethod
    def _known(known_us: int, at_us: int) -> int:
        # The last picture is taken to last as long as the others, so its end may lie a little ahead of the clock. When
        # what is known lies far ahead, the clock was set back: then the same hour passes twice, and both are true.
        return known_us if known_us - at_us < _AHEAD_US else at_us

    def _open_gap(self, start_us: int, reason: GapReason, detail: str) -> None:
        gap = OpenGap(start_us, reason, detail)
        self._gap = gap

        def insert(session: Session) -> None:
            gap.id = index.open_gap(session, self._camera_id, start_us, reason, detail, self._unit_id)

        self._change(insert)

    def _close_gap(self, gap: OpenGap, end_us: int) -> None:
        self._change(lambda session: index.close_gap(session, gap.id, self._camera_id, end_us, self._unit_id))
