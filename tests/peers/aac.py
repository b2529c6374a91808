"""A camera's side of AAC over RTP (RFC 3640): its description, and frames into packets."""

from __future__ import annotations

import struct
from dataclasses import dataclass

DESCRIBED = (
    "v=0\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpeg4-generic/16000/1\r\n"
    "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;"
    "config=1408\r\n"
)


@dataclass
class Sender:
    """Cuts frames into packets. Shares nothing with the depacketiser."""

    sequence: int = 65_530
    ssrc: int = 7

    def packet(self, stamp: int, sizes: list[int], payload: bytes, *, payload_type: int = 97, step: int = 0) -> bytes:
        head = struct.pack(">BBHII", 0x80, 0x80 | payload_type, self.sequence & 0xFFFF, stamp & 0xFFFFFFFF, self.ssrc)
        self.sequence += 1
        headers = b"".join(struct.pack(">H", size << 3 | (step if at else 0)) for at, size in enumerate(sizes))
        return head + struct.pack(">H", 16 * len(sizes)) + headers + payload

    def frames(self, stamp: int, *frames: bytes) -> bytes:
        return self.packet(stamp, [len(frame) for frame in frames], b"".join(frames))
