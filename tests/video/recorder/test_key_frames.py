"""A camera that sends no key frame: away after a while, asked anew, recorded as soon as one comes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from simulated import PARAMETERS, Simulation

from vonggac.cameras.service import CameraSource
from vonggac.core.log import RateLimit
from vonggac.core.settings import RecorderSettings
from vonggac.video.recorder.camera import LONGEST_GROUP_US
from vonggac.video.recorder.connect_gate import ConnectGate
from vonggac.video.recorder.connection import CameraConnection
from vonggac.video.recorder.reading import ReadingRound
from vonggac.video.rtsp import RtspError
from vonggac.video.stream import AccessUnit


class Silent:
    """In place of a playing connection: a mock, since the wait for a key frame is a minute long."""

    def __init__(self) -> None:
        self.given_up: list[RtspError] = []

    def give_up(self, error: RtspError) -> None:
        self.given_up.append(error)


class Case:
    def __init__(self, path: Path) -> None:
        self.sim = Simulation(path)
        source = CameraSource(self.sim.camera_id, 1, "C", "c-1", self.sim.unit_id, "rtsp://127.0.0.1/", "")
        self.connection = CameraConnection(
            source, self.sim.track, settings=RecorderSettings(), reading=ReadingRound(), gate=ConnectGate(4),
            now_us=self.sim.wall_us, limit=RateLimit(), rng=random.Random(1),
        )  # fmt: skip

    def after(self, seconds: float, *, fresh: bool = False) -> list[RtspError]:
        """What the connection does when no key frame has come for so long; `fresh`: on a new connection."""
        if fresh:
            self.sim.track._waiting_since_ns = 0
            self.sim.track._forget_run()
        arrived_ns = time.monotonic_ns() - round(seconds * 1e9)
        self.sim.track._waiting_since_ns = 0
        self.sim.track.add(AccessUnit(0, False, bytearray(1), PARAMETERS, arrived_ns))
        silent: Any = Silent()
        self.connection._look_for_key_frame(silent)
        return list(silent.given_up)


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    made = Case(tmp_path)
    yield made
    if made.sim.pipeline.alive:
        made.sim.pipeline.stop()
    made.sim.database.close()


def test_for_a_minute_nothing_is_done_and_then_the_camera_is_asked_anew(case: Case) -> None:
    assert case.after(59) == []
    (error,) = case.after(61)
    assert error.reason == "no_key_frame"
    assert "Set its key-frame (I-frame) interval to 1 to 2 s" in str(error)
    assert case.sim.account.gap is not None
    assert case.sim.account.gap.reason == "no_key_frame"


def test_a_camera_that_brings_none_on_a_new_connection_either_is_left_waiting_for_ever_longer(case: Case) -> None:
    patience = []
    for _ in range(6):
        waited = next(s for s in range(61, 700, 60) if case.after(s, fresh=True))
        patience.append(waited)
    assert patience == [61, 121, 241, 481, 601, 601]


def test_a_group_without_an_end_is_cut_after_an_hour_by_connecting_anew(case: Case) -> None:
    case.sim.play(1800, fps=1, group_s=100_000)
    silent: Any = Silent()
    case.connection._look_for_key_frame(silent)
    assert silent.given_up == []
    case.sim.play(LONGEST_GROUP_US / 1e6, fps=1, first_key=100_000)
    case.connection._look_for_key_frame(silent)
    assert [error.reason for error in silent.given_up] == ["no_key_frame"]


def test_who_gives_a_connection_up_hears_his_own_words_and_the_camera_is_told_in_order(
    gst_server: Any, clip: Any
) -> None:
    from vonggac.video.rtsp import CameraAddress, RtspConnection

    camera = gst_server([clip("street-cars.mp4")])

    async def main() -> None:
        address = CameraAddress.parse(camera.url(1))
        connection = await RtspConnection.open(address, on_access_unit=lambda _unit: None)
        async with connection:
            connection.give_up(RtspError("no_key_frame", "none"))
            with pytest.raises(RtspError, match="none"):
                await connection.ended()
            assert connection.session.state == "playing"
        assert connection.session.state == "closed"  # its TEARDOWN was answered

    asyncio.run(main())
