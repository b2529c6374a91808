"""H.264 parameter sets (ITU-T H.264 §7.3.2.1, §7.3.2.2, annex E): what they say, and which are in force."""

from __future__ import annotations

from dataclasses import dataclass

from vonggac.core.errors import VonggacError
from vonggac.video.stream import VideoParameters

SLICE_IDR, SEI, SPS, PPS, DELIMITER = 5, 6, 7, 8, 9
"""nal_unit_type (table 7-1)."""
MAX_SET = 4096
"""Bytes of one set. The largest legal ones, with all scaling lists, stay under 1 KiB."""
MAX_SIDE = 16_384
"""Luma samples a side: twice what level 6.2 allows."""
MAX_FPS = 1000.0

# Profiles whose sets carry the chroma format (§7.3.2.1.1).
_HIGH = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244))
_EXTENDED_ASPECT_RATIO = 255


class MalformedParameterSet(VonggacError):
    """A parameter set that cannot be read."""


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """The part of a sequence parameter set that a recorder needs."""

    id: int
    profile: int
    width: int
    height: int
    frame_mbs_only: bool
    """False: the pictures may be fields (interlaced)."""
    reorder_frames: int | None
    fps: float | None


class BitReader:
    """Reads the bits of a unit after its emulation prevention bytes are taken out (§7.3.1)."""

    __slots__ = ("_left", "_value")

    def __init__(self, unit: bytes) -> None:
        payload = unit.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(payload, "big")
        self._left = len(payload) * 8

    def bits(self, count: int) -> int:
        """Return the next bits as a number; MalformedParameterSet past the end."""
        if count > self._left:
            raise MalformedParameterSet("A parameter set ends too early.")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def ue(self) -> int:
        """Return an unsigned Exp-Golomb number (§9.1) of at most 32 bits."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 31:
                raise MalformedParameterSet("A parameter set holds a number out of range.")
        return (1 << zeros) - 1 + self.bits(zeros)

    def se(self) -> int:
        """Return a signed Exp-Golomb number (§9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def parse_sps(unit: bytes) -> SequenceParameters:
    """Read a sequence parameter set, its header byte first; MalformedParameterSet where it makes no sense."""
    if len(unit) < 4 or unit[0] & 31 != SPS:
        raise MalformedParameterSet("A sequence parameter set is missing or torn.")
    reader = BitReader(unit[1:])
    profile, constraints, _level = reader.bits(8), reader.bits(8), reader.bits(8)
    identity = _at_most(reader.ue(), 31)
    chroma, separate = 1, 0
    if profile in _HIGH:
        chroma = _at_most(reader.ue(), 3)
        separate = reader.bits(1) if chroma == 3 else 0
        _at_most(reader.ue(), 6)  # luma bit depth
        _at_most(reader.ue(), 6)
        reader.bits(1)
        if reader.bits(1):
            for index in range(12 if chroma == 3 else 8):
                if reader.bits(1):
                    _skip_scaling_list(reader, 16 if index < 6 else 64)
    _at_most(reader.ue(), 12)  # log2_max_frame_num
    order_type = _skip_order_count(reader)
    _at_most(reader.ue(), 16)  # max_num_ref_frames
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
    return _at_most(reader.ue(), 255), _at_most(reader.ue(), 31)


def slice_pps(unit: bytes) -> int:
    """Return the id of the picture parameter set that a slice refers to (§7.3.3); a dozen of its bytes are enough."""
    reader = BitReader(unit[1:16])
    reader.ue()
    reader.ue()
    return _at_most(reader.ue(), 255)


class ParameterSets:
    """The sets that a stream has sent so far, and the `VideoParameters` that they make."""

    def __init__(self, declared_fps: float | None = None) -> None:
        self._declared_fps = declared_fps
        self._sps: dict[int, bytes] = {}
        self._pps: dict[int, bytes] = {}
        self._parsed: dict[int, SequenceParameters] = {}
        self._refers: dict[int, int] = {}
        self._current: VideoParameters | None = None
        self._changed = False
        self.several = False
        """More than one sequence set: the slices say which is in force."""
        self.frame_mbs_only = True

    def add(self, unit: bytes) -> None:
        """Take up a set (header byte first); MalformedParameterSet where it cannot be read, the old one then stays."""
        unit = unit.rstrip(b"\0")  # some cameras pad; a unit never ends with 0 (§7.4.1)
        if len(unit) > MAX_SET:
            raise MalformedParameterSet("A parameter set is larger than any real one.")
        if unit[:1] and unit[0] & 31 == SPS:
            if unit in self._sps.values():
                return
            parsed = parse_sps(unit)
            self._sps[parsed.id], self._parsed[parsed.id] = unit, parsed
            self.several = len(self._sps) > 1
            self.frame_mbs_only = all(one.frame_mbs_only for one in self._parsed.values())
        else:
            if unit in self._pps.values():
                return
            identity, self_refers = parse_pps(unit)
            self._pps[identity], self._refers[identity] = unit, self_refers
        self._changed = True

    def activate(self, slice_start: bytes) -> None:
        """Note which sets a key picture refers to: only asked where there are several."""
        try:
            sps = self._refers.get(slice_pps(slice_start))
        except MalformedParameterSet:
            return
        if sps in self._sps and next(iter(self._sps)) != sps:
            # The one in force stands first: its size is the stream's size.
            self._sps = {sps: self._sps[sps]} | self._sps
            self._changed = True

    @property
    def parameters(self) -> VideoParameters | None:
        """What a decoder needs now: the same object until the sets change; None while a kind is missing."""
        if self._changed:
            self._changed = False
            if self._sps and self._pps:
                made = self._make()
                if made != self._current:
                    self._current = made
        return self._current

    def _make(self) -> VideoParameters:
        active = self._parsed[next(iter(self._sps))]
        return VideoParameters(
            "h264",
            (*self._sps.values(), *self._pps.values()),
            active.width,
            active.height,
            active.reorder_frames,
            active.fps or self._declared_fps,
        )


def _at_most(value: int, limit: int) -> int:
    if value > limit:
        raise MalformedParameterSet("A parameter set holds a number out of range.")
    return value


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    """§7.3.2.1.1.1."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + reader.se()) % 256
        last = following or last


def _skip_order_count(reader: BitReader) -> int:
    order_type = _at_most(reader.ue(), 2)
    if order_type == 0:
        _at_most(reader.ue(), 12)
    elif order_type == 1:
        reader.bits(1)
        reader.se()
        reader.se()
        for _ in range(_at_most(reader.ue(), 255)):
            reader.se()
    return order_type


def _usability(reader: BitReader) -> tuple[float | None, int | None]:
    """Read video usability information (§E.1.1): (frames a second, pictures reordered), None where not said.

    Cameras get this part wrong most often: what cannot be read counts as not said.
    """
    fps: float | None = None
    try:
        if reader.bits(1) and reader.bits(8) == _EXTENDED_ASPECT_RATIO:
            reader.bits(32)
        if reader.bits(1):
            reader.bits(1)
        if reader.bits(1):
            reader.bits(4)
            if reader.bits(1):
                reader.bits(24)
        if reader.bits(1):
            reader.ue()
            reader.ue()
        if reader.bits(1):
            units, scale = reader.bits(32), reader.bits(32)
            reader.bits(1)
            if units and 0 < scale / (2 * units) <= MAX_FPS:  # two fields make a frame (§E.2.1)
                fps = scale / (2 * units)
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
        return fps, _at_most(reader.ue(), 16)
    except MalformedParameterSet:
        return fps, None


def _skip_hypothetical_decoder(reader: BitReader) -> None:
    """§E.1.2."""
    count = _at_most(reader.ue(), 31) + 1
    reader.bits(8)
    for _ in range(count):
        reader.ue()
        reader.ue()
        reader.bits(1)
    reader.bits(20)
