"""What the camera pages say, in the reader's words: facts, record, the last day, the last month."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras import pictures, service
from vonggac.cameras.models import Camera
from vonggac.cameras.record import LABELS, NAMES, ends
from vonggac.core.clock import MICROSECONDS, microseconds, utc
from vonggac.core.errors import VonggacError
from vonggac.core.i18n import N_
from vonggac.core.secrets import SecretBox
from vonggac.core.settings import Settings
from vonggac.org import service as org
from vonggac.org.models import Unit
from vonggac.shell.words import NOTHING, Words
from vonggac.video import period
from vonggac.video.account import accounting
from vonggac.video.account.accounting import ListedGap
from vonggac.video.account.availability import OUTAGE_US, Seconds
from vonggac.video.health import KIND_WORDS, STATE_WORDS, CameraHealth, State, health_rows
from vonggac.video.index import HOUR_US
from vonggac.video.models import CameraStatus
from vonggac.video.period import Period
from vonggac.web.account_view import family, gap_line, level, reason_words
from vonggac.web.camera_form import TRANSPORT_WORDS
from vonggac.web.health_view import picture

DAY_HOURS = 24
MONTH_DAYS = 30
OUTAGES_SHOWN = 10
_CLOCK_RIGHT_US = 2 * MICROSECONDS
_CLOCK_WRONG_US = 10 * MICROSECONDS
_BAR = 1000.0
_LEAST = 1.5
"""A part of the day is at least this wide of a thousand: two seconds without pictures must be seen."""
_ENDS_WORDS = {
    ("guarantee_until", "soon"): N_("The guarantee ends in {days}: have faults mended before."),
    ("guarantee_until", "over"): N_("The guarantee ended {days} ago."),
    ("certificate_until", "soon"): N_("The certificate ends in {days}."),
    ("certificate_until", "over"): N_("The certificate ended {days} ago."),
}


class Fact(msgspec.Struct, frozen=True):
    """A line of a list: what it is called, what it is, how good."""

    name: str
    label: str
    value: str
    level: str = ""


class Part(msgspec.Struct, frozen=True):
    """A stretch of the bar of a day, which is 1,000 wide."""

    start: float
    width: float
    family: str
    title: str


class Hour(msgspec.Struct, frozen=True):
    """An hour of the last day: what it is called, where it is played back, and what is missing of it."""

    text: str
    at: str
    title: str
    level: str


class Day(msgspec.Struct, frozen=True):
    """The last 24 hours. Milliseconds since 1970."""

    from_ms: int
    to_ms: int
    parts: list[Part]
    hours: list[Hour]
    sentence: str


class Present(msgspec.Struct, frozen=True):
    """What changes while a page is open."""

    now_ms: int
    updated_ms: int
    state: str
    words: str
    why: str
    since: str
    facts: list[Fact]
    day: Day


@dataclass(frozen=True, slots=True)
class DayCell:
    """A day of the last month."""

    day: str
    share: str
    title: str
    level: str


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch without pictures, and where playback would show its beginning."""

    start: str
    end: str
    lasts: str
    words: str
    detail: str
    family: str
    at: str


@dataclass(frozen=True, slots=True)
class CameraPage:
    """All that the page of a camera says."""

    camera: Camera
    present: Present
    unit: str
    kind: str
    settings: list[Fact]
    record: list[Fact]
    warnings: list[str]
    days: list[DayCell]
    days_share: str
    outages: list[Outage]
    outages_count: int
    first: str
    """When the picture at installation was taken, in words; empty without one."""
    first_version: int


