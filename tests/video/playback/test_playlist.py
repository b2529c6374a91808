"""Playlists of any selection: every moment is played once, ranges lie in their files, nothing listed changes."""

from __future__ import annotations

import re
import uuid
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.archive.footage import Held, Selection, Stretch, Timeline, stretch
from vonggac.video.models import Recording, RecordingState
from vonggac.video.mp4 import GroupEntry
from vonggac.video.playback import key_frames as one_key_frame
from vonggac.video.playback.playlist import (
    CLOCK_US,
    SEAM_TICKS,
    SHORTEST_TICKS,
    Segment,
    grows,
    key_frames,
    master,
    playlist,
    segments,
)

BEGIN = 1_795_500_000_000_000
CAMERA = uuid.UUID(int=1)

pieces = st.tuples(st.integers(1, 400_000), st.integers(1, 5_000_000), st.booleans())


@st.composite
def group_tables(draw: st.DrawFn) -> list[GroupEntry]:
    """A recording's groups, key frames and pieces of long groups mixed; the first is a key frame."""
    entries, offset = [], draw(st.integers(500, 1000))
    for number, (duration, size, key) in enumerate(draw(st.lists(pieces, min_size=1, max_size=12))):
        entries.append(GroupEntry(offset, size, duration, 1, key or number == 0))
        offset += size
    return entries


def row(
    key: int, *, run: int = 1, media_start: int = 0, state: int = RecordingState.COMPLETE, **more: object
) -> Recording:
    columns = {"codec": "avc1.42c01f", "audio": "", "width": 320, "height": 180, "init_size": 480} | more
    return Recording(id=key, camera_id=CAMERA, run=run, media_start=media_start, state=int(state), **columns)


def held(entries: list[GroupEntry], start_us: int, recording: Recording, drift_us: int = 0) -> Held:
    ticks = sum(entry.duration_ticks + entry.pause_ticks for entry in entries)
    size = entries[-1].offset + entries[-1].size
    return Held(recording, start_us, start_us + ticks * 1_000_000 // 90_000 + drift_us, size, len(entries), ticks)


def whole(one: Held, entries: list[GroupEntry]) -> Stretch:
    found = stretch(one, entries, one.start_us, one.end_us)
    assert found is not None
    return found


def selection(*stretches: Stretch) -> Selection:
    timeline = Timeline(CAMERA, 0, 1, 0, 1, tuple(one.held for one in stretches), ())
    return Selection(timeline, stretches, ())


def spans(listed: list[Segment]) -> list[tuple[int, int]]:
    return [(one.tick, one.tick + one.ticks) for one in listed]


@settings(deadline=None)
@given(group_tables(), st.integers(0, 11), st.integers(1, 12))
def test_every_moment_of_a_selection_is_in_exactly_one_segment(
    entries: list[GroupEntry], first: int, count: int
) -> None:
    one = held(entries, BEGIN, row(1))
    edges = [0]
    for entry in entries:
        edges.append(edges[-1] + entry.duration_ticks)
    begin, end = edges[min(first, len(entries) - 1)], edges[min(first + count, len(entries))]
    chosen = stretch(one, entries, one.wall_us(begin), max(one.wall_us(end), one.wall_us(begin) + 1))
    assert chosen is not None
    listed = segments(selection(chosen))
    assert all(after[0] == before[1] for before, after in pairwise(spans(listed)))
    assert listed[0].tick == chosen.first_tick
    assert listed[-1].tick + listed[-1].ticks == chosen.first_tick + sum(one.duration_ticks for one in chosen.groups)
    assert spans(key_frames(selection(chosen)))[0][0] == spans(listed)[0][0]
    assert spans(key_frames(selection(chosen)))[-1][1] == spans(listed)[-1][1]


@settings(deadline=None)
@given(group_tables())
def test_segments_are_byte_ranges_that_follow_each_other_within_the_file_and_begin_with_key_frames(
    entries: list[GroupEntry],
) -> None:
    one = held(entries, BEGIN, row(1))
    listed = segments(selection(whole(one, entries)))
    assert listed[0].offset == entries[0].offset
    assert all(before.offset + before.size == after.offset for before, after in pairwise(listed))
    assert listed[-1].offset + listed[-1].size == one.size
    assert all(entries[one.group].key and entries[one.group].offset == one.offset for one in listed)
    # Short groups go together, and no longer than they must.
    assert all(one.ticks >= SHORTEST_TICKS for one in listed[:-1])


@settings(deadline=None)
@given(group_tables())
def test_each_key_frame_is_a_segment_that_lasts_as_long_as_its_fragment_says(entries: list[GroupEntry]) -> None:
    one = held(entries, BEGIN, row(1))
    listed = key_frames(selection(whole(one, entries)))
    assert [segment.group for segment in listed] == [place for place, entry in enumerate(entries) if entry.key]
    assert [segment.ticks for segment in listed] == [one_key_frame.lasts(entries, one.group) for one in listed]
    assert all(before[1] == after[0] for before, after in pairwise(spans(listed)))


@settings(deadline=None)
@given(group_tables(), st.data())
def test_what_was_listed_of_a_growing_recording_never_changes(entries: list[GroupEntry], data: st.DataObject) -> None:
    recording = row(1, state=RecordingState.OPEN)
    before: list[tuple[int, int, int]] = []
    for count in range(1, len(entries) + 1):
        so_far = entries[:count]
        one = held(so_far, BEGIN, recording)
        listed = [(one.offset, one.size, one.ticks) for one in segments(selection(whole(one, so_far)), growing=True)]
        assert listed[: len(before)] == before
        before = listed
    recording.state = int(RecordingState.COMPLETE)
    complete = segments(selection(whole(held(entries, BEGIN, recording), entries)), growing=True)
    assert [(one.offset, one.size, one.ticks) for one in complete][: len(before)] == before


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(group_tables(), st.integers(-5_000_000, 90_000_000), st.integers(0, 1 << 40)), min_size=2, max_size=5
    )
)
def test_media_time_of_a_playlist_never_steps_back_whatever_runs_it_is_made_of(
    recordings: list[tuple[list[GroupEntry], int, int]],
) -> None:
    start_us, stretches = BEGIN, []
    for key, (entries, apart_us, media_start) in enumerate(recordings):
        one = held(entries, start_us, row(key, run=key, media_start=media_start))
        stretches.append(whole(one, entries))
        start_us = one.end_us + apart_us
    listed = segments(selection(*stretches))
    times = [one.held.recording.media_start + one.tick + one.shift for one in listed]
    assert times[0] == listed[0].held.recording.media_start
    assert all(after >= before + one.ticks for (before, after), one in zip(pairwise(times), listed, strict=False))
    assert all(time >= 0 for time in times)


