"""A session without a socket: what we ask, what we answer, and what we make of cameras' answers."""

from __future__ import annotations

import base64
import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peers.rtsp_talk import Talk
from vonggac.video.rtsp.errors import RtspError

SECOND = 1_000_000_000
BYE = bytes.fromhex("80cb0001") + b"\0\0\x12\x34"


@pytest.fixture
def talk(sdp_text):
    return Talk(sdp=sdp_text)


def test_the_handshake_asks_in_order_and_only_for_the_video(talk, sdp_text):
    talk.sdp += "m=audio 0 RTP/AVP 8\r\na=control:trackID=2\r\n"
    talk.start()
    assert talk.first == "OPTIONS rtsp://camera/live?x=1 RTSP/1.0"
    talk.reply("200 OK", "Public: OPTIONS, DESCRIBE", "Server: Some Camera/1.0")
    assert talk.first == "DESCRIBE rtsp://camera/live?x=1 RTSP/1.0"
    assert talk.header("Accept") == "application/sdp"
    talk.reply("200 OK", "Content-Base: rtsp://camera/live/", body=talk.sdp)
    assert talk.first == "SETUP rtsp://camera/live/trackID=1 RTSP/1.0"
    assert talk.header("Transport") == "RTP/AVP/TCP;unicast;interleaved=0-1"
    talk.reply("200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=  1A", "Session: 99 ; timeout= 80")
    assert talk.first == "PLAY rtsp://camera/live/ RTSP/1.0"
    assert talk.header("Session") == "99"
    talk.reply("200 OK", "RTP-Info: nonsense")
    assert talk.session.state == "playing"
    description = talk.session.description
    assert (description.server, description.left_out) == ("Some Camera/1.0", ("audio PCMA",))
    assert (description.declared_fps, description.session_timeout_s) == (15.0, 80)
    assert talk.session.oddities == {"audio PCMA left out", "other channels than we asked for"}
    assert "s3cret" not in talk.asked


def test_digest_is_answered_with_the_address_as_sent(talk):
    talk.start().reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="cam", nonce="n1"')
    assert talk.first.startswith("OPTIONS")
    assert 'uri="rtsp://camera/live?x=1"' in talk.header("Authorization")
    talk.reply("200 OK")
    assert talk.first.startswith("DESCRIBE")
    assert 'nonce="n1"' in talk.header("Authorization")
    assert talk.session.description.authentication == "Digest MD5"


def test_a_wrong_password_is_tried_once(talk):
    talk.start().reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="cam", nonce="n1"')
    with pytest.raises(RtspError) as error:
        talk.reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="cam", nonce="n2"')
    assert error.value.reason == "unauthorised"
    assert "s3cret" not in str(error.value)


def test_an_old_nonce_is_replaced_also_in_mid_session(talk):
    talk.start().reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="cam", nonce="n1"')
    talk.reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="cam", nonce="n2", stale=TRUE')
    assert 'nonce="n2"' in talk.header("Authorization")
    talk.reply("200 OK", "Public: GET_PARAMETER").reply("200 OK", body=talk.sdp)
    talk.reply("200 OK", "Session: 1").reply("200 OK")
    talk.session.send_keepalive(0)
    talk.listen().reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="cam", nonce="n3"')
    assert talk.first.startswith("GET_PARAMETER")
    assert 'nonce="n3"' in talk.header("Authorization")
    talk.reply("200 OK")
    assert talk.session.state == "playing"


def test_a_camera_that_refuses_for_ever_is_not_asked_for_ever(talk):
    talk.start()
    refusal = "401 Unauthorized", 'WWW-Authenticate: Digest realm="c", nonce="n", stale=true'
    talk.reply(*refusal).reply(*refusal)
    with pytest.raises(RtspError) as error:
        talk.reply(*refusal)
    assert error.value.reason == "unauthorised"


def test_without_credentials_the_error_says_where_to_put_them(sdp_text):
    with pytest.raises(RtspError, match="user name and password") as error:
        Talk("rtsp://camera/live").start().reply("401 Unauthorized", 'WWW-Authenticate: Basic realm="x"')
    assert error.value.reason == "unauthorised"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("404 Not Found", "not_found"),
        ("454 Session Not Found", "not_found"),
        ("403 Forbidden", "unauthorised"),
        ("503 Service Unavailable", "refused"),
        ("453 Not Enough Bandwidth", "refused"),
        ("302 Found", "not_found"),
        ("500 Internal Server Error", "protocol"),
    ],
)
def test_a_refusal_to_describe_becomes_a_reason(talk, status, reason):
    with pytest.raises(RtspError) as error:
        talk.start().reply("200 OK").reply(status, "Location: rtsp://u:pw@elsewhere/")
    assert error.value.reason == reason
    assert "pw" not in str(error.value)


