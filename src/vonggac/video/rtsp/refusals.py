"""Replies by which a camera does not let us play, in plain words with what to do."""

from __future__ import annotations

from vonggac.video.rtsp.address import hide_secrets
from vonggac.video.rtsp.errors import RtspError, quoted
from vonggac.video.rtsp.message import Response
from vonggac.video.rtsp.transport import LowerTransport

_HOW_TO_CHANGE = "Record it so: vonggac camera edit CAMERA --transport "


def other_transport(lower: str) -> RtspError:
    """Never fall back in silence: UDP and TCP lose different things, and firewalls are made for one of them."""
    if lower == "multicast":
        return RtspError("unsupported", "The camera sends by multicast only. Switch on unicast in the camera.")
    return RtspError("unsupported", f"The camera sends only over {lower.upper()}. {_HOW_TO_CHANGE}{lower}")


def refusal(response: Response, method: str, lower: LowerTransport) -> RtspError:
    """Return the error for a reply of 300 and above to a request of this method, pictures wanted over `lower`."""
    said = f"{response.status} {response.phrase}".strip()
    if response.status in (301, 302, 303, 305, 307):
        target = quoted(hide_secrets(response.headers.get("Location") or "nowhere"), 120)
        return RtspError("not_found", f"The camera sends us on to {target}. Use that address.")
    if response.status in (404, 410, 454):
        return RtspError("not_found", f"The camera has no such stream (it says {said}). Check the path of its address.")
    if response.status == 403:
        return RtspError("unauthorised", f"The camera does not let this user see the stream (it says {said}).")
    if response.status in (453, 503):
        words = f"The camera has no room for another viewer (it says {said}). End others first."
        return RtspError("refused", words, full=True)
    if response.status == 461:
        other = "udp" if lower == "tcp" else "tcp"
        words = f"The camera does not send over {lower.upper()} (it says {said}). {_HOW_TO_CHANGE}{other}"
        return RtspError("unsupported", words)
    return RtspError("protocol", f"The camera answers {method} with {said}.")