def camera_page(
    session: Session, camera: Camera, words: Words, settings: Settings, box: SecretBox, now_us: int
) -> CameraPage:
    """Return the page of a camera."""
    month = _last_days(words, now_us)
    lines = accounting.camera_lines(session, month[0].from_us, month[-1].to_us, now_us, camera.id)
    gaps = accounting.gap_list(session, lines[0], now_us) if lines else []
    outages = [gap for gap in gaps if gap.lacking_us >= OUTAGE_US]
    first = pictures.picture(session, camera)
    today = utc(now_us).astimezone(words.zone).date()
    return CameraPage(
        camera=camera,
        present=present(session, camera, words, now_us),
        unit=session.get_one(Unit, camera.unit_id).name,
        kind=words.say(KIND_WORDS.get(camera.kind, camera.kind)),
        settings=_settings(session, camera, words, settings, box),
        record=record_facts(camera, words, today),
        warnings=record_warnings(camera, words, today),
        days=_days(session, camera, words, month, now_us),
        days_share=words.percent(lines[0].seconds.availability) if lines else NOTHING,
        outages=[_outage(words, gap) for gap in reversed(outages[-OUTAGES_SHOWN:])],
        outages_count=len(outages),
        first="" if first is None else words.exact(microseconds(first.taken_at)),
        first_version=0 if first is None else microseconds(first.taken_at),
    )


def present(session: Session, camera: Camera, words: Words, now_us: int) -> Present:
    """Return what changes: state, technical facts and the last day."""
    (health,) = health_rows(session, now_us, camera.id)
    status = session.get(CameraStatus, camera.id)
    return Present(
        now_ms=now_us // 1000,
        updated_ms=health.updated_us // 1000,
        state=health.state.value,
        words=words.say(STATE_WORDS[health.state]),
        why=words.say(health.why),
        since=words.since(health.since_us, now_us),
        facts=_technical(words, health, status),
        day=_day(session, camera, words, now_us),
    )


def record_facts(camera: Camera, words: Words, today: date) -> list[Fact]:
    """Return the record of a camera, also what is not filled in: an auditor asks for that first."""
    return [
        Fact(
            name, words.say(LABELS[name]), _record_value(words, getattr(camera, name)), _end_level(camera, name, today)
        )
        for name in NAMES
    ]


def record_warnings(camera: Camera, words: Words, today: date) -> list[str]:
    """Return what of the record is over or ends within 60 days."""
    found = []
    for name in ("guarantee_until", "certificate_until"):
        until: date | None = getattr(camera, name)
        if until is not None and (state := ends(until, today)):
            days = abs((until - today).days)
            found.append(words.say(_ENDS_WORDS[name, state], days=words.plural("{n} day", "{n} days", days)))
    return found


def moment_of(us: int, words: Words) -> str:
    """Return a moment as the addresses of playback hold it: local time to the second."""
    return utc(us).astimezone(words.zone).strftime("%Y-%m-%dT%H:%M:%S")


def _record_value(words: Words, value: str | date | None) -> str:
    if isinstance(value, date):
        return words.day(value)
    return value or NOTHING


def _end_level(camera: Camera, name: str, today: date) -> str:
    if name not in ("guarantee_until", "certificate_until"):
        return ""
    return {"over": "bad", "soon": "warn", "": ""}[ends(getattr(camera, name), today)]


def _technical(words: Words, health: CameraHealth, status: CameraStatus | None) -> list[Fact]:
    codec, size = picture(health)
    offset_us = status.clock_offset_us if status is not None else None
    recording = health.state is State.RECORDING
    return [
        Fact("codec", words.say("Video format"), codec or NOTHING),
        Fact("size", words.say("Picture size"), size or NOTHING),
        Fact("fps", words.say("Pictures a second"), words.number(health.fps, 1) if health.fps else NOTHING),
        Fact("rate", words.say("Bit rate"), words.rate(health.bits_per_s)),
        Fact("clock", words.say("Clock of the camera"), _clock(words, offset_us), _clock_level(offset_us)),
        Fact(
            "lost",
            words.say("Lost packets"),
            words.number(health.lost_packets) if recording or health.lost_packets else NOTHING,
            "warn" if health.lost_packets else "",
        ),
        Fact("share", words.say("Recorded share, 24 hours"), words.percent(health.share)),
        Fact("audio", words.say("Sound"), (status.audio if status is not None else "") or words.say("none known of")),
    ]


