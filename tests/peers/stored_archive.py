"""An archive of small recordings on disk and in the index, for tests of what deletes, holds and compares them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from vonggac.cameras.models import Camera
from vonggac.core.clock import utc
from vonggac.core.database import Database
from vonggac.org.models import Unit
from vonggac.video import index
from vonggac.video.models import Garbage, Recording, RecordingState
from vonggac.video.mp4 import codec_string, fragment_header, group_table, init_segment, scan
from vonggac.video.stream import VideoParameters
from vonggac.video.volumes import MountedVolume, create_volume

SPS = bytes.fromhex("6742c01fd9005005bb0110000003001000000303c8f1832480")
PARAMETERS = VideoParameters("h264", (SPS, bytes.fromhex("68cb83cb20")), 1280, 720, 0, 15.0)
MINUTE_US = 60_000_000
NOW_US = 1_795_489_200_000_000


class SetClock:
    """A clock that the test sets."""

    def __init__(self, us: int = NOW_US) -> None:
        self.us = us
        self._leapt_us = 0

    def leap(self, by_us: int) -> None:
        """Set the clock, without time passing."""
        self.us += by_us
        self._leapt_us += by_us

    def now_us(self) -> int:
        return self.us

    def monotonic_ns(self) -> int:
        return (self.us - self._leapt_us) * 1000


def content(groups: int = 2) -> bytes:
    """A recording of so many seconds."""
    body = b""
    for number in range(groups):
        header = fragment_header(number + 1, number * 90_000, [6000] * 15, [10] * 15, key=True)
        body += header + b"".join(b"\0\0\0\x06\x65" + bytes([number] * 5) for _ in range(15))
    return init_segment(PARAMETERS, presentation_delay=0) + body


class StoredArchive:
    """Cameras and volumes; `record` leaves what a recorder leaves."""

    def __init__(self, database: Database, path: Path, cameras: int = 2, volumes: int = 1) -> None:
        self.database = database
        self.path = path
        self.clock = SetClock()
        long_ago = utc(NOW_US) - timedelta(days=1000)
        self.camera_ids: list[uuid.UUID] = []
        with database.write() as session:
            unit = Unit(code="u", name="U", name_folded="u", name_sort="u", kind="station", created_at=long_ago)
            session.add(unit)
            session.flush()
            for number in range(1, cameras + 1):
                camera = Camera(
                    number=number, name=f"C{number}", name_folded=f"c{number}", name_sort=f"c{number}",
                    folder=f"c-{number}", unit_id=unit.id, kind="overview", url=f"rtsp://127.0.0.1/{number}",
                    created_at=long_ago,
                )  # fmt: skip
                session.add(camera)
                session.flush()
                self.camera_ids.append(camera.id)
            self.volumes = [
                MountedVolume(volume.id, Path(volume.path))
                for volume in (create_volume(session, path / f"media{n}", long_ago) for n in range(1, volumes + 1))
            ]

    def record(
        self, start_us: int, camera: int = 1, volume: int = 1, lasts_us: int = MINUTE_US, *, state: int = 1,
        data: bytes | None = None,
    ) -> int:  # fmt: skip
        """Store one recording; returns its row's key."""
        data = content() if data is None else data
        start = utc(start_us)
        there = self.volumes[volume - 1]
        name = f"{start:%H-%M-%S}.{start.microsecond // 1000:03d}Z.mp4"
        relative = f"c-{camera}/{start:%Y-%m-%d}/{start:%H}/{name}"
        file = there.path / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        camera_id = self.camera_ids[camera - 1]
        with file.open("rb") as opened:
            found = scan(opened)
        with self.database.write() as session:
            row = index.OpenedRecording(
                camera_id, there.id, relative, start_us, start_us, 0, codec_string(PARAMETERS), 1280, 720,
                found.init.size,
            )  # fmt: skip
            (key,) = index.open_recordings(session, [row])
            if state != RecordingState.OPEN:
                done = index.CompletedRecording(
                    key, camera_id, start_us, start_us + lasts_us, found.media_duration, len(data), found.frames,
                    group_table.pack(found.entries()),
                )  # fmt: skip
                index.complete_recording(session, done)
        return key

    def rows(self) -> list[Recording]:
        with self.database.read() as session:
            return list(session.scalars(sa.select(Recording).order_by(Recording.camera_id, Recording.start_us)))

    def starts(self, camera: int = 1) -> list[int]:
        return [row.start_us for row in self.rows() if row.camera_id == self.camera_ids[camera - 1]]

    def garbage(self) -> list[str]:
        with self.database.read() as session:
            return list(session.scalars(sa.select(Garbage.path).order_by(Garbage.path)))

    def files(self) -> set[tuple[uuid.UUID, str]]:
        return {
            (volume.id, str(path.relative_to(volume.path)))
            for volume in self.volumes
            for path in volume.path.rglob("*.mp4")
        }

    def assert_index_and_disk_agree(self) -> None:
        assert {(row.volume_id, row.path) for row in self.rows()} == self.files()
