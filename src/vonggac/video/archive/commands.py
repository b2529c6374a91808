"""`vonggac archive`: the recordings against their index."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.cameras.service import find_camera
from vonggac.core.clock import microseconds, utc_now
from vonggac.core.commands import LateGroup, data_option, emit, json_option
from vonggac.core.datafolder import DataFolder
from vonggac.video import volumes
from vonggac.video.archive import checking
from vonggac.video.archive.checking import CheckedCamera, Options, Problem, Tally
from vonggac.video.wording import moment_option

_FOR_EVER_US = 253_402_300_799_000_000  # the year 9999


@click.group(cls=LateGroup)
def archive() -> None:
    """The recordings on disk."""


@archive.command("check")
@click.option("--camera", "camera_named", metavar="CAMERA", default="", help="Only this one.")
@click.option("--from", "from_text", metavar="TIME", default="", help="Beginning.  [default: the oldest]")
@click.option("--to", "to_text", metavar="TIME", default="", help="End.  [default: the newest]")
@click.option("--quick", is_flag=True, help="Do not read into the files: compare names and sizes only.")
@click.option("--verify-hashes", is_flag=True, help="Read held files whole and compare their SHA-256.")
@click.option("--repair", is_flag=True, help="Mend what can be mended; without it nothing is changed.")
@data_option
@json_option
def check(
    camera_named: str,
    from_text: str,
    to_text: str,
    quick: bool,
    verify_hashes: bool,
    repair: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Compare the recordings on disk with the index, both ways, and say what disagrees.

    Finds files without a row, rows without a file, wrong sizes, tables of groups that are not what stands in the file,
    deleted files still there, unfinished recordings, strange folders. The centre may run meanwhile. --repair does what
    the keeper does in the background: enters files, turns rows without a file into gaps, corrects rows. A file that is
    held and has its SHA-256 is evidence: it is never mended, and damage to it raises a fault. Exit status 1 when
    something is wrong and not mended.

    \b
    Examples:
      vonggac archive check
      vonggac archive check --camera 12 --from -2d --verify-hashes
      vonggac archive check --repair --json
    """
    folder = DataFolder.open(data)
    zone, now = ZoneInfo(folder.settings.centre.zone), utc_now()
    database = folder.database()
    with database.read() as session:
        there, away = volumes.mounted(session)
        cameras = _cameras(session, camera_named)
    options = Options(
        from_us=microseconds(moment_option(from_text, "--from", now, zone)) if from_text else 0,
        to_us=microseconds(moment_option(to_text, "--to", now, zone)) if to_text else _FOR_EVER_US,
        now_us=microseconds(now),
        everything=not camera_named,
        read_files=not quick,
        verify_hashes=verify_hashes,
        repair=repair,
    )
    if options.from_us >= options.to_us:
        raise click.BadParameter("It is not before --to.", param_hint="--from")
    tally = Tally()
    problems: list[Problem] = []
    with _progress(hidden=as_json) as progress:
        for problem in checking.check(database, there, cameras, options, tally, progress):
            problems.append(problem)
            if not as_json:
                _print(problem)
    wrong = [one for one in problems if one.wrong and not one.mended]
    if as_json:
        emit(
            {
                "hours": tally.hours,
                "files": tally.files,
                "hashes": tally.hashes,
                "volumes_away": away,
                "found": checking.summary(problems),
                "unmended": len(wrong),
                "problems": [asdict(one) for one in problems],
            }
        )
    else:
        for fault in away:
            click.secho(f"{fault} What lies there was not looked at.", fg="red")
        hashes = f", {tally.hashes} hashes" if verify_hashes else ""
        click.echo(f"Looked at {tally.files} files in {tally.hours} hours of cameras{hashes}.")
        click.echo(_verdict(problems, wrong))
        if wrong and not repair:
            click.echo("To mend what can be mended: vonggac archive check --repair")
    sys.exit(1 if wrong or away else 0)


def _cameras(session: Session, named: str) -> list[CheckedCamera]:
    if named:
        found = [find_camera(session, named, removed=True)]
    else:
        found = list(session.scalars(sa.select(Camera).order_by(Camera.number)))
    return [CheckedCamera(camera.id, camera.number, camera.folder) for camera in found]


def _print(problem: Problem) -> None:
    camera = f"camera {problem.camera_number}: " if problem.camera_number is not None else ""
    colour = "green" if problem.mended else "red" if problem.wrong else None
    label = "mended" if problem.mended else "wrong" if problem.wrong else "note"
    click.echo(f"{click.style(f'{label:<6}', fg=colour)}  {camera}{problem.words}")


def _verdict(problems: list[Problem], wrong: list[Problem]) -> str:
    if not any(one.wrong or one.mended for one in problems):
        return "Index and disk agree."
    mended = sum(one.mended for one in problems)
    return f"{len(wrong)} wrong, {mended} mended."


@contextlib.contextmanager
def _progress(hidden: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal: hours of cameras done of how many."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("Checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=hidden or not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
