"""How the pictures travel: the Transport and Session headers (RFC 2326 §12.39, §12.37), read as cameras write them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

LowerTransport = Literal["tcp", "udp"]
"""`tcp`: interleaved with the RTSP messages (RFC 2326 §10.12); `udp`: datagrams to two ports of ours."""

_MAX_LENGTH = 2048
_RANGE = re.compile(r"\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?")
_TIMEOUT = re.compile(r"timeout\s*=[\s\"]*(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Transport:
    """One transport of a header, as far as a receiver needs it. What makes no sense is None or empty."""

    lower: Literal["tcp", "udp", "multicast", ""]
    """Empty where the header does not say."""
    channels: tuple[int, int] | None = None
    """Of RTP and RTCP inside the TCP connection."""
    server_ports: tuple[int, int] | None = None
    """From which the camera sends RTP and RTCP."""
    source: str = ""
    """Address that the camera says it sends from; only a literal one counts."""


def parse_transports(header: str) -> list[Transport]:
    """Read a Transport header: names in any case, spaces and quotes anywhere, several transports apart."""
    return [_transport(one) for one in header[:_MAX_LENGTH].split(",") if one.strip()]


def parse_session(header: str) -> tuple[str, int | None]:
    """Read a Session header: (identifier, time-out in seconds or None where none is given)."""
    name, _, rest = header[:_MAX_LENGTH].partition(";")
    match = _TIMEOUT.search(rest)
    return name.strip()[:256], int(match[1]) if match else None


def _transport(text: str) -> Transport:
    specification, *rest = (part.strip() for part in text.split(";"))
    parameters: dict[str, str] = {}
    for part in rest:
        name, _, value = part.partition("=")
        parameters.setdefault(name.strip().lower(), value.strip().strip("\"'").strip())
    channels = _pair(parameters.get("interleaved", ""), 255)
    server_ports = _pair(parameters.get("server_port", ""), 65_535)
    words = specification.upper().split("/")
    lower: Literal["tcp", "udp", "multicast", ""] = ""
    if channels is not None or words[2:3] == ["TCP"]:
        lower = "tcp"
    elif "multicast" in parameters:
        lower = "multicast"
    elif words[2:3] == ["UDP"] or server_ports is not None or "client_port" in parameters:
        lower = "udp"
    return Transport(lower, channels, server_ports, _literal(parameters.get("source", "")))


def _pair(text: str, most: int) -> tuple[int, int] | None:
    """Read "4-5"; a missing second number is the one after the first (RFC 3550 §11)."""
    match = _RANGE.match(text)
    if match is None:
        return None
    first = int(match[1])
    second = int(match[2]) if match[2] else first + 1
    if first > most or second > most or (most > 255 and 0 in (first, second)):
        return None
    return first, second


def _literal(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return ""  # a name: looking it up would be slow, and somebody else's answer
    return "" if address.is_unspecified or address.is_multicast else str(address)
