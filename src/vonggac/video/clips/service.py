"""What becomes of a clip: asked for, begun, written, ready or failed, deleted when its time is over.

From being asked for until it is ready or failed, a clip holds its recordings: retention cannot delete them under it.
Functions take a session and never commit.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.core import text
from vonggac.core.clock import MICROSECONDS, utc
from vonggac.core.errors import Invalid
from vonggac.core.i18n import N_
from vonggac.core.ids import new_id, short_id
from vonggac.core.settings import ClipSettings
from vonggac.video import index
from vonggac.video.archive import footage, holds
from vonggac.video.clips.models import Clip, ClipState
from vonggac.video.index import Interval
from vonggac.video.models import Hold
from vonggac.video.mp4 import ClipReport

LONGEST_US = 6 * 3600 * MICROSECONDS
PURPOSE_LENGTH = 200
UNFINISHED_EACH = 5
"""Clips of one account that wait or are being made: nobody holds up all others."""
KEPT_EACH = 50
"""Clips of one account, finished ones too."""
ATTEMPTS = 5
"""A clip that broke off so often (the keeper was killed, or ended, while it was made) is given up."""
EARLY_US = 10 * MICROSECONDS
"""An end that lies in the future by no more is taken for now: the browser's clock and ours differ."""

BROKE_OFF = N_("The clip was interrupted again and again. Tell the administrator of the centre.")
FILE_GONE = N_("The file of this clip is gone. Copy the interval again.")
DELETED_BY_OWNER = "the clip was deleted by whoever asked for it"

_UNFINISHED = (ClipState.WAITING.value, ClipState.WORKING.value)


class ClipNotAsked(Invalid):
    """A clip that is refused at once. `message` is a text of the catalog, filled from `values`."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message.format(**values))
        self.message = message
        self.values = values


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants what. Microseconds since 1970, half open."""

    camera_id: uuid.UUID
    account_id: uuid.UUID
    account_name: str
    from_us: int
    to_us: int
    purpose: str


def ask(session: Session, asked: Asked, now_us: int, settings: ClipSettings) -> Clip:
    """Enter a clip to be made and hold its recordings; ClipNotAsked says in plain words why not."""
    purpose = text.one_line(asked.purpose)
    to_us = min(asked.to_us, now_us) if asked.to_us <= now_us + EARLY_US else asked.to_us
    _check_words(purpose)
    _check_interval(asked.from_us, to_us, now_us)
    _check_number(session, asked.account_id)
    size = _size(session, asked.camera_id, asked.from_us, to_us)
    most = int(settings.max_gb * 1e9)
    if total_bytes(session) + size > most:
        raise ClipNotAsked(
            N_("All clips together may take {most} GB, and this one would be too much. Copy less, or delete one."),
            most=round(settings.max_gb, 1),
        )
    clip_id = new_id()
    hold = footage.hold(
        session,
        asked.camera_id,
        asked.from_us,
        to_us,
        f"clip {short_id(clip_id)}",
        placed_by=asked.account_name,
        reason=purpose,
    )
    clip = Clip(
        id=clip_id,
        camera_id=asked.camera_id,
        account_id=asked.account_id,
        from_us=asked.from_us,
        to_us=to_us,
        purpose=purpose,
        state=ClipState.WAITING.value,
        asked_at=utc(now_us),
        expires_at=utc(now_us) + timedelta(hours=settings.keep_hours),
        hold_id=hold.id,
        size=size,
        gaps=[],
    )
    session.add(clip)
    session.flush()
    return clip


def _check_words(purpose: str) -> None:
    if not purpose:
        raise ClipNotAsked(N_("Say what the clip is for: it is written down with it."))
    if len(purpose) > PURPOSE_LENGTH:
        raise ClipNotAsked(N_("The purpose is too long: at most {most} letters."), most=PURPOSE_LENGTH)


def _check_interval(from_us: int, to_us: int, now_us: int) -> None:
    if from_us < 0 or from_us >= to_us:
        raise ClipNotAsked(N_("The end of the clip must lie after its beginning."))
    if to_us > now_us:
        raise ClipNotAsked(N_("A clip cannot reach into the future."))
    if to_us - from_us > LONGEST_US:
        hours = LONGEST_US // (3600 * MICROSECONDS)
        raise ClipNotAsked(N_("A clip can be at most {hours} hours long. Make several."), hours=hours)


def _check_number(session: Session, account_id: uuid.UUID) -> None:
    mine = sa.select(sa.func.count()).select_from(Clip).where(Clip.account_id == account_id)
    if (session.scalar(mine.where(Clip.state.in_(_UNFINISHED))) or 0) >= UNFINISHED_EACH:
        raise ClipNotAsked(N_("{most} of your clips are being made. Wait for one of them."), most=UNFINISHED_EACH)
    if (session.scalar(mine) or 0) >= KEPT_EACH:
        raise ClipNotAsked(N_("You have {most} clips. Delete one that you have fetched."), most=KEPT_EACH)


def _size(session: Session, camera_id: uuid.UUID, from_us: int, to_us: int) -> int:
    """Return the bytes of the recordings of an interval; ClipNotAsked where there are none."""
    rows = index.recordings_between(session, camera_id, from_us, to_us)
    if not rows:
        raise ClipNotAsked(N_("Nothing was recorded in this interval."))
    return sum(row.size for row in rows)


