"""The account as tables for spreadsheets and programs: CSV in UTF-8 with a byte order mark (RFC 4180).

Column names are English and stay, since programs read them; every reason has its column, also one without a second.
Times are ISO 8601 with the centre's zone, durations whole seconds, shares decimals with a point. There are no lines
with sums: whoever adds up a column gets them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from vonggac.core.clock import utc
from vonggac.video.account.accounting import CameraLine, ListedGap, UnitLine
from vonggac.video.account.availability import CENTRE_REASONS, Seconds
from vonggac.video.health import REASON_WORDS
from vonggac.video.models import GapReason
from vonggac.video.spans import Span

UNEXPLAINED = "unexplained"
MISSING_REASONS = tuple(reason for reason in GapReason if reason not in (GapReason.DISABLED, GapReason.EXPIRED))
"""What a gap can say: switched off is not missing, and what was deleted when its time was over was recorded."""
_SUMS = ("due_s", "recorded_s", "writing_s", "missing_s", "unexplained_s", "switched_off_s", "availability")
_OUTAGES = ("interruptions", "outages", "outage_s", "longest_s", "mean_time_to_repair_s", "mean_time_between_s")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection")."""

Cell = str | int | float | None


def by_camera(lines: Sequence[CameraLine], zone: ZoneInfo) -> str:
    """Return a line for each camera."""
    header = ["number", "camera", "unit", "due_from", "due_until", *_SUMS, *_OUTAGES, *_reason_columns()]
    rows = (
        [line.number, line.name, line.unit_name, *_moments(line.due, zone), *_figures(line.seconds)] for line in lines
    )
    return _table(header, rows)


def by_unit(units: Sequence[UnitLine], period: Span, zone: ZoneInfo) -> str:
    """Return a line for each unit, with the cameras of the units below it."""
    header = ["unit", "level", "cameras", "from", "to", *_SUMS, *_OUTAGES, *_reason_columns()]
    rows = ([one.name, one.depth, one.cameras, *_moments(period, zone), *_figures(one.seconds)] for one in units)
    return _table(header, rows)


def by_reason(seconds: Seconds, period: Span, zone: ZoneInfo) -> str:
    """Return a line for each reason, the longest first."""
    header = ["reason", "words", "whose", "from", "to", "missing_s", "share_of_due"]
    rows = [
        [reason, words, whose, *_moments(period, zone), missing, _share(missing, seconds.due)]
        for reason, words, whose, missing in reasons(seconds)
    ]
    return _table(header, rows)


def gaps(found: Iterable[tuple[CameraLine, Sequence[ListedGap]]], zone: ZoneInfo) -> str:
    """Return a line for each gap of cameras."""
    header = ["number", "camera", "unit", "from", "to", "missing_s", "reason", "words", "detail", "goes_on"]
    rows = (
        [
            line.number,
            line.name,
            line.unit_name,
            *_moments((gap.start_us, gap.end_us), zone),
            round(gap.lacking_us / 1e6, 3),
            gap.reason.value if gap.reason else UNEXPLAINED,
            REASON_WORDS[gap.reason] if gap.reason else "Nothing explains it",
            gap.detail,
            "yes" if gap.goes_on else "no",
        ]
        for line, listed in found
        for gap in listed
    )
    return _table(header, rows)


def reasons(seconds: Seconds) -> list[tuple[str, str, str, int]]:
    """Return (reason, words, whose, seconds) of what is not on disk, the longest first.

    Whose doing it is: of the camera and its line (`camera`), of the centre, or `nobody` knows.
    """
    found = [
        (reason.value, REASON_WORDS[reason], "centre" if reason in CENTRE_REASONS else "camera", missing)
        for reason, missing in seconds.missing.items()
    ]
    if seconds.unexplained:
        found.append((UNEXPLAINED, "Nothing explains it", "nobody", seconds.unexplained))
    return sorted(found, key=lambda one: (-one[3], one[0]))


def _reason_columns() -> list[str]:
    return [f"missing_{reason.value}_s" for reason in MISSING_REASONS]


def _figures(seconds: Seconds) -> list[Cell]:
    share, repair, between = seconds.availability, seconds.to_repair, seconds.between
    return [
        seconds.due,
        seconds.recorded,
        seconds.writing,
        seconds.missing_sum,
        seconds.unexplained,
        seconds.off,
        None if share is None else _share(seconds.recorded, seconds.due - seconds.writing),
        seconds.interruptions,
        seconds.outages,
        seconds.outage,
        seconds.longest,
        None if repair is None else round(repair),
        None if between is None else round(between),
        *(seconds.missing.get(reason, 0) for reason in MISSING_REASONS),
    ]


def _share(part: int, whole: int) -> str:
    """Return a share with six digits, rounded down: only what is whole is 1."""
    return f"{part * 1_000_000 // whole / 1_000_000:.6f}" if whole else ""


def _moments(span: Span, zone: ZoneInfo) -> list[Cell]:
    return [utc(us).astimezone(zone).isoformat(timespec="seconds") for us in span]


def _table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    for row in rows:
        writer.writerow([_safe(cell) for cell in row])
    return "\ufeff" + out.getvalue()


def _safe(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet computes: an apostrophe before what looks like a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
