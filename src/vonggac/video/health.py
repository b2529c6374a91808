"""Health: what every camera does now and why, and the sums an officer wants to see first.

Read from what the recorders say about themselves (CameraStatus). What nobody has said for a while counts as unknown:
the last word of a recorder that is gone is never shown as the present. Functions take a session and only read.
"""

from __future__ import annotations

import enum
import os
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import MICROSECONDS, microseconds, utc_now
from vonggac.core.i18n import N_
from vonggac.core.presence import ALIVE_FOR, RoleRow
from vonggac.org.models import Unit
from vonggac.video.archive import holds
from vonggac.video.models import CameraStatus, GapReason, Recording, Still, Volume
from vonggac.video.retention import deletion
from vonggac.video.volumes import MountedVolume, VolumeLost

SILENT_AFTER_US = 30 * MICROSECONDS
"""A recorder speaks every 5 s; what is older than this is no longer the present."""
FORGET_ROLE_AFTER = timedelta(days=1)
"""A role that has been gone for so long was taken away on purpose (or is a recorder of the past)."""


class State(enum.StrEnum):
    """What a camera does now, the worst first."""

    AWAY = "away"
    SILENT = "silent"
    CONNECTING = "connecting"
    RECORDING = "recording"
    DISABLED = "disabled"


STATE_WORDS: dict[State, str] = {
    State.AWAY: N_("Signal lost"),
    State.SILENT: N_("No news"),
    State.CONNECTING: N_("Connecting"),
    State.RECORDING: N_("Recording"),
    State.DISABLED: N_("Switched off"),
}

REASON_WORDS: dict[str, str] = {
    GapReason.REFUSED: N_("The camera refuses the connection"),
    GapReason.UNAUTHORISED: N_("User name or password is wrong"),
    GapReason.NOT_FOUND: N_("The address leads to no stream"),
    GapReason.TIMED_OUT: N_("The camera does not answer"),
    GapReason.STALLED: N_("Connected, but no picture arrives"),
    GapReason.NO_KEY_FRAME: N_("Connected, but no key frame arrives"),
    GapReason.CLOSED: N_("The camera ended the connection"),
    GapReason.PROTOCOL: N_("The camera answers in an unusable way"),
    GapReason.UNSUPPORTED: N_("The video format cannot be recorded"),
    GapReason.UNTRUSTED: N_("The certificate of the camera is not trusted"),
    GapReason.LOSS: N_("Data was lost on the way"),
    GapReason.CLOCK_SET: N_("The clock of the server was set"),
    GapReason.DISK: N_("The disk takes nothing more"),
    GapReason.VOLUME_LOST: N_("The disk for recordings is not there"),
    GapReason.STOPPED: N_("Recording was stopped"),
    GapReason.CRASHED: N_("The recorder broke off"),
    GapReason.DISABLED: N_("Switched off"),
    GapReason.EXPIRED: N_("Deleted when its time was over"),
    GapReason.UNKNOWN: N_("Cause unknown"),
}
SILENT_WORDS = N_("The recorder says nothing about it")

KIND_WORDS: dict[str, str] = {
    "overview": N_("Overview"),
    "ptz": N_("Pan and tilt"),
    "plate": N_("Number plates"),
}


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """One camera as it is now. Times in microseconds since 1970, 0 where nothing is known."""

    id: uuid.UUID
    number: int
    name: str
    name_folded: str
    name_sort: str
    kind: str
    unit_id: uuid.UUID
    unit_name: str
    unit_sort: str
    state: State
    reason: str
    detail: str
    since_us: int
    updated_us: int
    codec: str
    width: int
    height: int
    fps: float
    bits_per_s: float
    lost_packets: int
    reconnects: int
    passed_us: int
    recorded_us: int
    still_us: int

    @property
    def share(self) -> float | None:
        """Seconds recorded ÷ seconds passed; None before the first second."""
        return min(1.0, self.recorded_us / self.passed_us) if self.passed_us > 0 else None

    @property
    def why(self) -> str:
        """The reason in words of the catalog (to be translated); empty while it records."""
        if self.state is State.SILENT:
            return SILENT_WORDS
        if self.state is State.AWAY:
            return REASON_WORDS.get(self.reason, REASON_WORDS[GapReason.UNKNOWN])
        return ""


