"""What the fuzzer has found in streams (docs/fuzzing.md), as small as it could be made."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.rtsp.address import CameraAddress
from vonggac.video.rtsp.errors import RtspError
from vonggac.video.rtsp.h264 import H264Depacketiser
from vonggac.video.rtsp.session import RtspSession


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


def test_an_empty_line_before_a_packet_is_passed_over_however_it_is_cut(sdp_text):
    replies = ["Public: OPTIONS", f"Content-Length: {len(sdp_text)}", "Session: 1", "Session: 1"]
    data = b""
    for number, header in enumerate(replies, 1):
        data += f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{header}\r\n\r\n".encode()
        data += sdp_text.encode() if number == 2 else b""
        data += b"\r\n$\0\0\2ab" if number == 3 else b""
    whole = played(data, [])
    assert whole[1:3] == ("playing", "")
    assert all(played(data, [cut]) == whole for cut in range(1, len(data)))


def played(data: bytes, cuts: list[int]):
    """What a session makes of all that a camera sends, read in pieces that end at `cuts`."""
    pictures: list = []
    session = RtspSession(CameraAddress.parse("rtsp://a:b@camera/live"), on_access_unit=pictures.append)
    session.start()
    kept, said = b"", ""
    ends = sorted({*(cut for cut in cuts if cut < len(data)), len(data)})
    try:
        for begin, end in zip([0, *ends], ends, strict=False):
            piece = kept + data[begin:end]
            used = session.receive(memoryview(piece), len(piece), 1)
            kept = piece[used:]
            assert len(kept) <= 65_540
        session.end_of_stream()
    except RtspError as error:
        said = str(error)
    return pictures, session.state, said, session.oddities, session.take_output()


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 3000), max_size=8),
    damage=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 255)), max_size=3),
)
def test_a_session_in_slices_is_the_session_in_one_piece_damaged_or_not(rtp, sdp_text, cuts, damage):
    packer = rtp.Packer()
    packets = [
        packet
        for number in range(5)
        for packet in packer.fragments(rtp.slice_unit(bytes([number]) * 250, key=number == 0), number * 6000, True)
    ]
    replies = ["Public: OPTIONS", f"Content-Length: {len(sdp_text)}", "Session: 1", "Session: 1"]
    data = bytearray()
    for number, header in enumerate(replies, 1):
        data += f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{header}\r\n\r\n".encode()
        data += sdp_text.encode() if number == 2 else b""
    data += rtp.interleave(packets[:6]) + b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n" + rtp.interleave(packets[6:])
    for at, flip in damage:
        data[at % len(data)] ^= flip
    whole = played(bytes(data), [])
    assert played(bytes(data), cuts) == whole
    if not damage:
        assert len(whole[0]) == 5
