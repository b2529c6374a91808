"""The keeper's job that deletes: what is past its maximum days, and what must go so that recording finds room.

It looks at the disks every ten seconds and acts long before the recorder, which stops at the reserve: deletion begins
while there is room for some minutes of recording above it. When it is far behind it catches up in slices.
"""

from __future__ import annotations

import asyncio
import collections
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import Clock
from vonggac.core.database import Database
from vonggac.core.faults import clear_fault, raise_fault, standing_faults
from vonggac.core.i18n import N_
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.said import Said
from vonggac.core.settings import StorageSettings
from vonggac.video.archive import holds
from vonggac.video.models import CameraStatus, Gap, GapReason, Volume
from vonggac.video.retention import deletion, expired, planning
from vonggac.video.retention.clock_watch import ClockState, ClockWatch, doubt_words
from vonggac.video.retention.planning import DAY_US, Days, Deletion, Queue
from vonggac.video.spans import Span
from vonggac.video.volumes import MountedVolume, VolumeLost

EVERY_S = 10.0
BELOW_MINIMUM = "below_minimum"
HELD_FOOTAGE_FILLS_DISK = "held_footage_fills_disk"
DELETED_FILES_STAY = "deleted_files_stay"
CLOCK_DOUBTED = "server_clock_doubted"
_BATCH = 256
"""Recordings planned, unlinked and synced together: their folders are few, and each costs a sync."""
_SLICE = 8
"""Recordings noted in one transaction: keeps it below 10 ms."""
_ROUND_NS = 4_000_000_000
"""No batch is begun after so much of each half of a round: the keeper must be able to end."""
_PAUSE_S = 0.05
_STAY = 16
"""Where so many deleted files of a camera stay on a volume, no more of it is deleted for room: it would free none."""
_LOOK_BACK_NS = 600 * 1_000_000_000
"""Where the first recordings lie on volumes that are away, they are not looked through again for so long."""

FreeBytes = Callable[[MountedVolume], int]


class _Figures:
    """What deletion counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.files = Counter("vonggac_keeper_deleted_files", "Recordings deleted by retention.", registry=registry)
        self.bytes = Counter("vonggac_keeper_deleted_bytes", "Their bytes.", registry=registry)
        self.below = Counter(
            "vonggac_keeper_deleted_below_minimum_files", "Those younger than their minimum days.", registry=registry
        )
        self.waiting = Gauge("vonggac_keeper_garbage_files", "Deleted files that still lie on disk.", registry=registry)
        self.held = Gauge("vonggac_keeper_held_bytes", "Bytes of recordings that are held.", registry=registry)


@dataclass(frozen=True, slots=True)
class VolumeSpace:
    """A volume that is there, and its space in bytes."""

    volume: MountedVolume
    free: int
    total: int
    writable: bool
    device: int
    """Number of its file system: volumes of one share their space."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What a plan needs to know, read in one transaction."""

    cameras: dict[uuid.UUID, Days]
    held: dict[uuid.UUID, list[Span]]
    bytes_per_s: float
    disk_refuses: bool
    """A camera is not recorded at this moment, because the disk takes nothing."""
    folders: dict[uuid.UUID, str]
    """Name of each camera's folder on every volume."""


@dataclass(slots=True)
class _Round:
    """How long a round may go on, and what it has freed so far."""

    until_ns: int
    exhausted: bool = False
    """True when a plan came to its end: nothing more can be deleted for it."""
    spare: dict[uuid.UUID, int] = field(default_factory=dict)


