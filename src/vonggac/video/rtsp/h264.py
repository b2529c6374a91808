"""H.264 over RTP (RFC 6184): packets in, access units out, byte by byte in their final place.

The fast loop appends the fragments of a large unit straight to the picture: no object per packet, no copy but one.
A shorter way stands open to the packets that begin and end the pictures of a well-behaved stream (`_take_usual`); all
others go the slow way, `_take`, packet by packet, and what the shorter ways do is what that one would have done.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable

from vonggac.video.rtsp.depacketiser import MARKER, MAX_PICTURE, ONE_PACKET, TRUSTED_AFTER, Depacketiser
from vonggac.video.rtsp.sps import DELIMITER, PPS, SEI, SLICE_IDR, SPS, MalformedParameterSet, ParameterSets
from vonggac.video.stream import AccessUnit

STAP_A, STAP_B, MTAP16, MTAP24, FU_A, FU_B = range(24, 30)
"""Packet types (RFC 6184 §5.2, table 1)."""
SCANNED_PICTURES = 32
"""Pictures at the start of a stream whose slices are searched for start codes; one find, and all of them are."""

_START_CODE = b"\0\0\1"
_START_CODES = re.compile(rb"\x00{2,}\x01")
_LENGTH = struct.Struct(">I")
# "$", channel; length; first 8 bytes of the RTP header; SSRC skipped; FU indicator and FU header.
_FRAGMENT = struct.Struct(">HHQ4xH")
_MARKED_START, _MARKED_END = 0x80, 0x40
# Of the FU indicator and header: type, start, end and reserved bit; the same of the first fragment of several.
_WHOLE_SLICES = (1, SLICE_IDR)  # not parted by the importance of their data
_FRAGMENT_KIND, _FIRST_FRAGMENT = 0x1FE0, FU_A << 8 | _MARKED_START
# Bytes between the start of the aggregate and its first unit, and before each unit after its size (§5.7).
_AGGREGATES = {STAP_A: (1, 0, 0), STAP_B: (3, 0, 0), MTAP16: (3, 1, 2), MTAP24: (3, 1, 3)}


class H264Depacketiser(Depacketiser):
    """All packet types of RFC 6184; interleaved mode is taken in sending order."""

    def __init__(
        self,
        on_access_unit: Callable[[AccessUnit], None],
        *,
        channel: int = 0,
        payload_type: int = 96,
        parameter_sets: Iterable[bytes] = (),
        declared_fps: float | None = None,
        oddities: set[str] | None = None,
    ) -> None:
        super().__init__(on_access_unit, channel=channel, payload_type=payload_type, oddities=oddities)
        self._sets = ParameterSets(declared_fps)
        self._always_scan = False
        for unit in parameter_sets:
            for part in _START_CODES.split(unit):
                self._take_set(part)

    def interleaved(self, view: memoryview, pos: int, end: int, now_ns: int) -> int:
        unpack, stream = _FRAGMENT.unpack_from, self._interleaved_head
        data, expect, middle = self._data, self._expect, self._middle_expected()
        last = end - _FRAGMENT.size
        while pos <= last:
            head, length, key, start = unpack(view, pos)
            after = pos + length + 4
            if key == expect and start == middle and head == stream:
                if not pos + 18 <= after <= end:
                    break
                data += view[pos + 18 : after]
                expect += ONE_PACKET
                pos = after
                continue
            if head != stream or after > end or length < 14:
                break
            if expect != self._expect:
                self._count(expect, now_ns)
            if not self._take_usual(view, pos, after, key, start, now_ns):
                self._take(view, pos + 4, after, key, start, now_ns)
            data, expect, middle = self._data, self._expect, self._middle_expected()
            pos = after
        if expect != self._expect:
            self._count(expect, now_ns)
            if len(data) > MAX_PICTURE:
                self._too_large()
        return pos

    def _middle_expected(self) -> int:
        """Return how a fragment begins that the fast loop may append to the picture; -1: none may be.

        None when the packet before had another time stamp than the picture, and did not begin one.
        """
        return self._middle if self._expect & 0xFFFF_FFFF == self._timestamp else -1

    def _count(self, expect: int, now_ns: int) -> None:
        """Enter what the fast loop has taken since."""
        self.packets += expect - self._expect >> 32
        self._expect = expect
        self._touched_ns = now_ns

    def _take_usual(self, view: memoryview, pos: int, after: int, key: int, start: int, now_ns: int) -> bool:
        """Take the packet view[pos:after] where it is the first or the last of a picture in the usual shape.

        Usual: the marker bit is trusted, nothing is missing, and the picture is one slice, in fragments or whole.
        False: nothing has been done, `_take` must look at it.
        """
        if self._marker_trust < TRUSTED_AFTER or self.access_units < SCANNED_PICTURES or self._always_scan:
            return False
        expect, data, at = self._expect, self._data, self._unit_at
        if at >= 0:
            if start != self._middle | _MARKED_END or key != expect | MARKER or not 0 < start & 31 <= SLICE_IDR:
                return False
            data += view[pos + 18 : after]
        else:
            in_fragments = start & _FRAGMENT_KIND == _FIRST_FRAGMENT
            unit = start if in_fragments else start >> 8
            kind = unit & 31
            # The first packet has the next number, and a marker bit where it is the last one, too.
            if kind not in _WHOLE_SLICES or key >> 32 != (expect if in_fragments else expect | MARKER) >> 32:
                return False
            if self._has_slice or self._damaged or self._gap:
                return False
            if key & 0xFFFF_FFFF != self._timestamp:
                self._enter(key & 0xFFFF_FFFF)
            elif self._handed_over:
                return False
            self._has_slice = True
            self._key = kind == SLICE_IDR
            at = len(data)
            if in_fragments:
                # With 5 bytes of the packet's head in front: the length and the unit's header take their place.
                data += view[pos + 13 : after]
                data[at + 4] = start >> 8 & 0xE0 | start & 31
                self._unit_at, self._middle = at, start & 0xFF1F
                self.packets += 1
                self._expect = key + ONE_PACKET
                self._touched_ns = now_ns
                return True
            data += view[pos + 12 : after]
        _LENGTH.pack_into(data, at, len(data) - at - 4)
        self._unit_at = self._middle = -1
        self.packets += 1
        self._expect = (key ^ MARKER) + ONE_PACKET
        self._touched_ns = now_ns
        self._finish_picture()
        self._handed_over = True
        return True

    def _payload(self, view: memoryview, at: int, stop: int, timestamp: int, start: int) -> bool:
        kind = start >> 8 & 31
        if kind == FU_A:
            if not start & _MARKED_START and self._middle == start & 0xFF1F and timestamp == self._timestamp:
                self._data += view[at + 2 : stop]
                if start & _MARKED_END:
                    self._end_fragments()
                    return True
                return False
            self._fragment(view, at + 2, stop, timestamp, start)
            return self._unit_at < 0
        if 0 < kind < STAP_A:
            self._unit(view, at, stop, timestamp)
        elif kind in _AGGREGATES:
            self._aggregate(view, at, stop, timestamp, *_AGGREGATES[kind])
        elif kind == FU_B:
            # Its first fragment carries a decoding order number (§5.8); the rest are FU-A.
            self._fragment(view, at + 4, stop, timestamp, start & 0xE0FF | FU_A << 8)
            return self._unit_at < 0
        elif kind == 0 and bytes(view[at : at + 4]).lstrip(b"\0")[:1] == b"\1":
            self._end_left_open()
            self._units_by_start_code(bytes(view[at:stop]), timestamp)
        else:
            self._note("packets of unknown type left out")
        return True

    def _fragment(self, view: memoryview, at: int, stop: int, timestamp: int, start: int) -> None:
        if at > stop:
            self._note("torn packets left out")
        elif start & _MARKED_START:
            self._end_left_open()
            header = start >> 8 & 0xE0 | start & 31
            if self._begin(header & 31, view[at] if at < stop else 0, timestamp):
                data = self._data
                self._unit_at = len(data)
                self._middle = start & 0xFF1F
                data += b"\0\0\0\0"
                data.append(header)
                data += view[at:stop]
        elif self._unit_at >= 0 and timestamp == self._timestamp:
            if start & 0xFF1F != self._middle:
                self._note("fragment headers that disagree")
            self._data += view[at:stop]
        else:
            self._orphan(timestamp)
        if start & _MARKED_END and self._unit_at >= 0:
            self._end_fragments()

    def _orphan(self, timestamp: int) -> None:
        """A fragment whose beginning is not there: lost, or sent before we came."""
        if timestamp != self._timestamp:
            self._enter(timestamp)
        if self._gap:
            self._damaged = True
            self._drop_picture()
        elif not self._damaged:
            self._damage("fragments without a beginning")

    def _aggregate(
        self, view: memoryview, at: int, stop: int, timestamp: int, head: int, order: int, offset: int
    ) -> None:
        at += head
        while at + 2 <= stop:
            body = at + 2 + order + offset
            at = body + (view[at] << 8 | view[at + 1])
            if at > stop:
                self._damage("torn aggregates")
                return
            later = int.from_bytes(view[body - offset : body], "big")
            if body < at:
                self._unit(view, body, at, timestamp + later & 0xFFFF_FFFF)

    def _unit(self, view: memoryview, at: int, stop: int, timestamp: int) -> None:
        """One whole unit."""
        self._end_left_open()
        if self._begin(view[at] & 31, view[at + 1] if at + 1 < stop else 0, timestamp):
            self._unit_at = len(self._data)
            self._data += b"\0\0\0\0"
            self._data += view[at:stop]
            self._end_fragments()

    def _begin(self, kind: int, first: int, timestamp: int) -> bool:
        """Judge whether a unit begins a picture (H.264 §7.4.1.2.3); False: it belongs to one that is thrown away.

        `first`: the byte after its header. A slice whose first_mb_in_slice is 0 has the top bit set there (§9.1).
        """
        is_slice = 0 < kind <= SLICE_IDR
        leads = is_slice and first >= 0x80
        if timestamp != self._timestamp:
            self._enter(timestamp)
        elif self._damaged:
            if not (leads or kind == DELIMITER):
                return False
            self._damaged = False  # a camera whose time stands still would else never be heard again
        elif self._has_slice:
            if leads:
                if self._sets.frame_mbs_only:
                    self._finish_picture()
                elif self._marked:
                    self._distrust_marker()  # it came after the first of two fields
            elif is_slice:
                if self._marked:
                    self._distrust_marker()
            elif kind == DELIMITER or (self._marked and (SEI <= kind <= PPS or 14 <= kind <= 18)):
                # Without a marker bit before them the sets stand inside a picture: GStreamer repeats them before
                # every slice of a key picture.
                self._finish_picture()
        elif self._handed_over and is_slice and not leads:
            self._distrust_marker()
            self._damage("a picture went out in two parts")
            return False
        if self._gap:
            self._gap = False
            if is_slice and not leads:
                self._damaged = True
                return False
        if is_slice:
            self._has_slice = True
            if kind == SLICE_IDR:
                self._key = True
        return True

    def _end_fragments(self) -> None:
        """Close the unit at `_unit_at`: patch its length, or take it out of the picture where it does not belong."""
        data, at = self._data, self._unit_at
        self._unit_at = self._middle = -1
        kind = data[at + 4] & 31
        is_slice = 0 < kind <= SLICE_IDR
        if not is_slice or self._always_scan or self.access_units < SCANNED_PICTURES:
            found = data.find(_START_CODE, at + 4)
            if found >= 0:
                unit = bytes(data[at + 4 :])
                del data[at:]
                self._units_by_start_code(unit, self._timestamp)
                return
        if is_slice or kind == SEI:
            _LENGTH.pack_into(data, at, len(data) - at - 4)
            return
        unit = bytes(data[at + 4 :]) if kind in (SPS, PPS) else b""
        del data[at:]
        self._take_set(unit)

    def _end_left_open(self) -> None:
        if self._unit_at >= 0:
            self._note("fragments without an end")
            self._end_fragments()

    def _units_by_start_code(self, units: bytes, timestamp: int) -> None:
        """Several units in one payload, parted by start codes (annex B): forbidden by RFC 6184, and done."""
        self._note("start codes inside RTP payloads")
        self._always_scan = True
        for number, padded in enumerate(_START_CODES.split(units)):
            unit = padded.rstrip(b"\0")
            # The first of them has been judged when it came; nothing stands before a leading start code.
            if unit and (number == 0 or self._begin(unit[0] & 31, unit[1] if len(unit) > 1 else 0, timestamp)):
                self._unit_at = len(self._data)
                self._data += b"\0\0\0\0"
                self._data += unit
                self._end_fragments()

    def _take_set(self, unit: bytes) -> None:
        if not unit:
            return
        try:
            self._sets.add(unit)
        except MalformedParameterSet:
            self._note("parameter sets that cannot be read")
        self.parameters = self._sets.parameters

    def _before_key_frame(self, data: bytearray) -> None:
        if self._sets.several:
            self._sets.activate(_first_slice(data))
            self.parameters = self._sets.parameters


def _first_slice(data: bytearray) -> bytes:
    """Return the first bytes of the first slice of a picture."""
    at = 0
    while at + 4 < len(data):
        if 0 < data[at + 4] & 31 <= SLICE_IDR:
            return bytes(data[at + 4 : at + 36])
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return b""
