"""A recording as players are given it: every picture at its own time without an edit list, no byte elsewhere."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peers import sound
from vonggac.video.mp4 import (
    RecordingDamaged,
    ScannedGroup,
    fragment_header,
    init_segment,
    read_init,
    read_samples,
    scan,
)
from vonggac.video.mp4.boxes import FRAGMENT_HEAD
from vonggac.video.mp4.playing import fragment_for_players, head_for_players
from vonggac.video.mp4.reader import read_table
from vonggac.video.stream import VideoParameters

SPS = bytes.fromhex("6742c01fd9005005bb0110000003001000000303c8f1832480")
PARAMETERS = VideoParameters("h264", (SPS, bytes.fromhex("68cb83cb20")), 1280, 720, 2, 15.0)


def played(data: bytes) -> bytes:
    """A whole recording as players are given it."""
    scanned = scan(BytesIO(data))
    made = bytearray(data)
    made[: scanned.init.size] = head_for_players(data[: scanned.init.size], sound=False)
    for group in scanned.groups:
        moof = data[group.offset : group.offset + group.header_size - 8]
        made[group.offset : group.offset + len(moof)] = fragment_for_players(moof, scanned.init.presentation_delay)
    return bytes(made)


def test_pictures_have_their_own_times_without_an_edit_list(reordered, recorder):
    recorded = recorder(reordered.groups())
    data = played(recorded.data)
    assert len(data) == len(recorded.data)
    assert b"edts" in recorded.data
    assert b"edts" not in data
    init = read_init(BytesIO(data))
    assert init.presentation_delay == 0
    assert init.parameters == read_init(recorded.file()).parameters
    times = [
        sample.presentation_time
        for group in scan(BytesIO(data)).groups
        for sample in read_samples(BytesIO(data), group, presentation_delay=0)
    ]
    assert times == [unit.pts for unit in reordered.units]


def test_a_recording_without_reordering_and_sound_is_given_as_it_is(plain, recorder):
    recorded = recorder(plain.groups())
    assert played(recorded.data) == recorded.data


def test_the_track_of_sound_is_there_only_when_it_is_asked_for(plain):
    data = sound.recording_with_sound(plain, sound.coded(3.2, [1.0]))
    scanned = scan(BytesIO(data))
    head = data[: scanned.init.size]
    assert head_for_players(head, sound=True) == head
    silent = head_for_players(head, sound=False)
    assert (silent.count(b"free"), silent.count(b"trak"), silent.count(b"trex"), len(silent)) == (2, 1, 1, len(head))
    for group in scanned.groups:
        moof = data[group.offset : group.offset + group.header_size - 8]
        assert fragment_for_players(moof, sound_rate=sound.RATE) == moof
        without = fragment_for_players(moof)
        assert (without.count(b"traf"), without.count(b"free"), len(without)) == (1, 1, len(moof))
        later = fragment_for_players(moof, 0, 180_000, sound.RATE)
        table = read_table(BytesIO(bytes(group.offset) + later + data[group.offset + len(moof) :]), group)
        assert table.base_decode_time == group.base_decode_time + 180_000
        assert table.sound is not None
        assert table.sound.base_decode_time == read_sound(data, group) + 2 * sound.RATE


def read_sound(data: bytes, group: ScannedGroup) -> int:
    table = read_table(BytesIO(data), group)
    assert table.sound is not None
    return table.sound.base_decode_time


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 90_000), st.integers(1, 5000), st.integers(-100_000, 1 << 30)), min_size=1, max_size=40
    ),
    st.integers(1, (1 << 28) - 1),
)
def test_every_offset_is_less_by_the_delay_and_nothing_else_changes(
    samples: list[tuple[int, int, int]], delay: int
) -> None:
    durations, sizes, offsets = (list(column) for column in zip(*samples, strict=True))
    before = fragment_header(1, 1 << 40, durations, sizes, offsets, key=True)
    after = fragment_header(1, 1 << 40, durations, sizes, [offset - delay for offset in offsets], key=True)
    made = fragment_for_players(before, delay)
    assert made[:76] + made[80:] == after[:76] + after[80:]  # but for the flags: signed also where no offset needs it
    assert made[76:80].hex() == "01000b05"


def test_pictures_that_show_when_they_are_decoded_come_earlier_all_together() -> None:
    before = fragment_header(1, 100_000, [6000] * 3, [10] * 3, key=True)
    made = fragment_for_players(before, 12_000)
    assert made == fragment_header(1, 88_000, [6000] * 3, [10] * 3, key=True)


def test_what_is_no_head_and_no_group_of_ours_is_refused() -> None:
    head = init_segment(PARAMETERS, presentation_delay=12_000)
    for broken in (b"", head[:-1], head[:40], b"\0\0\0\7moov", b"\0\0\0\x08ftyp"):
        with pytest.raises(RecordingDamaged):
            head_for_players(broken, sound=False)
    header = fragment_header(1, 0, [6000] * 3, [10] * 3, [0, 6000, 0], key=True)
    for cut in (header[: FRAGMENT_HEAD.size - 1], header[: FRAGMENT_HEAD.size + 11], b"\0" * 200):
        with pytest.raises(RecordingDamaged):
            fragment_for_players(cut, 6000)
