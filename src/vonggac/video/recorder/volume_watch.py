"""The volumes as they are now: each looked at every few seconds by a thread of its own, and chosen among.

A dead network disk holds up the thread that looks at it, and nothing else. A volume that appears, or comes back, is
first made ready (`welcome`: what was left open on it is finished), then written to.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy.exc

from vonggac.core.backoff import BackOff
from vonggac.core.i18n import N_
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.said import Said
from vonggac.video.models import GapReason
from vonggac.video.recorder.disk import Disk
from vonggac.video.recorder.recording_file import WriteFailed
from vonggac.video.volumes import MountedVolume, VolumeCondition, VolumeLost, VolumeState

LOOK_S = 2.0
HANGS_S = 10.0
"""A look, or a file that is finished, takes less than this; more is a volume that hangs."""
_RETRY_FIRST_S, _RETRY_LAST_S = 3.0, 60.0
_GOOD_AGAIN_S = 600.0
"""A volume that was good for so long after a failed write is asked again soon after the next one."""
_PROBE = ".vonggac-probe"
_READABLE = (VolumeState.OK, VolumeState.FULL)

Welcome = Callable[[MountedVolume, bool, Callable[[], None]], None]
"""Makes a volume ready: it, whether it was seen before, and what to call at each step. Blocking."""


@dataclass(frozen=True, slots=True)
class StandingVolume:
    """A volume, its condition, and whether writing to it takes long now."""

    volume: MountedVolume
    condition: VolumeCondition
    slow: bool


class VolumeWatch:
    """Looks at volumes and chooses among them. All but `failed` is called on the event loop, and never waits."""

    def __init__(self, disk: Disk, *, reserve_bytes: int, welcome: Welcome, slow: Callable[[uuid.UUID], bool]) -> None:
        self._disk = disk
        self._reserve_bytes = reserve_bytes
        self._welcome = welcome
        self._slow = slow
        self._watched: dict[uuid.UUID, _Watched] = {}

    def set_volumes(self, volumes: Iterable[MountedVolume]) -> None:
        """Watch exactly these; one whose folder changed is watched anew."""
        wanted = {volume.id: volume for volume in volumes}
        kept = {key: one for key, one in self._watched.items() if wanted.get(key) == one.volume}
        for key in self._watched.keys() - kept.keys():
            self._watched[key].end()
        for key in wanted.keys() - kept.keys():
            kept[key] = _Watched(wanted[key], self._disk, self._reserve_bytes, self._welcome)
        self._watched = {key: kept[key] for key in wanted}

    def end(self) -> None:
        """Look no more. Does not wait for a look that hangs."""
        for one in self._watched.values():
            one.end()

    @property
    def known(self) -> bool:
        """True when of every volume it is known how it is, or that it hangs."""
        return all(one.condition() is not None for one in self._watched.values())

    def standing(self) -> list[StandingVolume]:
        """Return every volume of which something is known."""
        return [
            StandingVolume(one.volume, condition, self._slow(one.volume.id))
            for one in self._watched.values()
            if (condition := one.condition()) is not None
        ]

    def failed(self, volume: MountedVolume, failure: WriteFailed) -> None:
        """Take note that a write failed: the volume is left until one succeeds. Safe to call from any thread."""
        if (one := self._watched.get(volume.id)) is not None:
            one.failed(failure)

    def choose(self, camera_id: uuid.UUID) -> MountedVolume | None:
        """Return the volume for a camera's next file; None when none can be written.

        Each camera has a home among the volumes that are good: the volumes share the cameras out by their size, and a
        volume that goes or comes moves no camera but its own. A slow one is taken when there is no other.
        """
        good = [one for one in self.standing() if one.condition.state is VolumeState.OK]
        quick = [one for one in good if not one.slow]
        return max(quick or good, key=lambda one: _attraction(camera_id, one), default=_NOWHERE).volume

    def leave(self, volume: MountedVolume) -> bool:
        """Return whether a recording on `volume` had better go on elsewhere: it is not good, and another one is."""
        here, elsewhere = False, False
        for one in self.standing():
            good = one.condition.state is VolumeState.OK and not one.slow
            if one.volume.id == volume.id:
                here = good
            else:
                elsewhere = elsewhere or good
        return elsewhere and not here

    def why_none(self) -> tuple[GapReason, str]:
        """Return why `choose` has nothing: the reason for the gap, and the words of each volume."""
        conditions = [one.condition for one in self.standing()]
        away = all(one.state in (VolumeState.MISSING, VolumeState.FOREIGN) for one in conditions)
        words = " ".join(one.words for one in conditions if one.words)
        return GapReason.VOLUME_LOST if away else GapReason.DISK, words or "no volume can be written"


@dataclass(frozen=True, slots=True)
class _Nowhere:
    volume: None = None


_NOWHERE = _Nowhere()


def _attraction(camera_id: uuid.UUID, one: StandingVolume) -> float:
    """Weighted rendezvous hashing: the volume with the greatest value wins as often as its share of all sizes is."""
    digest = hashlib.blake2b(camera_id.bytes + one.volume.id.bytes, digest_size=8).digest()
    chance = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -max(1, one.condition.total_bytes) / math.log(chance)


class _Watched:
    """One volume and the thread that looks at it."""

    def __init__(self, volume: MountedVolume, disk: Disk, reserve_bytes: int, welcome: Welcome) -> None:
        self.volume = volume
        self._disk = disk
        self._reserve_bytes = reserve_bytes
        self._welcome = welcome
        self._lock = threading.Lock()
        """Between the thread and those that report failures; never held during a call to the disk."""
        self._told: VolumeCondition | None = None
        self._failures = 0
        self._suspect = False
        self._ready = False
        self._seen = False
        self._retry_at = 0.0
        self._good_since = time.monotonic()
        self._back_off = BackOff(_RETRY_FIRST_S, _RETRY_LAST_S)
        self._step_at: float | None = time.monotonic()
        self._ending = threading.Event()
        self._wake = threading.Event()
        self._log = get_logger()
        self._limit = RateLimit()
        threading.Thread(target=self._run, name="volume", daemon=True).start()

    def condition(self) -> VolumeCondition | None:
        """Return how it is; None before the first look has ended."""
        told, step_at = self._told, self._step_at
        if step_at is not None and (waits := time.monotonic() - step_at) > HANGS_S:
            return VolumeCondition(
                VolumeState.HANGING,
                Said(
                    N_(
                        "The volume {path} has not answered for {seconds} s. A disk that dies, or a network disk whose "
                        "server is away: look at dmesg."
                    ),
                    path=str(self.volume.path),
                    seconds=int(waits // 10 * 10),
                ),
                total_bytes=told.total_bytes if told else 0,
            )
        return told

    def failed(self, failure: WriteFailed) -> None:
        """A write failed: it is not used until a probe succeeds, and that is not tried at once."""
        with self._lock:
            self._failures += 1
            now = time.monotonic()
            if not self._suspect:
                if now - self._good_since > _GOOD_AGAIN_S:
                    self._back_off.reset()
                self._retry_at = now + self._back_off.next()
            self._suspect, self._ready = True, False
            self._told = self.volume.refused(failure.number, str(failure))

    def end(self) -> None:
        self._ending.set()
        self._wake.set()

    def _step(self) -> None:
        self._step_at = time.monotonic()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._step()
            failures = self._failures
            try:
                condition = self._look()
            except sqlalchemy.exc.OperationalError as error:
                condition = None
                if (held := self._limit.passes("database")) is not None:
                    self._log.error(
                        "a volume waits for the database", volume=str(self.volume.path), reason=str(error.orig),
                        held_back=held,
                    )  # fmt: skip
            self._step_at = None
            if condition is not None:
                self._publish(condition, failures)
            self._wake.wait(LOOK_S)

    def _publish(self, condition: VolumeCondition, failures: int) -> None:
        with self._lock:
            if failures != self._failures:
                return  # a write failed meanwhile, and that is newer
            if condition.state is VolumeState.OK and self._suspect:
                self._suspect = False
                self._good_since = time.monotonic()
            self._ready = condition.state in _READABLE
            before, self._told = self._told, condition
        if condition.state is not VolumeState.OK and (before is None or before.state is not condition.state):
            if self._limit.passes(condition.state) is not None:
                self._log.error("a volume cannot be used", volume=str(self.volume.path), detail=condition.words)
        elif before is not None and condition.state is VolumeState.OK and before.state is not VolumeState.OK:
            self._log.info("a volume is used again", volume=str(self.volume.path))

    def _look(self) -> VolumeCondition | None:
        """Look at it, and make it ready if it was not; None: nothing new."""
        condition = self.volume.look(self._reserve_bytes)
        told = self._told
        if condition.state not in _READABLE:
            return condition
        if told is not None and told.state is VolumeState.FULL and condition.free_bytes < self._reserve_bytes * 5 // 4:
            return VolumeCondition(VolumeState.FULL, told.words, condition.free_bytes, condition.total_bytes)
        if self._suspect:
            if time.monotonic() < self._retry_at:
                return None
            try:
                self._probe()
            except OSError as error:
                self._retry_at = time.monotonic() + self._back_off.next()
                return self.volume.refused(error.errno)
        if not self._ready:
            try:
                self._welcome(self.volume, self._seen, self._step)
            except VolumeLost as error:
                return VolumeCondition(VolumeState.MISSING, Said.by(error))
            except OSError as error:
                return self.volume.refused(error.errno)
            self._seen = True
        return condition

    def _probe(self) -> None:
        """Write, sync and remove a small file; OSError when the volume does not take it."""
        path = self.volume.path / f"{_PROBE}-{os.getpid()}"
        self._disk.remove(path)
        descriptor = self._disk.create(path)
        try:
            self._disk.append(descriptor, [bytes(4096)])
            self._disk.sync(descriptor)
        finally:
            self._disk.close(descriptor)
            with contextlib.suppress(OSError):
                self._disk.remove(path)
