"""H.265 parameter sets (ITU-T H.265 §7.3.2.1 to §7.3.2.3, §7.3.3, annex E): what they say."""

from __future__ import annotations

from dataclasses import dataclass

from vonggac.video.bits import BitReader, MalformedParameterSet
from vonggac.video.rtsp.parameter_sets import (
    MAX_SIDE,
    SequenceParameters,
    StreamSets,
    picture_rate,
    skip_colours,
)

VPS, SPS, PPS, DELIMITER = 32, 33, 34, 35
"""nal_unit_type (table 7-1)."""
FIRST_IRAP, LAST_IRAP = 16, 23
"""nal_unit_type of the pictures at which decoding may begin."""

_MAX_SUB_LAYERS = 7
_MAX_REFERENCES = 16
"""Pictures that a decoder keeps (§A.4.2), and so the most that a reference picture set names."""


@dataclass(frozen=True, slots=True)
class HevcSequenceParameters(SequenceParameters):
    """What an H.265 sequence parameter set says beyond that."""

    video_set: int
    """Id of the video parameter set that it refers to."""
    sub_layers: int
    """Temporal sub-layers, 1 to 7."""
    high_tier: bool
    level: int
    """general_level_idc: thirty times the level."""
    interlaced: bool
    """Every picture is a field (field_seq_flag)."""


@dataclass(frozen=True, slots=True)
class _ProfileTierLevel:
    profile: int
    high_tier: bool
    level: int


def parse_vps(unit: bytes) -> tuple[int, float | None]:
    """Read a video parameter set, its two header bytes first: (its id, pictures a second or None where not said)."""
    reader = _reader(unit, VPS)
    identity = reader.bits(4)
    reader.bits(2 + 6)
    sub_layers = reader.bits(3) + 1
    _check_sub_layers(sub_layers)
    reader.bits(1 + 16)
    _profile_tier_level(reader, sub_layers)
    try:
        _ordering(reader, sub_layers)
        highest_layer = reader.bits(6)
        for _ in range(reader.ue(1023)):
            reader.bits(highest_layer + 1)
        return identity, _timing(reader) if reader.bits(1) else None
    except MalformedParameterSet:
        return identity, None  # nothing that the pictures depend on; layers beyond the base are not recorded


def parse_sps(unit: bytes) -> HevcSequenceParameters:
    """Read a sequence parameter set, its two header bytes first; MalformedParameterSet where it makes no sense."""
    reader = _reader(unit, SPS)
    video_set = reader.bits(4)
    sub_layers = reader.bits(3) + 1
    _check_sub_layers(sub_layers)
    reader.bits(1)
    level = _profile_tier_level(reader, sub_layers)
    identity = reader.ue(15)
    chroma = reader.ue(3)
    separate = reader.bits(1) if chroma == 3 else 0
    width, height = reader.ue(MAX_SIDE), reader.ue(MAX_SIDE)
    if reader.bits(1):
        left, right, top, bottom = (reader.ue(MAX_SIDE) for _ in range(4))
        colour = 0 if separate else chroma
        width -= (left + right) * (2 if colour in (1, 2) else 1)  # §7.4.3.2.1, table 6-1
        height -= (top + bottom) * (2 if colour == 1 else 1)
    if width <= 0 or height <= 0:
        raise MalformedParameterSet("A sequence parameter set gives an impossible picture size.")
    reader.ue(7)  # luma bit depth: one of 16 bits has no place in hvcC, and no camera
    reader.ue(7)
    order_bits = reader.ue(12) + 4
    reorder = _ordering(reader, sub_layers)
    fps, interlaced = _rest(reader, order_bits)
    return HevcSequenceParameters(
        identity, level.profile, width, height, True, reorder, fps,
        video_set, sub_layers, level.high_tier, level.level, interlaced,
    )  # fmt: skip


def parse_pps(unit: bytes) -> tuple[int, int]:
    """Read a picture parameter set: (its id, the id of the sequence set that it refers to)."""
    reader = _reader(unit[:24], PPS)
    return reader.ue(63), reader.ue(15)


def slice_pps(unit: bytes) -> int:
    """Return the id of the picture parameter set that a slice refers to (§7.3.6.1); a dozen bytes are enough."""
    reader = BitReader(unit[2:24])
    reader.bits(1)
    if unit and FIRST_IRAP <= unit[0] >> 1 & 63 <= LAST_IRAP:
        reader.bits(1)
    return reader.ue(63)


class HevcParameterSets(StreamSets):
    """The H.265 sets that a stream has sent so far."""

    codec = "h265"
    kinds = (VPS, SPS, PPS)

    def _kind(self, unit: bytes) -> int:
        return unit[0] >> 1 & 63

    def _read(self, kind: int, unit: bytes) -> tuple[int, SequenceParameters | int | None]:
        if kind == PPS:
            return parse_pps(unit)
        if kind == VPS:
            identity, fps = parse_vps(unit)
            self._declared_fps = fps or self._declared_fps
            return identity, None
        parsed = parse_sps(unit)
        return parsed.id, parsed

    def _slice_refers_to(self, slice_start: bytes) -> int:
        return slice_pps(slice_start)


