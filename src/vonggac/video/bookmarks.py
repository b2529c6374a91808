"""Bookmarks: a moment or an interval of a camera with a note, for whoever may play that camera.

Functions take a session and never commit. Times are microseconds since 1970, intervals half open.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.core import text
from vonggac.core.clock import MICROSECONDS, utc
from vonggac.core.errors import Invalid
from vonggac.core.i18n import N_
from vonggac.core.ids import new_id
from vonggac.org.models import Account
from vonggac.video.models import Bookmark

NOTE_LENGTH = 500
LONGEST_US = 24 * 3600 * MICROSECONDS
EACH = 10_000
"""Bookmarks of one account."""
MOST = 500
"""Bookmarks in one answer."""


class BookmarkRefused(Invalid):
    """A bookmark that breaks a rule. `message` is a text of the catalog, filled from `values`."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message.format(**values))
        self.message = message
        self.values = values


@dataclass(frozen=True, slots=True)
class Noted:
    """A bookmark and who made it."""

    id: uuid.UUID
    camera_id: uuid.UUID
    account_id: uuid.UUID
    account_name: str
    at_us: int
    to_us: int | None
    note: str


def add(
    session: Session, camera_id: uuid.UUID, account_id: uuid.UUID, at_us: int, to_us: int | None, note: str, now_us: int
) -> Bookmark:
    """Note something about a moment of a camera, or (`to_us`) about an interval; BookmarkRefused says why not."""
    words = _clean(note)
    if not words:
        raise BookmarkRefused(N_("Write a note for the bookmark."))
    if len(words) > NOTE_LENGTH:
        raise BookmarkRefused(N_("The note is too long: at most {most} letters."), most=NOTE_LENGTH)
    if not 0 <= at_us <= now_us + MICROSECONDS:
        raise BookmarkRefused(N_("A bookmark cannot lie in the future."))
    if to_us is not None and not 0 < to_us - at_us <= LONGEST_US:
        raise BookmarkRefused(N_("The end of a bookmark must lie after its beginning, by a day at most."))
    held = sa.select(sa.func.count()).select_from(Bookmark).where(Bookmark.account_id == account_id)
    if (session.scalar(held) or 0) >= EACH:
        raise BookmarkRefused(N_("You have {most} bookmarks. Delete some that are no longer needed."), most=EACH)
    bookmark = Bookmark(
        id=new_id(),
        camera_id=camera_id,
        account_id=account_id,
        at_us=at_us,
        to_us=to_us,
        note=words,
        note_folded=text.fold(words),
        made_at=utc(now_us),
    )
    session.add(bookmark)
    session.flush()
    return bookmark


def between(
    session: Session,
    camera_ids: Collection[uuid.UUID],
    from_us: int | None = None,
    to_us: int | None = None,
    *,
    words: str = "",
    limit: int = MOST,
) -> list[Noted]:
    """Return the bookmarks of cameras that touch an interval, the newest moment first, at most `limit`.

    `words`: only those whose note has every one of them, with or without accents, in any case.
    """
    query = (
        sa.select(Bookmark, Account.name)
        .join(Account, Account.id == Bookmark.account_id)
        .where(Bookmark.camera_id.in_(list(camera_ids)))
        .order_by(Bookmark.at_us.desc(), Bookmark.id.desc())
        .limit(limit)
    )
    if to_us is not None:
        query = query.where(Bookmark.at_us < to_us)
    if from_us is not None:
        # A moment at the very beginning belongs to the interval; none is longer than a day.
        ends = sa.func.coalesce(Bookmark.to_us, Bookmark.at_us + 1)
        query = query.where(Bookmark.at_us > from_us - LONGEST_US - 1, ends > from_us)
    for word in text.fold(words).split():
        query = query.where(Bookmark.note_folded.contains(word, autoescape=True))
    return [
        Noted(row.id, row.camera_id, row.account_id, name, row.at_us, row.to_us, row.note)
        for row, name in session.execute(query)
    ]


def _clean(note: str) -> str:
    """Return a note in NFC without control characters; its line breaks stay."""
    lines = ("".join(c for c in line if unicodedata.category(c) != "Cc") for line in note.splitlines())
    tidied = (" ".join(unicodedata.normalize("NFC", line).split()) for line in lines)
    return "\n".join(tidied).strip()
