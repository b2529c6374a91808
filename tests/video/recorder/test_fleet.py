"""All cameras of a recorder together: what one of them does, or the server's clock, must not harm the others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated import PARAMETERS

from vonggac.cameras import service as cameras
from vonggac.cameras.schemas import new_camera
from vonggac.cameras.service import CameraSource
from vonggac.core import schema
from vonggac.core.clock import SystemClock, utc_now
from vonggac.core.database import Database
from vonggac.core.secrets import SecretBox
from vonggac.core.settings import Settings
from vonggac.org import service as org
from vonggac.video.models import GapReason
from vonggac.video.recorder.fleet import Fleet
from vonggac.video.stream import AccessUnit
from vonggac.video.volumes import create_volume

HOUR_US = 3_600_000_000


class SetClock(SystemClock):
    """The clocks of this machine, the wall clock set by somebody."""

    by_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.by_us


class Centre:
    """Two cameras that nobody can reach."""

    def __init__(self, database: Database) -> None:
        self.database = database
        box = SecretBox(b"k" * 32)
        with database.write() as session:
            root = org.find_unit(session, "").id
            news = [new_camera(name=name, url=f"rtsp://127.0.0.1:9/{name}", unit_id=root) for name in ("one", "two")]
            cameras.add_cameras(session, box, news)
        with database.read() as session:
            self.sources: list[CameraSource] = cameras.sources(session, box)
        self.clock = SetClock()

    def fleet(self) -> Fleet:
        return Fleet(
            "recorder", self.database, Settings(), lambda _volume, _again, _step: None, clock=self.clock,
            rng=random.Random(7),
        )  # fmt: skip


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    database = Database(f"sqlite:///{tmp_path / 'vonggac.db'}")
    schema.upgrade(database)
    with database.write() as session:
        org.make_root(session, "Centre")
        create_volume(session, tmp_path / "media", utc_now())
    yield Centre(database)
    database.close()


def test_a_fault_in_one_cameras_connection_ends_the_recorder_in_order(centre: Centre) -> None:
    async def fails(_seconds: float) -> None:
        raise ValueError("a fault of ours")

    async def night() -> set[GapReason | None]:
        async with asyncio.timeout(40):
            fleet = centre.fleet()
            await fleet.start()
            await fleet.set_cameras(centre.sources, {})
            next(fleet.cameras()).connection._sleep = fails
            accounts = [one.track.account for one in fleet.cameras()]
            await fleet.failed()
            await fleet.stop()
            assert not fleet.pipeline.alive  # written, and ended
            return {None if account.gap is None else account.gap.reason for account in accounts}

    assert asyncio.run(night()) == {GapReason.STOPPED}


def test_a_camera_that_stops_before_the_setting_of_the_clock_was_noticed_has_no_gap_over_its_recording(
    centre: Centre,
) -> None:
    async def night() -> None:
        async with asyncio.timeout(40):
            fleet = centre.fleet()
            await fleet.start()
            fleet._chores[0].cancel()  # the tick, which would notice it within a second
            await fleet.set_cameras(centre.sources, {})
            camera = next(fleet.cameras())
            began_ns = centre.clock.monotonic_ns()
            for n in range(45):
                arrived_ns = began_ns + n * 66_666_666
                camera.track.add(AccessUnit(n * 6000, n % 15 == 0, bytearray(100), PARAMETERS, arrived_ns))
            centre.clock.by_us -= HOUR_US
            await fleet.set_cameras([], {})
            account = camera.track.account
            assert account.gap is not None
            assert account.gap.start_us == account.covered_until_us
            await fleet.stop()

    asyncio.run(night())
