"""`vonggac recordings` and `vonggac clip`: what is recorded of a camera, and an interval of it as one file."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from vonggac.cameras.models import Camera
from vonggac.cameras.service import find_camera
from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.core.commands import data_option, emit, json_option
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import NotFound, VonggacError
from vonggac.video.archive import footage
from vonggac.video.archive.footage import Held, MediaStore, Selection, Stretch, Timeline
from vonggac.video.clips import writing
from vonggac.video.clips.writing import ClipWriter
from vonggac.video.health import REASON_WORDS
from vonggac.video.index import Interval
from vonggac.video.models import GapReason, Recording, RecordingState
from vonggac.video.mp4 import ClipPlan, ClipReport
from vonggac.video.wording import lasting, local, moment_option, sized

_STATES = {RecordingState.OPEN: "recording", RecordingState.COMPLETE: "complete", RecordingState.RECOVERED: "recovered"}


@click.command(short_help="What is recorded of a camera, and what is not.")
@click.argument("camera_named", metavar="CAMERA")
@click.option("--from", "from_text", metavar="TIME", default="", help="Beginning.  [default: an hour before the end]")
@click.option("--to", "to_text", metavar="TIME", default="now", show_default=True, help="End.")
@click.option("--groups", is_flag=True, help="Also every group of pictures.")
@data_option
@json_option
def recordings(camera_named: str, from_text: str, to_text: str, groups: bool, data: Path, as_json: bool) -> None:
    """List what is recorded of CAMERA, what is missing and why, in the order of time.

    CAMERA is its number, its name or a part of its name. TIME is in the centre's zone: 2026-11-24 14:03, 14:03:05
    (today), -10min, -2h, now; or with a zone of its own, 2026-11-24T14:03:05+07:00. The sum at the end compares what is
    recorded with what ought to be: from when the camera was added until what is on its way to disk this moment.

    \b
    Examples:
      vonggac recordings 12
      vonggac recordings "cho lien nghia" --from "2026-11-24 14:00" --to "2026-11-24 15:30"
      vonggac recordings 12 --from -1d --json
    """
    folder = DataFolder.open(data)
    zone, now = ZoneInfo(folder.settings.centre.zone), utc_now()
    start, end = _interval(from_text, to_text, now, zone)
    with folder.database().read() as session:
        camera = find_camera(session, camera_named, removed=True)
        asked = camera.id, microseconds(start), microseconds(end), microseconds(now)
        store = MediaStore.of(session)
        selection = footage.select(session, store, *asked) if groups else None
        found = selection.timeline if selection is not None else footage.timeline(session, store, *asked)
    if as_json:
        emit(_timeline_data(camera, found, selection, zone))
    else:
        _print_timeline(camera, found, selection, zone)


@click.command(short_help="Cut an interval of a camera into an MP4 file.")
@click.argument("camera_named", metavar="CAMERA")
@click.option("--from", "from_text", metavar="TIME", required=True, help="Beginning.")
@click.option("--to", "to_text", metavar="TIME", required=True, help="End.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", required=True, help="The MP4 file to write."
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@data_option
@json_option
def clip(camera_named: str, from_text: str, to_text: str, output: Path, force: bool, data: Path, as_json: bool) -> None:
    """Cut an interval of CAMERA into one MP4 file that any player opens, without re-encoding.

    It holds whole groups of pictures: from the one in which the beginning lies to the one in which the end lies. Where
    nothing is recorded, the last picture stands until the next one, so that the time in the player stays true; every
    such gap is listed with its reason. What is being recorded right now can be cut, too. CAMERA and TIME are written
    as for `vonggac recordings`.

    \b
    Examples:
      vonggac clip 12 --from "2026-11-24 14:03" --to "2026-11-24 14:10" -o market.mp4
      vonggac clip "cho lien nghia" --from -10min --to now -o last-minutes.mp4
    """
    folder = DataFolder.open(data)
    zone, now = ZoneInfo(folder.settings.centre.zone), utc_now()
    start, end = _interval(from_text, to_text, now, zone)
    _refuse_target(output, force=force)
    with folder.database().read() as session:
        camera = find_camera(session, camera_named, removed=True)
        asked = camera.id, microseconds(start), microseconds(end)
        store = MediaStore.of(session)
        selection = footage.select(session, store, *asked, microseconds(now), readable=True)
        if not selection.stretches:
            before, after = footage.neighbours(session, camera.id, asked[1])
            raise NotFound(_nothing(camera, selection, before, after, zone))
    with _progress(hidden=as_json) as progress:
        planned = writing.plan(store, selection)
        digest = write_file(planned, output, force=force, progress=progress)
    missing = writing.missing(planned, selection)
    if as_json:
        emit(_clip_data(camera, output, planned.report, digest, missing, zone))
    else:
        _print_clip(output, planned.report, digest, missing, zone)


def write_file(planned: ClipPlan, target: Path, *, force: bool, progress: Callable[[int, int], None]) -> bytes:
    """Write a clip beside `target` under a temporary name and give it its name: whole or not at all.

    `progress` is told the bytes written and their sum. Returns the file's SHA-256.
    """
    size = planned.report.size
    try:
        if (free := shutil.disk_usage(target.parent).free) < size:
            raise OSError(errno.ENOSPC, f"{sized(size)} are needed and {sized(free)} free")
        with closing(ClipWriter(planned, target, target.with_name(f".{target.name}.{os.getpid()}.part"))) as writer:

            def told() -> bool:
                progress(writer.written, size)
                return False

            writer.go_on(told)
            _refuse_target(target, force=force)  # someone may have been quicker
            writer.finish()
            return writer.sha256
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise VonggacError(
            f"{'No room for' if full else 'Not written:'} {target}: {error.strerror}. Nothing of it was kept."
            + (" Choose a place on another disk with -o." if full else "")
        ) from error


# Times and places as people write them.


def _interval(from_text: str, to_text: str, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    end = moment_option(to_text, "--to", now, zone)
    start = moment_option(from_text, "--from", now, zone) if from_text else end - timedelta(hours=1)
    shown = f"{start.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    if start >= now:
        raise click.BadParameter(
            f"{shown} lies in the future. Write the day, too, if you mean an earlier one.", param_hint="--from"
        )
    if start >= end:
        raise click.BadParameter(
            f"{shown} is not before --to {end.astimezone(zone):%Y-%m-%d %H:%M:%S}.", param_hint="--from"
        )
    return start, end


def _refuse_target(target: Path, *, force: bool) -> None:
    if target.is_dir():
        raise VonggacError(f"{target} is a folder. Name the file in it: -o {target / 'clip.mp4'}")
    if not target.parent.is_dir():
        raise VonggacError(f"There is no folder {target.parent}. Make it first.")
    if target.exists() and not force:
        raise VonggacError(f"{target} exists already. Choose another name, or replace it with --force.")


@contextlib.contextmanager
def _progress(hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal: bytes written of how many."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Writing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=hidden or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _why(gap: Interval) -> str:
    words = REASON_WORDS[gap.reason or GapReason.UNKNOWN]
    return f"{words} ({gap.detail})" if gap.detail else words


def _state(held: Held) -> str:
    return _STATES[RecordingState(held.recording.state)]


def _share(found: Timeline) -> str:
    """Return recorded ÷ due, rounded down: only what is whole is 100 %. What was deleted is left out of both."""
    due_us = found.due_us - found.expired_us
    return f"{found.recorded_us * 10_000 // due_us / 100:.2f} %" if due_us else "–"


# What the commands print.


def _print_timeline(camera: Camera, found: Timeline, selection: Selection | None, zone: ZoneInfo) -> None:
    click.echo(
        f"Camera {camera.number}, {camera.name}: {local(found.from_us, zone)} to {local(found.to_us, zone)} ({zone})"
    )
    if found.due_from_us > found.from_us:
        click.echo(f"It was added {local(found.due_from_us, zone)}.")
    groups = {one.held.recording.id: one for one in selection.stretches} if selection is not None else {}
    click.secho(f"{'from':<21}  {'lasts':>15}  {'size':>9}  {'pictures':>8}", dim=True)
    lines: list[Held | Interval] = [*found.held, *found.gaps]
    for one in sorted(lines, key=lambda one: one.start_us):
        line = f"{local(one.start_us, zone, digits=1)}  {lasting(one.end_us - one.start_us):>15}  "
        if isinstance(one, Interval):
            click.secho(f"{line}{'none':>9}  {'':>8}  {_why(one)}", fg="yellow")
            continue
        lost = f", {one.recording.lost_packets} packets lost" if one.recording.lost_packets else ""
        click.echo(f"{line}{sized(one.size):>9}  {one.frames:>8}  {_state(one)}{lost}")
        stretch = groups.get(one.recording.id)
        for group, start_us, end_us in stretch.timed() if stretch is not None else ():
            marks = ("" if group.key else " goes on") + (" damaged" if group.damaged else "")
            click.echo(
                f"  {local(start_us, zone, digits=3)}  {(end_us - start_us) / 1e6:>9.3f} s  {sized(group.size):>9}  "
                f"{group.frames:>8} {marks}".rstrip()
            )
    gaps = [gap for gap in found.gaps if gap.reason is not GapReason.EXPIRED]
    missing = sum(gap.end_us - gap.start_us for gap in gaps)
    click.echo(
        f"Recorded {lasting(found.recorded_us)} of {lasting(found.due_us - found.expired_us)} ({_share(found)}) in "
        f"{len(found.held)} files, {sized(sum(one.size for one in found.held))}. Missing {lasting(missing)} in "
        f"{len(gaps)} gaps."
    )
    if found.expired_us:
        click.echo(f"Another {lasting(found.expired_us)} had been recorded and were deleted when their time was over.")


def _print_clip(target: Path, report: ClipReport, digest: bytes, missing: list[Interval], zone: ZoneInfo) -> None:
    click.echo(f"Wrote {target}: {lasting(report.duration_us)}, {report.frames} pictures, {sized(report.size)}.")
    click.echo(f"It holds {local(report.start_us, zone, digits=3)} to {local(report.end_us, zone, digits=3)} ({zone}).")
    click.echo(f"Its SHA-256 is {digest.hex()}.")
    if report.sound:
        click.echo("It has the sound that was recorded with its pictures.")
    if report.sound_left_out:
        click.echo(f"The sound of {report.sound_left_out} groups is of another form and is left out.")
    if report.damaged_groups:
        click.echo(f"{report.damaged_groups} groups of pictures could not be read back and are missing in it.")
    for gap in missing:
        where = (
            "before it" if gap.end_us <= report.start_us else "after it" if gap.start_us >= report.end_us else "in it"
        )
        line = f"{local(gap.start_us, zone, digits=1)}  {lasting(gap.end_us - gap.start_us):>15}  {_why(gap)}"
        click.secho(f"Missing {where}: {line}", fg="yellow")


def _nothing(
    camera: Camera, selection: Selection, before: Recording | None, after: Recording | None, zone: ZoneInfo
) -> str:
    asked = f"{local(selection.timeline.from_us, zone)} to {local(selection.timeline.to_us, zone)}"
    why = "; ".join(dict.fromkeys(_why(gap) for gap in selection.gaps[:3]))
    words = f"Nothing of camera {camera.number}, {camera.name}, can be cut from {asked}{f': {why}' if why else ''}."
    if before is None and after is None:
        return f"{words} It has no recordings at all."
    if before is not None:
        end = f"until {local(before.end_us, zone)}" if before.end_us is not None else "being written"
        words += f" The nearest recording before: {local(before.start_us, zone)}, {end}."
    if after is not None:
        words += f" The nearest after: from {local(after.start_us, zone)} on."
    return words


def _gap_data(gap: Interval, zone: ZoneInfo) -> dict[str, Any]:
    reason = gap.reason or GapReason.UNKNOWN
    return {
        **_span_data(gap.start_us, gap.end_us, zone),
        "reason": reason,
        "words": REASON_WORDS[reason],
        "detail": gap.detail,
    }


def _span_data(start_us: int, end_us: int, zone: ZoneInfo) -> dict[str, Any]:
    moments = {"from": utc(start_us).astimezone(zone), "to": utc(end_us).astimezone(zone)}
    return {**moments, "start_us": start_us, "end_us": end_us}


def _timeline_data(camera: Camera, found: Timeline, selection: Selection | None, zone: ZoneInfo) -> dict[str, Any]:
    groups = {one.held.recording.id: one for one in selection.stretches} if selection is not None else None
    return {
        "camera": {"id": camera.id, "number": camera.number, "name": camera.name},
        **_span_data(found.from_us, found.to_us, zone),
        "due_us": found.due_us,
        "recorded_us": found.recorded_us,
        "expired_us": found.expired_us,
        "share": found.recorded_us / due_us if (due_us := found.due_us - found.expired_us) else None,
        "recordings": [_held_data(one, zone, groups) for one in found.held],
        "gaps": [_gap_data(gap, zone) for gap in found.gaps],
    }


def _held_data(held: Held, zone: ZoneInfo, groups: dict[int, Stretch] | None) -> dict[str, Any]:
    row = held.recording
    shown = {
        "id": row.id,
        **_span_data(held.start_us, held.end_us, zone),
        "state": _state(held),
        "size": held.size,
        "pictures": held.frames,
        "codec": row.codec,
        "audio": row.audio,
        "width": row.width,
        "height": row.height,
        "lost_packets": row.lost_packets,
        "clock_offset_us": row.clock_offset_us,
        "volume": row.volume_id,
        "path": row.path,
    }
    if groups is not None:
        stretch = groups.get(row.id)
        shown["groups"] = [
            {"start_us": start_us, "end_us": end_us, **group._asdict()}
            for group, start_us, end_us in (stretch.timed() if stretch is not None else ())
        ]
    return shown


def _clip_data(
    camera: Camera, target: Path, report: ClipReport, digest: bytes, missing: list[Interval], zone: ZoneInfo
) -> dict[str, Any]:
    return {
        "path": target.resolve(),
        "camera": {"id": camera.id, "number": camera.number, "name": camera.name},
        **_span_data(report.start_us, report.end_us, zone),
        "duration_us": report.duration_us,
        "pictures": report.frames,
        "size": report.size,
        "sha256": digest.hex(),
        "damaged_groups": report.damaged_groups,
        "missing": [_gap_data(gap, zone) for gap in missing],
    }
