"""Who is connected to when: many at once, some that hang, some that are full. No camera waits for another's sake."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from peers.aac import DESCRIBED
from vonggac.cameras import service as cameras
from vonggac.cameras.schemas import new_camera
from vonggac.cameras.service import CameraSource
from vonggac.core import schema
from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.core.log import RateLimit
from vonggac.core.secrets import SecretBox
from vonggac.core.settings import RecorderSettings, Settings
from vonggac.org import service as org
from vonggac.video.index import HourSums
from vonggac.video.models import GapReason
from vonggac.video.recorder.account import CameraAccount, OpenGap
from vonggac.video.recorder.anchor import Timebase
from vonggac.video.recorder.camera import TrackRecorder
from vonggac.video.recorder.connect_gate import ConnectGate
from vonggac.video.recorder.connection import FULL_PAUSE_S, LOCK_PAUSE_S, CameraConnection
from vonggac.video.recorder.fleet import Fleet
from vonggac.video.recorder.live import LiveFeed
from vonggac.video.recorder.reading import ReadingRound
from vonggac.video.volumes import create_volume

SECOND = 1_000_000
DISTRICT = 102
AT_ONCE = 16
SDP = (
    "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=control:trackID=1\r\n"
)


SOUND_SDP = DESCRIBED.removeprefix("v=0\r\n") + "a=control:sound\r\n"


def within(seconds: float, work: Awaitable[Any]) -> Any:
    """Run to the end, or fail: no wait of a test is for ever."""

    async def bounded() -> Any:
        async with asyncio.timeout(seconds):
            return await work

    return asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.02)


class Street:
    """Cameras behind one address, told apart by their paths. `off`: as while their switch starts, they hang up."""

    def __init__(self) -> None:
        self.off = False
        self.hanging: set[str] = set()
        self.refusal = ""
        self.sound_kills = False
        self.shaking = self.most = 0
        self.playing: set[str] = set()
        self.asked: list[str] = []
        self._done: set[asyncio.StreamReader] = set()

    @contextlib.asynccontextmanager
    async def serve(self) -> Any:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=256)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.shaking += 1
        self.most = max(self.most, self.shaking)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                if self.off:
                    await asyncio.sleep(0.01)
                else:
                    await self._talk(reader, writer)
        finally:
            if reader not in self._done:
                self.shaking -= 1
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, url, _ = head.split("\r\n")[0].split(" ")
            number = head.lower().partition("cseq: ")[2].split("\r\n")[0]
            self.asked.append(method)
            name = url.split("/")[3]
            if name in self.hanging:
                await reader.read()
                return
            await asyncio.sleep(0.01)
            if self.sound_kills and method == "SETUP" and url.endswith("sound"):
                return
            if method == "SETUP" and self.refusal:
                writer.write(f"RTSP/1.0 {self.refusal}\r\nCSeq: {number}\r\n\r\n".encode())
                continue
            body = (SDP + SOUND_SDP if self.sound_kills else SDP) if method == "DESCRIBE" else ""
            writer.write(
                f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1;timeout=60\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            if method == "PLAY":
                self.shaking -= 1
                self._done.add(reader)
                self.playing.add(name)


# --- the gate -----------------------------------------------------------------------------------------------------


def test_no_more_have_a_turn_than_there_are_places_and_all_come_to_theirs() -> None:
    async def crowd() -> tuple[int, int]:
        gate, inside, most, served = ConnectGate(AT_ONCE, patience_s=60), 0, 0, 0
        rng = random.Random(1)

        async def one(doubtful: bool) -> None:
            nonlocal inside, most, served
            async with gate.turn(doubtful=doubtful):
                inside += 1
                most = max(most, inside)
                try:
                    await asyncio.sleep(rng.random() / 100)
                    served += 1
                finally:
                    inside -= 1

        tasks = [asyncio.create_task(one(number % 3 == 0)) for number in range(300)]
        await asyncio.sleep(0.02)
        for task in tasks[40:80]:  # whoever is taken away while waiting or inside leaves no place taken
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(one(False) for _ in range(2 * AT_ONCE)))
        return most, served

    most, served = within(20, crowd())
    assert most <= AT_ONCE
    assert served >= 260 + 2 * AT_ONCE


def test_cameras_that_hang_lose_their_places_to_the_others_and_are_not_cut_off() -> None:
    async def street() -> tuple[int, int]:
        gate, hanging, done = ConnectGate(4, patience_s=0.05), asyncio.Event(), 0

        async def hang() -> None:
            async with gate.turn():
                await hanging.wait()

        async def good() -> None:
            nonlocal done
            async with gate.turn():
                done += 1

        hung = [asyncio.create_task(hang()) for _ in range(20)]
        await asyncio.sleep(0)
        await asyncio.gather(*(good() for _ in range(86)))
        still = sum(not task.done() for task in hung)
        hanging.set()
        await asyncio.gather(*hung)
        return done, still

    assert within(20, street()) == (86, 20)


def test_who_hung_the_last_time_steps_back_and_never_has_all_places() -> None:
    async def street() -> list[str]:
        gate, order, hold = ConnectGate(4, patience_s=60), [], asyncio.Event()

        async def come(name: str, doubtful: bool) -> None:
            async with gate.turn(doubtful=doubtful):
                order.append(name)
                if doubtful:
                    await hold.wait()

        doubtful = [asyncio.create_task(come("doubtful", True)) for _ in range(6)]
        await asyncio.sleep(0.01)
        await asyncio.gather(*(come("good", False) for _ in range(5)))
        hold.set()
        await asyncio.gather(*doubtful)
        return order

    order = within(20, street())
    assert order[:8] == ["doubtful"] * 3 + ["good"] * 5


def test_one_place_is_enough_for_both_kinds() -> None:
    async def street() -> int:
        gate, done = ConnectGate(1), 0

        async def come(doubtful: bool) -> None:
            nonlocal done
            async with gate.turn(doubtful=doubtful):
                done += 1

        await asyncio.gather(*(come(number % 2 == 0) for number in range(20)))
        return done

    assert within(20, street()) == 20


# --- a district ---------------------------------------------------------------------------------------------------


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[tuple[Database, Path]]:
    database = Database(f"sqlite:///{tmp_path / 'vonggac.db'}")
    schema.upgrade(database)
    with database.write() as session:
        org.make_root(session, "Centre")
        create_volume(session, tmp_path / "media", utc_now())
    yield database, tmp_path
    database.close()


def fleet_of(database: Database, port: int, names: list[str], **options: Any) -> tuple[Fleet, list[CameraSource]]:
    box = SecretBox(b"k" * 32)
    with database.write() as session:
        root = org.find_unit(session, "").id
        news = [new_camera(name=name, url=f"rtsp://127.0.0.1:{port}/{name}", unit_id=root) for name in names]
        cameras.add_cameras(session, box, news)
    with database.read() as session:
        sources = cameras.sources(session, box)
    recorder = RecorderSettings(stall_seconds=60, **options)
    settings = msgspec.structs.replace(Settings(), recorder=recorder)
    return Fleet("recorder", database, settings, lambda _volume, _again, _step: None, rng=random.Random(7)), sources


@pytest.mark.slow
def test_a_district_that_comes_back_at_once_is_no_stampede(centre: tuple[Database, Path]) -> None:
    database, _ = centre

    async def morning() -> tuple[int, int, int]:
        async with Street().serve() as street:
            street.off = True
            names = [f"camera-{number}" for number in range(DISTRICT)]
            fleet, sources = fleet_of(database, street.port, names, connects_at_once=AT_ONCE)
            fleet._gate = ConnectGate(AT_ONCE, patience_s=60)  # a slow machine is no hanging camera
            await fleet.start()
            await fleet.set_cameras(sources, {})
            await until(lambda: all(one.connection.reconnects for one in fleet.cameras()))
            while_off = street.most
            street.off = False
            await until(lambda: len(street.playing) == DISTRICT)
            most = street.most
            await fleet.stop()
            return while_off, most, street.asked.count("SETUP")

    while_off, most, setups = within(90, morning())
    assert 1 < while_off <= AT_ONCE
    assert 1 < most <= AT_ONCE
    assert setups == DISTRICT


@pytest.mark.slow
def test_cameras_that_hang_in_the_handshake_do_not_keep_the_others_waiting(centre: tuple[Database, Path]) -> None:
    database, _ = centre

    async def street_without_power() -> set[str]:
        async with Street().serve() as street:
            names = [f"hanging-{number}" for number in range(12)] + [f"good-{number}" for number in range(12)]
            street.hanging = set(names[:12])
            fleet, sources = fleet_of(database, street.port, names, connects_at_once=4, connect_timeout_seconds=60)
            fleet._gate = ConnectGate(4, patience_s=0.2)
            await fleet.start()
            await fleet.set_cameras(sources, {})
            # None of the hanging ones has come to its time-out by then.
            await until(lambda: len(street.playing) == 12)
            assert all(one.connection.reconnects == 0 for one in fleet.cameras())
            await fleet.stop()
            return street.playing

    assert within(50, street_without_power()) == {f"good-{number}" for number in range(12)}


# --- one camera ---------------------------------------------------------------------------------------------------


class IdlePipeline:
    """In place of the pipeline: nothing is recorded here."""

    def change(self, work: object) -> None:
        """An index that nobody reads."""


class Watched:
    """One camera's connection, its pauses noted and not waited for."""

    def __init__(
        self,
        port: int,
        *,
        gap: OpenGap | None = None,
        enough: int = 3,
        credentials: str = "",
        url: str = "",
        sound: bool = False,
    ) -> None:
        pipeline: Any = IdlePipeline()
        now_us = time.time_ns() // 1000
        account = CameraAccount(
            uuid.uuid4(), uuid.uuid4(), pipeline.change, due_from_us=now_us, covered_until_us=now_us,
            hours=HourSums(), gap=gap,
        )  # fmt: skip
        self.track = TrackRecorder(
            camera_id=uuid.uuid4(), camera_folder="c", number=1, account=account, pipeline=pipeline,
            live=LiveFeed(lambda watched: None), choose_volume=lambda: None, timebase=Timebase(0, 0),
            recording_s=60,
        )  # fmt: skip
        self.pauses: list[float] = []
        self.details: list[str] = []
        self._enough = enough
        source = CameraSource(
            uuid.uuid4(), 1, "C", "c", uuid.uuid4(), url or f"rtsp://{credentials}127.0.0.1:{port}/camera", "",
            record_audio=sound,
        )  # fmt: skip
        self.connection = CameraConnection(
            source,
            self.track,
            settings=RecorderSettings(),
            reading=ReadingRound(),
            gate=ConnectGate(4),
            now_us=lambda: time.time_ns() // 1000,
            limit=RateLimit(),
            rng=random.Random(3),
            sleep=self._sleep,
        )

    async def _sleep(self, pause_s: float) -> None:
        self.pauses.append(pause_s)
        self.details.append(self.connection.state.detail)
        if len(self.pauses) == self._enough:
            raise asyncio.CancelledError

    async def run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self.connection.run()


