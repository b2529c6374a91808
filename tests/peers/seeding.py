"""Months of recordings and gaps in a database, written as the recorder and the retention leave them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

import sqlalchemy as sa

from vonggac.cameras.models import Camera
from vonggac.core import text
from vonggac.core.clock import utc
from vonggac.core.database import Database
from vonggac.core.ids import new_id
from vonggac.org.models import Unit
from vonggac.video import index
from vonggac.video.index import CompletedRecording, OpenedRecording
from vonggac.video.models import Gap, GapReason, RecordedHour, Volume
from vonggac.video.spans import Span, without

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR

Outage = tuple[int, int, GapReason]
"""Start, end, reason."""


class Seeding:
    """Fills a database: units, cameras, and what is known of their time. All times in microseconds since 1970."""

    def __init__(self, database: Database, path: Path) -> None:
        """`path`: a folder for the volume; no file is written."""
        self.database = database
        self._path = path
        self._numbers = 0
        self._volume: uuid.UUID | None = None

    def unit(self, name: str, parent: uuid.UUID | None = None, kind: str = "commune") -> uuid.UUID:
        """Add a unit; returns its key."""
        with self.database.write() as session:
            unit = Unit(code=text.slug(name), kind=kind, parent_id=parent, created_at=utc(0), **_names(name))
            session.add(unit)
            session.flush()
            return unit.id

    def camera(
        self,
        name: str,
        unit_id: uuid.UUID,
        added_us: int,
        *,
        removed_us: int | None = None,
        enabled: bool = True,
        number: int = 0,
    ) -> uuid.UUID:
        """Add a camera; returns its key."""
        self._numbers = number or self._numbers + 1
        with self.database.write() as session:
            camera = Camera(
                number=self._numbers,
                folder=f"c-{self._numbers}",
                unit_id=unit_id,
                kind="overview",
                url="rtsp://192.0.2.1/",
                enabled=enabled and removed_us is None,
                created_at=utc(added_us),
                removed_at=None if removed_us is None else utc(removed_us),
                **_names(name),
            )
            session.add(camera)
            session.flush()
            return camera.id

    def opened(self, camera_id: uuid.UUID, start_us: int) -> int:
        """Begin a recording; returns its row's id."""
        opened = OpenedRecording(
            camera_id, self._volume_id(), f"{new_id().hex}.mp4", 1, start_us, 0, "avc1.42c00c", 320, 180, 700
        )
        with self.database.write() as session:
            (row_id,) = index.open_recordings(session, [opened])
        return row_id

    def recorded(self, camera_id: uuid.UUID, start_us: int, end_us: int, *, row_id: int = 0, size: int = 1000) -> int:
        """Write a finished recording, or finish one; returns its row's id."""
        row_id = row_id or self.opened(camera_id, start_us)
        with self.database.write() as session:
            done = CompletedRecording(row_id, camera_id, start_us, end_us, 90_000, size, 15, b"")
            index.complete_recording(session, done)
        return row_id

    def minutes(self, camera_id: uuid.UUID, start_us: int, end_us: int) -> None:
        """Write finished recordings of a minute each, in one transaction."""
        starts = range(start_us, end_us, 60 * SECOND)
        volume_id = self._volume_id()
        with self.database.write() as session:
            opened = [
                OpenedRecording(camera_id, volume_id, f"{new_id().hex}.mp4", 1, start, 0, "avc1.42c00c", 320, 180, 700)
                for start in starts
            ]
            for row_id, start in zip(index.open_recordings(session, opened), starts, strict=True):
                end = min(start + 60 * SECOND, end_us)
                index.complete_recording(
                    session, CompletedRecording(row_id, camera_id, start, end, 90_000, 1000, 15, b"")
                )

    def missing(
        self, camera_id: uuid.UUID, start_us: int, end_us: int | None, reason: GapReason, detail: str = ""
    ) -> int:
        """Write a gap; `end_us` None: it is not over. Returns its row's id."""
        with self.database.write() as session:
            gap_id = index.open_gap(session, camera_id, start_us, reason, detail)
            if end_us is not None:
                index.close_gap(session, gap_id, camera_id, end_us)
        return gap_id

    def says(self, camera_id: uuid.UUID, now_us: int, state: str = "recording") -> None:
        """Let the recorder say what a camera does."""
        row = {"camera_id": camera_id, "recorder": "recorder", "state": state, "since_us": now_us, "updated_us": now_us}
        with self.database.write() as session:
            index.replace_statuses(session, "recorder", [row])

    def life(self, camera_id: uuid.UUID, from_us: int, to_us: int, outages: Sequence[Outage]) -> None:
        """Write the account of a long time whose recordings are deleted: sums of its hours, and its gaps.

        What no outage covers was recorded; the outages neither overlap nor stand out of the interval.
        """
        kept = without([(from_us, to_us)], [outage[:2] for outage in outages])
        self.hours(camera_id, kept)
        rows = [
            {"camera_id": camera_id, "start_us": start, "end_us": end, "reason": reason.value, "detail": ""}
            for start, end, reason in outages
        ]
        if rows:
            with self.database.write() as session:
                session.execute(sa.insert(Gap), rows)

    def hours(self, camera_id: uuid.UUID, recorded: Iterable[Span]) -> None:
        """Write the sums of hours in which these spans were recorded."""
        sums: dict[int, int] = {}
        for start, end in recorded:
            for hour, part in index.split_by_hour(start, end):
                sums[hour] = sums.get(hour, 0) + part
        rows = [
            {"camera_id": camera_id, "hour_us": hour, "recorded_us": part, "size": part // 4}
            for hour, part in sums.items()
        ]
        if rows:
            with self.database.write() as session:
                session.execute(sa.insert(RecordedHour), rows)

    def _volume_id(self) -> uuid.UUID:
        if self._volume is None:
            self._volume = new_id()
            with self.database.write() as session:
                session.add(Volume(id=self._volume, path=str(self._path), created_at=utc(0)))
        return self._volume


def _names(name: str) -> dict[str, str]:
    return {"name": name, "name_folded": text.fold(name), "name_sort": text.sort_key(name)}
