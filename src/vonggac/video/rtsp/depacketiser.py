"""From RTP packets (RFC 3550) to pictures: what all video codecs have in common.

Sequence numbers and losses, time stamps, and the assembly of one picture; `units.py` adds what a picture is made of
and the fast loop over interleaved packets, a codec its payload format (`h264.py`, `h265.py`).
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable

from vonggac.video.stream import AccessUnit, VideoParameters

MAX_PICTURE = 8 * 1024 * 1024
"""Bytes of one picture; a key frame of a 4K camera stays under 2 MiB."""
MAX_ODDITIES = 32
TRUSTED_AFTER = 8
"""Pictures whose marker bit must have been right before a picture is handed over on its marker bit alone."""
ADOPTED_AFTER = 50
"""Packets of one payload type that was not announced, and none that was, until they are taken for the stream."""

FIXED_HEADER = 12
"""Bytes (RFC 3550 §5.1)."""
ONE_PACKET = 1 << 32
"""What the first 8 bytes of an RTP header, read as one number, grow by from packet to packet of one picture."""
MARKER = 1 << 55
"""The marker bit in the same number."""
_SHAPE = 0xFF7F << 48
_SEQUENCE_AND_TIME = (1 << 48) - 1
_LATE = 64
"""Packets behind the newest that count as late or doubled; further back the camera has begun to count anew."""

_FIRST_EIGHT = struct.Struct(">Q")
_SSRC = struct.Struct(">I")


class Depacketiser(ABC):
    """Assembles the pictures of one video stream and hands each to a callback."""

    def __init__(
        self,
        on_access_unit: Callable[[AccessUnit], None],
        *,
        channel: int = 0,
        payload_type: int = 96,
        oddities: set[str] | None = None,
    ) -> None:
        self.packets = 0
        self.lost = 0
        self.access_units = 0
        self.key_frames = 0
        self.last_access_unit_ns = 0
        self.oddities: set[str] = oddities if oddities is not None else set()
        self.parameters: VideoParameters | None = None
        """What a decoder needs; None until all kinds of sets are known. The same object until they change."""
        self._hand_over = on_access_unit
        self._interleaved_head = 0x2400 | channel
        self._payload_type = payload_type
        self._shape = -1  # version, payload type and nothing else set; -1: no packet has come yet
        self._foreign = 0
        self._ssrc: int | None = None
        # The first 8 bytes that the next packet has if it belongs to the same picture and has no marker bit.
        self._expect = -1
        self._timestamp = -1
        self._pts = 0
        # The picture in the making.
        self._data = bytearray()
        self._has_slice = False
        self._key = False
        self._touched_ns = 0
        self._unit_at = -1  # where in _data the unit lies whose fragments are arriving; -1: none
        self._middle = -1  # how such a fragment begins
        self._marked = False  # complete by its marker bit, held until the next packet confirms it
        self._handed_over = False  # the picture of this time stamp has gone out on its marker bit
        self._damaged = False  # the rest of this time stamp is thrown away
        self._gap = True  # the next unit follows a loss (or is the first)
        self._marker_trust = 0  # -1: never again
        self._lost_before = 0

    @abstractmethod
    def interleaved(self, view: memoryview, pos: int, end: int, now_ns: int) -> int:
        """Take the interleaved packets of this stream from view[pos:end]; return where the first other byte stands.

        That byte begins a packet that is incomplete, of another channel, or under 14 bytes long (`packet` takes
        those), or an RTSP message.
        """

    @abstractmethod
    def _payload(self, view: memoryview, at: int, stop: int, timestamp: int, start: int) -> bool:
        """Take one payload; `start` holds its first bytes. Return whether a marker bit would count here."""

    @abstractmethod
    def _end_fragments(self) -> None:
        """Close the unit at `_unit_at`."""

    def _start_of(self, view: memoryview, at: int, stop: int) -> int:
        """Return the first bytes of a payload as `_payload` wants them: two of them, 0 for those that it lacks."""
        return two_bytes(view, at, stop)

    def packet(self, view: memoryview, start: int, stop: int, now_ns: int) -> None:
        """Take one RTP packet, view[start:stop]."""
        if stop - start < FIXED_HEADER:
            self._note("packets too short for RTP left out")
            return
        (key,) = _FIRST_EIGHT.unpack_from(view, start)
        at = start + FIXED_HEADER
        self._take(view, start, stop, key, self._start_of(view, at, stop), now_ns)

    def finish(self) -> None:
        """Hand over the last picture of a stream that has ended, if its marker bit says that it is whole."""
        if self._marked:
            self._finish_picture()

    def presentation_time(self, rtp_timestamp: int) -> int | None:
        """Return where 32 bits of RTP time lie on the unwrapped time of the pictures; None before the first."""
        if self._timestamp < 0:
            return None
        return self._pts + (rtp_timestamp - self._timestamp + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000

    def _take(self, view: memoryview, start: int, stop: int, key: int, first: int, now_ns: int) -> None:
        """Take one packet that the fast loop could not; `key`: its first 8 bytes, `first`: those of its payload."""
        at = start + FIXED_HEADER
        if key & _SHAPE != self._shape:
            at, stop = self._unusual(view, start, stop, key)
            if at < 0:
                return
            first = self._start_of(view, at, stop)
        self.packets += 1
        sequence = key >> 32 & 0xFFFF
        if sequence != self._expect >> 32 & 0xFFFF and not self._out_of_step(view, start, sequence):
            return
        self._expect = (key & _SEQUENCE_AND_TIME | self._shape) + ONE_PACKET
        if at >= stop:
            return
        marker_counts = self._payload(view, at, stop, key & 0xFFFF_FFFF, first)
        self._touched_ns = now_ns
        if key & MARKER and self._has_slice:
            if not marker_counts:
                self._note("marker bits inside a unit, passed over")
            elif self._marker_trust >= TRUSTED_AFTER:
                self._finish_picture()
                self._handed_over = True
                self._marker_was_right()
            else:
                self._marked = True
        if len(self._data) > MAX_PICTURE:
            self._too_large()

    def _unusual(self, view: memoryview, start: int, stop: int, key: int) -> tuple[int, int]:
        """Read a header with padding, extension, sources or another payload type; (-1, 0): leave the packet out."""
        first, payload_type = key >> 56, key >> 48 & 0x7F
        if first >> 6 != 2:
            self._note("packets of another RTP version left out")
            return -1, 0
        if payload_type != self._payload_type and not self._adopt(payload_type):
            self._note("packets of another payload type left out")
            return -1, 0
        if self._shape < 0:
            self._shape = (0x8000 | self._payload_type) << 48
            self._expect = key
            (self._ssrc,) = _SSRC.unpack_from(view, start + 8)
        at = start + FIXED_HEADER + 4 * (first & 0x0F)
        if first & 0x10:
            at += 4 + 4 * (int.from_bytes(view[at + 2 : at + 4], "big") if at + 4 <= stop else 0)
        if first & 0x20 and stop > at:
            stop -= view[stop - 1]
        if at > stop:
            self._note("torn packets left out")
            return -1, 0
        return at, stop

    def _adopt(self, payload_type: int) -> bool:
        """Judge whether a payload type that was not announced is the stream's after all."""
        self._foreign += 1
        if self.packets or 72 <= payload_type <= 76 or self._foreign < ADOPTED_AFTER:  # RTCP: RFC 5761 §4
            return False
        self._note("payload type differs from the announced one")
        self._payload_type = payload_type
        return True

    def _out_of_step(self, view: memoryview, start: int, sequence: int) -> bool:
        """Judge a sequence number that is not the next one; False: leave the packet out."""
        (ssrc,) = _SSRC.unpack_from(view, start + 8)
        ahead = sequence - (self._expect >> 32) & 0xFFFF
        if ssrc == self._ssrc and ahead >= 0x10000 - _LATE:
            self._note("late or doubled packets left out")
            return False
        if self._marked:
            self._finish_picture()  # whole, by its marker bit: what is missing came after it
        else:
            self._damaged = self._damaged or self._has_slice or self._unit_at >= 0
            self._drop_picture()
        self._gap = True
        if ssrc == self._ssrc and ahead < 0x8000:
            self.lost += ahead
            self._lost_before += ahead
        else:
            self._note("the stream was begun anew without notice")
            self._lost_before = max(1, self._lost_before)
            self._ssrc = ssrc
        return True

    def _enter(self, timestamp: int) -> None:
        """Close the picture before, and go on to this time stamp."""
        if self._has_slice:
            self._finish_picture()
        if self._unit_at >= 0:
            self._end_fragments()
        if self._timestamp < 0:
            self._pts = timestamp
        else:  # the nearer of forward and backward; inline, since it comes with every picture
            self._pts += (timestamp - self._timestamp + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        self._timestamp = timestamp
        self._damaged = self._handed_over = False

    def _finish_picture(self) -> None:
        """Hand over the picture in the making."""
        if self._unit_at >= 0:
            self._note("fragments without an end")
            self._end_fragments()
            if not self._has_slice:
                return
        if self._marked and self._marker_trust >= 0:
            self._marker_trust += 1
        data, key = self._data, self._key
        self._data = bytearray()
        self._has_slice = self._key = self._marked = False
        if key:
            self._before_key_frame(data)
        parameters = self.parameters
        if parameters is None:
            self._note("pictures before the first parameter sets left out")
            return
        lost, self._lost_before = self._lost_before, 0
        self.access_units += 1
        if key:
            self.key_frames += 1
        self.last_access_unit_ns = self._touched_ns
        self._hand_over(AccessUnit(self._pts, key, data, parameters, self._touched_ns, lost))

    def _before_key_frame(self, data: bytearray) -> None:
        """Look at a key picture before it goes out: a codec's chance to bring `parameters` up to date."""
        return

    def _marker_was_right(self) -> None:
        """A picture went out on its marker bit, the slow way: a codec's chance to open a shorter one."""
        return

    def _drop_picture(self) -> None:
        self._data = bytearray()
        self._has_slice = self._key = self._marked = False
        self._unit_at = self._middle = -1

    def _damage(self, oddity: str) -> None:
        """Throw away the picture in the making and what follows with its time stamp."""
        self._note(oddity)
        self._lost_before = max(1, self._lost_before)
        self._damaged = True
        self._drop_picture()

    def _too_large(self) -> None:
        self._damage(f"pictures of over {MAX_PICTURE // 1024 // 1024} MiB left out")

    def _distrust_marker(self) -> None:
        self._note("marker bits in the wrong place")
        self._marker_trust = -1
        self._marked = False

    def _note(self, oddity: str) -> None:
        if len(self.oddities) < MAX_ODDITIES:
            self.oddities.add(oddity)


def two_bytes(view: memoryview, at: int, stop: int) -> int:
    """Return the two bytes at `at` as a number, 0 for those that lie behind `stop`."""
    if at + 2 <= stop:
        return view[at] << 8 | view[at + 1]
    return view[at] << 8 if at < stop else 0
