"""H.264 parameter sets (ITU-T H.264 §7.3.2.1, §7.3.2.2, annex E): what they say."""

from __future__ import annotations

from vonggac.video.bits import BitReader, MalformedParameterSet
from vonggac.video.rtsp.parameter_sets import (
    MAX_SIDE,
    SequenceParameters,
    StreamSets,
    picture_rate,
    skip_colours,
)

SLICE_IDR, SEI, SPS, PPS, DELIMITER = 5, 6, 7, 8, 9
"""nal_unit_type (table 7-1)."""

# Profiles whose sets carry the chroma format (§7.3.2.1.1).
_HIGH = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244))


def parse_sps(unit: bytes) -> SequenceParameters:
    """Read a sequence parameter set, its header byte first; MalformedParameterSet where it makes no sense."""
    if len(unit) < 4 or unit[0] & 31 != SPS:
        raise MalformedParameterSet("A sequence parameter set is missing or torn.")
    reader = BitReader(unit[1:])
    profile, constraints, _level = reader.bits(8), reader.bits(8), reader.bits(8)
    identity = reader.ue(31)
    chroma, separate = 1, 0
    if profile in _HIGH:
        chroma = reader.ue(3)
        separate = reader.bits(1) if chroma == 3 else 0
        reader.ue(6)  # luma bit depth
        reader.ue(6)
        reader.bits(1)
        if reader.bits(1):
            for index in range(12 if chroma == 3 else 8):
                if reader.bits(1):
                    _skip_scaling_list(reader, 16 if index < 6 else 64)
    reader.ue(12)  # log2_max_frame_num
    order_type = _skip_order_count(reader)
    reader.ue(16)  # max_num_ref_frames
    reader.bits(1)
    columns, rows = reader.ue() + 1, reader.ue() + 1
    frame_mbs_only = reader.bits(1)
    if not frame_mbs_only:
        reader.bits(1)
    reader.bits(1)
    crop_x = crop_y = 0
    if reader.bits(1):
        left, right, top, bottom = (reader.ue() for _ in range(4))
        # §7.4.2.1.1, equations 7-19 to 7-22
        colour = 0 if separate else chroma
        crop_x = (left + right) * (2 if colour in (1, 2) else 1)
        crop_y = (top + bottom) * (2 if colour == 1 else 1) * (2 - frame_mbs_only)
    width, height = columns * 16 - crop_x, rows * 16 * (2 - frame_mbs_only) - crop_y
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise MalformedParameterSet("A sequence parameter set gives an impossible picture size.")
    fps, declared = _usability(reader) if reader.bits(1) else (None, None)
    reorder = declared
    # Without a declaration: order type 2 and the profiles without B slices put out pictures as they come (§8.2.1.3,
    # §A.2.1); so do the intra profiles (§E.2.1, max_num_reorder_frames).
    intra = profile in (44, 86, 100, 110, 122, 244) and constraints & 0x10
    if reorder is None and (order_type == 2 or profile == 66 or intra):
        reorder = 0
    return SequenceParameters(identity, profile, width, height, bool(frame_mbs_only), reorder, fps)


def parse_pps(unit: bytes) -> tuple[int, int]:
    """Read a picture parameter set: (its id, the id of the sequence set that it refers to)."""
    if len(unit) < 2 or unit[0] & 31 != PPS:
        raise MalformedParameterSet("A picture parameter set is missing or torn.")
    reader = BitReader(unit[1:16])
    return reader.ue(255), reader.ue(31)


def slice_pps(unit: bytes) -> int:
    """Return the id of the picture parameter set that a slice refers to (§7.3.3); a dozen of its bytes are enough."""
    reader = BitReader(unit[1:16])
    reader.ue()
    reader.ue()
    return reader.ue(255)


class ParameterSets(StreamSets):
    """The H.264 sets that a stream has sent so far."""

    codec = "h264"
    kinds = (SPS, PPS)

    def _kind(self, unit: bytes) -> int:
        return unit[0] & 31

    def _read(self, kind: int, unit: bytes) -> tuple[int, SequenceParameters | int | None]:
        if kind == PPS:
            return parse_pps(unit)
        parsed = parse_sps(unit)
        return parsed.id, parsed

    def _slice_refers_to(self, slice_start: bytes) -> int:
        return slice_pps(slice_start)


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    """§7.3.2.1.1.1."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + reader.se()) % 256
        last = following or last


def _skip_order_count(reader: BitReader) -> int:
    order_type = reader.ue(2)
    if order_type == 0:
        reader.ue(12)
    elif order_type == 1:
        reader.bits(1)
        reader.se()
        reader.se()
        for _ in range(reader.ue(255)):
            reader.se()
    return order_type


def _usability(reader: BitReader) -> tuple[float | None, int | None]:
    """Read video usability information (§E.1.1): (frames a second, pictures reordered), None where not said.

    Cameras get this part wrong most often: what cannot be read counts as not said.
    """
    fps: float | None = None
    try:
        skip_colours(reader)
        if reader.bits(1):
            units, scale = reader.bits(32), reader.bits(32)
            reader.bits(1)
            fps = picture_rate(scale, 2 * units)  # two fields make a frame (§E.2.1)
        if network := reader.bits(1):
            _skip_hypothetical_decoder(reader)
        if slices := reader.bits(1):
            _skip_hypothetical_decoder(reader)
        if network or slices:
            reader.bits(1)
        reader.bits(1)
        if not reader.bits(1):
            return fps, None
        reader.bits(1)
        for _ in range(4):
            reader.ue()
        return fps, reader.ue(16)
    except MalformedParameterSet:
        return fps, None


def _skip_hypothetical_decoder(reader: BitReader) -> None:
    """§E.1.2."""
    count = reader.ue(31) + 1
    reader.bits(8)
    for _ in range(count):
        reader.ue()
        reader.ue()
        reader.bits(1)
    reader.bits(20)
