"""What one viewer receives of one camera: pictures when they are due, and sender reports."""

from __future__ import annotations

import secrets
import struct
from collections import deque
from collections.abc import Collection
from typing import Protocol

from vonggac.sim.camera import Feed, SimCamera, Substitute
from vonggac.sim.packetise import FramedPicture, bounds, patch
from vonggac.video.stream import VIDEO_TIMESCALE

REPORT_EVERY = 5 * VIDEO_TIMESCALE
"""RFC 3550 §6.2: the usual least interval between reports."""

STALL = 2 * VIDEO_TIMESCALE
"""When the simulator itself did not run for so long (a suspended machine), it goes on live, without a burst."""

_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970 (RFC 868)
_REPORT = struct.Struct(">BBHIIIIII")
_CNAME = b"camera"
_GARBAGE_BYTES = 300


class Outlet(Protocol):
    """Where pictures go: a connection, datagrams, or a test."""

    def send_picture(
        self,
        picture: FramedPicture,
        sequence: int,
        timestamp: int,
        source: int,
        channel: int,
        lost: Collection[int] = (),
    ) -> bool:
        """Send all of it but the packets `lost`, or nothing and return False because too much is still unsent."""

    def send_report(self, report: bytes, channel: int) -> None:
        """Send an RTCP packet, or drop it when something is still unsent."""

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are, or drop them when something is still unsent."""

    def break_off(self, data: bytes) -> None:
        """Send bytes, and then nothing ever more."""

    @property
    def room(self) -> int:
        """Bytes that would be taken now."""


class Playback:
    """One viewer's stream. Times are 90 kHz ticks of the server's clock (`now`) or microseconds of 1970 (`now_us`)."""

    def __init__(self, camera: SimCamera, feed: Feed, outlet: Outlet, channels: tuple[int, int]) -> None:
        self.camera = camera
        self._feed = feed
        self._track = feed.track
        self._outlet = outlet
        self._channel, self._report_channel = channels
        self.source = secrets.randbits(32)
        self.sequence = secrets.randbits(16)
        self._offset = secrets.randbits(32)
        self._number = 0
        self._last = 0
        self._late = 0
        self._stamp: int | None = None
        self._shown: Substitute | None = None
        self._waits_for_key = False
        self._dropping = False
        self._report_due = 0
        self._packets = self._octets = 0
        self._trickle = _Trickle()
        self.running = False

    def begin(self, now: int) -> int:
        """Start at the newest key frame and return the RTP time of the first picture.

        What came since that key frame follows at once, as with most cameras; when that is more than the connection
        takes at once, the next key frame is awaited instead.
        """
        track = self._track
        newest = track.latest(now - self.camera.phase)
        self._number = track.key_at_or_before(newest)
        if track.size(self._number, newest) > self._outlet.room:
            self._number = newest + 1
            while not track.is_key(self._number):
                self._number += 1
        self._last = now
        self._report_due = now
        self._waits_for_key = self._dropping = False
        self.running = True
        self._stamp = None
        return self._timestamp(self._number)

    def advance(self, now: int, now_us: int) -> int:
        """Send what is due and return when to come again."""
        camera, track = self.camera, self._track
        ticks = now - camera.phase
        if now - self._last > STALL:
            self._number = track.key_at_or_before(track.latest(ticks))
        self._last = now
        special = camera.faults or camera.splice or self._shown or self._trickle
        if special or self._late or self._waits_for_key or self._dropping:
            due = self._send_with_care(ticks)
        else:
            due = self._send_as_usual(ticks)
        if self._trickle:
            self._outlet.send_bytes(self._trickle.earned(now))
        if now >= self._report_due and not self._is_mute():
            self._report_due = now + REPORT_EVERY
            self._outlet.send_report(self._report(ticks, now_us), self._report_channel)
        return due + camera.phase

    def _send_as_usual(self, ticks: int) -> int:
        """Send what is due of a well camera to a viewer who takes it: the way that 1,124 of them must go cheaply."""
        camera, track, send = self.camera, self._track, self._outlet.send_picture
        steps, duration = track.steps, track.clip.duration
        loops, index = divmod(self._number, len(steps))
        begin = loops * duration
        picture, after, seen, packets, size = steps[index]
        while begin + after <= ticks and self.running:
            sequence = self.sequence
            self.sequence = (sequence + packets) & 0xFFFF
            self._number += 1
            stamp = (self._offset + begin + seen) & 0xFFFFFFFF
            if not send(picture, sequence, stamp, self.source, self._channel):
                self._dropping = True
                camera.pictures_dropped += 1
                return self._send_with_care(ticks)
            self._stamp = stamp
            self._packets += packets
            self._octets += picture.octets
            camera.pictures_sent += 1
            camera.packets_sent += packets
            camera.bytes_sent += size
            index += 1
            if index == len(steps):
                index = 0
                begin += duration
            picture, after, seen, packets, size = steps[index]
        return begin + after

    def _send_with_care(self, ticks: int) -> int:
        """Send what is due of a camera that is ill, or to a viewer who waits for a key frame."""
        camera, track = self.camera, self._track
        if not camera.faults:
            self._late = 0
        due = track.due_at(self._number) + self._late
        while due <= ticks and self.running:
            self._send(self._number)
            self._number += 1
            self._late = sum(fault.delay() for fault in camera.faults.values()) if camera.faults else 0
            due = track.due_at(self._number) + self._late
        return due

    def finish_packet(self) -> None:
        """Send the rest of a packet of which a part was sent: what else is sent must not stand in its middle."""
        if self._trickle:
            self._outlet.send_bytes(self._trickle.rest())

    def _is_mute(self) -> bool:
        return bool(self._trickle) or any(
            fault.silences or fault.garbles or fault.half_closes for fault in self.camera.faults.values()
        )

    def _send(self, number: int) -> None:
        camera, track = self.camera, self._track
        key = track.is_key(number)
        if key:
            self._shown = self._replacement(number)
        if (camera.faults or self._trickle) and self._is_kept_back(number, key=key):
            return
        if key:
            self._waits_for_key = self._dropping = False
        elif self._waits_for_key:
            return
        picture = self._picture(number)
        sequence = self.sequence
        # A dropped picture leaves a hole in the numbers, so that the viewer sees and counts the loss.
        self.sequence = (sequence + len(picture.packets)) & 0xFFFF
        stamp = self._timestamp(number)
        lost: Collection[int] = ()
        if camera.faults:
            lost = frozenset().union(*(fault.lost(len(picture.packets)) for fault in camera.faults.values()))
        if self._dropping or not self._outlet.send_picture(picture, sequence, stamp, self.source, self._channel, lost):
            self._dropping = True
            camera.pictures_dropped += 1
            return
        self._stamp = stamp
        self._packets += len(picture.packets)
        self._octets += picture.octets
        camera.pictures_sent += 1
        camera.packets_sent += len(picture.packets)
        camera.bytes_sent += len(picture.blob)

    def _is_kept_back(self, number: int, *, key: bool) -> bool:
        """Do what the camera's faults do in the place of sending a picture; say whether they did."""
        faults = self.camera.faults.values()
        if any(fault.silences for fault in faults):
            self._waits_for_key = True
            return True
        if any(fault.garbles for fault in faults):
            self._outlet.send_bytes(secrets.token_bytes(_GARBAGE_BYTES))
            self._waits_for_key = True
            return True
        if any(fault.half_closes for fault in faults):
            patched = self._patched(number)
            self.running = False
            self.camera.viewers -= 1
            self._outlet.break_off(patched[: len(patched) // 2])
            return True
        rate = next((fault.bytes_per_s for fault in faults if fault.bytes_per_s is not None), None)
        if rate is not None:
            if key and not self._trickle:
                self._trickle.begin(self._patched(number), bounds(self._picture(number)), rate, self._last)
                self.sequence = (self.sequence + len(self._picture(number).packets)) & 0xFFFF
            self._waits_for_key = True
            return True
        if self._trickle:  # well again: the packet that was begun comes to its end, and all goes on
            self._outlet.send_bytes(self._trickle.rest(all_packets=True))
        if any(fault.hides_key_frames for fault in faults):
            self._waits_for_key = self._dropping = False
            return key
        return False

    def _replacement(self, number: int) -> Substitute | None:
        """Return what is shown instead of the clip from this key frame on."""
        for fault in self.camera.faults.values():
            if fault.substitute in self._feed.substitutes:
                return self._feed.substitutes[fault.substitute]
        if self.camera.splice is not None:
            return self.camera.splice(self._feed, self._track.due_at(number))
        return None

    def _picture(self, number: int) -> FramedPicture:
        if self._shown is not None:
            return self._shown.pictures[self._track.since_key(number)]
        return self._track.pictures[number % len(self._track.pictures)]

    def _patched(self, number: int) -> bytes:
        picture = self._picture(number)
        buffer = bytearray(len(picture.blob))
        patch(buffer, picture, self.sequence, self._timestamp(number), self.source, self._channel)
        return bytes(buffer)

    def _timestamp(self, number: int) -> int:
        # Other pictures are not reordered: they are seen as long after they are due as a key frame is.
        track = self._track
        first = track.clip.pictures[0].pts
        seen = track.due_at(number) + first if self._shown is not None else track.seen_at(number)
        if self.camera.faults:
            if self._stamp is not None and any(fault.stands_still for fault in self.camera.faults.values()):
                return self._stamp
            seen += self._media_shift()
        return (self._offset + seen) & 0xFFFFFFFF

    def _media_shift(self) -> int:
        return sum(fault.media_shift for fault in self.camera.faults.values())

    def _report(self, ticks: int, now_us: int) -> bytes:
        """Return a sender report and the source's name (RFC 3550 §6.4.1, §6.5)."""
        now_us += sum(fault.clock_shift_us for fault in self.camera.faults.values())
        seconds, rest = divmod(now_us, 1_000_000)
        sender = _REPORT.pack(
            0x80,
            200,
            6,
            self.source,
            (seconds + _NTP_EPOCH) & 0xFFFFFFFF,
            (rest << 32) // 1_000_000,
            (self._offset + ticks + self._media_shift()) & 0xFFFFFFFF,
            self._packets & 0xFFFFFFFF,
            self._octets & 0xFFFFFFFF,
        )
        item = bytes([1, len(_CNAME)]) + _CNAME
        chunk = self.source.to_bytes(4, "big") + item + b"\0" * (4 - len(item) % 4)
        return sender + struct.pack(">BBH", 0x81, 202, len(chunk) // 4) + chunk


class _Trickle:
    """A picture that is sent a few bytes at a time. True while something of it is unsent."""

    def __init__(self) -> None:
        self._packets: deque[bytes] = deque()
        self._sent = 0
        self._rate = 0.0
        self._since = 0
        self._credit = 0.0

    def __bool__(self) -> bool:
        return bool(self._packets)

    def begin(self, data: bytes, parts: list[tuple[int, int]], rate: float, now: int) -> None:
        """Have a picture's packets to send at `rate` bytes a second."""
        self._packets.extend(data[start:end] for start, end in parts)
        self._rate, self._since = rate, now

    def earned(self, now: int) -> bytes:
        """Return the bytes whose time has come, never more than the rest of one packet."""
        self._credit += (now - self._since) * self._rate / VIDEO_TIMESCALE
        self._since = now
        count = min(int(self._credit), len(self._packets[0]) - self._sent)
        self._credit = min(self._credit - count, self._rate)
        part = self._packets[0][self._sent : self._sent + count]
        self._sent += count
        if self._sent == len(self._packets[0]):
            self._packets.popleft()
            self._sent = 0
        return part

    def rest(self, *, all_packets: bool = False) -> bytes:
        """Return the rest of the packet that was begun, or of the whole picture, as sent."""
        if not self._sent and not all_packets:
            return b""
        count = len(self._packets) if all_packets else 1
        taken = b"".join(self._packets.popleft() for _ in range(count))[self._sent :]
        self._sent = 0
        return taken
