"""H.265 over RTP (RFC 7798): as `h264.py` does it, with headers of two bytes."""

from __future__ import annotations

import struct

from vonggac.video.rtsp.depacketiser import MARKER
from vonggac.video.rtsp.hevc_sps import DELIMITER, PPS, SPS, VPS, HevcParameterSets
from vonggac.video.rtsp.units import (
    BEGUN,
    DELIMITS,
    ENDED,
    FOLLOWS,
    KEPT,
    KEY,
    MARKED_END,
    MARKED_START,
    PRECEDES,
    SET,
    SLICE,
    UnitDepacketiser,
    starts_with_start_code,
)

PREFIX_SEI, SUFFIX_SEI = 39, 40
"""nal_unit_type (ITU-T H.265 table 7-1)."""
AP, FU, PACI = 48, 49, 50
"""Packet types (RFC 7798 §4.4)."""

# What `start` holds: the last byte of the SSRC (0 where the packet came another way), the payload header and the
# byte after it: the FU header, or the first byte of what a whole unit holds.
_MIDDLE = 0xFFFF_FF3F  # without the bits for start and end
_TYPE_AND_LAYER = 0xFFF800  # of the payload header, its forbidden bit with them
_FIRST_FRAGMENT = FU << 17 | MARKED_START
_FRAGMENT_KIND = _TYPE_AND_LAYER | MARKED_START | MARKED_END
_LAYER = 0x01F8  # of a header of 16 bits

# Table 7-1; reserved slices are to be ignored (§7.4.2.2), reserved others may stand before a picture (§7.4.2.4.4).
_ROLES = [0] * 64
_ROLES[0:10] = [SLICE | KEPT] * 10
_ROLES[16:22] = [SLICE | KEPT | KEY] * 6
_ROLES[VPS] = _ROLES[SPS] = _ROLES[PPS] = SET | PRECEDES
_ROLES[DELIMITER] = DELIMITS
_ROLES[PREFIX_SEI], _ROLES[SUFFIX_SEI] = KEPT | PRECEDES, KEPT | FOLLOWS
_ROLES[41:45] = [PRECEDES] * 4


class H265Depacketiser(UnitDepacketiser):
    """All packet types of RFC 7798; what was sent out of decoding order is taken in sending order."""

    fragment = struct.Struct(">HHQ3xI")
    header_size = 2
    sets = HevcParameterSets
    order_numbers = False
    """Whether packets carry decoding order numbers (sprop-max-don-diff above 0, §7.1)."""

    def _start_of(self, view: memoryview, at: int, stop: int) -> int:
        return int.from_bytes(bytes(view[at : min(at + 3, stop)]).ljust(3, b"\0"), "big")

    def _role(self, unit: bytes | bytearray | memoryview, at: int) -> int:
        head = unit[at] << 8 | unit[at + 1]
        # Further layers (other views, better quality) refine a picture that is whole without them.
        return 0 if head & _LAYER else _ROLES[head >> 9 & 63]

    def _take_usual(self, view: memoryview, pos: int, after: int, key: int, start: int) -> int:
        if not self._usual or self.order_numbers:
            return 0
        expect, data, at = self._expect, self._data, self._unit_at
        if at >= 0:
            ends = start == self._middle | MARKED_END and key == expect | MARKER
            if not (ends and _ROLES[start & 63] & SLICE):
                return 0
            data += view[pos + 19 : after]
        else:
            in_fragments = start & _FRAGMENT_KIND == _FIRST_FRAGMENT
            role = _ROLES[start & 63] if in_fragments else 0 if start & _LAYER << 8 else _ROLES[start >> 17 & 63]
            # The first packet has the next number, and a marker bit where it is the last one, too.
            if not role & SLICE or key >> 32 != (expect if in_fragments else expect | MARKER) >> 32:
                return 0
            if self._has_slice or self._damaged or self._gap:
                return 0
            if key & 0xFFFF_FFFF != self._timestamp:
                self._enter(key & 0xFFFF_FFFF)
            elif self._handed_over:
                return 0
            self._has_slice = True
            self._key = role & KEY != 0
            at = len(data)
            if in_fragments:
                # With 6 bytes of the packet's head in front: the length and the unit's header take their place.
                data += view[pos + 13 : after]
                data[at + 4 : at + 6] = _unit_header(start)
                self._unit_at, self._middle = at, start & _MIDDLE
                return BEGUN
            self._unit_at = at
            data += view[pos + 12 : after]
        return ENDED

    def _payload(self, view: memoryview, at: int, stop: int, timestamp: int, start: int) -> bool:
        kind = start >> 17 & 63
        if stop - at < self.header_size:
            self._note("packets of unknown type left out")
        elif kind == FU:
            # The order number stands in the first fragment only (§4.4.3).
            head = 5 if self.order_numbers and start & MARKED_START else 3
            return self._fragment(view, at + head, stop, timestamp, start, start & _MIDDLE, _unit_header(start))
        elif kind == AP:
            self._aggregate(view, at + 2, stop, timestamp)
        elif kind == PACI:
            return self._behind_extension(view, at, stop, timestamp)
        elif not start >> 8 & 0xFFFF and starts_with_start_code(view, at):
            self._end_left_open()
            self._units_by_start_code(bytes(view[at:stop]), timestamp)
        elif kind > PACI:
            self._note("packets of unknown type left out")
        elif self.order_numbers:
            unit = memoryview(bytes(view[at : at + 2]) + bytes(view[at + 4 : stop]))
            self._unit(unit, 0, len(unit), timestamp)
        else:
            self._unit(view, at, stop, timestamp)
        return True

    def _aggregate(self, view: memoryview, at: int, stop: int, timestamp: int) -> None:
        """§4.4.2: before each size an order number, the first whole, the others one byte."""
        order, later = (2, 1) if self.order_numbers else (0, 0)
        while at + order + 2 <= stop:
            body = at + order + 2
            at = body + (view[body - 2] << 8 | view[body - 1])
            order = later
            if at > stop:
                self._torn_aggregate(timestamp)
                return
            if at - body >= self.header_size:
                self._unit(view, body, at, timestamp)

    def _behind_extension(self, view: memoryview, at: int, stop: int, timestamp: int) -> bool:
        """Take what a packet with control information carries (PACI, §4.4.4), and pass over the information."""
        fields = view[at + 2] << 8 | view[at + 3] if at + 4 <= stop else 0
        body = at + 4 + (fields >> 4 & 31)
        head = (fields >> 15) << 15 | (fields >> 9 & 63) << 9 | (view[at] & 1) << 8 | view[at + 1]
        if at + 4 > stop or body >= stop or head >> 9 & 63 == PACI:
            self._note("torn packets left out")
            return True
        carried = memoryview(head.to_bytes(2, "big") + bytes(view[body:stop]))
        return self._payload(carried, 0, len(carried), timestamp, self._start_of(carried, 0, len(carried)))


def _unit_header(start: int) -> bytes:
    """Return the header of the unit whose fragment begins so: the payload header with the unit's own type."""
    return (start >> 8 & 0x81FF | (start & 63) << 9).to_bytes(2, "big")
