"""Live pictures: the current group at once, a slow viewer skips to a key frame, nobody waits for anybody."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.live_client import latest_key_frame, pictures
from vonggac.video.recorder import live
from vonggac.video.recorder.live import (
    BEHIND_NS,
    CACHED_BYTES,
    STALLED_NS,
    WAITING_BYTES,
    LiveFeed,
    LiveServer,
    MessageHeads,
    Viewer,
)
from vonggac.video.stream import AccessUnit, VideoParameters

PARAMETERS = VideoParameters("h264", (b"\x67sps", b"\x68pps"), 1280, 720)
OTHER_PARAMETERS = VideoParameters("h264", (b"\x67other", b"\x68pps"), 640, 360)
STEP_NS = 1_000_000_000 // 15


def picture(number: int, *, key: bool = False, size: int = 10, parameters: VideoParameters = PARAMETERS) -> AccessUnit:
    return AccessUnit(number, key, bytearray(size), parameters, number * STEP_NS)


class NotedOutlet:
    """In place of a transport: takes what the test lets it take."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.closing = False
        self.sent: list[dict[str, Any]] = []
        self.waiting = 0

    def writelines(self, list_of_data: Sequence[bytes | bytearray]) -> None:
        assert not self.closing, "written to a viewer who is gone"
        head, data = list_of_data
        self.sent.append(json.loads(head))
        assert self.sent[-1]["size"] == len(data)
        if not self.takes:
            self.waiting += len(head) + len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.closing

    def take_all(self) -> None:
        self.waiting = 0
        self.takes = True

    @property
    def numbers(self) -> list[int]:
        return [head["pts"] for head in self.sent]


