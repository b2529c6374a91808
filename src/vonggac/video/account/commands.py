"""`vonggac availability`: seconds recorded of the seconds that were due, by camera, unit and reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from sqlalchemy.orm import Session

from vonggac.cameras.service import find_camera
from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.core.commands import data_option, emit, json_option
from vonggac.core.datafolder import DataFolder
from vonggac.core.errors import VonggacError
from vonggac.org import service as org
from vonggac.video import period
from vonggac.video.account import accounting, csv_tables
from vonggac.video.account.accounting import CameraLine, ListedGap, UnitLine
from vonggac.video.account.availability import OUTAGE_US, Seconds
from vonggac.video.health import REASON_WORDS
from vonggac.video.period import Period
from vonggac.video.wording import parse_moment

_GAPS_SHOWN = 2000
"""Gaps that are printed of a camera; the CSV and the JSON hold all."""


@click.command(short_help="How much of the time was recorded, and where the rest went.")
@click.option("--month", "month_text", metavar="MONTH", default="", help="A month: 2026-11.  [default: this month]")
@click.option("--day", "day_text", metavar="DAY", default="", help="A day: 2026-11-24.")
@click.option("--from", "from_text", metavar="TIME", default="", help="Beginning, as for `vonggac recordings`.")
@click.option("--to", "to_text", metavar="TIME", default="", help="End.  [default: now]")
@click.option("--ever", is_flag=True, help="Since the cameras were added.")
@click.option(
    "--by",
    type=click.Choice(["camera", "unit", "reason"]),
    default="camera",
    show_default=True,
    help="A line for each.",
)
@click.option("--unit", "unit_named", metavar="UNIT", default="", help="Only this unit and what is below it.")
@click.option("--camera", "camera_named", metavar="CAMERA", default="", help="Only this camera, also a removed one.")
@click.option("--gaps", is_flag=True, help="Every gap with its beginning, end and reason.")
@click.option("--csv", "csv_file", metavar="FILE", default="", help="Write a CSV file for a spreadsheet; - prints it.")
@data_option
@json_option
def availability(
    month_text: str,
    day_text: str,
    from_text: str,
    to_text: str,
    ever: bool,
    by: str,
    unit_named: str,
    camera_named: str,
    gaps: bool,
    csv_file: str,
    data: Path,
    as_json: bool,
) -> None:
    """Say how much of the time that the cameras were due is recorded, and explain the rest to the second.

    A camera is due from when it was added until it is removed; time in which it is switched off is no time that it is
    due, and told apart. Due = recorded + being written now + missing, by reason + unexplained. Availability is recorded
    ÷ (due − being written). An outage is an interruption of a minute or more. The month and the day are the centre's.

    \b
    Examples:
      vonggac availability
      vonggac availability --month 2026-11 --by unit
      vonggac availability --camera 12 --gaps --day 2026-11-24
      vonggac availability --month 2026-11 --csv november.csv
    """
    folder = DataFolder.open(data)
    zone, now = ZoneInfo(folder.settings.centre.zone), utc_now()
    chosen = _period(month_text, day_text, from_text, to_text, ever, now, zone)
    now_us = microseconds(now)
    with folder.database().read() as session:
        lines = _lines(session, chosen, now_us, unit_named, camera_named)
        units = accounting.unit_lines(session, lines)
        listed = [(line, accounting.gap_list(session, line, now_us)) for line in lines] if gaps else []
    whole = accounting.total(lines)
    span = (chosen.from_us, min(chosen.to_us, now_us))
    if csv_file:
        _write_csv(csv_file, _csv(by, lines, units, whole, listed if gaps else None, span, zone))
    elif as_json:
        emit(_data(span, lines, units, whole, listed, zone))
    else:
        _print(by, span, lines, units, whole, listed, zone)


def _period(
    month_text: str, day_text: str, from_text: str, to_text: str, ever: bool, now: datetime, zone: ZoneInfo
) -> Period:
    ways = [bool(month_text), bool(day_text), bool(from_text or to_text), ever]
    if sum(ways) > 1:
        raise click.UsageError("Give one of --month, --day, --from with --to, and --ever.")
    now_us = microseconds(now)
    try:
        if month_text:
            chosen = period.month(month_text, zone)
        elif day_text:
            chosen = period.day(day_text, zone)
        elif from_text:
            start, end = (parse_moment(text, now, zone) for text in (from_text, to_text or "now"))
            chosen = Period(microseconds(start), microseconds(end))
        elif to_text:
            raise click.UsageError("--to needs --from.")
        else:
            chosen = Period(0, now_us) if ever else period.month_of(now_us, zone)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if chosen.from_us >= min(chosen.to_us, now_us):
        raise click.BadParameter("The interval holds no time that has passed: its beginning comes first, before now.")
    return chosen


def _lines(session: Session, chosen: Period, now_us: int, unit_named: str, camera_named: str) -> list[CameraLine]:
    camera = find_camera(session, camera_named, removed=True) if camera_named else None
    units = set(org.subtree_ids(session, org.find_unit(session, unit_named))) if unit_named else None
    lines = accounting.camera_lines(session, chosen.from_us, chosen.to_us, now_us, camera.id if camera else None)
    lines = [line for line in lines if units is None or line.unit_id in units]
    if not lines:
        raise VonggacError("No camera was there in this time. `vonggac camera list --all` says since when each is.")
    return lines


def _csv(
    by: str,
    lines: Sequence[CameraLine],
    units: Sequence[UnitLine],
    whole: Seconds,
    listed: Sequence[tuple[CameraLine, Sequence[ListedGap]]] | None,
    span: tuple[int, int],
    zone: ZoneInfo,
) -> str:
    if listed is not None:
        return csv_tables.gaps(listed, zone)
    if by == "unit":
        return csv_tables.by_unit(units, _since(span, lines), zone)
    if by == "reason":
        return csv_tables.by_reason(whole, _since(span, lines), zone)
    return csv_tables.by_camera(lines, zone)


def _write_csv(file: str, table: str) -> None:
    if file == "-":
        click.echo(table, nl=False)
        return
    Path(file).write_text(table, encoding="utf-8", newline="")
    click.echo(f"Wrote {file}: {table.count(chr(10)) - 1} lines.", err=True)


def _since(span: tuple[int, int], lines: Sequence[CameraLine]) -> tuple[int, int]:
    """Return the interval without the time before the first camera."""
    return max(span[0], min(line.due[0] for line in lines)), span[1]


# What is printed.


def hours(seconds: float | None) -> str:
    """Return a length of time as hours, minutes and seconds: 743:59:08."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def percent(seconds: Seconds) -> str:
    """Return the availability with two digits, rounded down: only what is whole is 100 %."""
    settled = seconds.due - seconds.writing
    return f"{seconds.recorded * 10_000 // settled / 100:.2f} %" if settled > 0 else "–"


