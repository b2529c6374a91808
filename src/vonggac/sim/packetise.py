"""H.264 pictures as RTP packets, built once and only patched afterwards.

A simulated camera repeats the same pictures for ever. So each picture is cut into packets once, in the form in which
it travels on an RTSP connection (RFC 2326 §10.12: "$", channel, length, packet), and what differs from viewer to
viewer, sequence number, timestamp and source, is written over the copy that is sent.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PAYLOAD_TYPE = 96
"""The first dynamic payload type (RFC 3551 §6)."""

PAYLOAD_LIMIT = 1400
"""Bytes of payload per packet: fits an Ethernet frame with all headers, and is what most cameras use."""

NAL_SLICE_IDR = 5
NAL_SEI = 6
NAL_SPS = 7
NAL_PPS = 8
NAL_DELIMITER = 9
NAL_FILLER = 12
_STAP_A = 24
_FU_A = 28

_FRAMED_HEADER = struct.Struct(">BBHBBHII")
_PATCHED = struct.Struct(">HII")
FRAMING = 4
"""Bytes before each packet on an RTSP connection; a datagram goes without them."""

_PATCHED_AT = 6  # after "$", channel, length (4 bytes) and the first two bytes of the RTP header
_RTP_HEADER = 12
_VERSION_2 = 0x80
_MARKER = 0x80


@dataclass(frozen=True, slots=True)
class FramedPicture:
    """One coded picture as the bytes of an RTSP connection.

    `packets` are the offsets of the fields to patch, one per RTP packet; `octets` counts RTP payload only, as a
    sender report does (RFC 3550 §6.4.1).
    """

    blob: bytes
    packets: tuple[int, ...]
    octets: int


def payloads(nals: Sequence[bytes], limit: int = PAYLOAD_LIMIT) -> Iterable[bytes]:
    """Yield the RTP payloads of one access unit's NAL units (RFC 6184, packetisation mode 1).

    Parameter sets that stand together travel in one STAP-A (§5.7.1), any unit above `limit` bytes as FU-A (§5.8), all
    others alone (§5.6). Units are without start codes or lengths and are never empty.
    """
    index = 0
    while index < len(nals):
        together = _parameter_sets_at(nals, index, limit)
        if len(together) > 1:
            yield _aggregate(together)
            index += len(together)
            continue
        nal = nals[index]
        if len(nal) <= limit:
            yield nal
        else:
            yield from _fragments(nal, limit)
        index += 1


def framed(nals: Sequence[bytes], limit: int = PAYLOAD_LIMIT) -> FramedPicture:
    """Return one access unit in interleaved framing on channel 0, the fields to patch all zero.

    The last packet carries the marker (RFC 6184 §5.1).
    """
    parts: list[bytes] = []
    offsets: list[int] = []
    position = octets = 0
    pieces = list(payloads(nals, limit))
    for number, payload in enumerate(pieces, 1):
        marked = PAYLOAD_TYPE | (_MARKER if number == len(pieces) else 0)
        length = _RTP_HEADER + len(payload)
        parts.append(_FRAMED_HEADER.pack(0x24, 0, length, _VERSION_2, marked, 0, 0, 0))
        parts.append(payload)
        offsets.append(position + _PATCHED_AT)
        position += 4 + length
        octets += len(payload)
    return FramedPicture(b"".join(parts), tuple(offsets), octets)


def patch(
    buffer: bytearray, picture: FramedPicture, sequence: int, timestamp: int, source: int, channel: int = 0
) -> int:
    """Write the picture to the start of `buffer` with its fields filled in; return how many bytes it takes.

    `buffer` is at least as long as the picture. `sequence` is the first packet's number and wraps at 2**16;
    `timestamp` and `source` are below 2**32.
    """
    size = len(picture.blob)
    buffer[:size] = picture.blob
    write = _PATCHED.pack_into
    for offset in picture.packets:
        write(buffer, offset, sequence & 0xFFFF, timestamp, source)
        sequence += 1
    if channel:
        for offset in picture.packets:
            buffer[offset - _PATCHED_AT + 1] = channel
    return size


def bounds(picture: FramedPicture) -> list[tuple[int, int]]:
    """Return where each packet stands in the picture's bytes, from the "$" before it to its end."""
    starts = [offset - _PATCHED_AT for offset in picture.packets]
    return list(zip(starts, [*starts[1:], len(picture.blob)], strict=True))


def _parameter_sets_at(nals: Sequence[bytes], start: int, limit: int) -> Sequence[bytes]:
    size = 1
    end = start
    while end < len(nals) and nals[end][0] & 0x1F in (NAL_SPS, NAL_PPS):
        size += 2 + len(nals[end])
        if size > limit:
            break
        end += 1
    return nals[start:end]


def _aggregate(nals: Sequence[bytes]) -> bytes:
    importance = max(nal[0] & 0x60 for nal in nals)
    return bytes([importance | _STAP_A]) + b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)


def _fragments(nal: bytes, limit: int) -> Iterable[bytes]:
    indicator = nal[0] & 0xE0 | _FU_A
    kind = nal[0] & 0x1F
    step = limit - 2
    for start in range(1, len(nal), step):
        first = 0x80 if start == 1 else 0
        last = 0x40 if start + step >= len(nal) else 0
        yield bytes([indicator, first | last | kind]) + nal[start : start + step]
