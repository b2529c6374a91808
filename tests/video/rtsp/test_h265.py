"""What only H.265 has (RFC 7798): more kinds of key pictures, leading pictures, layers, control information."""

from __future__ import annotations

import pytest


@pytest.fixture
def stream(rtp, h265):
    """A depacketiser that knows its parameter sets, and what it hands over."""
    pictures = rtp.Pictures()
    return h265.Depacketiser(pictures, parameter_sets=h265.sets), pictures


def play(rtp, stream, packets):
    rtp.feed(stream[0], rtp.interleave(packets))
    stream[0].finish()
    return stream[1]


BLA_W_LP, IDR_N_LP, CRA, TRAIL_R, RADL_N, RASL_N, RASL_R = 16, 20, 21, 1, 6, 8, 9


def test_every_picture_at_which_decoding_may_begin_is_a_key_frame(rtp, h265, stream):
    packer, packets = h265.Packer(), []
    kinds = [*range(16, 22), TRAIL_R, RADL_N, RASL_R, 0, 5]
    for number, kind in enumerate(kinds):
        packets += packer.fragments(h265.slice_unit(b"x" * 300, kind=kind), number * 6000, marker=True)
    pictures = play(rtp, stream, packets)
    assert [unit.key for unit in pictures.units] == [True] * 6 + [False] * 5


def test_pictures_that_are_shown_before_the_key_frame_they_follow_are_known(rtp, h265, stream):
    packer, packets = h265.Packer(), []
    for number, kind in enumerate([CRA, RASL_N, RASL_R, RADL_N, TRAIL_R]):
        units = [h265.sei(b"sei"), h265.slice_unit(b"x", kind=kind)]
        packets += packer.aggregate(0, units, number * 6000, marker=True)
    pictures = play(rtp, stream, packets)
    assert [unit.leading for unit in pictures.units] == [False, True, True, True, False]


def test_units_of_further_layers_and_reserved_kinds_are_left_out(rtp, h265, stream):
    packer, packets = h265.Packer(), []
    for number in range(50):
        unit = h265.slice_unit(b"base" * 40, key=number == 0)
        packets += packer.fragments(unit, number * 6000)
        packets += packer.fragments(bytes((1 << 1 | 0, 1 << 3 | 1, 0x80)) + b"layer 1" * 30, number * 6000)
        packets += packer.single(bytes((1 << 1 | 1, 1, 0x80)) + b"layer 32", number * 6000)
        packets += packer.single(bytes((25 << 1, 1, 0x80)) + b"reserved", number * 6000, marker=True)
    pictures = play(rtp, stream, packets)
    assert pictures.nals == [[h265.slice_unit(b"base" * 40, key=n == 0)] for n in range(50)]


def test_information_after_the_slices_stays_with_its_picture_or_goes(rtp, h265, stream):
    """A suffix SEI may not stand before a picture: where its own has gone out on the marker bit, it is dropped."""
    suffix = bytes((40 << 1, 1)) + b"hash"
    packer, packets = h265.Packer(), []
    for number in range(20):
        packets += packer.single(h265.slice_unit(b"s", key=number == 0), number * 6000, marker=True)
        packets += packer.single(suffix, number * 6000, marker=True)
    pictures = play(rtp, stream, packets)
    assert len(pictures.units) == 20
    assert all(h265.is_slice(nals[0]) for nals in pictures.nals)
    assert pictures.nals[0][1:] == [suffix]
    assert {len(nals) for nals in pictures.nals} == {1, 2}


def test_control_information_in_control_information_is_left_out(rtp, h265, stream):
    packer = h265.Packer()
    inner = packer.single(h265.slice_unit(b"x"), 0, marker=True)[0]
    nested = packer.with_extension(packer.with_extension(inner, b"abc"), b"def")
    short = [packer.packet(bytes((50 << 1, 1, 2)), 0), packer.packet(bytes((50 << 1, 1, 2, 0x1F0 & 0xFF)), 0)]
    packets = [nested, *short, *packer.single(h265.slice_unit(b"y", key=True), 6000, marker=True)]
    assert play(rtp, stream, packets).nals == [[h265.slice_unit(b"y", key=True)]]
    assert "torn packets left out" in stream[0].oddities


def test_zeros_that_look_like_the_header_of_a_slice_make_no_picture(rtp, h265, stream):
    """Found by the fuzzer: an empty picture went out, of which a file would have held a sample of no bytes."""
    packer = h265.Packer()
    whole = h265.slice_unit(b"x" * 300, key=True)
    packets = packer.single(whole, 0, marker=True)
    packets += packer.single(bytes(6) + b"\1" + h265.sei(b"sei"), 6000, marker=True)
    pictures = play(rtp, stream, packets)
    assert pictures.nals == [[whole]]