@pytest.mark.parametrize("name", ["H265", "h265", "HEVC"])
@pytest.mark.parametrize("order_numbers", [False, True])
def test_h265_is_taken_with_or_without_order_numbers_as_the_description_says(rtp, h265, name, order_numbers):
    sets = ";".join(
        f"sprop-{kind}={base64.b64encode(unit).decode()}"
        for kind, unit in zip(("vps", "sps", "pps"), h265.sets, strict=True)
    )
    body = f"v=0\r\nm=video 0 RTP/AVP 98\r\na=rtpmap:98 {name}/90000\r\na=control:track1\r\na=fmtp:98 {sets}"
    body += ";sprop-max-don-diff=2\r\n" if order_numbers else "; sprop-max-don-diff=0\r\n"
    talk = Talk(sdp=body).playing()
    packer = h265.Packer(payload_type=98, order_numbers=order_numbers)
    units = [h265.slice_unit(b"k" * 300, key=True), h265.slice_unit(b"p" * 20)]
    packets = packer.fragments(units[0], 0, marker=True) + packer.single(units[1], 6000, marker=True)
    talk.say(rtp.interleave(packets))
    talk.session.end_of_stream()
    assert [rtp.split_lengths(unit.data) for unit in talk.pictures] == [[units[0]], [units[1]]]
    assert (talk.session.description.codec, talk.session.parameters.width) == ("h265", 320)
    assert not talk.session.oddities


@pytest.mark.parametrize(
    ("media", "words"),
    [
        ("m=video 0 RTP/AVP 98\r\na=rtpmap:98 AV1/90000\r\n", "AV1"),
        ("m=video 0 RTP/AVP 26\r\n", "Motion JPEG"),
        ("m=audio 0 RTP/AVP 0\r\n", "audio PCMU"),
        ("m=video 0 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\n", "SRTP"),
        ("", "nothing"),
    ],
)
def test_what_cannot_be_recorded_is_named(media, words):
    with pytest.raises(RtspError, match=re.escape(words)) as error:
        Talk(sdp="v=0\r\n" + media).to_setup()
    assert error.value.reason == "unsupported"


def test_a_camera_that_only_sends_udp_is_named(talk):
    with pytest.raises(RtspError, match="UDP") as error:
        talk.to_setup().reply("200 OK", "Transport: RTP/AVP;unicast;client_port=1-2;server_port=3-4", "Session: 1")
    assert error.value.reason == "unsupported"


def test_play_goes_to_the_track_where_the_whole_is_refused(talk):
    talk.to_setup().reply("200 OK", "Session: 1").reply("459 Aggregate Operation Not Allowed")
    assert talk.first.startswith("PLAY rtsp://camera/live?x=1/trackID=1 ")
    talk.reply("200 OK")
    assert talk.session.state == "playing"


def test_options_answered_with_an_error_stops_nothing(talk):
    assert talk.start().reply("501 Not Implemented").first.startswith("DESCRIBE")
    assert "OPTIONS answered with 501" in talk.session.oddities


@pytest.mark.parametrize(
    ("header", "timeout"),
    [
        ("Session: 1", 60),
        ("Session: 1;timeout=10", 10),
        ("Session:  1 ; Timeout = 90", 90),
        ("Session: 1;timeout=0", 4),
        ("Session: 1;timeout=4294967", 60),
        ("X: y", 60),
    ],
)
def test_a_sign_of_life_is_due_at_half_the_session_timeout(talk, header, timeout):
    talk.playing(header)
    half = timeout * SECOND // 2
    assert not talk.session.keepalive_due(half - 1)
    assert talk.session.keepalive_due(half)
    talk.session.send_keepalive(half)
    assert talk.listen().first == "GET_PARAMETER rtsp://camera/live?x=1 RTSP/1.0"
    assert not talk.session.keepalive_due(half + 1)


def test_a_camera_that_denies_get_parameter_is_asked_for_options(talk):
    talk.playing().session.send_keepalive(0)
    talk.listen().reply("551 Option not supported")
    talk.session.send_keepalive(0)
    assert talk.listen().first.startswith("OPTIONS")


