"""The packed table of a recording's groups."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.mp4 import GroupEntry, RecordingDamaged
from vonggac.video.mp4.group_table import MAX_ENTRIES, overlapping, pack, unpack

NUMBER = st.integers(0, 1 << 40)


@st.composite
def tables(draw: st.DrawFn) -> list[GroupEntry]:
    entries, at = [], 0
    for _ in range(draw(st.integers(0, 20))):
        at += draw(st.just(0) | st.integers(0, 5000))
        entry = GroupEntry(
            at,
            draw(NUMBER),
            draw(NUMBER),
            draw(NUMBER),
            draw(st.booleans()),
            draw(st.booleans()),
            draw(st.just(0) | NUMBER),
        )
        entries.append(entry)
        at += entry.size
    return entries


def minute() -> list[GroupEntry]:
    """A minute of 720p15 at 2 Mbit/s."""
    entries, at = [], 729
    for index in range(30):
        size = 250_000 + 7919 * index % 40_000
        entries.append(GroupEntry(at, size, 180_000 + index % 3 * 90, 30, True))
        at += size
    return entries


@settings(deadline=None)
@given(tables())
def test_what_is_packed_comes_back(entries):
    assert unpack(pack(entries)) == entries


def test_a_group_takes_at_most_eight_bytes():
    assert len(pack(minute())) <= 8 * 30


@settings(deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"\1" + data))
def test_bytes_of_any_kind_are_a_table_or_refused(data):
    try:
        entries = unpack(data)
    except RecordingDamaged:
        return
    assert len(entries) <= len(data)
    assert unpack(pack(entries)) == entries


@settings(deadline=None)
@given(tables(), st.data())
def test_a_cut_table_is_refused(entries, data):
    packed = pack(entries)
    with pytest.raises(RecordingDamaged):
        unpack(packed[: data.draw(st.integers(0, len(packed) - 1))])


def test_a_table_that_claims_more_entries_than_it_has_bytes_is_refused():
    with pytest.raises(RecordingDamaged, match="cut off"):
        unpack(b"\1\xff\xff\x03" + bytes(100))


def test_a_newer_version_is_refused():
    with pytest.raises(RecordingDamaged, match="newer"):
        unpack(b"\2" + pack(minute())[1:])


@pytest.mark.parametrize(
    "entries",
    [
        [GroupEntry(10, 5, 1, 1, True), GroupEntry(12, 5, 1, 1, True)],
        [GroupEntry(0, -1, 1, 1, True)],
        [GroupEntry(0, 1, 1, 1, True, pause_ticks=-1)],
        [GroupEntry(index, 1, 1, 1, True) for index in range(MAX_ENTRIES + 1)],
    ],
    ids=["overlap", "negative size", "negative pause", "too many"],
)
def test_what_no_file_can_have_is_not_packed(entries):
    with pytest.raises(ValueError, match="table"):
        pack(entries)


def test_an_interval_is_played_from_the_key_frame_before_it():
    def entry(key: bool, pause: int = 0) -> GroupEntry:
        return GroupEntry(0, 1, 100, 2, key, pause_ticks=pause)

    entries = [entry(True), entry(False), entry(True), entry(False), entry(True, pause=50)]
    assert overlapping(entries, 0, 1) == range(1)
    assert overlapping(entries, 150, 160) == range(2)
    assert overlapping(entries, 199, 201) == range(3)
    assert overlapping(entries, 310, 10_000) == range(2, 5)
    assert overlapping(entries, 410, 440) == range(0)  # within the pause
    assert overlapping(entries, 420, 460) == range(4, 5)
    assert overlapping(entries, 550, 600) == range(0)
    assert overlapping([], 0, 100) == range(0)