def _reader(unit: bytes, kind: int) -> BitReader:
    if len(unit) < 3 or unit[0] >> 1 & 63 != kind:
        raise MalformedParameterSet("A parameter set is missing or torn.")
    return BitReader(unit[2:])


def _check_sub_layers(count: int) -> None:
    if count > _MAX_SUB_LAYERS:
        raise MalformedParameterSet("A parameter set holds a number out of range.")


def _profile_tier_level(reader: BitReader, sub_layers: int) -> _ProfileTierLevel:
    """§7.3.3."""
    reader.bits(2)
    high_tier, profile = reader.bits(1), reader.bits(5)
    reader.bits(32 + 48)
    level = reader.bits(8)
    present = [(reader.bits(1), reader.bits(1)) for _ in range(sub_layers - 1)]
    if present:
        reader.bits(2 * (8 - len(present)))
    for of_profile, of_level in present:
        reader.bits(88 * of_profile + 8 * of_level)
    return _ProfileTierLevel(profile, bool(high_tier), level)


def _ordering(reader: BitReader, sub_layers: int) -> int:
    """Return how many pictures are reordered with all sub-layers decoded (sps_max_num_reorder_pics)."""
    reorder = 0
    for _ in range(sub_layers if reader.bits(1) else 1):
        reader.ue(_MAX_REFERENCES)
        reorder = reader.ue(_MAX_REFERENCES)
        reader.ue()
    return reorder


def _timing(reader: BitReader) -> float | None:
    """Read num_units_in_tick and time_scale: in H.265 one tick a picture (§E.3.1)."""
    units, scale = reader.bits(32), reader.bits(32)
    return picture_rate(scale, units)


def _rest(reader: BitReader, order_bits: int) -> tuple[float | None, bool]:
    """Read on to the timing of the usability information: (pictures a second or None, whether pictures are fields).

    Cameras get this part wrong most often, and a picture's form does not hang on it: what cannot be read counts as
    not said.
    """
    try:
        _skip_coding_tools(reader)
        _skip_reference_sets(reader)
        if reader.bits(1):
            for _ in range(reader.ue(32)):
                reader.bits(order_bits + 1)
        reader.bits(2)
        return _usability(reader) if reader.bits(1) else (None, False)
    except MalformedParameterSet:
        return None, False


def _skip_coding_tools(reader: BitReader) -> None:
    for _ in range(6):  # sizes of blocks and depths of their trees
        reader.ue()
    if reader.bits(1) and reader.bits(1):
        _skip_scaling_lists(reader)
    reader.bits(2)
    if reader.bits(1):  # pcm
        reader.bits(8)
        reader.ue()
        reader.ue()
        reader.bits(1)


def _skip_scaling_lists(reader: BitReader) -> None:
    """§7.3.4."""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not reader.bits(1):
                reader.ue()
                continue
            if size > 1:
                reader.se()
            for _ in range(min(64, 1 << 4 + 2 * size)):
                reader.se()


def _skip_reference_sets(reader: BitReader) -> None:
    """All short-term reference picture sets: each may be told by its difference from the one before (§7.3.7)."""
    before: list[int] = []
    for index in range(reader.ue(64)):
        before = _predicted(reader, before) if index and reader.bits(1) else _told(reader)
        if len(before) > _MAX_REFERENCES:
            raise MalformedParameterSet("A parameter set holds a number out of range.")


def _told(reader: BitReader) -> list[int]:
    earlier, later = reader.ue(_MAX_REFERENCES), reader.ue(_MAX_REFERENCES)
    deltas = []
    for count, sign in ((earlier, -1), (later, 1)):
        delta = 0
        for _ in range(count):
            delta += sign * (reader.ue() + 1)
            reader.bits(1)
            deltas.append(delta)
    return deltas


def _predicted(reader: BitReader, before: list[int]) -> list[int]:
    """Equations 7-61 and 7-62: the nearest first, those before the picture and then those after it."""
    sign, size = reader.bits(1), reader.ue(0x7FFF) + 1
    shift = -size if sign else size
    moved = []
    for delta in [*before, 0]:
        if reader.bits(1) or reader.bits(1):  # used by this picture, or kept for another
            moved.append(delta + shift)
    return [*sorted((one for one in moved if one < 0), reverse=True), *sorted(one for one in moved if one > 0)]


def _usability(reader: BitReader) -> tuple[float | None, bool]:
    """§E.2.1, as far as the timing."""
    skip_colours(reader)
    reader.bits(1)
    interlaced = bool(reader.bits(1))
    reader.bits(1)
    if reader.bits(1):
        for _ in range(4):
            reader.ue()
    return _timing(reader) if reader.bits(1) else None, interlaced
