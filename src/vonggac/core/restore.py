"""Restoring a backup: everything is checked before anything is touched, and nothing that was there is deleted."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from vonggac.core import backup, postgresql, schema, settings
from vonggac.core.backup import KEY, POSTGRESQL, SQLITE, Manifest, Progress
from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import VonggacError
from vonggac.core.settings import FILE_NAME, Settings

_MAY_STAY = {"lost+found", "media", "run"}
_OURS = (FILE_NAME, "vonggac.db", "vonggac.db-wal", "vonggac.db-shm", KEY)
_USUAL_LOCKS = {"supervisor", "recorder", "keeper", "web"}


@dataclass(frozen=True, slots=True)
class Report:
    """What was restored."""

    path: Path
    manifest: Manifest
    set_aside: Path | None
    """Where the centre that was there before lies now."""
    has_key: bool
    upgraded: bool


def restore(source: Path, data: Path, *, replace: bool = False, progress: Progress) -> Report:
    """Make the centre of a backup in a new or empty folder, or with `replace` in the place of the one there.

    No role may run. Killed half-way it leaves no centre in the folder (its settings come last): repeat it.
    """
    data = data.resolve()
    with backup.open_archive(source) as archive:
        manifest = backup.read_manifest(archive, source)
        if manifest.schema > schema.head():
            raise VonggacError(f"{source} was made by a newer Vọng Gác ({manifest.program}). Install that one first.")
        _refuse_unless_free(data, replace)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        data.chmod(0o700)
        with _all_locks(data), tempfile.TemporaryDirectory(prefix=".vonggac-restore-", dir=data) as name:
            staging = Path(name)
            _extract(archive, manifest, staging, progress)
            folder = DataFolder(data, _settings_of(staging, manifest))
            database = folder.database(threads=1)
            try:
                if manifest.has(POSTGRESQL):
                    _refuse_used_database(database, replace)
                    progress("Loading the database", 0, None)
                    postgresql.load(database.url, staging / POSTGRESQL, replace=replace)
                aside = _set_aside(data, keep_key=not manifest.has(KEY))
                for part, path in ((KEY, folder.key_path), (SQLITE, data / "vonggac.db")):
                    if manifest.has(part):
                        _move(staging / part, path)
                upgraded = manifest.schema < schema.head()
                if upgraded:
                    progress("Bringing the tables up to date", 0, None)
                    schema.upgrade(database)
                _end_log_ins(database)
            finally:
                database.close()
            _move(staging / FILE_NAME, data / FILE_NAME)
    return Report(data, manifest, aside, folder.key_path.exists(), upgraded)


def _refuse_unless_free(data: Path, replace: bool) -> None:
    try:
        entries = {entry.name for entry in data.iterdir()} if data.exists() else set()
    except NotADirectoryError:
        raise VonggacError(f"{data} is no folder. Name a new or an empty one.") from None
    if (data / FILE_NAME).exists() or (data / "vonggac.db").exists():
        if not replace:
            raise VonggacError(
                f"{data} holds a centre. Restore into a new folder, or set that centre aside with --replace."
            )
        return
    strangers = sorted(
        name
        for name in entries - _MAY_STAY
        if not name.startswith((".vonggac-restore-", "replaced-")) and name != "keys"
    )
    if strangers:
        raise VonggacError(f"{data} holds other files ({', '.join(strangers[:3])}). Name a new or an empty folder.")


@contextlib.contextmanager
def _all_locks(data: Path) -> Iterator[None]:
    folder = DataFolder(data, Settings())
    names = _USUAL_LOCKS | {path.stem for path in (data / "run").glob("*.lock")}
    with contextlib.ExitStack() as locks:
        for name in sorted(names):
            locks.enter_context(folder.lock(name))
        yield


def _extract(archive: tarfile.TarFile, manifest: Manifest, staging: Path, progress: Progress) -> None:
    total = sum(part.size for part in manifest.parts)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("Checking the backup", done, total)

    for part in manifest.parts:
        path = staging / part.name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            backup.extract(archive, part, file, advance)
            file.flush()
            os.fsync(file.fileno())


def _settings_of(staging: Path, manifest: Manifest) -> Settings:
    found = settings.load(staging)
    wanted = "PostgreSQL" if manifest.has(POSTGRESQL) else "SQLite"
    if found.database.url.startswith("postgresql") != manifest.has(POSTGRESQL):
        raise VonggacError(
            f"The backup holds a {wanted} database, and VONGGAC_DATABASE_URL names another kind. Unset it, or set it "
            f"to an empty {wanted} database."
        )
    return found


def _refuse_used_database(database: Database, replace: bool) -> None:
    with database.engine.connect() as connection:
        used = bool(sa.inspect(connection).get_table_names())
    if used and not replace:
        shown = database.url.render_as_string(hide_password=True)
        raise VonggacError(
            f"The database {shown} has tables already. Make an empty one (createdb), name it in VONGGAC_DATABASE_URL, "
            "or replace what is in it with --replace."
        )


def _set_aside(data: Path, *, keep_key: bool) -> Path | None:
    present = [name for name in _OURS if (data / name).exists() and not (keep_key and name == KEY)]
    if not present:
        return None
    aside = data / f"replaced-{utc_now():%Y%m%dT%H%M%S%f}"
    aside.mkdir(mode=0o700)
    for name in present:
        _move(data / name, aside / name)
    return aside


def _end_log_ins(database: Database) -> None:
    # By the table's name, since its package stands above this one. Who had logged out is not logged in again.
    with database.begin_write() as connection:
        connection.execute(sa.text("DELETE FROM login_session"))


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.move(source, target)
    backup.sync_folder(target.parent)
