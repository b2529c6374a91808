"""What the health page says, in the reader's words: made once for the page and for what is patched into it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import msgspec

from vonggac.core.i18n import N_
from vonggac.shell.words import NOTHING, Words
from vonggac.video.health import KIND_WORDS, STATE_WORDS, CameraHealth, State, Storage, Summary, VolumeHealth
from vonggac.web.fault_view import FaultLine

GOOD_SHARE = 0.999
FAIR_SHARE = 0.99
GOOD_MISSING_US = 15_000_000
FAIR_MISSING_US = 60_000_000
_DAY_US = 86_400_000_000
_TROUBLED = (State.AWAY, State.SILENT)
_CODEC_NAMES = {"avc1": "H.264", "avc3": "H.264", "hvc1": "H.265", "hev1": "H.265", "h264": "H.264", "h265": "H.265"}
_ROLE_WORDS = {"web": N_("Pages"), "recorder": N_("Recorder"), "keeper": N_("Keeper")}


class Row(msgspec.Struct):
    """A camera: its cells by name, longer words for who points at them, and what it is sorted by."""

    id: str
    number: int
    state: str
    cells: dict[str, str]
    titles: dict[str, str]
    order: dict[str, float]
    levels: dict[str, str]


class Group(msgspec.Struct):
    """A unit and its cameras."""

    id: str
    name: str
    counts: str
    rows: list[Row]


class Trouble(msgspec.Struct):
    """A camera that somebody should look after."""

    id: str
    number: int
    name: str
    why: str
    since: str


class Line(msgspec.Struct):
    """One line of a list in the summary."""

    text: str
    level: str
    title: str = ""


class Totals(msgspec.Struct):
    """The summary: figures by name, how good they are, and lists."""

    cells: dict[str, str]
    levels: dict[str, str]
    titles: dict[str, str]
    reasons: list[Line]
    roles: list[Line]
    volumes: list[Line]
    trouble: list[Trouble]


class HealthView(msgspec.Struct):
    """The whole page. Times are milliseconds since 1970, as scripts count them."""

    now_ms: int
    updated_ms: int
    totals: Totals
    groups: list[Group]
    faults: list[FaultLine] = []
    """What somebody must look after, the newest first."""


def health_view(
    words: Words, rows: Sequence[CameraHealth], summary: Summary, storage: Storage, now_us: int
) -> HealthView:
    """Return the page in a reader's words. `rows` come by unit, as `health_rows` returns them."""
    by_name = {row.id: rank for rank, row in enumerate(sorted(rows, key=lambda row: (row.name_sort, row.number)))}
    groups = []
    for unit_id, members in groupby(rows, key=lambda row: row.unit_id):
        cameras = list(members)
        recording = sum(row.state is State.RECORDING for row in cameras)
        groups.append(
            Group(
                unit_id.hex,
                cameras[0].unit_name,
                words.say(
                    "{recording} of {all} recording",
                    recording=words.number(recording),
                    all=words.number(len(cameras)),
                ),
                [_row(words, row, by_name[row.id], now_us) for row in cameras],
            )
        )
    return HealthView(
        now_us // 1000, summary.updated_us // 1000, _totals(words, rows, summary, storage, now_us), groups
    )


def _row(words: Words, row: CameraHealth, name_rank: int, now_us: int) -> Row:
    known = row.state is not State.DISABLED
    kind, size = picture(row)
    return Row(
        id=row.id.hex,
        number=row.number,
        state=row.state.value,
        cells={
            "name": row.name,
            "kind": words.say(KIND_WORDS.get(row.kind, row.kind)),
            "state": words.say(STATE_WORDS[row.state]),
            "since": words.since(row.since_us, now_us),
            "why": words.say(row.why),
            "share": words.percent(row.share) if known else NOTHING,
            "lost": words.number(row.lost_packets) if row.passed_us else NOTHING,
            "fps": words.number(row.fps, 1) if row.fps else NOTHING,
            "rate": words.rate(row.bits_per_s),
            "picture": f"{kind} {size}".strip() or NOTHING,
        },
        titles={
            "share": _share_title(words, row.recorded_us, row.passed_us),
            "state": row.detail,
            "lost": words.plural("{n} packet lost", "{n} packets lost", row.lost_packets)
            + " · "
            + words.plural("connected anew {n} time", "connected anew {n} times", row.reconnects),
        },
        order={
            "name": name_rank,
            "state": list(State).index(row.state),
            "share": row.share if row.share is not None else 2.0,
            "lost": -row.lost_packets,
            "rate": -row.bits_per_s,
        },
        levels={
            "share": _share_level(row.recorded_us, row.passed_us) if known else "",
            "lost": "warn" if row.lost_packets else "",
        },
    )


