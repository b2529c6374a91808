"""What can go wrong with a camera: one typed error with a code for the gap and plain words for a person."""

from __future__ import annotations

from typing import Literal

from vonggac.core.errors import VonggacError

Reason = Literal[
    "refused",  # no TCP connection: refused, no route, unknown name; or the camera says it is full
    "unauthorised",
    "not_found",  # the camera answers, but has no such stream
    "timed_out",  # no answer within the time allowed
    "stalled",  # connected and playing, but no pictures come
    "no_key_frame",  # pictures come, but none that decoding can begin with
    "closed",  # the camera ended the connection
    "protocol",  # what it sends is not RTSP, or not in step
    "unsupported",  # there is no video in it that can be recorded
    "untrusted",  # an encrypted connection to somebody whose certificate is not believed
]


class RtspError(VonggacError):
    """A connection to a camera that failed or ended. The message never holds credentials."""

    def __init__(self, reason: Reason, message: str, full: bool = False) -> None:
        """`full`: the camera has as many viewers as it allows; one may be an earlier connection of ours."""
        super().__init__(message)
        self.reason: Reason = reason
        self.full = full

    def __reduce__(self) -> tuple[type[RtspError], tuple[Reason, str, bool]]:
        return type(self), (self.reason, str(self), self.full)


def quoted(text: str, limit: int = 80) -> str:
    """Return what a camera sent as one short printable line, fit for a message or a log."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text[: limit + 1]).strip()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
