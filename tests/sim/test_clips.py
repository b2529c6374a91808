"""Clips are read as they are, B-frames and all; what cannot be played is refused with what to do."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.sim.clips import UnusableClip, load_folder, read_clip, split_units


def write_video(path: Path, *, codec: str = "libx264", group: int = 10, b_frames: int = 0, pictures: int = 30) -> Path:
    """Write a small clip, 10 pictures a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        if codec == "libx264":
            keys = f"keyint={group}:min-keyint={group}:scenecut=0"
            stream.options = {"x264-params": f"{keys}:bframes={b_frames}:b-adapt=0:log-level=error"}
        for number in range(pictures):
            grey = np.full((144, 160), number * 5 % 200 + 20, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_clip_is_read_in_decoding_order_with_due_times_that_rise(tmp_path: Path, suffix: str, b_frames: int) -> None:
    clip = read_clip(write_video(tmp_path / f"clip{suffix}", b_frames=b_frames))
    assert (clip.width, clip.height, len(clip.pictures)) == (160, 96, 30)
    assert clip.duration == pytest.approx(3 * 90_000, abs=200)
    assert float(clip.frame_rate) == pytest.approx(10, abs=0.02)
    assert [index for index, picture in enumerate(clip.pictures) if picture.key] == [0, 10, 20]
    assert clip.longest_group == 10
    assert all(picture.pts <= picture.due for picture in clip.pictures)
    reordered = [picture.pts for picture in clip.pictures] != sorted(picture.pts for picture in clip.pictures)
    assert reordered == bool(b_frames)


def test_every_key_frame_carries_the_parameter_sets_and_no_picture_a_delimiter(tmp_path: Path) -> None:
    clip = read_clip(write_video(tmp_path / "clip.mp4"))
    for picture in clip.pictures:
        kinds = [nal[0] & 31 for nal in picture.nals]
        assert (kinds[:2] == [7, 8]) == picture.key
        assert not {9, 12} & set(kinds)


def test_what_is_read_decodes_to_the_pictures_of_the_file(tmp_path: Path) -> None:
    clip = read_clip(write_video(tmp_path / "clip.mkv", b_frames=2))
    decoder = av.CodecContext.create("h264", "r")
    stream = b"".join(b"\0\0\0\1" + nal for picture in clip.pictures for nal in picture.nals)
    frames = [
        frame for packet in [*decoder.parse(stream), *decoder.parse(b""), None] for frame in decoder.decode(packet)
    ]
    greys = [int(np.frombuffer(frame.planes[0], np.uint8)[0]) for frame in frames]
    assert greys == pytest.approx([number * 5 % 200 + 20 for number in range(30)], abs=3)


def test_a_clip_without_key_frames_for_long_is_refused_and_one_with_few_is_noted(tmp_path: Path) -> None:
    noted = read_clip(write_video(tmp_path / "few.mp4", group=60, pictures=60))
    assert "one key frame in 6.0 s" in noted.notes[0]
    with pytest.raises(UnusableClip, match=r"25 s without a key frame.*-g 30"):
        read_clip(write_video(tmp_path / "none.mp4", group=500, pictures=250))


def test_files_that_are_no_h264_video_are_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "empty.mp4").write_bytes(b"")
    write_video(tmp_path / "old.mkv", codec="mpeg4")
    write_video(tmp_path / "short.mp4", pictures=1)
    for name in ("text.mp4", "empty.mp4"):
        with pytest.raises(UnusableClip, match="cannot be read"):
            read_clip(tmp_path / name)
    with pytest.raises(UnusableClip, match=r"no H.264 video. Convert it: ffmpeg -i old.mkv"):
        read_clip(tmp_path / "old.mkv")
    with pytest.raises(UnusableClip, match="no key frame"):
        read_clip(tmp_path / "short.mp4")


def test_a_torn_file_gives_what_it_holds_or_is_refused(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv").read_bytes()
    for size in range(0, len(whole), len(whole) // 12):
        (tmp_path / "torn.mkv").write_bytes(whole[:size])
        try:
            clip = read_clip(tmp_path / "torn.mkv")
        except UnusableClip:
            continue
        assert clip.pictures[0].key


def test_a_folder_gives_its_clips_by_name_and_sub_streams_with_them(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.mkv", "a.sub.mp4"):
        write_video(tmp_path / name)
    (tmp_path / "readme.txt").write_text("not a clip")
    footage = load_folder(tmp_path)
    assert list(footage) == ["a", "b"]
    assert footage["a"].sub is not None
    assert footage["b"].sub is None


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableClip, match="No clip in"):
        load_folder(tmp_path)
    with pytest.raises(UnusableClip, match="cannot be read"):
        load_folder(tmp_path / "missing")


def test_the_real_clips_are_played_as_they_are(clip: Callable[[str], Path]) -> None:
    cars, shop = read_clip(clip("street-cars.mp4")), read_clip(clip("shop-person.mp4"))
    assert (float(cars.frame_rate), float(shop.frame_rate)) == (12.5, 10.0)
    assert cars.pictures[0].key
    assert shop.pictures[0].key


@given(st.binary(max_size=400), st.sampled_from([0, 1, 2, 4]))
def test_no_sample_can_do_harm(data: bytes, length_size: int) -> None:
    assert sum(len(unit) for unit in split_units(data, length_size)) <= len(data)


@given(st.lists(st.binary(min_size=1, max_size=50).filter(lambda unit: b"\0" not in unit), min_size=1, max_size=8))
def test_units_are_cut_alike_by_lengths_and_by_start_codes(units: list[bytes]) -> None:
    assert split_units(b"".join(len(unit).to_bytes(4, "big") + unit for unit in units), 4) == units
    assert split_units(b"".join(b"\0\0\0\1" + unit for unit in units), 0) == units
