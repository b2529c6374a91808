"""Datagrams back in order: a small window, bounded in packets and in time, without I/O.

UDP may bring packets late, twice or not at all. What comes in order passes at once; what comes early waits for what
is missing before it, at most `wait_ns` and `packets` long; what comes after its turn is left out. What stays missing
is seen as a hole in the sequence numbers by the depacketiser, which counts it.
"""

from __future__ import annotations

import struct

PACKETS = 64
"""Packets that may wait: a key frame of 90 kB, sent in one burst."""
WAIT_NS = 100_000_000
"""A packet that is 100 ms late is lost: waiting longer would only delay the others."""
MAX_DROPOUT = 3000
"""A jump ahead by more is believed only when a second packet confirms it (RFC 3550 §A.1)."""
MAX_MISORDER = 100
"""A packet this far behind is late; further back the camera has begun to count anew (RFC 3550 §A.1)."""

HEAD = struct.Struct(">xxHxxxxI")
"""Sequence number and source (SSRC) of an RTP packet (RFC 3550 §5.1)."""


class ReorderWindow:
    """Gives the packets of one RTP stream out in the order of their sequence numbers, each at most once."""

    def __init__(self, *, packets: int = PACKETS, wait_ns: int = WAIT_NS) -> None:
        self.received = 0
        """Packets given out."""
        self.lost = 0
        """Packets that did not come in time, if at all."""
        self.late = 0
        """Packets that came after their turn, or twice: left out."""
        self.ssrc = 0
        self._packets = packets
        self._wait_ns = wait_ns
        self._next = -1
        """Extended sequence number (with its turns of 65,536) of the next packet; below 0 before the first."""
        self._held: dict[int, tuple[int, bytes]] = {}
        self._suspect: bytes | None = None

    @property
    def highest(self) -> int:
        """Extended highest sequence number given out (RFC 3550 §6.4.1), modulo 2**32."""
        return max(0, self._next - 1) & 0xFFFF_FFFF

    @property
    def waiting(self) -> int:
        """Packets that wait for others."""
        return len(self._held)

    def passes(self, sequence: int, ssrc: int) -> bool:
        """Take a packet that is simply the next one: True, and it need not be copied. Else `take` must have it."""
        if sequence != self._next & 0xFFFF or self._held or ssrc != self.ssrc or self._next < 0:
            return False
        self._next += 1
        self.received += 1
        self._suspect = None
        return True

    def take(self, packet: bytes, now_ns: int) -> list[bytes]:
        """Take a packet of at least 12 bytes; return what may go on now, in order."""
        sequence, ssrc = HEAD.unpack_from(packet)
        if self._next < 0 or ssrc != self.ssrc:
            released = self.flush()
            return released + self._restart(packet, sequence, ssrc)
        ahead = (sequence - self._next + 0x8000 & 0xFFFF) - 0x8000
        if not -MAX_MISORDER <= ahead <= MAX_DROPOUT:
            return self._doubt(packet, sequence, ssrc)
        self._suspect = None
        place = self._next + ahead
        if ahead < 0 or place in self._held:
            self.late += 1
            return []
        self._held[place] = now_ns, packet
        released = self._in_order()
        while len(self._held) > self._packets:
            released += self._give_up_waiting()
        return released + self.expire(now_ns)

    def expire(self, now_ns: int) -> list[bytes]:
        """Return what has waited long enough; what is missing before it counts as lost."""
        released: list[bytes] = []
        while self._held and now_ns - min(since for since, _ in self._held.values()) >= self._wait_ns:
            released += self._give_up_waiting()
        return released

    def flush(self) -> list[bytes]:
        """Return everything that waits: nothing more will come before it."""
        released: list[bytes] = []
        while self._held:
            released += self._give_up_waiting()
        return released

    def _in_order(self) -> list[bytes]:
        released = []
        while (entry := self._held.pop(self._next, None)) is not None:
            released.append(entry[1])
            self._next += 1
        self.received += len(released)
        return released

    def _give_up_waiting(self) -> list[bytes]:
        first = min(self._held)
        self.lost += first - self._next
        self._next = first
        return self._in_order()

    def _doubt(self, packet: bytes, sequence: int, ssrc: int) -> list[bytes]:
        """A number far off: a stray packet, or the camera counts anew. Two in a row are believed."""
        suspect, self._suspect = self._suspect, packet
        if suspect is None or HEAD.unpack_from(suspect)[0] + 1 & 0xFFFF != sequence:
            return []
        released = self.flush()
        released += self._restart(suspect, sequence - 1, ssrc)
        self._next += 1
        self.received += 1
        return [*released, packet]

    def _restart(self, packet: bytes, sequence: int, ssrc: int) -> list[bytes]:
        self.ssrc = ssrc
        # Turns go on from where they were, so that the number never runs backwards.
        turns = 0 if self._next < 0 else (self._next >> 16) + 1
        self._next = (turns << 16) + (sequence & 0xFFFF) + 1
        self._suspect = None
        self.received += 1
        return [packet]
