"""One viewer's session: which stream he gets, and what he is told when there is none.

In the recorder's place stands a socket that speaks its protocol: what a sub-stream does, and when, is up to the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vonggac.cameras.models import Camera
from vonggac.core import presence
from vonggac.core.clock import SystemClock
from vonggac.shell.words import Words
from vonggac.video.live_client import encode_parameters
from vonggac.video.models import CameraStatus
from vonggac.video.stream import VideoParameters
from vonggac.web.live import relay as relays
from vonggac.web.live import session as sessions
from vonggac.web.live import subscription
from vonggac.web.live.choice import Choice
from vonggac.web.live.fragments import FRAGMENT, INIT
from vonggac.web.live.relay import Relay
from vonggac.web.live.session import LiveSession

H264 = VideoParameters("h264", (bytes.fromhex("674d401e96"), bytes.fromhex("68ef3c80")), 1280, 720, 0, 15.0)
SMALL = VideoParameters("h264", H264.sets, 320, 180, 0, 15.0)
HEVC_SPS = bytes.fromhex("42010101600000030090000003000003005da0028080241f265999a4932bffc0d5c0d6400000fa4000186a02")
H265 = VideoParameters(
    "h265", (bytes.fromhex("40010c01ffff"), HEVC_SPS, bytes.fromhex("4401c172b0")), 1280, 720, 0, 15.0
)


@dataclass
class Scripted:
    """In the recorder's place. `streams`: the parameters of each; None: none such; a text: a line that refuses."""

    path: Path
    streams: dict[str, VideoParameters | str | None]
    opens_after_s: dict[str, float] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    watching: int = 0
    silent: bool = False
    hangs_up: bool = False
    """Whether it answers as one that does not have the camera."""
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def stop(self) -> None:
        """End, as a process that is killed."""
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.watching += 1
        try:
            stream = json.loads(await reader.readline()).get("stream", "main")
            self.asked.append(stream)
            if self.hangs_up:
                return
            await asyncio.sleep(self.opens_after_s.get(stream, 0))
            what = self.streams[stream]
            if not isinstance(what, VideoParameters):
                writer.write((what or '{"error":"no_sub_stream"}').encode() + b"\n")
                return
            for number in range(10_000):
                while self.silent:
                    await asyncio.sleep(0.01)
                head = {"size": 20, "pts": number * 6000, "key": number % 5 == 0, "arrived_us": 1_000_000 + number}
                if number == 0:
                    head["parameters"] = encode_parameters(what)
                writer.write(msgspec.json.encode(head) + b"\n" + struct.pack(">I", 16) + bytes(16))
                await writer.drain()
                await asyncio.sleep(0.02)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self.watching -= 1
            self._tasks.discard(task)
            writer.close()


