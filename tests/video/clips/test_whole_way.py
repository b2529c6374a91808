"""The whole way: a foreign camera, a real recorder, keeper and web; the keeper killed in the middle of a clip."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from vonggac.cli import front_door
from vonggac.core.clock import utc_now
from vonggac.core.datafolder import DataFolder
from vonggac.core.presence import RoleRow
from vonggac.org.models import Account
from vonggac.org.passwords import hash_password
from vonggac.video.models import Hold, Recording, RecordingState

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

VONGGAC = [sys.executable, "-m", "vonggac"]
SLOW_KEEPER = """
import sys
from pathlib import Path
from vonggac.core.datafolder import DataFolder
from vonggac.video import keeper
from vonggac.video.clips import making
making.SLICE_S = 0.0  # one piece of a clip a second: there is time to kill it
from vonggac.video.mp4 import clip
clip.COPY_BYTES = 20_000
sys.exit(keeper.run(DataFolder.open(Path(sys.argv[1])), "keeper"))
"""
NAME, PASSWORD = "trucban1", "một mật khẩu dài"


class Centre:
    """A centre on disk, and the roles that run of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {
            **os.environ,
            "VONGGAC_RECORDER_RECORDING_SECONDS": "5",
            "VONGGAC_METRICS_RECORDER_PORT": "-1",
            "VONGGAC_METRICS_KEEPER_PORT": "-1",
            "VONGGAC_WEB_PORT": "0",
            "VONGGAC_STORAGE_RESERVE_MB": "16",
        }
        self.running: list[subprocess.Popen[bytes]] = []

    def do(self, *words: str) -> None:
        subprocess.run([*VONGGAC, *words], env=self.environment, check=True, timeout=60, capture_output=True)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([*command], env=self.environment, stderr=subprocess.DEVNULL)
        self.running.append(process)
        return process

    def role(self, name: str) -> subprocess.Popen[bytes]:
        return self.start(*VONGGAC, "run", name, "--data", str(self.path))

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(30)

    def open(self) -> None:
        self.database = DataFolder.open(self.path).database()

    def rows(self) -> list[Recording]:
        with self.database.read() as session:
            query = sa.select(Recording).where(Recording.state == int(RecordingState.COMPLETE))
            return list(session.scalars(query.order_by(Recording.start_us)))

    def address(self) -> str:
        with self.database.read() as session:
            return session.scalar(sa.select(RoleRow.address).where(RoleRow.name == "web")) or ""


def wait_for(what: Callable[[], Any], words: str, limit_s: float = 90) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := what()):
        assert time.monotonic() < deadline, f"waited in vain for {words}"
        time.sleep(0.1)
    return found


@pytest.fixture
def centre(numbered_clip: Callable[..., Path], tmp_path: Path, gst_server: Callable[..., Any]) -> Iterator[Centre]:
    """A centre that has recorded some files of a foreign camera, and has an officer."""
    made = Centre(tmp_path / "centre")
    clip = numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=400_000)
    camera = gst_server([clip])
    made.do("init", str(made.path))
    made.do("camera", "add", "Chợ Liên Nghĩa", camera.url(1), "--data", str(made.path))
    made.open()
    with made.database.write() as session:
        account = Account(
            name=NAME, name_folded=NAME, password_hash=hash_password(PASSWORD), administrator=True, created_at=utc_now()
        )
        session.add(account)
    try:
        made.role("recorder")
        wait_for(lambda: len(made.rows()) >= 3, "three files")
        yield made
    finally:
        made.stop()


class Officer:
    """A program before the pages, logged in."""

    def __init__(self, address: str) -> None:
        self.http = httpx.Client(base_url=address, headers={"accept": "text/html"}, timeout=60)
        self.http.post("/login", data={"name": NAME, "password": PASSWORD, "csrf": self.token("/login")})

    def token(self, path: str) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.http.get(path).text)
        assert found
        return found[1]

    def ask(self, from_us: int, to_us: int) -> str:
        wanted = {"camera": 1, "from_ms": from_us // 1000, "to_ms": to_us // 1000, "purpose": "Vụ 17"}
        answer = self.http.post("/api/clips", json=wanted, headers={"x-csrf-token": self.token("/clips")})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def state(self, clip_id: str) -> Any:
        return self.http.get(f"/api/clips/{clip_id}", headers={"accept": "application/json"}).json()


def test_a_clip_is_made_though_the_keeper_is_killed_and_is_the_recordings_picture_for_picture(
    centre: Centre, tmp_path: Path, judge: Any, read_numbers: Callable[[Path], list[int]]
) -> None:
    centre.role("web")
    slow = centre.start(sys.executable, "-c", SLOW_KEEPER, str(centre.path))
    officer = Officer(wait_for(centre.address, "the pages"))
    rows = centre.rows()[:2]
    # Milliseconds are asked for, so a moment inside of the first and the last picture.
    clip_id = officer.ask(rows[0].start_us + 2000, (rows[1].end_us or 0) - 20_000)
    wait_for(lambda: 0 < officer.state(clip_id)["done"] < 1, "the middle of the clip")
    assert officer.state(clip_id)["words"].startswith("Đang trích xuất: ")
    slow.kill()
    slow.wait(30)
    (part,) = (centre.path / "clips").iterdir()
    assert part.name == f"{clip_id}.part"
    assert officer.state(clip_id)["state"] == "working"
    with centre.database.read() as session:
        assert session.scalars(sa.select(Hold.released_at)).all() == [None]
    centre.role("keeper")
    ready = wait_for(lambda: (found := officer.state(clip_id))["state"] == "ready" and found, "the clip")
    assert ready["gaps"] == []
    with centre.database.read() as session:
        assert None not in session.scalars(sa.select(Hold.released_at)).all()
    answer = officer.http.get(ready["href"])
    assert hashlib.sha256(answer.content).hexdigest() == ready["sha256"]
    target = tmp_path / "clip.mp4"
    target.write_bytes(answer.content)
    assert judge.complaints(target) == ""
    media = centre.path / "media"
    pictures = [picture for row in rows for picture in judge.pictures(media / row.path)]
    assert judge.pictures(target) == pictures
    numbers = [number for row in rows for number in read_numbers(media / row.path)]
    assert read_numbers(target) == numbers
    assert [path.name for path in (centre.path / "clips").iterdir()] == [f"{clip_id}.mp4"]
    checked = CliRunner().invoke(front_door, ["archive", "check", "--data", str(centre.path)])
    assert "Index and disk agree." in checked.stdout


def test_an_interval_without_footage_fails_in_plain_words(centre: Centre) -> None:
    centre.role("web")
    officer = Officer(wait_for(centre.address, "the pages"))
    wanted = {"camera": 1, "from_ms": 1000, "to_ms": 2000, "purpose": "Vụ 17"}
    answer = officer.http.post("/api/clips", json=wanted, headers={"x-csrf-token": officer.token("/clips")})
    assert (answer.status_code, answer.json()["error"]) == (409, "Khoảng thời gian này không có hình ghi.")
