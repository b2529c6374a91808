"""`vonggac init`: a centre made without a question, repeatable, harmless to what is there."""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result

from vonggac import initialise
from vonggac.cameras import service as cameras
from vonggac.cameras.schemas import new_camera
from vonggac.core import schema, settings
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import VonggacError
from vonggac.core.settings import Settings
from vonggac.org import service as org
from vonggac.org.models import Account
from vonggac.org.passwords import verify_password
from vonggac.video.models import Volume
from vonggac.video.volumes import MARKER

Vonggac = Callable[..., Result]


def volumes(folder: DataFolder) -> list[tuple[object, str]]:
    with folder.database().read() as session:
        return [(volume.id, volume.path) for volume in session.scalars(sa.select(Volume))]


def test_a_new_centre_has_settings_key_tables_root_volume_and_administrator(
    vonggac: Vonggac, tmp_path: Path, password_file: Path
) -> None:
    path = tmp_path / "new" / "centre"
    made = vonggac(
        "init", path, "--name", "Công an huyện Đức Trọng", "--admin", "Trực ban 1", "--password-file", password_file
    )
    assert made.exit_code == 0, made.output
    assert "vonggac up" in made.output
    folder = DataFolder.open(path)
    schema.check(folder.database())
    folder.secret_box()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.key_path.stat().st_mode) == 0o600
    assert stat.S_IMODE((path / "vonggac.toml").stat().st_mode) == 0o600
    assert (path / "media" / MARKER).exists()
    assert not (path / initialise.UNFINISHED).exists()
    with folder.database().read() as session:
        assert org.root_unit(session).name == "Công an huyện Đức Trọng"
        account = session.scalars(sa.select(Account)).one()
        assert account.administrator
        assert account.name == "Trực ban 1"
        assert verify_password(account.password_hash, "mat-khau-truc-ban")


def test_a_second_time_changes_nothing_and_says_so(vonggac: Vonggac, centre: Path) -> None:
    before = {path: path.read_bytes() for path in sorted(centre.rglob("*")) if path.is_file()}
    again = vonggac("init", centre)
    assert again.exit_code == 0
    assert "up to date. Nothing was changed" in again.output
    assert {path: path.read_bytes() for path in sorted(centre.rglob("*")) if path.suffix in (".toml", ".key")} == {
        path: content for path, content in before.items() if path.suffix in (".toml", ".key")
    }
    assert json.loads(vonggac("init", centre, "--json").output) == {"folder": str(centre), "made": False, "steps": []}


def test_an_existing_account_keeps_its_password_and_another_can_be_made(
    vonggac: Vonggac, centre: Path, password_file: Path
) -> None:
    assert (
        "made the administrator truc"
        in vonggac("init", centre, "--admin", "truc", "--password-file", password_file).output
    )
    password_file.write_text("another long password")
    again = vonggac("init", centre, "--admin", "TRỰC", "--password-file", password_file)
    assert again.exit_code == 0
    assert "password too: it exists" in again.output
    with DataFolder.open(centre).database().read() as session:
        account = session.scalars(sa.select(Account)).one()
    assert verify_password(account.password_hash, "mat-khau-truc-ban")


def test_the_settings_file_shows_every_option_with_its_default_as_a_comment() -> None:
    text = initialise.settings_text()
    assert settings.parse(text, {}) == Settings()
    uncommented = "\n".join(line.removeprefix("#") for line in text.splitlines() if not line.startswith("# "))
    assert settings.parse(uncommented, {}) == Settings()
    tree = tomllib.loads(uncommented)
    assert {(option.section, option.key) for option in settings.options()} == {
        (section, key) for section, values in tree.items() for key in values
    }


def test_any_name_of_a_centre_survives_the_settings_file() -> None:
    name = 'Công an "huyện" \\ Đức Trọng # 1'
    assert settings.parse(initialise.settings_text(name), {}).centre.name == name


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--admin", "truc"], 2, "together"),
        (["--admin", "truc", "--password-file", "missing.txt"], 2, "does not exist"),
        (["--admin", "truc", "--password-file", "short.txt"], 1, "at least 12"),
        (["--admin", " ", "--password-file", "good.txt"], 1, "1 to 100 printable"),
    ],
)
def test_wrong_input_leaves_no_folder_behind(
    vonggac: Vonggac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], status: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("short.txt").write_text("short")
    Path("good.txt").write_text("a long password")
    failed = vonggac("init", "centre", *words)
    assert failed.exit_code == status
    assert says in failed.output
    assert not Path("centre").exists()


