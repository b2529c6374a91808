"""Pictures over UDP: from GStreamer's server, and from cameras that lose, double and disorder what they send."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peers.aac import DESCRIBED
from vonggac.video.rtsp import CameraAddress, RtspConnection, RtspError, RtspSession
from vonggac.video.rtsp.client import MIN_BUFFER
from vonggac.video.rtsp.datagrams import DatagramPair

SECOND = 1_000_000_000
SOUND_SDP = DESCRIBED.removeprefix("v=0\r\n") + "a=control:trackID=2\r\n"


def address(port: int) -> CameraAddress:
    return CameraAddress.parse(f"rtsp://127.0.0.1:{port}/live")


async def until(condition, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def ports(host: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as held:
        pair = [held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2)]
        for sock in pair:
            sock.bind((host, 0))
            sock.setblocking(False)
        yield pair


async def play(camera, sdp: str, pair: list[socket.socket], *, transport: str = "") -> tuple[str, list[int]]:
    """Go through the handshake over UDP; returns what was asked for, and the client's ports."""
    asked, numbers = "", []
    while True:
        method, _, headers = await camera.request()
        if method == "DESCRIBE":
            await camera.reply(headers, body=sdp)
        elif method == "SETUP":
            asked = headers["transport"]
            numbers = [int(number) for number in re.search(r"client_port=(\d+)-(\d+)", asked).groups()]
            server = "-".join(str(sock.getsockname()[1]) for sock in pair)
            answer = transport or f"{asked};server_port={server}"
            await camera.reply(headers, "200 OK", f"Transport: {answer}", "Session: 7;timeout=60")
        else:
            await camera.reply(headers)
        if method == "PLAY":
            return asked, numbers


def packets_of(rtp, count: int, *, size: int = 5000) -> list[bytes]:
    packer, packets = rtp.Packer(), []
    for number in range(count):
        unit = rtp.slice_unit(bytes([number % 250 + 1]) * size, key=number % 10 == 0)
        packets += packer.fragments(unit, number * 6000, marker=True, size=1400)
    return packets


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["promptly", "on demand"])
@pytest.mark.parametrize("run_loop", ["uvloop"], indirect=True)
def test_every_picture_of_a_foreign_server_comes_over_udp(run_loop, gst_server, numbered_clip, mode):
    camera = gst_server([numbered_clip(b_frames=2)], user="admin", password="giám sát", udp_only=True)

    async def watch():
        units: list = []
        where = CameraAddress.parse(camera.url())
        async with await RtspConnection.open(where, on_access_unit=units.append, transport="udp") as connection:
            if mode == "promptly":
                connection.read_promptly()
                await until(lambda: len(units) >= 60, 20)
            else:
                buffer = memoryview(bytearray(MIN_BUFFER))
                while len(units) < 60:
                    connection.read_now(buffer)
                    await asyncio.sleep(0.2)
            assert connection.check_alive()
        return units, connection.session

    units, session = run_loop(watch())
    assert session.lost == 0
    assert session.oddities == set()
    assert units[0].key
    assert all(unit.lost_before == 0 for unit in units)
    assert len({unit.pts for unit in units}) == len(units)


@pytest.mark.slow
@pytest.mark.parametrize("run_loop", ["uvloop"], indirect=True)
@pytest.mark.parametrize(("wanted", "offered"), [("tcp", {"udp_only": True}), ("udp", {})])
def test_a_foreign_server_that_refuses_the_transport_is_told_with_the_other_one_and_never_given_it(
    run_loop, gst_server, numbered_clip, wanted, offered
):
    camera = gst_server([numbered_clip()], **offered)

    async def enter():
        with pytest.raises(RtspError) as error:
            await RtspConnection.open(
                CameraAddress.parse(camera.url()), on_access_unit=lambda unit: None, transport=wanted
            )
        return error.value

    error = run_loop(enter())
    assert error.reason == "unsupported"
    assert f"--transport {'udp' if wanted == 'tcp' else 'tcp'}" in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["promptly", "on demand"])
