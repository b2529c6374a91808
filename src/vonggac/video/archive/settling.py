"""A recording found late takes its place: afterwards every moment is in one recording or one gap again.

A crash, a failed sync or a disk that was away leaves open rows. When their files are read at last, the account has gone
on: the next recording has begun, or a gap. What is found must neither overlap those nor leave a hole before them.
Functions take a session and never commit.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.video import index
from vonggac.video.index import Interval
from vonggac.video.models import Gap, GapReason, Recording

TOLERANCE_US = 100_000
"""The media time of a file and the wall clock of its account differ by a few milliseconds: less than this is no gap."""


def settle(session: Session, row: Recording, end_us: int, detail: str, reason: GapReason = GapReason.DISK) -> int:
    """Return when the recording of `row` is to end, if its file says `end_us` (its start: it holds nothing).

    Up to what follows it in the account the time is its own: gaps that were opened before it without knowing of it give
    way, it ends where the next recording or gap begins, and what it lacks until there becomes a gap.
    """
    next_us = _next_start(session, row)
    if next_us is not None and row.start_us < end_us and end_us > next_us - TOLERANCE_US:
        end_us = next_us
    if end_us > row.start_us:
        session.flush()
        index.cut_gaps(session, row.camera_id, row.start_us, end_us)
    if next_us is not None and end_us < next_us and not _covered(session, row, end_us):
        index.add_gap(session, row.camera_id, Interval(end_us, next_us, reason, detail))
    return end_us


def _next_start(session: Session, row: Recording) -> int | None:
    starts = [
        session.scalar(
            sa.select(sa.func.min(table.start_us)).where(
                table.camera_id == row.camera_id,
                table.start_us > row.start_us,
                table.start_us < row.start_us + index.LONGEST_US,
            )
        )
        for table in (Recording, Gap)
    ]
    return min((start for start in starts if start is not None), default=None)


def _covered(session: Session, row: Recording, moment_us: int) -> bool:
    """Say whether another recording or a gap holds a moment."""
    session.flush()
    if index.gaps_between(session, row.camera_id, moment_us, moment_us + 1):
        return True
    others = index.recordings_between(session, row.camera_id, moment_us, moment_us + 1)
    return any(one.id != row.id and one.end_us is not None for one in others)