def _clock(words: Words, offset_us: int | None) -> str:
    if offset_us is None:
        return words.say("unknown: it sends no reports of its time")
    if abs(offset_us) < _CLOCK_RIGHT_US:
        return words.say("right")
    lasts = words.duration(abs(offset_us))
    return words.say("{time} fast", time=lasts) if offset_us > 0 else words.say("{time} slow", time=lasts)


def _clock_level(offset_us: int | None) -> str:
    if offset_us is None or abs(offset_us) < _CLOCK_RIGHT_US:
        return ""
    return "bad" if abs(offset_us) > _CLOCK_WRONG_US else "warn"


def _settings(session: Session, camera: Camera, words: Words, settings: Settings, box: SecretBox) -> list[Fact]:
    audio = camera.unit_id in org.recorded_with_audio(session)
    storage = settings.storage
    return [
        Fact("enabled", words.say("Record this camera"), words.say("yes") if camera.enabled else words.say("no")),
        Fact("url", words.say("Address"), camera.url),
        Fact("sub_url", words.say("Address of the small stream"), camera.sub_url or words.say("none")),
        Fact("credentials", words.say("User name and password"), *_credentials(camera, words, box)),
        Fact("transport", words.say("Transport"), words.say(TRANSPORT_WORDS.get(camera.transport, camera.transport))),
        Fact("pin", words.say("Certificate fingerprint"), camera.tls_fingerprint or words.say("none")),
        Fact("audio", words.say("Sound of its unit"), words.say("recorded") if audio else words.say("not recorded")),
        Fact("min_days", words.say("Keep at least (days)"), _kept(words, camera.min_days, storage.min_days)),
        Fact("max_days", words.say("Delete after (days)"), _kept(words, camera.max_days, storage.max_days)),
        Fact("position", words.say("Position (WGS 84)"), _position(camera)),
        Fact("folder", words.say("Folder of its recordings"), camera.folder),
    ]


def _kept(words: Words, own: int | None, centre: int) -> str:
    days = centre if own is None else own
    said = words.plural("{n} day", "{n} days", days) if days else words.say("no limit")
    return words.say("{days} (the centre's)", days=said) if own is None else said


def _position(camera: Camera) -> str:
    if camera.latitude is None or camera.longitude is None:
        return NOTHING
    return f"{camera.latitude:.6f}, {camera.longitude:.6f}"


def _credentials(camera: Camera, words: Words, box: SecretBox) -> tuple[str, str]:
    """Return in words which credentials are stored, never what they are, and how good that is."""
    if camera.secret is None:
        return words.say("none"), ""
    try:
        known = service.credentials(camera, box)
    except VonggacError:
        return words.say("stored, but this centre's key does not open them: enter them again"), "bad"
    if known is None:
        return words.say("password in the address"), ""
    return (words.say("stored") if known.password else words.say("user name stored, no password")), ""


# --- the last day ------------------------------------------------------------------------------------------------


