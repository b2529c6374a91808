"""What a recorder must know of the past before it begins: what each camera has on disk, and which gaps are open."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds
from vonggac.video import index
from vonggac.video.index import HOUR_US, HourSums
from vonggac.video.models import GapReason
from vonggac.video.recorder.account import SHOWN_HOURS, OpenGap


@dataclass(slots=True)
class CameraPast:
    """What the index knows of one camera."""

    due_from_us: int = 0
    """Since when it was to be recorded."""
    recorded_until_us: int = 0
    """End of its newest recording; 0 without one."""
    accounted_until_us: int = 0
    """End of its newest recording or gap, whichever is later; 0 without either.

    A gap may end last: a recorder that is killed while it writes the first group of a recording leaves no recording.
    """
    hours: HourSums | None = None
    gap: OpenGap | None = None


def read_pasts(session: Session, now_us: int) -> dict[uuid.UUID, CameraPast]:
    """Return the past of every camera that is not removed."""
    pasts = {
        camera_id: CameraPast(due_from_us=microseconds(created_at))
        for camera_id, created_at in session.execute(
            sa.select(Camera.id, Camera.created_at).where(Camera.removed_at.is_(None))
        )
    }
    for camera_id, hours in index.hour_sums(session, now_us - (SHOWN_HOURS + 1) * HOUR_US).items():
        if camera_id in pasts:
            pasts[camera_id].hours = hours
    for gap in index.open_gaps(session):
        if gap.camera_id in pasts:
            pasts[gap.camera_id].gap = OpenGap(gap.start_us, GapReason(gap.reason), gap.detail, gap.id)
    for camera_id, past in pasts.items():
        past.recorded_until_us = index.last_recorded(session, camera_id) or 0
        past.accounted_until_us = max(past.recorded_until_us, index.last_gap_end(session, camera_id) or 0)
    return pasts
