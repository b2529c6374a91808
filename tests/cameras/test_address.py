"""A camera's address taken apart: credentials never stay in what is stored or shown."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.cameras.address import Credentials, check_credentials, host_of, join_address, onvif_address, split_address
from vonggac.core.errors import Invalid
from vonggac.video.rtsp.address import CameraAddress

WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("text", "url", "user", "password"),
    [
        ("rtsp://192.0.2.1/s", "rtsp://192.0.2.1/s", None, None),
        ("RTSPS://cam.local:322", "rtsps://cam.local:322", None, None),
        ("rtsp://admin:secret@192.0.2.1:554/s?a=1", "rtsp://192.0.2.1:554/s?a=1", "admin", "secret"),
        ("rtsp://admin:p%40ss%2Fword@[2001:db8::1]:554/", "rtsp://[2001:db8::1]:554/", "admin", "p@ss/word"),
        ("rtsp://admin:p@ss@192.0.2.1/s@2", "rtsp://192.0.2.1/s@2", "admin", "p@ss"),
        ("rtsp://admin@192.0.2.1", "rtsp://192.0.2.1", "admin", ""),
    ],
)
def test_credentials_are_split_off(text: str, url: str, user: str | None, password: str | None) -> None:
    address = split_address(f" {text}\n")
    assert address.url == url
    assert address.credentials == (Credentials(user, password or "") if user else None)
    assert not address.whole


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("rtsp://192.0.2.1/live?user=a&password=geheim&ch=1", "rtsp://192.0.2.1/live?user=a&password=***&ch=1"),
        ("rtsp://192.0.2.1/user=a_password=geheim_channel=1", "rtsp://192.0.2.1/user=a_password=***_channel=1"),
        ("rtsp://192.0.2.1/?Pwd=geheim", "rtsp://192.0.2.1/?Pwd=***"),
    ],
)
def test_a_password_in_the_path_is_hidden_and_kept_apart(text: str, url: str) -> None:
    address = split_address(text)
    assert address.url == url
    assert address.whole == text
    assert "geheim" not in repr(address)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must begin with rtsp://"),
        ("http://192.0.2.1/", "must begin with rtsp://"),
        ("rtsp://", "no usable host"),
        ("rtsp://:554/", "no usable host"),
        ("rtsp://a b/", "space"),
        ("rtsp://a/\x00", "unprintable"),
        ("rtsp://a:0/", "between 1 and 65535"),
        ("rtsp://a:65536/", "between 1 and 65535"),
        ("rtsp://u:secret/word@192.0.2.1/", "%2F"),
        ("rtsp://:secret@192.0.2.1/", "user name must not be empty"),
        ("rtsp://a/" + "x" * 2048, "longer than 2048"),
        ("rtsp://u:" + "x" * 257 + "@a/", "longer than 256"),
    ],
)
def test_what_is_no_camera_address_is_refused_without_repeating_a_password(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as refused:
        split_address(text)
    assert "secret" not in str(refused.value)


@given(WORDS.filter(lambda word: ":" not in word), WORDS)
def test_an_address_put_together_again_gives_the_recorder_the_same_credentials(user: str, password: str) -> None:
    together = join_address("rtsp://192.0.2.1:8554/s", check_credentials(user, password))
    assert split_address(together).credentials == Credentials(user, password)
    seen = CameraAddress.parse(together)
    assert (seen.username, seen.password) == (user, password)
    assert repr(Credentials("user", "pass-word")) == "Credentials(user='user')"


@given(st.text(max_size=80))
def test_no_text_raises_anything_but_a_plain_error(text: str) -> None:
    for candidate in (text, f"rtsp://{text}"):
        with contextlib.suppress(Invalid):
            split_address(candidate)


def test_hosts_are_compared_without_port_and_case() -> None:
    assert host_of("rtsp://Cam.Local:554/a") == host_of("rtsp://cam.local/b")
    assert host_of("rtsp://[2001:db8::1]:554/a") == "[2001:db8::1]"


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("http://192.0.2.10", "http://192.0.2.10/onvif/device_service"),
        ("http://192.0.2.10:8000/", "http://192.0.2.10:8000/onvif/device_service"),
        ("https://camera.example/onvif/other", "https://camera.example/onvif/other"),
        ("http://a:b%40c@[2001:db8::1]:80", "http://[2001:db8::1]:80/onvif/device_service"),
    ],
)
def test_the_address_of_an_onvif_service_gets_the_usual_path_and_keeps_its_password_apart(
    written: str, url: str
) -> None:
    found = onvif_address(written)
    assert found.url == url
    assert (found.credentials is not None) == ("@" in written)


@pytest.mark.parametrize(
    "written", ["rtsp://192.0.2.10/", "192.0.2.10", "http://", "http://h/?password=x", "http://h:0"]
)
def test_what_is_no_address_of_an_onvif_service_is_refused_in_words(written: str) -> None:
    with pytest.raises(Invalid, match="address"):
        onvif_address(written)