def test_packets_out_of_order_and_doubled_make_whole_pictures(run_loop, scripted_camera, sdp_text, rtp, mode):
    packets = packets_of(rtp, 60)
    asked = []

    async def script(camera):
        with ports() as pair:
            wanted, (rtp_port, rtcp_port) = await play(camera, sdp_text, pair)
            asked.append((wanted, rtp_port, rtcp_port))
            await asyncio.sleep(0.1)
            for at in range(0, len(packets), 5):
                five = packets[at : at + 5]
                for packet in [five[0], *reversed(five[1:]), five[-1]]:
                    pair[0].sendto(packet, ("127.0.0.1", rtp_port))
                await asyncio.sleep(0.01)
            method, _, headers = await camera.request()
            asked.append(method)
            await camera.reply(headers)

    async def watch():
        units: list = []
        async with (
            scripted_camera(script) as port,
            await RtspConnection.open(address(port), on_access_unit=units.append, transport="udp") as connection,
        ):
            if mode == "promptly":
                connection.read_promptly()
                await until(lambda: len(units) >= 60)
            else:
                while len(units) < 60:
                    connection.read_now()
                    await asyncio.sleep(0.02)
            return units, connection.session, connection.window

    units, session, window = run_loop(watch())
    assert [unit.data[-1] for unit in units] == [number + 1 for number in range(60)]
    assert (session.lost, session.packets) == (0, len(packets))
    assert session.bytes_received > sum(map(len, packets))
    assert window > 0
    (wanted, rtp_port, rtcp_port), method = asked
    assert wanted == f"RTP/AVP;unicast;client_port={rtp_port}-{rtcp_port}"
    assert (rtp_port % 2, rtcp_port) == (0, rtp_port + 1)
    assert method == "TEARDOWN"


@pytest.mark.slow
def test_lost_packets_are_counted_and_the_pictures_after_them_come(run_loop, scripted_camera, sdp_text, rtp):
    packets = packets_of(rtp, 40, size=2600)
    del packets[50:53]

    async def script(camera):
        with ports() as pair:
            _, (rtp_port, _) = await play(camera, sdp_text, pair)
            for packet in packets:
                pair[0].sendto(packet, ("127.0.0.1", rtp_port))
            await camera.reader.read()

    async def watch():
        units: list = []
        now = [SECOND]
        async with (
            scripted_camera(script) as port,
            await RtspConnection.open(
                address(port), on_access_unit=units.append, transport="udp", clock=lambda: now[0]
            ) as connection,
        ):
            while len(units) < 37:
                connection.read_now()
                now[0] += SECOND // 50
                await asyncio.sleep(0.01)
            return units, connection.session.lost

    units, lost = run_loop(watch())
    assert lost == 3
    assert [(unit.data[-1], unit.lost_before) for unit in units if unit.lost_before] == [(28, 3)]


@pytest.mark.slow
def test_receiver_reports_are_sent_and_the_way_is_kept_open(run_loop, scripted_camera, sdp_text, rtp):
    heard: dict[int, list[bytes]] = {0: [], 1: []}
    report = bytes.fromhex("80c8000600001234") + (3_900_000_000).to_bytes(4, "big") + bytes(4)

    async def script(camera):
        with ports() as pair:
            _, (rtp_port, rtcp_port) = await play(camera, sdp_text, pair)
            for packet in packets_of(rtp, 5):
                pair[0].sendto(packet, ("127.0.0.1", rtp_port))
            pair[1].sendto(report + (6000).to_bytes(4, "big") + bytes(8), ("127.0.0.1", rtcp_port))
            while True:
                for number, sock in enumerate(pair):
                    with contextlib.suppress(BlockingIOError):
                        heard[number].append(sock.recv(2000))
                await asyncio.sleep(0.01)

    async def watch():
        now, units = [SECOND], []
        async with (
            scripted_camera(script) as port,
            await RtspConnection.open(
                address(port), on_access_unit=units.append, transport="udp", clock=lambda: now[0]
            ) as connection,
        ):
            while len(units) < 4 or connection.session.last_sender_report is None:
                connection.read_now()
                await asyncio.sleep(0.01)
            now[0] += 8 * SECOND
            connection.read_now()
            await until(lambda: len(heard[1]) >= 2 and len(heard[0]) >= 2)

    run_loop(watch())
    assert set(heard[0]) == {b""}
    empty, full = heard[1][:2]
    assert (empty[0], empty[1], full[0], full[1]) == (0x80, 201, 0x81, 201)
    assert int.from_bytes(full[8:12], "big") == 0x1234
    assert full[24:28] != bytes(4), "it names the sender report that came"
    assert 7.9 < int.from_bytes(full[28:32], "big") / 65_536 < 8.1
    assert full[33] == 202


