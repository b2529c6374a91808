"""Sub-streams: opened for whoever watches, kept for a while, closed in order; no recording is touched by them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from peers.two_streams import TwoStreams
from vonggac.cameras import service as cameras
from vonggac.cameras.schemas import new_camera
from vonggac.core import schema
from vonggac.core.backoff import BackOff
from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.core.secrets import SecretBox
from vonggac.core.settings import RecorderSettings, Settings
from vonggac.org import service as org
from vonggac.video.live_client import LivePicture, NoSubStream, SubUnavailable, latest_key_frame, pictures
from vonggac.video.recorder import sub_stream
from vonggac.video.recorder.fleet import Fleet, RecordedCamera
from vonggac.video.recorder.live import LiveServer
from vonggac.video.recorder.sub_stream import DISTURBED_PAUSES_S, FULL_PAUSE_S, LOCK_PAUSE_S, SubStream
from vonggac.video.volumes import create_volume

pytestmark = pytest.mark.slow

NOBODY = "rtsp://127.0.0.1:9/sub"


class Recorder:
    """A fleet with one camera and its live socket."""

    def __init__(self, fleet: Fleet, server: LiveServer, source: cameras.CameraSource) -> None:
        self.fleet, self.server, self.source = fleet, server, source

    @property
    def camera(self) -> RecordedCamera:
        return next(self.fleet.cameras())

    @property
    def sub(self) -> SubStream:
        sub = self.fleet.sub_stream(self.source.id)
        assert sub is not None
        return sub

    def watch(self, stream: Any = "sub") -> Watcher:
        return Watcher(self.server.address, self.source.id, stream)

    async def has(self, **changes: Any) -> None:
        await self.fleet.set_cameras([replace(self.source, **changes)], {})


class Watcher:
    """One who watches, from entering the block to leaving it."""

    def __init__(self, address: str, camera_id: uuid.UUID, stream: Any) -> None:
        self.seen: list[LivePicture] = []
        self._source = pictures(address, camera_id, stream=stream)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Watcher:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def sees(self, count: int = 1) -> list[LivePicture]:
        """Wait for so many more pictures, or raise what came instead."""
        wanted = len(self.seen) + count
        await until(lambda: len(self.seen) >= wanted or self._over())
        if self._over():
            await self.ended()
        return self.seen

    async def ended(self) -> None:
        assert self._task is not None
        await self._task

    def _over(self) -> bool:
        return self._task is None or self._task.done()

    async def _watch(self) -> None:
        async with contextlib.aclosing(self._source):
            async for picture in self._source:
                self.seen.append(picture)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def within(seconds: float, work: Awaitable[Any]) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(seconds):
            return await work

    return asyncio.run(bounded())


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'vonggac.db'}")
    schema.upgrade(made)
    with made.write() as session:
        org.make_root(session, "Centre")
        create_volume(session, tmp_path / "media", utc_now())
    yield made
    made.close()


@pytest.fixture
def recorder(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`async with recorder(url, sub_url, sub_streams=…) as running`: a recorder whose main stream is tried already."""
    monkeypatch.setattr(sub_stream, "KEEP_S", 0.5)

    @contextlib.asynccontextmanager
    async def start(url: str, sub_url: str, **options: Any) -> AsyncIterator[Recorder]:
        box = SecretBox(b"k" * 32)
        with database.write() as session:
            root = org.find_unit(session, "").id
            added = new_camera(name="Cổng", url=url, sub_url=sub_url, unit_id=root)
            cameras.add_cameras(session, box, [added])
        with database.read() as session:
            source = cameras.sources(session, box)[0]
        settings = msgspec.structs.replace(Settings(), recorder=RecorderSettings(**options))
        fleet = Fleet("recorder", database, settings, lambda _volume, _again, _step: None, rng=random.Random(7))
        with tempfile.TemporaryDirectory() as folder:
            server = LiveServer(Path(folder) / "live", fleet.feed, fleet.wall_us, fleet.sub_stream)
            await fleet.start()
            await server.start()
            try:
                await fleet.set_cameras([source], {})
                running = Recorder(fleet, server, source)
                await until(lambda: running.camera.connection.state.state != "connecting")
                yield running
            finally:
                await server.close()
                await fleet.stop()

    return start


def test_who_asks_first_has_it_opened_and_it_ends_in_order_some_time_after_the_last_one(recorder: Any) -> None:
    async def day() -> None:
        async with TwoStreams().serve() as camera, recorder(camera.url("main"), camera.url("sub")) as running:
            assert camera.count("sub", "OPTIONS") == 0, "nobody watches"
            async with running.watch() as first, running.watch() as second:
                assert (await first.sees(20))[0].key
                assert b"sub" in first.seen[0].data
                await second.sees()
                assert running.sub.open
            async with running.watch() as third:  # back before it is closed
                await third.sees(12)
            main = running.camera.track.counters.frames
            await until(lambda: camera.count("sub", "TEARDOWN"))
            async with running.watch() as late:  # just as it ends
                await late.sees()
            await until(lambda: not running.sub.open)
            assert (camera.count("sub", "PLAY"), camera.count("main", "PLAY")) == (2, 1)
            await until(lambda: running.camera.track.counters.frames > main + 10)
            assert running.sub.feed.key_frame is None, "what is over is not shown as the present"
            steps = {after.pts - before.pts for before, after in zip(first.seen, first.seen[1:], strict=False)}
            assert steps == {2700}, "every picture, once"

    within(40, day())


