"""Requests are read however they are split; garbage is refused and never kept."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.sim.digest import Credentials, Guard
from vonggac.sim.messages import (
    BODY_LIMIT,
    HEAD_LIMIT,
    BadRequest,
    InterleavedData,
    Request,
    RequestReader,
    respond,
)

DESCRIBE = b"DESCRIBE rtsp://h:554/cam/001/?x=1 RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\n\r\n"
PARAMETER = b"GET_PARAMETER rtsp://h/cam/001 RTSP/1.0\r\nCSeq: 3\r\nContent-Length: 5\r\n\r\nhello"
REPORT = b"$\x01\x00\x08" + b"\x80\xc9\x00\x01abcd"


@given(st.lists(st.integers(1, 40), max_size=60))
def test_requests_and_reports_are_found_however_they_are_split(cuts: list[int]) -> None:
    data = DESCRIBE + REPORT + PARAMETER + REPORT
    reader, found, at = RequestReader(), [], 0
    for size in [*cuts, len(data)]:
        found += reader.feed(data[at : at + size])
        at += size
    kinds = [message.method if isinstance(message, Request) else message.channel for message in found]
    assert kinds == ["DESCRIBE", 1, "GET_PARAMETER", 1]


def test_the_path_leaves_out_host_query_and_trailing_slash() -> None:
    (request,) = RequestReader().feed(DESCRIBE)
    assert isinstance(request, Request)
    assert request.path == "/cam/001"
    assert Request("OPTIONS", "*").path == "/"
    assert Request("OPTIONS", "rtsp://[bad").path == "/"


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_garbage_is_refused_and_nothing_else_happens(pieces: list[bytes]) -> None:
    reader = RequestReader()
    with suppress(BadRequest):
        for piece in pieces:
            for message in reader.feed(piece):
                assert isinstance(message, Request | InterleavedData)


@given(st.binary(max_size=200), st.integers(0, len(DESCRIBE)))
def test_a_damaged_request_is_refused_or_read(junk: bytes, at: int) -> None:
    reader = RequestReader()
    with suppress(BadRequest):
        list(reader.feed(DESCRIBE[:at] + junk + DESCRIBE[at:]))


def test_a_header_without_end_is_refused_before_it_fills_memory() -> None:
    reader = RequestReader()
    lines = b"A: 12345678\r\n" * 10

    def feed_for_ever() -> None:
        for _ in range(HEAD_LIMIT):
            list(reader.feed(lines))

    with pytest.raises(BadRequest):
        feed_for_ever()


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"99999999999", str(BODY_LIMIT + 1).encode(), "٣".encode()])
def test_a_body_of_impossible_length_is_refused(length: bytes) -> None:
    with pytest.raises(BadRequest):
        list(RequestReader().feed(b"PLAY rtsp://h/ RTSP/1.0\r\nContent-Length: " + length + b"\r\n\r\n"))


def test_a_reply_repeats_the_number_and_counts_its_body_in_bytes() -> None:
    reply = respond(Request("DESCRIBE", "rtsp://h/", {"cseq": "7"}), 200, {"Content-Type": "text/plain"}, "Đức")
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"RTSP/1.0 200 OK"
    assert b"CSeq: 7" in head
    assert b"Content-Length: 6" in head
    assert body.decode() == "Đức"


def answered(challenge: str, user: str, password: str, *, quality: bool = False) -> Request:
    """Answer a challenge as RFC 7616 §3.4.1 says."""

    def proven(text: str) -> str:
        name = "sha256" if "algorithm=SHA-256" in challenge else "md5"
        return hashlib.new(name, text.encode()).hexdigest()

    nonce = challenge.split('nonce="')[1].split('"')[0]
    who, what = proven(f"{user}:Camera:{password}"), proven("DESCRIBE:rtsp://h/")
    extra = ', qop=auth, nc=00000001, cnonce="c"' if quality else ""
    proof = proven(f"{who}:{nonce}:00000001:c:auth:{what}") if quality else proven(f"{who}:{nonce}:{what}")
    value = f'Digest username="{user}", realm="Camera", nonce="{nonce}", uri="rtsp://h/", response="{proof}"{extra}'
    return Request("DESCRIBE", "rtsp://h/", {"authorization": value})


@pytest.mark.parametrize("quality", [False, True])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_only_who_knows_the_password_is_admitted(algorithm: str, quality: bool) -> None:
    guard = Guard(Credentials("viewer", "đường 20", algorithm, quality=quality))
    assert ("qop" in guard.challenge) == quality
    assert guard.admits(answered(guard.challenge, "viewer", "đường 20", quality=quality))
    assert not guard.admits(answered(guard.challenge, "viewer", "wrong", quality=quality))
    assert not guard.admits(answered(guard.challenge, "other", "đường 20", quality=quality))
    assert not guard.admits(Request("DESCRIBE", "rtsp://h/"))


def test_an_answer_overheard_elsewhere_is_of_no_use() -> None:
    credentials = Credentials("viewer", "secret")
    overheard = answered(Guard(credentials).challenge, "viewer", "secret")
    assert not Guard(credentials).admits(overheard)


def test_a_password_shows_in_no_repr() -> None:
    assert "secret" not in repr(Credentials("viewer", "secret"))


@given(st.text(max_size=200))
def test_no_authorization_header_can_do_harm(value: str) -> None:
    assert not Guard(Credentials("u", "p")).admits(Request("PLAY", "rtsp://h/", {"authorization": value}))
    assert not Guard(Credentials("u", "p")).admits(Request("PLAY", "rtsp://h/", {"authorization": f"Digest {value}"}))
