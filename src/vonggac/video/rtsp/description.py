"""What a session finds out about a camera, for whoever records or checks it."""

from __future__ import annotations

from dataclasses import dataclass

from vonggac.video.rtsp import rtcp
from vonggac.video.stream import SoundParameters

DEFAULT_SESSION_TIMEOUT_S = 60
"""RFC 2326 §12.37."""


@dataclass(frozen=True, slots=True)
class ArrivedReport:
    """A sender report and when it came."""

    report: rtcp.SenderReport
    arrived_ns: int
    """Monotonic clock."""
    pts: int | None
    """Where its RTP time stamp lies on the pictures' unwrapped time; None before the first picture."""


@dataclass(slots=True)
class StreamDescription:
    """What the camera says of itself and of the stream that we take."""

    codec: str = "h264"
    declared_fps: float | None = None
    """As in the SDP; what the parameter sets declare stands in `VideoParameters`."""
    server: str = ""
    authentication: str = "none"
    """"none", "Basic", "Digest MD5" or "Digest SHA-256"."""
    session_timeout_s: int = DEFAULT_SESSION_TIMEOUT_S
    left_out: tuple[str, ...] = ()
    """Tracks that are not recorded: "audio PCMA"."""
    sound: SoundParameters | None = None
    """Of the sound that comes with the pictures; None where none is taken."""
    sound_offered: str = ""
    """What sound the camera has: "AAC, 16000 Hz, mono", or why it cannot be recorded; empty where it has none."""
    sound_refused: str = ""
    """Why sound that was wanted is not taken; empty where it is, or where none was wanted or is there."""
