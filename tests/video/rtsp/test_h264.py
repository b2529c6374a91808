"""What only H.264 has (RFC 6184): aggregates of several times, and pictures of two fields."""

from __future__ import annotations

import struct

import pytest

from vonggac.video.rtsp.h264 import H264Depacketiser


@pytest.fixture
def stream(rtp):
    """A depacketiser that knows its parameter sets, and what it hands over."""
    pictures = rtp.Pictures()
    return H264Depacketiser(pictures, parameter_sets=(rtp.SPS, rtp.PPS)), pictures


def play(rtp, stream, packets):
    rtp.feed(stream[0], rtp.interleave(packets))
    stream[0].finish()
    return stream[1]


def test_an_aggregate_of_several_times_gives_a_picture_for_each(rtp, stream):
    one, two = rtp.slice_unit(b"one", key=True), rtp.slice_unit(b"two")
    payload = b"\x7a\0\1" + struct.pack(">HBH", len(one), 0, 0) + one + struct.pack(">HBH", len(two), 1, 6000) + two
    pictures = play(rtp, stream, [rtp.Packer().packet(payload, 500, marker=True)])
    assert [(unit.pts, nals) for unit, nals in zip(pictures.units, pictures.nals, strict=True)] == [
        (500, [one]),
        (6500, [two]),
    ]