def total_bytes(session: Session) -> int:
    """Return what all clips take, or will take as far as it is known."""
    query = sa.select(sa.func.coalesce(sa.func.sum(Clip.size), 0)).where(Clip.state != ClipState.FAILED.value)
    return int(session.scalar(query) or 0)


def mine(session: Session, account_id: uuid.UUID) -> list[Clip]:
    """Return the clips of an account, the newest first."""
    query = sa.select(Clip).where(Clip.account_id == account_id).order_by(Clip.asked_at.desc(), Clip.id.desc())
    return list(session.scalars(query))


def find(session: Session, clip_id: uuid.UUID, account_id: uuid.UUID) -> Clip | None:
    """Return a clip of an account; None where it has none of this id."""
    return session.scalar(sa.select(Clip).where(Clip.id == clip_id, Clip.account_id == account_id))


def remove(session: Session, clip: Clip) -> None:
    """Delete a clip; its file goes with the keeper's next look into the folder."""
    _let_go(session, clip, DELETED_BY_OWNER)
    session.delete(clip)
    session.flush()


# What the keeper does.


def take_up_again(session: Session) -> list[Clip]:
    """Put the clips back that nobody makes any more, since a keeper ended; returns those that are given up."""
    given_up: list[Clip] = []
    for clip in session.scalars(sa.select(Clip).where(Clip.state == ClipState.WORKING.value)):
        if clip.attempts >= ATTEMPTS:
            fail(session, clip.id, BROKE_OFF)
            given_up.append(clip)
        else:
            clip.state, clip.written = ClipState.WAITING.value, 0
    session.flush()
    return given_up


def begin_next(session: Session) -> Clip | None:
    """Take the clip that waits longest, and count the attempt; None where none waits."""
    query = sa.select(Clip).where(Clip.state == ClipState.WAITING.value).order_by(Clip.asked_at, Clip.id).limit(1)
    clip = session.scalars(query).first()
    if clip is not None:
        clip.state, clip.written = ClipState.WORKING.value, 0
        clip.attempts += 1
        session.flush()
    return clip


def planned(session: Session, clip_id: uuid.UUID, report: ClipReport, most_bytes: int) -> bool:
    """Note how large a clip will be; False where all clips together would be more than `most_bytes`."""
    clip = session.get(Clip, clip_id)
    if clip is None:
        return True  # deleted meanwhile: `progress` says so
    clip.size, clip.frames = report.size, report.frames
    clip.start_us, clip.end_us = report.start_us, report.end_us
    session.flush()
    return total_bytes(session) <= most_bytes


def progress(session: Session, clip_id: uuid.UUID, written: int) -> bool:
    """Note how many bytes are written; False where the clip was deleted meanwhile."""
    changed = session.execute(
        sa.update(Clip).where(Clip.id == clip_id, Clip.state == ClipState.WORKING.value).values(written=written)
    )
    return bool(getattr(changed, "rowcount", 0))


def finish(session: Session, clip_id: uuid.UUID, sha256: bytes, gaps: list[Interval]) -> bool:
    """Note that a clip is whole, and let go of its recordings; False where it was deleted meanwhile."""
    clip = session.get(Clip, clip_id)
    if clip is None:
        return False
    clip.state, clip.written, clip.sha256 = ClipState.READY.value, clip.size, sha256
    clip.gaps = [[gap.start_us, gap.end_us, gap.reason or "", gap.detail] for gap in gaps]
    _let_go(session, clip, "the clip is ready")
    session.flush()
    return True


def fail(session: Session, clip_id: uuid.UUID, failure: str) -> None:
    """Note why a clip cannot be made (a text of the catalog), and let go of its recordings."""
    clip = session.get(Clip, clip_id)
    if clip is None:
        return
    clip.state, clip.failure, clip.size, clip.written = ClipState.FAILED.value, failure[:300], 0, 0
    _let_go(session, clip, "the clip cannot be made")
    session.flush()


@dataclass(frozen=True, slots=True)
class Due:
    """Whether there is anything to do."""

    waits: bool
    working: bool
    over: bool


def due(session: Session, now_us: int) -> Due:
    """Return whether a clip waits, is being made, or has had its time: asked every second."""
    waits = sa.exists().where(Clip.state == ClipState.WAITING.value)
    working = sa.exists().where(Clip.state == ClipState.WORKING.value)
    over = sa.exists().where(Clip.expires_at <= utc(now_us))
    return Due(*session.execute(sa.select(waits, working, over)).one())


def expire(session: Session, now_us: int, limit: int = 100) -> int:
    """Delete a slice of the rows whose time is over; returns how many."""
    query = sa.select(Clip).where(Clip.expires_at <= utc(now_us)).limit(limit)
    over = list(session.scalars(query))
    for clip in over:
        _let_go(session, clip, "the time of the clip is over")
        session.delete(clip)
    session.flush()
    return len(over)


def known(session: Session) -> dict[uuid.UUID, ClipState]:
    """Return every clip there is, and its state."""
    return {clip_id: ClipState(state) for clip_id, state in session.execute(sa.select(Clip.id, Clip.state))}


def _let_go(session: Session, clip: Clip, why: str) -> None:
    """Release the hold of a clip, unless somebody did before."""
    if clip.hold_id is None:
        return
    hold = session.get(Hold, clip.hold_id)
    if hold is not None and hold.released_at is None:
        holds.release(session, hold, released_by="keeper", reason=why)
    clip.hold_id = None
