"""Numbers, sizes and times in both languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.core.clock import microseconds, utc
from vonggac.core.errors import Invalid
from vonggac.shell.visit import local_path
from vonggac.shell.words import Words

VI = Words("vi", "Asia/Ho_Chi_Minh")
EN = Words("en", "Asia/Ho_Chi_Minh")
NOW = 1_795_500_000_000_000
SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000


def test_numbers_are_written_the_vietnamese_way() -> None:
    assert VI.number(1234567.891, 2) == "1.234.567,89"
    assert EN.number(1234567.891, 2) == "1,234,567.89"


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.99984, "99,98%"), (0.99999, "99,99%"), (1.0, "100%"), (0.0, "0,00%"), (0.29, "29,00%"), (None, "–")],
)
def test_only_what_is_whole_is_a_hundred_per_cent(share: float | None, said: str) -> None:
    assert VI.percent(share) == said


@given(st.integers(1, 10**12), st.integers(0, 10**12))
def test_a_missing_second_is_never_rounded_away(passed: int, missing: int) -> None:
    recorded = max(0, passed - missing)
    assert (VI.percent(recorded / passed) == "100%") == (recorded / passed == 1)


@pytest.mark.parametrize(
    ("us", "said"),
    [
        (0, "0 giây"),
        (59 * SECOND, "59 giây"),
        (12 * MINUTE + 40 * SECOND, "12 phút"),
        (HOUR, "1 giờ"),
        (3 * HOUR + 12 * MINUTE, "3 giờ 12 phút"),
        (2 * DAY + 5 * HOUR + MINUTE, "2 ngày 5 giờ"),
        (30 * DAY + HOUR, "30 ngày"),
    ],
)
def test_lengths_of_time_are_said_in_two_units(us: int, said: str) -> None:
    assert VI.duration(us) == said


def test_english_has_its_plurals() -> None:
    assert EN.duration(DAY + HOUR) == "1 day 1 hour"
    assert EN.duration(2 * MINUTE) == "2 minutes"


def test_times_are_those_of_the_centre_and_old_ones_carry_their_date() -> None:
    midnight = microseconds(utc(NOW).replace(hour=17, minute=0, second=0, microsecond=0))
    assert VI.moment(midnight, midnight) == "00:00:00"
    assert VI.moment(midnight, midnight + 3 * DAY).startswith("00:00 ")
    assert VI.moment(midnight, midnight + 3 * DAY)[6:].count("/") == 2
    assert VI.moment(0, NOW) == "–"


def test_sizes_and_rates_are_in_the_units_of_disks_and_networks() -> None:
    assert VI.size(66e12) == "66,0\u00a0TB"
    assert VI.size(512e9) == "512\u00a0GB"
    assert VI.rate(2_160_000) == "2,2\u00a0Mbit/s"
    assert VI.rate(204e6) == "204\u00a0Mbit/s"
    assert VI.rate(0) == "–"


def test_values_are_filled_in_and_the_empty_text_stays_empty() -> None:
    assert VI.say("{recording} of {all} recording", recording="3", all="5") == "3/5 đang ghi"
    assert VI.say("") == ""


@given(st.text(max_size=30).map(lambda end: "/" + end) | st.text(max_size=30))
def test_what_follows_the_log_in_is_always_a_path_of_ours(wanted: str) -> None:
    path = local_path(wanted)
    assert path.startswith("/")
    assert not path.startswith("//")
    assert "\\" not in path


def test_an_error_is_explained_in_the_readers_language_with_the_label_of_its_field() -> None:
    too_long = Invalid(
        "“{field}” is {length} characters long; at most {most} are kept.", field="Owner", length=7, most=5
    )
    assert str(too_long) == "“Owner” is 7 characters long; at most 5 are kept."
    assert VI.explain(too_long) == "“Đơn vị sở hữu” dài 7 ký tự; chỉ lưu được tối đa 5."
    assert VI.explain(Invalid("Not in the catalog: {braces} stay.")) == "Not in the catalog: {braces} stay."
