"""Logging in: the examples of the standards, and challenges as cameras write them."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.core.digest import Authenticator, parse_challenges


def answer(
    header: str, *, username="Mufasa", password="Circle of Life", method="GET", uri="/dir/index.html", cnonce=""
):
    authenticator = Authenticator(username, password, cnonce=lambda: cnonce)
    assert authenticator.accept(parse_challenges([header])) is not None
    value = authenticator.authorization(method, uri)
    return value, dict(re.findall(r'(\w+)="([^"]*)"', value))


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [  # RFC 7616 §3.9.1
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_with_qop_gives_the_response_of_the_standard(algorithm, response):
    value, fields = answer(
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert fields["response"] == response
    assert "qop=auth, nc=00000001" in value
    assert f"algorithm={algorithm}" in value


def test_digest_without_qop_is_answered_as_in_the_older_standard():
    value, fields = answer(
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"', password="CircleOfLife"
    )
    first = hashlib.md5(b"Mufasa:testrealm@host.com:CircleOfLife").hexdigest()
    second = hashlib.md5(b"GET:/dir/index.html").hexdigest()
    expected = hashlib.md5(f"{first}:dcd98b7102dd2f0e8b11d0f600bfb0c093:{second}".encode()).hexdigest()
    assert fields["response"] == expected
    assert "qop" not in value
    assert "nc=" not in value


def test_basic_is_base64_of_name_and_password():
    value, _ = answer('Basic realm="AXIS_ACCC8E"', username="Aladdin", password="open sesame")
    assert value == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617 §2


def test_a_realm_without_quotes_is_read():
    (challenge,) = parse_challenges(["Digest realm=IP Camera(23456), nonce=abc def, stale=FALSE"])
    assert challenge.parameters == {"realm": "IP Camera(23456)", "nonce": "abc def", "stale": "FALSE"}


def test_of_several_challenges_the_strongest_is_taken():
    headers = [
        'Basic realm="cam", Digest realm="cam", nonce="one", algorithm="MD5"',
        'Digest realm="cam", nonce="two", algorithm=SHA-256',
    ]
    authenticator = Authenticator("a", "b")
    assert authenticator.accept(parse_challenges(headers)).parameters["nonce"] == "two"
    assert authenticator.kind == "Digest SHA-256"
    assert authenticator.accept(parse_challenges(headers[:1])).scheme == "digest"
    assert authenticator.kind == "Digest MD5"


def test_ways_in_that_we_do_not_know_are_not_taken():
    unknown = [
        "Negotiate abc",
        'Digest realm="x", nonce="y", algorithm=SHA-512-256',
        'Digest nonce="y", qop="auth-int"',
    ]
    assert Authenticator("a", "b").accept(parse_challenges(unknown)) is None


@pytest.mark.parametrize("qop", ["", 'qop="auth", '])
@pytest.mark.parametrize(("algorithm", "kind"), [("MD5-sess", hashlib.md5), ("SHA-256-sess", hashlib.sha256)])
def test_a_session_key_is_made_once_and_the_camera_is_told_of_what(algorithm, kind, qop):
    def digest(*parts: str) -> str:
        return kind(":".join(parts).encode()).hexdigest()

    words = iter(["one", "two", "three", "four"])
    authenticator = Authenticator("admin", "secret", cnonce=lambda: next(words))
    authenticator.accept(parse_challenges([f'Digest realm="cam", {qop}nonce="n", algorithm={algorithm}']))
    key = digest(digest("admin", "cam", "secret"), "n", "one")
    for count in ("00000001", "00000002"):
        value = authenticator.authorization("PLAY", "rtsp://h/")
        fields = dict(re.findall(r'(\w+)="([^"]*)"', value))
        request = digest("PLAY", "rtsp://h/")
        assert fields["cnonce"] == "one"
        assert fields["response"] == (
            digest(key, "n", count, "one", "auth", request) if qop else digest(key, "n", request)
        )
        assert f"algorithm={algorithm}" in value


@pytest.mark.parametrize("algorithm", ['"SHA-256"', "sha-256", " SHA-256 "])
def test_an_algorithm_is_known_in_quotes_and_in_any_case(algorithm):
    (challenge,) = parse_challenges([f"Digest realm=x, nonce=y, algorithm={algorithm}, qop=auth"])
    assert challenge.kind == "SHA-256"


def test_a_nonce_is_counted():
    authenticator = Authenticator("a", "b")
    authenticator.accept(parse_challenges(['Digest realm="x", nonce="y", qop="auth"']))
    counts = [re.search(r"nc=(\w+)", authenticator.authorization("PLAY", "rtsp://h/"))[1] for _ in range(3)]
    assert counts == ["00000001", "00000002", "00000003"]


def test_the_password_is_not_in_the_representation():
    assert "s3cret" not in repr(Authenticator("a", "s3cret"))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=120), max_size=4))
def test_any_challenge_is_answered_or_passed_over(headers):
    authenticator = Authenticator("a", "b")
    if authenticator.accept(parse_challenges(["Digest " + header for header in headers])):
        assert authenticator.authorization("PLAY", "rtsp://h/")
