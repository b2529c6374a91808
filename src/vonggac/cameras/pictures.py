"""The picture of a camera at its installation: kept, replaced, forgotten. Functions take a session, never commit."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session, undefer

from vonggac.cameras import events
from vonggac.cameras.models import Camera, CameraPicture
from vonggac.core.errors import Invalid
from vonggac.core.eventlog import announce
from vonggac.core.i18n import N_

MOST_BYTES = 1_000_000
"""A JPEG of 1280 × 720 has some hundred kilobytes; a hundred cameras make a backup some ten megabytes longer."""
Origin = Literal["camera", "upload"]


def picture(session: Session, camera: Camera, *, with_jpeg: bool = False) -> CameraPicture | None:
    """Return a camera's picture at installation; None when it has none."""
    options = [undefer(CameraPicture.jpeg)] if with_jpeg else []
    return session.get(CameraPicture, camera.id, options=options)


def set_picture(session: Session, camera: Camera, jpeg: bytes, taken_at: datetime, origin: Origin) -> None:
    """Keep a JPEG as the picture at installation in place of any other; Invalid when it is none or too large."""
    if not jpeg.startswith(b"\xff\xd8\xff"):
        raise Invalid(N_("The picture is no JPEG."))
    if len(jpeg) > MOST_BYTES:
        raise Invalid(N_("The picture is larger than {most} kB."), most=MOST_BYTES // 1000)
    _announce(session, camera)
    session.merge(CameraPicture(camera_id=camera.id, jpeg=jpeg, taken_at=taken_at, origin=origin))
    session.flush()


def forget_picture(session: Session, camera: Camera) -> bool:
    """Delete the picture at installation; False when there is none."""
    found = picture(session, camera)
    if found is None:
        return False
    _announce(session, camera)
    session.delete(found)
    session.flush()
    return True


def _announce(session: Session, camera: Camera) -> None:
    announce(session, events.CAMERA_CHANGED, subject=camera.id, unit_id=camera.unit_id, fields=["picture"])
