"""Coded units (NAL units) into pictures: what the payload formats of H.264 and H.265 have in common.

RFC 7798 took its packets from RFC 6184: whole units, units in fragments, several units in one packet. A codec says
how its headers are read (`h264.py`, `h265.py`); how units make a picture, and what becomes of units that should not be
as they are, stands here.
"""

from __future__ import annotations

import re
import struct
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar

from vonggac.video.bits import MalformedParameterSet
from vonggac.video.rtsp.depacketiser import MARKER, MAX_PICTURE, ONE_PACKET, TRUSTED_AFTER, Depacketiser
from vonggac.video.rtsp.parameter_sets import StreamSets
from vonggac.video.stream import AccessUnit

SCANNED_PICTURES = 32
"""Pictures at the start of a stream whose slices are searched for start codes; one find, and all of them are."""

SLICE, KEY, KEPT, SET, DELIMITS, PRECEDES, FOLLOWS = (1 << bit for bit in range(7))
"""What a kind of unit is to a picture, added up: a slice; of a key picture; part of the recorded picture; a parameter
set; the beginning of a picture in any case; before the slices of its picture; after them. 0: left out."""

MARKED_START, MARKED_END = 0x80, 0x40
"""The bits of a fragment's header (RFC 6184 §5.8, RFC 7798 §4.4.3)."""
LENGTH = struct.Struct(">I")
BEGUN, ENDED = 1, 2
"""What the short way has taken: the first packet of several, or all of a picture."""

_START_CODE = b"\0\0\1"
_START_CODES = re.compile(rb"\x00{2,}\x01")


