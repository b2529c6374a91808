"""What a file of ours holds, whole or torn."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vonggac.video.mp4 import (
    RecordingDamaged,
    ScannedRecording,
    fragment_header,
    group_table,
    init_segment,
    read_samples,
    scan,
)
from vonggac.video.mp4.reader import payload_is_whole, read_table

same_fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


class CountingFile(BytesIO):
    """A file that knows how much was read of it."""

    amount = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.amount += len(data)
        return data


@pytest.mark.parametrize("kind", ["plain", "reordered", "hevc"])
def test_a_recording_comes_back_picture_for_picture(kind, request, recorder):
    material = request.getfixturevalue(kind)
    recorded = recorder(material.groups(), origin=1_000_000, last_end=1_000_000 + len(material.units) * 6000)
    scanned = scan(recorded.file())
    assert not scanned.torn
    assert scanned.init.size == recorded.ends[0]
    assert scanned.init.presentation_delay == recorded.delay
    assert (scanned.frames, scanned.media_start) == (len(material.units), 1_000_000)
    assert scanned.media_duration == len(material.units) * 6000
    written = material.parameters
    read = scanned.init.parameters
    assert (read.codec, read.sets, read.width, read.height) == (written.codec, written.sets, 192, 96)
    samples = [
        sample
        for group in scanned.groups
        for sample in read_samples(recorded.file(), group, presentation_delay=scanned.init.presentation_delay)
    ]
    assert [sample.data for sample in samples] == [bytes(unit.data) for unit in material.units]
    assert [sample.presentation_time for sample in samples] == [unit.pts + 1_000_000 for unit in material.units]
    assert [sample.key for sample in samples] == [unit.key for unit in material.units]


def test_the_groups_of_a_file_are_those_of_its_table(plain, recorder):
    recorded = recorder(plain.groups())
    entries = scan(recorded.file()).entries()
    assert group_table.unpack(group_table.pack(entries)) == entries
    assert [entry.offset for entry in entries] == recorded.ends[:-1]
    assert [entry.offset + entry.size for entry in entries] == recorded.ends[1:]
    assert [entry.duration_ticks for entry in entries] == [sum(timing.durations) for timing in recorded.timings]
    assert [(entry.frames, entry.key) for entry in entries] == [(15, True)] * 3


def test_a_hole_in_media_time_is_a_pause_in_the_table(plain):
    data = init_segment(plain.parameters, presentation_delay=0)
    data += fragment_header(1, 0, [6000], [5], key=True) + b"\0\0\0\1a"
    data += fragment_header(2, 96000, [6000], [5], key=True) + b"\0\0\0\1a"
    assert [entry.pause_ticks for entry in scan(BytesIO(data)).entries()] == [0, 90000]


def test_a_torn_tail_is_cut_at_the_last_whole_group_wherever_it_is_torn(small, recorder):
    recorded = recorder(small.groups())
    for cut in range(len(recorded.data) + 1):
        file = BytesIO(recorded.data[:cut])
        if cut < recorded.ends[0]:
            with pytest.raises(RecordingDamaged):
                scan(file)
            continue
        scanned = scan(file)
        assert scanned.valid_end == max(end for end in recorded.ends if end <= cut)
        assert len(scanned.groups) == recorded.ends.index(scanned.valid_end)
        assert scanned.torn == (cut not in recorded.ends)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_torn_file_plays_and_once_cut_plays_without_a_complaint(
    reordered, recorder, pictures_counted_by_ffmpeg, tmp_path, share
):
    recorded = recorder(reordered.groups())
    head = scan(recorded.file()).groups[1].header_size
    begin, end = recorded.ends[1] + head, recorded.ends[2]
    path = tmp_path / "torn.mp4"
    path.write_bytes(recorded.data[: begin + int((end - begin) * share)])
    assert pictures_counted_by_ffmpeg(path, "quiet") >= 20
    with path.open("rb") as file:
        scanned = scan(file)
    assert scanned.frames == 20
    path.write_bytes(recorded.data[: scanned.valid_end])
    assert pictures_counted_by_ffmpeg(path) == 20


@pytest.mark.slow
def test_a_file_torn_within_a_head_plays_once_cut(reordered, recorder, pictures_counted_by_ffmpeg, tmp_path):
    # As long as it is not cut FFmpeg 5.1 refuses such a file: a reason for start-up to look at every open recording.
    recorded = recorder(reordered.groups())
    torn = recorded.data[: recorded.ends[1] + 120]
    path = tmp_path / "cut.mp4"
    path.write_bytes(torn[: scan(BytesIO(torn)).valid_end])
    assert pictures_counted_by_ffmpeg(path) == 20


@pytest.mark.parametrize("tail", [bytes(10_000), b"\xff" * 500, b"\0\0\0\x64moof" + bytes(200), b"\0\0\0\0"])
def test_what_is_no_fragment_of_ours_is_a_torn_tail(small, recorder, tail):
    recorded = recorder(small.groups())
    scanned = scan(BytesIO(recorded.data + tail))
    assert (scanned.valid_end, scanned.torn) == (len(recorded.data), True)


def test_a_whole_fragment_of_another_recording_is_no_part_of_this_one(small, recorder):
    recorded = recorder(small.groups())
    other = recorder(small.groups(), origin=1 << 40)
    again = recorded.data + other.data[other.ends[0] : other.ends[1]]
    assert scan(BytesIO(again)).valid_end == len(recorded.data)
    earlier = recorded.data[: recorded.ends[1]] + recorded.data[recorded.ends[0] : recorded.ends[1]]
    assert scan(BytesIO(earlier)).valid_end == recorded.ends[1]


def test_pages_that_a_power_cut_left_empty_are_found_where_asked(encode, recorder):
    material = encode(60, crf=10, noise=40)
    recorded = recorder(material.groups())
    second = recorded.ends[1:3]
    middle = (sum(second) // 2) & ~511
    assert second[1] - middle > 2048, "the group must be larger than what is lost of it"
    holed = bytearray(recorded.data)
    holed[middle : middle + 1024] = bytes(1024)
    assert scan(BytesIO(holed)).valid_end == len(holed), "heads alone do not tell"
    assert scan(BytesIO(holed), verify_from=0).valid_end == second[0]
    assert scan(BytesIO(holed), verify_from=second[1]).valid_end == len(holed), "synced is safe"
    groups = scan(BytesIO(holed)).groups
    assert [payload_is_whole(BytesIO(holed), group) for group in groups] == [True, False, True, True]
    assert not scan(recorded.file(), verify_from=0).torn


def test_a_last_sector_that_a_power_cut_left_empty_is_found_however_little_of_it_is_ours(small):
    head = init_segment(small.parameters, presentation_delay=0)
    for size in range(700, 700 + 512):  # the group ends at every place of a sector
        picture = (size - 4).to_bytes(4, "big") + bytes([0x65]) * (size - 4)
        whole = head + fragment_header(1, 0, [6000], [size], None, key=True) + picture
        lost = (len(whole) - 1) // 512 * 512
        torn = whole[:lost] + bytes(len(whole) - lost)
        (group,) = scan(BytesIO(torn)).groups
        assert scan(BytesIO(torn), verify_from=0).valid_end == len(head)
        assert not payload_is_whole(BytesIO(torn), group)
        assert scan(BytesIO(whole), verify_from=0).valid_end == len(whole)


def test_zeros_within_a_last_sector_are_no_lost_one(small):
    head = init_segment(small.parameters, presentation_delay=0)
    picture = (696).to_bytes(4, "big") + bytes([0x65]) * 395 + bytes(300) + b"\x80"
    whole = head + fragment_header(1, 0, [6000], [700], None, key=True) + picture
    assert scan(BytesIO(whole), verify_from=0).valid_end == len(whole)


def test_a_scan_reads_heads_and_not_pictures(encode, recorder):
    recorded = recorder(encode(60, crf=10, noise=40).groups())
    file = CountingFile(recorded.data)
    scan(file)
    assert len(recorded.data) > 100_000
    assert file.amount <= 5 * 4096


def test_long_sample_tables_are_read_whole(plain):
    sizes, durations = [5] * 5000, [6000] * 5000
    data = init_segment(plain.parameters, presentation_delay=0)
    data += fragment_header(1, 0, durations, sizes, [0] * 4999 + [-5], key=True) + b"\0\0\0\1a" * 5000
    scanned = scan(BytesIO(data))
    assert scanned.frames == 5000
    table = read_table(BytesIO(data), scanned.groups[0])
    assert list(table.offsets or ()) == [0] * 4999 + [-5]


def test_a_newer_layout_is_refused_in_words(small, recorder):
    data = bytearray(recorder(small.groups()).data)
    data[15] = 3
    with pytest.raises(RecordingDamaged, match="version"):
        scan(BytesIO(data))


def test_a_group_that_is_not_where_the_table_says_is_refused(small, recorder):
    recorded = recorder(small.groups())
    entry = scan(recorded.file()).entries()[0]
    for wrong in (
        group_table.GroupEntry(entry.offset + 1, entry.size, 1, 1, True),
        group_table.GroupEntry(entry.offset, entry.size + 1, 1, 1, True),
        group_table.GroupEntry(len(recorded.data), entry.size, 1, 1, True),
    ):
        with pytest.raises(RecordingDamaged):
            read_samples(recorded.file(), wrong, presentation_delay=0)


def read_everything(data: bytes) -> ScannedRecording | None:
    file = BytesIO(data)
    try:
        scanned = scan(file, verify_from=0)
    except RecordingDamaged:
        return None
    assert scanned.init.size <= scanned.valid_end <= len(data)
    for group in scanned.groups:
        assert len(read_samples(file, group, presentation_delay=0)) == group.frames
    group_table.pack(scanned.entries())
    return scanned


@same_fixtures
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6))
def test_changed_bytes_are_read_or_refused_and_nothing_else(small, recorder, changes):
    data = bytearray(recorder(small.groups()).data)
    for place, new in changes:
        at = place % len(data)
        data[at : at + len(new)] = new
    read_everything(bytes(data))


@same_fixtures
@given(place=st.integers(0, 1 << 20), number=st.sampled_from([0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
def test_extreme_numbers_anywhere_are_read_or_refused_and_nothing_else(small, recorder, place, number):
    recorded = recorder(small.groups())
    data = bytearray(recorded.data)
    struct.pack_into(">I", data, place % (recorded.ends[1] - 4), number)
    read_everything(bytes(data))


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_bytes_of_any_kind_are_no_recording(data):
    assert read_everything(data) is None
