"""The time line of a camera for programs, and where the nearest pictures of a moment are: JSON, milliseconds."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.responses import Response

from vonggac.cameras.models import Camera
from vonggac.shell.doors import Doors
from vonggac.shell.visit import Visit, json_response
from vonggac.shell.words import Words
from vonggac.video import bookmarks
from vonggac.video.activity import service as activity
from vonggac.video.archive import footage
from vonggac.video.archive.footage import MediaStore
from vonggac.video.health import REASON_WORDS
from vonggac.video.models import GapReason
from vonggac.video.playback import timeline
from vonggac.video.playback.marks import marks
from vonggac.video.spans import Span
from vonggac.web.bookmark_pages import bookmark_data
from vonggac.web.camera_of import camera_of
from vonggac.web.playback_asked import INDEX, VERB, asked_moment, asked_span, in_words
from vonggac.web.playback_media import Playing

doors = Doors()

USUAL_CELLS = 1000
MARKED_MOST_US = 3 * 86_400 * 1_000_000
"""Of a longer interval marks are not told: thousands of them would be one."""


@doors.get("/api/timeline", verb=VERB)
@in_words
async def timeline_json(visit: Visit) -> Response:
    """Return what is recorded of a camera in an interval, what is missing and why, and what stands out."""
    camera = await _camera(visit)
    span = asked_span(visit, timeline.LONGEST_US)
    cells = visit.request.query_params.get("cells", "")
    wanted = int(cells) if cells.isascii() and cells.isdecimal() and len(cells) < 6 else USUAL_CELLS
    now_us = visit.shell.clock.now_us()

    def read() -> dict[str, Any]:
        with visit.shell.database.read() as session:
            return _timeline(session, visit, camera, span, wanted, now_us)

    playing: Playing = visit.request.app.state.playing
    return json_response(await playing.disks.run(INDEX, read))


@doors.get("/api/moment", verb=VERB)
@in_words
async def moment_json(visit: Visit) -> Response:
    """Return whether a moment is recorded, why not, and where the nearest pictures before and after it are."""
    camera = await _camera(visit)
    at_us = asked_moment(visit, "at")
    now_us = visit.shell.clock.now_us()

    def read() -> timeline.MomentFound:
        with visit.shell.database.read() as session:
            return timeline.moment(session, MediaStore.of(session), camera.id, at_us, now_us)

    playing: Playing = visit.request.app.state.playing
    found = await playing.disks.run(INDEX, read)
    gap = found.gap
    return json_response(
        {
            "at_ms": at_us // 1000,
            "recorded": found.recorded,
            "gap": None if gap is None else _gap(visit.words, (gap.start_us, gap.end_us), gap.reason, gap.detail),
            "next_ms": None if found.next_us is None else found.next_us // 1000,
            "previous_ms": _last_ms(found),
        }
    )


async def _camera(visit: Visit) -> Camera:
    named = visit.request.query_params.get("camera", "")
    if not named:
        raise HTTPException(400)
    return await camera_of(visit, VERB, named)


def _timeline(session: Session, visit: Visit, camera: Camera, span: Span, cells: int, now_us: int) -> dict[str, Any]:
    words = visit.words
    store = MediaStore.of(session)
    shown = timeline.overview(session, store, camera.id, span, cells, now_us)
    answer: dict[str, Any] = {
        "now_ms": now_us // 1000,
        "due_from_ms": shown.due_from_us // 1000,
        "due_to_ms": shown.due_until_us // 1000,
        "coarse": shown.shares is not None,
        "recorded": [(start // 1000, end // 1000) for start, end in shown.recorded],
        "gaps": [
            {**_gap(words, (one.start_us, one.end_us), one.reason, one.detail), "count": one.count}
            for one in shown.missing
        ],
        "marks": _marks(session, store, camera, span, now_us),
        "bookmarks": [bookmark_data(visit, one) for one in bookmarks.between(session, [camera.id], *span)],
    }
    if shown.shares is not None:
        answer["shares"] = shown.shares
    return answer


def _marks(session: Session, store: MediaStore, camera: Camera, span: Span, now_us: int) -> list[dict[str, Any]]:
    """Return where something moved: as it was noted, and where nothing was, guessed from the sizes of groups.

    The guess reads the tables of all groups, so it is made of short intervals only.
    """
    if span[1] - span[0] > MARKED_MOST_US:
        return []
    noted = activity.between(session, [camera.id], *span)
    if noted or span[1] - span[0] > timeline.MARKED_US:
        return [_mark(one.start_us, one.end_us, one.score, one.source) for one in noted]
    selection = footage.select(session, store, camera.id, *span, now_us)
    return [_mark(one.start_us, one.end_us, one.score, "sizes") for one in marks(selection.stretches)]


def _mark(start_us: int, end_us: int, score: float, source: str) -> dict[str, Any]:
    return {"from": start_us // 1000, "to": end_us // 1000, "score": score, "source": source}


def _gap(words: Words, span: Span, reason: GapReason | None, detail: str) -> dict[str, Any]:
    reason = reason or GapReason.UNKNOWN
    said = words.say(REASON_WORDS[reason])
    return {"from": span[0] // 1000, "to": span[1] // 1000, "reason": reason.value, "words": said, "detail": detail}


def _last_ms(found: timeline.MomentFound) -> int | None:
    """Return a moment within the last picture before: what is recorded ends before its end."""
    if found.recorded or found.previous_us is None:
        return None if found.previous_us is None else found.previous_us // 1000
    return found.previous_us // 1000 - 1
