"""RTSP messages as real devices write them, and as no one should."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.rtsp.errors import RtspError
from vonggac.video.rtsp.message import MAX_HEAD, Request, Response, build_request, parse


def read(data: bytes):
    return parse(memoryview(data), 0, len(data))


def test_a_reply_is_read_whatever_the_case_and_spacing_of_its_headers():
    head = b"RTSP/1.0 200 OK\r\nCSEQ:  2 \r\ncontent-length: 5\r\nSession:\t 7 ;timeout=60\r\nno colon here\r\n\r\n"
    message, used = read(head + b"helloREST")
    assert isinstance(message, Response)
    assert (message.status, message.phrase, message.body) == (200, "OK", b"hello")
    assert message.headers.get("CSeq") == "2"
    assert message.headers.get("SESSION") == "7 ;timeout=60"
    assert used == len(head) + 5


def test_folded_headers_bare_line_feeds_and_blank_lines_before_are_accepted():
    message, _ = read(b'\r\n\nRTSP/1.0 401 Unauthorized\nWWW-Authenticate: Digest realm="x",\n nonce="y"\n\n')
    assert message.headers.get("www-authenticate") == 'Digest realm="x", nonce="y"'


def test_a_status_without_a_phrase_is_a_reply():
    assert read(b"RTSP/1.0 200\r\n\r\n")[0].status == 200


def test_a_request_of_the_camera_is_read():
    message, _ = read(b"OPTIONS rtsp://host/ RTSP/1.0\r\nCSeq: 9\r\n\r\n")
    assert isinstance(message, Request)
    assert (message.method, message.url) == ("OPTIONS", "rtsp://host/")


def test_a_message_in_pieces_waits_for_its_end():
    whole = b"RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody"
    for end in range(len(whole)):
        assert parse(memoryview(whole), 0, end)[0] is None
    assert read(whole)[0].body == b"body"


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x60\x00\x01",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: many\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nX: " + b"x" * MAX_HEAD,
    ],
)
def test_what_is_no_rtsp_is_a_protocol_error(data):
    with pytest.raises(RtspError) as error:
        read(data)
    assert error.value.reason == "protocol"


def test_a_line_break_in_a_value_writes_no_header_of_its_own():
    assert build_request("OPTIONS", "rtsp://h/", [("Authorization", "a\r\nX: y")]).count(b"\r\n") == 3


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_message_or_wait_or_are_refused(data, likely):
    data = b"RTSP/1.0 200 OK\r\n" + data + b"\r\n\r\n" if likely else data
    try:
        message, used = read(data)
    except RtspError:
        return
    assert 0 <= used <= len(data)
    assert message is not None or used < 4 or data[:used].strip() == b""
