"""`vonggac hold`: intervals of a camera that retention must not touch."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from vonggac.cameras.models import Camera
from vonggac.cameras.service import find_camera
from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.core.commands import LateGroup, data_option, emit, json_option
from vonggac.core.datafolder import DataFolder
from vonggac.core.ids import short_id
from vonggac.video.archive import footage, holds
from vonggac.video.archive.holds import HoldState
from vonggac.video.wording import local, moment_option, sized


@click.group(cls=LateGroup)
def hold() -> None:
    """Keep footage from being deleted.

    A hold is on an interval of a camera, whole recordings in it, also of time to come. Whatever the disks want, what is
    held stays until the hold is released. Each file gets its SHA-256 when it is held and complete.
    """


@hold.command("add")
@click.argument("camera_named", metavar="CAMERA")
@click.option("--from", "from_text", metavar="TIME", required=True, help="Beginning.")
@click.option("--to", "to_text", metavar="TIME", required=True, help="End; may lie in the future.")
@click.option("--subject", metavar="REF", required=True, help="What it is held for: the number of a case, a letter.")
@click.option("--reason", default="", help="Why, in a sentence.")
@data_option
@json_option
def add(camera_named: str, from_text: str, to_text: str, subject: str, reason: str, data: Path, as_json: bool) -> None:
    """Hold an interval of CAMERA.

    CAMERA is its number, its name or a part of its name; TIME as for `vonggac recordings`, and +2h, +30d for times to
    come. Says what is in the interval at this moment, and what of it was deleted already.

    \b
    Examples:
      vonggac hold add 12 --from "2026-11-24 14:00" --to "2026-11-24 15:30" --subject "VA-2026-118"
      vonggac hold add "cho lien nghia" --from now --to +7d --subject "CV 55" --reason "Tet market"
    """
    folder = DataFolder.open(data)
    zone, now = ZoneInfo(folder.settings.centre.zone), utc_now()
    start, end = _interval(from_text, to_text, now, zone)
    database = folder.database()
    with database.write() as session:
        camera = find_camera(session, camera_named, removed=True)
        placed = footage.hold(
            session, camera.id, microseconds(start), microseconds(end), subject, placed_by=who(), reason=reason
        )
    with database.read() as session:
        shown = _Shown(holds.state_of(session, placed), camera, zone)
        store = footage.MediaStore.of(session)
        found = footage.timeline(session, store, camera.id, placed.from_us, placed.to_us, microseconds(now))
    if as_json:
        emit({**shown.data(), "expired_us": found.expired_us})
        return
    click.echo(f"Holding camera {camera.number}, {camera.name}, {shown.interval()} ({zone}): {short_id(placed.id)}.")
    click.echo(f"{shown.keeps()}")
    if found.expired_us:
        click.secho(f"{found.expired_us / 3.6e9:.1f} h of it had been deleted before.", fg="yellow")


@hold.command("list")
@click.option("--all", "released", is_flag=True, help="Also those that were released.")
@data_option
@json_option
def list_all(released: bool, data: Path, as_json: bool) -> None:
    """List what is held, for what, by whom, and how much it takes.

    \b
    Examples:
      vonggac hold list
      vonggac hold list --all --json
    """
    folder = DataFolder.open(data)
    zone = ZoneInfo(folder.settings.centre.zone)
    with folder.database().read() as session:
        shown = [
            _Shown(holds.state_of(session, one), session.get_one(Camera, one.camera_id), zone)
            for one in holds.list_holds(session, released=released)
        ]
        held = holds.held_bytes(session)
    if as_json:
        emit({"held_bytes": held, "holds": [one.data() for one in shown]})
        return
    for one in shown:
        one.print()
    click.echo(f"Held: {sized(held)}." if shown else "Nothing is held.")


@hold.command("release")
@click.argument("named", metavar="ID")
@click.option("--reason", required=True, help="Why it need not be held any longer.")
@data_option
@json_option
def release(named: str, reason: str, data: Path, as_json: bool) -> None:
    """Release the hold ID: what it kept is deleted again when its time is over.

    ID is what `vonggac hold list` shows. The hold stays on record, with who released it and why.

    \b
    Example:
      vonggac hold release 5f0c2a1b --reason "case closed, copy handed over"
    """
    folder = DataFolder.open(data)
    zone = ZoneInfo(folder.settings.centre.zone)
    with folder.database().write() as session:
        found = holds.find(session, named)
        holds.release(session, found, released_by=who(), reason=reason)
        shown = _Shown(holds.state_of(session, found), session.get_one(Camera, found.camera_id), zone)
    if as_json:
        emit(shown.data())
        return
    click.echo(
        f"Released {short_id(found.id)} of camera {shown.camera.number}, {shown.camera.name}, {shown.interval()}."
    )


def who() -> str:
    """Return who gives a command: the system's user, and for whom he works under sudo."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container whose user has no name
        user = f"user {os.getuid()}"
    behind = os.environ.get("SUDO_USER", "")
    return f"{user} (for {behind})" if behind and behind != user else user


@dataclass(frozen=True, slots=True)
class _Shown:
    state: HoldState
    camera: Camera
    zone: ZoneInfo

    def interval(self) -> str:
        return f"{local(self.state.hold.from_us, self.zone)} to {local(self.state.hold.to_us, self.zone)}"

    def keeps(self) -> str:
        state = self.state
        if not state.files:
            return "There is no recording in it at this moment."
        hashed = f"SHA-256 of {state.hashed} of {state.files} files"
        return f"{state.files} files, {sized(state.size)}; {hashed}."

    def print(self) -> None:
        one = self.state.hold
        over = "  (released)" if one.released_at is not None else ""
        click.echo(f"{short_id(one.id)}  camera {self.camera.number}, {self.camera.name}  {self.interval()}{over}")
        why = f": {one.reason}" if one.reason else ""
        click.echo(f"{'':8}  {one.subject}{why}")
        click.secho(f"{'':8}  placed by {one.placed_by}, {self._at(one.placed_at)}. {self.keeps()}", dim=True)
        if one.released_at is not None:
            words = f"released by {one.released_by}, {self._at(one.released_at)}: {one.release_reason}"
            click.secho(f"{'':8}  {words}", dim=True)

    def data(self) -> dict[str, Any]:
        one = self.state.hold
        return {
            "id": one.id,
            "short_id": short_id(one.id),
            "camera": {"id": self.camera.id, "number": self.camera.number, "name": self.camera.name},
            "from": utc(one.from_us).astimezone(self.zone),
            "to": utc(one.to_us).astimezone(self.zone),
            "from_us": one.from_us,
            "to_us": one.to_us,
            "subject": one.subject,
            "reason": one.reason,
            "placed_by": one.placed_by,
            "placed_at": one.placed_at,
            "released_by": one.released_by,
            "released_at": one.released_at,
            "release_reason": one.release_reason,
            "files": self.state.files,
            "hashed": self.state.hashed,
            "size": self.state.size,
        }

    def _at(self, moment: datetime) -> str:
        return local(microseconds(moment), self.zone)


def _interval(from_text: str, to_text: str, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    start, end = moment_option(from_text, "--from", now, zone), moment_option(to_text, "--to", now, zone)
    if start >= end:
        raise click.BadParameter(
            f"{start.astimezone(zone):%Y-%m-%d %H:%M:%S} is not before --to {end.astimezone(zone):%Y-%m-%d %H:%M:%S}.",
            param_hint="--from",
        )
    return start, end
