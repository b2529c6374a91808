"""Decoder configuration: how an MP4 file tells a player which decoder to make ready (ISO/IEC 14496-15).

H.264 becomes `avc1` with `avcC` (§5.3.3.1, §5.4.2), H.265 `hvc1` with `hvcC` (§8.3.3.1, §8.4.1): the parameter sets
stand here and not between the pictures, which is what browsers and Apple's players insist on.
"""

from __future__ import annotations

import struct

from vonggac.video.bits import BitReader, MalformedParameterSet
from vonggac.video.mp4.errors import RecordingDamaged, UnusableParameters
from vonggac.video.stream import VideoParameters

AVC_SPS, AVC_PPS = 7, 8
"""nal_unit_type, ITU-T H.264 table 7-1."""
HEVC_VPS, HEVC_SPS, HEVC_PPS = 32, 33, 34
"""nal_unit_type, ITU-T H.265 table 7-1."""

_AVC_WITHOUT_CHROMA = frozenset((66, 77, 88))
"""Baseline, Main, Extended: all other profiles' records carry chroma format and bit depths (14496-15 §5.3.3.1.2)."""
_VISUAL_ENTRY = struct.Struct(">6xH16xHHIIIH32sHh")
"""SampleEntry and VisualSampleEntry without their box header (14496-12 §8.5.2.2, §12.1.3.2)."""
_DPI_72 = 0x00480000
_MAX_SIDE = 65_535


def sample_entry(parameters: VideoParameters) -> bytes:
    """Return the `avc1` or `hvc1` box of a stream; UnusableParameters where sets are missing or make no sense."""
    if not (0 < parameters.width <= _MAX_SIDE and 0 < parameters.height <= _MAX_SIDE):
        raise UnusableParameters(
            f"A picture of {parameters.width} × {parameters.height} does not fit into an MP4 file."
        )
    try:
        if parameters.codec == "h264":
            kind, record = b"avc1", _box(b"avcC", _avc_record(parameters.sets))
        elif parameters.codec == "h265":
            kind, record = b"hvc1", _box(b"hvcC", _hevc_record(parameters.sets))
        else:
            raise UnusableParameters(
                f"The codec {parameters.codec!r} cannot be recorded; set the camera to H.264 or H.265."
            )
    except MalformedParameterSet as error:
        raise UnusableParameters(str(error)) from error
    visual = _VISUAL_ENTRY.pack(
        1, parameters.width, parameters.height, _DPI_72, _DPI_72, 0, 1, b"", 24, -1
    )  # data reference 1, one picture a sample, no compressor's name, 24 bits a pixel, no colour table
    return _box(kind, visual + record)


def parse_sample_entry(entry: bytes) -> VideoParameters:
    """Read an `avc1` or `hvc1` box of ours back; RecordingDamaged when it is none.

    What the box does not hold (reordering, declared frame rate) comes back as None.
    """
    try:
        size, kind = struct.unpack_from(">I4s", entry)
        _, width, height, *_ = _VISUAL_ENTRY.unpack_from(entry, 8)
        start = 8 + _VISUAL_ENTRY.size
        record_size, record_kind = struct.unpack_from(">I4s", entry, start)
        if size != len(entry) or start + record_size > len(entry):
            raise RecordingDamaged("The sample entry of this recording has a wrong length.")
        record = entry[start + 8 : start + record_size]
        if (kind, record_kind) == (b"avc1", b"avcC"):
            return VideoParameters("h264", _avc_sets(record), width, height)
        if (kind, record_kind) == (b"hvc1", b"hvcC"):
            return VideoParameters("h265", _hevc_sets(record), width, height)
    except (struct.error, IndexError):
        raise RecordingDamaged("The sample entry of this recording is cut off.") from None
    raise RecordingDamaged("The sample entry of this recording is neither avc1 nor hvc1.")


def codec_string(parameters: VideoParameters) -> str:
    """Return the codec as RFC 6381 §3.3 (H.264) and ISO/IEC 14496-15 annex E (H.265) write it: `avc1.4D401F`."""
    if parameters.codec == "h264":
        sps = _of_type(parameters.sets, AVC_SPS, hevc=False)[0]
        return "avc1." + sps[1:4].hex().upper()
    if parameters.codec != "h265":
        raise UnusableParameters(f"The codec {parameters.codec!r} has no name in MP4.")
    level = _profile_tier_level(_of_type(parameters.sets, HEVC_SPS, hevc=True)[0])
    space = ("", "A", "B", "C")[level[0] >> 6]
    tier = "H" if level[0] & 0x20 else "L"
    compatibility = int(f"{int.from_bytes(level[1:5], 'big'):032b}"[::-1], 2)
    # No profile uses more than 14 of the 48 bits of constraints; the others are to be ignored (H.265 §7.4.4).
    constraints = "".join(f".{byte:X}" for byte in level[5:8].rstrip(b"\0"))
    return f"hvc1.{space}{level[0] & 31}.{compatibility:X}.{tier}{level[11]}{constraints}"


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def _of_type(sets: tuple[bytes, ...], kind: int, *, hevc: bool) -> list[bytes]:
    found = [one for one in sets if one and (one[0] >> 1 & 63 if hevc else one[0] & 31) == kind]
    if not found:
        raise UnusableParameters("This camera has not sent all parameter sets that a decoder needs.")
    if any(not 4 <= len(one) <= 65_535 for one in found):
        raise UnusableParameters("A parameter set of this camera has an impossible length.")
    return found


