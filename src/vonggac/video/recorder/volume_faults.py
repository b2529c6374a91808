"""What is wrong with the disks, as technical faults: raised when it begins, cleared when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session

from vonggac.core import faults
from vonggac.core.i18n import N_
from vonggac.core.said import Said
from vonggac.video.recorder.account import IndexChange
from vonggac.video.recorder.volume_watch import StandingVolume
from vonggac.video.volumes import VolumeState

VOLUME_FULL, VOLUME_MISSING, VOLUME_READ_ONLY = "volume_full", "volume_missing", "volume_read_only"
VOLUME_FAILING, DISK_SLOW, NO_VOLUME = "volume_failing", "disk_slow", "no_volume"

_KINDS = {
    VolumeState.FULL: VOLUME_FULL,
    VolumeState.MISSING: VOLUME_MISSING,
    VolumeState.FOREIGN: VOLUME_MISSING,
    VolumeState.READ_ONLY: VOLUME_READ_ONLY,
    VolumeState.FAILING: VOLUME_FAILING,
    VolumeState.HANGING: DISK_SLOW,
}
_NEWER_WORDS_S = 60.0

Key = tuple[str, str]
"""Kind and subject of a fault."""


def faults_of(standing: Sequence[StandingVolume]) -> dict[Key, str | None]:
    """Return for every fault that a volume can have its words, or None where it has it not."""
    found: dict[Key, str | None] = {}
    for one in standing:
        subject = one.volume.id.hex
        found |= {(kind, subject): None for kind in _KINDS.values()}
        if one.slow:
            found[DISK_SLOW, subject] = Said(
                N_(
                    "Writing to the volume {path} takes more than 5 s at a time. Look at dmesg, at what else uses the "
                    "disk, and at its health."
                ),
                path=str(one.volume.path),
            )
        if (kind := _KINDS.get(one.condition.state)) is not None:
            found[kind, subject] = one.condition.words
    nothing = not any(one.condition.state is VolumeState.OK for one in standing)
    words = Said.joined(
        (N_("Nothing is recorded: no volume can be written."), *(one.condition.words for one in standing))
    )
    found[NO_VOLUME, ""] = words if nothing else None
    return found


class FaultTeller:
    """Tells the index of faults that begin, change their words (once a minute) and end."""

    def __init__(self, change: Callable[[IndexChange], None]) -> None:
        self._change = change
        self._told: dict[Key, str | None] = {}
        self._told_at: dict[Key, float] = {}

    def tell(self, standing: Sequence[StandingVolume]) -> None:
        """Compare with what was told last; what a recorder before this one left standing is told at the first time."""
        now = time.monotonic()
        for key, words in faults_of(standing).items():
            known = key in self._told
            before = self._told.get(key)
            began_or_ended = (words is None) != (before is None)
            if known and not began_or_ended and (words == before or now - self._told_at[key] < _NEWER_WORDS_S):
                continue
            self._told[key], self._told_at[key] = words, now
            self._change(_change(key, words))


def _change(key: Key, words: str | None) -> IndexChange:
    def change(session: Session) -> None:
        if words is None:
            faults.clear_fault(session, *key)
        else:
            faults.raise_fault(session, *key, detail=words)

    return change
