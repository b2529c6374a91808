"""H.264 units go into RTP packets and come out as they were, whatever their sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.sim.packetise import PAYLOAD_LIMIT, framed, patch, payloads


def units(largest: int = 6000) -> st.SearchStrategy[list[bytes]]:
    """Access units: a valid header each (types 1 to 12) and contents of any size."""
    header = st.builds(lambda importance, kind: importance << 5 | kind, st.integers(0, 3), st.integers(1, 12))
    body = st.integers(0, largest).flatmap(lambda size: st.binary(min_size=min(size, 40), max_size=min(size, 40)))
    sized = st.tuples(header, body, st.integers(1, 150)).map(lambda made: bytes([made[0]]) + made[1] * made[2])
    return st.lists(sized, min_size=1, max_size=6)


def read_payloads(packets: list[bytes]) -> list[bytes]:
    """Put units together again: a reader of RFC 6184 that shares nothing with the packer."""
    found: list[bytes] = []
    parts: list[bytes] = []
    for packet in packets:
        kind = packet[0] & 31
        if kind == 24:
            rest = packet[1:]
            while rest:
                size = rest[0] * 256 + rest[1]
                found.append(rest[2 : 2 + size])
                rest = rest[2 + size :]
        elif kind == 28:
            if packet[1] & 128:
                assert not parts
                parts = [bytes([packet[0] & 224 | packet[1] & 31])]
            parts.append(packet[2:])
            if packet[1] & 64:
                found.append(b"".join(parts))
                parts = []
        else:
            found.append(packet)
    assert not parts
    return found


def read_framing(data: bytes) -> list[tuple[int, bytes]]:
    """Return channel and packet of interleaved data (RFC 2326 §10.12)."""
    found = []
    while data:
        assert data[0] == ord("$")
        size = data[2] * 256 + data[3]
        found.append((data[1], data[4 : 4 + size]))
        data = data[4 + size :]
    return found


@given(units(), st.integers(40, PAYLOAD_LIMIT))
def test_units_come_out_as_they_went_in(nals: list[bytes], limit: int) -> None:
    packets = list(payloads(nals, limit))
    assert read_payloads(packets) == nals
    assert all(0 < len(packet) <= limit for packet in packets)


@given(units())
def test_a_fragmented_unit_has_one_first_and_one_last_fragment(nals: list[bytes]) -> None:
    for nal in nals:
        fragments = [packet for packet in payloads([nal], 100) if packet[0] & 31 == 28]
        if fragments:
            assert [packet[1] >> 6 for packet in fragments] == [2, *[0] * (len(fragments) - 2), 1]


def test_parameter_sets_travel_together_and_no_other_units_do() -> None:
    sps, pps, sei, slice_ = b"\x67abc", b"\x68d", b"\x06e", b"\x65fgh"
    packets = list(payloads([sps, pps, sei, slice_]))
    assert packets == [b"\x78\x00\x04\x67abc\x00\x02\x68d", sei, slice_]


@given(
    units(),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 127).map(lambda pair: 2 * pair),
)
def test_patched_packets_carry_number_time_source_and_channel(
    nals: list[bytes], sequence: int, timestamp: int, source: int, channel: int
) -> None:
    picture = framed(nals)
    buffer = bytearray(len(picture.blob) + 7)
    size = patch(buffer, picture, sequence, timestamp, source, channel)
    assert size == len(picture.blob)
    packets = read_framing(bytes(buffer[:size]))
    assert len(packets) == len(picture.packets)
    assert {where for where, _ in packets} == {channel}
    for index, (_, packet) in enumerate(packets):
        assert packet[0] == 0x80
        assert packet[1] & 127 == 96
        assert packet[1] >> 7 == (index == len(packets) - 1)
        assert int.from_bytes(packet[2:4], "big") == (sequence + index) % 65536
        assert int.from_bytes(packet[4:8], "big") == timestamp
        assert int.from_bytes(packet[8:12], "big") == source
    assert read_payloads([packet[12:] for _, packet in packets]) == nals
    assert sum(len(packet) - 12 for _, packet in packets) == picture.octets


def test_the_picture_that_all_viewers_share_is_never_written_to() -> None:
    picture = framed([b"\x65" * 5000])
    before = picture.blob
    patch(bytearray(8000), picture, 1, 2, 3, 4)
    assert picture.blob is before
    assert framed([b"\x65" * 5000]).blob == before


@pytest.mark.parametrize("size", [1, 1399, 1400, 1401, 2797, 2798, 65_000, 400_000])
def test_sizes_around_the_limit_lose_no_byte(size: int) -> None:
    nal = b"\x65" + bytes(number % 251 for number in range(size - 1))
    assert read_payloads(list(payloads([nal]))) == [nal]
