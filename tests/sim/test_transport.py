"""What a viewer offers is read as RFC 2326 has it, and whatever else it sends does no harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.sim.transport import Datagrams, Interleaved, Transport, chosen


@pytest.mark.parametrize(
    ("header", "transport"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1", Interleaved(0, 1)),
        ("RTP/AVP/TCP;unicast;interleaved=6", Interleaved(6, 7)),
        ("RTP/AVP/TCP", Interleaved(0, 1)),
        ("RTP/AVP;unicast;client_port=5000-5001", Datagrams(5000, 5001)),
        ("RTP/AVP/UDP;unicast; client_port=5000", Datagrams(5000, 5001)),
        ("RTP/AVP;multicast,RTP/AVP/TCP;interleaved=2-3", Interleaved(2, 3)),
        ("RTP/AVP;unicast;client_port=5000-5001,RTP/AVP/TCP;interleaved=2-3", Datagrams(5000, 5001)),
        ("RTP/AVP;unicast;client_port=0-1", None),
        ("RTP/AVP;unicast;client_port=70000-70001", None),
        ("RTP/AVP/TCP;interleaved=999-1000", None),
        ("RTP/AVP;multicast;port=5000-5001", None),
        ("RAW/RAW/UDP;client_port=5000-5001", None),
        ("", None),
    ],
)
def test_the_first_transport_that_a_camera_has_is_chosen(header: str, transport: Transport | None) -> None:
    assert chosen(header) == transport


@given(st.one_of(st.text(), st.text().map("RTP/AVP;unicast;client_port={}".format)))
def test_ports_and_channels_are_in_their_range_whatever_is_sent(header: str) -> None:
    transport = chosen(header)
    if isinstance(transport, Datagrams):
        assert 0 < transport.rtp <= 65_535
        assert 0 <= transport.rtcp <= 65_535
    elif transport is not None:
        assert 0 <= transport.rtp < 255
        assert 0 <= transport.rtcp <= 255
