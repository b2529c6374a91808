"""RTCP (RFC 3550 §6): the sender reports, which tie a camera's media time to its wall clock, and our answers."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
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
    ntp_middle: int = 0
    """The middle 32 bits of its NTP time, by which a receiver names the report in its own (RFC 3550 §6.4.1)."""


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
                middle = (seconds << 16 | fraction >> 16) & 0xFFFF_FFFF
                report = SenderReport(ssrc, _unix_us(seconds, fraction), rtp_timestamp, middle)
        elif kind == BYE:
            bye = True
        at += size
    return Compound(report, bye)


@dataclass(frozen=True, slots=True)
class Reception:
    """What a receiver has got of one source, as its report says (RFC 3550 §6.4.1)."""

    ssrc: int
    lost_share: float
    """Share of the packets since the report before that were lost, 0 to 1."""
    lost: int
    highest: int
    """Extended highest sequence number."""
    last_report: int = 0
    """`SenderReport.ntp_middle` of the last one, 0 where none has come."""
    report_age_s: float = 0.0
    """Seconds since it came."""


def receiver_report(ssrc: int, name: str, reception: Reception | None) -> bytes:
    """Return a receiver report of ours with our canonical name, ready to send (RFC 3550 §6.1, §6.4.2, §6.5).

    The jitter is always said to be 0: what is read in helpings cannot know it.
    """
    blocks = b""
    if reception is not None:
        blocks = struct.pack(
            ">IB3sIIII",
            reception.ssrc,
            min(255, max(0, int(reception.lost_share * 256))),
            min(max(0, reception.lost), 0x7F_FFFF).to_bytes(3, "big"),
            reception.highest & 0xFFFF_FFFF,
            0,
            reception.last_report,
            min(max(0, round(reception.report_age_s * 65_536)), 0xFFFF_FFFF) if reception.last_report else 0,
        )
    head = struct.pack(">BBHI", 0x80 | bool(blocks), RECEIVER_REPORT, 1 + len(blocks) // 4, ssrc)
    chunk = struct.pack(">IBB", ssrc, 1, len(name)) + name.encode("ascii")
    chunk += bytes(4 - len(chunk) % 4)  # at least one zero ends the list of items
    return head + blocks + struct.pack(">BBH", 0x81, SOURCE_DESCRIPTION, len(chunk) // 4) + chunk


def _unix_us(seconds: int, fraction: int) -> int:
    # 32 bits of seconds run out in February 2036; from then on the top bit is 0 (RFC 4330 §3).
    if seconds < 0x8000_0000:
        seconds += 1 << 32
    return (seconds - _NTP_TO_UNIX_S) * 1_000_000 + (fraction * 1_000_000 >> 32)