def crashed(seconds_ago: float) -> OpenGap:
    return OpenGap(round(time.time() * SECOND - seconds_ago * SECOND), GapReason.CRASHED, "the recorder was killed", 1)


@pytest.mark.parametrize(("seconds_ago", "ours"), [(5, True), (300, False)])
def test_after_a_crash_a_full_camera_is_told_to_hold_our_own_session_until_that_must_be_over(
    seconds_ago: float, ours: bool
) -> None:
    async def restart() -> tuple[Watched, Street]:
        async with Street().serve() as street:
            street.refusal = "453 Not Enough Bandwidth"
            watched = Watched(street.port, gap=crashed(seconds_ago))
            await watched.run()
            return watched, street

    watched, street = within(20, restart())
    assert all("no room for another viewer" in detail for detail in watched.details)
    assert ("our own earlier connection" in watched.details[0]) is ours
    if ours:
        assert any(f"in about {left} s" in watched.details[0] for left in range(40, 57))
    # It is left alone, and each try asks once.
    assert all(pause_s >= FULL_PAUSE_S for pause_s in watched.pauses)
    assert len(set(watched.pauses)) == len(watched.pauses), "varied, so that many do not come at once"
    assert street.asked.count("SETUP") == len(watched.pauses)


def test_a_camera_that_was_never_ours_is_not_said_to_hold_our_session() -> None:
    async def start() -> Watched:
        async with Street().serve() as street:
            street.refusal = "503 Service Unavailable"
            watched = Watched(street.port)
            await watched.run()
            return watched

    assert all("our own" not in detail for detail in within(20, start()).details)


