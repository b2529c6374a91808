"""The standing faults at the top of the health page, in the reader's words."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable

import msgspec
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds
from vonggac.core.faults import Fault, standing_faults
from vonggac.shell.words import Words
from vonggac.video.archive.evidence import EVIDENCE_DAMAGED
from vonggac.video.fault_words import FAULT_WORDS, OTHER_FAULT
from vonggac.video.models import Volume

MOST_OF_A_KIND = 8


class FaultLine(msgspec.Struct):
    """Something that somebody must look after, since when, and in the words of whoever found it."""

    id: int
    """Less than 0 for the line that counts the others of a kind."""
    kind: str
    text: str
    about: str
    """The camera or the disk; empty where the fault is the centre's."""
    detail: str
    since: str
    detail_lang: str = ""
    """`en` where the detail is known in English only."""


def fault_lines(session: Session, words: Words, may_see: Callable[[Fault], bool], now_us: int) -> list[FaultLine]:
    """Return the faults that stand, the newest first, as far as the reader may know of them.

    Of a kind at most MOST_OF_A_KIND, then one line with the number of the others: a folder of evidence that is gone is
    a thousand faults, and must not hide the disk that is failing.
    """
    lines: list[FaultLine] = []
    others: dict[str, list[Fault]] = {}
    shown: Counter[str] = Counter()
    for fault in reversed(standing_faults(session)):
        if not may_see(fault):
            continue
        shown[fault.kind] += 1
        if shown[fault.kind] > MOST_OF_A_KIND:
            others.setdefault(fault.kind, []).append(fault)
            continue
        lines.append(
            FaultLine(
                id=fault.id,
                kind=fault.kind,
                text=_text(words, fault.kind),
                about=_about(session, fault),
                detail=words.again(fault.said) if fault.said else fault.detail,
                since=words.since(microseconds(fault.raised_at), now_us),
                detail_lang="" if fault.said else "en",
            )
        )
    for kind, more in others.items():
        number = words.say("{n} more of this kind", n=words.number(len(more)))
        place = max(place for place, line in enumerate(lines) if line.kind == kind)
        lines.insert(place + 1, FaultLine(-more[-1].id, kind, _text(words, kind), "", "", number))
    return lines


def _text(words: Words, kind: str) -> str:
    known = FAULT_WORDS.get(kind)
    return words.say(known) if known else words.say(OTHER_FAULT, kind=kind)


def _about(session: Session, fault: Fault) -> str:
    if fault.kind == EVIDENCE_DAMAGED:
        return ""  # its subject is the number of a row; the detail names camera and file
    try:
        key = uuid.UUID(hex=fault.subject)
    except ValueError:
        return fault.subject
    if (camera := session.get(Camera, key)) is not None:
        return f"{camera.number} {camera.name}"
    volume = session.get(Volume, key)
    return volume.path if volume is not None else ""
