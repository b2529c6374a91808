"""How a viewer wants to be sent pictures: on its RTSP connection or as datagrams (RFC 2326 §12.39)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Interleaved:
    """On the connection itself, by channels for RTP and RTCP."""

    rtp: int
    rtcp: int


@dataclass(frozen=True, slots=True)
class Datagrams:
    """By UDP to two ports of the viewer."""

    rtp: int
    rtcp: int


Transport: TypeAlias = Interleaved | Datagrams

_CHANNELS = 255
_PORTS = 65_535


def chosen(header: str) -> Transport | None:
    """Return the first transport offered that a simulated camera has; None when there is none."""
    for offer in header.split(","):
        protocol, *parts = [part.strip() for part in offer.split(";")]
        given = {name.strip().lower(): value for name, _, value in (part.partition("=") for part in parts)}
        if protocol.upper() == "RTP/AVP/TCP":
            pair = _pair(given["interleaved"], _CHANNELS) if "interleaved" in given else (0, 1)
            return Interleaved(*pair) if pair else None
        if protocol.upper() in {"RTP/AVP", "RTP/AVP/UDP"} and "multicast" not in given and "client_port" in given:
            pair = _pair(given["client_port"], _PORTS)
            return Datagrams(*pair) if pair and pair[0] else None
    return None


def _pair(text: str, largest: int) -> tuple[int, int] | None:
    first, _, second = text.partition("-")
    if not (_is_number(first, largest) and int(first) < largest):
        return None
    return int(first), int(second) if _is_number(second, largest) else int(first) + 1


def _is_number(text: str, largest: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= largest
