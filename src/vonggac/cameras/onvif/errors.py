"""Why a camera's events cannot be had."""

from __future__ import annotations

import enum

from vonggac.core.errors import VonggacError


class Reason(enum.StrEnum):
    """In one word, for logs and figures."""

    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    UNAUTHORISED = "unauthorised"
    UNSUPPORTED = "unsupported"
    PROTOCOL = "protocol"
    GONE = "gone"
    """The camera has forgotten the subscription: a new one is asked for."""


class OnvifError(VonggacError):
    """A camera refused, answered nonsense or nothing; the message says so in plain words, without credentials."""

    def __init__(self, reason: Reason, words: str) -> None:
        super().__init__(words)
        self.reason = reason
