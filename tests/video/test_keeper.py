"""The keeper: one still a camera in ten seconds, only while it is wanted, and old rows gone in slices."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from vonggac.cameras.models import Camera
from vonggac.core import presence, schema
from vonggac.core.clock import utc, utc_now
from vonggac.core.database import Database
from vonggac.core.eventlog import EventRow, announce
from vonggac.core.faults import Fault
from vonggac.org import accounts
from vonggac.org.models import Account, LoginSession, Unit
from vonggac.video import index, stills
from vonggac.video.live_client import KeyFrame, LiveError
from vonggac.video.still_taking import StillTaker
from vonggac.video.stream import VideoParameters
from vonggac.video.tidying import EVENTS_KEPT, FAULTS_KEPT, Tidying

START = 1_795_500_000_000_000
SECOND = 1_000_000


class SetClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.us = START

    def now_us(self) -> int:
        return self.us

    def monotonic_ns(self) -> int:
        return self.us * 1000


class Recorder:
    """Answers like a recorder, from the test: counts who asks, fails where it is told to."""

    def __init__(self, clock: SetClock, frame: tuple[VideoParameters, bytes]) -> None:
        self.clock = clock
        self.frame = frame
        self.asked: list[uuid.UUID] = []
        self.failure: Exception | None = None
        self.key_frames = True
        self.most_at_once = 0
        self._now = 0

    async def __call__(self, address: str, camera_id: uuid.UUID, timeout: float) -> KeyFrame | None:
        self.asked.append(camera_id)
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await asyncio.sleep(0.001)
        self._now -= 1
        if self.failure:
            raise self.failure
        parameters, data = self.frame
        return KeyFrame(parameters, True, 0, self.clock.us - SECOND, data) if self.key_frames else None


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'vonggac.db'}")
    schema.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def cameras(database: Database) -> list[uuid.UUID]:
    """Twelve cameras that a recorder records."""
    with database.write() as session:
        unit = Unit(code="a", name="A", name_folded="a", name_sort="a", kind="commune", created_at=utc_now())
        session.add(unit)
        session.flush()
        made = [
            Camera(
                number=number,
                name=f"Camera {number}",
                name_folded=f"camera {number}",
                name_sort=f"camera {number}",
                folder=f"camera-{number}",
                unit_id=unit.id,
                kind="overview",
                url="rtsp://192.0.2.1/",
                created_at=utc_now(),
            )
            for number in range(1, 13)
        ]
        session.add_all(made)
        session.flush()
        presence.appear(session, "recorder", address="unix:/run/recorder.sock")
        rows: list[dict[str, Any]] = [
            {"camera_id": camera.id, "recorder": "recorder", "state": "recording", "since_us": 0, "updated_us": 0}
            for camera in made
        ]
        index.replace_statuses(session, "recorder", rows)
        return [camera.id for camera in made]


@pytest.fixture
def frame(clip: Callable[[str], Path]) -> tuple[VideoParameters, bytes]:
    """A key frame of a real clip."""
    import av

    with av.open(str(clip("street-cars.mp4"))) as container:
        stream = container.streams.video[0]
        header = stream.codec_context.extradata or b""
        size = int.from_bytes(header[6:8], "big")
        sps = header[8 : 8 + size]
        rest = header[8 + size + 1 :]
        pps = rest[2 : 2 + int.from_bytes(rest[:2], "big")]
        packet = next(packet for packet in container.demux(stream) if packet.is_keyframe)
        return VideoParameters("h264", (sps, pps), stream.width, stream.height), bytes(packet)


def want(database: Database, cameras: list[uuid.UUID], until_us: int) -> None:
    with database.write() as session:
        stills.want(session, cameras, until_us)


def test_each_wanted_camera_is_decoded_once_in_ten_seconds_and_then_no_more(
    database: Database, cameras: list[uuid.UUID], frame: tuple[VideoParameters, bytes]
) -> None:
    clock = SetClock()
    recorder = Recorder(clock, frame)
    taker = StillTaker(database, clock, CollectorRegistry(), recorder)
    wanted = cameras[:9]

    async def body() -> None:
        await taker.round()
        assert recorder.asked == []
        want(database, wanted, START + 25 * SECOND)
        for second in range(40):
            clock.us = START + second * SECOND
            await taker.round()

    asyncio.run(body())
    # Wanted for 25 s: at 0, 10 and 20 s (the picture is a second older than the question).
    assert sorted(recorder.asked) == sorted(wanted * 3)
    assert 1 < recorder.most_at_once <= 4
    with database.read() as session:
        assert set(stills.taken(session, cameras)) == set(wanted)
        kept = stills.still(session, wanted[0])
        assert kept is not None
        assert kept.jpeg is not None
        assert kept.jpeg.startswith(b"\xff\xd8")


def test_a_camera_that_fails_is_asked_no_more_often_and_holds_up_nobody(
    database: Database, cameras: list[uuid.UUID], frame: tuple[VideoParameters, bytes]
) -> None:
    clock = SetClock()
    recorder = Recorder(clock, frame)
    recorder.failure = LiveError("The recorder did not answer.")
    taker = StillTaker(database, clock, CollectorRegistry(), recorder)

    async def body() -> None:
        want(database, cameras[:2], START + 100 * SECOND)
        for second in range(20):
            clock.us = START + second * SECOND
            await taker.round()
        assert len(recorder.asked) == 4
        recorder.failure = None
        recorder.frame = (frame[0], b"\x00\x00\x00\x02\x65\x00")
        clock.us += 10 * SECOND
        await taker.round()
        recorder.key_frames = False
        clock.us += 10 * SECOND
        await taker.round()

    asyncio.run(body())
    with database.read() as session:
        assert stills.taken(session, cameras) == {}


def test_old_events_sessions_and_faults_go_and_young_ones_stay(database: Database) -> None:
    clock = SetClock()
    now = utc_now()
    clock.us = int(now.timestamp() * SECOND)
    with database.write() as session:
        for _ in range(1200):
            announce(session, "status.updated")
        session.execute(sa.update(EventRow).values(at=now - EVENTS_KEPT - timedelta(hours=1)))
        announce(session, "camera.added")
        for kind, days in (("old", 1), ("young", -1)):
            session.add(
                Fault(
                    kind=kind, subject="", raised_at=now, cleared_at=now - FAULTS_KEPT - timedelta(days=days), detail=""
                )
            )
        session.add(Fault(kind="standing", subject="", raised_at=now - 2 * FAULTS_KEPT, detail=""))
        account = Account(name="a", name_folded="a", password_hash="x", created_at=now)
        session.add(account)
        session.flush()
        accounts.open_session(session, account, "192.0.2.1", now)
        accounts.open_session(session, account, "192.0.2.1", utc(clock.us) - accounts.ABSOLUTE)
    registry = CollectorRegistry()
    asyncio.run(Tidying(database, clock, registry).round())
    with database.read() as session:
        assert [row.topic for row in session.scalars(sa.select(EventRow))] == ["camera.added"]
        assert session.query(LoginSession).count() == 1
        assert set(session.scalars(sa.select(Fault.kind))) == {"young", "standing"}
    assert registry.get_sample_value("vonggac_keeper_tidied_rows_total", {"table": "event"}) == 1200