def test_one_who_wants_a_still_waits_for_the_first_key_frame(recorder: Any) -> None:
    async def day() -> None:
        async with TwoStreams().serve() as camera, recorder(camera.url("main"), camera.url("sub")) as running:
            frame = await latest_key_frame(running.server.address, running.source.id, stream="sub", timeout=10)
            assert frame is not None
            assert frame.key
            assert b"sub" in frame.data
            main = await latest_key_frame(running.server.address, running.source.id)
            assert main is not None
            assert b"main" in main.data

    within(30, day())


def test_a_camera_without_one_says_so(recorder: Any) -> None:
    async def day() -> None:
        async with TwoStreams().serve() as camera, recorder(camera.url("main"), "") as running:
            with pytest.raises(NoSubStream):
                await latest_key_frame(running.server.address, running.source.id, stream="sub")
            async with running.watch() as somebody:
                with pytest.raises(NoSubStream):
                    await somebody.ended()

    within(30, day())


@pytest.mark.parametrize(
    ("status", "reason", "least_s"),
    [
        ("453 Not Enough Bandwidth", "refused", FULL_PAUSE_S),
        ("503 Service Unavailable", "refused", FULL_PAUSE_S),
        ("404 Not Found", "not_found", 0.9),
        ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=x", "unauthorised", LOCK_PAUSE_S),
    ],
)
def test_one_that_is_refused_is_told_in_words_and_not_asked_for_again_by_whoever_comes_next(
    recorder: Any, status: str, reason: str, least_s: float
) -> None:
    async def day() -> None:
        async with TwoStreams().serve() as camera, recorder(camera.url("main"), camera.url("sub")) as running:
            camera.refusals["sub"] = status
            async with running.watch() as first, running.watch() as second:
                for one in (first, second):
                    with pytest.raises(SubUnavailable) as told:
                        await one.ended()
                    assert told.value.reason == reason
                    assert told.value.detail == str(told.value) != ""
                    assert told.value.retry_s >= least_s
            for _ in range(20):
                with pytest.raises(SubUnavailable):
                    await latest_key_frame(running.server.address, running.source.id, stream="sub")
            assert camera.count("sub", "OPTIONS") == 1
            assert camera.count("main", "PLAY") == 1
            assert running.camera.connection.plays
            # Its time to rest is over, and the camera has room.
            camera.refusals.clear()
            running.sub._rest_until = 0.0
            async with running.watch() as third:
                await third.sees()

    within(40, day())


def test_the_pause_grows_while_a_camera_stays_full(recorder: Any) -> None:
    async def day() -> None:
        async with TwoStreams().serve() as camera, recorder(camera.url("main"), camera.url("sub")) as running:
            camera.refusals["sub"] = "453 Not Enough Bandwidth"
            pauses = []
            for _ in range(9):
                running.sub._rest_until = 0.0
                async with running.watch() as somebody:
                    with pytest.raises(SubUnavailable) as told:
                        await somebody.ended()
                pauses.append(told.value.retry_s)
            assert min(pauses) >= FULL_PAUSE_S
            assert pauses[-1] >= 60

    within(40, day())


def test_a_camera_that_ends_its_main_stream_for_it_is_left_alone_ever_longer(recorder: Any) -> None:
    async def day() -> None:
        async with TwoStreams().serve() as camera, recorder(camera.url("main"), camera.url("sub")) as running:
            camera.kicks = True
            for turn in (1, 2):
                await until(lambda: running.camera.connection.plays)
                async with running.watch() as somebody:
                    with pytest.raises(SubUnavailable, match="the recording comes first") as told:
                        await somebody.ended()
                assert told.value.retry_s >= DISTURBED_PAUSES_S[turn - 1]
                await until(lambda turn=turn: camera.count("main", "PLAY") == turn + 1)
                await until(lambda: not running.sub.open)
                assert camera.count("sub", "PLAY") == turn
                running.sub._rest_until = 0.0

    within(40, day())


def test_while_the_camera_is_away_nobody_waits_and_it_is_not_asked(recorder: Any) -> None:
    async def day() -> None:
        async with TwoStreams().serve() as camera, recorder(NOBODY, camera.url("sub")) as running:
            with pytest.raises(SubUnavailable, match="Nothing listens") as told:
                await latest_key_frame(running.server.address, running.source.id, stream="sub")
            assert told.value.reason == "refused"
            assert camera.asked == []

    within(30, day())


