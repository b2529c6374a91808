"""H.264 over RTP (RFC 6184): packets in, access units out, byte by byte in their final place.

The fast loop (`units.py`) appends the fragments of a large unit straight to the picture: no object per packet, no copy
but one. A shorter way stands open to the packets that begin and end the pictures of a well-behaved stream
(`_take_usual`); all others go the slow way, `_take`, packet by packet, and what the shorter ways do is what that one
would have done.
"""

from __future__ import annotations

import struct

from vonggac.video.rtsp.depacketiser import MARKER
from vonggac.video.rtsp.sps import DELIMITER, PPS, SEI, SLICE_IDR, SPS, ParameterSets
from vonggac.video.rtsp.units import (
    BEGUN,
    DELIMITS,
    ENDED,
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

STAP_A, STAP_B, MTAP16, MTAP24, FU_A, FU_B = range(24, 30)
"""Packet types (RFC 6184 §5.2, table 1)."""

# Of the FU indicator and header: type, start, end and reserved bit; the same of the first fragment of several.
_WHOLE_SLICES = (1, SLICE_IDR)  # not parted by the importance of their data
_FRAGMENT_KIND, _FIRST_FRAGMENT = 0x1FE0, FU_A << 8 | MARKED_START
# Bytes between the start of the aggregate and its first unit, and before each unit after its size (§5.7).
_AGGREGATES = {STAP_A: (1, 0, 0), STAP_B: (3, 0, 0), MTAP16: (3, 1, 2), MTAP24: (3, 1, 3)}
# Table 7-1; 14 to 18 begin a picture, too (§7.4.1.2.3).
_ROLES = [0] * 32
_ROLES[1:SLICE_IDR] = [SLICE | KEPT] * 4
_ROLES[SLICE_IDR] = SLICE | KEPT | KEY
_ROLES[SEI] = KEPT | PRECEDES
_ROLES[SPS] = _ROLES[PPS] = SET | PRECEDES
_ROLES[DELIMITER] = DELIMITS
_ROLES[14:19] = [PRECEDES] * 5


class H264Depacketiser(UnitDepacketiser):
    """All packet types of RFC 6184; interleaved mode is taken in sending order."""

    fragment = struct.Struct(">HHQ4xH")
    """After the SSRC, which is skipped: FU indicator and FU header."""
    header_size = 1
    sets = ParameterSets

    def _role(self, unit: bytes | bytearray | memoryview, at: int) -> int:
        return _ROLES[unit[at] & 31]

    def _take_usual(self, view: memoryview, pos: int, after: int, key: int, start: int) -> int:
        if not self._usual:
            return 0
        expect, data, at = self._expect, self._data, self._unit_at
        if at >= 0:
            if start != self._middle | MARKED_END or key != expect | MARKER or not 0 < start & 31 <= SLICE_IDR:
                return 0
            data += view[pos + 18 : after]
        else:
            in_fragments = start & _FRAGMENT_KIND == _FIRST_FRAGMENT
            kind = (start if in_fragments else start >> 8) & 31
            # The first packet has the next number, and a marker bit where it is the last one, too.
            if kind not in _WHOLE_SLICES or key >> 32 != (expect if in_fragments else expect | MARKER) >> 32:
                return 0
            if self._has_slice or self._damaged or self._gap:
                return 0
            if key & 0xFFFF_FFFF != self._timestamp:
                self._enter(key & 0xFFFF_FFFF)
            elif self._handed_over:
                return 0
            self._has_slice = True
            self._key = kind == SLICE_IDR
            at = len(data)
            if in_fragments:
                # With 5 bytes of the packet's head in front: the length and the unit's header take their place.
                data += view[pos + 13 : after]
                data[at + 4] = start >> 8 & 0xE0 | start & 31
                self._unit_at, self._middle = at, start & 0xFF1F
                return BEGUN
            self._unit_at = at
            data += view[pos + 12 : after]
        return ENDED

    def _payload(self, view: memoryview, at: int, stop: int, timestamp: int, start: int) -> bool:
        kind = start >> 8 & 31
        if kind == FU_A:
            if not start & MARKED_START and self._middle == start & 0xFF1F and timestamp == self._timestamp:
                self._data += view[at + 2 : stop]
                if start & MARKED_END:
                    self._end_fragments()
                    return True
                return False
            return self._fragmented(view, at + 2, stop, timestamp, start)
        if 0 < kind < STAP_A:
            self._unit(view, at, stop, timestamp)
        elif kind in _AGGREGATES:
            self._aggregate(view, at, stop, timestamp, *_AGGREGATES[kind])
        elif kind == FU_B:
            # Its first fragment carries a decoding order number (§5.8); the rest are FU-A.
            return self._fragmented(view, at + 4, stop, timestamp, start & 0xE0FF | FU_A << 8)
        elif kind == 0 and starts_with_start_code(view, at):
            self._end_left_open()
            self._units_by_start_code(bytes(view[at:stop]), timestamp)
        else:
            self._note("packets of unknown type left out")
        return True

    def _fragmented(self, view: memoryview, at: int, stop: int, timestamp: int, start: int) -> bool:
        header = bytes((start >> 8 & 0xE0 | start & 31,))
        return self._fragment(view, at, stop, timestamp, start, start & 0xFF1F, header)

    def _aggregate(
        self, view: memoryview, at: int, stop: int, timestamp: int, head: int, order: int, offset: int
    ) -> None:
        at += head
        while at + 2 <= stop:
            body = at + 2 + order + offset
            at = body + (view[at] << 8 | view[at + 1])
            if at > stop:
                self._torn_aggregate(timestamp)
                return
            later = int.from_bytes(view[body - offset : body], "big")
            if body < at:
                self._unit(view, body, at, timestamp + later & 0xFFFF_FFFF)
