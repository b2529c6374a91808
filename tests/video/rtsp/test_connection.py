"""The connection over real loopback sockets, on asyncio and on uvloop, against cameras that behave as cameras do."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from vonggac.video.rtsp import CameraAddress, RtspConnection, RtspError, receive_window
from vonggac.video.rtsp.client import MIN_BUFFER, MIN_WINDOW

pytestmark = pytest.mark.slow
SECOND = 1_000_000_000


def address(port: int, credentials: str = "admin:s3cret@") -> CameraAddress:
    return CameraAddress.parse(f"rtsp://{credentials}127.0.0.1:{port}/live")


async def until(condition, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def pictures(rtp, count: int, *, size: int = 5000) -> bytes:
    packer, packets = rtp.Packer(), []
    for number in range(count):
        unit = rtp.slice_unit(bytes([number % 250 + 1]) * size, key=number == 0)
        packets += packer.fragments(unit, number * 6000, marker=True, size=1400)
    return rtp.interleave(packets)


def failure_of(work) -> RtspError:
    """Return how a coroutine that must fail failed."""

    async def caught() -> RtspError:
        with pytest.raises(RtspError) as error:
            await work
        assert "s3cret" not in str(error.value)
        return error.value

    return caught()


@pytest.mark.parametrize("mode", ["promptly", "on demand"])
def test_a_camera_is_played_and_every_picture_comes_once(run_loop, scripted_camera, rtp, mode):
    async def script(camera):
        await camera.play()
        data = pictures(rtp, 60)
        for at in range(0, len(data), 7001):
            await camera.send(data[at : at + 7001])
        while camera.requests[-1] != "TEARDOWN":
            _, _, headers = await camera.request()
        await camera.reply(headers)
        requests.extend(camera.requests)

    requests, units = [], []

    async def watch():
        async with (
            scripted_camera(script) as port,
            await RtspConnection.open(address(port), on_access_unit=units.append) as connection,
        ):
            if mode == "promptly":
                connection.read_promptly()
                await until(lambda: len(units) >= 60)
                connection.read_on_demand()
            else:
                buffer = memoryview(bytearray(MIN_BUFFER))
                while len(units) < 60:
                    assert connection.read_now(buffer) in (True, False)
                    await asyncio.sleep(0.02)
            assert connection.check_alive()
            assert connection.window >= MIN_WINDOW // 2
            assert connection.fileno() > 0
        assert connection.fileno() == -1
        await asyncio.sleep(0.05)

    run_loop(watch())
    assert [unit.pts for unit in units] == [number * 6000 for number in range(60)]
    assert [unit.data[-1] for unit in units] == [number + 1 for number in range(60)]
    assert requests[-1] == "TEARDOWN"


def test_one_buffer_serves_several_cameras(run_loop, scripted_camera, rtp):
    async def script(camera):
        await camera.play()
        data = pictures(rtp, 40)
        for at in range(0, len(data), 3333):
            await camera.send(data[at : at + 3333])
            await asyncio.sleep(0)
        await camera.reader.read()

    async def watch():
        buffer = memoryview(bytearray(MIN_BUFFER))
        collected = [[] for _ in range(5)]
        async with scripted_camera(script) as port:
            connections = [
                await RtspConnection.open(address(port), on_access_unit=units.append, buffer=buffer)
                for units in collected
            ]
            while not all(len(units) == 40 for units in collected):
                for connection in connections:
                    connection.read_now()
                await asyncio.sleep(0.01)
            await asyncio.gather(*(connection.close() for connection in connections))
        assert all([unit.data[-1] for unit in units] == list(range(1, 41)) for units in collected)

    run_loop(watch())


@pytest.mark.parametrize("scheme", ["Digest MD5", "Digest SHA-256", "Basic"])
def test_the_camera_lets_us_in_with_each_way_of_logging_in(run_loop, scripted_camera, scheme):
    challenge = {
        "Digest MD5": 'Digest realm="cam", nonce="abc"',
        "Digest SHA-256": 'Digest realm="cam", nonce="abc", qop="auth", algorithm=SHA-256',
        "Basic": 'Basic realm="cam"',
    }[scheme]

    async def script(camera):
        while True:
            method, _, headers = await camera.request()
            if not headers.get("authorization", "").startswith(scheme.split()[0]):
                await camera.reply(headers, "401 Unauthorized", f"WWW-Authenticate: {challenge}")
                continue
            await camera.reply(headers)
            assert method == "OPTIONS"
            await camera.play()
            await camera.reader.read()

    async def watch():
        async with (
            scripted_camera(script) as port,
            await RtspConnection.open(address(port), on_access_unit=lambda unit: None) as connection,
        ):
            assert connection.session.description.authentication == scheme

    run_loop(watch())


def test_a_wrong_password_is_said_so(run_loop, scripted_camera):
    async def script(camera):
        while True:
            _, _, headers = await camera.request()
            await camera.reply(headers, "401 Unauthorized", 'WWW-Authenticate: Digest realm="cam", nonce="abc"')

    async def watch():
        async with scripted_camera(script) as port:
            return await failure_of(RtspConnection.open(address(port), on_access_unit=lambda unit: None))

    assert run_loop(watch()).reason == "unauthorised"


def test_a_port_where_nothing_listens_is_refused(run_loop):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        work = failure_of(RtspConnection.open(address(taken.getsockname()[1]), on_access_unit=lambda unit: None))
        error = run_loop(work)
    assert error.reason == "refused"
    assert re.search(r"rtsp://admin:\*\*\*@127\.0\.0\.1:\d+/live", str(error))


def test_a_process_without_a_free_file_is_refused_a_connection_and_not_ended(run_loop, no_files_left):
    async def enter():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            no_files_left()
            with pytest.raises(RtspError) as error:
                await RtspConnection.open(
                    CameraAddress.parse(f"rtsp://127.0.0.1:{port}/"), on_access_unit=lambda unit: None
                )
        return error.value

    error = run_loop(enter())
    assert error.reason == "refused"
    assert "Too many open files" in str(error)


def test_a_name_that_nobody_knows_is_refused(run_loop):
    camera = CameraAddress.parse("rtsp://no-such-camera.invalid/")
    assert run_loop(failure_of(RtspConnection.open(camera, on_access_unit=lambda unit: None))).reason == "refused"


@pytest.mark.parametrize(
    ("manner", "reason"),
    [
        ("silent", "timed_out"),
        ("options only", "timed_out"),
        ("dribbling", "timed_out"),
        ("closing", "closed"),
        ("garbage", "protocol"),
        ("web server", "protocol"),
        ("endless head", "protocol"),
    ],
)
def test_a_server_that_is_no_good_camera_ends_with_a_reason(run_loop, scripted_camera, manner, reason):
    async def script(camera):
        _, _, headers = await camera.request()
        if manner == "options only":
            await camera.reply(headers)
        elif manner == "dribbling":
            while True:
                await camera.send(b"R")
                await asyncio.sleep(0.05)
        elif manner == "closing":
            return
        elif manner == "garbage":
            await camera.send(bytes(range(128, 256)))
        elif manner == "web server":
            await camera.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        elif manner == "endless head":
            while True:
                await camera.send(b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 1000)
        await asyncio.sleep(30)

    async def watch():
        async with scripted_camera(script) as port:
            return await failure_of(
                RtspConnection.open(address(port), on_access_unit=lambda unit: None, connect_timeout=0.4)
            )

    assert run_loop(watch()).reason == reason


@pytest.mark.parametrize("mode", ["promptly", "on demand"])
@pytest.mark.parametrize(
    ("ending", "reason"), [("close", "closed"), ("reset", "closed"), ("garbage", "protocol"), ("bye", "closed")]
)
def test_the_end_of_a_playing_camera_is_told_once_and_in_one_place(
    run_loop, scripted_camera, rtp, mode, ending, reason
):
    async def script(camera):
        await camera.play()
        await asyncio.sleep(0.1)  # so that it ends after `open`, not in it
        await camera.send(pictures(rtp, 10))
        if ending == "garbage":
            await camera.send(b"\xff" * 70_000)
        elif ending == "bye":
            await camera.send(rtp.interleave([bytes.fromhex("80cb000100001234")], channel=1))
        elif ending == "reset":
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            camera.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if ending in ("garbage", "bye"):
            await camera.reader.read()

    units = []

    async def watch():
        async with scripted_camera(script) as port:
            connection = await RtspConnection.open(address(port), on_access_unit=units.append)
            if mode == "promptly":
                connection.read_promptly()
            else:
                while connection.fileno() >= 0:
                    connection.read_now()
                    await asyncio.sleep(0.01)
            error = await failure_of(connection.ended())
            assert connection.read_now() is False
            assert connection.check_alive() is False
            assert (await failure_of(connection.ended())) is error
            await connection.close()
            return error

    assert run_loop(watch()).reason == reason
    if ending != "reset":
        assert len(units) == 10


def test_a_camera_that_plays_and_sends_nothing_is_stalled(run_loop, scripted_camera):
    async def script(camera):
        await camera.play()
        await camera.reader.read()

    async def watch():
        now = [100 * SECOND]
        async with scripted_camera(script) as port:
            connection = await RtspConnection.open(
                address(port), on_access_unit=lambda unit: None, clock=lambda: now[0], stall_timeout=5
            )
            now[0] += 5 * SECOND
            assert connection.check_alive()
            now[0] += 1
            assert not connection.check_alive()
            return await failure_of(connection.ended())

    error = run_loop(watch())
    assert error.reason == "stalled"
    assert "sends no pictures" in str(error)


def test_pictures_that_wait_unread_are_no_stall(run_loop, scripted_camera, rtp):
    async def script(camera):
        await camera.play()
        await asyncio.sleep(0.1)
        await camera.send(pictures(rtp, 3))
        await camera.reader.read()

    async def watch():
        now, units = [100 * SECOND], []
        async with (
            scripted_camera(script) as port,
            await RtspConnection.open(address(port), on_access_unit=units.append, clock=lambda: now[0]) as connection,
        ):
            await asyncio.sleep(0.3)
            now[0] += 20 * SECOND
            assert connection.check_alive()
            assert len(units) >= 2

    run_loop(watch())


def test_signs_of_life_are_sent_while_playing(run_loop, scripted_camera):
    methods = []

    async def script(camera):
        await camera.play(session="1;timeout=60")
        while True:
            method, _, headers = await camera.request()
            methods.append(method)
            await camera.reply(headers)

    async def watch():
        now = [0]
        async with (
            scripted_camera(script) as port,
            await RtspConnection.open(
                address(port), on_access_unit=lambda unit: None, clock=lambda: now[0], stall_timeout=1000
            ) as connection,
        ):
            for second in range(0, 121, 10):
                now[0] = second * SECOND
                connection.check_alive()
                await asyncio.sleep(0.01)
                connection.read_now()
            await until(lambda: len(methods) == 4)

    run_loop(watch())
    assert methods[:4] == ["GET_PARAMETER"] * 4


def test_a_fault_in_the_callback_ends_the_connection_and_is_seen(run_loop, scripted_camera, rtp):
    async def script(camera):
        await camera.play()
        await asyncio.sleep(0.1)
        await camera.send(pictures(rtp, 12))
        await camera.reader.read()

    def broken(unit):
        raise ZeroDivisionError

    async def watch():
        async with scripted_camera(script) as port:
            connection = await RtspConnection.open(address(port), on_access_unit=broken)
            await asyncio.sleep(0.3)
            with pytest.raises(ZeroDivisionError):
                connection.read_now()
            return await failure_of(connection.ended())

    assert run_loop(watch()).reason == "protocol"


def test_a_window_holds_four_pauses():
    assert receive_window(0.2, 8_000_000) == 800_000
    assert receive_window(0.2, 2_000_000) == 200_000
    assert receive_window(0, 2_000_000) == MIN_WINDOW


def test_a_buffer_too_small_for_a_packet_is_refused(run_loop):
    async def open_with_a_small_one():
        with pytest.raises(ValueError, match="receive buffer"):
            await RtspConnection.open(address(1), on_access_unit=lambda unit: None, buffer=memoryview(bytearray(1000)))

    run_loop(open_with_a_small_one())
