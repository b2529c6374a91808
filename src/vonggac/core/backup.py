"""Backups: one tar file with the database, the settings, the keys, and a manifest that has a hash of each.

A backup is a plain tar of plain parts, so that it can be read without us: `vonggac.sqlite` is a SQLite database,
`vonggac.pgdump` a dump for pg_restore. Recordings are not in it. It is as secret as the data folder (mode 0600).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Literal

import msgspec
from msgspec import Meta

from vonggac.core import postgresql, schema
from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import VonggacError
from vonggac.core.metrics import program_version
from vonggac.core.settings import FILE_NAME

FORMAT = 1
MANIFEST = "manifest.json"
SQLITE = "vonggac.sqlite"
POSTGRESQL = "vonggac.pgdump"
KEY = "keys/secret.key"
PARTS = (FILE_NAME, KEY, SQLITE, POSTGRESQL)
"""Nothing else is ever taken out of an archive."""
_MANIFEST_LIMIT = 1 << 20
_CHUNK = 1 << 20
_PAGES_A_STEP = 2000

Progress = Callable[[str, int, int | None], None]
"""Gets what is being done, and how many bytes of how many (None: not known) are done."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a backup."""

    name: Literal["vonggac.toml", "keys/secret.key", "vonggac.sqlite", "vonggac.pgdump"]
    size: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself."""

    format: int
    program: str
    """Version of the program that made it."""
    schema: str
    """Version of its tables."""
    centre: str
    made_at: datetime
    parts: Annotated[tuple[Part, ...], Meta(max_length=16)]

    def has(self, name: str) -> bool:
        """Return whether the backup has a part."""
        return any(part.name == name for part in self.parts)


@dataclass(frozen=True, slots=True)
class Report:
    """What was backed up."""

    path: Path
    manifest: Manifest

    @property
    def with_keys(self) -> bool:
        """Whether camera passwords can be read from it."""
        return self.manifest.has(KEY)


def make(folder: DataFolder, target: Path, *, with_keys: bool = True, progress: Progress) -> Report:
    """Write a backup while the centre runs; it appears under its name whole or not at all.

    `target` is a folder (the file gets a name with the time) or a file that does not exist yet.
    """
    moment = utc_now()
    if target.is_dir():
        target = target / f"vonggac-{moment:%Y%m%dT%H%M%SZ}.tar"
    if target.exists():
        raise VonggacError(f"{target} exists. Name a new file, or a folder.")
    if not target.parent.is_dir():
        raise VonggacError(f"{target.parent} is no folder. Make it first.")
    with tempfile.TemporaryDirectory(prefix=".vonggac-backup-", dir=target.parent) as staging:
        parts = _collect(folder, Path(staging), with_keys, progress)
        manifest = Manifest(
            FORMAT, program_version(), schema.head(), folder.settings.centre.name, moment, tuple(_describe(parts))
        )
        archive = Path(staging) / "archive"
        _pack(archive, manifest, parts, progress)
        archive.rename(target)
    sync_folder(target.parent)
    return Report(target, manifest)


def read_manifest(archive: tarfile.TarFile, path: Path) -> Manifest:
    """Return the manifest, checked; VonggacError when this is no backup, or one of a newer program."""
    member = archive.next()
    if member is None or member.name != MANIFEST or not member.isreg() or member.size > _MANIFEST_LIMIT:
        raise VonggacError(f"{path} is no backup of Vọng Gác.")
    file = archive.extractfile(member)
    assert file is not None
    try:
        manifest = msgspec.json.decode(file.read(), type=Manifest)
    except msgspec.DecodeError as error:
        raise VonggacError(f"The manifest of {path} cannot be read: {error}.") from error
    if manifest.format > FORMAT:
        raise VonggacError(f"{path} was made by a newer Vọng Gác ({manifest.program}). Install that one first.")
    names = [part.name for part in manifest.parts]
    if len(set(names)) != len(names) or FILE_NAME not in names or (SQLITE in names) == (POSTGRESQL in names):
        raise VonggacError(f"The manifest of {path} does not name settings and one database.")
    return manifest


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[tarfile.TarFile]:
    """Open a backup; VonggacError when it is no tar file."""
    try:
        with tarfile.open(path, "r:") as archive:
            yield archive
    except tarfile.TarError as error:
        raise VonggacError(f"{path} cannot be read as a backup: {error}.") from error
    except EOFError:
        raise VonggacError(f"{path} is cut off.") from None


def extract(archive: tarfile.TarFile, part: Part, target: IO[bytes], advance: Callable[[int], None]) -> None:
    """Copy one part into `target`; VonggacError unless it is what the manifest says, to the byte."""
    damaged = VonggacError(f"The part {part.name} of the backup is missing or damaged. Use another backup.")
    try:
        member = archive.getmember(part.name)
        file = archive.extractfile(member) if member.isreg() and member.size == part.size else None
    except KeyError:
        raise damaged from None
    if file is None:
        raise damaged
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
        advance(len(chunk))
    if digest.hexdigest() != part.sha256:
        raise damaged


def sync_folder(path: Path) -> None:
    """Make what was created or renamed in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _collect(folder: DataFolder, staging: Path, with_keys: bool, progress: Progress) -> dict[str, Path]:
    database = folder.database(threads=1)
    try:
        schema.check(database)
        parts = {FILE_NAME: folder.path / FILE_NAME}
        if with_keys:
            folder.secret_box()  # a damaged key is noticed now, not when it is needed
            parts[KEY] = folder.key_path
        if database.is_sqlite:
            parts[SQLITE] = staging / SQLITE
            _copy_sqlite(database, parts[SQLITE], progress)
        else:
            parts[POSTGRESQL] = staging / POSTGRESQL
            postgresql.dump(database.url, parts[POSTGRESQL], lambda size: progress("Copying the database", size, None))
    finally:
        database.close()
    return parts


def _copy_sqlite(database: Database, target: Path, progress: Progress) -> None:
    with (
        contextlib.closing(sqlite3.connect(str(database.url.database), timeout=10, isolation_level=None)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        page = source.execute("PRAGMA page_size").fetchone()[0]
        # The copy starts anew whenever another process writes, unless the source stays in one reading transaction.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(
            copy,
            pages=_PAGES_A_STEP,
            progress=lambda _status, left, total: progress("Copying the database", (total - left) * page, total * page),
            sleep=0,
        )
        source.execute("ROLLBACK")


def _describe(parts: dict[str, Path]) -> Iterator[Part]:
    for name, path in parts.items():
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            yield msgspec.convert({"name": name, "size": file.tell(), "sha256": digest}, Part)


def _pack(target: Path, manifest: Manifest, parts: dict[str, Path], progress: Progress) -> None:
    total = sum(part.size for part in manifest.parts)
    done = 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            text = msgspec.json.format(msgspec.json.encode(manifest))
            archive.addfile(_member(MANIFEST, len(text), manifest.made_at), io.BytesIO(text))
            for part in manifest.parts:
                with parts[part.name].open("rb") as source:
                    archive.addfile(_member(part.name, part.size, manifest.made_at), source)
                done += part.size
                progress("Writing the archive", done, total)
        file.flush()
        os.fsync(file.fileno())


def _member(name: str, size: int, moment: datetime) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    member.mtime = int(moment.timestamp())
    return member