def test_when_the_main_stream_ends_it_ends_too_and_who_watches_sees_it_again_when_both_are_back(
    recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sub_stream, "DISTURBS_S", 0.0)

    async def day() -> None:
        async with (
            TwoStreams().serve() as camera,
            recorder(camera.url("main"), camera.url("sub")) as running,
            running.watch() as somebody,
        ):
            await somebody.sees(5)
            camera.hang_up("main")
            await until(lambda: camera.count("sub", "TEARDOWN"))
            before = len(somebody.seen)
            await until(lambda: camera.count("sub", "PLAY") == 2)
            assert camera.count("main", "PLAY") == 2
            await somebody.sees(5)
            assert somebody.seen[before].key

    within(40, day())


def test_a_main_stream_that_cannot_be_recorded_does_not_stand_in_the_way_of_the_other(recorder: Any) -> None:
    async def day() -> None:
        camera = TwoStreams()
        camera.refusals["main"] = "404 Not Found"
        async with (
            camera.serve(),
            recorder(camera.url("main"), camera.url("sub")) as running,
            running.watch() as somebody,
        ):
            await somebody.sees(3)
            camera.refusals["main"] = "453 Not Enough Bandwidth"
            await until(lambda: camera.count("sub", "TEARDOWN"))  # there is no room for both: it gives way

    within(60, day())


def test_one_that_breaks_off_is_opened_again_and_who_watches_stays(recorder: Any) -> None:
    async def day() -> None:
        async with (
            TwoStreams().serve() as camera,
            recorder(camera.url("main"), camera.url("sub")) as running,
            running.watch() as somebody,
        ):
            await somebody.sees(5)
            camera.hang_up("sub")
            await until(lambda: camera.count("sub", "PLAY") == 2)
            await somebody.sees(5)
            running.sub._back_off = BackOff(60.0, 120.0)  # as after breaking off again and again
            camera.hang_up("sub")
            with pytest.raises(SubUnavailable, match="closed the connection") as told:
                await somebody.ended()
            assert told.value.retry_s >= 30
            assert camera.count("main", "PLAY") == 1

    within(40, day())


def test_who_waits_in_vain_for_a_key_frame_is_told(recorder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sub_stream, "ANSWER_S", 1.0)

    async def day() -> None:
        async with TwoStreams().serve() as camera, recorder(camera.url("main"), camera.url("sub")) as running:
            camera.without_key.add("sub")
            async with running.watch() as somebody:
                with pytest.raises(SubUnavailable, match="without a key frame") as told:
                    await somebody.ended()
                assert told.value.reason == "no_key_frame"
                await until(lambda: camera.count("sub", "TEARDOWN"))

    within(40, day())


def test_a_fault_of_ours_is_told_and_logged_and_no_recording_ends(recorder: Any, capsys: Any) -> None:
    async def day() -> None:
        async with TwoStreams().serve() as camera, recorder(camera.url("main"), camera.url("sub")) as running:

            async def fails(*_: object, **__: object) -> None:
                raise ValueError("a fault of ours")

            running.sub._stream.play = fails
            async with running.watch() as somebody:
                with pytest.raises(SubUnavailable, match="internal error"):
                    await somebody.ended()
            before = running.camera.track.counters.frames
            await until(lambda: running.camera.track.counters.frames > before)
            assert camera.count("main", "PLAY") == 1

    within(40, day())
    assert "a sub-stream failed" in capsys.readouterr().out


def test_by_setting_it_always_plays(recorder: Any) -> None:
    async def day() -> None:
        async with (
            TwoStreams().serve() as camera,
            recorder(camera.url("main"), camera.url("sub"), sub_streams="always") as running,
        ):
            await until(lambda: running.sub.feed.key_frame is not None)
            async with running.watch() as somebody:
                await somebody.sees()
            await asyncio.sleep(1.0)
            assert running.sub.open
            camera.hang_up("sub")
            await until(lambda: camera.count("sub", "PLAY") == 2)

    within(40, day())


def test_another_address_is_taken_up_and_the_recording_goes_on(recorder: Any) -> None:
    async def day() -> None:
        async with TwoStreams().serve() as camera, recorder(camera.url("main"), NOBODY) as running:
            async with running.watch() as somebody:
                with pytest.raises(SubUnavailable, match="Nothing listens"):
                    await somebody.ended()
            await running.has(sub_url=camera.url("sub"))
            async with running.watch() as somebody:  # at once: the pause was the other address's
                await somebody.sees()
                await running.has(sub_url="")
                await somebody.ended()
            assert camera.asked[-1] == ("sub", "TEARDOWN")
            assert running.fleet.sub_stream(running.source.id) is None
            assert camera.count("main", "PLAY") == 1

    within(40, day())
