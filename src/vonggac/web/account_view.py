"""What the pages of the account say, in the reader's words: sums, bars, lines of units and cameras, lists of gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vonggac.core.i18n import N_
from vonggac.shell.words import NOTHING, Words
from vonggac.video.account.accounting import CameraLine, ListedGap, UnitLine
from vonggac.video.account.availability import CENTRE_REASONS, Seconds
from vonggac.video.health import REASON_WORDS
from vonggac.video.models import GapReason

BELOW = 0.95
"""Cameras with less than this are counted at the top: what a contract would call not delivered."""
GOOD, FAIR = 0.999, 0.99
UNEXPLAINED_WORDS = N_("Nothing explains it")
FAMILY_WORDS: dict[str, str] = {
    "line": N_("Camera or line"),
    "picture": N_("Pictures lost or unusable"),
    "centre": N_("The centre itself"),
    "unknown": N_("Unexplained"),
}
_PICTURE = {GapReason.STALLED, GapReason.NO_KEY_FRAME, GapReason.PROTOCOL, GapReason.UNSUPPORTED, GapReason.LOSS}
_BAR = 1000.0
_LEAST = 4.0
"""A part of a bar is at least this wide: what is there must be seen."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar that is 1,000 wide."""

    start: float
    width: float
    family: str
    title: str


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """Why time is missing: words, how long, the share of what was due and of what is missing."""

    words: str
    family: str
    lasts: str
    seconds: str
    of_due: str
    of_missing: str


