"""Backup and restore over both databases: what comes back, what is refused, what is left alone."""

from __future__ import annotations

import io
import json
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.cameras.models import Camera
from vonggac.core import backup, commands, schema
from vonggac.core.clock import utc_now
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import AlreadyRunning, VonggacError
from vonggac.core.eventlog import announce, latest
from vonggac.core.ids import new_id
from vonggac.core.restore import restore
from vonggac.org.models import Account, LoginSession, Unit


def quietly(_what: str, _done: int, _total: int | None) -> None:
    return


def fill(folder: DataFolder) -> None:
    """One unit, one camera with a password, one account that is logged in."""
    now = utc_now()
    database = folder.database()
    with database.write() as session:
        unit = Unit(code="lien-nghia", name="Liên Nghĩa", name_folded="", name_sort="", kind="commune", created_at=now)
        account = Account(name="trucban1", name_folded="trucban1", password_hash="", created_at=now)
        session.add_all([unit, account])
        session.flush()
        key = new_id()
        secret = folder.secret_box().seal("hush", f"camera:{key}")
        session.add(
            Camera(
                id=key,
                number=1,
                name="Chợ Liên Nghĩa",
                name_folded="",
                name_sort="",
                folder="cho-lien-nghia-1",
                unit_id=unit.id,
                kind="overview",
                url="rtsp://192.0.2.1/1",
                secret=secret,
                created_at=now,
            )
        )
        session.add(
            LoginSession(
                token_hash=b"x" * 32,
                account_id=account.id,
                csrf_token="",
                created_at=now,
                seen_at=now,
                expires_at=now,
                address="",
            )
        )
        announce(session, "camera.added", subject=key)
    database.close()


@contextmanager
def reading(folder: DataFolder) -> Iterator[sa.orm.Session]:
    database = folder.database()
    with database.read() as session:
        yield session
    database.close()


def cameras(folder: DataFolder) -> list[str]:
    with reading(folder) as session:
        return list(session.scalars(sa.select(Camera.name)))


def password(folder: DataFolder) -> str:
    with reading(folder) as session:
        camera = session.scalars(sa.select(Camera)).one()
        assert camera.secret is not None
        return folder.secret_box().open(camera.secret, f"camera:{camera.id}")


@pytest.fixture
def filled(centre: DataFolder) -> DataFolder:
    """A centre on SQLite with a camera."""
    fill(centre)
    return centre


@pytest.fixture
def archive(filled: DataFolder, tmp_path: Path) -> Path:
    """A backup of it."""
    return backup.make(filled, tmp_path / "backup.tar", progress=quietly).path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_restored_centre_has_its_cameras_and_opens_their_passwords(filled: DataFolder, archive: Path, tmp_path: Path):
    report = restore(archive, tmp_path / "new", progress=quietly)
    folder = DataFolder.open(report.path)
    assert cameras(folder) == ["Chợ Liên Nghĩa"]
    assert password(folder) == "hush"
    assert folder.settings == filled.settings
    assert (folder.path / "vonggac.toml").read_text() == (filled.path / "vonggac.toml").read_text()


@pytest.mark.slow
def test_a_centre_on_postgresql_is_restored_into_an_empty_database(
    make_centre: Callable[..., DataFolder],
    postgres: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    new_database: Callable[[], str] = postgres.new_database  # type: ignore[attr-defined]
    origin = make_centre("origin", url=new_database())
    fill(origin)
    report = backup.make(origin, tmp_path, progress=quietly)
    with pytest.raises(VonggacError, match="has tables already"):
        restore(report.path, tmp_path / "new", progress=quietly)
    assert not (tmp_path / "new" / "vonggac.toml").exists()

    monkeypatch.setenv("VONGGAC_DATABASE_URL", new_database())
    folder = DataFolder.open(restore(report.path, tmp_path / "new", progress=quietly).path)
    assert cameras(folder) == ["Chợ Liên Nghĩa"]
    assert password(folder) == "hush"
    with reading(folder) as session:
        assert latest(session) == 1

    monkeypatch.delenv("VONGGAC_DATABASE_URL")
    database = origin.database()
    with database.write() as session:
        session.execute(sa.update(Camera).values(name="changed since"))
    database.close()
    restore(report.path, origin.path, replace=True, progress=quietly)
    assert cameras(DataFolder.open(origin.path)) == ["Chợ Liên Nghĩa"]


@pytest.mark.slow
def test_a_wrong_password_of_the_database_server_is_not_shown(
    make_centre: Callable[..., DataFolder], postgres: object, tmp_path: Path
):
    from vonggac.core import postgresql

    url = sa.make_url("postgresql+psycopg://somebody:hush@127.0.0.1:1/nothing")
    with pytest.raises(VonggacError, match="pg_dump failed") as caught:
        postgresql.dump(url, tmp_path / "dump", lambda _size: None)
    assert "hush" not in str(caught.value)


def test_who_was_logged_in_is_not_logged_in_after_a_restore(archive: Path, tmp_path: Path):
    folder = DataFolder.open(restore(archive, tmp_path / "new", progress=quietly).path)
    with reading(folder) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(LoginSession)) == 0
        assert session.scalar(sa.select(sa.func.count()).select_from(Account)) == 1