GROUP = [GroupEntry(480 + 1000 * number, 1000, 180_000, 30, True) for number in range(3)]


def text_of(*stretches: Stretch, growing: bool = False, keys: bool = False, sound: bool = False) -> list[str]:
    cut = key_frames if keys else segments
    return playlist(cut(selection(*stretches), growing=growing), growing=growing, keys=keys, sound=sound).splitlines()


def test_a_playlist_names_head_clock_byte_ranges_and_seams() -> None:
    first = whole(held(GROUP, BEGIN, row(7)), GROUP)
    continuing = whole(held(GROUP, BEGIN + 6_000_000, row(8, media_start=540_000)), GROUP)
    after_a_gap = whole(held(GROUP[:1], BEGIN + 60_000_000, row(9, run=2)), GROUP[:1])
    assert text_of(first, continuing, after_a_gap) == [
        "#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:2", "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="recording/7.mp4",BYTERANGE="480@0"',
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T06:00:00.000000Z",
        "#EXTINF:2.000000,", "#EXT-X-BYTERANGE:1000@480", "recording/7.mp4",
        "#EXTINF:2.000000,", "#EXT-X-BYTERANGE:1000@1480", "recording/7.mp4",
        "#EXTINF:2.000000,", "#EXT-X-BYTERANGE:1000@2480", "recording/7.mp4",
        '#EXT-X-MAP:URI="recording/8.mp4",BYTERANGE="480@0"',
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T06:00:06.000000Z",
        "#EXTINF:2.000000,", "#EXT-X-BYTERANGE:1000@480", "recording/8.mp4",
        "#EXTINF:2.000000,", "#EXT-X-BYTERANGE:1000@1480", "recording/8.mp4",
        "#EXTINF:2.000000,", "#EXT-X-BYTERANGE:1000@2480", "recording/8.mp4",
        "#EXT-X-DISCONTINUITY",
        '#EXT-X-MAP:URI="recording/9.mp4?shift=5400000",BYTERANGE="480@0"',
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T06:01:00.000000Z",
        "#EXTINF:2.000000,", "#EXT-X-BYTERANGE:1000@480", "recording/9.mp4?shift=5400000",
        "#EXT-X-ENDLIST",
    ]  # fmt: skip
    keys = text_of(first, keys=True)
    assert [line for line in keys if not line.startswith("#")] == ["key/7/0.m4s", "key/7/1.m4s", "key/7/2.m4s"]
    assert not [line for line in keys if "BYTERANGE" in line and "MAP" not in line]


