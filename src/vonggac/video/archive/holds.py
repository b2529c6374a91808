"""Holds: intervals of a camera that retention must not touch, until somebody releases them.

A hold is on time, not on files: it may lie in the past, run on, or begin in a year. A recording that lies in it with
one moment is kept whole. Functions take a session and never commit; times are microseconds since 1970.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core import text
from vonggac.core.clock import utc_now
from vonggac.core.errors import Invalid, NotFound
from vonggac.core.eventlog import announce
from vonggac.core.ids import new_id, short_id
from vonggac.video import events
from vonggac.video.index import LONGEST_US
from vonggac.video.models import Hold, Recording
from vonggac.video.spans import Span, joined

SUBJECT_LENGTH = 200
REASON_LENGTH = 2000
_ADVISORY_LOCK = 0x766F6E68
_SHORTEST_ID = 4


@dataclass(frozen=True, slots=True)
class HoldState:
    """A hold, and what it keeps at this moment."""

    hold: Hold
    files: int
    hashed: int
    """How many of them have their SHA-256; those still being written wait for their end."""
    size: int


def one_at_a_time(session: Session) -> None:
    """Let no hold be placed and nothing be deleted by anybody else until this transaction ends.

    SQLite has one writer anyway; PostgreSQL takes an advisory lock. Call it first: what is read after it is true.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))


def place(
    session: Session,
    camera_id: uuid.UUID,
    from_us: int,
    to_us: int,
    subject: str,
    *,
    placed_by: str,
    reason: str = "",
) -> Hold:
    """Keep what is and will be recorded of a camera in an interval, whatever retention wants, until it is released.

    `subject` is a reference that means something to the caller. Invalid for an empty interval or subject. What
    retention deleted in an earlier transaction is gone; nothing is deleted in a later one.
    """
    reference, why = text.normalise(subject), text.normalise(reason)
    if not 0 <= from_us < to_us:
        raise Invalid("A hold must end after it begins.")
    if not reference or len(reference) > SUBJECT_LENGTH:
        raise Invalid(f"Say what it is held for, in 1 to {SUBJECT_LENGTH} characters: a case number, a letter.")
    if len(why) > REASON_LENGTH:
        raise Invalid(f"The reason is {len(why)} characters long; at most {REASON_LENGTH} are kept.")
    one_at_a_time(session)
    camera = session.get(Camera, camera_id)
    if camera is None:
        raise NotFound("There is no such camera.")
    hold = Hold(
        id=new_id(),
        camera_id=camera_id,
        from_us=from_us,
        to_us=to_us,
        subject=reference,
        reason=why,
        placed_by=placed_by,
        placed_at=utc_now(),
    )
    session.add(hold)
    session.flush()
    _announce(session, events.HOLD_PLACED, hold, camera.unit_id)
    return hold


def release(session: Session, hold: Hold, *, released_by: str, reason: str) -> None:
    """Give what a hold kept back to retention. The hold itself stays on record. Invalid when it is released already."""
    why = text.normalise(reason)
    if not why or len(why) > REASON_LENGTH:
        raise Invalid(f"Say why it is released, in 1 to {REASON_LENGTH} characters.")
    one_at_a_time(session)
    session.refresh(hold)
    if hold.released_at is not None:
        raise Invalid(f"The hold {short_id(hold.id)} was released already, by {hold.released_by}.")
    hold.released_at, hold.released_by, hold.release_reason = utc_now(), released_by, why
    session.flush()
    _announce(session, events.HOLD_RELEASED, hold, session.get_one(Camera, hold.camera_id).unit_id)


def find(session: Session, named: str) -> Hold:
    """Return the hold of an id or of its last characters (at least four). NotFound, or Invalid when several fit."""
    wanted = named.strip().lower().replace("-", "")
    fits = [hold for hold in list_holds(session, released=True) if hold.id.hex.endswith(wanted)]
    if len(wanted) < _SHORTEST_ID or not fits:
        raise NotFound(f"There is no hold {named!r}. `vonggac hold list --all` shows them all.")
    if len(fits) > 1:
        raise Invalid(f"{named!r} fits {len(fits)} holds. Write more of the id.")
    return fits[0]


def list_holds(session: Session, *, released: bool = False) -> list[Hold]:
    """Return the holds in the order in which they were placed; `released`: those of the past, too."""
    query = sa.select(Hold).order_by(Hold.placed_at, Hold.id)
    return list(session.scalars(query if released else query.where(Hold.released_at.is_(None))))


def held_spans(session: Session, camera_ids: Iterable[uuid.UUID] | None = None) -> dict[uuid.UUID, list[Span]]:
    """Return what is held of every camera (or of these), in order, overlapping holds joined."""
    query = sa.select(Hold.camera_id, Hold.from_us, Hold.to_us).where(Hold.released_at.is_(None))
    if camera_ids is not None:
        query = query.where(Hold.camera_id.in_(list(camera_ids)))
    found: dict[uuid.UUID, list[Span]] = {}
    for camera_id, from_us, to_us in session.execute(query):
        found.setdefault(camera_id, []).append((from_us, to_us))
    return {camera_id: joined(spans) for camera_id, spans in found.items()}


def is_held(spans: Sequence[Span], start_us: int, end_us: int) -> bool:
    """Return whether a recording lies in one of the spans, if only with one moment."""
    return any(start_us < end and end_us > start for start, end in spans)


def overlaps(camera_id: uuid.UUID, span: Span) -> sa.ColumnElement[bool]:
    """Return the condition for the recordings of a camera that lie in a span; open ones, too."""
    return sa.and_(
        Recording.camera_id == camera_id,
        Recording.start_us < span[1],
        Recording.start_us > span[0] - LONGEST_US,
        sa.or_(Recording.end_us > span[0], Recording.end_us.is_(None)),
    )


def state_of(session: Session, hold: Hold) -> HoldState:
    """Return what a hold keeps: of a released one, what is still there."""
    files, hashed, size = session.execute(
        sa.select(sa.func.count(), sa.func.count(Recording.sha256), sa.func.coalesce(sa.func.sum(Recording.size), 0))
        .select_from(Recording)
        .where(overlaps(hold.camera_id, (hold.from_us, hold.to_us)))
    ).one()
    return HoldState(hold, files, hashed, int(size))


def held_bytes(session: Session) -> int:
    """Return the size of everything that is held now, each file once."""
    total = 0
    for camera_id, spans in held_spans(session).items():
        for span, following in zip(spans, [*spans[1:], None], strict=True):
            query = sa.select(sa.func.coalesce(sa.func.sum(Recording.size), 0)).where(overlaps(camera_id, span))
            if following is not None:  # one that reaches into the next span is counted there
                query = query.where(sa.or_(Recording.end_us <= following[0], Recording.end_us.is_(None)))
            total += int(session.scalar(query) or 0)
    return total


def _announce(session: Session, topic: str, hold: Hold, unit_id: uuid.UUID) -> None:
    announce(
        session,
        topic,
        subject=hold.camera_id,
        unit_id=unit_id,
        hold=hold.id.hex,
        from_us=hold.from_us,
        to_us=hold.to_us,
        reference=hold.subject,
    )
