"""What requests for recordings have in common: their camera, their times, and answers that say why there is nothing."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from vonggac.core.errors import NotFound, VonggacError
from vonggac.core.i18n import N_
from vonggac.shell.visit import Visit, json_response
from vonggac.video.archive.footage import RecordingUnreadable
from vonggac.video.mp4 import RecordingDamaged
from vonggac.video.playback.disks import DiskBusy
from vonggac.video.spans import Span
from vonggac.video.stills import StillError
from vonggac.video.volumes import VolumeLost

VERB = "playback.view"
INDEX = "index"
"""Where in `Disks` the index is read: a row may need a look at its file."""
_LATEST_MS = 253_402_300_800_000
"""The year 10000: what Python's dates end at."""

BAD_TIMES = N_("The times of this request cannot be used.")
TOO_LONG = N_("This interval is too long. Choose a shorter one.")
NOTHING = N_("Nothing was recorded at this time.")
NOT_YET = N_("This time has not come yet.")
NO_SUCH_RECORDING = N_("This recording is not there any more.")
DISK_AWAY = N_("The disk with this recording is not there.")
DISK_BUSY = N_("The disk with this recording does not answer. Try again in a moment.")
UNREADABLE = N_("The file of this recording cannot be read.")
DAMAGED = N_("This part of the recording is damaged.")
UNDECODABLE = N_("No picture can be made of this part of the recording.")


class Refused(Exception):
    """An answer that is an error: status, a name for programs, words for people."""

    def __init__(self, status: int, name: str, words: str, **more: Any) -> None:
        super().__init__(name)
        self.status, self.name, self.words, self.more = status, name, words, more


Handler = Callable[[Visit], Awaitable[Response]]


def in_words(handler: Handler) -> Handler:
    """Let a handler answer what goes wrong with recordings as JSON, in the reader's words."""

    @functools.wraps(handler)
    async def answer(visit: Visit) -> Response:
        try:
            return await handler(visit)
        except (Refused, VonggacError) as error:
            refused = error if isinstance(error, Refused) else _refused(error)
            if refused is None:
                raise
            words = visit.words.say(refused.words)
            return json_response({"error": refused.name, "words": words, **refused.more}, refused.status)

    return answer


def _refused(error: VonggacError) -> Refused | None:
    if isinstance(error, VolumeLost):
        return Refused(503, "volume_lost", DISK_AWAY)
    if isinstance(error, DiskBusy):
        return Refused(503, "disk_busy", DISK_BUSY)
    if isinstance(error, RecordingUnreadable):
        return Refused(404, "gone", NO_SUCH_RECORDING) if error.gone else Refused(503, "unreadable", UNREADABLE)
    if isinstance(error, RecordingDamaged):
        return Refused(404, "damaged", DAMAGED)
    if isinstance(error, StillError):
        return Refused(404, "undecodable", UNDECODABLE)
    if isinstance(error, NotFound):
        return Refused(404, "nothing_recorded", NOTHING)
    return None


def asked_moment(visit: Visit, name: str) -> int:
    """Return a moment of the address, milliseconds since 1970, as microseconds; Refused for anything else."""
    text = visit.request.query_params.get(name, "")
    if not text.isascii() or not text.isdecimal() or len(text) > 15 or int(text) >= _LATEST_MS:
        raise Refused(400, "bad_times", BAD_TIMES)
    return int(text) * 1000


def asked_span(visit: Visit, longest_us: int) -> Span:
    """Return the interval `from` to `to` of the address; Refused where it is none, or longer than it may be."""
    span = asked_moment(visit, "from"), asked_moment(visit, "to")
    if span[0] >= span[1]:
        raise Refused(400, "bad_times", BAD_TIMES)
    if span[1] - span[0] > longest_us:
        raise Refused(400, "too_long", TOO_LONG)
    return span


def asked_flag(visit: Visit, name: str) -> bool:
    """Return whether the address has `name=1`."""
    return visit.request.query_params.get(name) == "1"
