"""A camera's address: what is taken, what is refused, and what is never shown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.cameras.address import CREDENTIAL_LENGTH, URL_LENGTH, Credentials, join_address, split_address
from vonggac.core.errors import Invalid
from vonggac.video.rtsp.address import CameraAddress, hide_secrets


@pytest.mark.parametrize(
    ("text", "host", "port", "path", "username", "password"),
    [
        ("rtsp://192.0.2.10/stream1", "192.0.2.10", 554, "/stream1", None, None),
        ("rtsp://user:p%40ss@host:8554/path?x", "host", 8554, "/path?x", "user", "p@ss"),
        ("RTSP://admin:a@b@host/live", "host", 554, "/live", "admin", "a@b"),
        ("rtsp://admin@host", "host", 554, "", "admin", ""),
        ("rtsp://[2001:db8::7]:10554/a b", "2001:db8::7", 10554, "/a%20b", None, None),
        ("rtsp://camera.local:/cam/realmonitor?channel=1&subtype=0", "camera.local", 554,
         "/cam/realmonitor?channel=1&subtype=0", None, None),
        ("  rtsp://host/đường  ", "host", 554, "/%C4%91%C6%B0%E1%BB%9Dng", None, None),
    ],
)  # fmt: skip
def test_an_address_is_taken_apart(text, host, port, path, username, password):
    address = CameraAddress.parse(text)
    assert (address.host, address.port, address.path) == (host, port, path)
    assert (address.username, address.password) == (username, password)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.0.2.10",
        "http://host/",
        "rtsp://",
        "rtsp:///path",
        "rtsp://host:0/",
        "rtsp://host:99999/",
        "rtsp://host:port/",
        "rtsp://host/a\r\nCSeq: 1",
        "rtsp://user:%0d%0aX@host/",
        "rtsp://user:se/cret@host/",
        "rtsp://" + "x" * 9000,
    ],
)
def test_what_is_no_address_is_refused_in_plain_words(text):
    with pytest.raises(Invalid) as refusal:
        CameraAddress.parse(text)
    assert "cret" not in str(refusal.value)


def test_an_encrypted_address_keeps_its_scheme_and_has_its_own_port():
    address = CameraAddress.parse("rtsps://a:b@host/live")
    assert (address.secure, address.port, address.url) == (True, 322, "rtsps://host/live")
    assert str(CameraAddress.parse("rtsps://host:554/")) == "rtsps://host:554/"


def test_whatever_the_registry_takes_the_client_can_enter():
    longest = Credentials("ộ" * CREDENTIAL_LENGTH, "🔑" * CREDENTIAL_LENGTH)
    stream = split_address("rtsp://camera/" + "x" * (URL_LENGTH - 14))
    found = CameraAddress.parse(join_address(stream.url, longest))
    assert (found.host, found.username, found.password) == ("camera", longest.user, longest.password)


def test_credentials_are_never_shown():
    address = CameraAddress.parse("rtsp://admin:s3cret@host/user=admin_password=tlJwpbo6_channel=1.sdp?pwd=abc&x=1")
    for shown in (str(address), repr(address), address.redacted, f"{address}"):
        assert "s3cret" not in shown
        assert "tlJwpbo6" not in shown
        assert "abc" not in shown
        assert "admin" in shown
    assert "s3cret" not in address.url
    assert address.url.endswith("tlJwpbo6_channel=1.sdp?pwd=abc&x=1")
    assert hide_secrets("see rtsp://a:b@c/d") == "see rtsp://a:***@c/d"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60).map(lambda tail: "rtsp://" + tail))
def test_any_text_is_an_address_or_refused(text):
    try:
        address = CameraAddress.parse(text)
    except Invalid:
        return
    assert address.url.isascii() or not address.host.isascii()
    assert "\n" not in address.url
    assert CameraAddress.parse(address.url).path == address.path
