"""What one viewer receives of one camera: pictures when they are due, and sender reports."""

from __future__ import annotations

import secrets
import struct
from typing import Protocol

from vonggac.sim.camera import Fault, Feed, SimCamera
from vonggac.sim.packetise import FramedPicture
from vonggac.video.stream import VIDEO_TIMESCALE

REPORT_EVERY = 5 * VIDEO_TIMESCALE
"""RFC 3550 §6.2: the usual least interval between reports."""

STALL = 2 * VIDEO_TIMESCALE
"""When the simulator itself did not run for so long (a suspended machine), it goes on live, without a burst."""

_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970 (RFC 868)
_REPORT = struct.Struct(">BBHIIIIII")
_CNAME = b"camera"


class Outlet(Protocol):
    """Where pictures go: a connection, or a test."""

    def send_picture(self, picture: FramedPicture, sequence: int, timestamp: int, source: int, channel: int) -> bool:
        """Send all of it, or nothing and return False because too much is still unsent."""

    def send_report(self, report: bytes, channel: int) -> None:
        """Send an RTCP packet, or drop it when something is still unsent."""

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
        self._black = False
        self._waits_for_key = False
        self._dropping = False
        self._report_due = 0
        self._packets = self._octets = 0
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
        return self._timestamp(self._number)

    def advance(self, now: int, now_us: int) -> int:
        """Send what is due and return when to come again."""
        camera, track, outlet = self.camera, self._track, self._outlet
        ticks = now - camera.phase
        if now - self._last > STALL:
            self._number = track.key_at_or_before(track.latest(ticks))
        self._last = now
        due = track.due_at(self._number)
        while due <= ticks:
            self._send(self._number)
            self._number += 1
            due = track.due_at(self._number)
        if now >= self._report_due and camera.fault is not Fault.FREEZE:
            self._report_due = now + REPORT_EVERY
            outlet.send_report(self._report(ticks, now_us), self._report_channel)
        return due + camera.phase

    def _send(self, number: int) -> None:
        camera, track = self.camera, self._track
        if camera.fault is Fault.FREEZE:
            self._waits_for_key = True
            return
        if track.is_key(number):
            self._black = camera.fault is Fault.BLACK and bool(self._feed.black)
            self._waits_for_key = self._dropping = False
        elif self._waits_for_key:
            return
        if self._black:
            picture = self._feed.black[track.since_key(number)]
        else:
            picture = track.pictures[number % len(track.pictures)]
        sequence = self.sequence
        # A dropped picture leaves a hole in the numbers, so that the viewer sees and counts the loss.
        self.sequence = (sequence + len(picture.packets)) & 0xFFFF
        if self._dropping or not self._outlet.send_picture(
            picture, sequence, self._timestamp(number), self.source, self._channel
        ):
            self._dropping = True
            camera.pictures_dropped += 1
            return
        self._packets += len(picture.packets)
        self._octets += picture.octets
        camera.pictures_sent += 1
        camera.packets_sent += len(picture.packets)
        camera.bytes_sent += len(picture.blob)

    def _timestamp(self, number: int) -> int:
        # Black pictures are not reordered: they are seen as long after they are due as a key frame is.
        track = self._track
        seen = track.due_at(number) + track.clip.pictures[0].pts if self._black else track.seen_at(number)
        return (self._offset + seen) & 0xFFFFFFFF

    def _report(self, ticks: int, now_us: int) -> bytes:
        """Return a sender report and the source's name (RFC 3550 §6.4.1, §6.5)."""
        seconds, rest = divmod(now_us, 1_000_000)
        sender = _REPORT.pack(
            0x80,
            200,
            6,
            self.source,
            (seconds + _NTP_EPOCH) & 0xFFFFFFFF,
            (rest << 32) // 1_000_000,
            (self._offset + ticks) & 0xFFFFFFFF,
            self._packets & 0xFFFFFFFF,
            self._octets & 0xFFFFFFFF,
        )
        item = bytes([1, len(_CNAME)]) + _CNAME
        chunk = self.source.to_bytes(4, "big") + item + b"\0" * (4 - len(item) % 4)
        return sender + struct.pack(">BBH", 0x81, 202, len(chunk) // 4) + chunk
