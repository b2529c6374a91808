"""Recordings with numbered pictures in an archive and its index, as a recorder leaves them."""

from __future__ import annotations

import uuid
from pathlib import Path

import sqlalchemy as sa

from peers.coded import Recorded
from vonggac.core.clock import utc
from vonggac.core.database import Database
from vonggac.video import index
from vonggac.video.index import CompletedRecording, OpenedRecording
from vonggac.video.models import GapReason, Recording, RecordingState, Volume
from vonggac.video.mp4 import codec_string, group_table, read_init, scan
from vonggac.video.volumes import create_volume


class Footage:
    """The recordings of one camera; `put` stores one, on a volume that is made when there is none."""

    def __init__(self, database: Database, camera_id: uuid.UUID, path: Path) -> None:
        self.database = database
        self.camera_id = camera_id
        with database.write() as session:
            volume = session.scalars(sa.select(Volume)).first() or create_volume(session, path, utc(0))
            self.volume_id, self.folder = volume.id, Path(volume.path)

    def put(
        self, start_us: int, recorded: Recorded | bytes, *, run: int = 1, lasts_us: int | None = None, cut: int = 0,
        state: RecordingState = RecordingState.COMPLETE,
    ) -> int:  # fmt: skip
        """Store a recording; returns its row's key. `cut`: bytes that are missing at its end (with an open row)."""
        data = recorded if isinstance(recorded, bytes) else recorded.data
        path = f"{self.camera_id.hex}-{start_us}-{run}.mp4"
        (self.folder / path).write_bytes(data[: len(data) - cut])
        with (self.folder / path).open("rb") as file:
            found = scan(file)
            init = read_init(file)
        shape = init.parameters
        opened = OpenedRecording(
            self.camera_id, self.volume_id, path, run, start_us, found.media_start or 0, codec_string(shape),
            shape.width, shape.height, init.size, init.sound.codec_string if init.sound else "",
        )  # fmt: skip
        with self.database.write() as session:
            (key,) = index.open_recordings(session, [opened])
            if state is not RecordingState.OPEN:
                lasting = found.media_duration * 1_000_000 // 90_000 if lasts_us is None else lasts_us
                done = CompletedRecording(
                    key, self.camera_id, start_us, start_us + lasting, found.media_duration, len(data), found.frames,
                    group_table.pack(found.entries()), state=state,
                )  # fmt: skip
                index.complete_recording(session, done)
        return key

    def gap(self, start_us: int, end_us: int | None, reason: GapReason, detail: str = "") -> None:
        """Store a gap."""
        with self.database.write() as session:
            key = index.open_gap(session, self.camera_id, start_us, reason, detail)
            if end_us is not None:
                index.close_gap(session, key, self.camera_id, end_us)

    def file(self, key: int) -> Path:
        """Where a recording lies."""
        with self.database.read() as session:
            return self.folder / session.get_one(Recording, key).path
