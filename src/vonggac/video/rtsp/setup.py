"""SETUP of a track (RFC 2326 §10.4): the transport that is asked for, and what of the answer is agreed. No I/O."""

from __future__ import annotations

from collections.abc import Callable

from vonggac.video.rtsp.refusals import other_transport
from vonggac.video.rtsp.transport import LowerTransport, Transport, parse_transports


def wanted_transport(track: int, ports: tuple[int, int] | None) -> str:
    """Return the Transport header of a track, counted from 0: over UDP to these ports of ours."""
    if ports is None:
        return f"RTP/AVP/TCP;unicast;interleaved={2 * track}-{2 * track + 1}"
    return f"RTP/AVP;unicast;client_port={ports[0]}-{ports[1]}"


def agreed_transport(
    header: str | None, lower: LowerTransport, track: int, note: Callable[[str], None]
) -> tuple[Transport, tuple[int, int]]:
    """Read the answer for a track: what was agreed, and on which channels packets come, over UDP as we frame them.

    RtspError where the camera would send another way; `note` hears of what is odd.
    """
    offered = parse_transports(header or "")
    agreed = next((one for one in offered if one.lower == lower), offered[0] if offered else Transport(""))
    if agreed.lower not in (lower, ""):
        raise other_transport(agreed.lower)
    ours = 2 * track, 2 * track + 1
    if lower == "udp":
        if agreed.server_ports is None:
            note("no server ports in the reply to SETUP")
        return agreed, ours
    if agreed.channels is None:
        note(f"no channels in the reply to SETUP, taken for {ours[0]} and {ours[1]}")
    elif agreed.channels != ours:
        note("other channels than we asked for")
    return agreed, agreed.channels or ours
