"""What the disks hold and for how long: what `vonggac storage` says. Functions only read.

Sizes of cameras are sums of their recorded hours from the oldest recording that is not held: a few thousand rows in
place of millions. Held recordings are counted one by one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.settings import StorageSettings
from vonggac.video.archive import holds
from vonggac.video.index import HOUR_US
from vonggac.video.models import RecordedHour, Recording
from vonggac.video.retention import clearing, deletion, planning
from vonggac.video.retention.clearing import Archive, VolumeSpace
from vonggac.video.retention.forecast import Growth, days_held_when_full, days_until_full
from vonggac.video.retention.planning import DAY_US, Candidate, Queue, Rank

_RATE_HOURS = 24
_FAR_US = 100 * 366 * DAY_US
_NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class CameraStorage:
    """One camera. Days are the centre's where it has none of its own."""

    id: uuid.UUID
    number: int
    name: str
    min_days: int
    max_days: int
    """0: none."""
    oldest_us: int | None
    """Start of its oldest recording that is not held; None without one."""
    held_days: float
    """From then until now."""
    bytes_a_day: float
    """At the rate of the last day."""
    size: int
    """Of what is not held."""
    days_when_full: float
    """How many days of it the disks will hold when they are full."""

    @property
    def past_days(self) -> float:
        """How far it is past its minimum; less than 0 while there is not so much of it (yet, or any more)."""
        return self.held_days - self.min_days


@dataclass(frozen=True, slots=True)
class NextDeletion:
    """A recording that goes soon."""

    camera_number: int
    start_us: int
    end_us: int
    size: int
    at_us: int
    rank: Rank


@dataclass(frozen=True, slots=True)
class StorageReport:
    """The whole of it; sizes in bytes."""

    cameras: list[CameraStorage]
    volumes: list[VolumeSpace]
    reserve: int
    """Left free on each volume by recording."""
    margin: int
    """Left free above the reserves by deletion."""
    held: int
    holds: int
    waiting_files: int
    """Deleted, and not yet removed from a disk."""
    full_in_days: float | None
    """0: the disks are full, and for what is recorded something is deleted; None: they never will be."""
    next: list[NextDeletion]

    @property
    def bytes_a_day(self) -> float:
        """Of all cameras together."""
        return sum(camera.bytes_a_day for camera in self.cameras)


def report(
    session: Session, settings: StorageSettings, spaces: Sequence[VolumeSpace], now_us: int, next_count: int
) -> StorageReport:
    """Return what is held, for how long there is room, and what goes next. `spaces`: the volumes that are there."""
    found = clearing.read_archive(session, settings)
    reserve = settings.reserve_mb * 1_000_000
    usable = [space for space in spaces if space.writable]
    margin = planning.margin(found.bytes_per_s, settings.margin_minutes, clearing.total_of(spaces))
    room = planning.room(clearing.spare_of(spaces, reserve)) - margin
    rows = [(camera, _camera(session, camera, found, now_us)) for camera in session.scalars(_cameras_that_matter())]
    growths = [growth for _, (growth, _, _) in rows]
    capacity = sum(size for _, (_, _, size) in rows) + room
    when_full = days_held_when_full(growths, max(0.0, capacity))
    full_in = days_until_full(growths, room)
    cameras = [
        CameraStorage(
            camera.id, camera.number, camera.name, growth.days.minimum, growth.days.maximum,
            oldest_us, growth.held_days, growth.bytes_a_day, size, days,
        )
        for (camera, (growth, oldest_us, size)), days in zip(rows, when_full, strict=True)
    ]  # fmt: skip
    count, _ = deletion.waiting_sums(session)
    return StorageReport(
        cameras=cameras,
        volumes=list(spaces),
        reserve=reserve,
        margin=margin,
        held=holds.held_bytes(session),
        holds=len(holds.list_holds(session)),
        waiting_files=count,
        full_in_days=full_in,
        next=_next(
            session,
            found,
            {camera.id: camera.number for camera, _ in rows},
            [space.volume.id for space in usable],
            sum(growth.bytes_a_day for growth in growths),
            full_in,
            now_us,
            next_count,
        ),
    )