def test_a_backup_is_for_its_owner_only_and_says_what_is_in_it(archive: Path):
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as tar:
        members = {member.name: stat.S_IMODE(member.mode) for member in tar}
        manifest = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert list(members) == ["manifest.json", "vonggac.toml", "keys/secret.key", "vonggac.sqlite"]
    assert set(members.values()) == {0o600}
    assert manifest["schema"] == schema.head()


def test_the_database_in_the_archive_is_whole_while_others_write(filled: DataFolder, tmp_path: Path):
    stop = threading.Event()

    def write() -> None:
        database = filled.database()
        while not stop.is_set():
            with database.write() as session:
                announce(session, "status.updated", text="x" * 2000)
        database.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        paths = [backup.make(filled, tmp_path / f"{n}.tar", progress=quietly).path for n in range(3)]
    finally:
        stop.set()
        writer.join(30)
    for path in paths:
        with tarfile.open(path) as tar:
            part = tar.extractfile("vonggac.sqlite")
            assert part is not None
            (tmp_path / "vonggac.sqlite").write_bytes(part.read())
        with sqlite3.connect(tmp_path / "vonggac.sqlite") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT count(*) = max(id) FROM event").fetchone() == (1,)


def test_a_backup_without_keys_opens_no_password(filled: DataFolder, tmp_path: Path):
    report = backup.make(filled, tmp_path / "backup.tar", with_keys=False, progress=quietly)
    assert not report.with_keys
    assert filled.key_path.read_bytes() not in report.path.read_bytes()
    restored = restore(report.path, tmp_path / "new", progress=quietly)
    assert not restored.has_key
    assert cameras(DataFolder.open(restored.path)) == ["Chợ Liên Nghĩa"]


def test_a_backup_without_keys_restored_in_its_place_keeps_the_key(filled: DataFolder, tmp_path: Path):
    report = backup.make(filled, tmp_path / "backup.tar", with_keys=False, progress=quietly)
    restore(report.path, filled.path, replace=True, progress=quietly)
    assert password(DataFolder.open(filled.path)) == "hush"


def test_an_existing_backup_is_not_overwritten(filled: DataFolder, archive: Path):
    before = archive.read_bytes()
    with pytest.raises(VonggacError, match="exists"):
        backup.make(filled, archive, progress=quietly)
    assert archive.read_bytes() == before


def test_in_a_folder_a_backup_gets_a_name_and_leaves_nothing_beside_it(filled: DataFolder, tmp_path: Path):
    target = tmp_path / "backups"
    target.mkdir()
    report = backup.make(filled, target, progress=quietly)
    assert list(target.iterdir()) == [report.path]


def test_a_damaged_key_is_noticed_when_the_backup_is_made(filled: DataFolder, tmp_path: Path):
    filled.key_path.write_bytes(b"torn")
    with pytest.raises(VonggacError, match="damaged"):
        backup.make(filled, tmp_path / "backup.tar", progress=quietly)
    assert not list(tmp_path.glob("*.tar"))


def test_a_centre_is_not_overwritten_unless_told_and_then_set_aside(filled: DataFolder, archive: Path):
    before = snapshot(filled.path)
    with pytest.raises(VonggacError, match="--replace"):
        restore(archive, filled.path, progress=quietly)
    assert snapshot(filled.path) == before

    report = restore(archive, filled.path, replace=True, progress=quietly)
    assert report.set_aside is not None
    aside = snapshot(report.set_aside)
    assert aside["keys/secret.key"] == before["keys/secret.key"]
    assert aside["vonggac.db"] == before["vonggac.db"]
    assert cameras(DataFolder.open(filled.path)) == ["Chợ Liên Nghĩa"]
    assert (filled.path / "media").is_dir(), "recordings stay where they are"