def picture(row: CameraHealth) -> tuple[str, str]:
    """Return codec and size of a camera's picture as people name them."""
    family = row.codec.partition(".")[0]
    return _CODEC_NAMES.get(family, family.upper()), f"{row.width}×{row.height}" if row.width else ""


def _share_title(words: Words, recorded_us: int, passed_us: int) -> str:
    return words.say(
        "{recorded} recorded of {passed} that passed",
        recorded=words.seconds(min(recorded_us, passed_us)),
        passed=words.seconds(passed_us),
    )


def _share_level(recorded_us: int, passed_us: int) -> str:
    """Return how good a share is. Some seconds of connecting are no fault, however short the camera has been here."""
    if passed_us <= 0:
        return ""
    missing_us, share = passed_us - recorded_us, recorded_us / passed_us
    if share < FAIR_SHARE and missing_us >= FAIR_MISSING_US:
        return "bad"
    return "warn" if share < GOOD_SHARE and missing_us >= GOOD_MISSING_US else "good"


def _totals(words: Words, rows: Sequence[CameraHealth], summary: Summary, storage: Storage, now_us: int) -> Totals:
    recording = summary.by_state[State.RECORDING]
    troubled = sum(summary.by_state[state] for state in _TROUBLED)
    connecting = summary.by_state[State.CONNECTING]
    days = storage.days_kept(now_us)
    cameras = max(1, summary.cameras)
    return Totals(
        cells={
            "recording": f"{words.number(recording)}/{words.number(summary.cameras)}",
            "away": words.number(troubled),
            "connecting": words.plural("{n} connecting", "{n} connecting", connecting) if connecting else "",
            "share": words.percent(summary.share),
            "rate": words.rate(summary.bits_per_s),
            "lost": words.plural("{n} packet lost", "{n} packets lost", summary.lost_packets),
            "days": NOTHING if days is None else words.duration(int(days * _DAY_US)),
            "oldest": words.say("recordings since {moment}", moment=words.moment(storage.oldest_us, now_us))
            if storage.oldest_us
            else words.say("no recordings yet"),
        },
        levels={
            "recording": "good" if recording == summary.cameras else "warn" if not troubled else "bad",
            "away": "bad" if troubled else "good",
            "share": _share_level(summary.recorded_us // cameras, summary.passed_us // cameras),
            "days": "" if days is None else "good" if days >= storage.min_days else "bad",
        },
        titles={"share": _share_title(words, summary.recorded_us, summary.passed_us)},
        reasons=[
            Line(f"{words.number(count)} × {words.say(why)}", "bad") for why, count in summary.by_reason.most_common(4)
        ],
        roles=[
            _role_line(words, role.name, role.alive, role.since_us, role.heard_us, now_us) for role in summary.roles
        ],
        volumes=[_volume_line(words, volume, storage.reserve) for volume in storage.volumes],
        trouble=[
            Trouble(row.id.hex, row.number, row.name, words.say(row.why), words.since(row.since_us, now_us))
            for row in rows
            if row.state in _TROUBLED
        ],
    )


def _role_line(words: Words, name: str, alive: bool, since_us: int, heard_us: int, now_us: int) -> Line:
    base, _, number = name.partition("-")
    said = f"{words.say(_ROLE_WORDS.get(base, base))} {number}".strip()
    if alive:
        return Line(
            words.say("{role}: running for {duration}", role=said, duration=words.duration(now_us - since_us)), "good"
        )
    return Line(
        words.say("{role}: silent for {duration}", role=said, duration=words.duration(now_us - heard_us)), "bad"
    )


def _volume_line(words: Words, volume: VolumeHealth, reserve: int) -> Line:
    name = volume.path.rstrip("/").rpartition("/")[2] or volume.path
    free, total = volume.free, volume.total
    if free is None or total is None:
        return Line(words.say("{volume}: cannot be seen from here", volume=name), "warn", volume.path)
    said = words.say("{volume}: {free} free of {total}", volume=name, free=words.size(free), total=words.size(total))
    # A disk in use for a while is always nearly full, since the oldest goes only for the newest; at the reserve
    # recording leaves it.
    return Line(said, "good" if free > reserve and volume.writable else "bad", volume.path)
