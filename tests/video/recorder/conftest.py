"""A centre on disk with a real recorder process, for tests that go the whole way."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from vonggac.core.database import Database
from vonggac.core.datafolder import DataFolder
from vonggac.video.models import CameraStatus, Expired, Gap, Recording, RecordingState
from vonggac.video.mp4 import group_table, scan

sys.path.insert(0, str(Path(__file__).parent))  # for `simulated`, the camera in simulated time

VONGGAC = [sys.executable, "-m", "vonggac"]


def wait_until(condition: Callable[[], object], what: str, limit_s: float = 40.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain for {what}"
        time.sleep(0.05)


@dataclass
class Centre:
    """A data folder, what it says, and the recorder that runs on it."""

    path: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    beside: list[subprocess.Popen[bytes]] = field(default_factory=list)
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.path.parent / "recorder.log"
        self.command("init", str(self.path))
        self.folder = DataFolder.open(self.path)
        self.database: Database = self.folder.database()

    def command(self, *arguments: str) -> str:
        done = subprocess.run([*VONGGAC, *arguments], env=self.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_camera(self, name: str, url: str) -> None:
        self.command("camera", "add", name, url, "--data", str(self.path))

    def start(self, *words: str) -> None:
        """Start the recorder alone, or another command of the centre."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*VONGGAC, *(words or ("run", "recorder")), "--data", str(self.path)], env=self.environment, stderr=log
            )

    def start_beside(self, role: str) -> None:
        """Start another role of the same centre."""
        with self.log.open("ab") as log:
            self.beside.append(
                subprocess.Popen([*VONGGAC, "run", role, "--data", str(self.path)], env=self.environment, stderr=log)
            )

    def end_beside(self) -> None:
        for process in self.beside:
            process.terminate()
            assert process.wait(30) == 0

    def end(self, with_signal: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(with_signal)
        return self.process.wait(30)

    @staticmethod
    def wait_until(condition: Callable[[], object], what: str) -> None:
        wait_until(condition, what)

    def said(self) -> str:
        return self.log.read_text()

    def recordings(self) -> list[Recording]:
        with self.database.read() as session:
            query = sa.select(Recording).order_by(Recording.camera_id, Recording.start_us)
            return list(session.scalars(query.options(sa.orm.undefer(Recording.groups))))

    def gaps(self) -> list[Gap]:
        with self.database.read() as session:
            return list(session.scalars(sa.select(Gap).order_by(Gap.camera_id, Gap.start_us)))

    def deleted(self) -> list[Expired]:
        with self.database.read() as session:
            return list(session.scalars(sa.select(Expired).order_by(Expired.camera_id, Expired.start_us)))

    def states(self) -> list[str]:
        with self.database.read() as session:
            return list(session.scalars(sa.select(CameraStatus.state)))

    def finished(self) -> int:
        with self.database.read() as session:
            query = sa.select(sa.func.count()).select_from(Recording)
            return session.scalar(query.where(Recording.state != int(RecordingState.OPEN))) or 0

    def media(self) -> list[Path]:
        return sorted((self.path / "media").rglob("*.mp4"))

    def wait_for_files(self, count: int, grown_to: int = 100_000) -> None:
        wait_until(
            lambda: len([path for path in self.media() if path.stat().st_size > grown_to]) >= count,
            f"{count} files with pictures; the recorder said: {self.said() if self.log.exists() else ''}",
        )

    def assert_index_and_disk_agree(self) -> None:
        """Every file has its row, every row its file, and they say the same to the byte."""
        rows = {self.path / "media" / row.path: row for row in self.recordings()}
        assert set(rows) == set(self.media())
        for path, row in rows.items():
            assert row.state != RecordingState.OPEN
            assert path.stat().st_size == row.size
            assert row.groups is not None
            with path.open("rb") as file:
                scanned = scan(file)
            assert scanned.valid_end == row.size
            assert scanned.entries() == group_table.unpack(row.groups)
            assert scanned.frames == row.frames

    def assert_time_is_accounted_for(self) -> None:
        """Between a camera's first second and its last each moment is recorded, a gap, or was recorded and deleted."""
        cameras = {row.camera_id for row in self.recordings()}
        for camera_id in cameras:
            stretches = [(row.start_us, row.end_us) for row in self.recordings() if row.camera_id == camera_id]
            stretches += [(gap.start_us, gap.end_us) for gap in self.gaps() if gap.camera_id == camera_id]
            stretches += [(row.start_us, row.end_us) for row in self.deleted() if row.camera_id == camera_id]
            stretches.sort(key=lambda one: one[0])
            for (_, end), (start, _) in itertools.pairwise(stretches):
                assert end == start, f"{end} and then {start}: {stretches}"


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """A centre on SQLite."""
    yield from _centre(tmp_path)


@pytest.fixture
def centre_on_postgresql(tmp_path: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Centre]:
    """A centre on PostgreSQL."""
    monkeypatch.setenv("VONGGAC_DATABASE_URL", postgres.new_database())
    yield from _centre(tmp_path)


def _centre(tmp_path: Path) -> Iterator[Centre]:
    environment = {
        **os.environ,
        "VONGGAC_RECORDER_RECORDING_SECONDS": "5",
        "VONGGAC_METRICS_RECORDER_PORT": "-1",
        "VONGGAC_STORAGE_RESERVE_MB": "16",
        "VONGGAC_LOG_FORMAT": "json",
    }
    made = Centre(tmp_path / "centre", environment)
    yield made
    for process in [made.process, *made.beside]:
        if process is not None and process.poll() is None:
            process.kill()
            process.wait(10)
    made.database.close()


@pytest.fixture
def wait() -> Callable[..., None]:
    """`wait(condition, what)`: polls until the condition is true."""
    return wait_until
