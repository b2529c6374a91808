"""H.265 parameter sets: against an encoder and a reader that no one here wrote, and against noise."""

from __future__ import annotations

import contextlib
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.bits import MalformedParameterSet
from vonggac.video.rtsp.hevc_sps import HevcParameterSets, parse_pps, parse_sps, parse_vps, slice_pps


class BitWriter:
    """Writes what the standard describes; shares nothing with the reader."""

    def __init__(self):
        self.text = ""

    def u(self, count, value):
        self.text += f"{value:0{count}b}" if count else ""
        return self

    def ue(self, *values):
        for value in values:
            binary = f"{value + 1:b}"
            self.text += "0" * (len(binary) - 1) + binary
        return self

    def se(self, value):
        return self.ue(2 * value - 1 if value > 0 else -2 * value)

    def unit(self, kind):
        """The unit with its header, trailing bits and emulation prevention bytes (§7.3.1.1)."""
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        payload = int(text, 2).to_bytes(len(text) // 8, "big")
        return bytes((kind << 1, 1)) + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\0\0\3", payload)


def profile_tier_level(bits, sub_layers=1, profile=1, tier=0, level=93):
    bits.u(2, 0).u(1, tier).u(5, profile).u(32, 0x60000000).u(4, 0b1001).u(43, 0).u(1, 0).u(8, level)
    for _ in range(sub_layers - 1):
        bits.u(1, 1).u(1, 1)
    if sub_layers > 1:
        bits.u(2 * (9 - sub_layers), 0)
    for _ in range(sub_layers - 1):
        bits.u(88, 1 << 83).u(8, 60)
    return bits


def full_sps(sub_layers=3, units=1001, scale=25_000):
    """A set with everything in it that cameras leave out: sub-layers, lists, predicted reference sets, timing."""
    bits = profile_tier_level(BitWriter().u(4, 0).u(3, sub_layers - 1).u(1, 1), sub_layers, tier=1, level=120)
    bits.ue(3, 1, 1928, 1088).u(1, 1).ue(2, 2, 0, 4).ue(0, 0, 4).u(1, 1)
    for layer in range(sub_layers):
        bits.ue(4, layer, 0)
    bits.ue(0, 2, 0, 3, 1, 1)
    bits.u(1, 1).u(1, 1)
    for size in range(4):
        for matrix in range(2 if size == 3 else 6):
            if matrix == 1:
                bits.u(1, 0).ue(1)
                continue
            bits.u(1, 1)
            if size > 1:
                bits.se(-3)
            for _ in range(min(64, 1 << 4 + 2 * size)):
                bits.se(1)
    bits.u(2, 3).u(1, 1).u(4, 7).u(4, 7).ue(0, 1).u(1, 0)
    bits.ue(3)
    bits.ue(2, 1).ue(0).u(1, 1).ue(1).u(1, 1).ue(0).u(1, 1)  # -1, -3, +1
    bits.u(1, 1).u(1, 1).ue(0).u(1, 1).u(1, 0).u(1, 1).u(1, 0).u(1, 0).u(1, 1)  # by -1: -1 → -2, -3 → -4, +1 → 0; -1
    bits.u(1, 1).u(1, 0).ue(1).u(1, 1).u(1, 1).u(1, 1).u(1, 1)
    bits.u(1, 1).ue(2).u(8, 17).u(1, 1).u(8, 33).u(1, 0)
    bits.u(2, 3)
    bits.u(1, 1)  # usability information
    bits.u(1, 1).u(8, 255).u(16, 4).u(16, 3)
    bits.u(1, 1).u(1, 0).u(1, 1).u(4, 5).u(1, 1).u(24, 0x010101).u(1, 1).ue(0, 0).u(3, 0b010)
    bits.u(1, 1).ue(0, 0, 1, 1).u(1, 1).u(32, units).u(32, scale).u(1, 0).u(1, 0).u(1, 0)
    return bits.u(1, 0).unit(33)


@pytest.mark.parametrize("size", [(320, 180), (1280, 720), (1920, 1080), (704, 576), (354, 290)])
@pytest.mark.parametrize(("bframes", "reorder"), [(0, 0), (1, 1), (3, 2)])
def test_size_rate_and_reordering_are_what_the_encoder_was_told(encode, h265, size, bframes, reorder):
    units = encode("h265", frames=1, size=size, bframes=bframes)[0].units
    vps, sps, pps = (next(unit for unit in units if h265.kind(unit) == kind) for kind in h265.set_kinds)
    parsed = parse_sps(sps)
    assert (parsed.width, parsed.height, parsed.fps, parsed.reorder_frames) == (*size, 15.0, reorder)
    assert (parsed.profile, parsed.high_tier, parsed.sub_layers, parsed.interlaced) == (1, False, 1, False)
    assert (parse_vps(vps), parse_pps(pps)) == ((0, None), (0, 0))


def test_a_set_with_everything_in_it_is_read_as_ffmpeg_reads_it(h265, tmp_path):
    unit = full_sps()
    path = tmp_path / "sets.hevc"
    path.write_bytes(b"".join(b"\0\0\0\1" + one for one in (h265.sets[0], unit)))
    command = [
        "ffmpeg",
        "-nostdin",
        "-f",
        "hevc",
        "-i",
        path,
        "-c",
        "copy",
        "-bsf:v",
        "trace_headers",
        "-f",
        "null",
        "-",
    ]
    traced = subprocess.run(command, capture_output=True, text=True, timeout=30).stderr
    assert re.search(r"num_units_in_tick\s+\d+ = 1001", traced), traced
    assert re.search(r"vui_time_scale\s+\d+ = 25000", traced)
    parsed = parse_sps(unit)
    assert (parsed.width, parsed.height) == (1920, 1080)
    assert parsed.fps == pytest.approx(25_000 / 1001)
    assert (parsed.id, parsed.sub_layers, parsed.reorder_frames, parsed.high_tier, parsed.level) == (3, 3, 2, True, 120)
    assert parsed.interlaced


def test_the_rate_may_stand_in_the_video_parameter_set_alone(h265):
    bits = profile_tier_level(BitWriter().u(4, 0).u(2, 3).u(6, 0).u(3, 0).u(1, 1).u(16, 0xFFFF))
    bits.u(1, 1).ue(4, 2, 0).u(6, 1).ue(2).u(2, 3).u(2, 1).u(1, 1).u(32, 2).u(32, 25).u(1, 0).ue(0).u(1, 0)
    vps = bits.unit(32)
    assert parse_vps(vps) == (0, 12.5)
    sets = HevcParameterSets(declared_fps=30.0)
    for unit in (vps, full_sps(units=0), bytes((34 << 1, 1)) + bytes((0b10010000, 0x80))):
        sets.add(unit)
    assert sets.parameters.declared_fps == 12.5


def test_without_a_rate_anywhere_the_description_counts(h265):
    sets = HevcParameterSets(declared_fps=12.5)
    for unit in (h265.sets[0], full_sps(units=0), h265.sets[2]):
        sets.add(unit)
    assert sets.parameters.declared_fps == 12.5


def test_a_picture_says_which_of_several_sets_is_in_force(h265):
    sets = HevcParameterSets()
    for unit in h265.sets:
        sets.add(unit)
    sets.add(full_sps())
    sets.add(BitWriter().ue(1, 3).unit(34))
    assert sets.several
    assert sets.parameters.width == 320
    sets.activate(bytes((19 << 1, 1)) + b"\xa0")  # first slice, no output flag 0, then picture set 1: 010
    sets.activate(BitWriter().u(1, 1).u(1, 0).ue(1).unit(19))
    assert sets.parameters.width == 1920
    sets.activate(BitWriter().u(1, 1).u(1, 0).ue(0).unit(21))
    assert sets.parameters.width == 320


def test_nothing_is_known_until_all_three_kinds_have_come(h265):
    sets = HevcParameterSets()
    for unit in h265.sets:
        assert sets.parameters is None
        sets.add(unit)
        assert sets.changed
    first = sets.parameters
    assert (first.codec, first.sets) == ("h265", h265.sets)
    sets.add(h265.sets[1] + b"\0\0")
    assert not sets.changed
    assert sets.parameters is first


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120), st.sampled_from([b"\x40\1", b"\x42\1", b"\x42\1\1\1\x60", b"\x44\1", b""]))
def test_noise_is_read_or_refused(data, start):
    for read in (parse_vps, parse_sps, parse_pps, slice_pps, HevcParameterSets().add):
        with contextlib.suppress(MalformedParameterSet):
            read(start + data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_flipped_byte_is_read_or_refused(h265, data):
    whole = data.draw(st.sampled_from([*h265.sets, full_sps()]))
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(2, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    read = {32: parse_vps, 33: parse_sps, 34: parse_pps}[whole[0] >> 1]
    with contextlib.suppress(MalformedParameterSet):
        parsed = read(bytes(damaged))
        if whole[0] >> 1 == 33:
            assert 0 < parsed.width <= 16384
            assert 0 < parsed.height <= 16384
            assert 0 <= parsed.reorder_frames <= 16


@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\x55", b"\xaa"])
def test_the_largest_set_is_read_or_refused_too(fill):
    for kind in (32, 33, 34):
        with contextlib.suppress(MalformedParameterSet):
            HevcParameterSets().add(bytes((kind << 1, 1)) + full_sps()[2:15] + fill * 4000 + b"\1")
    with pytest.raises(MalformedParameterSet):
        HevcParameterSets().add(b"\x42\1" + b"\1" * 5000)
