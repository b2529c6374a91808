"""Parameter sets: against an encoder and a decoder that no one here wrote, and against noise."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.bits import MalformedParameterSet
from vonggac.video.rtsp.sps import ParameterSets, parse_pps, parse_sps, slice_pps


@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (1920, 1080), (704, 576), (354, 290)])
@pytest.mark.parametrize(("bframes", "reorder"), [(0, 0), (1, 1), (3, 2)])
def test_size_rate_and_reordering_are_what_the_encoder_was_told(encode, size, bframes, reorder):
    units = encode(frames=1, size=size, bframes=bframes)[0].units
    parsed = parse_sps(next(unit for unit in units if unit[0] & 31 == 7))
    assert (parsed.width, parsed.height) == size
    assert parsed.fps == 15.0
    assert parsed.frame_mbs_only
    assert parsed.reorder_frames == reorder


def bits(text: str) -> bytes:
    """Bits as bytes, filled up with zeros."""
    text = text.replace(" ", "")
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def small_set(profile: int, identity: str) -> bytes:
    """A set of 32×32 without usability information: id as written in bits, counts 0 and 1, no cropping."""
    return bytes((0x67, profile, 0, 30)) + bits(identity + "1 1 1 010 0 010 010 1 0 0 0 1")


def test_without_a_declaration_baseline_does_not_reorder_and_main_is_unknown():
    assert parse_sps(small_set(66, "1")).reorder_frames == 0
    assert parse_sps(small_set(77, "1")).reorder_frames is None
    assert (parse_sps(small_set(77, "1")).width, parse_sps(small_set(77, "1")).height) == (32, 32)


def test_the_same_sets_again_keep_the_same_object(rtp):
    sets = ParameterSets()
    sets.add(rtp.SPS)
    assert sets.parameters is None
    sets.add(rtp.PPS)
    first = sets.parameters
    sets.add(rtp.SPS + b"\0\0")
    assert sets.parameters is first
    assert first.sets == (rtp.SPS, rtp.PPS)


def test_a_picture_says_which_of_several_sets_is_in_force(rtp):
    sets = ParameterSets(declared_fps=12.5)
    for unit in (rtp.SPS, rtp.PPS, small_set(77, "010"), b"\x68" + bits("010 010 1") + b"\1\1"):
        sets.add(unit)
    assert sets.several
    assert (sets.parameters.width, sets.parameters.declared_fps) == (320, 15.0)
    sets.activate(b"\x65" + bits("1 0001000 010 1"))  # first macroblock 0, an I slice, picture set 1
    assert (sets.parameters.width, sets.parameters.declared_fps) == (32, 12.5)
    sets.activate(b"\x65" + bits("1 0001000 1 1"))
    assert sets.parameters.width == 320


def test_a_set_that_cannot_be_read_leaves_the_old_one_in_force(rtp):
    sets = ParameterSets()
    sets.add(rtp.SPS)
    sets.add(rtp.PPS)
    before = sets.parameters
    for broken in (b"\x67", b"\x67\x42\xc0", b"\x68", b"", b"\x67" + b"\x11" * 5000):
        with pytest.raises(MalformedParameterSet):
            sets.add(broken)
    assert sets.parameters is before


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=64), st.sampled_from([b"\x67", b"\x68", b"\x67\x64\0\x1f", b""]))
def test_noise_is_read_or_refused(data, start):
    for read in (parse_sps, parse_pps, slice_pps, ParameterSets().add):
        with contextlib.suppress(MalformedParameterSet):
            read(start + data)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 21), st.integers(1, 255))
def test_a_flipped_byte_is_read_or_refused(rtp, at, flip):
    damaged = bytearray(rtp.SPS)
    damaged[at] ^= flip
    with contextlib.suppress(MalformedParameterSet):
        parsed = parse_sps(bytes(damaged))
        assert 0 < parsed.width <= 16384
        assert 0 < parsed.height <= 16384