@pytest.mark.slow
def test_a_goodbye_over_rtcp_ends_the_stream(run_loop, scripted_camera, sdp_text, rtp):
    async def script(camera):
        with ports() as pair:
            _, (_, rtcp_port) = await play(camera, sdp_text, pair)
            pair[1].sendto(bytes.fromhex("80cb000100001234"), ("127.0.0.1", rtcp_port))
            await camera.reader.read()

    async def watch():
        async with scripted_camera(script) as port:
            connection = await RtspConnection.open(address(port), on_access_unit=lambda unit: None, transport="udp")
            connection.read_promptly()
            with pytest.raises(RtspError) as error:
                await connection.ended()
            await connection.close()
            return error.value

    assert run_loop(watch()).reason == "closed"


@pytest.mark.slow
@pytest.mark.parametrize("foreign", [False, True])
def test_a_camera_whose_packets_a_firewall_stops_is_told_apart_from_a_still_one(
    run_loop, scripted_camera, sdp_text, rtp, foreign
):
    async def script(camera):
        with ports("127.0.0.2") as pair:
            _, (rtp_port, _) = await play(camera, sdp_text, pair)
            for packet in packets_of(rtp, 5) if foreign else []:
                pair[0].sendto(packet, ("127.0.0.1", rtp_port))
            await camera.reader.read()

    async def watch():
        now, units = [100 * SECOND], []
        async with scripted_camera(script) as port:
            connection = await RtspConnection.open(
                address(port), on_access_unit=units.append, transport="udp", clock=lambda: now[0], stall_timeout=5
            )
            await asyncio.sleep(0.2)
            now[0] += 6 * SECOND
            assert not connection.check_alive()
            with pytest.raises(RtspError) as error:
                await connection.ended()
            await connection.close()
            return units, error.value

    units, error = run_loop(watch())
    assert units == []
    assert error.reason == "stalled"
    assert "--transport tcp" in str(error)
    assert "firewall" in str(error)
    assert ("127.0.0.2" in str(error)) is foreign


@pytest.mark.slow
def test_a_camera_that_names_the_address_it_sends_from_is_heard_there(run_loop, scripted_camera, sdp_text, rtp):
    async def script(camera):
        with ports("127.0.0.2") as pair:
            answer = f"RTP/AVP;server_port={pair[0].getsockname()[1]};source=127.0.0.2"
            _, (rtp_port, _) = await play(camera, sdp_text, pair, transport=answer)
            for packet in packets_of(rtp, 5):
                pair[0].sendto(packet, ("127.0.0.1", rtp_port))
            await camera.reader.read()

    async def watch():
        units: list = []
        async with (
            scripted_camera(script) as port,
            await RtspConnection.open(address(port), on_access_unit=units.append, transport="udp") as connection,
        ):
            connection.read_promptly()
            await until(lambda: len(units) >= 4)

    run_loop(watch())


@pytest.mark.slow
def test_a_camera_that_answers_a_wish_for_udp_with_tcp_is_not_followed(run_loop, scripted_camera, sdp_text):
    async def script(camera):
        with ports() as pair:
            await play(camera, sdp_text, pair, transport="RTP/AVP/TCP;interleaved=0-1")

    async def enter():
        async with scripted_camera(script) as port:
            with pytest.raises(RtspError) as error:
                await RtspConnection.open(address(port), on_access_unit=lambda unit: None, transport="udp")
            return error.value

    error = run_loop(enter())
    assert error.reason == "unsupported"
    assert "--transport tcp" in str(error)


@pytest.mark.slow
def test_a_camera_that_resets_the_connection_with_its_description_has_closed(run_loop, scripted_camera, sdp_text):
    """Our ports are opened on the address of a connection that is gone by then."""

    async def script(camera):
        _, _, headers = await camera.request()
        await camera.reply(headers)
        _, _, headers = await camera.request()
        camera.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await camera.reply(headers, body=sdp_text)
        camera.writer.transport.abort()

    async def enter():
        async with scripted_camera(script) as port:
            with pytest.raises(RtspError) as error:
                await RtspConnection.open(address(port), on_access_unit=lambda unit: None, transport="udp")
            return error.value

    assert run_loop(enter()).reason == "closed"