def test_a_folder_with_other_files_and_a_file_are_refused(vonggac: Vonggac, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("x")
    for place in (tmp_path, tmp_path / "letter.txt" / "centre"):
        failed = vonggac("init", place)
        assert failed.exit_code == 1
        assert "Choose a new or an empty folder" in failed.output
    assert vonggac("init", tmp_path / "letter.txt").exit_code == 2


@pytest.mark.parametrize(
    "step", ["_write", "_make_key", "_upgrade", "_fill", "secrets.make_key", "schema.upgrade", "volumes.create_volume"]
)
def test_an_init_that_was_killed_at_any_step_is_finished_by_the_next_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str
) -> None:
    class Killed(BaseException):
        pass

    path = tmp_path / "centre"
    owner, _, name = step.rpartition(".")
    module = getattr(initialise, owner) if owner else initialise
    whole = getattr(module, name)

    def kill_after(*arguments: object) -> None:
        whole(*arguments)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, name, kill_after)
        with pytest.raises(Killed):
            initialise.initialise(path)
    initialise.initialise(path)
    assert not (path / initialise.UNFINISHED).exists()
    assert initialise.initialise(path).steps == []
    assert len(volumes(DataFolder.open(path))) == 1


def test_settings_written_between_two_attempts_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "centre"
    monkeypatch.setenv("VONGGAC_DATABASE_URL", f"sqlite:///{tmp_path}/missing/x.db")
    with pytest.raises(sa.exc.OperationalError):
        initialise.initialise(path)
    monkeypatch.delenv("VONGGAC_DATABASE_URL")
    (path / "vonggac.toml").write_text('[centre]\nname = "Mine"\n')
    initialise.initialise(path)
    assert DataFolder.open(path).settings.centre.name == "Mine"


def test_an_unmounted_volume_does_not_come_to_life_on_the_disk_below_it(centre: Path) -> None:
    before = volumes(DataFolder.open(centre))
    (centre / "media" / MARKER).unlink()
    assert initialise.initialise(centre).steps == []
    assert volumes(DataFolder.open(centre)) == before
    assert not (centre / "media" / MARKER).exists()


def test_a_volume_named_in_the_settings_later_is_made(centre: Path, tmp_path: Path) -> None:
    (centre / "vonggac.toml").write_text(f'[storage]\nmedia = ["media", "{tmp_path}/second"]\n')
    assert initialise.initialise(centre).steps == [f"made the folder for recordings {tmp_path}/second"]
    assert (tmp_path / "second" / MARKER).exists()


def test_the_database_of_another_centre_is_refused(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VONGGAC_DATABASE_URL", database_url)
    initialise.initialise(tmp_path / "first")
    folder = DataFolder.open(tmp_path / "first")
    with folder.database().write() as session:
        camera = new_camera(name="a", url="rtsp://u:p@h/", unit_id=org.root_unit(session).id)
        cameras.add_camera(session, folder.secret_box(), camera)
    with pytest.raises(VonggacError, match="holds another centre"):
        initialise.initialise(tmp_path / "second")


def test_tables_are_not_changed_under_a_running_role(centre: Path, vonggac: Vonggac) -> None:
    folder = DataFolder.open(centre)
    with folder.database().begin_write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    with folder.lock("recorder"):
        failed = vonggac("init", centre)
    assert failed.exit_code == 1
    assert "recorder" in failed.output
    assert "already running" in failed.output


def test_a_database_of_a_newer_program_is_refused(centre: Path, vonggac: Vonggac) -> None:
    with DataFolder.open(centre).database().begin_write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    failed = vonggac("init", centre)
    assert failed.exit_code == 1
    assert "newer version (9999)" in failed.output
