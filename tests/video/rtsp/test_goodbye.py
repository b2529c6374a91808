"""Sessions that cameras keep: each that we opened is ended by us, however it came to its end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable

import pytest

from vonggac.video.rtsp import CameraAddress, RtspConnection, RtspError

pytestmark = pytest.mark.slow
SECOND = 1_000_000_000
ALLOWED = 3


def address(port: int) -> CameraAddress:
    return CameraAddress.parse(f"rtsp://127.0.0.1:{port}/live")


class Jealous:
    """A camera that allows three sessions and keeps each until it is torn down, whatever becomes of the connection."""

    def __init__(self, sdp: str) -> None:
        self.sdp = sdp
        self.sessions: set[str] = set()
        self.setups = 0
        self.stream = b""
        self.refuses_play = False
        self.silent_at = ""
        self.is_silent = False
        self._numbers = itertools.count(1)

    async def __call__(self, camera) -> None:
        while True:
            method, _, headers = await camera.request()
            session = headers.get("session", "").split(";")[0]
            if method == self.silent_at:
                self.is_silent = True
                continue
            if method == "DESCRIBE":
                await camera.reply(headers, body=self.sdp)
            elif method == "SETUP":
                self.setups += 1
                if len(self.sessions) >= ALLOWED:
                    await camera.reply(headers, "453 Not Enough Bandwidth")
                    continue
                session = str(next(self._numbers))
                self.sessions.add(session)
                transport = f"Transport: {headers['transport']}"
                await camera.reply(headers, "200 OK", transport, f"Session: {session};timeout=60")
            elif method == "PLAY" and self.refuses_play:
                await camera.reply(headers, "500 Internal Server Error")
            elif method == "PLAY":
                await camera.reply(headers)
                await asyncio.sleep(0.05)
                await camera.send(self.stream)
            elif method == "TEARDOWN":
                self.sessions.discard(session)
                await camera.reply(headers)
            else:
                await camera.reply(headers)


@pytest.fixture
def camera(sdp_text: str) -> Jealous:
    return Jealous(sdp_text)


def pictures(rtp, count: int) -> bytes:
    packer, packets = rtp.Packer(), []
    for number in range(count):
        packets += packer.single(rtp.slice_unit(b"x" * 900, key=number == 0), number * 6000, marker=True)
    return rtp.interleave(packets)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_session_that_is_closed_in_order_is_torn_down(run_loop, scripted_camera, camera):
    async def watch():
        async with scripted_camera(camera) as port:
            for _ in range(2 * ALLOWED):
                async with await RtspConnection.open(address(port), on_access_unit=lambda unit: None) as connection:
                    assert len(camera.sessions) == 1
                assert camera.sessions == set()
                assert not connection.left_behind

    run_loop(watch())


@pytest.mark.parametrize("end", ["stalled", "out of step", "a fault of ours", "cancelled"])
def test_a_session_that_we_give_up_is_torn_down(run_loop, scripted_camera, camera, rtp, end):
    camera.stream = pictures(rtp, 12) + (b"\xff" * 70_000 if end == "out of step" else b"")

    def taken(unit: object) -> None:
        if end == "a fault of ours":
            raise ZeroDivisionError

    async def watch():
        now = [SECOND]
        async with scripted_camera(camera) as port:
            for _ in range(ALLOWED + 1):
                connection = await RtspConnection.open(
                    address(port), on_access_unit=taken, clock=lambda: now[0], stall_timeout=5
                )
                async with connection:
                    if end == "stalled":
                        while connection.check_alive():  # it reads what waits first
                            now[0] += 6 * SECOND
                    elif end == "cancelled":
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(0.05):
                                await connection.ended()
                    else:
                        with contextlib.suppress(ZeroDivisionError):
                            while connection.read_now() in (True, False) and connection.fileno() >= 0:
                                await asyncio.sleep(0.01)
                await until(lambda: camera.sessions == set())

    run_loop(watch())


def test_a_session_whose_pictures_do_not_begin_is_torn_down(run_loop, scripted_camera, camera):
    camera.refuses_play = True

    async def watch():
        async with scripted_camera(camera) as port:
            for _ in range(ALLOWED + 1):
                with pytest.raises(RtspError, match="500"):
                    await RtspConnection.open(address(port), on_access_unit=lambda unit: None)
                assert camera.sessions == set()

    run_loop(watch())


@pytest.mark.parametrize("end", ["time-out", "cancelled"])
def test_a_session_whose_handshake_is_given_up_is_torn_down(run_loop, scripted_camera, camera, end):
    camera.silent_at = "PLAY"

    async def watch():
        async with scripted_camera(camera) as port:
            opening = RtspConnection.open(
                address(port), on_access_unit=lambda unit: None, connect_timeout=0.3 if end == "time-out" else 9
            )
            if end == "time-out":
                with pytest.raises(RtspError, match="does not answer PLAY"):
                    await opening
            else:
                task = asyncio.create_task(opening)
                await until(lambda: camera.is_silent)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await until(lambda: camera.sessions == set())

    run_loop(watch())


def test_a_camera_that_does_not_answer_the_goodbye_does_not_hold_us_up(run_loop, scripted_camera, camera):
    camera.silent_at = "TEARDOWN"

    async def watch():
        async with scripted_camera(camera) as port:
            async with await RtspConnection.open(address(port), on_access_unit=lambda unit: None) as connection:
                pass
            return connection.left_behind

    assert run_loop(watch()), "it may still keep the session, and whoever comes next should know"


def test_a_camera_that_hung_up_is_not_suspected_to_keep_anything(run_loop, scripted_camera):
    async def script(camera):
        await camera.play()

    async def watch():
        async with scripted_camera(script) as port:
            async with await RtspConnection.open(address(port), on_access_unit=lambda unit: None) as connection:
                connection.read_promptly()
                with pytest.raises(RtspError):
                    await connection.ended()
            return connection.left_behind

    assert not run_loop(watch())


def test_a_fourth_viewer_is_refused_as_full_and_leaves_nothing_behind(run_loop, scripted_camera, camera):
    async def watch():
        async with scripted_camera(camera) as port, contextlib.AsyncExitStack() as held:
            for _ in range(ALLOWED):
                opened = await RtspConnection.open(address(port), on_access_unit=lambda unit: None)
                await held.enter_async_context(opened)
            for _ in range(2):
                with pytest.raises(RtspError) as error:
                    await RtspConnection.open(address(port), on_access_unit=lambda unit: None)
                assert (error.value.reason, error.value.full) == ("refused", True)
            assert len(camera.sessions) == ALLOWED

    run_loop(watch())
    assert camera.sessions == set()