def test_a_camera_that_forgot_the_session_ends_it(talk):
    talk.playing().session._methods.clear()
    talk.session.send_keepalive(0)
    with pytest.raises(RtspError) as error:
        talk.listen().reply("454 Session Not Found")
    assert error.value.reason == "closed"


def test_requests_of_the_camera_are_answered_between_packets(talk, rtp):
    packer = rtp.Packer()
    talk.playing()
    one, two = (rtp.interleave(packer.single(rtp.slice_unit(b"x", key=True), time, True)) for time in (0, 6000))
    talk.say(one + b"OPTIONS rtsp://client RTSP/1.0\r\nCSeq: 5\r\n\r\n" + two)
    assert talk.first == "RTSP/1.0 200 OK"
    assert talk.header("CSeq") == "5"
    assert talk.say(b"ANNOUNCE rtsp://client RTSP/1.0\r\nCSeq: 6\r\n\r\n").first == "RTSP/1.0 501 Not Implemented"
    assert (talk.session.packets, talk.session.lost) == (2, 0)
    with pytest.raises(RtspError) as error:
        talk.say(b"TEARDOWN rtsp://client RTSP/1.0\r\nCSeq: 7\r\n\r\n")
    assert error.value.reason == "closed"


def test_pictures_before_the_answer_to_play_are_not_lost(talk, rtp):
    talk.to_setup().reply("200 OK", "Session: 1", "Transport: RTP/AVP/TCP;interleaved=0-1")
    packer = rtp.Packer()
    packets = [
        *packer.fragments(rtp.slice_unit(b"one" * 100, key=True), 0, marker=True),
        *packer.single(rtp.slice_unit(b"two"), 6000),
    ]
    early = rtp.interleave(packets)
    talk.say(early)
    assert len(talk.pictures) == 1
    assert talk.pictures[0].parameters.width == 320


def test_a_sender_report_ties_media_time_to_the_wall_clock(talk, rtp):
    talk.playing()
    packer = rtp.Packer()
    talk.say(rtp.interleave(packer.single(rtp.slice_unit(b"one", key=True), 9000, marker=True)))
    report = bytes.fromhex("80c80006000000ab") + (2_208_988_800 + 1_600_000_000).to_bytes(4, "big") + bytes(4)
    talk.say(rtp.interleave([report + (9090).to_bytes(4, "big") + bytes(8)], channel=1), now_ns=77)
    arrived = talk.session.last_sender_report
    assert arrived.report.ntp_unix_us == 1_600_000_000_000_000
    assert (arrived.arrived_ns, arrived.pts) == (77, 9090)
    with pytest.raises(RtspError, match="ended the stream"):
        talk.say(rtp.interleave([BYE], channel=1))


def test_packets_of_other_channels_and_empty_ones_are_passed_over(talk):
    talk.playing().say(b"$\x09\0\3abc" + b"$\0\0\0" + b"$\0\0\1x" + b"$\1\0\0")
    assert talk.session.packets == 0
    assert "packets on channels that were not set up" in talk.session.oddities


def test_teardown_ends_the_session_while_packets_still_come(talk, rtp):
    talk.playing().session.teardown()
    assert talk.listen().first.startswith("TEARDOWN")
    assert talk.header("Session") == "42"
    talk.say(rtp.interleave(rtp.Packer().single(rtp.slice_unit(b"late", key=True), 0, marker=True)))
    talk.reply("200 OK")
    assert talk.session.state == "closed"
    assert talk.pictures == []


def test_a_goodbye_with_an_old_nonce_is_said_once_more(talk):
    talk.start().reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="cam", nonce="n1"')
    talk.reply("200 OK").reply("200 OK", body=talk.sdp).reply("200 OK", "Session: 1").reply("200 OK")
    talk.session.teardown()
    talk.listen().reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="cam", nonce="n2", stale=true')
    assert talk.first.startswith("TEARDOWN")
    assert 'nonce="n2"' in talk.header("Authorization")
    assert talk.session.is_set_up
    talk.reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="cam", nonce="n3", stale=true')
    assert talk.session.state == "closed"
    assert not talk.session.is_set_up


