"""The data folder: paths, and locks that two processes cannot both hold."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import AlreadyRunning, NotInitialised

HOLD = """
import sys, time
from pathlib import Path
from vonggac.core.datafolder import DataFolder
with DataFolder.open(Path(sys.argv[1])).lock("recorder"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    (tmp_path / "vonggac.toml").touch()
    return DataFolder.open(tmp_path)


def test_a_folder_without_settings_is_no_centre(tmp_path: Path):
    with pytest.raises(NotInitialised):
        DataFolder.open(tmp_path)


def test_without_a_setting_the_database_is_a_file_in_the_folder(folder: DataFolder):
    assert folder.database_url == f"sqlite:///{folder.path / 'vonggac.db'}"


def test_relative_volumes_lie_in_the_folder_and_absolute_ones_where_they_are(tmp_path: Path):
    (tmp_path / "vonggac.toml").write_text('[storage]\nmedia = ["media", "/mnt/second"]')
    assert DataFolder.open(tmp_path).media_paths == [tmp_path / "media", Path("/mnt/second")]


@pytest.mark.slow
def test_a_second_process_cannot_have_the_lock_and_is_told_who_has_it(
    folder: DataFolder, start: Callable[..., subprocess.Popen[str]]
):
    holder = start(HOLD, folder.path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(AlreadyRunning, match=rf"already running \(process {holder.pid}\)"), folder.lock("recorder"):
        raise AssertionError("two processes hold one lock")
    assert folder.lock_owner("recorder") == holder.pid
    with folder.lock("keeper"):
        pass


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_free(folder: DataFolder, start: Callable[..., subprocess.Popen[str]]):
    holder = start(HOLD, folder.path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGKILL)
    holder.wait(30)
    with folder.lock("recorder"):
        assert folder.lock_owner("recorder") == os.getpid()


def test_a_lock_can_be_taken_again_after_its_block(folder: DataFolder):
    for _ in range(2):
        with folder.lock("recorder"):
            pass


def test_a_socket_lies_in_the_folder(folder: DataFolder):
    assert folder.socket_path("recorder") == folder.path / "run" / "recorder.sock"
    assert stat.S_IMODE((folder.path / "run").stat().st_mode) == 0o700


def test_a_path_too_long_for_a_socket_gives_a_private_folder_elsewhere(tmp_path: Path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    (deep / "vonggac.toml").touch()
    path = DataFolder.open(deep).socket_path("recorder")
    try:
        assert len(os.fsencode(path)) <= 100
        assert path == DataFolder.open(deep).socket_path("recorder")
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        path.parent.rmdir()
