"""The page `/playback`: recordings of up to nine cameras under one clock. What moves on it is in `ui/playback`."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from vonggac.core.i18n import N_
from vonggac.shell.doors import Doors
from vonggac.shell.visit import Visit
from vonggac.video.models import GapReason
from vonggac.web.account_view import FAMILY_WORDS, family

doors = Doors()

SPEEDS = (0.25, 0.5, 1, 2, 4, 8, 16)
"""The same as in `ui/playback/speeds.ts`."""

JUMPS = (
    (-3600, N_("−1 h"), N_("Back one hour"), "J"),
    (-60, N_("−1 min"), N_("Back one minute"), "Shift+ArrowLeft"),
    (-10, N_("−10 s"), N_("Back ten seconds"), "ArrowLeft"),
    (10, N_("+10 s"), N_("On ten seconds"), "ArrowRight"),
    (60, N_("+1 min"), N_("On one minute"), "Shift+ArrowRight"),
    (3600, N_("+1 h"), N_("On one hour"), "L"),
)
"""Seconds, what stands on the button, what it says, its key."""

SPANS = (
    (60, N_("1 min")),
    (3600, N_("1 h")),
    (86_400, N_("1 day")),
    (604_800, N_("1 week")),
    (2_678_400, N_("1 month")),
)
"""Seconds that the timeline shows, and what stands on the button."""

_INTERVAL_WORDS = {
    "interval": N_("{from} – {to} ({lasts})"),
    "since": N_("since {from} ({lasts})"),
    "goes-on": N_("goes on"),
}
_TILE_WORDS = {
    "loading": N_("Loading…"),
    "damaged": N_("The recording of this moment cannot be played"),
    "not-yet": N_("No later recording yet"),
    "last-picture": N_("The last picture is of {time}"),
    "nothing": N_("Nothing was recorded"),
    "begins": N_("Recording begins at {time}"),
    "no-decoder": N_("This browser cannot play the camera's video format (H.265): one still picture a second"),
    "keys-only": N_("Key frames only"),
}
_ADDRESS_WORDS = {
    "address-camera": N_("“{value}” in the address is no camera: write numbers with commas, such as cameras=3,7."),
    "address-unknown": N_("There is no camera {value}, or you may not see it. The others are shown."),
    "address-many-cameras": N_("Nine cameras at most are shown together; left out: {value}."),
    "address-time": N_("“{value}” in the address is no time: write it as at=2026-11-24T14:03:05."),
    "address-speed": N_("“{value}” in the address is no speed: 0.25, 0.5, 1, 2, 4, 8 or 16, with − to go back."),
    "address-selection": N_("The interval “{value}” in the address cannot be read."),
    "time-unreadable": N_("This is no time. Write for example 14:03, 14:03 yesterday, 24/11 14:03:05 or -10 min."),
    "time-no-such-day": N_("There is no such day or time."),
    "time-future": N_("This time is still to come."),
}
_CLOCK_WORDS = {
    "play": N_("Play"),
    "pause": N_("Pause"),
    "went-to": N_("At {time}"),
    "stopped-present": N_("This is the present. Live pictures are on the wall."),
    "stopped-end": N_("There are no later recordings of these cameras."),
    "stopped-start": N_("There are no earlier recordings of these cameras."),
    "chosen": N_("{n} of at most {most} chosen"),
    "remove": N_("Take away: {camera}"),
    "drag-here": N_("Drag here to choose an interval"),
    "mark-sizes": N_("Something may have moved (from the sizes of pictures)"),
    "mark-onvif": N_("Movement (said by the camera)"),
}
_TOOL_WORDS = {
    "bookmarked": N_("Bookmark set at {time}"),
    "note-missing": N_("Write a note, so that others know what is to be seen."),
    "delete": N_("Delete"),
    "delete-bookmark": N_("Delete the bookmark: {note}"),
    "still-saved": N_("Picture saved: {file}"),
    "link-copied": N_("The link to this moment is copied."),
    "link-by-hand": N_("Copy the link from the field:"),
    "clip-order": N_("The end must be after the start."),
    "clip-long": N_("A clip has six hours at most. Make several."),
    "clip-purpose": N_("Write what the clip is for: it is kept with your name."),
    "clip-waiting": N_("Waiting for its turn…"),
    "clip-working": N_("Being copied…"),
    "clip-ready": N_("The clip is ready."),
    "clip-failed": N_("The clip could not be made."),
    "clip-gaps": N_("Not recorded within it: {n} gaps. There the last picture stands still."),
    "line": N_("The centre does not answer. Check the connection."),
    "session": N_("Your session is over. Log in again."),
    "forbidden": N_("You may not do this."),
    "nothing": N_("Nothing was recorded"),
    "failed": N_("This did not work. Try again; if it stays, tell the administrator."),
}
WORDS: dict[str, str] = _INTERVAL_WORDS | _TILE_WORDS | _ADDRESS_WORDS | _CLOCK_WORDS | _TOOL_WORDS
"""What the page's script says, by the key that it asks with."""


@doors.get("/playback", verb="playback.view")
async def playback_page(visit: Visit) -> Response:
    """Show the page; the cameras and the moment stand in its address, which its script reads."""
    words = visit.words
    return visit.page(
        "playback.html",
        now_ms=visit.shell.clock.now_us() // 1000,
        said=_json({key: words.say(message) for key, message in WORDS.items()}),
        families=_json({reason.value: family(reason) for reason in GapReason}),
        family_words=FAMILY_WORDS,
        jumps=JUMPS,
        speeds=SPEEDS,
        spans=SPANS,
        may_export=visit.may("clip.export"),
        may_wall=visit.may("wall.use"),
    )


def _json(value: dict[str, str]) -> str:
    return msgspec.json.encode(value).decode()
