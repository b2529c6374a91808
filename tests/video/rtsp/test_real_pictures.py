"""Pictures of a real encoder go through the depacketiser, and a real decoder sees them all."""

from __future__ import annotations

import random

import pytest


def decoded(codec: str, units: list[bytes]) -> list[bytes]:
    """Decode coded pictures (annex B): the luma of every picture in the order in which they are shown."""
    import av

    context = av.CodecContext.create({"h264": "h264", "h265": "hevc"}[codec], "r")
    frames = []
    for unit in units:
        frames += context.decode(av.Packet(unit))
    frames += context.decode(None)
    return [frame.to_ndarray(format="gray").tobytes() for frame in frames]


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("slices", [1, 4])
@pytest.mark.parametrize("way", ["fragments", "aggregates", "start codes"])
def test_every_picture_is_decoded_as_the_encoder_made_it(rtp, codec, encode, bframes, slices, way):
    coded = encode(codec.name, frames=30, bframes=bframes, slices=slices)
    packer, packets = codec.Packer(sequence=65_500), []
    for picture in coded:
        small = [unit for unit in picture.units if not codec.is_slice(unit)]
        large = [unit for unit in picture.units if codec.is_slice(unit)]
        if way == "start codes":
            packets += packer.fragments(b"\0\0\0\1".join(picture.units), picture.pts, marker=True, size=1400)
            continue
        if way == "aggregates":
            packets += packer.aggregate(24, small, picture.pts)
        else:
            packets += [packet for unit in small for packet in packer.single(unit, picture.pts)]
        for unit in large:
            packets += packer.fragments(unit, picture.pts, marker=unit is large[-1], size=1400)
    data = rtp.interleave(packets)
    pictures = rtp.Pictures()
    depacketiser = codec.Depacketiser(pictures)
    rng = random.Random(3)
    rtp.feed(depacketiser, data, [rng.randrange(len(data)) for _ in range(40)])
    depacketiser.finish()

    assert [unit.pts for unit in pictures.units] == [picture.pts for picture in coded]
    assert [unit.key for unit in pictures.units] == [picture.key for picture in coded]
    assert {unit.parameters for unit in pictures.units} == {pictures.units[0].parameters}
    # Parameter sets come from the side, as in MP4: none is left in the pictures.
    sets = b"".join(b"\0\0\0\1" + one for one in pictures.units[0].parameters.sets)
    ours = [b"".join(b"\0\0\0\1" + nal for nal in nals) for nals in pictures.nals]
    ours[0] = sets + ours[0]
    theirs = [b"".join(b"\0\0\0\1" + unit for unit in picture.units) for picture in coded]
    expected = decoded(codec.name, theirs)
    assert len(expected) == 30
    assert decoded(codec.name, ours) == expected
    left = {codec.kind(nal) for nals in pictures.nals for nal in nals if not codec.is_slice(nal)}
    assert left <= {codec.kind(codec.sei(b""))}


def test_sets_that_change_within_a_group_are_where_a_decoder_needs_them(rtp, codec, encode):
    """The same pictures under sequence sets that differ in their rate alone, changed at a picture that is no key."""
    sets: list[list[bytes]] = []
    for rate in (15, 25):
        coded = encode(codec.name, frames=20, rate=rate)
        sets.append([unit for unit in coded[0].units if codec.kind(unit) in codec.set_kinds])
    assert sets[0] != sets[1]
    packer, packets = codec.Packer(), []
    for number, picture in enumerate(coded):
        known = sets[number >= 4]
        if number in (0, 4) or (picture.key and number):
            packets += packer.aggregate(24, known, number * 6000)
        for unit in (unit for unit in picture.units if codec.is_slice(unit)):
            packets += packer.fragments(unit, number * 6000, marker=True, size=1400)
    pictures = rtp.Pictures()
    depacketiser = codec.Depacketiser(pictures)
    rtp.feed(depacketiser, rtp.interleave(packets))
    depacketiser.finish()
    key = next(number for number, unit in enumerate(pictures.units) if number and unit.key)
    assert {unit.parameters.declared_fps for unit in pictures.units[:key]} == {15.0}
    assert {unit.parameters.declared_fps for unit in pictures.units[key:]} == {25.0}

    def as_recorded(units, nals):
        """One recording: the sets from the side, then its pictures."""
        head = b"".join(b"\0\0\0\1" + one for one in units[0].parameters.sets)
        coded = [b"".join(b"\0\0\0\1" + nal for nal in one) for one in nals]
        return decoded(codec.name, [head + coded[0], *coded[1:]])

    shown = as_recorded(pictures.units[:key], pictures.nals[:key])
    shown += as_recorded(pictures.units[key:], pictures.nals[key:])
    theirs = [b"".join(b"\0\0\0\1" + unit for unit in picture.units) for picture in coded]
    assert shown == decoded(codec.name, theirs)
    assert len(shown) == 20
