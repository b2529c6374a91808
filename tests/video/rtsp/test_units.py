"""RTP packets to pictures, for both codecs: every packetisation, every cut of the stream, every oddity of cameras."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.rtsp.depacketiser import MAX_PICTURE, TRUSTED_AFTER
from vonggac.video.rtsp.units import SCANNED_PICTURES

SETTINGS = settings(max_examples=60, deadline=None)


@pytest.fixture
def stream(rtp, codec):
    """A depacketiser that knows its parameter sets, and what it hands over."""
    pictures = rtp.Pictures()
    return codec.Depacketiser(pictures, parameter_sets=codec.sets), pictures


def play(rtp, stream, packets, cuts=()):
    rtp.feed(stream[0], rtp.interleave(packets), cuts)
    stream[0].finish()
    return stream[1]


def pictures_of(codec, packer, count, *, start=0, size=250, first_key=True):
    """Packets of `count` plain pictures of one slice each."""
    packets = []
    for number in range(start, start + count):
        unit = codec.slice_unit(bytes([number % 250 + 1]) * size, key=first_key and number == start)
        packets += packer.fragments(unit, number * 6000, marker=True)
    return packets


def changed_fragment(codec, packet, *, starts=None, ends=None, kind=None):
    """The same packet with another start bit, end bit or type in its fragment header."""
    at = 13 if codec.name == "h264" else 14
    bits = packet[at]
    for mask, wanted in ((0x80, starts), (0x40, ends)):
        if wanted is not None:
            bits = bits & ~mask | mask * wanted
    if kind is not None:
        bits = bits & 0xC0 | kind
    return packet[:at] + bytes((bits,)) + packet[at + 1 :]


# Bodies without zero bytes hold no start code, as in any real unit.
body = st.binary(min_size=1, max_size=700).map(lambda data: data.replace(b"\0", b"\1"))


@st.composite
def packetised(draw):
    """Pictures of random units, and for each unit which of a codec's ways to pack it."""
    pictures = []
    for number in range(draw(st.integers(1, 6))):
        others = draw(st.lists(body, max_size=2))
        slices = draw(st.lists(body, min_size=1, max_size=3))
        ways = [draw(st.integers(0, 99)) for _ in (*others, *slices)]
        pictures.append((others, slices, ways, number == 0 or draw(st.booleans())))
    return pictures


@SETTINGS
@given(
    pictures=packetised(),
    seed=st.integers(0, 2**32),
    sequence=st.sampled_from([0, 65533, 30000]),
    order_numbers=st.booleans(),
)
def test_every_packetisation_cut_anywhere_gives_the_same_units(rtp, codec, pictures, seed, sequence, order_numbers):
    rng = random.Random(seed)
    packer, packets, sent = codec.Packer(sequence=sequence), [], []
    order_numbers = order_numbers and codec.name == "h265"  # in H.264 packets say themselves whether they have one
    if order_numbers:
        packer.order_numbers = True
    for number, (others, slices, ways, key) in enumerate(pictures):
        time = 0xFFFFFFFF - 9000 + number * 6000
        units = [codec.sei(data) for data in others]
        units += [codec.slice_unit(data, key=key, leads=at == 0) for at, data in enumerate(slices)]
        sent.append(units)
        for index, (unit, choice) in enumerate(zip(units, ways, strict=True)):
            marker, way = index == len(units) - 1, codec.ways[choice % len(codec.ways)]
            if way == "single":
                packets += packer.single(unit, time, marker)
            elif way == "extension":
                extension = rng.randbytes(rng.randint(0, 31))
                inner = packer.fragments(unit, time, marker, rng.randint(1, 300))
                packets += [packer.with_extension(packet, extension) for packet in inner]
            elif way in ("fragments", "fu-b"):
                order = 9 if way == "fu-b" else None
                packets += packer.fragments(unit, time, marker, rng.randint(1, 300), order)
            else:
                packets += packer.aggregate(way, [unit], time, marker)
    data = rtp.interleave(packets)
    cuts = [rng.randrange(len(data)) for _ in range(rng.randint(0, 30))]
    collected = rtp.Pictures()
    depacketiser = codec.Depacketiser(collected, parameter_sets=codec.sets)
    if order_numbers:
        depacketiser.order_numbers = True
    rtp.feed(depacketiser, data, cuts)
    depacketiser.finish()
    assert collected.nals == sent
    assert [unit.key for unit in collected.units] == [key for *_, key in pictures]
    assert [unit.pts - collected.units[0].pts for unit in collected.units] == [6000 * n for n in range(len(pictures))]
    assert depacketiser.packets == len(packets)
    assert depacketiser.lost == 0
    assert not depacketiser.oddities


