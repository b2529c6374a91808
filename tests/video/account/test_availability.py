"""The account's arithmetic: whatever recordings and gaps there are, every moment that was due is told exactly once."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.account.availability import (
    OUTAGE_US,
    Account,
    Known,
    Seconds,
    account,
    part_of_hour,
    pieces,
    whole_seconds,
)
from vonggac.video.index import HOUR_US, Interval, split_by_hour
from vonggac.video.models import GapReason

SECOND = 1_000_000
BEGIN = 498_750 * HOUR_US
"""An hour of November 2026."""
LOSS, REFUSED, CRASHED, DISABLED = GapReason.LOSS, GapReason.REFUSED, GapReason.CRASHED, GapReason.DISABLED


def gap(start_s: float, end_s: float, reason: GapReason) -> Interval:
    return Interval(BEGIN + round(start_s * SECOND), BEGIN + round(end_s * SECOND), reason)


def span(start_s: float, end_s: float) -> tuple[int, int]:
    return BEGIN + round(start_s * SECOND), BEGIN + round(end_s * SECOND)


def recorded(*spans: tuple[float, float]) -> dict[int, int]:
    """The sums of the hours, as the index keeps them."""
    hours: dict[int, int] = {}
    for one in spans:
        for hour, part in split_by_hour(*span(*one)):
            hours[hour] = hours.get(hour, 0) + part
    return hours


def adds_up(found: Account) -> bool:
    parts = [found.recorded_us, found.writing_us, *found.missing_us.values(), found.unexplained_us]
    return min(parts) >= 0 and sum(parts) == found.due_us == found.passed_us - found.off_us


def test_an_hour_with_a_gap_is_recorded_but_for_it() -> None:
    found = account(Known(span(0, 3600), recorded((0, 600), (700, 3600)), [gap(600, 700, REFUSED)]))
    assert (found.recorded_us, found.missing_us) == (3500 * SECOND, {REFUSED: 100 * SECOND})
    assert (found.unexplained_us, found.interruptions, found.outages) == (0, 1, 1)
    assert found.longest_us == found.outage_us == 100 * SECOND


def test_what_nothing_explains_is_told_with_its_hour() -> None:
    found = account(Known(span(0, 7200), recorded((0, 3600), (3700, 7200)), []))
    assert found.unexplained_us == 100 * SECOND
    assert found.unexplained_hours == ((BEGIN + HOUR_US, 100 * SECOND),)
    assert adds_up(found)


def test_time_that_is_switched_off_is_not_due_and_told_apart() -> None:
    found = account(Known(span(0, 3600), recorded((0, 1000)), [gap(1000, 3600, DISABLED)]))
    assert (found.passed_us, found.due_us, found.off_us) == (3600 * SECOND, 1000 * SECOND, 2600 * SECOND)
    assert whole_seconds(found).availability == 1
    assert found.interruptions == 0


def test_what_is_being_written_is_neither_recorded_nor_missing() -> None:
    found = account(Known(span(0, 100), recorded((0, 40)), [], [span(40, 100)]))
    assert (found.recorded_us, found.writing_us, found.unexplained_us) == (40 * SECOND, 60 * SECOND, 0)
    assert whole_seconds(found).availability == 1


def test_a_gap_wins_over_what_is_being_written() -> None:
    found = account(Known(span(0, 100), recorded((0, 40)), [gap(70, 100, LOSS)], [span(40, 100), span(40, 90)]))
    assert (found.writing_us, found.missing_us) == (30 * SECOND, {LOSS: 30 * SECOND})


def test_gaps_that_lie_over_each_other_count_once() -> None:
    overlapping = [gap(0, 60, REFUSED), gap(30, 90, LOSS), gap(40, 50, CRASHED)]
    found = account(Known(span(0, 3600), recorded((90, 3600)), overlapping))
    assert found.missing_us == {REFUSED: 60 * SECOND, LOSS: 30 * SECOND}
    assert adds_up(found)


def test_a_clock_that_was_set_back_makes_no_hour_longer_than_an_hour() -> None:
    # On disk from 0 to 3600; the clock was set back by 600 s, and the camera was away for 100 s of what came twice.
    found = account(Known(span(0, 3600), recorded((0, 3600)), [gap(3000, 3100, REFUSED)]))
    assert (found.recorded_us, found.missing_us.get(REFUSED, 0)) == (3600 * SECOND, 0)
    assert adds_up(found)


def test_what_was_only_supposed_gives_way_first_to_what_is_on_disk() -> None:
    gaps = [gap(0, 1000, CRASHED), gap(1000, 1500, REFUSED)]
    found = account(Known(span(0, 3600), recorded((0, 700), (1500, 3600)), gaps))
    assert found.missing_us == {CRASHED: 300 * SECOND, REFUSED: 500 * SECOND}


def test_one_outage_may_have_several_reasons_and_short_ones_are_not_counted() -> None:
    gaps = [gap(0, 40, REFUSED), gap(40, 100, GapReason.TIMED_OUT), gap(200, 259, LOSS), gap(300, 360, LOSS)]
    seconds = whole_seconds(account(Known(span(0, 3600), recorded((100, 200), (259, 300), (360, 3600)), gaps)))
    assert OUTAGE_US == 60 * SECOND
    assert (seconds.interruptions, seconds.outages, seconds.longest) == (3, 2, 100)
    assert seconds.to_repair == 80
    assert seconds.between == (3600 - 160) / 2


def test_a_camera_that_was_never_due_has_no_share() -> None:
    found = whole_seconds(account(Known(span(5, 5), {}, [])))
    assert (found.due, found.availability, found.to_repair, found.between) == (0, None, None, None)


times = st.integers(0, 4 * 3600)
gap_lists = st.lists(st.tuples(times, st.integers(1, 4000), st.sampled_from(list(GapReason))), max_size=12).map(
    lambda rows: [gap(start, start + lasts, reason) for start, lasts, reason in sorted(rows)]
)
span_lists = st.lists(st.tuples(times, st.integers(1, 4000)), max_size=8).map(
    lambda rows: [(float(start), float(start + lasts)) for start, lasts in rows]
)


@given(gap_lists, span_lists, span_lists, times, times)
def test_every_moment_is_told_once_whatever_is_known(
    gaps: list[Interval],
    kept: list[tuple[float, float]],
    writing: list[tuple[float, float]],
    one: int,
    other: int,
) -> None:
    due = span(min(one, other), max(one, other))
    found = account(Known(due, recorded(*kept), gaps, [span(*each) for each in writing]))
    assert adds_up(found)
    assert sum(part for _, part in found.unexplained_hours) == found.unexplained_us
    assert found.longest_us <= found.due_us


@given(st.lists(st.sampled_from(["recorded", "refused", "loss", "disabled", "nothing"]), min_size=1, max_size=9000))
def test_where_nothing_overlaps_the_account_is_the_count_of_seconds(days: list[str]) -> None:
    stretches: list[tuple[int, int, str]] = []
    for second, what in enumerate(days):
        if stretches and stretches[-1][2] == what:
            stretches[-1] = (stretches[-1][0], second + 1, what)
        else:
            stretches.append((second, second + 1, what))
    gaps = [gap(a, b, GapReason(what)) for a, b, what in stretches if what not in ("recorded", "nothing")]
    kept = recorded(*[(a, b) for a, b, what in stretches if what == "recorded"])
    seconds = whole_seconds(account(Known(span(0, len(days)), kept, gaps)))
    assert seconds.recorded == days.count("recorded")
    assert seconds.missing.get(REFUSED, 0) == days.count("refused")
    assert seconds.missing.get(LOSS, 0) == days.count("loss")
    assert seconds.off == days.count("disabled")
    assert seconds.unexplained == days.count("nothing")


@given(st.lists(st.integers(0, 5_000_000_000), min_size=18, max_size=18))
def test_whole_seconds_add_up_and_none_is_further_than_a_second_from_the_truth(parts: list[int]) -> None:
    missing = dict(zip(GapReason, parts[:15], strict=False))
    found = Account(
        passed_us=sum(parts[:18]),
        recorded_us=parts[15],
        writing_us=parts[16],
        unexplained_us=parts[17],
        missing_us=missing,
    )
    seconds = whole_seconds(found)
    assert seconds.recorded + seconds.writing + seconds.missing_sum + seconds.unexplained == seconds.due
    assert abs(seconds.due * SECOND - found.due_us) <= SECOND / 2
    for reason, part in missing.items():
        assert abs(seconds.missing.get(reason, 0) * SECOND - part) < SECOND


@given(gap_lists, times, times)
def test_pieces_follow_each_other_and_cover_what_the_gaps_cover(gaps: list[Interval], one: int, other: int) -> None:
    within = span(min(one, other), max(one, other))
    told = pieces(gaps, within)
    assert all(before.end_us <= after.start_us for before, after in pairwise(told))
    covered = {
        second for each in gaps for second in range(max(each.start_us, within[0]), min(each.end_us, within[1]), SECOND)
    }
    assert sum(each.end_us - each.start_us for each in told) == len(covered) * SECOND


def test_an_hour_that_is_cut_is_told_exactly_from_its_recordings() -> None:
    hour, part = span(0, 3600), span(1800, 3600)
    rows = [span(0, 1700), span(1900, 3600)]
    assert part_of_hour(3400 * SECOND, rows, hour, part, []) == 1700 * SECOND


def test_an_hour_whose_recordings_are_deleted_is_told_from_its_gaps() -> None:
    hour, part = span(0, 3600), span(1800, 3600)
    assert part_of_hour(3400 * SECOND, [], hour, part, [gap(1700, 1900, LOSS)]) == 1700 * SECOND
    # A tenth of what no gap covers is not there either: it is taken to be missing evenly.
    assert part_of_hour(3060 * SECOND, [], hour, part, [gap(1700, 1900, LOSS)]) == 1530 * SECOND
    assert part_of_hour(0, [], hour, part, [gap(0, 3600, LOSS)]) == 0
    # Nothing can lie where the camera was not there yet, or in the future.
    assert part_of_hour(900 * SECOND, [], span(0, 1000), span(0, 1000), [gap(0, 100, LOSS)]) == 900 * SECOND


def test_sums_of_cameras_add_up() -> None:
    sums = Seconds()
    sums.add(Seconds(due=10, recorded=7, missing={LOSS: 2}, unexplained=1, outages=1, outage=2, longest=2))
    sums.add(Seconds(due=10, recorded=5, missing={LOSS: 1, GapReason.DISK: 4}, outages=2, outage=5, longest=4))
    assert (sums.due, sums.recorded, sums.missing) == (20, 12, {LOSS: 3, GapReason.DISK: 4})
    assert (sums.availability, sums.longest, sums.outages, sums.centre, sums.lacking) == (0.6, 4, 3, 4, 8)


@pytest.mark.parametrize("seconds", [Seconds(), Seconds(due=60, writing=60)])
def test_there_is_no_share_of_nothing(seconds: Seconds) -> None:
    assert seconds.availability is None


def test_a_clock_that_was_set_is_the_centres_doing_and_no_cameras() -> None:
    seconds = whole_seconds(account(Known(span(0, 3600), recorded((1000, 3600)), [gap(0, 1000, GapReason.CLOCK_SET)])))
    assert seconds.centre == 1000
