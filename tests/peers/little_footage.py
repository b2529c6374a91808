"""Half a minute of footage of one camera of the pages' district, and the keeper's job that makes clips of it."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from peers.stored_archive import content
from vonggac.core.clock import SystemClock, microseconds, utc, utc_now
from vonggac.shell.models import LookRow
from vonggac.video import index
from vonggac.video.clips.making import ClipMaking
from vonggac.video.index import CompletedRecording, Interval, OpenedRecording
from vonggac.video.models import GapReason
from vonggac.video.mp4 import group_table, scan
from vonggac.video.volumes import create_volume

LENGTH_US = 10_000_000
PURPOSE = "Vụ va chạm giao thông, hồ sơ 17"


class Footage:
    """Thirty seconds of the camera Chợ Liên Nghĩa, an hour ago, with a gap in the middle third."""

    def __init__(self, district: Any) -> None:
        self.district = district
        self.from_us = (microseconds(utc_now()) - 3600 * 1_000_000) // 1_000_000 * 1_000_000
        self.camera_id: uuid.UUID = district.cameras["Chợ Liên Nghĩa"]
        with district.database.write() as session:
            volume = create_volume(session, district.folder.media_paths[0], utc_now())
            for number in (0, 2):
                self._record(session, volume, self.from_us + number * LENGTH_US)
            lost = Interval(self.from_us + LENGTH_US, self.from_us + 2 * LENGTH_US, GapReason.TIMED_OUT, "no answer")
            index.add_gap(session, self.camera_id, lost)

    def _record(self, session: Any, volume: Any, start_us: int) -> None:
        data = content(10)
        start = utc(start_us)
        path = Path(f"camera-1/{start:%Y-%m-%d}/{start:%H}/{start:%H-%M-%S}.000Z.mp4")
        file = Path(volume.path) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        with file.open("rb") as opened:
            found = scan(opened)
        row = OpenedRecording(
            self.camera_id, volume.id, str(path), start_us, start_us, 0, "avc1.42c01f", 1280, 720, found.init.size
        )
        (key,) = index.open_recordings(session, [row])
        groups = group_table.pack(found.entries())
        done = CompletedRecording(
            key, self.camera_id, start_us, start_us + LENGTH_US, found.media_duration, len(data), found.frames, groups
        )
        index.complete_recording(session, done)

    def wanted(self, **changed: Any) -> dict[str, Any]:
        span = {"from_ms": self.from_us // 1000, "to_ms": self.from_us // 1000 + 30_000}
        return {"camera": self.camera_id.hex, **span, "purpose": PURPOSE} | changed

    async def make(self) -> None:
        """Let the keeper's job do what is to be done."""
        district = self.district
        job = ClipMaking(
            district.database, district.folder.clips_path, district.folder.settings, SystemClock(), CollectorRegistry()
        )
        await job.round()

    def looks(self) -> list[LookRow]:
        with self.district.database.read() as session:
            return list(session.scalars(sa.select(LookRow).order_by(LookRow.id)))