@dataclass(frozen=True, slots=True)
class VolumeHealth:
    """Space on one volume, in bytes; None where this machine cannot see the volume."""

    path: str
    free: int | None
    total: int | None
    writable: bool = True
    device: int | None = None
    """Number of its file system: volumes of one share their space."""


@dataclass(frozen=True, slots=True)
class RoleHealth:
    """One role: whether it lives, and since when it runs or when it was last heard of."""

    name: str
    alive: bool
    since_us: int
    heard_us: int


@dataclass(frozen=True, slots=True)
class Storage:
    """What the volumes hold, and for how long recordings stay on them."""

    volumes: list[VolumeHealth]
    reserve: int
    oldest_us: int
    """When the oldest recording begins that is not held; 0 without one."""
    min_days: int = 0
    """Days for which recordings are to be kept at least."""
    max_days: int = 0
    """Days after which they are deleted; 0: none."""
    bits_per_s: float = 0.0
    """What all cameras of the centre write, whoever asks."""

    @property
    def days_left(self) -> float | None:
        """How many days fit into what is free above the reserve; None while nothing is recorded."""
        free: dict[object, int] = {}
        for place, volume in enumerate(self.volumes):
            if volume.free is not None and volume.writable:
                free[("alone", place) if volume.device is None else volume.device] = volume.free
        room = sum(max(0, one - self.reserve) for one in free.values())
        return room / (self.bits_per_s / 8 * 86_400) if self.bits_per_s > 0 else None

    def days_kept(self, now_us: int) -> float | None:
        """Return for about how many days a recording of now will stay: those that are there, and those that fit in yet.

        An estimate for a glance; `vonggac storage` forecasts for each camera. None while nothing is recorded.
        """
        left = self.days_left
        if left is None:
            return None
        days = left + (max(0, now_us - self.oldest_us) / (86_400 * MICROSECONDS) if self.oldest_us else 0.0)
        return min(days, max(self.max_days, self.min_days)) if self.max_days else days


@dataclass(frozen=True, slots=True)
class Summary:
    """The sums over cameras."""

    cameras: int
    by_state: Counter[State]
    by_reason: Counter[str]
    bits_per_s: float
    lost_packets: int
    passed_us: int
    recorded_us: int
    updated_us: int
    roles: list[RoleHealth] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """Seconds recorded ÷ seconds passed, all cameras together."""
        return min(1.0, self.recorded_us / self.passed_us) if self.passed_us > 0 else None


def health_rows(session: Session, now_us: int | None = None, camera_id: uuid.UUID | None = None) -> list[CameraHealth]:
    """Return every camera that is not removed (or one), by unit and name in the Vietnamese order."""
    now = microseconds(utc_now()) if now_us is None else now_us
    query = (
        sa.select(Camera, Unit.name, Unit.name_sort, CameraStatus, Still.taken_us)
        .join(Unit, Unit.id == Camera.unit_id)
        .outerjoin(CameraStatus, CameraStatus.camera_id == Camera.id)
        .outerjoin(Still, Still.camera_id == Camera.id)
        .where(Camera.removed_at.is_(None))
        .order_by(Unit.name_sort, Unit.id, Camera.name_sort, Camera.number)
    )
    if camera_id is not None:
        query = query.where(Camera.id == camera_id)
    return [_row(*found, now) for found in session.execute(query)]