def _day(session: Session, camera: Camera, words: Words, now_us: int) -> Day:
    to_us = now_us - now_us % HOUR_US + HOUR_US
    from_us = to_us - DAY_HOURS * HOUR_US
    lines = accounting.camera_lines(session, from_us, to_us, now_us, camera.id)
    gaps = accounting.gap_list(session, lines[0], now_us) if lines else []
    due = lines[0].due if lines else (to_us, to_us)

    def part(start_us: int, end_us: int, kind: str, title: str, least: float = 0.0) -> Part:
        start = (start_us - from_us) / (to_us - from_us) * _BAR
        width = max(least, (end_us - start_us) / (to_us - from_us) * _BAR)
        return Part(round(min(start, _BAR - width), 1), round(width, 1), kind, title)

    parts = [part(*due, "recorded", words.say("Recorded"))] if due[0] < due[1] else []
    parts += [
        part(gap.start_us, gap.end_us, family(gap.reason), _gap_title(words, gap, now_us), _LEAST) for gap in gaps
    ]
    hours = [_hour(words, from_us + hour * HOUR_US, gaps, due) for hour in range(DAY_HOURS)]
    return Day(from_us // 1000, to_us // 1000, parts, hours, _sentence(words, lines[0].seconds if lines else None))


def _sentence(words: Words, seconds: Seconds | None) -> str:
    if seconds is None or not seconds.due:
        return words.say("Nothing was to be recorded.")
    if not seconds.lacking:
        return words.say("Nothing is missing.")
    return words.say(
        "{time} missing in {n}",
        time=words.duration(seconds.lacking * MICROSECONDS),
        n=words.plural("{n} interruption", "{n} interruptions", seconds.interruptions),
    )


def _gap_title(words: Words, gap: ListedGap, now_us: int) -> str:
    start = words.moment(gap.start_us, now_us)
    end = words.say("now") if gap.goes_on else words.moment(gap.end_us, now_us)
    return f"{start} – {end}: {reason_words(words, gap.reason)} ({words.duration(gap.lacking_us)})"


def _hour(words: Words, start_us: int, gaps: Sequence[ListedGap], due: tuple[int, int]) -> Hour:
    end_us = start_us + HOUR_US
    lacking = sum(max(0, min(gap.end_us, end_us) - max(gap.start_us, start_us)) for gap in gaps)
    there = max(0, min(due[1], end_us) - max(due[0], start_us))
    if not there:
        said, grade = words.say("nothing was to be recorded"), "none"
    elif not lacking:
        said, grade = words.say("all recorded"), "good"
    else:
        said, grade = words.say("{time} missing", time=words.duration(lacking)), "bad" if lacking >= there else "warn"
    local = utc(start_us).astimezone(words.zone)
    return Hour(
        f"{local:%H}",
        moment_of(start_us, words),
        words.say("Play back from {time}: {what}", time=f"{local:%H:%M}", what=said),
        grade,
    )


# --- the last month ----------------------------------------------------------------------------------------------


def _last_days(words: Words, now_us: int) -> list[Period]:
    found = [period.day(f"{utc(now_us).astimezone(words.zone):%Y-%m-%d}", words.zone)]
    while len(found) < MONTH_DAYS:
        before = utc(found[0].from_us - 1).astimezone(words.zone)
        found.insert(0, period.day(f"{before:%Y-%m-%d}", words.zone))
    return found


def _days(session: Session, camera: Camera, words: Words, month: Sequence[Period], now_us: int) -> list[DayCell]:
    spans = [(day.from_us, day.to_us) for day in month]
    cells = []
    for day, (_, seconds) in zip(month, accounting.camera_days(session, camera.id, spans, now_us), strict=True):
        share = seconds.availability
        cells.append(
            DayCell(
                day=f"{int(day.name[8:])}/{int(day.name[5:7])}",
                share=NOTHING if share is None else words.percent(share),
                title=_sentence(words, seconds),
                level=level(share) or ("none" if share is None else "fair"),
            )
        )
    return cells


def _outage(words: Words, gap: ListedGap) -> Outage:
    line = gap_line(words, gap)
    at = moment_of(gap.start_us - 10 * MICROSECONDS, words)
    return Outage(line.start, line.end, line.lasts, line.words, line.detail, line.family, at)


# --- the list ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListRow:
    """A camera of the list."""

    health: CameraHealth
    place: str
    warnings: list[str]
    record: frozenset[str]
    """`guarantee`, `certificate`: what of its record somebody ought to look after."""


def list_rows(session: Session, words: Words, may_see: set[uuid.UUID], now_us: int) -> list[ListRow]:
    """Return the cameras of some units, by unit and name."""
    today = utc(now_us).astimezone(words.zone).date()
    cameras = {one.id: one for one in session.scalars(sa.select(Camera).where(Camera.removed_at.is_(None)))}
    rows = []
    for health in health_rows(session, now_us):
        camera = cameras.get(health.id)
        if camera is None or health.unit_id not in may_see:
            continue
        record = {"guarantee"} if ends(camera.guarantee_until, today) else set()
        if not camera.certificate or ends(camera.certificate_until, today):
            record.add("certificate")
        rows.append(ListRow(health, camera.place, record_warnings(camera, words, today), frozenset(record)))
    return rows