def test_several_units_in_one_aggregate_make_one_picture(rtp, codec, stream):
    packer = codec.Packer()
    units = [codec.sei(b"sei"), codec.slice_unit(b"one", key=True), codec.slice_unit(b"two", key=True, leads=False)]
    packets = packer.aggregate(24, [codec.delimiter, *codec.sets, *units], 0, marker=True)
    assert play(rtp, stream, packets).nals == [units]


def test_a_late_or_doubled_packet_is_left_out(rtp, codec, stream):
    packets = pictures_of(codec, codec.Packer(), 4)
    pictures = play(rtp, stream, [*packets[:5], packets[4], packets[1], *packets[5:]])
    assert len(pictures.units) == 4
    assert stream[0].lost == 0
    assert all(unit.lost_before == 0 for unit in pictures.units)


@pytest.mark.parametrize("hole", [1, 2, 3, 4, 5, 11])
def test_a_lost_packet_costs_its_own_picture_and_is_told_with_the_next(rtp, codec, stream, hole):
    packets = pictures_of(codec, codec.Packer(sequence=65534), 5)  # three packets a picture
    pictures = play(rtp, stream, packets[:hole] + packets[hole + 1 :])
    damaged = hole // 3
    assert [unit.pts // 6000 for unit in pictures.units] == [n for n in range(5) if n != damaged]
    assert [unit.lost_before for unit in pictures.units] == [int(n == damaged) for n in range(4)]
    assert stream[0].lost == 1


def test_losses_over_several_pictures_are_counted_once(rtp, codec, stream):
    packets = pictures_of(codec, codec.Packer(), 8)
    pictures = play(rtp, stream, packets[:4] + packets[13:])
    assert stream[0].lost == 9
    assert [(unit.pts // 6000, unit.lost_before) for unit in pictures.units] == [(0, 0), (5, 9), (6, 0), (7, 0)]


def test_a_stream_entered_in_mid_picture_begins_with_the_next_whole_one(rtp, codec, stream):
    packets = pictures_of(codec, codec.Packer(), 3)
    pictures = play(rtp, stream, packets[1:])
    assert [unit.pts for unit in pictures.units] == [6000, 12000]
    assert pictures.units[0].lost_before == 0


def test_time_goes_on_over_the_wrap_and_back_for_b_frames(rtp, codec, stream):
    packer, packets = codec.Packer(), []
    times = [2**32 - 6000, 12000, 0, 6000, 30000, 18000, 24000]
    for number, time in enumerate(times):
        packets += packer.single(codec.slice_unit(b"x", key=number == 0), time, marker=True)
    pictures = play(rtp, stream, packets)
    assert [unit.pts - 2**32 for unit in pictures.units] == [-6000, 12000, 0, 6000, 30000, 18000, 24000]
    assert stream[0].presentation_time(30000) == 2**32 + 30000


def test_a_marker_on_the_sei_splits_no_picture(rtp, codec, stream):
    packer, packets = codec.Packer(), []
    for number in range(TRUSTED_AFTER + 4):
        time = number * 6000
        packets += packer.single(codec.sei(b"sei"), time, marker=True)
        packets += packer.fragments(codec.slice_unit(b"s" * 300, key=number == 0), time, marker=True)
    pictures = play(rtp, stream, packets)
    assert [len(nals) for nals in pictures.nals] == [2] * (TRUSTED_AFTER + 4)


def test_a_marker_on_every_slice_splits_no_picture(rtp, codec, stream):
    packer, packets = codec.Packer(), []
    for number in range(12):
        for part in range(3):
            unit = codec.slice_unit(bytes([part + 1]) * 300, key=number == 0, leads=part == 0)
            packets += packer.fragments(unit, number * 6000, marker=True)
    packets += packer.single(codec.slice_unit(b"end"), 12 * 6000)
    pictures = play(rtp, stream, packets)
    assert [len(nals) for nals in pictures.nals] == [3] * 12
    assert "marker bits in the wrong place" in stream[0].oddities


def test_parameter_sets_between_the_slices_of_a_picture_split_nothing(rtp, codec, stream):
    packer, packets = codec.Packer(), []
    for number in range(TRUSTED_AFTER + 3):
        for part in range(3):
            packets += packer.aggregate(24, codec.sets, number * 6000)
            unit = codec.slice_unit(bytes([part + 1]) * 300, key=True, leads=part == 0)
            packets += packer.fragments(unit, number * 6000, marker=part == 2)
    pictures = play(rtp, stream, packets)
    assert [len(nals) for nals in pictures.nals] == [3] * (TRUSTED_AFTER + 3)
    assert not stream[0].oddities


def test_a_camera_without_marker_bits_is_cut_by_its_time_stamps(rtp, codec, stream):
    packer, packets = codec.Packer(), []
    for number in range(5):
        packets += packer.fragments(codec.slice_unit(b"s" * 300, key=number == 0), number * 6000)
    assert [len(nals) for nals in play(rtp, stream, packets).nals] == [1] * 4


def test_a_camera_whose_time_stands_still_is_cut_by_first_slices(rtp, codec, stream):
    packer, packets = codec.Packer(), []
    for number in range(5):
        packets += packer.fragments(codec.slice_unit(b"s" * 300, key=number == 0), 777)
    assert [len(nals) for nals in play(rtp, stream, packets).nals] == [1] * 4


def test_once_trusted_a_marker_hands_the_picture_over_at_once(rtp, codec, stream):
    packer = codec.Packer()
    packets = pictures_of(codec, packer, TRUSTED_AFTER + 3)
    rtp.feed(stream[0], rtp.interleave(packets))
    assert stream[0].access_units == TRUSTED_AFTER + 3


def test_a_marker_that_lies_after_it_was_trusted_marks_the_damage(rtp, codec, stream):
    packer = codec.Packer()
    packets = pictures_of(codec, packer, TRUSTED_AFTER + 2)
    time = 1_000_000
    packets += packer.single(codec.slice_unit(b"first half"), time, marker=True)
    packets += packer.single(codec.slice_unit(b"second half", leads=False), time, marker=True)
    packets += packer.single(codec.slice_unit(b"next"), time + 6000, marker=True)
    pictures = play(rtp, stream, packets)
    assert pictures.units[-1].lost_before == 1
    assert len(pictures.units) == TRUSTED_AFTER + 4


def test_units_parted_by_start_codes_in_one_payload_are_told_apart(rtp, codec, stream):
    packer = codec.Packer()
    units = [codec.sei(b"sei"), codec.slice_unit(b"k" * 900, key=True)]
    joined = b"\0\0\0\1".join([*codec.sets, *units])
    packets = packer.fragments(joined, 0, marker=True)
    packets += packer.single(b"\0\0\0\1" + codec.slice_unit(b"with a leading one"), 6000, marker=True)
    packets += packer.single(
        codec.slice_unit(b"a") + b"\0\0\1" + codec.slice_unit(b"b", leads=False), 12000, marker=True
    )
    pictures = play(rtp, stream, packets)
    assert pictures.nals == [
        units,
        [codec.slice_unit(b"with a leading one")],
        [codec.slice_unit(b"a"), codec.slice_unit(b"b", leads=False)],
    ]
    assert stream[0].oddities == {"start codes inside RTP payloads"}


def test_fragment_headers_that_disagree_lose_nothing(rtp, codec, stream):
    packer = codec.Packer()
    unit = codec.slice_unit(b"x" * 400, key=True)
    packets = packer.fragments(unit, 0, marker=True)
    packets[1] = changed_fragment(codec, packets[1], kind=2)
    assert play(rtp, stream, packets).nals == [[unit]]
    assert "fragment headers that disagree" in stream[0].oddities


def test_a_fragmented_unit_without_an_end_is_closed_by_what_follows(rtp, codec, stream):
    packer = codec.Packer()
    unit = codec.slice_unit(b"x" * 400, key=True)
    packets = packer.fragments(unit, 0)
    packets[-1] = changed_fragment(codec, packets[-1], ends=False)
    packets += packer.single(b"\0\0\1" + codec.slice_unit(b"more", leads=False), 0, marker=True)
    packets += packer.single(codec.slice_unit(b"next"), 6000, marker=True)
    assert play(rtp, stream, packets).nals == [
        [unit, codec.slice_unit(b"more", leads=False)],
        [codec.slice_unit(b"next")],
    ]
    assert "fragments without an end" in stream[0].oddities


def test_padding_extension_and_sources_in_the_header_are_read_past(rtp, codec, stream):
    unit = codec.slice_unit(b"picture", key=True)
    head = struct.pack(">BBHII", 0x80 | 0x20 | 0x10 | 2, 0x80 | 96, 7, 0, 1) + b"\0" * 8
    extension = b"\xab\xac\0\3" + b"\0" * 12
    pictures = play(rtp, stream, [head + extension + unit + b"\0\0\3"])
    assert pictures.nals == [[unit]]


def other_sets(codec, encode):
    units = encode(codec.name, frames=1, size=(640, 360))[0].units
    return [unit for unit in units if codec.kind(unit) in codec.set_kinds]


def test_changed_parameter_sets_come_into_force_with_the_key_frame_that_they_precede(rtp, codec, stream, encode):
    sets = other_sets(codec, encode)
    packer = codec.Packer()
    packets = pictures_of(codec, packer, 2)
    packets += packer.aggregate(24, codec.sets, 12000)  # the same again: nothing changes
    packets += pictures_of(codec, packer, 1, start=2, first_key=True)
    packets += packer.aggregate(24, sets, 18000)
    packets += pictures_of(codec, packer, 2, start=3)
    pictures = play(rtp, stream, packets)
    parameters = [unit.parameters for unit in pictures.units]
    assert parameters[0] is parameters[1] is parameters[2]
    assert parameters[3] is parameters[4] is not parameters[2]
    assert (parameters[0].width, parameters[0].height) == (320, 180)
    assert (parameters[3].width, parameters[3].height) == (640, 360)
    assert parameters[3].sets == tuple(sets)
    assert [len(nals) for nals in pictures.nals] == [1] * 5
    assert not stream[0].oddities


def test_a_picture_set_that_changes_on_a_picture_that_is_no_key_frame_stays_there_and_the_others_wait(
    rtp, codec, stream, encode
):
    *sequence, picture_set = other_sets(codec, encode)
    changed = {"h264": b"\x68\xce\x0f\xc9\x80", "h265": b"\x44\x01\xc0\x73\xc1\x8a\x80"}[codec.name]  # id 0, set 0
    packer = codec.Packer()
    packets = pictures_of(codec, packer, 2)
    packets += packer.aggregate(24, [*sequence, picture_set], 12000)  # as on a key frame, but there is none
    packets += pictures_of(codec, packer, 1, start=2, first_key=False)
    packets += pictures_of(codec, packer, 2, start=3)
    packets += packer.aggregate(24, [*sequence, changed], 30000)
    packets += pictures_of(codec, packer, 2, start=5, first_key=False)
    packets += packer.aggregate(24, [*sequence, changed], 42000)
    packets += pictures_of(codec, packer, 1, start=7)
    pictures = play(rtp, stream, packets)
    parameters = [unit.parameters for unit in pictures.units]
    assert [one.sets for one in parameters[:3]] == [codec.sets] * 3
    assert [one.sets for one in parameters[3:7]] == [(*sequence, picture_set)] * 4
    assert parameters[7].sets == (*sequence, changed)
    assert [len(nals) for nals in pictures.nals] == [1, 1, 1, 1, 1, 2, 1, 1]
    assert pictures.nals[5][0] == changed
    assert all(unit.lost_before == 0 for unit in pictures.units)


def test_sets_only_in_the_description_are_enough_and_wrong_ones_there_give_way_to_those_in_the_stream(
    rtp, codec, encode
):
    sets = other_sets(codec, encode)
    for in_band in (False, True):
        pictures = rtp.Pictures()
        depacketiser = codec.Depacketiser(pictures, parameter_sets=sets)
        packer = codec.Packer()
        packets = packer.aggregate(24, codec.sets, 0) if in_band else []
        play(rtp, (depacketiser, pictures), packets + pictures_of(codec, packer, 3))
        assert [unit.parameters.width for unit in pictures.units] == [320 if in_band else 640] * 3
        assert [len(nals) for nals in pictures.nals] == [1] * 3


def test_pictures_wait_for_parameter_sets_that_come_in_band(rtp, codec):
    pictures = rtp.Pictures()
    depacketiser = codec.Depacketiser(pictures)
    packer = codec.Packer()
    packets = pictures_of(codec, packer, 2)
    packets += packer.aggregate(24, codec.sets, 12000)
    packets += pictures_of(codec, packer, 2, start=2)
    play(rtp, (depacketiser, pictures), packets)
    assert [unit.pts for unit in pictures.units] == [12000, 18000]
    assert "pictures before the first parameter sets left out" in depacketiser.oddities


def test_a_picture_beyond_the_limit_is_dropped_and_the_next_comes(rtp, codec, stream):
    packer = codec.Packer()
    huge = codec.slice_unit(b"\x55" * (MAX_PICTURE + 100_000), key=True)
    packets = packer.fragments(huge, 0, marker=True, size=60_000)
    packets += pictures_of(codec, packer, 2, start=1)
    pictures = play(rtp, stream, packets, cuts=range(0, MAX_PICTURE, 200_000))
    assert [unit.pts for unit in pictures.units] == [6000, 12000]
    assert pictures.units[0].lost_before == 1
    assert "pictures of over 8 MiB left out" in stream[0].oddities


def test_a_stream_begun_anew_by_the_camera_is_marked_not_counted(rtp, codec, stream):
    packets = pictures_of(codec, codec.Packer(), 3)
    packets += pictures_of(codec, codec.Packer(sequence=40_000, ssrc=99), 3, start=10)
    pictures = play(rtp, stream, packets)
    assert len(pictures.units) == 6
    assert stream[0].lost == 0
    assert [unit.lost_before for unit in pictures.units] == [0, 0, 0, 1, 0, 0]


def test_an_unannounced_payload_type_is_taken_when_no_other_comes(rtp, codec, stream):
    packets = pictures_of(codec, codec.Packer(payload_type=97), 40)
    pictures = play(rtp, stream, packets)
    assert len(pictures.units) > 15
    assert "payload type differs from the announced one" in stream[0].oddities


def test_arrival_is_when_the_last_packet_of_the_picture_was_read(rtp, codec, stream):
    packets = pictures_of(codec, codec.Packer(), 3)
    for number, packet in enumerate(packets):
        rtp.feed(stream[0], rtp.interleave([packet]), now_ns=number)
    stream[0].finish()
    assert [unit.arrived_ns for unit in stream[1].units] == [2, 5, 8]


def test_a_fragment_whose_beginning_never_came_though_nothing_was_lost_marks_the_damage(rtp, codec, stream):
    packer = codec.Packer()
    packets = pictures_of(codec, packer, 4)
    packets[3] = changed_fragment(codec, packets[3], starts=False)
    pictures = play(rtp, stream, packets)
    assert [(unit.pts // 6000, unit.lost_before) for unit in pictures.units] == [(0, 0), (2, 1), (3, 0)]
    assert stream[0].oddities == {"fragments without a beginning"}


def test_a_unit_that_begins_twice_is_closed_and_noted(rtp, codec, stream):
    packer = codec.Packer()
    unit = codec.slice_unit(b"x" * 400, key=True)
    packets = packer.fragments(unit, 0, marker=True)
    packets[1] = changed_fragment(codec, packets[1], starts=True)
    packets += pictures_of(codec, packer, 2, start=1, first_key=False)
    pictures = play(rtp, stream, packets)
    assert [unit.pts for unit in pictures.units] == [0, 6000, 12000]
    assert "fragments without an end" in stream[0].oddities


@pytest.mark.parametrize("padding", [1, 2, 3, 700])
def test_zero_bytes_behind_a_unit_are_no_part_of_it(rtp, codec, stream, padding):
    packer = codec.Packer()
    units = [codec.slice_unit(bytes([number + 1]) * 250, key=number == 0) for number in range(SCANNED_PICTURES + 6)]
    packets = []
    for number, unit in enumerate(units):  # beyond the first pictures the short way is taken, too
        pack = packer.single if number % 3 == 2 else packer.fragments
        packets += pack(unit + bytes(padding), number * 6000, True)
    assert play(rtp, stream, packets).nals == [[unit] for unit in units]
    assert "units padded with zero bytes" in stream[0].oddities


def test_a_fragment_that_begins_and_ends_at_once_is_a_whole_unit(rtp, codec, stream):
    packer = codec.Packer()
    unit = codec.slice_unit(b"x" * 150, key=True)
    first, second = packer.fragments(unit, 0, marker=True)
    joined = changed_fragment(codec, first, ends=True) + second[14 if codec.name == "h264" else 15 :]
    pictures = play(rtp, stream, [joined, *codec.Packer(sequence=1001).single(codec.slice_unit(b"n"), 6000, True)])
    assert pictures.nals == [[unit], [codec.slice_unit(b"n")]]


@pytest.mark.parametrize("cut", [1, 3, 20])
def test_a_torn_aggregate_costs_its_own_picture_only_and_is_told(rtp, codec, stream, cut):
    packer = codec.Packer()
    packets = pictures_of(codec, packer, 2, size=50)
    whole = packer.aggregate(24, [codec.sei(b"sei"), codec.slice_unit(b"s" * 30)], 12000)[0]
    packets += [whole[:-cut], *packer.single(codec.slice_unit(b"rest", leads=False), 12000, True)]
    packets += pictures_of(codec, packer, 2, start=3, size=50, first_key=False)
    pictures = play(rtp, stream, packets)
    assert [(unit.pts // 6000, unit.lost_before) for unit in pictures.units] == [(0, 0), (1, 0), (3, 1), (4, 0)]
    assert "torn aggregates" in stream[0].oddities


def test_empty_and_one_byte_payloads_and_units_hurt_no_picture(rtp, codec, stream):
    packer, packets = codec.Packer(), []
    for number in range(SCANNED_PICTURES + 8):
        packets += [packer.packet(b"", number * 6000), packer.packet(codec.sei(b"")[:1], number * 6000)]
        packets += packer.aggregate(24, [b"", codec.sei(b"")[:1], codec.sei(b"sei")], number * 6000)
        packets += packer.fragments(codec.slice_unit(b"s" * 300, key=number == 0), number * 6000, marker=True)
    pictures = play(rtp, stream, packets)
    slices = [[unit for unit in nals if codec.is_slice(unit)] for nals in pictures.nals]
    assert slices == [[codec.slice_unit(b"s" * 300, key=n == 0)] for n in range(SCANNED_PICTURES + 8)]
    assert stream[0].lost == 0


def test_sequence_numbers_that_begin_again_from_nothing_are_marked_and_on_it_goes(rtp, codec, stream):
    packets = pictures_of(codec, codec.Packer(sequence=30_000), 3)
    packets += pictures_of(codec, codec.Packer(sequence=0), 3, start=3)
    pictures = play(rtp, stream, packets)
    assert [unit.lost_before for unit in pictures.units] == [0, 0, 0, 1, 0, 0]
    assert stream[0].lost == 0
    assert stream[0].oddities == {"the stream was begun anew without notice"}


def test_another_source_that_goes_on_counting_is_the_same_stream(rtp, codec, stream):
    packets = pictures_of(codec, codec.Packer(), SCANNED_PICTURES + 2)
    count = len(packets)
    packets += pictures_of(codec, codec.Packer(sequence=1000 + count, ssrc=99), 4, start=SCANNED_PICTURES + 2)
    pictures = play(rtp, stream, packets)
    assert len(pictures.units) == SCANNED_PICTURES + 6
    assert all(unit.lost_before == 0 for unit in pictures.units)
    assert [nals[0][-1] for nals in pictures.nals] == [n + 1 for n in range(SCANNED_PICTURES + 6)]


@SETTINGS
@given(seed=st.integers(0, 2**32))
def test_no_picture_that_lost_a_packet_is_ever_handed_over_as_if_it_were_whole(rtp, codec, seed):
    """Valid packets, some lost, some late or doubled: what comes out was sent so, and what is missing is told."""
    rng = random.Random(seed)
    packer, packets, sent = codec.Packer(sequence=rng.choice([0, 65_400, 30_000])), [], {}
    for number in range(rng.choice([12, SCANNED_PICTURES + 20])):
        slices = [
            codec.slice_unit(bytes([number + 1, part + 1]) * rng.randint(1, 200), key=number % 10 == 0, leads=part == 0)
            for part in range(rng.choice([1, 1, 3]))
        ]
        for unit in slices:
            packets += packer.fragments(unit, number * 6000, marker=unit is slices[-1])
        sent[number * 6000] = slices
    kept = [packet for packet in packets if rng.random() > 0.03]
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(kept))
        kept.insert(min(at + rng.randint(1, 5), len(kept)), kept[at] if rng.random() < 0.5 else kept.pop(at))
    pictures = rtp.Pictures()
    depacketiser = codec.Depacketiser(pictures, parameter_sets=codec.sets)
    rtp.feed(depacketiser, rtp.interleave(kept), [])
    depacketiser.finish()
    times = [unit.pts for unit in pictures.units]
    assert times == sorted(set(times))
    for before, unit, nals in zip([None, *times], pictures.units, pictures.nals, strict=False):
        assert nals == sent[unit.pts], "a damaged picture"
        if before is not None and unit.pts != before + 6000:
            assert unit.lost_before > 0, "a hole that nobody was told of"


@SETTINGS
@given(st.lists(st.binary(max_size=80), max_size=30), st.booleans())
def test_no_packet_whatever_is_in_it_does_harm(rtp, codec, payloads, framed):
    pictures = rtp.Pictures()
    depacketiser = codec.Depacketiser(pictures, parameter_sets=codec.sets)
    packer = codec.Packer()
    packets = [packer.packet(payload, 6000 * (n // 3)) if framed else payload for n, payload in enumerate(payloads)]
    rtp.feed(depacketiser, rtp.interleave(packets))
    depacketiser.finish()
    for unit in pictures.units:
        rtp.split_lengths(unit.data)
    assert len(depacketiser.oddities) <= 32


@SETTINGS
@given(data=st.data())
def test_flipped_bits_in_a_good_stream_never_tear_the_form_of_a_picture(rtp, codec, data):
    packer = codec.Packer()
    packets = packer.aggregate(24, codec.sets, 0) + pictures_of(codec, packer, 5)
    for _ in range(data.draw(st.integers(1, 12))):
        number = data.draw(st.integers(0, len(packets) - 1))
        packet = bytearray(packets[number])
        packet[data.draw(st.integers(0, min(20, len(packet) - 1)))] ^= data.draw(st.integers(1, 255))
        packets[number] = bytes(packet)
    pictures = rtp.Pictures()
    depacketiser = codec.Depacketiser(pictures, parameter_sets=codec.sets)
    rtp.feed(depacketiser, rtp.interleave(packets))
    depacketiser.finish()
    for unit in pictures.units:
        rtp.split_lengths(unit.data)


@SETTINGS
@given(seed=st.integers(0, 2**32))
def test_the_short_ways_give_what_the_long_way_gives(rtp, codec, seed):
    """A stream that is trusted, then torn: read in one go, and packet by packet (which knows no short way)."""
    rng = random.Random(seed)
    packer = codec.Packer(sequence=rng.choice([0, 65500, 30000]))
    packets = pictures_of(codec, packer, SCANNED_PICTURES + 2, size=30)
    for number in range(SCANNED_PICTURES + 2, SCANNED_PICTURES + 2 + rng.randint(2, 20)):
        time = number * 6000 if rng.random() < 0.9 else rng.choice([(number - 1) * 6000, 0xFFFF_FFFF])
        key = rng.random() < 0.2
        units = [codec.sei(b"sei")] * (rng.random() < 0.2) + [*codec.sets] * (key and rng.random() < 0.5)
        units.append(codec.slice_unit(bytes([number]) * rng.randint(1, 300), key=key))
        units += [codec.slice_unit(b"more" * 20, key=key, leads=rng.random() < 0.2)] * (rng.random() < 0.2)
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
        depacketiser = codec.Depacketiser(pictures, parameter_sets=codec.sets)
        if one_by_one:
            for packet in packets:
                depacketiser.packet(memoryview(packet), 0, len(packet), 1)
        else:
            data = rtp.interleave(packets)
            rtp.feed(depacketiser, data, [rng.randrange(len(data)) for _ in range(rng.randint(0, 30))])
        depacketiser.finish()
        told.append((pictures.units, depacketiser.packets, depacketiser.lost, depacketiser.oddities))
    assert told[0] == told[1]
