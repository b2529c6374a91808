"""The account's arithmetic: of the time that a camera was due, how much is on disk, and where the rest went.

    due = recorded + being written + missing, by reason + unexplained          to the microsecond, for every camera

Pure: takes what the index knows (docs/design/account.md says where from) and returns sums. Times are microseconds
since 1970, intervals half open, hours those of UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vonggac.video.index import HOUR_US, Interval, split_by_hour
from vonggac.video.models import GapReason
from vonggac.video.spans import Span, clipped, length, without

OUTAGE_US = 60_000_000
"""An interruption from this length on counts as an outage; shorter ones count in the seconds, not in the number."""
CENTRE_REASONS = frozenset(
    {GapReason.DISK, GapReason.VOLUME_LOST, GapReason.STOPPED, GapReason.CRASHED, GapReason.CLOCK_SET}
)
"""What is missing for these is the centre's own doing, not the camera's nor its line's."""
_SUPPOSED = (GapReason.UNKNOWN, GapReason.CRASHED, GapReason.STOPPED)
"""Reasons that are noted without having seen the camera: the first to give way to what is on disk after all."""
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """What the index knows of one camera in an interval."""

    due: Span
    """From when it was added to when it was removed, within the interval, not in the future; empty if it never was."""
    hours: Mapping[int, int]
    """Microseconds on disk by hour, of the part of the hour that lies in the interval."""
    gaps: Sequence[Interval]
    """By their starts, each with an end; they may overlap and stand out of the interval."""
    writing: Sequence[Span] = ()
    """Time that is in files whose rows are not complete yet."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of a camera's time in an interval, in microseconds."""

    passed_us: int = 0
    off_us: int = 0
    """Switched off as planned: passed, but not due."""
    recorded_us: int = 0
    writing_us: int = 0
    missing_us: Mapping[GapReason, int] = field(default_factory=dict)
    unexplained_us: int = 0
    unexplained_hours: tuple[tuple[int, int], ...] = ()
    """(hour, microseconds in it) that nothing explains."""
    interruptions: int = 0
    """Stretches without video, whatever their length and their reasons."""
    outages: int = 0
    """Those of OUTAGE_US and longer."""
    outage_us: int = 0
    longest_us: int = 0
    """The longest interruption."""

    @property
    def due_us(self) -> int:
        """Time that ought to be recorded."""
        return self.passed_us - self.off_us


@dataclass(slots=True)
class Seconds:
    """The same in whole seconds that add up, for one camera or for many: what is shown, printed and exported."""

    due: int = 0
    off: int = 0
    recorded: int = 0
    writing: int = 0
    unexplained: int = 0
    missing: dict[GapReason, int] = field(default_factory=dict)
    interruptions: int = 0
    outages: int = 0
    outage: int = 0
    longest: int = 0

    @property
    def missing_sum(self) -> int:
        """What is missing for a known reason."""
        return sum(self.missing.values())

    @property
    def lacking(self) -> int:
        """All that is not on disk: missing and unexplained."""
        return self.missing_sum + self.unexplained

    @property
    def centre(self) -> int:
        """What is missing through the centre itself."""
        return sum(seconds for reason, seconds in self.missing.items() if reason in CENTRE_REASONS)

    @property
    def availability(self) -> float | None:
        """Recorded ÷ due, leaving out what is being written; None where nothing was due."""
        settled = self.due - self.writing
        return self.recorded / settled if settled > 0 else None

    @property
    def to_repair(self) -> float | None:
        """Mean length of an outage in seconds (MTTR); None without one."""
        return self.outage / self.outages if self.outages else None

    @property
    def between(self) -> float | None:
        """Mean time in seconds from the end of an outage to the next (MTBF); None without one."""
        return max(0, self.due - self.outage) / self.outages if self.outages else None

    def add(self, other: Seconds) -> None:
        """Add another camera's seconds."""
        self.due += other.due
        self.off += other.off
        self.recorded += other.recorded
        self.writing += other.writing
        self.unexplained += other.unexplained
        for reason, seconds in other.missing.items():
            self.missing[reason] = self.missing.get(reason, 0) + seconds
        self.interruptions += other.interruptions
        self.outages += other.outages
        self.outage += other.outage
        self.longest = max(self.longest, other.longest)


