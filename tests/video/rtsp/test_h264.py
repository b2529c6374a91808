"""RTP packets to pictures: every packetisation, every cut of the byte stream, every oddity of real cameras."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.rtsp.depacketiser import MAX_PICTURE, TRUSTED_AFTER
from vonggac.video.rtsp.h264 import H264Depacketiser
from vonggac.video.rtsp.units import SCANNED_PICTURES

SETTINGS = settings(max_examples=60, deadline=None)


@pytest.fixture
def stream(rtp):
    """A depacketiser that knows its parameter sets, and what it hands over."""
    pictures = rtp.Pictures()
    return H264Depacketiser(pictures, parameter_sets=(rtp.SPS, rtp.PPS)), pictures


def play(rtp, stream, packets, cuts=()):
    rtp.feed(stream[0], rtp.interleave(packets), cuts)
    stream[0].finish()
    return stream[1]


def pictures_of(rtp, packer, count, *, start=0, size=250, first_key=True):
    """Packets of `count` plain pictures of one slice each."""
    packets = []
    for number in range(start, start + count):
        unit = rtp.slice_unit(bytes([number % 250 + 1]) * size, key=first_key and number == start)
        packets += packer.fragments(unit, number * 6000, marker=True)
    return packets


# Bodies without zero bytes hold no start code, as in any real unit.
body = st.binary(min_size=1, max_size=700).map(lambda data: data.replace(b"\0", b"\1"))


@st.composite
def packetised(draw):
    """Pictures of random units, and for each group of units a way to pack it."""
    pictures = []
    for number in range(draw(st.integers(1, 6))):
        units = [b"\x06" + data for data in draw(st.lists(body, max_size=2))]
        slices = draw(st.lists(body, min_size=1, max_size=3))
        key = number == 0 or draw(st.booleans())
        for index, data in enumerate(slices):
            units.append(bytes((0x65 if key else 0x41, 0x80 if index == 0 else 0x40)) + data)
        ways = [draw(st.sampled_from(["single", "fu-a", "fu-b", 24, 25, 26, 27])) for _ in units]
        pictures.append((units, ways, key))
    return pictures


@SETTINGS
@given(pictures=packetised(), seed=st.integers(0, 2**32), sequence=st.sampled_from([0, 65533, 30000]))
def test_every_packetisation_cut_anywhere_gives_the_same_units(rtp, pictures, seed, sequence):
    rng = random.Random(seed)
    packer, packets = rtp.Packer(sequence=sequence), []
    for number, (units, ways, _) in enumerate(pictures):
        time = 0xFFFFFFFF - 9000 + number * 6000
        for index, (unit, way) in enumerate(zip(units, ways, strict=True)):
            marker = index == len(units) - 1
            if way == "single":
                packets += packer.single(unit, time, marker)
            elif isinstance(way, int):
                packets += packer.aggregate(way, [unit], time, marker)
            else:
                packets += packer.fragments(unit, time, marker, rng.randint(1, 300), 9 if way == "fu-b" else None)
    data = rtp.interleave(packets)
    cuts = [rng.randrange(len(data)) for _ in range(rng.randint(0, 30))]
    collected = rtp.Pictures()
    depacketiser = H264Depacketiser(collected, parameter_sets=(rtp.SPS, rtp.PPS))
    rtp.feed(depacketiser, data, cuts)
    depacketiser.finish()
    assert collected.nals == [units for units, _, _ in pictures]
    assert [unit.key for unit in collected.units] == [key for _, _, key in pictures]
    assert [unit.pts - collected.units[0].pts for unit in collected.units] == [6000 * n for n in range(len(pictures))]
    assert depacketiser.packets == len(packets)
    assert depacketiser.lost == 0
    assert not depacketiser.oddities


def test_several_units_in_one_aggregate_make_one_picture(rtp, stream):
    packer = rtp.Packer()
    units = [b"\x06sei", rtp.slice_unit(b"one", key=True), rtp.slice_unit(b"two", key=True, leads=False)]
    packets = packer.aggregate(24, [b"\x09\x10", rtp.SPS, rtp.PPS, *units], 0, marker=True)
    assert play(rtp, stream, packets).nals == [units]


def test_an_aggregate_of_several_times_gives_a_picture_for_each(rtp, stream):
    one, two = rtp.slice_unit(b"one", key=True), rtp.slice_unit(b"two")
    payload = b"\x7a\0\1" + struct.pack(">HBH", len(one), 0, 0) + one + struct.pack(">HBH", len(two), 1, 6000) + two
    pictures = play(rtp, stream, [rtp.Packer().packet(payload, 500, marker=True)])
    assert [(unit.pts, nals) for unit, nals in zip(pictures.units, pictures.nals, strict=True)] == [
        (500, [one]),
        (6500, [two]),
    ]


def test_a_late_or_doubled_packet_is_left_out(rtp, stream):
    packets = pictures_of(rtp, rtp.Packer(), 4)
    pictures = play(rtp, stream, [*packets[:5], packets[4], packets[1], *packets[5:]])
    assert len(pictures.units) == 4
    assert stream[0].lost == 0
    assert all(unit.lost_before == 0 for unit in pictures.units)


@pytest.mark.parametrize("hole", [1, 2, 3, 4, 5, 11])
def test_a_lost_packet_costs_its_own_picture_and_is_told_with_the_next(rtp, stream, hole):
    packets = pictures_of(rtp, rtp.Packer(sequence=65534), 5)  # three packets a picture
    pictures = play(rtp, stream, packets[:hole] + packets[hole + 1 :])
    damaged = hole // 3
    assert [unit.pts // 6000 for unit in pictures.units] == [n for n in range(5) if n != damaged]
    assert [unit.lost_before for unit in pictures.units] == [int(n == damaged) for n in range(4)]
    assert stream[0].lost == 1


def test_losses_over_several_pictures_are_counted_once(rtp, stream):
    packets = pictures_of(rtp, rtp.Packer(), 8)
    pictures = play(rtp, stream, packets[:4] + packets[13:])
    assert stream[0].lost == 9
    assert [(unit.pts // 6000, unit.lost_before) for unit in pictures.units] == [(0, 0), (5, 9), (6, 0), (7, 0)]


def test_a_stream_entered_in_mid_picture_begins_with_the_next_whole_one(rtp, stream):
    packets = pictures_of(rtp, rtp.Packer(), 3)
    pictures = play(rtp, stream, packets[1:])
    assert [unit.pts for unit in pictures.units] == [6000, 12000]
    assert pictures.units[0].lost_before == 0


def test_time_goes_on_over_the_wrap_and_back_for_b_frames(rtp, stream):
    packer, packets = rtp.Packer(), []
    times = [2**32 - 6000, 12000, 0, 6000, 30000, 18000, 24000]
    for number, time in enumerate(times):
        packets += packer.single(rtp.slice_unit(b"x", key=number == 0), time, marker=True)
    pictures = play(rtp, stream, packets)
    assert [unit.pts - 2**32 for unit in pictures.units] == [-6000, 12000, 0, 6000, 30000, 18000, 24000]
    assert stream[0].presentation_time(30000) == 2**32 + 30000


def test_a_marker_on_the_sei_splits_no_picture(rtp, stream):
    packer, packets = rtp.Packer(), []
    for number in range(TRUSTED_AFTER + 4):
        time = number * 6000
        packets += packer.single(b"\x06sei", time, marker=True)
        packets += packer.fragments(rtp.slice_unit(b"s" * 300, key=number == 0), time, marker=True)
    pictures = play(rtp, stream, packets)
    assert [len(nals) for nals in pictures.nals] == [2] * (TRUSTED_AFTER + 4)


def test_a_marker_on_every_slice_splits_no_picture(rtp, stream):
    packer, packets = rtp.Packer(), []
    for number in range(12):
        for part in range(3):
            unit = rtp.slice_unit(bytes([part + 1]) * 300, key=number == 0, leads=part == 0)
            packets += packer.fragments(unit, number * 6000, marker=True)
    packets += packer.single(rtp.slice_unit(b"end"), 12 * 6000)
    pictures = play(rtp, stream, packets)
    assert [len(nals) for nals in pictures.nals] == [3] * 12
    assert "marker bits in the wrong place" in stream[0].oddities


def test_parameter_sets_between_the_slices_of_a_picture_split_nothing(rtp, stream):
    packer, packets = rtp.Packer(), []
    for number in range(TRUSTED_AFTER + 3):
        for part in range(3):
            packets += packer.single(rtp.SPS, number * 6000) + packer.single(rtp.PPS, number * 6000)
            unit = rtp.slice_unit(bytes([part + 1]) * 300, key=True, leads=part == 0)
            packets += packer.fragments(unit, number * 6000, marker=part == 2)
    pictures = play(rtp, stream, packets)
    assert [len(nals) for nals in pictures.nals] == [3] * (TRUSTED_AFTER + 3)
    assert not stream[0].oddities


def test_a_camera_without_marker_bits_is_cut_by_its_time_stamps(rtp, stream):
    packer, packets = rtp.Packer(), []
    for number in range(5):
        packets += packer.fragments(rtp.slice_unit(b"s" * 300, key=number == 0), number * 6000)
    assert [len(nals) for nals in play(rtp, stream, packets).nals] == [1] * 4


def test_a_camera_whose_time_stands_still_is_cut_by_first_slices(rtp, stream):
    packer, packets = rtp.Packer(), []
    for number in range(5):
        packets += packer.fragments(rtp.slice_unit(b"s" * 300, key=number == 0), 777)
    assert [len(nals) for nals in play(rtp, stream, packets).nals] == [1] * 4


def test_once_trusted_a_marker_hands_the_picture_over_at_once(rtp, stream):
    packer = rtp.Packer()
    packets = pictures_of(rtp, packer, TRUSTED_AFTER + 3)
    rtp.feed(stream[0], rtp.interleave(packets))
    assert stream[0].access_units == TRUSTED_AFTER + 3


def test_a_marker_that_lies_after_it_was_trusted_marks_the_damage(rtp, stream):
    packer = rtp.Packer()
    packets = pictures_of(rtp, packer, TRUSTED_AFTER + 2)
    time = 1_000_000
    packets += packer.single(rtp.slice_unit(b"first half"), time, marker=True)
    packets += packer.single(rtp.slice_unit(b"second half", leads=False), time, marker=True)
    packets += packer.single(rtp.slice_unit(b"next"), time + 6000, marker=True)
    pictures = play(rtp, stream, packets)
    assert pictures.units[-1].lost_before == 1
    assert len(pictures.units) == TRUSTED_AFTER + 4


def test_units_parted_by_start_codes_in_one_payload_are_told_apart(rtp, stream):
    packer = rtp.Packer()
    units = [b"\x06sei", rtp.slice_unit(b"k" * 900, key=True)]
    joined = b"\0\0\0\1".join([rtp.SPS, rtp.PPS, *units])
    packets = packer.fragments(joined, 0, marker=True)
    packets += packer.single(b"\0\0\0\1" + rtp.slice_unit(b"with a leading one"), 6000, marker=True)
    packets += packer.single(rtp.slice_unit(b"a") + b"\0\0\1" + rtp.slice_unit(b"b", leads=False), 12000, marker=True)
    pictures = play(rtp, stream, packets)
    assert pictures.nals == [
        units,
        [rtp.slice_unit(b"with a leading one")],
        [rtp.slice_unit(b"a"), rtp.slice_unit(b"b", leads=False)],
    ]
    assert stream[0].oddities == {"start codes inside RTP payloads"}


def test_fragment_headers_that_disagree_lose_nothing(rtp, stream):
    packer = rtp.Packer()
    unit = rtp.slice_unit(b"x" * 400, key=True)
    packets = packer.fragments(unit, 0, marker=True)
    packets[1] = packets[1][:12] + bytes((0x1C, 0x01)) + packets[1][14:]
    assert play(rtp, stream, packets).nals == [[unit]]
    assert "fragment headers that disagree" in stream[0].oddities


def test_a_fragmented_unit_without_an_end_is_closed_by_what_follows(rtp, stream):
    packer = rtp.Packer()
    unit = rtp.slice_unit(b"x" * 400, key=True)
    packets = packer.fragments(unit, 0)
    packets[-1] = packets[-1][:13] + bytes((packets[-1][13] & 0x3F,)) + packets[-1][14:]
    packets += packer.single(b"\0\0\1" + rtp.slice_unit(b"more", leads=False), 0, marker=True)
    packets += packer.single(rtp.slice_unit(b"next"), 6000, marker=True)
    assert play(rtp, stream, packets).nals == [[unit, rtp.slice_unit(b"more", leads=False)], [rtp.slice_unit(b"next")]]
    assert "fragments without an end" in stream[0].oddities


def test_padding_extension_and_sources_in_the_header_are_read_past(rtp, stream):
    unit = rtp.slice_unit(b"picture", key=True)
    head = struct.pack(">BBHII", 0x80 | 0x20 | 0x10 | 2, 0x80 | 96, 7, 0, 1) + b"\0" * 8
    extension = b"\xab\xac\0\3" + b"\0" * 12
    pictures = play(rtp, stream, [head + extension + unit + b"\0\0\3"])
    assert pictures.nals == [[unit]]


def test_changed_parameter_sets_give_new_parameters_with_the_next_picture(rtp, stream, x264):
    other = x264(frames=1, size=(640, 360))[0].units
    sets = [unit for unit in other if unit[0] & 31 in (7, 8)]
    packer = rtp.Packer()
    packets = pictures_of(rtp, packer, 2)
    packets += packer.aggregate(24, [rtp.SPS, rtp.PPS], 12000)  # the same again: nothing changes
    packets += pictures_of(rtp, packer, 1, start=2, first_key=True)
    packets += packer.aggregate(24, sets, 18000)
    packets += pictures_of(rtp, packer, 2, start=3)
    pictures = play(rtp, stream, packets)
    parameters = [unit.parameters for unit in pictures.units]
    assert parameters[0] is parameters[1] is parameters[2]
    assert parameters[3] is parameters[4] is not parameters[2]
    assert (parameters[0].width, parameters[0].height) == (320, 180)
    assert (parameters[3].width, parameters[3].height) == (640, 360)
    assert parameters[3].sets == tuple(sets)


def test_pictures_wait_for_parameter_sets_that_come_in_band(rtp):
    pictures = rtp.Pictures()
    depacketiser = H264Depacketiser(pictures)
    packer = rtp.Packer()
    packets = pictures_of(rtp, packer, 2)
    packets += packer.single(rtp.SPS, 12000) + packer.single(rtp.PPS, 12000)
    packets += pictures_of(rtp, packer, 2, start=2)
    play(rtp, (depacketiser, pictures), packets)
    assert [unit.pts for unit in pictures.units] == [12000, 18000]
    assert "pictures before the first parameter sets left out" in depacketiser.oddities


def test_a_picture_beyond_the_limit_is_dropped_and_the_next_comes(rtp, stream):
    packer = rtp.Packer()
    huge = rtp.slice_unit(b"\x55" * (MAX_PICTURE + 100_000), key=True)
    packets = packer.fragments(huge, 0, marker=True, size=60_000)
    packets += pictures_of(rtp, packer, 2, start=1)
    pictures = play(rtp, stream, packets, cuts=range(0, MAX_PICTURE, 200_000))
    assert [unit.pts for unit in pictures.units] == [6000, 12000]
    assert pictures.units[0].lost_before == 1
    assert "pictures of over 8 MiB left out" in stream[0].oddities


def test_a_stream_begun_anew_by_the_camera_is_marked_not_counted(rtp, stream):
    packets = pictures_of(rtp, rtp.Packer(), 3)
    packets += pictures_of(rtp, rtp.Packer(sequence=40_000, ssrc=99), 3, start=10)
    pictures = play(rtp, stream, packets)
    assert len(pictures.units) == 6
    assert stream[0].lost == 0
    assert [unit.lost_before for unit in pictures.units] == [0, 0, 0, 1, 0, 0]


def test_an_unannounced_payload_type_is_taken_when_no_other_comes(rtp, stream):
    packets = pictures_of(rtp, rtp.Packer(payload_type=97), 40)
    pictures = play(rtp, stream, packets)
    assert len(pictures.units) > 15
    assert "payload type differs from the announced one" in stream[0].oddities


def test_arrival_is_when_the_last_packet_of_the_picture_was_read(rtp, stream):
    packets = pictures_of(rtp, rtp.Packer(), 3)
    for number, packet in enumerate(packets):
        rtp.feed(stream[0], rtp.interleave([packet]), now_ns=number)
    stream[0].finish()
    assert [unit.arrived_ns for unit in stream[1].units] == [2, 5, 8]


@SETTINGS
@given(st.lists(st.binary(max_size=80), max_size=30), st.booleans())
def test_no_packet_whatever_is_in_it_does_harm(rtp, payloads, framed):
    pictures = rtp.Pictures()
    depacketiser = H264Depacketiser(pictures, parameter_sets=(rtp.SPS, rtp.PPS))
    packer = rtp.Packer()
    packets = [packer.packet(payload, 6000 * (n // 3)) if framed else payload for n, payload in enumerate(payloads)]
    rtp.feed(depacketiser, rtp.interleave(packets))
    depacketiser.finish()
    for unit in pictures.units:
        rtp.split_lengths(unit.data)
    assert len(depacketiser.oddities) <= 32


@SETTINGS
@given(data=st.data())
def test_flipped_bits_in_a_good_stream_never_tear_the_form_of_a_picture(rtp, data):
    packer = rtp.Packer()
    packets = packer.aggregate(24, [rtp.SPS, rtp.PPS], 0) + pictures_of(rtp, packer, 5)
    for _ in range(data.draw(st.integers(1, 12))):
        number = data.draw(st.integers(0, len(packets) - 1))
        packet = bytearray(packets[number])
        packet[data.draw(st.integers(0, min(20, len(packet) - 1)))] ^= data.draw(st.integers(1, 255))
        packets[number] = bytes(packet)
    pictures = rtp.Pictures()
    depacketiser = H264Depacketiser(pictures, parameter_sets=(rtp.SPS, rtp.PPS))
    rtp.feed(depacketiser, rtp.interleave(packets))
    depacketiser.finish()
    for unit in pictures.units:
        rtp.split_lengths(unit.data)


@SETTINGS
@given(seed=st.integers(0, 2**32))
def test_the_short_ways_give_what_the_long_way_gives(rtp, seed):
    """A stream that is trusted, then torn: read in one go, and packet by packet (which knows no short way)."""
    rng = random.Random(seed)
    packer = rtp.Packer(sequence=rng.choice([0, 65500, 30000]))
    packets = pictures_of(rtp, packer, SCANNED_PICTURES + 2, size=30)
    for number in range(SCANNED_PICTURES + 2, SCANNED_PICTURES + 2 + rng.randint(2, 20)):
        time = number * 6000 if rng.random() < 0.9 else rng.choice([(number - 1) * 6000, 0xFFFF_FFFF])
        key = rng.random() < 0.2
        units = [b"\x06sei"] * (rng.random() < 0.2) + [rtp.SPS, rtp.PPS] * (key and rng.random() < 0.5)
        units.append(rtp.slice_unit(bytes([number]) * rng.randint(1, 300), key=key))
        units += [rtp.slice_unit(b"more" * 20, key=key, leads=rng.random() < 0.2)] * (rng.random() < 0.2)
        for unit in units:
            pack = rng.choice([packer.fragments, packer.single])
            packets += pack(unit, time, unit is units[-1] if rng.random() < 0.9 else rng.random() < 0.5)
    for _ in range(rng.choice([0, 0, 1, 1, 3])):  # now and then a packet is lost, doubled, late or broken
        at = rng.randrange(len(packets) * 9 // 10, len(packets)) if rng.random() < 0.5 else rng.randrange(len(packets))
        packet = bytearray(packets[at])
        packet[rng.randrange(min(20, len(packet)))] ^= rng.randint(1, 255)
        packets[at : at + 1] = rng.choice([[], [packets[at]] * 2, [bytes(packet)], [bytes(packet), packets[at]]])

    told = []
    for one_by_one in (False, True):
        pictures = rtp.Pictures()
        depacketiser = H264Depacketiser(pictures, parameter_sets=(rtp.SPS, rtp.PPS))
        if one_by_one:
            for packet in packets:
                depacketiser.packet(memoryview(packet), 0, len(packet), 1)
        else:
            data = rtp.interleave(packets)
            rtp.feed(depacketiser, data, [rng.randrange(len(data)) for _ in range(rng.randint(0, 30))])
        depacketiser.finish()
        told.append((pictures.units, depacketiser.packets, depacketiser.lost, depacketiser.oddities))
    assert told[0] == told[1]
