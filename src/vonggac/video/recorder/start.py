"""What a recorder must know of the past before it begins: what each camera has on disk, and which gaps are open."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds
from vonggac.video import index
from vonggac.video.index import HOUR_US, HourSums, Interval
from vonggac.video.models import Gap, GapReason
from vonggac.video.recorder.account import SHOWN_HOURS, CameraAccount, IndexChange, OpenGap


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


def note_switched_off(
    session: Session, now_us: int, recorded_here: Collection[uuid.UUID], share: int = 0, shares: int = 1
) -> int:
    """Note from when on a camera of this share is switched off where no recorder did so; returns how many were.

    A recorder notes it of the cameras that it records (`recorded_here`). One that was switched off while no recorder
    ran is so from now on, since the time before is told by the gap of that recorder; one that was added so, from then.
    """
    noted = 0
    query = sa.select(Camera).where(
        Camera.removed_at.is_(None), sa.not_(Camera.enabled), Camera.number % shares == share
    )
    gaps: dict[uuid.UUID, list[Gap]] = {}
    for gap in index.open_gaps(session):
        gaps.setdefault(gap.camera_id, []).append(gap)
    for camera in session.scalars(query):
        mine = gaps.get(camera.id, [])
        if camera.id in recorded_here or any(gap.reason == GapReason.DISABLED for gap in mine):
            continue
        accounted_us = max(index.last_recorded(session, camera.id) or 0, index.last_gap_end(session, camera.id) or 0)
        from_us = now_us if mine or accounted_us else microseconds(camera.created_at)
        if accounted_us and not mine:
            crashed = Interval(accounted_us, from_us, GapReason.CRASHED, "the recorder was killed")
            index.add_gap(session, camera.id, crashed)
        for gap in mine:
            index.close_gap(session, gap.id, camera.id, from_us, camera.unit_id)
        index.open_gap(session, camera.id, from_us, GapReason.DISABLED, "", camera.unit_id)
        noted += 1
    return noted


def open_account(
    camera_id: uuid.UUID, unit_id: uuid.UUID, change: Callable[[IndexChange], None], past: CameraPast, now_us: int
) -> CameraAccount:
    """Return the account of a camera that goes on where its past ends."""
    account = CameraAccount(
        camera_id,
        unit_id,
        change,
        due_from_us=past.due_from_us or now_us,
        covered_until_us=past.accounted_until_us or past.due_from_us or now_us,
        hours=past.hours or HourSums(),
        gap=past.gap,
    )
    if past.gap is None:
        # Whoever stops in order opens a gap; without one the last recorder did not end in order.
        words = "the recorder was killed" if past.recorded_until_us else "recording had not begun"
        account.away(GapReason.CRASHED if past.recorded_until_us else GapReason.STOPPED, words, now_us)
    return account
