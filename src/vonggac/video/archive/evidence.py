"""The fault of a held recording that is no longer what was hashed: somebody must look, nothing mends it.

Functions take a session and never commit.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.faults import clear_fault, raise_fault, standing_faults
from vonggac.core.i18n import N_
from vonggac.core.said import Said
from vonggac.video.models import Recording

EVIDENCE_DAMAGED = "evidence_damaged"
"""Its subject is the key of the recording."""


def damaged(session: Session, recording: Recording, words: str) -> None:
    """Say that a recording's file is not what it was; `words` say in what. Nothing where it was deleted meanwhile."""
    if session.scalar(sa.select(Recording.id).where(Recording.id == recording.id)) is None:
        return
    camera = session.get_one(Camera, recording.camera_id)
    detail = Said(
        N_("Held footage of camera {number}, {name}: {what}."),
        number=camera.number,
        name=camera.name,
        what=words.rstrip("."),
    )
    raise_fault(session, EVIDENCE_DAMAGED, str(recording.id), detail=detail, unit_id=camera.unit_id)


def intact(session: Session, recording: Recording) -> None:
    """Say that it is what it was (again)."""
    clear_fault(session, EVIDENCE_DAMAGED, str(recording.id))


def forget_gone(session: Session) -> None:
    """Clear the faults of recordings that were released and deleted since."""
    for fault in standing_faults(session, EVIDENCE_DAMAGED):
        if session.scalar(sa.select(Recording.id).where(Recording.id == int(fault.subject))) is None:
            clear_fault(session, EVIDENCE_DAMAGED, fault.subject)
