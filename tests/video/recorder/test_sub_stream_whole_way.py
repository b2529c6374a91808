"""GStreamer's server and a real recorder process: one stream is recorded picture for picture, the other watched."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from vonggac.cameras import service as cameras
from vonggac.core.presence import RoleRow
from vonggac.video.live_client import LivePicture, SubUnavailable, address_of, latest_key_frame, pictures
from vonggac.video.models import GapReason

pytestmark = pytest.mark.slow


class Listener:
    """Stands between the recorder and a camera, and notes what is asked of the camera."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.asked: list[str] = []
        self.port = 0

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Listener]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, to = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return

        async def note() -> None:
            while data := await reader.read(1 << 16):
                self.asked += [line.split(b" ")[0].decode() for line in data.split(b"\r\n") if b" rtsp://" in line]
                to.write(data)
            to.close()

        asking = asyncio.create_task(note())
        with contextlib.suppress(ConnectionError):
            while data := await there.read(1 << 16):
                writer.write(data)
                await writer.drain()
        asking.cancel()
        to.close()
        writer.close()


def within(seconds: float, work: Any) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(seconds):
            return await work

    return asyncio.run(bounded())


def recorder_of(centre: Any) -> tuple[str, Any]:
    """The address of the camera's recorder, and the camera."""
    with centre.database.read() as session:
        camera = cameras.find_camera(session, "1")
        address = address_of(session, camera.id)
    assert address is not None
    return address, camera.id


async def look(address: str, camera_id: Any, count: int) -> list[LivePicture]:
    seen = []
    async with contextlib.aclosing(pictures(address, camera_id, stream="sub")) as source:
        async for picture in source:
            seen.append(picture)
            if len(seen) == count:
                break
    return seen


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.05)


def assert_recorded_picture_for_picture(centre: Any, read_numbers: Callable[[Path], list[int]]) -> None:
    numbers = [number for path in centre.media() for number in read_numbers(path)]
    assert len(numbers) > 100
    assert all(after == (before + 1) % 150 for before, after in itertools.pairwise(numbers))
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()
    assert len({row.run for row in centre.recordings()}) == 1
    assert [gap.reason for gap in centre.gaps() if gap.start_us > centre.recordings()[0].start_us] == [
        GapReason.STOPPED
    ]


def test_while_the_other_stream_is_watched_left_lost_and_found_again_the_main_one_is_recorded_picture_for_picture(
    centre: Any, gst_server: Any, numbered_clip: Any, read_numbers: Callable[[Path], list[int]]
) -> None:
    main = numbered_clip(width=640, height=360, fps=15, seconds=10, group_seconds=1, bits_per_second=600_000)
    small = numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=200_000)
    # A server for each, so that one can go away alone.
    first, second = gst_server([main]), gst_server([small])
    centre.environment["VONGGAC_RECORDER_STALL_SECONDS"] = "30"  # a busy machine is no camera that stalls

    async def day() -> None:
        async with Listener(second.port).serve() as heard:
            sub_url = f"rtsp://127.0.0.1:{heard.port}/cam/1"
            centre.command("camera", "add", "Cổng", first.url(), "--sub-url", sub_url, "--data", str(centre.path))
            centre.start()
            await until(lambda: centre.states() == ["recording"])
            address, camera_id = recorder_of(centre)

            seen = await look(address, camera_id, 40)
            assert seen[0].key
            assert (seen[0].parameters.width, seen[0].parameters.height) == (320, 180)
            steps = [after.pts - before.pts for before, after in itertools.pairwise(seen)]
            assert all(abs(step - 6000) <= 1 for step in steps), steps
            left = time.monotonic()
            await until(lambda: "TEARDOWN" in heard.asked)
            assert time.monotonic() - left > 5, "it is kept for those who come back"
            assert heard.asked.count("PLAY") == 1

            watching = asyncio.create_task(look(address, camera_id, 60))
            await until(lambda: heard.asked.count("PLAY") == 2)
            await asyncio.sleep(1)
            second.stop()
            with pytest.raises(SubUnavailable):  # the next try finds nobody, and who watches is told
                await watching
            asked = len(heard.asked)
            with pytest.raises(SubUnavailable) as told:
                await latest_key_frame(address, camera_id, stream="sub")
            assert len(heard.asked) == asked
            second.start()
            await asyncio.sleep(told.value.retry_s)
            async with asyncio.timeout(60):
                while True:  # as a viewer does that is told when to ask again
                    try:
                        assert len(await look(address, camera_id, 20)) == 20
                        break
                    except SubUnavailable as error:
                        await asyncio.sleep(error.retry_s)

    within(150, day())
    assert centre.end() == 0
    assert_recorded_picture_for_picture(centre, read_numbers)
    said = centre.said()
    assert said.count('"a sub-stream cannot be had"') >= 1
    assert '"camera is away"' not in said


def test_both_streams_of_one_server_and_what_the_metrics_say(
    centre: Any, gst_server: Any, numbered_clip: Any, read_numbers: Callable[[Path], list[int]]
) -> None:
    main = numbered_clip(width=640, height=360, fps=15, seconds=10, group_seconds=1, bits_per_second=600_000)
    small = numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=200_000)
    server = gst_server([main, small], user="admin", password="giám sát")
    centre.environment["VONGGAC_METRICS_RECORDER_PORT"] = "0"
    centre.environment["VONGGAC_RECORDER_STALL_SECONDS"] = "30"  # a busy machine is no camera that stalls
    without_password = f"rtsp://127.0.0.1:{server.port}{server.paths[1]}"
    centre.command("camera", "add", "Cổng", server.url(1), "--sub-url", without_password, "--data", str(centre.path))
    centre.start()
    centre.wait_until(lambda: centre.states() == ["recording"], "the recording")
    address, camera_id = recorder_of(centre)

    def figure(name: str) -> float:
        with centre.database.read() as session:
            where = session.get(RoleRow, "recorder").metrics
        with urllib.request.urlopen(where, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line for line in lines if line.startswith(name)).split()[-1])

    async def day() -> None:
        assert await asyncio.to_thread(figure, "vonggac_sub_streams_open") == 0
        async with contextlib.aclosing(pictures(address, camera_id, stream="sub")) as source:
            async for picture in source:  # logged in as the main stream is
                assert picture.parameters.width == 320
                break
            assert await asyncio.to_thread(figure, "vonggac_sub_streams_open") == 1
            assert await asyncio.to_thread(figure, 'vonggac_camera_sub_viewers{camera="1"}') == 1

    within(60, day())
    assert figure('vonggac_camera_sub_sessions_total{camera="1"}') == 1
    centre.wait_for_files(4)
    assert centre.end() == 0
    assert_recorded_picture_for_picture(centre, read_numbers)