def _row(
    camera: Camera, unit_name: str, unit_sort: str, status: CameraStatus | None, still_us: int | None, now: int
) -> CameraHealth:
    state, since = state_of(camera, status, now)
    recording = status is not None and state is State.RECORDING
    return CameraHealth(
        id=camera.id,
        number=camera.number,
        name=camera.name,
        name_folded=camera.name_folded,
        name_sort=camera.name_sort,
        kind=camera.kind,
        unit_id=camera.unit_id,
        unit_name=unit_name,
        unit_sort=unit_sort,
        state=state,
        reason=status.reason if status else "",
        detail=status.detail if status and state is State.AWAY else "",
        since_us=since,
        updated_us=status.updated_us if status else 0,
        codec=status.codec if status else "",
        width=status.width if status else 0,
        height=status.height if status else 0,
        # Rates are of the moment: the last ones of a camera that is away would be a lie.
        fps=status.fps if status and recording else 0.0,
        bits_per_s=status.bits_per_s if status and recording else 0.0,
        lost_packets=status.lost_packets if status else 0,
        reconnects=status.reconnects if status else 0,
        passed_us=status.passed_us if status else 0,
        recorded_us=status.recorded_us if status else 0,
        still_us=still_us or 0,
    )


def state_of(camera: Camera, status: CameraStatus | None, now: int) -> tuple[State, int]:
    """Return what a camera does at the moment `now`, and since when (microseconds since 1970, 0: not known)."""
    if not camera.enabled:
        return State.DISABLED, 0
    if status is None:
        return State.SILENT, microseconds(camera.created_at)
    if now - status.updated_us > SILENT_AFTER_US:
        return State.SILENT, status.updated_us
    try:
        return State(status.state), status.since_us
    except ValueError:
        return State.SILENT, status.updated_us


def summary(session: Session, rows: Sequence[CameraHealth]) -> Summary:
    """Return the sums over rows of `health_rows`, and the roles."""
    counted = [row for row in rows if row.state is not State.DISABLED]
    return Summary(
        cameras=len(counted),
        by_state=Counter(row.state for row in rows),
        by_reason=Counter(row.why for row in counted if row.why),
        bits_per_s=sum(row.bits_per_s for row in counted),
        lost_packets=sum(row.lost_packets for row in counted),
        passed_us=sum(row.passed_us for row in counted),
        recorded_us=sum(row.recorded_us for row in counted),
        updated_us=max((row.updated_us for row in counted), default=0),
        roles=roles(session),
    )


def roles(session: Session) -> list[RoleHealth]:
    """Return the roles that run, and those that were heard of within a day."""
    now = utc_now()
    query = sa.select(RoleRow).where(RoleRow.renewed_at > now - FORGET_ROLE_AFTER).order_by(RoleRow.name)
    return [
        RoleHealth(
            row.name, row.renewed_at > now - ALIVE_FOR, microseconds(row.started_at), microseconds(row.renewed_at)
        )
        for row in session.scalars(query)
    ]


def storage(
    session: Session, reserve: int, min_days: int = 0, max_days: int = 0, *, bits_per_s: float = 0.0
) -> Storage:
    """Return the space on the volumes; `reserve` is what recording leaves free on each, in bytes."""
    volumes = [
        _space(volume.id, volume.path) for volume in session.scalars(sa.select(Volume).order_by(Volume.created_at))
    ]
    return Storage(volumes, reserve, _oldest(session), min_days, max_days, bits_per_s)


def _oldest(session: Session) -> int:
    """Return when the oldest recording begins that is not held: held ones say nothing of how long others stay."""
    held = holds.held_spans(session)
    if not held:
        # The first row is the oldest but for a step of the clock; the least start of a million rows would take a scan.
        return session.scalar(sa.select(Recording.start_us).order_by(Recording.id).limit(1)) or 0
    firsts = [
        next(deletion.oldest(session, camera_id, held.get(camera_id, ())), None)
        for camera_id in session.scalars(sa.select(Camera.id)).all()
    ]
    return min((first.start_us for first in firsts if first is not None), default=0)


def _space(volume_id: uuid.UUID, path: str) -> VolumeHealth:
    # The volume may be another machine's: then its space is not known here, which is no fault of the volume. Nor is
    # that of the disk below it, where its own is not mounted.
    try:
        volume = MountedVolume(volume_id, Path(path))
        volume.verify()
        status = os.statvfs(volume.path)
        device = volume.path.stat().st_dev
    except (VolumeLost, OSError):
        return VolumeHealth(path, None, None)
    writable = not status.f_flag & os.ST_RDONLY
    return VolumeHealth(path, status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize, writable, device)
