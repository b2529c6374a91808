"""`vonggac init`: make a centre in a folder, or bring an existing one up to date. Killed half-way, it can be repeated.

Stands above the packages whose first rows it writes: the root unit (org), an account (org), the volumes (video).
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras import service as cameras
from vonggac.cameras.models import Camera
from vonggac.core import schema, secrets, settings, text
from vonggac.core.clock import utc_now
from vonggac.core.commands import emit, json_option
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import Invalid, NotFound, NotInitialised, VonggacError
from vonggac.core.supervisor import NAME as SUPERVISOR
from vonggac.org import service as org
from vonggac.org.models import Account
from vonggac.org.passwords import hash_password, read_password
from vonggac.video import volumes
from vonggac.video.models import Volume

UNFINISHED = "init-unfinished"
"""Lies in the data folder while `init` is at work: a folder with it may be begun anew."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `init` did."""

    folder: Path
    made: bool
    """True for a new centre, False for one that was there."""
    steps: list[str]
    """In plain words, in order; empty when there was nothing to do."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """The account that may do everything."""

    name: str
    password_hash: str


def administrator(name: str, password: str) -> Administrator:
    """Return a checked administrator; Invalid when name or password break a rule."""
    name = text.normalise(name)
    if not name or len(name) > 100 or not name.isprintable() or not text.fold(name):
        raise Invalid("The administrator's name must have 1 to 100 printable characters.")
    return Administrator(name, hash_password(password))


def initialise(
    path: Path, *, centre_name: str = "", admin: Administrator | None = None, beside: str = UNFINISHED
) -> Outcome:
    """Make the centre at `path` or bring it up to date; VonggacError when the folder holds something else.

    `beside` is the name of a file that may lie in the folder of a new centre.
    """
    path = path.resolve()
    fresh = _begin(path, beside)
    if not (path / settings.FILE_NAME).exists():
        _write(path / settings.FILE_NAME, settings_text(centre_name), 0o600)
    folder = DataFolder.open(path)
    steps: list[str] = []
    if centre_name and text.normalise(centre_name) != folder.settings.centre.name:
        raise Invalid(f"The centre has a name already. Change it in {path / settings.FILE_NAME}, section [centre].")
    if fresh:
        _make_key(folder)
        _clear_strays(folder)
    database = folder.database()
    try:
        _upgrade(folder, database, steps)
        with database.write() as session:
            if fresh:
                _refuse_foreign_database(session, folder)
            _fill(session, folder, admin, steps)
    finally:
        database.close()
    if fresh:
        (path / UNFINISHED).unlink(missing_ok=True)
        volumes.sync_directory(path)
    return Outcome(path, fresh, steps)


def settings_text(centre_name: str = "") -> str:
    """Return a settings file in which every option stands as a comment with its default."""
    lines = [
        "# Settings of this centre. Every option is listed with its default; take the # away to change one.",
        "# An environment variable wins: VONGGAC_WEB_PORT=8090 for port in [web].",
    ]
    section = ""
    for option in settings.options():
        if option.section != section:
            section = option.section
            lines += ["", f"[{section}]"]
        lines.append(f"# {option.meaning}")
        if (option.section, option.key) == ("centre", "name") and centre_name:
            lines.append(f"name = {_toml(text.normalise(centre_name))}")
        else:
            lines.append(f"#{option.key} = {_toml(option.default)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # A JSON text, number, boolean or list of texts is the same in TOML (a DEL character excepted, TOML 1.0).
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _begin(path: Path, beside: str) -> bool:
    """Make the folder; returns whether a centre is to be made in it (also: to be finished)."""
    if (path / UNFINISHED).exists():
        return True
    if (path / settings.FILE_NAME).exists():
        return False
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        others = sorted(entry.name for entry in path.iterdir() if entry.name != beside and not _may_stay(entry.name))
        if others:
            raise Invalid(
                f"{path} holds other files ({', '.join(others[:3])}{', …' if len(others) > 3 else ''}) and no centre. "
                "Choose a new or an empty folder."
            )
        path.chmod(0o700)
    except (NotADirectoryError, FileExistsError):
        raise Invalid(f"{path} is not a folder, or lies below a file. Choose a new or an empty folder.") from None
    except OSError as error:
        raise VonggacError(f"{path} cannot be made the data folder: {error.strerror}.") from error
    _write(path / UNFINISHED, "vonggac init was not finished here. Run it again.\n", 0o600)
    return True


def _may_stay(name: str) -> bool:
    return name == "lost+found" or name.startswith(UNFINISHED)


def _write(path: Path, content: str, mode: int) -> None:
    """Write a file that is there whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f"{UNFINISHED}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    volumes.sync_directory(path.parent)


def _make_key(folder: DataFolder) -> None:
    if folder.key_path.exists() and folder.key_path.stat().st_size != 32:
        folder.key_path.unlink()  # torn by a kill: nothing was sealed with it yet
    if not folder.key_path.exists():
        secrets.make_key(folder.key_path)