@pytest.mark.slow
def test_a_machine_without_a_free_port_says_so(run_loop, scripted_camera, sdp_text, no_files_left):
    async def script(camera):
        _, _, headers = await camera.request()
        await camera.reply(headers)
        _, _, headers = await camera.request()
        no_files_left()
        await camera.reply(headers, body=sdp_text)

    async def enter():
        async with scripted_camera(script) as port:
            with pytest.raises(RtspError) as error:
                await RtspConnection.open(address(port), on_access_unit=lambda unit: None, transport="udp")
            return error.value

    error = run_loop(enter())
    assert error.reason == "refused"
    assert "UDP port" in str(error)


@pytest.mark.slow
def test_where_no_port_is_left_for_the_sound_the_pictures_come_without_it(
    run_loop, scripted_camera, sdp_text, rtp, no_files_left
):
    packets = packets_of(rtp, 20)
    asked = []

    async def script(camera):
        with ports() as pair:
            server = "-".join(str(sock.getsockname()[1]) for sock in pair)
            while "PLAY" not in asked:
                method, _, headers = await camera.request()
                asked.append(method)
                extra = []
                if method == "SETUP":
                    no_files_left()  # the pictures have their ports
                    rtp_port = int(headers["transport"].partition("client_port=")[2].partition("-")[0])
                    extra = [f"Transport: {headers['transport']};server_port={server}", "Session: 7;timeout=60"]
                await camera.reply(headers, "200 OK", *extra, body=sdp_text + SOUND_SDP if method == "DESCRIBE" else "")
            for packet in packets:
                pair[0].sendto(packet, ("127.0.0.1", rtp_port))
            await camera.reader.read()

    async def watch():
        units: list = []
        async with (
            scripted_camera(script) as port,
            await RtspConnection.open(
                address(port), on_access_unit=units.append, transport="udp", on_sound=lambda unit: None
            ) as connection,
        ):
            while len(units) < 19:
                connection.read_now()
                await asyncio.sleep(0.02)
            return connection.session

    session = run_loop(watch())
    assert asked == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    assert not session.asked_for_sound
    assert session.description.sound is None
    assert session.description.sound_offered == "AAC, 16000 Hz, mono"
    assert session.description.sound_refused.startswith("sound left out: This machine can open no UDP port")


def test_an_encrypted_address_is_never_played_in_the_open(run_loop):
    async def enter():
        camera = CameraAddress.parse("rtsps://127.0.0.1/live")
        with pytest.raises(RtspError, match="travel open") as error:
            await RtspConnection.open(camera, on_access_unit=lambda unit: None, transport="udp")
        return error.value

    assert run_loop(enter()).reason == "unsupported"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.binary(max_size=60)
        | st.binary(min_size=10, max_size=40).map(lambda data: b"\x80\x60" + data)
        | st.tuples(st.integers(0, 65_535), st.binary(max_size=20)).map(
            lambda two: b"\x80\xe0" + two[0].to_bytes(2, "big") + bytes(8) + two[1]
        ),
        max_size=40,
    ),
    st.lists(st.binary(max_size=60), max_size=5),
)
def test_any_datagrams_are_taken_or_end_the_session(sdp_text, media, reports):
    session = RtspSession(address(1), on_access_unit=lambda unit: None, client_ports=lambda: (2, 3))
    session.start()
    for reply in ["", "", "Session: 1\r\nTransport: RTP/AVP;server_port=4-5\r\n", ""]:
        asked = session.take_output().decode()
        body = sdp_text if asked.startswith("DESCRIBE") else ""
        cseq = re.search(r"CSeq: (\d+)", asked)[1]
        data = f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{reply}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        session.receive(memoryview(data), len(data), 0)
    assert session.state == "playing"
    buffer = memoryview(bytearray(MIN_BUFFER))
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as control,
    ):
        pair = DatagramPair(control, 0, lambda sock: None)
        pair.connect((4, 5), "")
        try:
            with ports() as (sender, _), contextlib.suppress(RtspError):
                for target, datagrams in zip(pair.ports, (media, reports), strict=True):
                    for datagram in datagrams:
                        sender.sendto(datagram, ("127.0.0.1", target))
                pair.read(session, buffer, 0)
                pair.read(session, buffer, SECOND)
                pair.report(session, SECOND)
                pair.finish(session, SECOND)
        finally:
            pair.close()
    assert len(session.oddities) <= 32