def _print(
    by: str,
    span: tuple[int, int],
    lines: Sequence[CameraLine],
    units: Sequence[UnitLine],
    whole: Seconds,
    listed: Sequence[tuple[CameraLine, Sequence[ListedGap]]],
    zone: ZoneInfo,
) -> None:
    start, end = (f"{utc(us).astimezone(zone):%Y-%m-%d %H:%M:%S}" for us in _since(span, lines))
    click.echo(f"{start} to {end} ({zone})")
    if by == "reason":
        _print_reasons(whole)
    elif by == "unit":
        _print_sums(
            [("", f"{'  ' * one.depth}{one.name}", f"{one.cameras} cameras", one.seconds) for one in units],
            whole,
            lines,
        )
    else:
        ordered = sorted(lines, key=lambda line: (_rank(line.seconds), line.number))
        _print_sums([(str(one.number), one.name, one.unit_name, one.seconds) for one in ordered], whole, lines)
    for line, gaps in listed:
        _print_gaps(line, gaps, zone)


def _rank(seconds: Seconds) -> float:
    return 2.0 if seconds.availability is None else seconds.availability


def _print_sums(rows: Sequence[tuple[str, str, str, Seconds]], whole: Seconds, lines: Sequence[CameraLine]) -> None:
    width = max(len(row[1]) for row in rows)
    place = max(len(row[2]) for row in rows)
    head = f"{'no.':>5}  {'name':<{width}}  {'':<{place}}  {'available':>9}  {'due':>11}  {'recorded':>11}  "
    head += f"{'missing':>10}  {'unexplained':>11}  {'off':>10}  {'outages':>7}  {'longest':>9}"
    click.secho(head, dim=True)
    for number, name, more, seconds in rows:
        line = f"{number:>5}  {name:<{width}}  {more:<{place}}  {percent(seconds):>9}  {hours(seconds.due):>11}  "
        line += f"{hours(seconds.recorded):>11}  {hours(seconds.missing_sum):>10}  {hours(seconds.unexplained):>11}  "
        line += f"{hours(seconds.off):>10}  {seconds.outages:>7}  {hours(seconds.longest):>9}"
        click.secho(line, fg="yellow" if seconds.lacking else None)
    click.echo(
        f"{len(lines)} camera{'s' if len(lines) != 1 else ''}: {percent(whole)} of the time recorded "
        f"({hours(whole.recorded)} of {hours(whole.due)}), "
        f"being written {hours(whole.writing)}, missing {hours(whole.missing_sum)}, unexplained "
        f"{hours(whole.unexplained)}. Switched off {hours(whole.off)}. Outages of {OUTAGE_US // 1_000_000} s and more: "
        f"{whole.outages}, {hours(whole.to_repair)} long on average."
    )


