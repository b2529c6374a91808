"""Episodes on their way into the table: those of a second in one transaction, and never more than so many waiting."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy.orm import Session

from vonggac.video.activity.models import Source
from vonggac.video.activity.service import ANNOUNCED_AGAIN_US, LONGEST_US, Episode, note

GROWS_EVERY_US = 10_000_000
"""How seldom a row that only grows is written."""
MOST = 2_000
"""Episodes that may wait while the database is away; then new ones are not noted. There are few in an hour."""
_BATCH = 100
"""Rows in one transaction: some milliseconds."""

Write = Callable[[Session], None]


class EpisodeNotes:
    """Keeps the episodes that have changed until they are written."""

    def __init__(self) -> None:
        self._waiting: dict[int, Episode] = {}
        self.left_out = 0
        """Episodes that were not noted, since too many waited."""

    def add(self, episode: Episode) -> None:
        """Have an episode written as it will be at the next `take`."""
        if len(self._waiting) < MOST or id(episode) in self._waiting:
            self._waiting[id(episode)] = episode
        else:
            self.left_out += 1

    def take(self) -> list[Write]:
        """Return what is to be done in the database, each in a transaction of its own."""
        waiting, self._waiting = list(self._waiting.values()), {}
        return [_Noted(waiting[start : start + _BATCH]) for start in range(0, len(waiting), _BATCH)]


class _Noted:
    """Writes episodes as they were when they were taken; asked again after a failure, it writes the same."""

    def __init__(self, episodes: list[Episode]) -> None:
        self._episodes = episodes
        self._then = [replace(one) for one in episodes]
        self._new = [not one.taken for one in episodes]
        for one in episodes:
            one.taken = True

    def __call__(self, session: Session) -> None:
        for one, then in zip(self._episodes, self._then, strict=True):
            then.id = one.id  # of one that is not new: given by what was asked for before this
        new = [then for then, is_new in zip(self._then, self._new, strict=True) if is_new]
        grown = [then for then, is_new in zip(self._then, self._new, strict=True) if not is_new]
        note(session, new, grown)
        for one, then in zip(self._episodes, self._then, strict=True):
            one.id = then.id


class EpisodeWriter:
    """One camera's episodes of one source: begun, grown, ended; tells `notes` what is to be written."""

    def __init__(self, camera_id: uuid.UUID, unit_id: uuid.UUID, source: Source, notes: EpisodeNotes) -> None:
        self._camera_id, self._unit_id, self._source = camera_id, unit_id, source
        self._notes = notes
        self._episode: Episode | None = None
        self._ended_us = 0
        self._written_us = 0

    @property
    def active(self) -> bool:
        """Whether one is going on."""
        return self._episode is not None

    def begin(self, start_us: int, end_us: int, score: float) -> None:
        """Something happens, and did not before."""
        announced = not 0 <= start_us - self._ended_us < ANNOUNCED_AGAIN_US
        self._open(start_us, end_us, score, announced=announced)

    def grow(self, end_us: int, score: float) -> None:
        """It goes on."""
        episode = self._episode
        if episode is None or end_us <= episode.end_us:
            return
        if end_us - episode.start_us >= LONGEST_US:
            start_us = episode.end_us
            self.end()
            self._open(start_us, end_us, score, announced=False)
            return
        episode.end_us, episode.score = end_us, max(episode.score, score)
        if end_us - self._written_us >= GROWS_EVERY_US:
            self._note(episode)

    def end(self) -> None:
        """It is over: up to when it went on was told by `grow`."""
        episode, self._episode = self._episode, None
        if episode is not None:
            self._ended_us = episode.end_us
            self._note(episode)

    def _open(self, start_us: int, end_us: int, score: float, *, announced: bool) -> None:
        self._episode = Episode(self._camera_id, self._unit_id, self._source, start_us, end_us, score, announced)
        self._note(self._episode)

    def _note(self, episode: Episode) -> None:
        self._written_us = episode.end_us
        self._notes.add(episode)
