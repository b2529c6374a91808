"""Which camera an address means: by its id, or by the number that an officer types."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from vonggac.cameras.models import Camera
from vonggac.shell.visit import Visit

_LONGEST_NUMBER = 9


async def camera_of(visit: Visit, verb: str, text: str) -> Camera:
    """Return the camera of an address; status 404 without one, 403 where the visitor may not do `verb` on it."""
    camera = await visit.shell.database.query(find, text)
    if camera is None:
        raise HTTPException(404)
    visit.require(verb, camera.unit_id)
    return camera


def find(session: Session, text: str) -> Camera | None:
    """Return the camera with this id (hexadecimal, with or without hyphens) or number; None where there is none."""
    query = sa.select(Camera).where(Camera.removed_at.is_(None))
    if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER:
        return session.scalar(query.where(Camera.number == int(text)))
    try:
        camera_id = uuid.UUID(text)
    except ValueError:
        return None
    return session.scalar(query.where(Camera.id == camera_id))
