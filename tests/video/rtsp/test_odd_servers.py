"""Servers as they are: for each way of being odd, what comes of it. The table of docs/design/rtsp-client.md."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Awaitable, Callable

import pytest

from vonggac.video.rtsp import CameraAddress, RtspConnection, RtspError

pytestmark = pytest.mark.slow
SECOND = 1_000_000_000
Replies = dict[str, bytes | str]
"""What a server sends for a method in place of its usual answer; `{cseq}` is filled in."""


def address(port: int) -> CameraAddress:
    return CameraAddress.parse(f"rtsp://admin:s3cret@127.0.0.1:{port}/live")


def pictures(rtp, count: int, channel: int = 0) -> bytes:
    packer, packets = rtp.Packer(), []
    for number in range(count):
        unit = rtp.slice_unit(bytes([number + 1]) * 3000, key=number == 0)
        packets += packer.fragments(unit, number * 6000, marker=True, size=1400)
    return rtp.interleave(packets, channel)


def described(sdp: str, *headers: str, length: str | None = "") -> str:
    lines = ["RTSP/1.0 200 OK", "CSeq: {cseq}", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length or len(sdp)}")
    return "\r\n".join(lines) + "\r\n\r\n" + sdp


class Odd:
    """Serves one connection: usual answers, but for `replies`; then pictures."""

    def __init__(self, sdp: str, replies: Replies, stream: bytes, *, hang_up: bool = False) -> None:
        self.sdp, self.replies, self.stream, self.hang_up = sdp, replies, stream, hang_up
        self.asked: dict[str, list[tuple[str, dict[str, str]]]] = {}

    async def __call__(self, camera) -> None:
        while True:
            method, url, headers = await camera.request()
            self.asked.setdefault(method, []).append((url, headers))
            reply = self.replies.get(method)
            if reply is not None:
                if isinstance(reply, str):
                    reply = reply.replace("{cseq}", headers["cseq"]).encode()
                await camera.send(reply)
                if self.hang_up:
                    return
            elif method == "DESCRIBE":
                await camera.reply(headers, body=self.sdp)
            elif method == "SETUP":
                await camera.reply(headers, "200 OK", f"Transport: {headers['transport']}", "Session: 77")
            else:
                await camera.reply(headers, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER")
            if method == "PLAY":
                await asyncio.sleep(0.05)
                await camera.send(self.stream)


@pytest.fixture
def served(run_loop, scripted_camera, sdp_text, rtp) -> Callable[..., tuple[list, Odd, RtspConnection]]:
    """`served(replies)`: play such a server until its pictures have come; RtspError where it cannot be played."""

    def serve(replies: Replies, *, sdp: str = sdp_text, channel: int = 0, hang_up: bool = False):
        server = Odd(sdp, replies, pictures(rtp, 12, channel), hang_up=hang_up)

        async def watch():
            units: list = []
            async with scripted_camera(server) as port:
                connection = await RtspConnection.open(address(port), on_access_unit=units.append, connect_timeout=1)
                async with connection:
                    connection.read_promptly()
                    async with asyncio.timeout(5):
                        while len(units) < 11:
                            await asyncio.sleep(0.01)
            return units, server, connection

        return run_loop(watch())

    return serve


def failure(served, *arguments, **options) -> RtspError:
    with pytest.raises(RtspError) as error:
        served(*arguments, **options)
    assert "s3cret" not in str(error.value)
    return error.value


# --- what is played all the same ----------------------------------------------------------------------------------

OK = "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n"
MOVED = "RTSP/1.0 302 Moved\r\nCSeq: {cseq}\r\nLocation: "
SETUP = OK + "Session: 77\r\nTransport: "


@pytest.mark.parametrize(
    ("replies", "channel", "oddity"),
    [
        ({"SETUP": SETUP + "RTP/AVP/TCP;unicast;interleaved=4-5\r\n\r\n"}, 4, "other channels than we asked for"),
        ({"SETUP": SETUP + "RTP/AVP/TCP;unicast\r\n\r\n"}, 0, "no channels in the reply to SETUP, taken for 0 and 1"),
        ({"SETUP": OK + "Session: 77\r\n\r\n"}, 0, "no channels in the reply to SETUP, taken for 0 and 1"),
        ({"SETUP": SETUP + "rtp/avp/tcp;UNICAST;INTERLEAVED=0-1;MODE=play\r\n\r\n"}, 0, ""),
        ({"SETUP": SETUP + "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=   1a2b\r\n\r\n"}, 0, ""),
        ({"SETUP": SETUP + "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=439041101\r\n\r\n"}, 0, ""),
        ({"SETUP": SETUP + "RTP/AVP;unicast;server_port=6-7,RTP/AVP/TCP;interleaved=0-1\r\n\r\n"}, 0, ""),
        ({"SETUP": OK + "Transport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n"}, 0, ""),
        ({"OPTIONS": "RTSP/1.0 501 Not Implemented\r\nCSeq: {cseq}\r\n\r\n"}, 0, "OPTIONS answered with 501"),
        ({"OPTIONS": "RTSP/1.0 200 OK\nCSEQ: {cseq}\nPUBLIC: DESCRIBE,\n SETUP, PLAY\n\n"}, 0, ""),
        ({"OPTIONS": "\r\n\r\nRTSP/1.0 200 OK\r\ncseq:{cseq}\r\n\r\n"}, 0, ""),
        ({"PLAY": "RTSP/1.0 200\r\nCSeq: {cseq}\r\nRTP-Info: url=;seq=;rtptime=wrong\r\n\r\n"}, 0, ""),
        ({"PLAY": "RTSP/1.0 200 OK\r\n\r\n"}, 0, ""),
    ],
    ids=[
        "other channels", "no interleaved", "no Transport", "upper case", "padded ssrc", "decimal ssrc",
        "several transports", "no Session", "OPTIONS refused", "line feeds and folds", "blank lines before",
        "no phrase, wrong RTP-Info", "no CSeq",
    ],
)  # fmt: skip
def test_a_server_with_odd_headers_is_played(served, replies, channel, oddity):
    units, _, connection = served(replies, channel=channel)
    assert [unit.data[-1] for unit in units[:11]] == [*range(1, 12)]
    assert connection.session.oddities == ({oddity} if oddity else set())


@pytest.mark.parametrize(
    ("session", "timeout_s"),
    [
        ("77", 60),
        ("77;timeout=30", 30),
        (" 77 ; timeout = 30 ", 30),
        ('77;timeout="30"', 30),
        ("77;Timeout=30", 30),
        ("77;timeout=0", 4),
        ("77;timeout=99999999", 60),
        ("77;timeout=", 60),
    ],
)
def test_a_session_with_an_odd_time_out_is_kept_alive_in_time(served, session, timeout_s):
    reply = OK + f"Session: {session}\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n"
    _, server, connection = served({"SETUP": reply})
    assert connection.session.description.session_timeout_s == timeout_s
    assert server.asked["PLAY"][0][1]["session"] == "77"


@pytest.mark.parametrize(
    ("headers", "whole", "track", "setup", "play"),
    [
        (["Content-Base: {a}/live/"], "*", "trackID=1", "{a}/live/trackID=1", "{a}/live/"),
        (["Content-Base: {a}/live"], "*", "trackID=1", "{a}/live/trackID=1", "{a}/live"),
        ([], "*", "trackID=1", "{a}/live/trackID=1", "{a}/live"),
        (["Content-Base: "], "*", "trackID=1", "{a}/live/trackID=1", "{a}/live"),
        (["content-base: <{a}/live/>"], "", "trackID=1", "{a}/live/trackID=1", "{a}/live/"),
        (["Content-Location: {a}/other/"], "*", "trackID=1", "{a}/other/trackID=1", "{a}/other/"),
        ([], "{a}/live", "{a}/live/t1", "{a}/live/t1", "{a}/live"),
        ([], "rtsp://10.0.0.9/live", "rtsp://10.0.0.9/live/t1", "rtsp://10.0.0.9/live/t1", "rtsp://10.0.0.9/live"),
        ([], "*", "/t1", "{a}/t1", "{a}/live"),
        ([], "*", "", "{a}/live", "{a}/live"),
        ([], "", "", "{a}/live", "{a}/live"),
        ([], "*", "*", "{a}/live", "{a}/live"),
    ],
    ids=[
        "base with slash", "base without", "no base", "empty base", "base in brackets", "location", "absolute",
        "absolute, another host", "from the root", "none for the track", "none at all", "star for the track",
    ],
)  # fmt: skip
def test_control_addresses_are_found(run_loop, scripted_camera, sdp_text, rtp, headers, whole, track, setup, play):
    server = Odd(sdp_text, {}, pictures(rtp, 12))

    async def watch():
        async with scripted_camera(server) as port:
            here = f"rtsp://127.0.0.1:{port}"
            sdp = re.sub(r"a=control:\*\r\n", f"a=control:{whole}\r\n" if whole else "", sdp_text)
            sdp = sdp.replace("a=control:trackID=1\r\n", f"a=control:{track}\r\n" if track else "").replace("{a}", here)
            server.replies["DESCRIBE"] = described(sdp, *(one.replace("{a}", here) for one in headers))
            async with await RtspConnection.open(address(port), on_access_unit=lambda unit: None):
                return here

    here = run_loop(watch())
    assert server.asked["SETUP"][0][0] == setup.replace("{a}", here)
    assert server.asked["PLAY"][0][0] == play.replace("{a}", here)


def test_a_missing_content_type_matters_to_nobody(served, sdp_text):
    units, _, _ = served({"DESCRIBE": described(sdp_text)})
    assert len(units) >= 11


def test_a_keep_alive_that_is_refused_is_sent_in_another_way(run_loop, scripted_camera, sdp_text, rtp):
    refused = "RTSP/1.0 405 Method Not Allowed\r\nCSeq: {cseq}\r\n\r\n"
    server = Odd(sdp_text, {"GET_PARAMETER": refused}, pictures(rtp, 3))

    async def watch():
        now = [0]
        async with (
            scripted_camera(server) as port,
            await RtspConnection.open(
                address(port), on_access_unit=lambda unit: None, clock=lambda: now[0], stall_timeout=1000
            ) as connection,
        ):
            for second in (31, 62):
                now[0] = second * SECOND
                connection.check_alive()
                await asyncio.sleep(0.1)
                connection.read_now()
            return connection.check_alive()

    assert run_loop(watch())
    assert len(server.asked["GET_PARAMETER"]) == 1
    assert len(server.asked["OPTIONS"]) == 2


# --- what ends, with which reason and words -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replies", "reason", "words"),
    [
        ({"DESCRIBE": ""}, "timed_out", "does not answer DESCRIBE"),
        ({"OPTIONS": "RTSP/1.0 200"}, "timed_out", "begins its answer to OPTIONS and does not end it"),
        ({"OPTIONS": "RTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n"}, "timed_out", "does not answer OPTIONS"),
        ({"PLAY": "RTSP/1.0 100 Continue\r\nCSeq: {cseq}\r\n\r\n"}, "timed_out", "does not answer PLAY"),
        ({"OPTIONS": b"\x00\x01\x02\x03 garbage"}, "protocol", "no RTSP"),
        ({"OPTIONS": "HTTP/1.1 400 Bad Request\r\n\r\n"}, "protocol", "web server"),
        ({"DESCRIBE": "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n\r\nv=0\r\n"}, "protocol", "no SDP"),
        ({"DESCRIBE": described("v=0\r\n", length="-5")}, "protocol", "body of “-5” bytes"),
        ({"DESCRIBE": described("v=0\r\n", length="99999999")}, "protocol", "announces a message of over"),
        ({"DESCRIBE": described("v=0\r\n", length="5000")}, "timed_out", "begins its answer to DESCRIBE"),
        ({"DESCRIBE": described("<html></html>")}, "protocol", "no SDP"),
        ({"DESCRIBE": MOVED + "rtsp://u:pw@h/x\r\n\r\n"}, "not_found", "on to rtsp://u:***@h/x"),
        ({"SETUP": MOVED + "rtsp://h/y\r\n\r\n"}, "not_found", "on to rtsp://h/y"),
        ({"SETUP": "RTSP/1.0 453 Not Enough\r\nCSeq: {cseq}\r\n\r\n"}, "refused", "no room for another viewer"),
        ({"PLAY": "RTSP/1.0 503 Service Unavailable\r\nCSeq: {cseq}\r\n\r\n"}, "refused", "no room for another viewer"),
        ({"SETUP": "RTSP/1.0 461 Unsupported Transport\r\nCSeq: {cseq}\r\n\r\n"}, "unsupported", "--transport udp"),
        ({"SETUP": SETUP + "RTP/AVP;unicast;server_port=6-7\r\n\r\n"}, "unsupported", "--transport udp"),
        ({"SETUP": SETUP + "RTP/AVP;multicast;port=6-7;destination=239.0.0.1\r\n\r\n"}, "unsupported", "multicast"),
        ({"PLAY": "RTSP/1.0 500 Internal Server Error\r\nCSeq: {cseq}\r\n\r\n"}, "protocol", "answers PLAY with 500"),
    ],
    ids=[
        "answers OPTIONS only", "a torn answer", "answers to others", "100 and no more", "garbage", "web server",
        "no Content-Length", "negative length", "huge length", "length too long", "no SDP", "redirected",
        "redirected late", "full", "full at PLAY", "461", "UDP instead", "multicast", "500",
    ],
)  # fmt: skip
def test_a_server_that_cannot_be_played_ends_with_its_reason_and_words(served, replies, reason, words):
    error = failure(served, replies)
    assert (error.reason, error.full) == (reason, "no room" in words)
    assert words in str(error)


def test_a_description_cut_short_by_its_length_is_a_protocol_error(served, sdp_text):
    assert failure(served, {"DESCRIBE": described(sdp_text, length=str(len(sdp_text) - 40))}).reason == "protocol"


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.95])
def test_a_server_that_hangs_up_in_the_middle_of_an_answer_has_closed(served, sdp_text, method, part):
    whole = described(sdp_text if method == "DESCRIBE" else "")
    error = failure(served, {method: whole[: round(len(whole) * part)]}, hang_up=True)
    assert error.reason == "closed"
    assert f"{'in the middle of its answer to' if part else 'instead of answering'} {method}" in str(error)


async def _trickle(camera, data: bytes) -> None:
    for byte in data:
        await camera.send(bytes((byte,)))
        await asyncio.sleep(0.02)


def test_an_answer_of_a_few_bytes_a_second_ends_with_the_time_out(run_loop, scripted_camera):
    async def script(camera):
        await camera.request()
        await _trickle(camera, b"RTSP/1.0 200 OK\r\n" + b"X-More: and more\r\n" * 100)

    async def enter():
        async with scripted_camera(script) as port:
            with pytest.raises(RtspError) as error:
                await RtspConnection.open(address(port), on_access_unit=lambda unit: None, connect_timeout=0.5)
            return error.value

    error = run_loop(enter())
    assert error.reason == "timed_out"
    assert "begins its answer to OPTIONS" in str(error)


def _ending(
    run_loop, scripted_camera, script: Callable[..., Awaitable[None]], *, until: Callable
) -> tuple[list, RtspError]:
    """Play a server whose clock the test moves, until the connection ends."""

    async def watch():
        now, units = [100 * SECOND], []
        async with scripted_camera(script) as port:
            connection = await RtspConnection.open(
                address(port), on_access_unit=units.append, clock=lambda: now[0], stall_timeout=5
            )
            connection.read_promptly()
            async with connection:
                while connection.check_alive():
                    await asyncio.sleep(0.01)
                    now[0] += SECOND // 10 if until(units) else 0
                with pytest.raises(RtspError) as error:
                    await connection.ended()
            return units, error.value

    return run_loop(watch())


def test_a_server_that_sends_faster_than_it_is_read_is_timed_out_like_any_other(run_loop):
    """Whoever reads on as long as there is something hears no clock, and comes to the end of what is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def flood() -> None:
            camera, _ = listener.accept()
            with camera, contextlib.suppress(OSError):
                camera.sendall(b"\n" * (32 << 20))

        async def enter() -> RtspError:
            camera = address(listener.getsockname()[1])
            with pytest.raises(RtspError) as error:
                await RtspConnection.open(camera, on_access_unit=lambda unit: None, connect_timeout=0.2)
            return error.value

        sending = threading.Thread(target=flood)
        sending.start()
        error = run_loop(enter())
        sending.join()
    assert error.reason == "timed_out"