def _length_prefixed(sets: list[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(one)) + one for one in sets)


def _avc_record(sets: tuple[bytes, ...]) -> bytes:
    """AVCDecoderConfigurationRecord, 14496-15 §5.3.3.1.2."""
    sps, pps = _of_type(sets, AVC_SPS, hevc=False), _of_type(sets, AVC_PPS, hevc=False)
    if len(sps) > 31 or len(pps) > 255:
        raise UnusableParameters("This camera sends more parameter sets than a decoder takes.")
    profile, compatibility, level = sps[0][1:4]
    record = bytes((1, profile, compatibility, level, 0xFC | 3, 0xE0 | len(sps)))  # lengths of 4 bytes
    record += _length_prefixed(sps) + bytes((len(pps),)) + _length_prefixed(pps)
    if profile not in _AVC_WITHOUT_CHROMA:
        bits = BitReader(sps[0][4:])
        bits.ue()  # seq_parameter_set_id
        chroma = bits.ue()
        if chroma == 3:
            bits.bits(1)
        luma_depth, chroma_depth = bits.ue(), bits.ue()
        if chroma > 3 or luma_depth > 6 or chroma_depth > 6:
            raise UnusableParameters("A parameter set of this camera gives an impossible colour format.")
        record += bytes((0xFC | chroma, 0xF8 | luma_depth, 0xF8 | chroma_depth, 0))
    return record


def _avc_sets(record: bytes) -> tuple[bytes, ...]:
    if record[0] != 1 or record[4] & 3 != 3:
        raise RecordingDamaged("The decoder configuration of this recording is of another version.")
    sps, at = _take_sets(record, 6, record[5] & 31)
    pps, _ = _take_sets(record, at + 1, record[at])
    return (*sps, *pps)


def _take_sets(record: bytes, at: int, count: int) -> tuple[list[bytes], int]:
    sets = []
    for _ in range(count):
        (size,) = struct.unpack_from(">H", record, at)
        at += 2 + size
        if at > len(record):
            raise RecordingDamaged("The decoder configuration of this recording is cut off.")
        sets.append(record[at - size : at])
    return sets, at


def _profile_tier_level(sps: bytes) -> bytes:
    """The 12 bytes of general profile, tier and level, byte-aligned in the set (H.265 §7.3.2.2.1, §7.3.3)."""
    found = sps.replace(b"\0\0\3", b"\0\0")[3:15]
    if len(found) < 12:
        raise UnusableParameters("A parameter set of this camera is cut off.")
    return found


def _hevc_record(sets: tuple[bytes, ...]) -> bytes:
    """HEVCDecoderConfigurationRecord, 14496-15 §8.3.3.1.2."""
    arrays = [(kind, _of_type(sets, kind, hevc=True)) for kind in (HEVC_VPS, HEVC_SPS, HEVC_PPS)]
    sps = arrays[1][1][0]
    chroma, luma_depth, chroma_depth = _hevc_colour(sps)
    layers, nested = (sps[2] >> 1 & 7) + 1, sps[2] & 1
    record = b"\1" + _profile_tier_level(sps)
    # Segmentation, parallelism, average and constant frame rate: 0, not said.
    record += bytes((0xF0, 0, 0xFC, 0xFC | chroma, 0xF8 | luma_depth, 0xF8 | chroma_depth, 0, 0))
    record += bytes((layers << 3 | nested << 2 | 3, len(arrays)))
    for kind, units in arrays:
        record += struct.pack(">BH", 0x80 | kind, len(units)) + _length_prefixed(units)  # complete: none in-band
    return record


def _hevc_colour(sps: bytes) -> tuple[int, int, int]:
    """Return (chroma format, luma bit depth − 8, chroma bit depth − 8), H.265 §7.3.2.2.1."""
    bits = BitReader(sps[2:])
    bits.bits(4)
    sub_layers = bits.bits(3)
    bits.bits(1 + 96)
    present = [(bits.bits(1), bits.bits(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.bits(2 * (8 - sub_layers))
    for profile, level in present:
        bits.bits(88 * profile + 8 * level)
    bits.ue()
    chroma = bits.ue()
    if chroma == 3:
        bits.bits(1)
    bits.ue()
    bits.ue()
    if bits.bits(1):
        for _ in range(4):
            bits.ue()
    luma_depth, chroma_depth = bits.ue(), bits.ue()
    if chroma > 3 or luma_depth > 7 or chroma_depth > 7:
        raise UnusableParameters("A parameter set of this camera gives an impossible colour format.")
    return chroma, luma_depth, chroma_depth


def _hevc_sets(record: bytes) -> tuple[bytes, ...]:
    if record[0] != 1 or record[21] & 3 != 3:
        raise RecordingDamaged("The decoder configuration of this recording is of another version.")
    sets: list[bytes] = []
    at = 23
    for _ in range(record[22]):
        (count,) = struct.unpack_from(">H", record, at + 1)
        found, at = _take_sets(record, at + 3, count)
        sets += found
    return tuple(sets)