class UnitDepacketiser(Depacketiser):
    """Assembles the units of a picture. See `Depacketiser` for what is handed over."""

    fragment: ClassVar[struct.Struct]
    """How the start of an interleaved fragment is read: "$" and channel; length; the first 8 bytes of the RTP header;
    `start`, which ends with the fragment's headers. As long as all that precedes the fragment's bytes of the unit."""
    header_size: ClassVar[int]
    """Bytes of a unit's header."""
    sets: ClassVar[type[StreamSets]]

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
        """`parameter_sets` and `declared_fps`: what the camera's description says."""
        super().__init__(on_access_unit, channel=channel, payload_type=payload_type, oddities=oddities)
        self._sets = self.sets(declared_fps)
        self._always_scan = False
        # The short ways are open: the marker bit is trusted, and there was no start code in the first pictures.
        self._usual = False
        for unit in parameter_sets:
            for part in _START_CODES.split(unit):
                self._take_set(part)
        self.parameters = self._sets.parameters

    @abstractmethod
    def _role(self, unit: bytes | bytearray | memoryview, at: int) -> int:
        """Return what the unit that begins there, with at least its header, is to its picture."""

    @abstractmethod
    def _take_usual(self, view: memoryview, pos: int, after: int, key: int, start: int) -> int:
        """Take the packet view[pos:after] where it is the first or the last of a picture in the usual shape.

        Usual: the marker bit is trusted, nothing is missing, and the picture is one slice, in fragments or whole.
        BEGUN: `_unit_at` and `_middle` say where the fragments go on; ENDED: the slice lies whole from `_unit_at` on,
        with room for its length; 0: nothing has been done, `_take` must look at it.
        """

    def interleaved(self, view: memoryview, pos: int, end: int, now_ns: int) -> int:
        unpack, head_size, stream = self.fragment.unpack_from, self.fragment.size, self._interleaved_head
        data, expect, middle = self._data, self._expect, self._middle_expected()
        last, shortest = end - head_size, head_size - 4
        while pos <= last:
            head, length, key, start = unpack(view, pos)
            after = pos + length + 4
            if key == expect and start == middle and head == stream:
                if after > end or length < shortest:
                    break
                data += view[pos + head_size : after]
                expect += ONE_PACKET
                pos = after
                continue
            if head != stream or after > end or length < shortest:
                break
            if expect != self._expect:
                self._count(expect, now_ns)
            if taken := self._take_usual(view, pos, after, key, start):
                self.packets += 1
                self._touched_ns = now_ns
                if taken == BEGUN:
                    self._expect = key + ONE_PACKET
                else:
                    at = self._unit_at
                    if not data[-1]:
                        self._strip(at)
                    LENGTH.pack_into(data, at, len(data) - at - 4)
                    self._unit_at = self._middle = -1
                    self._expect = (key ^ MARKER) + ONE_PACKET
                    self._finish_picture()
                    self._handed_over = True
                middle = self._middle
            else:
                self._take(view, pos + 4, after, key, start, now_ns)
                middle = self._middle_expected()
            data, expect = self._data, self._expect
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

    def _fragment(
        self, view: memoryview, at: int, stop: int, timestamp: int, bits: int, middle: int, header: bytes
    ) -> bool:
        """Take a fragment: view[at:stop] are its bytes of the unit, `bits` ends with MARKED_START and MARKED_END.

        `middle`: what `start` is in the fragments between the first and the last of this unit; `header`: the unit's.
        Returns whether a marker bit would count here.
        """
        if at > stop:
            self._note("torn packets left out")
        elif bits & MARKED_START:
            self._end_left_open()
            if self._begin(self._role(header, 0), view[at] if at < stop else 0, timestamp):
                data = self._data
                self._unit_at = len(data)
                self._middle = middle
                data += b"\0\0\0\0"
                data += header
                data += view[at:stop]
        elif self._unit_at >= 0 and timestamp == self._timestamp:
            if (middle ^ self._middle) & 0xFF_FFFF:  # above that may stand what precedes the payload
                self._note("fragment headers that disagree")
            self._data += view[at:stop]
        else:
            self._orphan(timestamp)
        if bits & MARKED_END and self._unit_at >= 0:
            self._end_fragments()
        return self._unit_at < 0

    def _orphan(self, timestamp: int) -> None:
        """A fragment whose beginning is not there: lost, or sent before we came."""
        if timestamp != self._timestamp:
            self._enter(timestamp)
        if self._gap:
            self._damaged = True
            self._drop_picture()
        elif not self._damaged:
            self._damage("fragments without a beginning")

    def _torn_aggregate(self, timestamp: int) -> None:
        """An aggregate that ends within a unit: nothing more of its picture can be used, and nothing else is hurt."""
        if timestamp != self._timestamp:
            self._enter(timestamp)
        self._damage("torn aggregates")

    def _unit(self, view: memoryview, at: int, stop: int, timestamp: int) -> None:
        """One whole unit, at least its header."""
        self._end_left_open()
        first = at + self.header_size
        if self._begin(self._role(view, at), view[first] if first < stop else 0, timestamp):
            self._unit_at = len(self._data)
            self._data += b"\0\0\0\0"
            self._data += view[at:stop]
            self._end_fragments()

    def _begin(self, role: int, first: int, timestamp: int) -> bool:
        """Judge whether a unit begins a picture (H.264 §7.4.1.2.3, H.265 §7.4.2.4.4).

        `first`: the byte after its header. The first slice of a picture has the top bit set there: first_mb_in_slice
        is 0 (H.264 §9.1), first_slice_segment_in_pic_flag is 1 (H.265 §7.3.6.1). False: leave the unit out, it belongs
        to a picture that is thrown away, or to one that is gone.
        """
        is_slice = role & SLICE
        leads = is_slice and first >= 0x80
        if timestamp != self._timestamp:
            self._enter(timestamp)
        elif self._damaged:
            if not (leads or role & DELIMITS):
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
            elif role & DELIMITS or (self._marked and role & PRECEDES):
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
            if role & KEY:
                self._key = True
        return not role & FOLLOWS or self._has_slice

    def _end_fragments(self) -> None:
        """Close the unit at `_unit_at`: patch its length, or take it out of the picture where it does not belong."""
        data, at = self._data, self._unit_at
        self._unit_at = self._middle = -1
        role = self._role(data, at + 4)
        if not role & SLICE or self._always_scan or self.access_units < SCANNED_PICTURES:
            found = data.find(_START_CODE, at + 4)
            if found >= 0:
                unit = bytes(data[at + 4 :])
                del data[at:]
                self._units_by_start_code(unit, self._timestamp)
                return
        if role & KEPT or (role & SET and self._take_set(bytes(data[at + 4 :]))):
            if not data[-1]:
                self._strip(at)
            LENGTH.pack_into(data, at, len(data) - at - 4)
        else:
            del data[at:]

    def _strip(self, at: int) -> None:
        """Take padding off the end of the unit at `at`: no unit ends with 0 (H.264 §7.4.1, H.265 §7.4.2).

        A file that ended with it would look as if its last sector had been lost in a power cut.
        """
        self._note("units padded with zero bytes")
        data, end = self._data, len(self._data)
        while end > at + 4 + self.header_size and not data[end - 1]:
            end -= 1
        del data[end:]

    def _end_left_open(self) -> None:
        if self._unit_at >= 0:
            self._note("fragments without an end")
            self._end_fragments()

    def _units_by_start_code(self, units: bytes, timestamp: int) -> None:
        """Several units in one payload, parted by start codes (annex B): forbidden by both RFCs, and done."""
        self._note("start codes inside RTP payloads")
        self._always_scan, self._usual = True, False
        size = self.header_size
        for number, padded in enumerate(_START_CODES.split(units)):
            unit = padded.rstrip(b"\0")
            # The first of them has been judged when it came; nothing stands before a leading start code.
            if len(unit) < size:
                if number == 0 and self._has_slice and not self._first_slice(self._data):
                    self._has_slice = self._key = False  # zeros that looked like the header of a slice
                continue
            first = unit[size] if len(unit) > size else 0
            if number == 0 or self._begin(self._role(unit, 0), first, timestamp):
                self._unit_at = len(self._data)
                self._data += b"\0\0\0\0"
                self._data += unit
                self._end_fragments()

    def _take_set(self, unit: bytes) -> bool:
        """Take up a parameter set; return whether it is to stay in the picture in the making.

        Sets that change in mid-stream come into force with the next key picture, which begins a new recording. A
        picture set that changes at another picture stays with that one, so that it can be decoded and the recording
        that it belongs to goes on.
        """
        if not unit:
            return False
        try:
            at_once = self._sets.add(unit)
        except MalformedParameterSet:
            self._note("parameter sets that cannot be read")
            return False
        if self.parameters is None:
            self.parameters = self._sets.parameters
            return False
        return at_once

    def _before_key_frame(self, data: bytearray) -> None:
        if self._sets.several:
            self._sets.activate(self._first_slice(data))
        if self._sets.changed:
            self.parameters = self._sets.parameters
            self._leave_sets_out(data)

    def _first_slice(self, data: bytearray) -> bytes:
        """Return the first bytes of the first slice of a picture."""
        at = 0
        while at + 4 < len(data):
            if self._role(data, at + 4) & SLICE:
                return bytes(data[at + 4 : at + 36])
            at += 4 + int.from_bytes(data[at : at + 4], "big")
        return b""

    def _leave_sets_out(self, data: bytearray) -> None:
        at = 0
        while at + 4 < len(data):
            after = at + 4 + int.from_bytes(data[at : at + 4], "big")
            if self._role(data, at + 4) & SET:
                del data[at:after]
            else:
                at = after

    def _marker_was_right(self) -> None:
        if self.access_units >= SCANNED_PICTURES and not self._always_scan:
            self._usual = self._marker_trust >= TRUSTED_AFTER

    def _distrust_marker(self) -> None:
        super()._distrust_marker()
        self._usual = False


def starts_with_start_code(view: memoryview, at: int) -> bool:
    """Return whether a payload begins with zeros and a one where a unit's header should be."""
    return bytes(view[at : at + 4]).lstrip(b"\0")[:1] == b"\1"