def account(known: Known) -> Account:
    """Return what became of a camera's time. A moment counts once: on disk first, then as what its first gap says."""
    if known.due[0] >= known.due[1]:
        return Account()
    told = pieces(known.gaps, known.due)
    off = _by_hour((one.start_us, one.end_us) for one in told if one.reason is GapReason.DISABLED)
    lacking = [one for one in told if one.reason is not GapReason.DISABLED]
    missing: dict[int, dict[GapReason, int]] = {}
    for one in lacking:
        reason = one.reason or GapReason.UNKNOWN
        for hour, part in split_by_hour(one.start_us, one.end_us):
            of_hour = missing.setdefault(hour, {})
            of_hour[reason] = of_hour.get(reason, 0) + part
    covered = [(one.start_us, one.end_us) for one in told]
    writing = _by_hour(without(without([known.due], without([known.due], known.writing)), covered))
    recorded_us = writing_us = unexplained_us = 0
    sums: dict[GapReason, int] = {}
    unexplained_hours = []
    for hour, passed in split_by_hour(*known.due):
        due = passed - off.get(hour, 0)
        recorded = min(known.hours.get(hour, 0), due)
        recorded_us += recorded
        if recorded == due:
            continue  # of a month that is nearly every hour
        rest = due - recorded
        being_written = min(writing.get(hour, 0), rest)
        writing_us += being_written
        rest -= being_written
        for reason, part in _fitted(missing.get(hour, {}), rest).items():
            sums[reason] = sums.get(reason, 0) + part
            rest -= part
        if rest:
            unexplained_us += rest
            unexplained_hours.append((hour, rest))
    lengths = interruptions(lacking)
    long = [one for one in lengths if one >= OUTAGE_US]
    return Account(
        passed_us=length([known.due]),
        off_us=sum(off.values()),
        recorded_us=recorded_us,
        writing_us=writing_us,
        missing_us=sums,
        unexplained_us=unexplained_us,
        unexplained_hours=tuple(unexplained_hours),
        interruptions=len(lengths),
        outages=len(long),
        outage_us=sum(long),
        longest_us=max(lengths, default=0),
    )


def pieces(gaps: Iterable[Interval], within: Span) -> list[Interval]:
    """Return gaps (by their starts) cut to an interval and to each other: every moment is told by the first of them."""
    told: list[Interval] = []
    at, end = within
    for gap in gaps:
        start_us, end_us = max(gap.start_us, at), min(gap.end_us, end)
        if start_us < end_us:
            told.append(Interval(start_us, end_us, gap.reason, gap.detail))
            at = end_us
    return told


def interruptions(told: Sequence[Interval]) -> list[int]:
    """Return how long each stretch without video lasts: pieces that touch are one, whatever their reasons."""
    lengths: list[int] = []
    until_us: int | None = None
    for one in told:
        if one.start_us == until_us:
            lengths[-1] += one.end_us - one.start_us
        else:
            lengths.append(one.end_us - one.start_us)
        until_us = one.end_us
    return lengths


def part_of_hour(recorded_us: int, rows: Sequence[Span], alive: Span, part: Span, gaps: Sequence[Interval]) -> int:
    """Return how much of what is recorded of an hour lies in a part of it (an interval that ends in mid-hour).

    `alive` is the hour as far as the camera was there and it is not the future; `rows` is where its recordings lie or
    lay. When these make up the sum of the hour they say it exactly; where rows were lost, what is recorded is taken to
    lie evenly where no gap is.
    """
    hour_us = part[0] - part[0] % HOUR_US
    holes = without([(hour_us, hour_us + HOUR_US)], rows)
    if HOUR_US - length(holes) == recorded_us:
        return length([part]) - length(clipped(holes, part))
    told = [(one.start_us, one.end_us) for one in pieces(gaps, alive)]
    free = without([alive], told)
    whole_us, part_us = length(free), length(clipped(free, part))
    return min(part_us, recorded_us * part_us // whole_us) if whole_us else 0


def whole_seconds(found: Account) -> Seconds:
    """Return an account in whole seconds whose parts make up the whole: what rounding leaves goes to the largest rests.

    At a tie the recorded time is the last to gain.
    """
    parts: dict[str, int] = {reason.value: part for reason, part in found.missing_us.items()}
    parts |= {"unexplained": found.unexplained_us, "writing": found.writing_us, "recorded": found.recorded_us}
    seconds = {name: part // _SECOND_US for name, part in parts.items()}
    due = round(found.due_us / _SECOND_US)
    by_rest = sorted(parts, key=lambda name: -(parts[name] % _SECOND_US))
    for name in by_rest[: due - sum(seconds.values())]:
        seconds[name] += 1
    return Seconds(
        due=due,
        off=round(found.off_us / _SECOND_US),
        recorded=seconds["recorded"],
        writing=seconds["writing"],
        unexplained=seconds["unexplained"],
        missing={reason: seconds[reason.value] for reason in found.missing_us if seconds[reason.value]},
        interruptions=found.interruptions,
        outages=found.outages,
        outage=round(found.outage_us / _SECOND_US),
        longest=round(found.longest_us / _SECOND_US),
    )


def _fitted(missing: Mapping[GapReason, int], room: int) -> Mapping[GapReason, int]:
    """Return the missing time of an hour cut down to the room beside what is recorded in it."""
    excess = sum(missing.values()) - room
    if excess <= 0:
        return missing
    # Only where the clock was set back are recordings and gaps of one hour longer than the hour.
    left = dict(missing)
    for reason in sorted(missing, key=lambda one: (one not in _SUPPOSED, -missing[one], one)):
        given = min(left[reason], excess)
        left[reason] -= given
        excess -= given
    return left


def _by_hour(spans: Iterable[Span]) -> dict[int, int]:
    sums: dict[int, int] = {}
    for start, end in spans:
        for hour, part in split_by_hour(start, end):
            sums[hour] = sums.get(hour, 0) + part
    return sums