def test_a_server_that_plays_and_sends_no_media_is_stalled(run_loop, scripted_camera):
    async def script(camera):
        await camera.play()
        await camera.reader.read()

    _, error = _ending(run_loop, scripted_camera, script, until=lambda units: True)
    assert error.reason == "stalled"
    assert "sends no pictures" in str(error)


def test_a_stream_of_a_few_bytes_a_second_is_stalled(run_loop, scripted_camera, rtp):
    async def script(camera):
        await camera.play()
        await camera.send(pictures(rtp, 12))
        await _trickle(camera, b"$\0\x40\0" + bytes(8000))

    units, error = _ending(run_loop, scripted_camera, script, until=lambda units: len(units) >= 11)
    assert error.reason == "stalled"
    assert "has stopped sending pictures" in str(error)
    assert len(units) >= 11


def test_a_server_that_hangs_up_in_the_middle_of_a_packet_has_closed_and_the_pictures_before_it_are_kept(
    run_loop, scripted_camera, rtp
):
    async def script(camera):
        await camera.play()
        await asyncio.sleep(0.05)
        await camera.send(pictures(rtp, 12)[:-100])

    units, error = _ending(run_loop, scripted_camera, script, until=lambda units: False)
    assert error.reason == "closed"
    assert [unit.data[-1] for unit in units] == [*range(1, 12)]
