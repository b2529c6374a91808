"""A clip as a reader sees it: its state in words, its file's name, what is missing in it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from urllib.parse import quote

from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds, utc
from vonggac.core.i18n import N_
from vonggac.core.text import normalise, slug
from vonggac.shell.words import Words
from vonggac.video.clips.models import Clip, ClipState
from vonggac.video.health import REASON_WORDS
from vonggac.video.models import GapReason

_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]+')
"""What no file may be called on the systems that officers use."""

STATE_WORDS: dict[ClipState, str] = {
    ClipState.WAITING: N_("Waiting for its turn"),
    ClipState.WORKING: N_("Being copied: {share}"),
    ClipState.READY: N_("Ready until {moment}"),
}


def clip_data(words: Words, clip: Clip, camera: Camera, now_us: int) -> dict[str, Any]:
    """Return what programs and the page are told of a clip."""
    ready = clip.state == ClipState.READY
    return {
        "id": clip.id.hex,
        "camera": {"id": camera.id.hex, "number": camera.number, "name": camera.name},
        "from_ms": clip.from_us // 1000,
        "to_ms": clip.to_us // 1000,
        "start_ms": _ms(clip.start_us),
        "end_ms": _ms(clip.end_us),
        "purpose": clip.purpose,
        "state": clip.state,
        "done": done(clip),
        "words": state_words(words, clip, now_us),
        "name": file_name(clip, camera, words),
        "href": address(clip, camera, words) if ready else None,
        "size": clip.size if ready else None,
        "sha256": clip.sha256.hex() if clip.sha256 is not None else None,
        "gaps": [
            {
                "from": start // 1000,
                "to": end // 1000,
                "reason": reason,
                "words": _reason(words, reason),
                "detail": said,
            }
            for start, end, reason, said in clip.gaps
        ],
        "asked_ms": microseconds(clip.asked_at) // 1000,
        "expires_ms": microseconds(clip.expires_at) // 1000,
    }


def done(clip: Clip) -> float:
    """Return the share of a clip's file that is written; less than 1 until it is ready."""
    if clip.state == ClipState.READY:
        return 1.0
    return min(0.99, clip.written / clip.size) if clip.state == ClipState.WORKING and clip.size else 0.0


def state_words(words: Words, clip: Clip, now_us: int) -> str:
    """Return what a clip does now, or why there is none."""
    if clip.state == ClipState.FAILED:
        return words.say(clip.failure)
    said = STATE_WORDS.get(ClipState(clip.state), "")
    share = f"{words.number(int(done(clip) * 100))}%"
    return words.say(said, share=share, moment=words.moment(microseconds(clip.expires_at), now_us))


def file_name(clip: Clip, camera: Camera, words: Words) -> str:
    """Return what its file is called: camera and local time of its beginning, as a person writes them."""
    name = _NOT_IN_NAMES.sub(" ", f"{camera.number} {camera.name}")
    return f"{normalise(name)} {_start(clip, words):%Y-%m-%d %H.%M.%S}.mp4"


def plain_name(clip: Clip, camera: Camera, words: Words) -> str:
    """Return the same in letters that every system knows: a to z, digits, hyphens."""
    return f"camera-{camera.number}-{slug(camera.name)}-{_start(clip, words):%Y-%m-%d-%H%M%S}.mp4"


def address(clip: Clip, camera: Camera, words: Words) -> str:
    """Return where its file is fetched."""
    return f"/clips/{clip.id.hex}/{plain_name(clip, camera, words)}"


def disposition(clip: Clip, camera: Camera, words: Words) -> str:
    """Return `Content-Disposition` with both names (RFC 6266 §4.3, RFC 8187 §3.2)."""
    encoded = quote(file_name(clip, camera, words), safe="")
    return f"attachment; filename=\"{plain_name(clip, camera, words)}\"; filename*=UTF-8''{encoded}"


def _start(clip: Clip, words: Words) -> datetime:
    us = clip.start_us if clip.start_us is not None and clip.start_us > clip.from_us else clip.from_us
    return utc(us).astimezone(words.zone)


def _ms(us: int | None) -> int | None:
    return None if us is None else us // 1000


def _reason(words: Words, reason: str) -> str:
    return words.say(REASON_WORDS.get(reason, REASON_WORDS[GapReason.UNKNOWN]))
