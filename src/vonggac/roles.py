"""The roles of a centre, and the commands that run them: `vonggac up` all of them, `vonggac run ROLE` one."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import click

from vonggac.core.commands import data_option
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import NotFound


@dataclass(frozen=True, slots=True)
class Role:
    """One kind of role: `target` is "package.module:function", imported in the role's own process."""

    target: str
    does: str

    def run(self, folder: DataFolder, name: str) -> int:
        """Be this role under the name `name` until told to stop; return the exit status."""
        module, _, function = self.target.partition(":")
        return int(getattr(importlib.import_module(module), function)(folder, name))


ROLES = {
    "recorder": Role("vonggac.video.recorder.role:run", "records every camera and serves the live pictures"),
    "keeper": Role("vonggac.video.keeper:run", "deletes old recordings, takes stills, tidies up"),
    "web": Role("vonggac.web.role:run", "serves the pages"),
}
"""In the order in which `up` starts them: recording goes first."""


def kind_of(name: str) -> Role:
    """Return the kind of role a name belongs to: `recorder`, or `recorder-2` beside it. NotFound for any other."""
    kind, _, number = name.partition("-")
    if kind not in ROLES or name != (f"{kind}-{number}" if number.isdigit() else kind):
        raise NotFound(f"There is no role {name}. There are: {', '.join(ROLES)}.")
    return ROLES[kind]


def preload(folder: DataFolder) -> None:
    """Import what several roles need, so that their processes share its memory."""
    driver = "sqlite" if folder.database_url.startswith("sqlite") else "postgresql.psycopg"
    for module in (
        "asyncio",
        "cryptography.hazmat.primitives.ciphers.aead",
        "msgspec",
        "prometheus_client",
        f"sqlalchemy.dialects.{driver}",
        "uvloop",
        "vonggac.cameras.models",
        "vonggac.core.role",
        "vonggac.org.models",
        "vonggac.video.models",
    ):
        importlib.import_module(module)
    # Done once here instead of in every role, into pages of its own each time.
    importlib.import_module("sqlalchemy.orm").configure_mappers()


def names_of(folder: DataFolder, without: Sequence[str] = ()) -> list[str]:
    """Return the roles of a centre in the order in which they start: as many recorders as are set."""
    recorders = ["recorder", *(f"recorder-{number}" for number in range(2, folder.settings.recorder.processes + 1))]
    names = [name for kind in ROLES for name in (recorders if kind == "recorder" else [kind])]
    return [name for name in names if name not in without and name.partition("-")[0] not in without]


def run_all(folder: DataFolder, names: Sequence[str] = tuple(ROLES)) -> NoReturn:
    """Run the roles under a supervisor until told to stop; this process becomes that supervisor."""
    from vonggac.core import schema
    from vonggac.core.nursery import Newborn, supervise

    database = folder.database(threads=1)
    try:
        schema.check(database)
    finally:
        database.close()
    preload(folder)
    newborns = []
    for name in names:
        command = [sys.executable, "-m", "vonggac", "run", name, "--data", str(folder.path)]
        newborns.append(Newborn(name, functools.partial(kind_of(name).run, folder, name), command))
    supervise(folder, newborns)


@click.command(short_help="Run the centre: all roles under one supervisor.")
@data_option
@click.option("--without", multiple=True, metavar="ROLE", help="Leave a role out (it runs elsewhere). May be repeated.")
def up(data: Path, without: tuple[str, ...]) -> None:
    """Run the centre: all roles under one supervisor, until Ctrl-C or SIGTERM.

    A role that dies is started again. All of them end with the supervisor.

    \b
    Example:
      vonggac up --data /var/lib/vonggac
    """
    for name in without:
        kind_of(name)
    folder = DataFolder.open(data)
    run_all(folder, names_of(folder, without))


@click.command("run", short_help="Run one role by itself.")
@click.argument("role", metavar="ROLE")
@data_option
def run_one(role: str, data: Path) -> None:
    """Run one role by itself, until Ctrl-C or SIGTERM.

    \b
    ROLE is one of:
      recorder  records every camera and serves the live pictures
      keeper    deletes old recordings, takes stills, tidies up
      web       serves the pages

    Under systemd each role may be a unit of its own (deploy/README.md). A second process of the same role refuses to
    start, with exit status 75.

    \b
    Example:
      vonggac run recorder --data /var/lib/vonggac
    """
    kind = kind_of(role)
    sys.exit(kind.run(DataFolder.open(data), role))