def said_in_pieces(session, stream: bytes, size: int) -> None:
    """Receive a stream as a connection does: what was not used stands before the next bytes."""
    kept = b""
    for at in range(0, len(stream), size):
        data = kept + stream[at : at + size]
        kept = data[session.receive(memoryview(data), len(data), 0) :]
        assert len(kept) <= 65_540


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
@pytest.mark.parametrize(
    "garbage",
    [b"\x80\x60\x12\x34 lost its step", b"\xff" * 3000, b"$", b"\r\n\x00$$\x00", b"XYZ!", bytes(40)],
    ids=["words", "many", "dollar", "mixed", "letters", "zeros"],
)
def test_garbage_between_packets_is_passed_over_and_the_next_packet_found(talk, rtp, garbage, size):
    talk.playing()
    packer, stream = rtp.Packer(), b""
    for number in range(40):
        packets = packer.fragments(
            rtp.slice_unit(bytes([number + 1]) * 900, key=number == 0), number * 6000, marker=True
        )
        stream += rtp.interleave(packets) + (garbage if number == 2 else b"")
    said_in_pieces(talk.session, stream, size)
    talk.session.end_of_stream()
    seen = [unit.data[-1] for unit in talk.pictures]
    # A lone dollar is taken for the head of a packet: what it covers is lost, and no more.
    assert seen == [*range(1, 41)] or (b"$" in garbage and seen[:3] == [1, 2, 3] and seen[-30:] == [*range(11, 41)])
    if b"$" not in garbage:
        assert talk.session.oddities == {"bytes between packets passed over"}


@settings(max_examples=150, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(0, 29), st.binary(max_size=300)), max_size=8),
    high=st.booleans(),
    cuts=st.integers(1, 5000),
)
def test_whatever_garbage_stands_between_packets_the_stream_goes_on_or_ends(sdp_text, rtp, places, high, cuts):
    talk = Talk(sdp=sdp_text).playing()
    packer, garbage = rtp.Packer(), {}
    for number, data in places:
        garbage[number] = bytes(byte | 0x80 for byte in data) if high else data
    stream = b""
    for number in range(60):
        unit = rtp.slice_unit(bytes([number + 1]) * 700, key=number == 0)
        stream += garbage.get(number, b"") + rtp.interleave(packer.single(unit, number * 6000, marker=True))
    with contextlib.suppress(RtspError):
        said_in_pieces(talk.session, stream, cuts)
        talk.session.end_of_stream()
        if high:  # nothing in it looks like the beginning of anything
            assert [unit.data[-1] for unit in talk.pictures] == [*range(1, 61)]


def test_garbage_without_end_is_a_protocol_error(talk):
    talk.playing()
    with pytest.raises(RtspError) as error:
        said_in_pieces(talk.session, b"\x80\x60\x12\x34 lost its step" * 5000, 4000)
    assert error.value.reason == "protocol"


def test_garbage_before_the_stream_plays_is_a_protocol_error(talk):
    with pytest.raises(RtspError) as error:
        talk.start().say(b"\x80\x60\x12\x34 lost its step")
    assert error.value.reason == "protocol"


NOISE = st.one_of(
    st.binary(max_size=60),
    st.binary(max_size=40).map(lambda data: b"$\0" + len(data).to_bytes(2, "big") + data),
    st.binary(max_size=40).map(lambda data: b"$\1" + len(data).to_bytes(2, "big") + data),
    st.text(max_size=40).map(lambda text: f"RTSP/1.0 200 OK\r\nSession: {text}\r\nTransport: {text}\r\n\r\n".encode()),
    st.text(max_size=40).map(lambda text: f"RTSP/1.0 401 No\r\nWWW-Authenticate: Digest {text}\r\n\r\n".encode()),
    st.text(max_size=40).map(lambda text: f"OPTIONS * RTSP/1.0\r\nCSeq: {text}\r\n\r\n".encode()),
)


@settings(max_examples=200, deadline=None)
@given(stage=st.integers(0, 4), noise=st.lists(NOISE, max_size=12))
def test_any_bytes_at_any_moment_are_taken_or_end_the_session(sdp_text, stage, noise):
    talk = Talk(sdp=sdp_text)
    talk.start()
    for reply in [(), (), (), ("Session: 1",)][:stage]:
        talk.reply("200 OK", *reply, body=sdp_text if talk.first.startswith("DESCRIBE") else "")
    stream = b"".join(noise)
    with contextlib.suppress(RtspError):
        used = talk.session.receive(memoryview(stream), len(stream), 0)
        assert 0 <= used <= len(stream)
        talk.session.end_of_stream()
    assert len(talk.session.oddities) <= 32
    assert len(talk.session.take_output()) <= 65_536
