"""What the commands of all packages share: the option `--data`, output for programs, plain errors, late imports."""

from __future__ import annotations

import contextlib
import errno
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from vonggac.core.errors import VonggacError

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_DATA = Path("vonggac-data")


def data_option(command: F) -> F:
    """Give a command the option `--data DIR` (or VONGGAC_DATA): parameter `data`, a Path."""
    return click.option(
        "--data",
        envvar="VONGGAC_DATA",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_DATA,
        show_default=True,
        show_envvar=True,
        metavar="DIR",
        help="The centre's data folder, made by `vonggac init`.",
    )(command)


def json_option(command: F) -> F:
    """Give a command the flag `--json`: parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def emit(value: Any) -> None:
    """Print a value as one line of JSON in UTF-8; times, dates, UUIDs, paths and dataclasses are understood."""
    import msgspec

    click.echo(msgspec.json.encode(value, enc_hook=_json).decode())


def _json(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


class PlainErrors(click.Group):
    """A group whose commands end expected failures with `Error: …` on standard error and exit status 1.

    Wrong usage ends with exit status 2, as Click does it.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except VonggacError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE or not error.filename:
                raise
            raise click.ClickException(f"{error.filename}: {error.strerror}.") from error
        except Exception as error:
            if (words := _database_failure(error)) is None:
                raise
            raise click.ClickException(words) from error


def _database_failure(error: Exception) -> str | None:
    # Looked up, not imported: `vonggac --help` must not wait for SQLAlchemy.
    known = sys.modules.get("sqlalchemy.exc")
    if known is None or not isinstance(error, known.OperationalError):
        return None
    from vonggac.core.log import redact

    reason = " ".join(redact(str(error.orig)).split())
    return f"The database cannot be used: {reason}. `vonggac doctor` says more."


@dataclass(frozen=True, slots=True)
class LateCommand:
    """A command that is imported when it is used: `target` is "package.module:name"."""

    target: str
    summary: str
    """The first sentence of its help, so that a list of commands needs no import."""

    def load(self) -> click.Command:
        """Import the command."""
        module, _, name = self.target.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command), self.target
        return command


class LateGroup(PlainErrors):
    """A group that imports its commands when they are used: `late` maps their names to where they are."""

    def __init__(self, *args: Any, late: dict[str, LateCommand] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.late = late if late is not None else {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *self.late]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.late:
            return self.late[cmd_name].load()
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.summary(ctx, name)) for name in self.list_commands(ctx)])

    def summary(self, ctx: click.Context, name: str) -> str:
        """Return one line about a command, without importing it."""
        if name in self.late:
            return self.late[name].summary
        command = super().get_command(ctx, name)
        return command.get_short_help_str(limit=100) if command else ""


@click.command()
def settings() -> None:
    """Print every setting with its meaning, as Markdown (docs/settings.md).

    Settings stand in the file vonggac.toml of the data folder; an environment variable wins over the file.
    """
    from vonggac.core.settings import markdown

    click.echo(markdown(), nl=False)


@click.command()
@data_option
@json_option
@click.option("--thorough", is_flag=True, help="Let the check of the database take as long as it needs.")
def doctor(data: Path, as_json: bool, thorough: bool) -> None:
    """Say what is wrong with this machine and this centre, and what to do.

    Looks at permissions, key, clock, ports, database, open files, and at each volume's space and speed (writes 32 MiB
    there and takes them away again). May run while the centre does. Exit status 1 when something is at fault.
    """
    from vonggac.core.datafolder import DataFolder
    from vonggac.core.doctor import Level, examine, worst

    folder = DataFolder.open(data)
    findings = []
    colours = {Level.OK: "green", Level.WARNING: "yellow", Level.FAULT: "red"}
    for finding in examine(folder, thorough=thorough):
        findings.append(finding)
        if not as_json:
            level = click.style(f"{finding.level:8}", fg=colours[finding.level])
            click.echo(f"{level} {finding.check}: {finding.found}")
            if finding.remedy:
                click.echo(f"{'':8} → {finding.remedy}")
    if as_json:
        emit({"worst": worst(findings), "findings": findings})
    sys.exit(1 if worst(findings) is Level.FAULT else 0)


@click.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="FILE_OR_FOLDER")
@data_option
@json_option
@click.option("--without-keys", is_flag=True, help="Leave the key out: the backup alone then opens no camera password.")
def backup(target: Path, data: Path, as_json: bool, without_keys: bool) -> None:
    """Save database, settings and keys in one file. Recordings are not in it. The centre may run meanwhile.

    In a folder the file gets a name with the time. Whoever has the file and the key in it can read every camera's
    password: keep it as you keep those.

    \b
    Examples:
      vonggac backup /mnt/usb
      vonggac backup centre.tar --without-keys --data /var/lib/vonggac
    """
    from vonggac.core import backup as backups
    from vonggac.core.datafolder import DataFolder

    with _progress(as_json) as progress:
        report = backups.make(DataFolder.open(data), target, with_keys=not without_keys, progress=progress)
    if as_json:
        emit({"path": report.path, "with_keys": report.with_keys, "manifest": report.manifest})
        return
    click.echo(f"Wrote {report.path}. Recordings are not in it.")
    if report.with_keys:
        click.secho("IT CONTAINS THE KEY: whoever has this file can read every camera's password.", bold=True)
    else:
        click.echo(
            f"The key is not in it: keep {data / 'keys' / 'secret.key'} apart, or no camera password is readable."
        )


@click.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@data_option
@json_option
@click.option("--replace", is_flag=True, help="Set the centre that is in the data folder aside.")
def restore(source: Path, data: Path, as_json: bool, replace: bool) -> None:
    """Make a centre from a backup, in a new or empty data folder. Everything is checked before anything is touched.

    Tables of an older version are brought up to date. A backup of a PostgreSQL database needs an empty one, named in
    its settings or in VONGGAC_DATABASE_URL.

    \b
    Example:
      vonggac restore /mnt/usb/vonggac-20261124T020000Z.tar --data /var/lib/vonggac
    """
    from vonggac.core.restore import restore as restore_backup

    with _progress(as_json) as progress:
        report = restore_backup(source, data, replace=replace, progress=progress)
    if as_json:
        emit({"path": report.path, "manifest": report.manifest, "set_aside": report.set_aside, "key": report.has_key})
        return
    click.echo(
        f"Restored {report.manifest.centre} as of {report.manifest.made_at:%Y-%m-%d %H:%M} UTC in {report.path}."
    )
    if report.set_aside:
        click.echo(f"The centre that was there lies in {report.set_aside}.")
    if not report.has_key:
        click.echo("The backup has no key: put the old one into keys/secret.key, or enter all camera passwords again.")
    click.echo(f"Next: vonggac init {report.path} (folders for recordings), vonggac doctor, vonggac up.")


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a bar on a terminal: what is done, and how many bytes of how many."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show
