"""`vonggac storage`: how many days are held, when the disks are full, what goes next."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.core.commands import data_option, emit, json_option
from vonggac.core.datafolder import DataFolder
from vonggac.video.retention import clearing
from vonggac.video.retention import storage as stored
from vonggac.video.retention.clearing import VolumeSpace
from vonggac.video.retention.forecast import FAR_DAYS
from vonggac.video.retention.planning import Rank
from vonggac.video.retention.storage import CameraStorage, NextDeletion, StorageReport
from vonggac.video.volumes import MountedVolume
from vonggac.video.wording import local, sized

RANK_WORDS = {
    Rank.PAST_MAXIMUM: "past its maximum days",
    Rank.PAST_MINIMUM: "for room, past its minimum days",
    Rank.BELOW_MINIMUM: "for room, BELOW its minimum days",
}


@click.command()
@click.option("--next", "next_count", type=click.IntRange(0, 1000), default=10, show_default=True, metavar="N",
              help="Say of so many recordings when they will be deleted and why.")  # fmt: skip
@data_option
@json_option
def storage(next_count: int, data: Path, as_json: bool) -> None:
    """Say how many days are held of every camera, for how long there is room, and what is deleted next.

    The forecast goes by what was recorded in the last day. Once the disks are full, every camera is held as many days
    past its minimum as the others; `when full` is what comes of that. What is held (`vonggac hold`) is counted apart.

    \b
    Examples:
      vonggac storage
      vonggac storage --next 50 --json
    """
    folder = DataFolder.open(data)
    zone, now_us = ZoneInfo(folder.settings.centre.zone), microseconds(utc_now())
    database = folder.database()
    with database.read() as session:
        known = clearing.known_volumes(session)
    spaces = clearing.look(known)
    with database.read() as session:
        found = stored.report(session, folder.settings.storage, spaces, now_us, next_count)
    away = [volume for volume in known if volume.id not in {space.volume.id for space in spaces}]
    if as_json:
        emit(_data(found, away, zone))
    else:
        _print(found, away, zone)


def _print(found: StorageReport, away: list[MountedVolume], zone: ZoneInfo) -> None:
    for space in found.volumes:
        only = "" if space.writable else ", read-only"
        click.echo(f"{space.volume.path}: {sized(space.free)} free of {sized(space.total)}{only}")
    for volume in away:
        click.secho(f"{volume.path}: not there", fg="red")
    width = max((len(camera.name) for camera in found.cameras), default=0)
    head = f"{'':>5}  {'':<{width}}  {'held':>7}  {'min–max':>9}  {'a day':>9}  {'size':>9}  {'when full':>9}  oldest"
    click.secho(head, dim=True)
    for camera in found.cameras:
        click.echo(_line(camera, width, zone))
    click.echo(f"All cameras: {sized(round(found.bytes_a_day))} a day. {_forecast(found)}")
    if found.holds:
        count = "1 hold" if found.holds == 1 else f"{found.holds} holds"
        click.echo(f"Held: {sized(found.held)} by {count} (vonggac hold list).")
    if found.waiting_files:
        click.echo(f"{found.waiting_files} deleted files still wait to be removed.")
    if found.next:
        click.secho("Next to go:", bold=True)
    for one in found.next:
        recorded = f"{local(one.start_us, zone)}, {sized(one.size)}"
        click.echo(
            f"  {local(one.at_us, zone)}  camera {one.camera_number}, recorded {recorded}: {RANK_WORDS[one.rank]}"
        )


def _line(camera: CameraStorage, width: int, zone: ZoneInfo) -> str:
    limits = f"{camera.min_days}–{camera.max_days or ''}"
    oldest = local(camera.oldest_us, zone) if camera.oldest_us is not None else "nothing"
    when_full = _days(camera.days_when_full) if camera.bytes_a_day else "–"
    return (
        f"{camera.number:>5}  {camera.name:<{width}}  {_days(camera.held_days):>7}  {limits:>9}  "
        f"{sized(round(camera.bytes_a_day)):>9}  {sized(camera.size):>9}  {when_full:>9}  {oldest}"
    )


def _days(days: float) -> str:
    return "for ever" if days >= FAR_DAYS else f"{days:.1f} d"


def _forecast(found: StorageReport) -> str:
    if not found.bytes_a_day:
        return "Nothing was recorded in the last day: no forecast."
    least = min(
        (camera for camera in found.cameras if camera.bytes_a_day),
        key=lambda camera: camera.days_when_full - camera.min_days,
    )
    short = least.days_when_full < least.min_days
    then = (
        f"Then camera {least.number} is held {_days(least.days_when_full)} of at least {least.min_days}."
        if short
        else ""
    )
    if found.full_in_days is None:
        return "The disks will not be full: maximum days end everything before."
    if found.full_in_days <= 0:
        when = "The disks are full: the oldest is deleted for the newest."
    else:
        when = f"The disks will be full in {found.full_in_days:.1f} days."
    return f"{when} {then}".rstrip()


def _data(found: StorageReport, away: list[MountedVolume], zone: ZoneInfo) -> dict[str, Any]:
    return {
        "volumes": [_space(space) for space in found.volumes],
        "volumes_away": [{"id": volume.id, "path": volume.path} for volume in away],
        "reserve": found.reserve,
        "margin": found.margin,
        "bytes_a_day": found.bytes_a_day,
        "full_in_days": found.full_in_days,
        "held": found.held,
        "holds": found.holds,
        "waiting_files": found.waiting_files,
        "cameras": [_camera(camera, zone) for camera in found.cameras],
        "next": [_deletion(one, zone) for one in found.next],
    }


def _space(space: VolumeSpace) -> dict[str, Any]:
    return {
        "id": space.volume.id,
        "path": space.volume.path,
        "free": space.free,
        "total": space.total,
        "writable": space.writable,
    }


def _camera(camera: CameraStorage, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "id": camera.id,
        "number": camera.number,
        "name": camera.name,
        "min_days": camera.min_days,
        "max_days": camera.max_days,
        "oldest": utc(camera.oldest_us).astimezone(zone) if camera.oldest_us is not None else None,
        "held_days": camera.held_days,
        "past_minimum_days": camera.past_days,
        "bytes_a_day": camera.bytes_a_day,
        "size": camera.size,
        "days_when_full": camera.days_when_full,
    }


def _deletion(one: NextDeletion, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "camera": one.camera_number,
        "from": utc(one.start_us).astimezone(zone),
        "to": utc(one.end_us).astimezone(zone),
        "size": one.size,
        "at": utc(one.at_us).astimezone(zone),
        "why": one.rank.name.lower(),
    }
