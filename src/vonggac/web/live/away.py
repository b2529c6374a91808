"""Why no picture comes: what the recorder last said of the camera, or that the recorder itself is away."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.i18n import N_
from vonggac.video import health
from vonggac.video.health import REASON_WORDS, SILENT_WORDS, STATE_WORDS, State
from vonggac.video.models import CameraStatus, GapReason

RECORDER_AWAY = "recorder"
REMOVED = "removed"
RECORDER_WORDS = N_("The recorder of this camera does not answer")
REMOVED_WORDS = N_("The camera was taken out of the list")


@dataclass(frozen=True, slots=True)
class Away:
    """No picture comes: the reason, its words (to be translated), and since when (microseconds since 1970)."""

    reason: str
    words: str
    since_us: int


def recorder_away(since_us: int) -> Away:
    """Return that the recorder cannot be reached."""
    return Away(RECORDER_AWAY, RECORDER_WORDS, since_us)


def stalled(since_us: int) -> Away:
    """Return that the recorder believes to record and sends nothing all the same."""
    return Away(GapReason.STALLED, REASON_WORDS[GapReason.STALLED], since_us)


def unsupported(since_us: int) -> Away:
    """Return that no browser can be told how to decode what the camera sends."""
    return Away(GapReason.UNSUPPORTED, REASON_WORDS[GapReason.UNSUPPORTED], since_us)


def looked_up(session: Session, camera_ids: Collection[uuid.UUID], now_us: int) -> dict[uuid.UUID, Away | None]:
    """Return of each camera why it is away; None where its recorder says that it records."""
    query = (
        sa.select(Camera, CameraStatus)
        .outerjoin(CameraStatus, CameraStatus.camera_id == Camera.id)
        .where(Camera.id.in_(camera_ids), Camera.removed_at.is_(None))
    )
    found: dict[uuid.UUID, Away | None] = dict.fromkeys(camera_ids, Away(REMOVED, REMOVED_WORDS, now_us))
    for camera, status in session.execute(query):
        found[camera.id] = _away(camera, status, now_us)
    return found


def _away(camera: Camera, status: CameraStatus | None, now_us: int) -> Away | None:
    state, since_us = health.state_of(camera, status, now_us)
    if state is State.RECORDING:
        return None
    if state is State.AWAY and status is not None:
        reason = status.reason or GapReason.UNKNOWN
        return Away(reason, REASON_WORDS.get(reason, REASON_WORDS[GapReason.UNKNOWN]), since_us)
    if state is State.SILENT:
        return Away(state, SILENT_WORDS, since_us)
    return Away(state, STATE_WORDS[state], since_us or now_us)
