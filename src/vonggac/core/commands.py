"""What the commands of all packages share: the option `--data`, output for programs, plain errors, late imports."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Callable
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
