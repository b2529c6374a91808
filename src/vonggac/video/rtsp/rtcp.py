"""RTCP (RFC 3550 §6): the sender reports, which tie a camera's media time to its wall clock."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SENDER_REPORT = 200
BYE = 203
_NTP_TO_UNIX_S = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 5905 §A.4)."""

_SENDER = struct.Struct(">IIII")


@dataclass(frozen=True, slots=True)
class SenderReport:
    """The camera's own clock at one of its RTP timestamps. The clock may be years off: it is the camera's."""

    ssrc: int
    ntp_unix_us: int
    """Microseconds since 1970, as the camera believes."""
    rtp_timestamp: int
    """32 bits, 90 kHz for video."""


@dataclass(frozen=True, slots=True)
class Compound:
    """What matters to a receiver in one RTCP packet."""

    report: SenderReport | None
    bye: bool


def parse(packet: memoryview | bytes) -> Compound:
    """Read a compound packet; whatever is short, torn or of another version is passed over."""
    report: SenderReport | None = None
    bye = False
    at = 0
    while at + 4 <= len(packet) and packet[at] >> 6 == 2:
        kind = packet[at + 1]
        size = 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
        if at + size > len(packet):
            break
        if kind == SENDER_REPORT and size >= 28:
            ssrc, seconds, fraction, rtp_timestamp = _SENDER.unpack_from(packet, at + 4)
            if seconds:  # 0: the camera knows no wall clock (RFC 3550 §6.4.1)
                report = SenderReport(ssrc, _unix_us(seconds, fraction), rtp_timestamp)
        elif kind == BYE:
            bye = True
        at += size
    return Compound(report, bye)


def _unix_us(seconds: int, fraction: int) -> int:
    # 32 bits of seconds run out in February 2036; from then on the top bit is 0 (RFC 4330 §3).
    if seconds < 0x8000_0000:
        seconds += 1 << 32
    return (seconds - _NTP_TO_UNIX_S) * 1_000_000 + (fraction * 1_000_000 >> 32)