class Clearing:
    """Deletes what is due, a bounded amount a round."""

    def __init__(
        self,
        database: Database,
        settings: StorageSettings,
        clock: Clock,
        registry: CollectorRegistry,
        free_bytes: FreeBytes = MountedVolume.free_bytes,
    ) -> None:
        """`free_bytes`: how the space of a volume is read."""
        self._database = database
        self._settings = settings
        self._clock = clock
        self._figures = _Figures(registry)
        self._free_bytes = free_bytes
        self._limit = RateLimit()
        self._watch = ClockWatch()
        self._since: dict[uuid.UUID, int] = {}
        self._since_for: tuple[object, int] = (None, 0)
        self._stay: frozenset[tuple[uuid.UUID, str]] = frozenset()
        """(volume, folder of a camera) from which files cannot be removed."""
        self._stay_words = ""

    async def round(self) -> None:
        """Remove what is left over, delete what is past its maximum, then what must go for room; say what is wrong."""
        volumes = await self._database.query(known_volumes)
        spaces = await asyncio.to_thread(look, volumes, self._free_bytes)
        there = {space.volume.id: space.volume for space in spaces}
        allowance = _Round(self._clock.monotonic_ns() + _ROUND_NS)
        await self._remove(there, allowance)
        found = await self._database.query(read_archive, self._settings)
        clock = await self._look_at_clock()
        if not clock.doubted:
            await self._delete(allowance, there, self._past_maximum, found)
        filled = False
        if any(space.writable for space in spaces):
            # Read again: what was deleted just now may be enough.
            spaces = await asyncio.to_thread(look, volumes, self._free_bytes)
            # A share of its own: a long list of what is past its maximum must not keep recording from its room.
            allowance = _Round(self._clock.monotonic_ns() + _ROUND_NS)
            filled = await self._make_room(allowance, there, spaces, found)
        await self._tell(found, clock, lacking=filled)

    async def _look_at_clock(self) -> ClockState:
        clock, was = self._clock, self._watch.doubted
        state = await self._database.run(self._watch.look, clock.now_us(), clock.monotonic_ns())
        if state.doubted and not was:
            get_logger().warning("the server's clock is doubted", detail=doubt_words(state))
        return state

    async def _make_room(
        self, allowance: _Round, there: dict[uuid.UUID, MountedVolume], spaces: Sequence[VolumeSpace], found: Archive
    ) -> bool:
        """Delete until there is room; True when there is not and nothing more can be deleted for it."""
        reserve = self._settings.reserve_mb * 1_000_000
        spare = spare_of(spaces, reserve)
        margin = planning.margin(found.bytes_per_s, self._settings.margin_minutes, total_of(spaces))
        goals = [(spare, margin)]
        if found.disk_refuses:
            # There may be room on a disk that takes nothing: then each of the others needs some.
            goals += [({volume_id: one}, margin // len(spare)) for volume_id, one in spare.items()]
        filled = False
        for goal, wanted in goals:
            allowance.spare = goal
            await self._delete(allowance, there, self._for_room, found, wanted)
            filled = filled or (allowance.exhausted and planning.room(goal) < wanted)
        return filled

    async def _delete(
        self,
        allowance: _Round,
        there: dict[uuid.UUID, MountedVolume],
        plan: Callable[..., list[Deletion]],
        found: Archive,
        *arguments: int,
    ) -> None:
        allowance.exhausted = False
        while self._clock.monotonic_ns() < allowance.until_ns:
            now_us = self._clock.now_us()
            doomed = await self._database.query(plan, found, now_us, dict(allowance.spare), *arguments)
            if not doomed:
                allowance.exhausted = True
                return
            deleted = 0
            # All of them go: those of a camera in one transaction are one stretch of its time.
            doomed.sort(key=lambda one: (one.candidate.camera_id, one.candidate.start_us))
            for first in range(0, len(doomed), _SLICE):
                part = doomed[first : first + _SLICE]
                noted = await self._database.run(deletion.note, part, now_us)
                deleted += noted.files
                self._figures.files.inc(noted.files)
                self._figures.bytes.inc(noted.size)
                self._figures.below.inc(noted.below_minimum)
                await asyncio.sleep(_PAUSE_S)
            for one in doomed:
                if one.candidate.volume_id in allowance.spare:
                    allowance.spare[one.candidate.volume_id] += one.candidate.size
            await self._remove(there, allowance)
            if not deleted:
                return  # a hold came between plan and transaction: the next round plans anew

    async def _remove(self, there: dict[uuid.UUID, MountedVolume], allowance: _Round) -> None:
        """Unlink the files that wait on volumes that are there; what cannot be unlinked is tried again next time."""
        left: collections.Counter[tuple[uuid.UUID, str]] = collections.Counter()
        why = ""
        for volume in there.values():
            after = ""
            while files := await self._database.query(deletion.waiting, volume.id, _BATCH, after):
                after = files[-1].path
                try:
                    gone, words = await asyncio.to_thread(deletion.remove_files, volume, files, self._clock.now_us())
                except VolumeLost as fault:
                    self._cannot_remove(volume, str(fault))
                    break
                for first in range(0, len(gone), _SLICE):
                    await self._database.run(deletion.forget, gone[first : first + _SLICE])
                if words:
                    self._cannot_remove(volume, words)
                    went, why = {file.id for file in gone}, words
                    left.update((volume.id, file.path.partition("/")[0]) for file in files if file.id not in went)
                if self._clock.monotonic_ns() >= allowance.until_ns:
                    break
        self._stay = frozenset(place for place, count in left.items() if count >= _STAY)
        self._stay_words = why if self._stay else ""

    def _cannot_remove(self, volume: MountedVolume, words: str) -> None:
        if (held_back := self._limit.passes(volume.id)) is not None:
            get_logger().warning("deleted recordings cannot be removed", reason=words, held_back=held_back)

    # Plans: read on a thread, a batch at a time.

    def _past_maximum(
        self, session: Session, found: Archive, now_us: int, _spare: dict[uuid.UUID, int]
    ) -> list[Deletion]:
        queues = (
            Queue(
                days, found.held.get(camera_id, ()), deletion.oldest(session, camera_id, found.held.get(camera_id, ()))
            )
            for camera_id, days in found.cameras.items()
            if days.maximum
        )
        return list(islice(planning.past_maximum(queues, now_us), _BATCH))

    def _for_room(
        self, session: Session, found: Archive, now_us: int, spare: dict[uuid.UUID, int], wanted: int
    ) -> list[Deletion]:
        if planning.room(spare) >= wanted:
            return []
        self._forget_old_marks((frozenset(spare), self._stay))
        queues = [
            Queue(days, found.held.get(camera_id, ()), self._from_mark(session, camera_id, found, spare))
            for camera_id, days in found.cameras.items()
        ]
        return list(islice(planning.for_space(queues, now_us, spare, wanted), _BATCH))

    def _from_mark(
        self, session: Session, camera_id: uuid.UUID, found: Archive, spare: dict[uuid.UUID, int]
    ) -> Iterator[planning.Candidate]:
        since_us = self._since.get(camera_id, 0)
        volumes = [volume_id for volume_id in spare if (volume_id, found.folders[camera_id]) not in self._stay]
        for place, one in enumerate(
            deletion.oldest(session, camera_id, found.held.get(camera_id, ()), volumes, since_us)
        ):
            if place == 0:
                self._since[camera_id] = one.start_us
            yield one

    def _forget_old_marks(self, places: object) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._since_for[0] != places or now_ns - self._since_for[1] > _LOOK_BACK_NS:
            self._since.clear()
            self._since_for = (places, now_ns)

    # What is wrong.

    async def _tell(self, found: Archive, clock: ClockState, *, lacking: bool) -> None:
        """Raise and clear the faults of retention. Written only when they change: most rounds have no news."""
        files, held, short, standing = await self._database.query(self._examine, found)
        self._figures.waiting.set(files)
        self._figures.held.set(held)
        words = {
            HELD_FOOTAGE_FILLS_DISK: _held_words(held) if lacking and held and not self._stay else "",
            BELOW_MINIMUM: _below_words(short) if short else "",
            DELETED_FILES_STAY: _stay_words(files, self._stay_words) if self._stay else "",
            CLOCK_DOUBTED: doubt_words(clock),
        }
        if changed := {kind: detail for kind, detail in words.items() if detail != standing.get(kind, "")}:
            await self._database.run(_say, changed)

    def _examine(self, session: Session, found: Archive) -> tuple[int, int, list[ShortCamera], dict[str, str]]:
        files, _ = deletion.waiting_sums(session)
        kinds = (HELD_FOOTAGE_FILLS_DISK, BELOW_MINIMUM, DELETED_FILES_STAY, CLOCK_DOUBTED)
        standing = {fault.kind: fault.detail for kind in kinds for fault in standing_faults(session, kind)}
        short = below_minimum(session, found.cameras, self._clock.now_us())
        return files, holds.held_bytes(session), short, standing


def _say(session: Session, faults: dict[str, str]) -> None:
    for kind, detail in faults.items():
        if detail:
            raise_fault(session, kind, detail=detail)
        else:
            clear_fault(session, kind)


@dataclass(frozen=True, slots=True)
class ShortCamera:
    """A camera whose minimum was cut into."""

    number: int
    name: str
    days: int
    """What is held of it, in whole days."""
    minimum: int


def below_minimum(session: Session, cameras: dict[uuid.UUID, Days], now_us: int) -> list[ShortCamera]:
    """Return the cameras of which something was deleted that is younger than their minimum, the worst first."""
    short = []
    for camera_id, days in cameras.items():
        last = expired.newest(session, camera_id)
        if last is not None and last.end_us > now_us - days.minimum * DAY_US:
            camera = session.get_one(Camera, camera_id)
            short.append(ShortCamera(camera.number, camera.name, (now_us - last.end_us) // DAY_US, days.minimum))
    return sorted(short, key=lambda one: (one.days - one.minimum, one.number))


def known_volumes(session: Session) -> list[MountedVolume]:
    """Return every volume of the index, there or not."""
    return [
        MountedVolume(volume.id, Path(volume.path))
        for volume in session.scalars(sa.select(Volume).order_by(Volume.created_at))
    ]


def look(volumes: Sequence[MountedVolume], free_bytes: FreeBytes = MountedVolume.free_bytes) -> list[VolumeSpace]:
    """Return the volumes that are there, with their space. Waits for disks: call it off the event loop."""
    found = []
    for volume in volumes:
        try:
            volume.verify()
            free = free_bytes(volume)
            status = os.statvfs(volume.path)
            device = volume.path.stat().st_dev
        except (VolumeLost, OSError):
            continue  # the recorder says so
        writable = not status.f_flag & os.ST_RDONLY
        found.append(VolumeSpace(volume, free, status.f_blocks * status.f_frsize, writable, device))
    return found


def spare_of(spaces: Iterable[VolumeSpace], reserve: int) -> dict[uuid.UUID, int]:
    """Return what each volume that takes recordings has free above the reserve; what volumes share, in equal parts."""
    usable = [space for space in spaces if space.writable]
    sharing = collections.Counter(space.device for space in usable)
    return {space.volume.id: (space.free - reserve) // sharing[space.device] for space in usable}


def total_of(spaces: Iterable[VolumeSpace]) -> int:
    """Return the size of the file systems that take recordings, each once."""
    return sum({space.device: space.total for space in spaces if space.writable}.values())


def read_archive(session: Session, settings: StorageSettings) -> Archive:
    """Return every camera's days, also of removed ones, what is held, and how fast recordings grow."""
    centre = (settings.min_days, settings.max_days)
    query = sa.select(Camera.id, Camera.folder, Camera.min_days, Camera.max_days)
    cameras: dict[uuid.UUID, Days] = {}
    folders: dict[uuid.UUID, str] = {}
    for camera_id, folder, minimum, maximum in session.execute(query):
        cameras[camera_id], folders[camera_id] = Days.of((minimum, maximum), centre), folder
    rate = session.scalar(sa.select(sa.func.sum(CameraStatus.bits_per_s))) or 0.0
    refused = sa.select(Gap.id).where(Gap.end_us.is_(None), Gap.reason == GapReason.DISK.value).limit(1)
    return Archive(cameras, holds.held_spans(session), rate / 8, session.scalar(refused) is not None, folders)


def _held_words(held: int) -> str:
    return Said(
        N_(
            "Held recordings ({size}) fill the disks and nothing else is left to delete: new recordings will find no "
            "space. Add a volume, or release a hold (vonggac hold list)."
        ),
        size=f"{held / 1e9:.1f} GB",
    )


def _stay_words(files: int, reason: str) -> str:
    return Said(
        N_(
            "{files} deleted recordings cannot be removed from the disk ({reason}) and keep their space. Nothing more "
            "is deleted for room where they lie. Look at the owner of the files and at the disk."
        ),
        files=files,
        reason=reason,
    )


def _below_words(short: Sequence[ShortCamera]) -> str:
    worst = short[0]
    message = (
        N_(
            "Recordings of {cameras} cameras were deleted before their minimum days, since the disks are too small. "
            "Worst is camera {number}, {name}: {days} of {minimum} days are kept. Add a volume, or lower the minimum."
        )
        if len(short) > 1
        else N_(
            "Recordings of {cameras} camera were deleted before their minimum days, since the disks are too small. "
            "Worst is camera {number}, {name}: {days} of {minimum} days are kept. Add a volume, or lower the minimum."
        )
    )
    return Said(
        message,
        cameras=len(short),
        number=worst.number,
        name=worst.name,
        days=worst.days,
        minimum=worst.minimum,
    )