def _print_reasons(whole: Seconds) -> None:
    found = csv_tables.reasons(whole)
    width = max((len(words) for _, words, _, _ in found), default=0)
    for reason, words, whose, seconds in found:
        share = f"{seconds / whole.due * 100:.3f} %" if whole.due else "–"
        click.echo(f"{hours(seconds):>12}  {share:>9}  {words:<{width}}  {whose:<6}  {reason}")
    click.echo(f"{hours(whole.lacking):>12}  of {hours(whole.due)} due are not recorded.")


def _print_gaps(line: CameraLine, gaps: Sequence[ListedGap], zone: ZoneInfo) -> None:
    click.echo(f"Camera {line.number}, {line.name}: {len(gaps)} gaps")
    for gap in gaps[:_GAPS_SHOWN]:
        start = utc(gap.start_us).astimezone(zone)
        end = "goes on" if gap.goes_on else f"{utc(gap.end_us).astimezone(zone):%Y-%m-%d %H:%M:%S}"
        words = REASON_WORDS[gap.reason] if gap.reason else "Nothing explains it"
        detail = f" ({gap.detail})" if gap.detail else ""
        lasts = f"{gap.lacking_us / 1e6:.1f} s"
        click.echo(f"  {start:%Y-%m-%d %H:%M:%S}  {end:<19}  {lasts:>12}  {words}{detail}")
    if len(gaps) > _GAPS_SHOWN:
        click.echo(f"  and {len(gaps) - _GAPS_SHOWN} more: --csv FILE holds all.")


def _data(
    span: tuple[int, int],
    lines: Sequence[CameraLine],
    units: Sequence[UnitLine],
    whole: Seconds,
    listed: Sequence[tuple[CameraLine, Sequence[ListedGap]]],
    zone: ZoneInfo,
) -> dict[str, Any]:
    gaps = {line.id: found for line, found in listed}
    shown: list[dict[str, Any]] = []
    for line in lines:
        camera: dict[str, Any] = {
            "id": line.id,
            "number": line.number,
            "name": line.name,
            "unit": line.unit_name,
            "removed": line.removed,
            **_moments(line.due, zone),
            **_figures(line.seconds),
        }
        if line.id in gaps:
            camera["gaps"] = [_gap_data(gap, zone) for gap in gaps[line.id]]
        shown.append(camera)
    return {
        **_moments(_since(span, lines), zone),
        "total": {"cameras": len(lines), **_figures(whole)},
        "units": [
            {"name": one.name, "level": one.depth, "cameras": one.cameras, **_figures(one.seconds)} for one in units
        ],
        "cameras": shown,
    }


def _figures(seconds: Seconds) -> dict[str, Any]:
    return {
        "due_s": seconds.due,
        "recorded_s": seconds.recorded,
        "writing_s": seconds.writing,
        "missing_s": seconds.missing,
        "unexplained_s": seconds.unexplained,
        "switched_off_s": seconds.off,
        "availability": seconds.availability,
        "interruptions": seconds.interruptions,
        "outages": seconds.outages,
        "outage_s": seconds.outage,
        "longest_s": seconds.longest,
        "mean_time_to_repair_s": seconds.to_repair,
        "mean_time_between_s": seconds.between,
    }


def _gap_data(gap: ListedGap, zone: ZoneInfo) -> dict[str, Any]:
    return {
        **_moments((gap.start_us, gap.end_us), zone),
        "start_us": gap.start_us,
        "end_us": gap.end_us,
        "lacking_us": gap.lacking_us,
        "reason": gap.reason or csv_tables.UNEXPLAINED,
        "detail": gap.detail,
        "goes_on": gap.goes_on,
    }


def _moments(span: tuple[int, int], zone: ZoneInfo) -> dict[str, Any]:
    return {name: utc(us).astimezone(zone) for name, us in zip(("from", "to"), span, strict=True)}