@dataclass(frozen=True, slots=True)
class Line:
    """A camera or a unit: cells by name, what it is sorted by, how good it is."""

    key: str
    number: int
    name: str
    unit: str
    depth: int
    removed: bool
    level: str
    cells: dict[str, str]
    titles: dict[str, str]
    bar: list[Segment]
    order: dict[str, tuple[float, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GapLine:
    """One gap of a camera."""

    start: str
    end: str
    lasts: str
    words: str
    detail: str
    family: str


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of the chosen cameras."""

    cameras: int
    share: str
    level: str
    sentence: str
    cells: dict[str, str]
    bar: list[Segment]
    reasons: list[ReasonLine]


SORTS: dict[str, str] = {
    "worst": N_("Available"),
    "number": N_("No."),
    "name": N_("Camera"),
    "unit": N_("Unit"),
    "lacking": N_("Not recorded"),
    "unexplained": N_("Unexplained"),
    "outages": N_("Outages"),
    "longest": N_("Longest"),
    "repair": N_("Mean outage"),
    "off": N_("Switched off"),
}
"""What the cameras may be sorted by, and the heading of the column."""


def family(reason: GapReason | None) -> str:
    """Return whose doing a gap is, as the bars colour it."""
    if reason is None or reason is GapReason.UNKNOWN:
        return "unknown"
    if reason is GapReason.DISABLED:
        return "off"
    if reason in CENTRE_REASONS:
        return "centre"
    return "picture" if reason in _PICTURE else "line"


def reason_words(words: Words, reason: GapReason | None) -> str:
    """Return why, in the reader's words."""
    return words.say(REASON_WORDS[reason] if reason else UNEXPLAINED_WORDS)


def totals(words: Words, lines: Sequence[CameraLine], seconds: Seconds) -> Totals:
    """Return the sums at the top of a page."""
    below = sum(line.seconds.availability is not None and line.seconds.availability < BELOW for line in lines)
    share = words.percent(seconds.availability)
    sentence = words.plural(
        "{n} camera: {share} of the time recorded", "{n} cameras: {share} of the time recorded", len(lines), share=share
    )
    least = f"{words.number(BELOW * 100)}%"
    worse = words.plural("{n} camera below {least}", "{n} cameras below {least}", below, least=least)
    return Totals(
        cameras=len(lines),
        share=share,
        level=level(seconds.availability),
        sentence=f"{sentence}, {worse}.",
        cells=_cells(words, seconds) | {"below": worse, "cameras": words.number(len(lines))},
        bar=bar(words, seconds, seconds.lacking),
        reasons=_reasons(words, seconds),
    )


def camera_line(words: Words, line: CameraLine, most_lacking: int, place: int) -> Line:
    """Return a camera's line; its bar is measured against the camera that lacks most. `place`: by unit and name."""
    seconds = line.seconds
    share = seconds.availability
    return Line(
        key=str(line.number),
        number=line.number,
        name=line.name,
        unit=line.unit_name,
        depth=0,
        removed=line.removed,
        level=level(share),
        cells=_cells(words, seconds),
        titles=_titles(words, seconds),
        bar=bar(words, seconds, most_lacking),
        order={
            "worst": (2.0 if share is None else share, line.number),
            "number": (0.0, line.number),
            "unit": (0.0, place),
            "lacking": (-float(seconds.lacking), line.number),
            "unexplained": (-float(seconds.unexplained), line.number),
            "outages": (-float(seconds.outages), line.number),
            "longest": (-float(seconds.longest), line.number),
            "repair": (-(seconds.to_repair or 0.0), line.number),
            "off": (-float(seconds.off), line.number),
        },
    )


def unit_line(words: Words, unit: UnitLine, most_lacking: int) -> Line:
    """Return a unit's line, with the cameras below it."""
    return Line(
        key=unit.id.hex,
        number=unit.cameras,
        name=unit.name,
        unit="",
        depth=unit.depth,
        removed=False,
        level=level(unit.seconds.availability),
        cells=_cells(words, unit.seconds) | {"cameras": words.number(unit.cameras)},
        titles=_titles(words, unit.seconds),
        bar=bar(words, unit.seconds, most_lacking),
    )


def gap_line(words: Words, gap: ListedGap) -> GapLine:
    """Return one gap."""
    lasts_s = gap.lacking_us / 1e6
    return GapLine(
        start=words.exact(gap.start_us),
        end=words.say("goes on") if gap.goes_on else words.exact(gap.end_us),
        lasts=words.hours(lasts_s) if lasts_s >= 60 else f"{words.number(lasts_s, 1)}\u00a0s",
        words=reason_words(words, gap.reason),
        detail=gap.detail,
        family=family(gap.reason),
    )


def bar(words: Words, seconds: Seconds, whole: int) -> list[Segment]:
    """Return the missing time of cameras as parts of a bar that is `whole` seconds long, families side by side."""
    segments: list[Segment] = []
    at = 0.0
    for reason, lacking in _parts(seconds):
        width = min(max(_LEAST, lacking / whole * _BAR), _BAR - at) if whole else 0.0
        if width > 0:
            title = f"{reason_words(words, reason)}: {words.hours(lacking)}"
            segments.append(Segment(round(at, 1), round(width, 1), family(reason), title))
            at += width
    return segments


def _parts(seconds: Seconds) -> list[tuple[GapReason | None, int]]:
    """Return what is missing and why, the longest first."""
    parts: list[tuple[GapReason | None, int]] = list(seconds.missing.items())
    if seconds.unexplained:
        parts.append((None, seconds.unexplained))
    return sorted(parts, key=lambda part: -part[1])


def _reasons(words: Words, seconds: Seconds) -> list[ReasonLine]:
    return [
        ReasonLine(
            words=reason_words(words, reason),
            family=family(reason),
            lasts=words.hours(lacking),
            seconds=words.plural("{n} second", "{n} seconds", lacking),
            of_due=_share(words, lacking, seconds.due, 3),
            of_missing=_share(words, lacking, seconds.lacking, 0),
        )
        for reason, lacking in _parts(seconds)
    ]


def _share(words: Words, part: int, whole: int, digits: int) -> str:
    """Return a share in per cent; what is there but rounds to nothing is said to be less than the least figure."""
    if not whole:
        return NOTHING
    least = 10.0**-digits
    share = part / whole * 100
    return f"{words.number(share, digits)}%" if share >= least / 2 else f"<\u00a0{words.number(least, digits)}%"


def _cells(words: Words, seconds: Seconds) -> dict[str, str]:
    return {
        "share": words.percent(seconds.availability),
        "due": words.hours(seconds.due),
        "recorded": words.hours(seconds.recorded),
        "writing": words.hours(seconds.writing),
        "missing": words.hours(seconds.missing_sum),
        "lacking": words.hours(seconds.lacking),
        "unexplained": words.hours(seconds.unexplained) if seconds.unexplained else "0",
        "off": words.hours(seconds.off) if seconds.off else NOTHING,
        "interruptions": words.number(seconds.interruptions),
        "outages": words.number(seconds.outages),
        "longest": words.hours(seconds.longest) if seconds.longest else NOTHING,
        "repair": words.hours(seconds.to_repair) if seconds.to_repair is not None else NOTHING,
        "between": words.hours(seconds.between) if seconds.between is not None else NOTHING,
    }


def _titles(words: Words, seconds: Seconds) -> dict[str, str]:
    said = words.say(
        "{recorded} recorded of {due} due",
        recorded=words.plural("{n} second", "{n} seconds", seconds.recorded),
        due=words.plural("{n} second", "{n} seconds", seconds.due),
    )
    short = words.plural("{n} interruption", "{n} interruptions", seconds.interruptions)
    return {"share": said, "outages": short}


def level(share: float | None) -> str:
    """Return how good a share of recorded time is."""
    if share is None:
        return ""
    return "bad" if share < BELOW else "good" if share >= GOOD else "warn" if share < FAIR else ""
