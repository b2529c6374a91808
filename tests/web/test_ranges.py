"""Byte ranges as RFC 9110 §14 has them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.web.ranges import NotSatisfiable, asked_range


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=5-9", (5, 10)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-5000", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-5000", (0, 100)),
        ("BYTES=1-2", (1, 3)),
        (None, None),
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=1-2,5-9", None),
        ("pages=1-2", None),
        ("bytes=a-b", None),
        ("bytes=١-٢", None),
        ("bytes=" + "9" * 4000 + "-", None),
    ],
)
def test_one_range_is_answered_and_what_is_no_range_or_several_means_all(
    header: str | None, found: tuple[int, int] | None
) -> None:
    assert asked_range(header, 100) == found


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(NotSatisfiable):
        asked_range(header, 100)
    with pytest.raises(NotSatisfiable):
        asked_range("bytes=0-", 0)


@settings(deadline=None)
@given(st.text(max_size=30) | st.from_regex(r"bytes=\d{0,5}-\d{0,5}", fullmatch=True), st.integers(0, 10_000))
def test_a_range_always_lies_within_what_there_is(header: str, size: int) -> None:
    try:
        found = asked_range(header, size)
    except NotSatisfiable:
        return
    assert found is None or 0 <= found[0] < found[1] <= size