def viewer_of(outlet: NotedOutlet) -> Viewer:
    return Viewer(outlet, MessageHeads(lambda ns: ns // 1000))


def test_who_comes_in_mid_group_gets_it_from_its_key_frame_on() -> None:
    feed, outlet = LiveFeed(lambda _watched: None), NotedOutlet()
    for number in range(25):
        feed.push(picture(number, key=number % 10 == 0))
    feed.watch(viewer_of(outlet))
    feed.push(picture(25))
    assert outlet.numbers == [20, 21, 22, 23, 24, 25]


def test_a_decoder_is_told_its_parameters_with_the_first_picture_and_when_they_change() -> None:
    feed, outlet = LiveFeed(lambda _watched: None), NotedOutlet()
    feed.watch(viewer_of(outlet))
    for number in range(4):
        feed.push(picture(number, key=number % 2 == 0, parameters=PARAMETERS if number < 2 else OTHER_PARAMETERS))
    assert [head.get("parameters", {}).get("width") for head in outlet.sent] == [1280, None, 640, None]
    assert [head["arrived_us"] for head in outlet.sent] == [number * STEP_NS // 1000 for number in range(4)]


def test_a_viewer_who_is_behind_gets_nothing_more_until_a_key_frame_finds_him_caught_up() -> None:
    feed, outlet = LiveFeed(lambda _watched: None), NotedOutlet(takes=False)
    viewer = viewer_of(outlet)
    feed.watch(viewer)
    for number in range(60):
        feed.push(picture(number, key=number % 15 == 0))
    last = outlet.numbers[-1]
    assert last * STEP_NS <= BEHIND_NS < (last + 2) * STEP_NS  # no more than that of the past waits for him
    outlet.take_all()
    for number in range(60, 90):
        feed.push(picture(number, key=number % 15 == 0))
    assert outlet.numbers[last + 1 :] == list(range(60, 90))
    assert viewer.skipped == 60 - last - 1
    assert not viewer.over.is_set()


def test_a_viewer_who_takes_nothing_for_long_is_sent_home() -> None:
    feed, outlet = LiveFeed(lambda _watched: None), NotedOutlet(takes=False)
    viewer = viewer_of(outlet)
    feed.watch(viewer)
    for number in range(STALLED_NS // STEP_NS + 30):
        feed.push(picture(number, key=number % 15 == 0))
    assert viewer.over.is_set()
    assert viewer.stalled


def test_to_a_viewer_who_is_gone_nothing_is_written() -> None:
    feed, outlet = LiveFeed(lambda _watched: None), NotedOutlet()
    viewer = viewer_of(outlet)
    feed.watch(viewer)
    feed.push(picture(0, key=True))
    outlet.closing = True
    feed.push(picture(1))
    assert viewer.over.is_set()
    assert outlet.numbers == [0]


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 3 << 20), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=80
    )
)
def test_what_waits_is_bounded_and_what_is_sent_can_always_be_decoded(script: list[tuple[bool, int, float]]) -> None:
    feed, outlet = LiveFeed(lambda _watched: None), NotedOutlet(takes=False)
    feed.watch(viewer_of(outlet))
    for number, (key, size, taken) in enumerate(script):
        outlet.waiting = int(outlet.waiting * (1 - taken))
        feed.push(picture(number, key=key, size=size))
        assert outlet.waiting <= WAITING_BYTES + (3 << 20) + 1000
    # A picture is sent only directly after the one before it, or if decoding may begin with it.
    for before, after in zip([{"pts": -2}, *outlet.sent], outlet.sent, strict=False):
        assert after["key"] or after["pts"] == before["pts"] + 1


def test_of_a_group_too_large_to_keep_nothing_undecodable_is_handed_out() -> None:
    feed, outlet = LiveFeed(lambda _watched: None), NotedOutlet()
    feed.push(picture(0, key=True))
    feed.push(picture(1, size=CACHED_BYTES))
    feed.watch(viewer_of(outlet))
    feed.push(picture(2))
    feed.push(picture(3, key=True))
    assert outlet.numbers == [3]


def test_after_a_seam_the_old_key_frame_is_no_longer_the_present() -> None:
    feed = LiveFeed(lambda _watched: None)
    feed.push(picture(0, key=True))
    feed.break_off()
    assert feed.key_frame is None


def test_the_camera_is_told_when_the_first_viewer_comes_and_the_last_one_goes() -> None:
    told: list[bool] = []
    feed = LiveFeed(told.append)
    first, second = viewer_of(NotedOutlet()), viewer_of(NotedOutlet())
    feed.watch(first)
    feed.watch(second)
    feed.leave(first)
    feed.leave(second)
    feed.leave(second)
    assert told == [True, False]


def test_over_a_socket_a_viewer_sees_every_picture_and_another_who_reads_nothing_disturbs_nobody() -> None:
    async def scenario(folder: Path) -> tuple[list[int], int]:
        camera = uuid.uuid4()
        feed = LiveFeed(lambda _watched: None)
        server = LiveServer(folder / "live", {camera: feed}.get, lambda ns: ns // 1000)
        await server.start()
        feed.push(picture(0, key=True))
        _reader, writer = await asyncio.open_unix_connection(str(folder / "live"))  # asks, and reads nothing
        writer.write(json.dumps({"want": "pictures", "camera": camera.hex}).encode() + b"\n")
        seen: list[int] = []

        async def watch() -> None:
            async for one in pictures(server.address, camera):
                seen.append(one.pts)

        watching = asyncio.create_task(watch())
        while len(feed.viewers) < 2:
            await asyncio.sleep(0.01)
        for number in range(1, 300):
            feed.push(picture(number, key=number % 30 == 0, size=20_000))
            await asyncio.sleep(0)
        while len(seen) < 300:
            await asyncio.sleep(0.01)
        frame = await latest_key_frame(server.address, camera)
        assert frame is not None
        feed.close()
        await watching
        writer.close()
        await server.close()
        return seen, frame.pts

    with tempfile.TemporaryDirectory() as folder:
        seen, key_frame = asyncio.run(scenario(Path(folder)))
    assert seen == list(range(300))
    assert key_frame == 270


async def ask_and_read_nothing(folder: Path, want: str, *, megabytes: int = 3) -> tuple[LiveServer, LiveFeed, Any]:
    """A server, and one who asked it and leaves what he is sent in the socket."""
    camera = uuid.uuid4()
    feed = LiveFeed(lambda _watched: None)
    server = LiveServer(folder / "live", {camera: feed}.get, lambda ns: ns // 1000)
    await server.start()
    feed.push(picture(0, key=True, size=megabytes << 20))
    visitor = socket.socket(socket.AF_UNIX)
    visitor.connect(str(folder / "live"))
    visitor.sendall(json.dumps({"want": want, "camera": camera.hex}).encode() + b"\n")
    while not select.select([visitor], [], [], 0)[0]:
        await asyncio.sleep(0.01)
    return server, feed, visitor


@pytest.mark.slow
@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("want", ["key_frame", "pictures"])
def test_who_does_not_take_what_he_is_sent_last_is_cut_off_and_holds_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, want: str, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    monkeypatch.setattr(live, "SEND_TIMEOUT_S", 0.1)

    async def scenario() -> None:
        async with asyncio.timeout(10):
            before = asyncio.all_tasks()
            server, feed, visitor = await ask_and_read_nothing(tmp_path, want)
            feed.close()
            while asyncio.all_tasks() - before:
                await asyncio.sleep(0.01)
            visitor.close()
            await server.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(scenario())


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_recorder_that_stops_waits_for_no_viewer(
    tmp_path: Path, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def scenario() -> None:
        server, _, visitor = await ask_and_read_nothing(tmp_path, "pictures")
        async with asyncio.timeout(10):
            await server.close()
        visitor.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(scenario())
