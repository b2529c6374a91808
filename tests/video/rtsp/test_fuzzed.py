"""What the fuzzer has found in streams (docs/fuzzing.md), as small as it could be made."""

from __future__ import annotations

import struct

from vonggac.video.rtsp.h264 import H264Depacketiser


def both_ways(rtp, stream: bytes, packets: list[bytes]):
    """What the fast loop makes of a stream, and what the slow way makes of its packets."""
    told = []
    for fast in (True, False):
        pictures = rtp.Pictures()
        one = H264Depacketiser(pictures, parameter_sets=(rtp.SPS, rtp.PPS))
        if fast:
            rtp.feed(one, stream)
        else:
            for packet in packets:
                one.packet(memoryview(packet), 0, len(packet), 1)
        one.finish()
        told.append((pictures.units, one.packets, one.lost, one.oddities))
    return told


def test_a_fragment_of_another_time_is_not_appended_since_a_packet_of_that_time_came_before_it(rtp):
    packer = rtp.Packer()
    packets = packer.fragments(rtp.slice_unit(b"x" * 250, key=True), 0, marker=True)
    packer.sequence -= len(packets) - 1
    packets[1:] = [
        packer.packet(b"\x7f\1of no known type", 6000),
        packer.packet(packets[1][12:], 6000),  # in step with the packet before, not with the picture
        *packer.fragments(rtp.slice_unit(b"y" * 250, key=True), 12000, marker=True),
    ]
    fast, slow = both_ways(rtp, rtp.interleave(packets), packets)
    assert fast == slow
    assert "fragments without a beginning" in fast[3]


def test_a_packet_too_short_for_rtp_is_not_taken_for_a_fragment_by_what_stands_behind_it(rtp):
    packer = rtp.Packer()
    first, second, third = packer.fragments(rtp.slice_unit(b"x" * 250, key=True), 0, marker=True)
    short = struct.pack(">BBH", 0x24, 0, 0)
    depacketiser = H264Depacketiser(rtp.Pictures(), parameter_sets=(rtp.SPS, rtp.PPS))
    stream = rtp.interleave([first]) + short + second + rtp.interleave([third])
    assert depacketiser.interleaved(memoryview(stream), 0, len(stream), 1) == 4 + len(first)
    assert depacketiser.packets == 1
