"""Recordings with a second track: written, read back, torn, cut into clips, judged by FFmpeg."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from peers import judge
from peers.sound import FRAME, RATE, Sound, beeps_heard, coded, recording_with_sound, sound_seconds
from vonggac.video.mp4 import ClipPart, RecordingDamaged, fragment_header, read_samples, scan, write_clip
from vonggac.video.mp4.reader import payload_is_whole, read_sound, read_table
from vonggac.video.mp4.sound import SoundFrames
from vonggac.video.stream import VIDEO_TIMESCALE


@pytest.fixture(scope="module")
def spoken(encode: Any) -> Any:
    """Two seconds in groups of six pictures."""
    return encode(30, group=6)


@pytest.fixture(scope="module")
def sound() -> Sound:
    return coded(2.0, [0.5, 1.5])


def test_a_fragment_with_sound_is_byte_for_byte_what_the_format_says() -> None:
    sound = SoundFrames(0x2D82D82D, [1024, 1024], [96, 104])
    header = fragment_header(7, 0x1_0000_0000, [6000, 6000], [100, 50], key=True, sound=sound)
    plain = fragment_header(7, 0x1_0000_0000, [6000, 6000], [100, 50], key=True)
    assert header[:4] == bytes.fromhex("000000bc")
    assert header[4:84] == plain[4:84], "the part of the pictures differs in nothing but where they begin"
    assert header[84:88] == (188 + 8).to_bytes(4, "big")
    assert header[88:108] == plain[88:108]
    assert header[108:].hex(" ", 4) == (
        "00000050 74726166 00000010 74666864 00020000 00000002 00000014 74666474 01000000 00000000 2d82d82d "
        "00000024 7472756e 00000301 00000002 0000015a 00000400 00000060 00000400 00000068 00000166 6d646174"
    )


def test_sound_and_pictures_are_read_back_as_they_were_written(spoken: Any, sound: Sound) -> None:
    data = recording_with_sound(spoken, sound)
    scanned = scan(BytesIO(data), verify_from=0)
    assert not scanned.torn
    assert scanned.init.sound == sound.parameters
    pictures = [
        one.data for group in scanned.groups for one in read_samples(BytesIO(data), group, presentation_delay=0)
    ]
    assert pictures == [bytes(unit.data) for unit in spoken.units]
    heard: list[bytes] = []
    for group in scanned.groups:
        table = read_table(BytesIO(data), group)
        assert table.sound is not None
        heard += read_sound(BytesIO(data), table.sound)
    assert heard == sound.frames[: len(heard)]
    assert len(heard) > 10


def test_a_file_torn_anywhere_ends_with_its_last_whole_group(spoken: Any, sound: Sound) -> None:
    data = recording_with_sound(spoken, sound)
    ends = [group.offset + group.size for group in scan(BytesIO(data)).groups]
    for end in range(ends[0], len(data), 37):
        assert scan(BytesIO(data[:end])).valid_end == max(one for one in ends if one <= end)


def test_sound_that_a_power_cut_took_is_seen(spoken: Any, sound: Sound) -> None:
    data = recording_with_sound(spoken, sound)
    group = scan(BytesIO(data)).groups[1]
    table = read_table(BytesIO(data), group)
    assert table.sound is not None
    holed = bytearray(data)
    holed[table.sound.payload : table.end] = bytes(table.end - table.sound.payload)
    assert not payload_is_whole(BytesIO(holed), group)
    assert scan(BytesIO(holed), verify_from=0).valid_end == group.offset


def test_a_head_of_sound_that_is_not_ours_ends_the_file(spoken: Any, sound: Sound) -> None:
    data = recording_with_sound(spoken, sound)
    group = scan(BytesIO(data)).groups[0]
    at = data.index(b"traf", data.index(b"traf") + 4)
    for offset in range(-4, 60):
        changed = bytearray(data)
        changed[at + offset] ^= 0x81
        try:
            read_table(BytesIO(changed), group)
        except RecordingDamaged:
            continue
        assert 32 <= offset < 40, f"byte {offset} of the head of the sound may not be anything"  # its time


def test_ffmpeg_hears_every_beep_at_its_time(spoken: Any, sound: Sound, tmp_path: Path) -> None:
    path = tmp_path / "recording.mp4"
    path.write_bytes(recording_with_sound(spoken, sound))
    assert judge.complaints(path) == ""
    assert judge.frames(path) == len(spoken.units)
    assert beeps_heard(path) == pytest.approx([0.5, 1.5], abs=0.02)
    assert sound_seconds(path) == pytest.approx(len(spoken.units) / 15, abs=FRAME / RATE)


def test_sound_that_stays_away_leaves_silence_and_the_rest_at_its_time(
    spoken: Any, sound: Sound, tmp_path: Path
) -> None:
    path = tmp_path / "recording.mp4"
    path.write_bytes(
        recording_with_sound(spoken, sound, skip=range(10, 18))
    )  # 0.64 s to 1.15 s: a whole group among it
    assert judge.complaints(path) == ""
    assert judge.frames(path) == len(spoken.units)
    assert beeps_heard(path) == pytest.approx([0.5, 1.5], abs=0.02)


def test_a_clip_has_the_sound_where_its_pictures_are(spoken: Any, sound: Sound, tmp_path: Path) -> None:
    later = recording_with_sound(spoken, sound, media_start=90 * VIDEO_TIMESCALE)
    first = recording_with_sound(spoken, sound)
    parts = [
        ClipPart(lambda: BytesIO(first), scan(BytesIO(first)).entries(), 0),
        ClipPart(lambda: BytesIO(later), scan(BytesIO(later)).entries(), 5_000_000),
    ]
    path = tmp_path / "clip.mp4"
    with path.open("wb") as out:
        report = write_clip(parts, out)
    assert report.sound == "mp4a.40.2"
    assert report.size == path.stat().st_size
    assert judge.complaints(path) == ""
    assert judge.frames(path) == 2 * len(spoken.units)
    assert beeps_heard(path) == pytest.approx([0.5, 1.5, 5.5, 6.5], abs=0.02)


def test_a_clip_from_the_middle_begins_with_the_sound_of_its_first_picture(
    spoken: Any, sound: Sound, tmp_path: Path
) -> None:
    data = recording_with_sound(spoken, sound)
    entries = scan(BytesIO(data)).entries()
    before = sum(entry.duration_ticks for entry in entries[:1]) / VIDEO_TIMESCALE
    path = tmp_path / "clip.mp4"
    with path.open("wb") as out:
        write_clip([ClipPart(lambda: BytesIO(data), entries[1:], 1_000_000)], out)
    assert judge.complaints(path) == ""
    expected = [at - before for at in (0.5, 1.5) if at > before]
    assert beeps_heard(path) == pytest.approx(expected, abs=0.02)


def test_pictures_without_sound_and_with_other_sound_are_all_in_the_clip(
    spoken: Any, sound: Sound, tmp_path: Path
) -> None:
    other = Sound(type(sound.parameters)(bytes.fromhex("1190"), 48_000, 2), sound.frames)
    datas = [
        recording_with_sound(spoken, Sound(sound.parameters, [])),
        recording_with_sound(spoken, sound, media_start=0),
        recording_with_sound(spoken, other, media_start=0),
    ]
    parts = [
        ClipPart(lambda data=data: BytesIO(data), scan(BytesIO(data)).entries(), number * 2_000_000)
        for number, data in enumerate(datas)
    ]
    path = tmp_path / "clip.mp4"
    with path.open("wb") as out:
        report = write_clip(parts, out)
    assert report.sound_left_out == len(parts[2].groups)
    assert judge.complaints(path) == ""
    assert judge.frames(path) == 3 * len(spoken.units)
    assert beeps_heard(path) == pytest.approx([2.5, 3.5], abs=0.02)