def test_a_change_of_codec_size_or_sound_within_a_run_is_a_seam_and_so_is_a_hole_in_media_time() -> None:
    first = whole(held(GROUP, BEGIN, row(1)), GROUP)
    for changed in (
        {"codec": "hvc1.1.6.L93.B0"}, {"width": 640}, {"audio": "mp4a.40.2"}, {"media_start": 540_000 + SEAM_TICKS + 1},
    ):  # fmt: skip
        other = whole(held(GROUP, BEGIN + 6_000_000, row(2, **{"media_start": 540_000, **changed})), GROUP)
        assert "#EXT-X-DISCONTINUITY" in text_of(first, other), changed
    near = whole(held(GROUP, BEGIN + 6_000_000, row(2, media_start=540_000 + SEAM_TICKS)), GROUP)
    assert "#EXT-X-DISCONTINUITY" not in text_of(first, near)


def test_the_wall_clock_is_told_again_where_counting_durations_would_miss_it() -> None:
    drifting = whole(held(GROUP, BEGIN, row(1), drift_us=3 * CLOCK_US * 11 // 10), GROUP)
    told = [line for line in text_of(drifting) if "DATE-TIME" in line]
    assert told == [
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T06:00:00.000000Z",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T06:00:02.011000Z",
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-24T06:00:04.022000Z",
    ]


def test_an_interval_that_is_not_over_has_no_end_a_lasting_target_and_no_unfinished_group() -> None:
    long_groups = [GroupEntry(480 + 1000 * number, 1000, 450_000, 75, True) for number in range(3)]
    one = whole(held(long_groups, BEGIN, row(1, state=RecordingState.OPEN)), long_groups)
    lines = text_of(one, growing=True)
    assert "#EXT-X-ENDLIST" not in lines
    assert {"#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-TARGETDURATION:8"} <= set(lines)
    assert sum(line.startswith("#EXTINF") for line in lines) == 2
    assert sum(line.startswith("#EXTINF") for line in text_of(one)) == 3
    assert (grows(BEGIN, BEGIN + 59_000_000), grows(BEGIN, BEGIN + 60_000_000)) == (True, False)


def test_a_pause_and_a_hole_within_a_recording_are_seams_and_pieces_without_their_key_frame_are_left_out() -> None:
    entries = [
        GroupEntry(480, 1000, 180_000, 30, True),
        GroupEntry(1480, 1000, 180_000, 30, True, pause_ticks=SEAM_TICKS + 1),
        GroupEntry(2480, 1000, 180_000, 30, True, pause_ticks=SEAM_TICKS),
        GroupEntry(9480, 1000, 180_000, 30, False),
        GroupEntry(10_480, 1000, 180_000, 30, True),
    ]
    listed = segments(selection(whole(held(entries, BEGIN, row(1)), entries)))
    assert [(one.offset, one.ticks, one.seam) for one in listed] == [
        (480, 180_000, True),
        (1480, 180_000 + SEAM_TICKS, True),
        (2480, 180_000, False),
        (10_480, 180_000, True),
    ]


def test_the_master_playlist_says_codecs_also_of_the_sound_that_is_asked_for() -> None:
    rows = (row(1, audio="mp4a.40.2"), row(2, codec="hvc1.1.6.L93.B0", width=640, height=360))
    listed = segments(selection(*(whole(held(GROUP, BEGIN, one), GROUP) for one in rows)))
    assert master(listed, "from=1&to=2&sound=1", sound=True).splitlines()[-2:] == [
        '#EXT-X-STREAM-INF:BANDWIDTH=4000,AVERAGE-BANDWIDTH=4000,CODECS="avc1.42c01f,hvc1.1.6.L93.B0,mp4a.40.2",'
        "RESOLUTION=640x360",
        "playlist.m3u8?from=1&to=2&sound=1",
    ]
    assert "mp4a" not in master(listed, "from=1&to=2", sound=False)
    addresses = re.findall(r'URI="([^"]+)"', playlist(listed, growing=False, sound=True))
    assert addresses == ["recording/1.mp4?sound=1", "recording/2.mp4?shift=540000&sound=1"]