class Page:
    """In the browser's place: keeps what it is sent."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.times: list[int] = []
        self.pictures: list[tuple[str, bool]] = []
        """Of each picture the stream that was announced before it, and whether it is a key frame."""
        self.came = asyncio.Event()
        self.stuck = False

    async def send_text(self, data: str) -> None:
        told = json.loads(data)
        if told["type"] == "alive":
            self.times.append(told["now_ms"])
        else:
            self.said.append(told)
        self.came.set()

    async def send_bytes(self, data: bytes) -> None:
        while self.stuck:
            await asyncio.sleep(0.01)
        if data[0] == FRAGMENT:
            self.pictures.append((self.streams()[-1], data[1] == 1))
        else:
            assert data[0] == INIT
        self.came.set()

    def streams(self) -> list[str]:
        return [said["stream"] for said in self.said if said["type"] == "stream"]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self.came.clear()
                await self.came.wait()


@dataclass
class Watching:
    """A session with a page, and what it hangs on."""

    relay: Relay
    recorder: Scripted
    page: Page
    session: LiveSession
    camera_id: uuid.UUID


@contextlib.asynccontextmanager
async def watching(
    district: Any, folder: Path, streams: dict[str, Any], asked: str = "auto", h265: bool = False, **script: Any
) -> AsyncIterator[Watching]:
    recorder = Scripted(folder / "r.sock", streams, **script)
    await recorder.start()
    with district.database.write() as session:
        presence.appear(session, "recorder", address=f"unix:{recorder.path}")
    camera_id = district.cameras["Chợ Hiệp An"]
    clock = SystemClock()
    relay, page = Relay(district.database, clock), Page()
    words = Words("vi", "Asia/Ho_Chi_Minh")
    live = LiveSession(relay, camera_id, page, words, clock.now_us, Choice(asked, h265))
    running = asyncio.create_task(live.run())
    try:
        yield Watching(relay, recorder, page, live, camera_id)
        assert not running.done(), running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        relay.close()
        await recorder.stop()


Scene = Callable[[Watching], Awaitable[None]]


@pytest.fixture
def play(district: Any, tmp_path: Path) -> Callable[..., None]:
    """`play(scene, streams={...}, asked="sub")`: act a scene with a viewer in it."""

    def act(scene: Scene, **options: Any) -> None:
        async def whole() -> None:
            async with watching(district, tmp_path, **options) as stage:
                await scene(stage)

        asyncio.run(whole())

    return act


def test_auto_is_the_main_stream(play):
    async def scene(stage: Watching) -> None:
        await stage.page.until(lambda: len(stage.page.pictures) > 8)
        (said,) = stage.page.said
        assert said | {"now_ms": 0} == {
            "type": "stream", "stream": "main", "mode": "video", "mime": 'video/mp4; codecs="avc1.4D401E"',
            "width": 1280, "height": 720, "now_ms": 0,
        }  # fmt: skip
        assert stage.recorder.asked == ["main"], "the other one is not opened for nothing"

    play(scene, streams={"main": H264, "sub": SMALL})


@pytest.mark.parametrize("asked", ["auto", "main"])
def test_where_the_main_stream_cannot_be_played_it_is_the_sub_stream(play, asked):
    async def scene(stage: Watching) -> None:
        await stage.page.until(lambda: len(stage.page.pictures) > 8)
        assert stage.page.streams() == ["sub"]

    play(scene, streams={"main": H265, "sub": SMALL}, asked=asked)


def test_who_plays_h265_gets_it(play):
    async def scene(stage: Watching) -> None:
        await stage.page.until(lambda: len(stage.page.pictures) > 8)
        assert stage.page.said[0]["mime"].startswith('video/mp4; codecs="hvc1.')

    play(scene, streams={"main": H265, "sub": SMALL}, h265=True)


@pytest.mark.parametrize(
    "refusal", [None, '{"error":"sub_unavailable","reason":"refused","detail":"too many viewers","retry_s":60}']
)
def test_where_there_is_no_sub_stream_it_is_the_main_one(play, refusal):
    async def scene(stage: Watching) -> None:
        await stage.page.until(lambda: len(stage.page.pictures) > 8)
        assert stage.page.streams() == ["main"]

    play(scene, streams={"main": H264, "sub": refusal}, asked="sub")


def test_while_a_sub_stream_is_opened_key_frames_of_the_main_one_are_shown(play):
    async def scene(stage: Watching) -> None:
        page = stage.page
        await page.until(lambda: "sub" in page.streams() and len(page.pictures) > 20)
        assert page.streams() == ["main", "sub"]
        assert {key for name, key in page.pictures if name == "main"} == {True}
        assert [name for name, _ in page.pictures] == sorted(name for name, _ in page.pictures), "main, then sub"

    play(scene, streams={"main": H264, "sub": SMALL}, asked="sub", opens_after_s={"sub": 1.0})


def test_another_stream_is_waited_for_before_the_one_before_it_is_left(play):
    async def scene(stage: Watching) -> None:
        page = stage.page
        await page.until(lambda: len(page.pictures) > 5)
        stage.session.ask('{"stream":"sub"}')
        await page.until(lambda: "sub" in page.streams() and len(page.pictures) > 60)
        of_main = sum(name == "main" for name, _ in page.pictures)
        assert of_main > 20, "it went on while the other one was opened"
        stage.session.ask('{"stream":"main"}')
        await page.until(lambda: page.streams()[-1] == "main")
        assert page.streams() == ["main", "sub", "main"]

    play(scene, streams={"main": H264, "sub": SMALL}, opens_after_s={"sub": 0.8})


def test_a_page_may_only_name_a_stream(play):
    async def scene(stage: Watching) -> None:
        for text in ("", "[]", "{}", '{"stream":"third"}', '{"stream":"sub","more":1}', '{"stream":7}'):
            with pytest.raises(msgspec.DecodeError):
                stage.session.ask(text)

    play(scene, streams={"main": H264})


def test_a_sub_stream_that_ends_gives_way_to_the_main_one_and_comes_back(play, monkeypatch):
    monkeypatch.setattr(sessions, "FIRST_RETRY_S", 0.2)
    monkeypatch.setattr(relays, "LINGER_S", 0.05)

    async def scene(stage: Watching) -> None:
        page, recorder = stage.page, stage.recorder
        await page.until(lambda: len(page.pictures) > 3)
        await recorder.stop()
        recorder.streams["sub"] = '{"error":"sub_unavailable","reason":"closed","detail":"it ended"}'
        await recorder.start()
        await page.until(lambda: page.streams()[-1] == "main")
        recorder.streams["sub"] = SMALL
        await page.until(lambda: page.streams()[-1] == "sub")

    play(scene, streams={"main": H264, "sub": SMALL}, asked="sub")


def test_however_often_a_page_asks_for_what_cannot_be_had_it_is_tried_again_as_seldom(play, monkeypatch):
    monkeypatch.setattr(sessions, "FIRST_RETRY_S", 60.0)

    async def scene(stage: Watching) -> None:
        session = stage.session
        await stage.page.until(lambda: len(stage.page.pictures) > 3)
        for _ in range(20):
            for stream in ("main", "sub"):
                session.ask(f'{{"stream":"{stream}"}}')
                seen = len(stage.page.pictures)
                await stage.page.until(lambda seen=seen: len(stage.page.pictures) > seen + 1)
        waiting = [one for one in asyncio.get_running_loop()._scheduled if not one.cancelled()]  # type: ignore[attr-defined]
        assert sum(one._callback == session._ask_again for one in waiting) == 1

    play(scene, streams={"main": H264, "sub": None}, asked="sub")


def test_a_recorder_that_is_killed_is_said_in_the_reader_s_language_and_pictures_come_back(play):
    async def scene(stage: Watching) -> None:
        page = stage.page
        await page.until(lambda: len(page.pictures) > 3)
        await stage.recorder.stop()
        await page.until(lambda: page.said[-1]["type"] == "away")
        assert page.said[-1]["reason"] == "recorder"
        assert page.said[-1]["words"] == "Máy ghi của camera này không trả lời"
        assert page.said[-1]["since_ms"] > 0
        seen = len(page.pictures)
        await stage.recorder.start()
        await page.until(lambda: len(page.pictures) > seen + 3)
        assert page.pictures[seen] == ("main", True)
        assert [said["type"] for said in page.said] == ["stream", "away", "stream"]

    play(scene, streams={"main": H264})


def test_a_camera_that_is_away_is_said_with_its_reason_since_when(play, district):
    async def scene(stage: Watching) -> None:
        page = stage.page
        await page.until(lambda: len(page.pictures) > 3)
        stage.recorder.silent = True
        district.say({"Chợ Hiệp An": "unauthorised"})
        await page.until(lambda: page.said[-1]["type"] == "away")
        assert page.said[-1]["reason"] == "unauthorised"
        assert page.said[-1]["words"] == "Sai tên hoặc mật khẩu camera"
        district.say({"Chợ Hiệp An": "refused"})
        await page.until(lambda: page.said[-1].get("reason") == "refused")
        district.say()
        stage.recorder.silent = False
        await page.until(lambda: page.said[-1]["type"] == "stream")

    play(scene, streams={"main": H264})


def test_a_recorder_that_is_back_and_has_the_camera_no_more_is_not_said_to_be_away(play, district):
    async def scene(stage: Watching) -> None:
        page = stage.page
        await page.until(lambda: len(page.pictures) > 3)
        await stage.recorder.stop()
        await page.until(lambda: page.said[-1].get("reason") == "recorder")
        stage.recorder.hangs_up = True
        district.say({"Chợ Hiệp An": "refused"})
        await stage.recorder.start()
        await page.until(lambda: page.said[-1].get("reason") == "refused")

    play(scene, streams={"main": H264})


def test_a_camera_that_is_switched_off_while_its_recorder_is_away_is_said_to_be_switched_off(play, district):
    async def scene(stage: Watching) -> None:
        page = stage.page
        await page.until(lambda: len(page.pictures) > 3)
        await stage.recorder.stop()
        await page.until(lambda: page.said[-1].get("reason") == "recorder")
        with district.database.write() as session:
            session.get_one(Camera, stage.camera_id).enabled = False
            session.delete(session.get_one(CameraStatus, stage.camera_id))
        await page.until(lambda: page.said[-1].get("reason") == "disabled")

    play(scene, streams={"main": H264})


def test_a_recorder_that_sends_nothing_though_it_records_is_told_as_that(play, monkeypatch):
    monkeypatch.setattr(subscription, "STALLED_S", 0.5)

    async def scene(stage: Watching) -> None:
        await stage.page.until(lambda: stage.page.said and stage.page.said[-1].get("reason") == "stalled")

    play(scene, streams={"main": H264}, silent=True)


def test_a_page_hears_something_also_while_there_is_no_picture(play, monkeypatch):
    monkeypatch.setattr(sessions, "ALIVE_S", 0.1)

    async def scene(stage: Watching) -> None:
        await stage.page.until(lambda: len(stage.page.times) > 2)
        assert stage.page.times == sorted(stage.page.times)

    play(scene, streams={"main": H264}, silent=True)


def test_a_viewer_who_takes_nothing_is_let_go(district, tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "SEND_TIMEOUT_S", 0.3)

    async def scene() -> None:
        recorder = Scripted(tmp_path / "r.sock", {"main": H264})
        await recorder.start()
        with district.database.write() as session:
            presence.appear(session, "recorder", address=f"unix:{recorder.path}")
        clock, page = SystemClock(), Page()
        relay = Relay(district.database, clock)
        page.stuck = True
        camera_id = district.cameras["Chợ Hiệp An"]
        live = LiveSession(relay, camera_id, page, Words("en", "UTC"), clock.now_us, Choice("auto", True))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await live.run()
        assert relay.budget.waiting == 0
        relay.close()
        await recorder.stop()

    asyncio.run(scene())


def test_a_stream_is_asked_for_once_for_all_and_ends_when_nobody_watches(district, tmp_path, monkeypatch):
    monkeypatch.setattr(relays, "LINGER_S", 0.3)

    async def scene() -> None:
        async with watching(district, tmp_path, {"main": H264}) as stage:
            pages = [Page() for _ in range(8)]
            clock = SystemClock()
            others = [
                asyncio.create_task(
                    LiveSession(
                        stage.relay, stage.camera_id, page, Words("en", "UTC"), clock.now_us, Choice("auto", True)
                    ).run()
                )
                for page in pages
            ]
            for page in pages:
                await page.until(lambda page=page: len(page.pictures) > 5)
            assert stage.recorder.asked == ["main"]
            assert stage.recorder.watching == 1
            assert stage.relay.figures()["channels"] == 1
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0.5)
            assert stage.recorder.watching == 1, "one still watches"
            recorder, relay = stage.recorder, stage.relay
        async with asyncio.timeout(20):
            while recorder.watching:
                await asyncio.sleep(0.01)
        assert relay.figures()["channels"] == 0

    asyncio.run(scene())


def test_a_fault_of_ours_in_looking_up_why_is_written_down_and_it_is_looked_up_again(
    play, district, monkeypatch, caplog
):
    monkeypatch.setattr(relays, "LINGER_S", 0.1)
    looked_up, failures = relays.away.looked_up, iter([ZeroDivisionError()])

    def fails_once(*asked: Any) -> Any:
        for failure in failures:
            raise failure
        return looked_up(*asked)

    monkeypatch.setattr(relays.away, "looked_up", fails_once)
    district.say({"Chợ Hiệp An": "refused"})

    async def scene(stage: Watching) -> None:
        await stage.page.until(lambda: stage.page.said and stage.page.said[-1].get("reason") == "refused")

    play(scene, streams={"main": H264}, silent=True)
    assert "failed: live: why no picture" in caplog.text


def test_a_channel_that_begins_anew_after_a_fault_of_ours_is_listened_to_once(district, tmp_path, monkeypatch):
    monkeypatch.setattr(relays, "LINGER_S", 0.2)
    listen, failures = subscription.Subscription._listen, iter([ZeroDivisionError()])

    async def fails_once(self: Any) -> None:
        for failure in failures:
            raise failure
        await listen(self)

    monkeypatch.setattr(subscription.Subscription, "_listen", fails_once)

    async def scene() -> None:
        recorder = Scripted(tmp_path / "r.sock", {"main": H264})
        await recorder.start()
        with district.database.write() as session:
            presence.appear(session, "recorder", address=f"unix:{recorder.path}")
        relay, camera_id = Relay(district.database, SystemClock()), district.cameras["Chợ Hiệp An"]
        first = relay.channel(camera_id, "main")
        await asyncio.sleep(0.05)
        relay._end((camera_id, "main"), always=True)
        second = relay.channel(camera_id, "main")
        assert second is not first
        async with asyncio.timeout(30):
            while second.pictures < 30:
                await asyncio.sleep(0.01)
        assert recorder.asked == ["main"]
        relay.close()
        async with asyncio.timeout(30):
            while recorder.watching:
                await asyncio.sleep(0.01)
        await recorder.stop()

    asyncio.run(scene())
