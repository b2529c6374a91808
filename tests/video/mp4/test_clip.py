"""Clips: groups of several recordings in one plain file."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import pytest

from vonggac.video.mp4 import (
    ClipPart,
    ClipRefused,
    GroupEntry,
    RecordingDamaged,
    fragment_header,
    init_segment,
    plan_clip,
    scan,
    write_clip,
)
from vonggac.video.mp4.group_table import overlapping

START_US = 1_795_487_696_000_000
FRAME_US = 66_667
"""At 15 pictures a second, rounded up."""


def part(data: bytes, start_us: int, groups: slice = slice(None)) -> ClipPart:
    """Groups of a recording that begins at a wall clock time."""
    entries = scan(BytesIO(data)).entries()
    chosen = entries[groups]
    before = sum(entry.duration_ticks for entry in entries[: entries.index(chosen[0])])
    return ClipPart(lambda: BytesIO(data), chosen, start_us + before * 100 // 9)


def written(parts: Sequence[ClipPart], path: Path):
    with path.open("wb") as out:
        return write_clip(parts, out)


def top_level(data: bytes) -> list[bytes]:
    kinds, at = [], 0
    while at < len(data):
        kinds.append(data[at + 4 : at + 8])
        at += int.from_bytes(data[at : at + 4], "big")
    return kinds


@pytest.fixture
def minute(encode, recorder) -> Callable[..., bytes]:
    """A run of 60 pictures in groups of 15 as files of 30: their bytes, media time running on."""

    def make(b_frames: int = 0) -> list[bytes]:
        groups = encode(60, b_frames=b_frames).groups()
        return [recorder(groups[:2], last_end=180_000).data, recorder(groups[2:]).data]

    return make


@pytest.mark.slow
@pytest.mark.parametrize("b_frames", [0, 3])
def test_two_files_of_a_run_become_one_without_a_seam(
    b_frames, minute, shown_by_a_decoder, pictures_counted_by_ffmpeg, tmp_path
):
    first, second = minute(b_frames)
    path = tmp_path / "clip.mp4"
    report = written([part(first, START_US), part(second, START_US + 2_000_000)], path)
    assert (report.frames, report.gaps, report.damaged_groups) == (60, [], 0)
    assert (report.start_us, report.end_us, report.duration_us) == (START_US, START_US + 4_000_000, 4_000_000)
    assert report.size == path.stat().st_size
    assert top_level(path.read_bytes()) == [b"ftyp", b"moov", b"mdat"]
    assert pictures_counted_by_ffmpeg(path) == 60
    shown = shown_by_a_decoder(path)
    assert shown.numbers == list(range(60))
    assert shown.pts == [number * 6000 for number in range(60)]


@pytest.mark.slow
def test_a_clip_is_exact_to_the_group(minute, shown_by_a_decoder, tmp_path):
    first, second = minute()
    path = tmp_path / "clip.mp4"
    entries = scan(BytesIO(first)).entries()
    chosen = overlapping(entries, 100_000, 110_000)
    report = written([part(first, START_US, slice(chosen.start, chosen.stop))], path)
    assert report.start_us == START_US + 1_000_000
    assert shown_by_a_decoder(path).numbers == list(range(15, 30))
    written([part(first, START_US, slice(1, 2)), part(second, START_US + 2_000_000, slice(0, 1))], path)
    assert shown_by_a_decoder(path).numbers == list(range(15, 45))


@pytest.mark.slow
def test_in_a_gap_the_last_picture_stands_and_the_clock_runs_on(
    minute, shown_by_a_decoder, pictures_counted_by_ffmpeg, tmp_path
):
    first, second = minute()
    path = tmp_path / "clip.mp4"
    report = written([part(first, START_US), part(second, START_US + 62_000_000)], path)
    (gap,) = report.gaps
    assert (gap.start_us, gap.end_us, gap.shown_us) == (START_US + 2_000_000, START_US + 62_000_000, 60_000_000)
    assert (report.end_us, report.duration_us) == (START_US + 64_000_000, 64_000_000)
    assert pictures_counted_by_ffmpeg(path) == 60
    shown = shown_by_a_decoder(path)
    assert shown.pts[29:31] == [29 * 6000, 62 * 90_000]
    assert shown.numbers == list(range(60))


@pytest.mark.parametrize("slewed_us", [-30_000, 30_000, -400_000])
def test_a_slewed_clock_is_followed_without_a_gap(minute, slewed_us):
    first, second = minute()
    plan = plan_clip([part(first, START_US), part(second, START_US + 2_000_000 + slewed_us)])
    assert plan.report.gaps == []
    assert abs(plan.report.end_us - (START_US + 4_000_000 + slewed_us)) <= max(12, -slewed_us - 2 * FRAME_US + 100)


def test_a_clock_that_was_set_back_by_minutes_squeezes_nothing(minute):
    first, second = minute()
    report = plan_clip([part(first, START_US), part(second, START_US - 300_000_000)]).report
    assert (report.duration_us, report.gaps) == (4_000_000, [])
    assert report.end_us == START_US - 298_000_000


def test_a_gap_of_a_day_is_shown_for_six_hours_and_told_whole(minute):
    first, second = minute()
    day = 86_400_000_000
    report = plan_clip([part(first, START_US), part(second, START_US + day)]).report
    (gap,) = report.gaps
    assert gap.end_us - gap.start_us == day - 2_000_000
    assert 6 * 3_600_000_000 < gap.shown_us < 7 * 3_600_000_000
    assert report.end_us == START_US + day + 2_000_000
    assert report.duration_us < day


@pytest.mark.slow
def test_a_change_of_picture_size_is_a_second_sample_entry(
    encode, recorder, shown_by_a_decoder, pictures_counted_by_ffmpeg, tmp_path
):
    wide, narrow = encode(30), encode(30, width=96)
    path = tmp_path / "clip.mp4"
    report = written(
        [
            part(recorder(wide.groups()).data, START_US),
            part(recorder(narrow.groups()).data, START_US + 2_000_000),
            part(recorder(wide.groups()).data, START_US + 4_000_000),
        ],
        path,
    )
    assert report.frames == 90
    assert path.read_bytes().count(b"avcC") == 2
    assert pictures_counted_by_ffmpeg(path) == 90
    sizes = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "frame=width", "-of", "csv=p=0", path],
        capture_output=True,
        text=True,
    ).stdout.split()
    assert [size.strip(",") for size in sizes] == ["192"] * 30 + ["96"] * 30 + ["192"] * 30


@pytest.mark.slow
def test_parts_with_and_without_reordering_keep_their_times(
    encode, recorder, shown_by_a_decoder, pictures_counted_by_ffmpeg, tmp_path
):
    path = tmp_path / "clip.mp4"
    written(
        [
            part(recorder(encode(30).groups()).data, START_US),
            part(recorder(encode(30, b_frames=3, first=30).groups()).data, START_US + 2_000_000),
        ],
        path,
    )
    assert pictures_counted_by_ffmpeg(path) == 60
    shown = shown_by_a_decoder(path)
    assert shown.numbers == list(range(60))
    assert shown.pts == [number * 6000 for number in range(60)]


@pytest.mark.slow
def test_a_clip_of_pictures_reordered_more_than_declared_begins_at_0(
    encode, recorder, shown_by_a_decoder, pictures_counted_by_ffmpeg, tmp_path
):
    path = tmp_path / "clip.mp4"
    written([part(recorder(encode(30, b_frames=3).groups(), delay=0).data, START_US)], path)
    assert pictures_counted_by_ffmpeg(path) == 30
    shown = shown_by_a_decoder(path)
    assert (shown.numbers, shown.pts) == (list(range(30)), [number * 6000 for number in range(30)])


@pytest.mark.slow
def test_real_cameras_clips_are_joined_without_a_complaint(
    street, shop, recorder, pictures_counted_by_ffmpeg, tmp_path
):
    for material in (street, shop):
        path = tmp_path / "clip.mp4"
        report = written([part(recorder(material.groups()).data, START_US)], path)
        assert pictures_counted_by_ffmpeg(path) == report.frames == len(material.units)


def test_a_group_that_its_file_no_longer_holds_is_left_out_and_told(minute):
    first, second = minute()
    whole = part(first, START_US)
    torn = ClipPart(lambda: BytesIO(first[:-10]), whole.groups, START_US)
    report = plan_clip([torn, part(second, START_US + 2_000_000)]).report
    assert report.damaged_groups == 0, "the head is whole, that pictures are missing shows when they are copied"
    spoilt = bytearray(first)
    spoilt[whole.groups[1].offset + 4] ^= 0xFF
    report = plan_clip(
        [ClipPart(lambda: BytesIO(spoilt), whole.groups, START_US), part(second, START_US + 2_000_000)]
    ).report
    assert (report.frames, report.damaged_groups) == (45, 1)
    (gap,) = report.gaps
    assert (gap.start_us, gap.end_us) == (START_US + 1_000_000, START_US + 2_000_000)


def test_a_recording_cut_while_it_is_copied_is_an_error_not_a_short_file(minute):
    first, _ = minute()
    groups = scan(BytesIO(first)).entries()
    with pytest.raises(RecordingDamaged, match="try again"):
        write_clip([ClipPart(lambda: BytesIO(first[:-10]), groups, START_US)], BytesIO())


def test_progress_ends_at_the_whole_size(minute):
    told: list[tuple[int, int]] = []
    out = BytesIO()
    report = write_clip([part(one, START_US) for one in minute()], out, progress=lambda *now: told.append(now))
    assert told[-1] == (report.size, report.size) == (len(out.getvalue()), report.size)
    assert [now for now, _ in told] == sorted(now for now, _ in told)


def test_what_cannot_be_one_file_is_refused_in_words(minute, hevc, recorder):
    first, _ = minute()
    with pytest.raises(ClipRefused, match="Nothing was recorded"):
        plan_clip([])
    with pytest.raises(ClipRefused, match="codec"):
        plan_clip([part(first, START_US), part(recorder(hevc.groups()).data, START_US + 2_000_000)])
    inside = GroupEntry(0, 1, 1, 1, key=False)
    with pytest.raises(ClipRefused, match="key frame"):
        plan_clip([ClipPart(lambda: BytesIO(first), [inside], START_US)])


def test_a_clip_over_four_gibibytes_has_offsets_of_64_bits(plain, tmp_path):
    path = tmp_path / "large.mp4"
    init = init_segment(plain.parameters, presentation_delay=0)
    header = fragment_header(1, 0, [6000] * 64, [16 << 20] * 64, key=True)
    size = len(header) + (1 << 30)
    with path.open("wb") as file:  # sparse
        file.write(init + header)
        file.truncate(len(init) + size)
    entry = GroupEntry(len(init), size, 64 * 6000, 64, key=True)
    plan = plan_clip(ClipPart(lambda: path.open("rb"), [entry], START_US + index * 5_000_000) for index in range(5))
    assert plan.report.size == len(plan.head) + (5 << 30)
    at = plan.head.index(b"co64") + 8
    places = [int.from_bytes(plan.head[at + 4 + 8 * index : at + 12 + 8 * index], "big") for index in range(5)]
    assert places == [len(plan.head) + (index << 30) for index in range(5)]
    assert plan.head[-16:] == (1).to_bytes(4, "big") + b"mdat" + (16 + (5 << 30)).to_bytes(8, "big")
