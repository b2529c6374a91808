"""Transport and Session headers as real devices write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.rtsp.transport import Transport, parse_session, parse_transports


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1", Transport("tcp", (0, 1))),
        ("RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=  1A", Transport("tcp", (2, 3))),
        ("rtp/avp/tcp;UNICAST;INTERLEAVED=0-1;SSRC=6B8B4567", Transport("tcp", (0, 1))),
        (" RTP/AVP/TCP ; unicast ; interleaved = 4 - 5 ", Transport("tcp", (4, 5))),
        ("RTP/AVP/TCP;interleaved=6", Transport("tcp", (6, 7))),
        ("RTP/AVP;unicast;interleaved=0-1", Transport("tcp", (0, 1))),
        ("RTP/AVP/TCP;unicast", Transport("tcp")),
        ("RTP/AVP/TCP;unicast;interleaved=300-301", Transport("tcp")),
        ("RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971", Transport("udp", None, (6970, 6971))),
        ("RTP/AVP/UDP;unicast;client_port=5000-5001", Transport("udp")),
        ("RTP/AVP;server_port=6970;source=192.0.2.7", Transport("udp", None, (6970, 6971), "192.0.2.7")),
        ('RTP/AVP;server_port="6970-6971";source="[2001:db8::7]"', Transport("udp", None, (6970, 6971), "2001:db8::7")),
        ("RTP/AVP;server_port=0-1;source=camera.local", Transport("")),
        ("RTP/AVP/UDP;source=0.0.0.0;server_port=70000-70001", Transport("udp")),
        ("RTP/AVP;multicast;destination=239.0.0.1;port=5000-5001;ttl=16", Transport("multicast")),
        ("RTP/AVP;unicast", Transport("")),
        ("nonsense", Transport("")),
    ],
)
def test_a_transport_is_read_whatever_its_case_spaces_and_quotes(header: str, expected: Transport) -> None:
    assert parse_transports(header) == [expected]


def test_several_transports_are_told_apart() -> None:
    offered = parse_transports("RTP/AVP;unicast;server_port=6-7, RTP/AVP/TCP;interleaved=0-1")
    assert [one.lower for one in offered] == ["udp", "tcp"]
    assert parse_transports("") == parse_transports(" , ") == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("12345678", ("12345678", None)),
        ("12345678;timeout=60", ("12345678", 60)),
        (" 99 ; TimeOut = 80 ", ("99", 80)),
        ('7;timeout="30"', ("7", 30)),
        ("7;timeout=0", ("7", 0)),
        ("7;timeout=soon", ("7", None)),
        ("7;foo;timeout=9;bar", ("7", 9)),
        ('"quoted-id"', ('"quoted-id"', None)),
        ("", ("", None)),
    ],
)
def test_a_session_is_read_whatever_its_spaces_and_quotes(header: str, expected: tuple[str, int | None]) -> None:
    assert parse_session(header) == expected


def test_a_header_of_spaces_takes_no_time_to_read() -> None:
    """With two runs of spaces in one expression the time grew as the square: five seconds for a head of 16 kB."""
    assert parse_session("7;timeout=" + " " * 4_000_000 + "soon") == ("7", None)
    assert parse_transports("RTP/AVP;interleaved=" + " " * 4_000_000 + "-") == [Transport("")]


PARTS = st.lists(
    st.sampled_from(["RTP/AVP", "/TCP", "/UDP", ";", ",", "=", "-", "interleaved", "server_port", "source", "timeout"])
    | st.text(max_size=8)
    | st.integers(-5, 99_999).map(str)
    | st.ip_addresses().map(str),
    max_size=30,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(PARTS)
def test_any_header_is_read_to_something_within_bounds(header: str) -> None:
    for one in parse_transports(header):
        assert one.lower in ("tcp", "udp", "multicast", "")
        assert one.channels is None or all(0 <= number <= 255 for number in one.channels)
        assert one.server_ports is None or all(0 < number <= 65_535 for number in one.server_ports)
    name, timeout = parse_session(header)
    assert len(name) <= 256
    assert timeout is None or 0 <= timeout < 10**9
