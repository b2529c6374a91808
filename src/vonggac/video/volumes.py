"""Volumes: the folders that recordings lie in, each with an identity that the database knows.

A volume's folder carries a marker file with the volume's id. Where the marker is missing, the disk is not mounted (or
it is another disk), and nothing is written: so the root disk is not filled in its place.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.core.errors import VonggacError
from vonggac.core.ids import new_id
from vonggac.video.models import Volume

MARKER = ".vonggac-volume"


class VolumeLost(VonggacError):
    """The folder of a volume is away, or it is another volume's."""


@dataclass(frozen=True, slots=True)
class MountedVolume:
    """A volume whose marker was seen."""

    id: uuid.UUID
    path: Path

    def free_bytes(self) -> int:
        """Space that may be written, from the file system and not from sums; VolumeLost when the folder is away."""
        try:
            status = os.statvfs(self.path)
        except OSError as error:
            raise VolumeLost(f"The volume {self.path} cannot be read: {error.strerror}.") from error
        return status.f_bavail * status.f_frsize

    def verify(self) -> None:
        """Raise VolumeLost unless the marker in the folder is this volume's."""
        if (found := _marker(self.path)) != self.id:
            raise VolumeLost(_lost(self.path, found))


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


def mounted(session: Session) -> tuple[list[MountedVolume], list[str]]:
    """Return the volumes that are there, and in plain words what is wrong with the others."""
    there: list[MountedVolume] = []
    faults: list[str] = []
    for volume in session.scalars(sa.select(Volume).order_by(Volume.created_at)):
        candidate = MountedVolume(volume.id, Path(volume.path))
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


def _lost(path: Path, found: uuid.UUID | None) -> str:
    if found is None:
        return f"The volume {path} is not there (no {MARKER} in it). Is its disk mounted?"
    return f"At {path} lies another volume ({found}). Is the right disk mounted there?"