def test_a_refused_password_is_not_tried_so_often_that_the_camera_locks_itself() -> None:
    async def start() -> Watched:
        async with Street().serve() as street:
            street.refusal = '401 Unauthorized\r\nWWW-Authenticate: Digest realm="c", nonce="n"'
            watched = Watched(street.port, credentials="admin:wrong@")
            await watched.run()
            return watched

    watched = within(20, start())
    assert all("refuses this user name or password" in detail for detail in watched.details)
    assert all(pause_s >= LOCK_PAUSE_S for pause_s in watched.pauses)


def test_a_camera_that_hangs_up_when_asked_for_sound_is_played_without_the_next_time() -> None:
    async def start() -> Street:
        async with Street().serve() as street:
            street.sound_kills = True
            watched = Watched(street.port, sound=True)
            running = asyncio.create_task(watched.run())
            await until(lambda: bool(street.playing))
            running.cancel()
            await running
            return street

    street = within(20, start())
    assert street.asked[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "SETUP"]
    assert [method for method in street.asked[4:] if method != "TEARDOWN"][:4] == [
        "OPTIONS",
        "DESCRIBE",
        "SETUP",
        "PLAY",
    ]


def test_pauses_grow_to_half_a_minute_and_no_two_are_alike() -> None:
    async def start() -> Watched:
        async with Street().serve() as street:
            street.off = True
            watched = Watched(street.port, enough=9)
            await watched.run()
            return watched

    pauses = within(20, start()).pauses
    for pause_s, nominal in zip(pauses, [1, 2, 4, 8, 16, 30, 30, 30, 30], strict=True):
        assert nominal / 2 <= pause_s <= nominal
    assert len(set(pauses)) == len(pauses)


def test_a_camera_whose_address_makes_no_sense_is_away_and_harms_no_other() -> None:
    one = Watched(0, url="rtsp://[camera/live")
    within(10, one.run())
    assert len(one.pauses) == 3
    assert one.connection.state.reason == "refused"
    assert "No usable host" in one.details[0]