def test_a_folder_with_other_files_is_left_alone(archive: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    with pytest.raises(VonggacError, match=r"other files \(letter\.txt\)"):
        restore(archive, other, progress=quietly)
    assert snapshot(other) == {"letter.txt": b"dear"}


def test_nothing_is_restored_under_a_running_role(filled: DataFolder, archive: Path):
    before = snapshot(filled.path)
    with filled.lock("recorder-2"), pytest.raises(AlreadyRunning, match="recorder-2"):
        restore(archive, filled.path, replace=True, progress=quietly)
    assert {name: content for name, content in snapshot(filled.path).items() if "run/" not in name} == {
        name: content for name, content in before.items() if "run/" not in name
    }


@pytest.mark.parametrize("part", ["vonggac.toml", "keys/secret.key", "vonggac.sqlite"])
def test_a_changed_byte_is_noticed_before_anything_is_touched(part: str, filled: DataFolder, archive: Path):
    with tarfile.open(archive) as tar:
        offset = tar.getmember(part).offset_data
    damaged = bytearray(archive.read_bytes())
    damaged[offset + 5] ^= 1
    archive.write_bytes(damaged)
    before = {name: content for name, content in snapshot(filled.path).items() if "run/" not in name}
    with pytest.raises(VonggacError, match=f"The part {part} of the backup is missing or damaged"):
        restore(archive, filled.path, replace=True, progress=quietly)
    assert {name: content for name, content in snapshot(filled.path).items() if "run/" not in name} == before


def test_a_backup_that_was_cut_off_is_refused(archive: Path, tmp_path: Path):
    archive.write_bytes(archive.read_bytes()[:100_000])
    with pytest.raises(VonggacError):
        restore(archive, tmp_path / "new", progress=quietly)
    assert not (tmp_path / "new" / "vonggac.toml").exists()


def rewritten(archive: Path, **changes: object) -> Path:
    with tarfile.open(archive) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    with tarfile.open(archive, "w") as tar:
        for member, content in members:
            written = content
            if member.name == "manifest.json":
                written = json.dumps(json.loads(content) | changes).encode()
                member.size = len(written)
            tar.addfile(member, io.BytesIO(written))
    return archive


def test_a_backup_of_a_newer_program_is_refused(archive: Path, tmp_path: Path):
    with pytest.raises(VonggacError, match="newer"):
        restore(rewritten(archive, schema="9999"), tmp_path / "new", progress=quietly)
    with pytest.raises(VonggacError, match="newer"):
        restore(rewritten(archive, format=2), tmp_path / "new", progress=quietly)


def test_no_part_may_lead_out_of_the_folder(archive: Path, tmp_path: Path):
    parts = [{"name": "../evil", "size": 0, "sha256": "0" * 64}]
    with pytest.raises(VonggacError, match="manifest"):
        restore(rewritten(archive, parts=parts), tmp_path / "new", progress=quietly)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000))
def test_no_file_raises_anything_but_a_plain_error(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "file.tar").write_bytes(content)
    with pytest.raises(VonggacError):
        restore(folder / "file.tar", folder / "new", progress=quietly)


@settings(max_examples=60, deadline=None)
@given(manifest=st.binary(max_size=300) | st.from_type(dict).map(lambda d: json.dumps(d, default=str).encode()))
def test_no_manifest_raises_anything_but_a_plain_error(tmp_path_factory: pytest.TempPathFactory, manifest: bytes):
    folder = tmp_path_factory.mktemp("fuzz")
    with tarfile.open(folder / "file.tar", "w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
    with pytest.raises(VonggacError):
        restore(folder / "file.tar", folder / "new", progress=quietly)


def test_the_commands_say_loudly_that_the_key_is_inside(filled: DataFolder, tmp_path: Path):
    runner = CliRunner()
    done = runner.invoke(commands.backup, [str(tmp_path / "b.tar"), "--data", str(filled.path)])
    assert done.exit_code == 0
    assert "IT CONTAINS THE KEY" in done.output
    assert "Recordings are not in it" in done.output
    back = runner.invoke(commands.restore, [str(tmp_path / "b.tar"), "--data", str(tmp_path / "new"), "--json"])
    assert back.exit_code == 0
    assert json.loads(back.output)["key"] is True
