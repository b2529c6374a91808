"""Heads of files and fragments, and decoder configuration."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.mp4 import RecordingDamaged, UnusableParameters, codec_string, fragment_header, init_segment
from vonggac.video.mp4.codec import parse_sample_entry, sample_entry
from vonggac.video.stream import VideoParameters

SPS = bytes.fromhex("6742c01fda02d0f684000003000400000300f03c60ca80")
PPS = bytes.fromhex("68ce3c80")
BASELINE = VideoParameters("h264", (SPS, PPS), 704, 480)


def test_a_fragment_is_laid_out_as_the_design_note_says():
    header = fragment_header(7, 0x1_0000_0000, [6000, 6000], [100, 50], key=True)
    assert header.hex(" ", 4) == (
        "0000006c 6d6f6f66"  # moof, 108 bytes
        " 00000010 6d666864 00000000 00000007"  # mfhd: sequence 7
        " 00000054 74726166"  # traf
        " 00000010 74666864 00020000 00000001"  # tfhd: default-base-is-moof, track 1
        " 00000014 74666474 01000000 00000001 00000000"  # tfdt: version 1
        " 00000028 7472756e 00000305 00000002 00000074 02000000"  # trun: two samples, 116 bytes on, the first sync
        " 00001770 00000064 00001770 00000032"  # duration and size of each
        " 0000009e 6d646174"  # mdat: 8 and 150 bytes
    )


def test_offsets_are_signed_only_where_they_must_be():
    unsigned = fragment_header(1, 0, [1, 1], [1, 1], [0, 5], key=False)
    signed = fragment_header(1, 0, [1, 1], [1, 1], [0, -5], key=False)
    assert unsigned[76:80].hex() == "00000b05"
    assert signed[76:80].hex() == "01000b05"
    assert signed[-12:-8].hex() == "fffffffb"


@pytest.mark.parametrize(
    "numbers",
    [
        (1, 0, [], []),
        (1, 0, [1] * 65_537, [1] * 65_537),
        (1, 0, [1, 1], [1 << 30, 1]),
        (1, -1, [1], [1]),
        (1, 0, [-1], [1]),
        (1, 0, [1 << 32], [1]),
        (1, 0, [1, 1], [1]),
        (1 << 32, 0, [1], [1]),
    ],
    ids=["none", "too many", "over 1 GiB", "before 0", "negative", "long", "uneven", "sequence"],
)
def test_numbers_that_do_not_fit_are_refused(numbers):
    with pytest.raises(ValueError, match=r"fit|assign"):
        fragment_header(*numbers, key=True)


def test_an_init_segment_carries_an_edit_only_where_there_is_a_delay():
    assert b"elst" not in init_segment(BASELINE, presentation_delay=0)
    assert b"elst" in init_segment(BASELINE, presentation_delay=6000)
    with pytest.raises(ValueError, match="delay"):
        init_segment(BASELINE, presentation_delay=-1)


def test_the_codec_is_named_as_browsers_want_it(plain, hevc):
    assert codec_string(BASELINE) == "avc1.42C01F"
    assert codec_string(plain.parameters).startswith("avc1.64")
    assert codec_string(hevc.parameters) == "hvc1.1.6.L30.90"


@pytest.mark.parametrize("kind", ["plain", "hevc"])
def test_a_sample_entry_comes_back(kind, request):
    parameters = request.getfixturevalue(kind).parameters
    read = parse_sample_entry(sample_entry(parameters))
    assert (read.codec, read.sets, read.width, read.height) == (
        parameters.codec,
        parameters.sets,
        parameters.width,
        parameters.height,
    )


@pytest.mark.parametrize(
    "parameters",
    [
        VideoParameters("h264", (SPS,), 704, 480),
        VideoParameters("h264", (PPS,), 704, 480),
        VideoParameters("h264", (SPS[:3], PPS), 704, 480),
        VideoParameters("h264", (b"\x67\x64\0\x1f", PPS), 704, 480),
        VideoParameters("h264", (SPS,) * 32 + (PPS,), 704, 480),
        VideoParameters("h264", (SPS, PPS), 0, 480),
        VideoParameters("h264", (SPS, PPS), 70_000, 480),
        VideoParameters("h265", (SPS, PPS), 704, 480),
        VideoParameters("mjpeg", (), 704, 480),
    ],
    ids=["no PPS", "no SPS", "short SPS", "torn SPS", "too many", "no width", "too wide", "no VPS", "other codec"],
)
def test_parameters_that_no_decoder_takes_are_refused_in_words(parameters):
    with pytest.raises(UnusableParameters):
        sample_entry(parameters)


@settings(deadline=None)
@given(st.sampled_from(["h264", "h265"]), st.lists(st.binary(max_size=60), max_size=6), st.binary(max_size=40))
def test_parameter_sets_of_any_kind_make_an_entry_or_are_refused(codec, sets, tail):
    heads = (b"\x67\x64\0\x1f", b"\x68") if codec == "h264" else (b"\x40\1", b"\x42\1\1", b"\x44\1")
    parameters = VideoParameters(codec, (*sets, *(head + tail for head in heads)), 16, 16)
    try:
        entry = sample_entry(parameters)
        codec_string(parameters)
    except UnusableParameters:
        return
    read = parse_sample_entry(entry)
    assert read.codec == codec
    assert set(read.sets) <= set(parameters.sets)


@settings(deadline=None)
@given(st.data())
def test_a_changed_sample_entry_is_read_or_refused(data):
    entry = bytearray(sample_entry(BASELINE))
    for _ in range(data.draw(st.integers(1, 4))):
        entry[data.draw(st.integers(0, len(entry) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(entry)))
    with suppress(RecordingDamaged):
        parse_sample_entry(bytes(entry[:end]))