def _cameras_that_matter() -> sa.Select[Camera]:
    """All that are recorded, and removed ones of which something is left."""
    something = sa.exists().where(Recording.camera_id == Camera.id)
    return sa.select(Camera).where(sa.or_(Camera.removed_at.is_(None), something)).order_by(Camera.number)


def _camera(session: Session, camera: Camera, found: Archive, now_us: int) -> tuple[Growth, int | None, int]:
    """Return a camera's growth, the start of its oldest recording that is not held, and the size of all those."""
    first = next(deletion.oldest(session, camera.id, found.held.get(camera.id, ())), None)
    mine = sa.select(RecordedHour.hour_us, RecordedHour.size).where(RecordedHour.camera_id == camera.id)
    since_us = now_us - now_us % HOUR_US - _RATE_HOURS * HOUR_US
    recent = session.execute(mine.where(RecordedHour.hour_us >= since_us)).all()
    begun_us = min((row.hour_us for row in recent), default=now_us)
    rate = sum(row.size for row in recent) * DAY_US / max(now_us - begun_us, HOUR_US) if recent else 0.0
    days = found.cameras[camera.id]
    if first is None:
        return Growth(days, rate, 0.0), None, 0
    hours = sa.select(sa.func.coalesce(sa.func.sum(RecordedHour.size), 0)).where(
        RecordedHour.camera_id == camera.id, RecordedHour.hour_us > first.start_us - HOUR_US
    )
    size = int(session.scalar(hours) or 0)
    return Growth(days, rate, (now_us - first.start_us) / DAY_US), first.start_us, size


def _next(
    session: Session,
    found: Archive,
    numbers: dict[uuid.UUID, int],
    volumes: Sequence[uuid.UUID],
    bytes_a_day: float,
    full_in_days: float | None,
    now_us: int,
    count: int,
) -> list[NextDeletion]:
    due: dict[int, tuple[int, Candidate, Rank]] = {}
    # The order in which recordings pass their maximum is the same at any time: seen from afar, all have.
    for one in islice(planning.past_maximum(_queues(session, found), now_us + _FAR_US), count):
        days = found.cameras[one.candidate.camera_id]
        at_us = max(now_us, one.candidate.end_us + days.maximum * DAY_US)
        due[one.candidate.id] = (at_us, one.candidate, Rank.PAST_MAXIMUM)
    if full_in_days is not None and bytes_a_day and volumes:
        freed = 0
        order = planning.for_space(_queues(session, found, volumes), now_us, dict.fromkeys(volumes, 0), _NO_LIMIT)
        for one in islice(order, count):
            at_us = now_us + int((full_in_days + freed / bytes_a_day) * DAY_US)
            freed += one.candidate.size
            past_us = at_us - one.candidate.end_us - found.cameras[one.candidate.camera_id].minimum * DAY_US
            rank = Rank.PAST_MINIMUM if past_us >= 0 else Rank.BELOW_MINIMUM
            known = due.get(one.candidate.id)
            if known is None or at_us < known[0]:
                due[one.candidate.id] = (at_us, one.candidate, rank)
    soonest = sorted(due.values(), key=lambda one: (one[0], one[1].start_us))[:count]
    return [
        NextDeletion(numbers.get(one.camera_id, 0), one.start_us, one.end_us, one.size, at_us, rank)
        for at_us, one, rank in soonest
    ]


def _queues(session: Session, found: Archive, volumes: Sequence[uuid.UUID] | None = None) -> Iterator[Queue]:
    for camera_id, days in found.cameras.items():
        held = found.held.get(camera_id, [])
        yield Queue(days, held, deletion.oldest(session, camera_id, held, volumes))