def _clear_strays(folder: DataFolder) -> None:
    """Take away what an `init` that was killed left: half-written files, and markers no database knows."""
    for stray in folder.path.glob(f"{UNFINISHED}-*"):
        stray.unlink()
    for media in folder.media_paths:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if [entry.name for entry in media.iterdir()] == [volumes.MARKER] and folder.path in media.parents:
                (media / volumes.MARKER).unlink()


def _upgrade(folder: DataFolder, database: Database, steps: list[str]) -> None:
    from alembic.util import CommandError

    try:
        schema.check(database)
        return
    except NotInitialised as wanting:
        with contextlib.ExitStack() as locks:
            # Every role that ever ran here left its lock file; none may run while its tables change.
            for role in sorted({SUPERVISOR, *(path.stem for path in (folder.path / "run").glob("*.lock"))}):
                locks.enter_context(folder.lock(role))
            try:
                schema.upgrade(database)
            except CommandError:
                raise wanting from None
    steps.append(f"brought the database to version {schema.head()} ({_shown(folder, database)})")


def _refuse_foreign_database(session: Session, folder: DataFolder) -> None:
    """Raise when the database is one in use, whose secrets this folder's new key cannot open."""
    camera = session.scalars(sa.select(Camera).where(Camera.secret.is_not(None)).limit(1)).first()
    if camera is None:
        return
    try:
        cameras.credentials(camera, folder.secret_box())
    except VonggacError:
        raise Invalid(
            "The database holds another centre, whose camera passwords this folder's new key does not open. Name an "
            f"empty database; or, if it is meant, copy that centre's keys/secret.key to {folder.key_path}."
        ) from None


def _fill(session: Session, folder: DataFolder, admin: Administrator | None, steps: list[str]) -> None:
    try:
        org.root_unit(session)
    except NotFound:
        org.make_root(session, folder.settings.centre.name)
        steps.append(f"made the root unit “{folder.settings.centre.name}”")
    known = set(session.scalars(sa.select(Volume.path)))
    for media in folder.media_paths:
        # A volume that is known and away is an unmounted disk: it must not come to life on the disk below it.
        if str(media.resolve()) not in known:
            volumes.create_volume(session, media, utc_now())
            steps.append(f"made the folder for recordings {media}")
    if admin is None:
        return
    folded = text.fold(admin.name)[:100]
    if session.scalar(sa.select(Account.id).where(Account.name_folded == folded)) is not None:
        steps.append(f"left the account {admin.name} as it is, password too: it exists")
        return
    session.add(
        Account(
            name=admin.name,
            name_folded=folded,
            password_hash=admin.password_hash,
            administrator=True,
            created_at=utc_now(),
        )
    )
    steps.append(f"made the administrator {admin.name}")


def _shown(folder: DataFolder, database: Database) -> str:
    if folder.settings.database.url:
        return database.url.render_as_string(hide_password=True)
    return f"SQLite, {folder.path / 'vonggac.db'}"


@click.command()
@click.argument("folder", metavar="DIR", envvar="VONGGAC_DATA", type=click.Path(file_okay=False, path_type=Path))
@click.option("--name", "centre_name", default="", help="Name of the centre, shown on every page.")
@click.option("--admin", metavar="NAME", default="", help="Make an administrator of this name.")
@click.option(
    "--password-file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File whose first line is the administrator's password (12 characters or more).",
)
@json_option
def init(folder: Path, centre_name: str, admin: str, password_file: Path | None, as_json: bool) -> None:
    """Make a centre in the folder DIR: settings, key, database, root unit, folder for recordings.

    Asks nothing. The database is SQLite in the folder, or PostgreSQL where VONGGAC_DATABASE_URL says so (set it for
    every command then, or write it into vonggac.toml). Run it again after an upgrade of the program: it brings the
    tables up to date and changes nothing else. Lost the administrator's password? Make another one with --admin.

    \b
    Examples:
      vonggac init centre --name "Công an huyện Đức Trọng" --admin trucban1 --password-file password.txt
      vonggac init centre
    """
    if bool(admin) != bool(password_file):
        raise click.UsageError("Give --admin and --password-file together, or neither.")
    first = administrator(admin, read_password(password_file)) if password_file is not None else None
    outcome = initialise(folder, centre_name=centre_name, admin=first)
    if as_json:
        emit({"folder": outcome.folder, "made": outcome.made, "steps": outcome.steps})
        return
    if not outcome.steps:
        click.echo(f"{outcome.folder} is up to date. Nothing was changed.")
        return
    click.echo(f"{'Made a centre in' if outcome.made else 'Brought up to date:'} {outcome.folder}")
    for step in outcome.steps:
        click.echo(f"  {step}")
    if outcome.made:
        click.echo(f"Back up {outcome.folder / 'keys'} apart: without it no camera password can be read.")
        click.echo(f"Next: vonggac camera add NAME URL --data {folder}, then: vonggac up --data {folder}")
