"""What a time line shows: recorded, missing with reasons, the nearest pictures; by hours where it is long."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peers.stored_archive import MINUTE_US, StoredArchive
from vonggac.video import index
from vonggac.video.archive.footage import MediaStore
from vonggac.video.index import HOUR_US, Interval
from vonggac.video.models import GapReason, RecordingState
from vonggac.video.playback import timeline
from vonggac.video.playback.timeline import MomentFound, Overview, gathered, joined_closely
from vonggac.video.retention import expired
from vonggac.video.retention.expired import Deleted
from vonggac.video.spans import length

DAY_US = 24 * HOUR_US
NOON_US = 1_795_500_000_000_000 // HOUR_US * HOUR_US
"""24 November 2026, on the hour."""


class Line:
    """One camera of an archive, asked as a time line asks."""

    def __init__(self, stored: StoredArchive) -> None:
        self.stored = stored
        self.camera_id: uuid.UUID = stored.camera_ids[0]

    def hours(self, first_us: int, count: int, *, minutes: int = 60) -> None:
        """Record the first minutes of each of so many hours."""
        for hour in range(count):
            for minute in range(0, minutes, 10):
                start_us = first_us + hour * HOUR_US + minute * MINUTE_US
                self.stored.record(start_us, lasts_us=10 * MINUTE_US)

    def gap(self, start_us: int, end_us: int | None, reason: GapReason) -> None:
        with self.stored.database.write() as session:
            key = index.open_gap(session, self.camera_id, start_us, reason, "in words")
            if end_us is not None:
                index.close_gap(session, key, self.camera_id, end_us)

    def overview(self, from_us: int, to_us: int, *, cells: int = 1000, now_us: int = NOON_US + DAY_US) -> Overview:
        with self.stored.database.read() as session:
            store = MediaStore.of(session)
            return timeline.overview(session, store, self.camera_id, (from_us, to_us), cells, now_us)

    def moment(self, at_us: int, now_us: int = NOON_US + DAY_US) -> MomentFound:
        with self.stored.database.read() as session:
            return timeline.moment(session, MediaStore.of(session), self.camera_id, at_us, now_us)


@pytest.fixture
def line(stored: Callable[..., StoredArchive]) -> Line:
    return Line(stored(cameras=1))


def reasons(shown: Overview) -> list[tuple[int, int, str, int]]:
    return [
        ((one.start_us - NOON_US) // MINUTE_US, (one.end_us - NOON_US) // MINUTE_US, one.reason.value, one.count)
        for one in shown.missing
    ]


def test_neighbours_are_joined_and_gaps_keep_their_reasons(line: Line) -> None:
    line.hours(NOON_US, 1)
    line.gap(NOON_US + HOUR_US, NOON_US + HOUR_US + 20 * MINUTE_US, GapReason.TIMED_OUT)
    line.gap(NOON_US + HOUR_US + 20 * MINUTE_US, NOON_US + 2 * HOUR_US, GapReason.REFUSED)
    line.hours(NOON_US + 2 * HOUR_US, 1)
    shown = line.overview(NOON_US, NOON_US + 3 * HOUR_US)
    assert shown.recorded == [(NOON_US, NOON_US + HOUR_US), (NOON_US + 2 * HOUR_US, NOON_US + 3 * HOUR_US)]
    assert reasons(shown) == [(60, 80, "timed_out", 1), (80, 120, "refused", 1)]
    assert (shown.shares, shown.missing[0].detail) == (None, "in words")
    assert (shown.due_from_us, shown.due_until_us) == (NOON_US, NOON_US + 3 * HOUR_US)


def test_what_a_screen_cannot_tell_apart_is_one_and_says_how_many_it_stands_for(line: Line) -> None:
    for minute in range(0, 60, 2):
        line.stored.record(NOON_US + minute * MINUTE_US)
        line.gap(NOON_US + (minute + 1) * MINUTE_US, NOON_US + (minute + 2) * MINUTE_US, GapReason.CLOSED)
    shown = line.overview(NOON_US, NOON_US + DAY_US, cells=100, now_us=NOON_US + HOUR_US)
    assert shown.recorded == [(NOON_US, NOON_US + 59 * MINUTE_US)]
    assert reasons(shown) == [(1, 60, "closed", 30)]
    near = line.overview(NOON_US, NOON_US + HOUR_US)
    assert (len(near.recorded), len(near.missing)) == (30, 30)


def test_a_month_is_told_by_hours_with_their_shares_and_the_last_of_it_exactly(line: Line) -> None:
    line.hours(NOON_US, 3)
    line.hours(NOON_US + 3 * HOUR_US, 1, minutes=30)
    line.gap(NOON_US + 3 * HOUR_US + 30 * MINUTE_US, NOON_US + 50 * HOUR_US, GapReason.VOLUME_LOST)
    line.hours(NOON_US + 50 * HOUR_US, 1, minutes=30)
    line.stored.record(NOON_US + 50 * HOUR_US + 30 * MINUTE_US, state=RecordingState.OPEN)
    now_us = NOON_US + 50 * HOUR_US + 30 * MINUTE_US + 5_000_000
    shown = line.overview(NOON_US - 27 * DAY_US, NOON_US + 3 * DAY_US, now_us=now_us)
    written_us = NOON_US + 50 * HOUR_US + 30 * MINUTE_US + 2_000_000  # two groups of a second are in the file
    assert shown.recorded == [
        (NOON_US, NOON_US + 3 * HOUR_US),
        (NOON_US + 3 * HOUR_US, NOON_US + 4 * HOUR_US),
        (NOON_US + 50 * HOUR_US, written_us),
    ]
    assert shown.shares == [1.0, 0.5, 1.0]
    assert shown.due_until_us == written_us
    assert reasons(shown)[-1] == (210, 3000, "volume_lost", 1)


def test_what_retention_deleted_is_told_as_deleted_though_the_sums_of_hours_stay(line: Line) -> None:
    line.hours(NOON_US, 4)
    with line.stored.database.write() as session:
        expired.note(session, line.camera_id, [Deleted(NOON_US, NOON_US + 90 * MINUTE_US, 30)])
    shown = line.overview(NOON_US - DAY_US, NOON_US + 3 * DAY_US, now_us=NOON_US + 3 * DAY_US)
    assert shown.recorded[0] == (NOON_US + HOUR_US, NOON_US + 2 * HOUR_US)
    assert shown.shares is not None
    assert shown.shares[:2] == [0.5, 1.0]
    assert (0, 90, "expired", 1) in reasons(shown)


def test_a_moment_says_whether_it_is_recorded_why_not_and_where_the_nearest_pictures_are(line: Line) -> None:
    line.hours(NOON_US, 1)
    line.gap(NOON_US + HOUR_US, NOON_US + 2 * HOUR_US, GapReason.TIMED_OUT)
    line.hours(NOON_US + 2 * HOUR_US, 1)
    inside = line.moment(NOON_US + 5)
    assert (inside.recorded, inside.gap, inside.next_us, inside.previous_us) == (True, None, NOON_US + 5, NOON_US + 5)
    missing = line.moment(NOON_US + 90 * MINUTE_US)
    assert missing == MomentFound(
        False,
        Interval(NOON_US + HOUR_US, NOON_US + 2 * HOUR_US, GapReason.TIMED_OUT, "in words"),
        NOON_US + 2 * HOUR_US,
        NOON_US + HOUR_US,
    )
    unexplained = line.moment(NOON_US + 3 * HOUR_US + 1)
    assert unexplained.gap == Interval(NOON_US + 3 * HOUR_US, NOON_US + DAY_US, GapReason.UNKNOWN)
    before, after = line.moment(NOON_US - 1), line.moment(NOON_US + 3 * HOUR_US)
    assert (before.recorded, before.next_us, before.previous_us) == (False, NOON_US, None)
    assert (after.recorded, after.next_us, after.previous_us) == (False, None, NOON_US + 3 * HOUR_US)


def test_the_end_of_what_is_being_written_is_known_from_its_file(line: Line) -> None:
    line.stored.record(NOON_US, state=RecordingState.OPEN)
    found = line.moment(NOON_US + 60_000_000, now_us=NOON_US + 61_000_000)
    assert (found.recorded, found.next_us, found.previous_us) == (False, None, NOON_US + 2_000_000)


spans = st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 100)), max_size=20).map(
    lambda pairs: [(start, start + size) for start, size in pairs]
)


@settings(deadline=None)
@given(spans, st.integers(1, 50))
def test_joined_spans_cover_what_they_are_made_of_and_no_hole_that_could_be_seen(
    pieces: list[tuple[int, int]], apart: int
) -> None:
    made = joined_closely(pieces, apart)
    assert all(any(start >= begin and end <= until for begin, until in made) for start, end in pieces)
    assert all(after[0] - before[1] >= apart for before, after in pairwise(made))
    assert length(made) >= length(joined_closely(pieces, 1))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 100)), max_size=20), st.integers(1, 60))
def test_gathered_gaps_stand_for_all_of_them_and_long_ones_for_themselves(
    pairs: list[tuple[int, int]], apart: int
) -> None:
    gaps, at = [], 0
    for number, (lasts, until_next) in enumerate(pairs):
        reason = list(GapReason)[number % len(GapReason)]
        gaps.append(Interval(at, at + lasts, reason))
        at += lasts + until_next
    made = gathered(gaps, apart)
    assert sum(one.count for one in made) == len(gaps)
    cut = gathered([Interval(0, 5, GapReason.LOSS), Interval(5, 90, GapReason.LOSS)], apart)
    assert [(one.start_us, one.end_us, one.count) for one in cut] == [(0, 90, 1)]
    assert all(any(one.start_us <= gap.start_us and gap.end_us <= one.end_us for one in made) for gap in gaps)
    for gap in gaps:
        if gap.end_us - gap.start_us >= apart:
            assert any((one.start_us, one.end_us, one.count) == (gap.start_us, gap.end_us, 1) for one in made)
