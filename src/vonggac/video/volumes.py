"""Volumes: the folders that recordings lie in, each with an identity that the database knows.

A volume's folder carries a marker file with the volume's id. Where the marker is missing, the disk is not mounted (or
it is another disk), and nothing is written: so the root disk is not filled in its place.
"""

from __future__ import annotations

import enum
import errno
import os
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.core.errors import VonggacError
from vonggac.core.i18n import N_
from vonggac.core.ids import new_id
from vonggac.core.said import Said
from vonggac.video.models import Volume

MARKER = ".vonggac-volume"


class VolumeLost(VonggacError):
    """The folder of a volume is away, or it is another volume's."""


class VolumeState(enum.StrEnum):
    """What a volume is good for now."""

    OK = "ok"
    FULL = "full"
    """No more free than the reserve."""
    READ_ONLY = "read_only"
    FAILING = "failing"
    """It refuses to be read or written (EIO)."""
    MISSING = "missing"
    """No marker: its disk is not mounted."""
    FOREIGN = "foreign"
    """The marker of another volume: the wrong disk is mounted."""
    HANGING = "hanging"
    """It does not answer."""


@dataclass(frozen=True, slots=True)
class VolumeCondition:
    """A volume's state, in plain words what to do about it, and its room in bytes (0 where it is not known)."""

    state: VolumeState
    words: str = ""
    free_bytes: int = 0
    total_bytes: int = 0


_STATES = {
    VolumeState.FULL: (errno.ENOSPC, errno.EDQUOT),
    VolumeState.READ_ONLY: (errno.EROFS, errno.EPERM, errno.EACCES),
    VolumeState.MISSING: (
        errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ENOMEDIUM,
    ),
}  # fmt: skip


def state_of(number: int | None) -> VolumeState:
    """Return what the error number of a failed call says of the volume; FAILING for whatever is not known better."""
    return next((state for state, numbers in _STATES.items() if number in numbers), VolumeState.FAILING)


@dataclass(frozen=True, slots=True)
class MountedVolume:
    """A volume as the database knows it. Whether it is mounted, `look` and `verify` say."""

    id: uuid.UUID
    path: Path

    def free_bytes(self) -> int:
        """Space that may be written, from the file system and not from sums; VolumeLost when the folder is away."""
        try:
            status = os.statvfs(self.path)
        except OSError as error:
            raise VolumeLost(
                N_("The volume {path} cannot be read: {reason}."),
                path=str(self.path),
                reason=error.strerror or str(error),
            ) from error
        return status.f_bavail * status.f_frsize

    def verify(self) -> None:
        """Raise VolumeLost unless the marker in the folder is this volume's."""
        if (found := _marker(self.path)) != self.id:
            raise _lost(self.path, found)

    def look(self, reserve_bytes: int) -> VolumeCondition:
        """Return its condition by reading the marker and asking the file system. Never raises; a dead mount blocks."""
        try:
            found = uuid.UUID((self.path / MARKER).read_text("ascii").strip())
            status = os.statvfs(self.path)
        except OSError as error:
            return self.refused(error.errno)
        except ValueError:
            return VolumeCondition(
                VolumeState.FOREIGN,
                Said(N_("The marker {path} is not readable as one."), path=str(self.path / MARKER)),
            )
        free, total = status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize
        if found != self.id:
            return VolumeCondition(VolumeState.FOREIGN, Said.by(_lost(self.path, found)), free, total)
        if status.f_flag & os.ST_RDONLY:
            return VolumeCondition(VolumeState.READ_ONLY, self.refused(errno.EROFS).words, free, total)
        if free < reserve_bytes:
            words = Said(
                N_(
                    "The volume {path} is full: {free} free, {reserve} are kept as reserve. Delete something or add a "
                    "volume."
                ),
                path=str(self.path),
                free=_megabytes(free),
                reserve=_megabytes(reserve_bytes),
            )
            return VolumeCondition(VolumeState.FULL, words, free, total)
        return VolumeCondition(VolumeState.OK, "", free, total)

    def refused(self, number: int | None, words: str = "") -> VolumeCondition:
        """Return the condition that a failed call tells of: its error number, and the words that came with it."""
        state = state_of(number)
        said = words or (os.strerror(number) if number else "it refuses to be used")
        if state is VolumeState.MISSING:
            return VolumeCondition(state, Said.by(_lost(self.path, None)))
        advice = {
            VolumeState.FULL: N_("Delete something or add a volume."),
            VolumeState.READ_ONLY: N_(
                "Is it mounted for writing? After a fault of the disk the system mounts it so: look at dmesg."
            ),
        }.get(state, N_("Look at dmesg, and have a disk ready to replace it."))
        refusal = Said(N_("The volume {path} cannot be written: {reason}."), path=str(self.path), reason=said)
        return VolumeCondition(state, Said.joined((refusal, advice)))


def create_volume(session: Session, path: Path, now: datetime) -> Volume:
    """Make the folder and its marker and note it; a folder that is this centre's volume already is left as it is."""
    path = path.resolve()
    known = {volume.id: volume for volume in session.scalars(sa.select(Volume))}
    found = _marker(path)
    if found is not None:
        if (volume := known.get(found)) is None:
            raise VonggacError(
                f"{path} holds recordings of another centre (volume {found}). Choose an empty folder, or restore the "
                "backup of that centre first."
            )
        volume.path = str(path)
        return volume
    volume = Volume(id=new_id(), path=str(path), created_at=now)
    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
        with (path / MARKER).open("x", encoding="ascii") as file:
            file.write(f"{volume.id}\n")
            file.flush()
            os.fsync(file.fileno())
        sync_directory(path)
    except OSError as error:
        raise VonggacError(f"{path} cannot be made a folder for recordings: {error.strerror}.") from error
    session.add(volume)
    session.flush()
    return volume


def known(session: Session) -> list[MountedVolume]:
    """Return every volume of the database, oldest first, without looking at the disks."""
    query = sa.select(Volume).order_by(Volume.created_at)
    return [MountedVolume(volume.id, Path(volume.path)) for volume in session.scalars(query)]


def mounted(session: Session) -> tuple[list[MountedVolume], list[str]]:
    """Return the volumes that are there, and in plain words what is wrong with the others."""
    there: list[MountedVolume] = []
    faults: list[str] = []
    for candidate in known(session):
        try:
            candidate.verify()
        except VolumeLost as fault:
            faults.append(str(fault))
        else:
            there.append(candidate)
    return there, faults


def sync_directory(path: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _marker(path: Path) -> uuid.UUID | None:
    try:
        return uuid.UUID((path / MARKER).read_text("ascii").strip())
    except (OSError, ValueError):
        return None


def _lost(path: Path, found: uuid.UUID | None) -> VolumeLost:
    if found is None:
        message = N_("The volume {path} is not there (no {marker} in it). Is its disk mounted?")
        return VolumeLost(message, path=str(path), marker=MARKER)
    message = N_("At {path} lies another volume ({found}). Is the right disk mounted there?")
    return VolumeLost(message, path=str(path), found=str(found))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
