"""What players nobody here wrote make of our recordings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def probe(path: Path, *what: str) -> dict:
    told = subprocess.run(["ffprobe", "-v", "error", *what, "-of", "json", path], capture_output=True, text=True)
    assert told.stderr == ""
    return json.loads(told.stdout)


@pytest.mark.parametrize("kind", ["plain", "reordered", "hevc"])
def test_every_picture_put_in_is_shown_in_its_order_and_at_its_time(
    kind, request, recorder, shown_by_a_decoder, pictures_counted_by_ffmpeg, tmp_path
):
    material = request.getfixturevalue(kind)
    path = tmp_path / "recording.mp4"
    path.write_bytes(recorder(material.groups()).data)
    assert pictures_counted_by_ffmpeg(path) == len(material.units)
    shown = shown_by_a_decoder(path)
    assert shown.numbers == list(range(len(material.units)))
    assert shown.pts == sorted(unit.pts for unit in material.units)


@pytest.mark.parametrize("kind", ["plain", "reordered"])
def test_a_later_file_of_a_run_shows_its_media_time(kind, request, recorder, shown_by_a_decoder, tmp_path):
    material = request.getfixturevalue(kind)
    origin = 30 * 24 * 3600 * 90_000
    path = tmp_path / "recording.mp4"
    path.write_bytes(recorder(material.groups(), origin=origin).data)
    assert shown_by_a_decoder(path).pts == [pts + origin for pts in sorted(unit.pts for unit in material.units)]


@pytest.mark.parametrize("kind", ["street", "shop"])
def test_what_real_cameras_sent_plays(kind, request, recorder, pictures_counted_by_ffmpeg, tmp_path):
    material = request.getfixturevalue(kind)
    path = tmp_path / "recording.mp4"
    path.write_bytes(recorder(material.groups()).data)
    assert pictures_counted_by_ffmpeg(path) == len(material.units)


def test_a_player_is_told_size_codec_and_when_the_recording_began(plain, hevc, recorder, tmp_path):
    path = tmp_path / "recording.mp4"
    path.write_bytes(recorder(plain.groups(), created_us=1_795_487_696_000_000).data)
    told = probe(path, "-show_streams")["streams"][0]
    assert (told["codec_tag_string"], told["width"], told["height"]) == ("avc1", 192, 96)
    assert (told["time_base"], told["r_frame_rate"]) == ("1/90000", "15/1")
    assert told["tags"]["creation_time"] == "2026-11-24T02:34:56.000000Z"
    path.write_bytes(recorder(hevc.groups()).data)
    assert probe(path, "-show_streams")["streams"][0]["codec_tag_string"] == "hvc1"


def test_a_cut_in_the_middle_of_a_group_leaves_no_hole_and_no_step(plain, recorder, shown_by_a_decoder, tmp_path):
    pieces = [piece for group in plain.groups() for piece in (group[:6], group[6:])]
    path = tmp_path / "recording.mp4"
    path.write_bytes(recorder(pieces).data)
    shown = shown_by_a_decoder(path)
    assert shown.numbers == list(range(45))
    assert shown.pts == [unit.pts for unit in plain.units]


def test_more_reordering_than_the_delay_allows_still_shows_everything_in_order(
    reordered, recorder, shown_by_a_decoder, pictures_counted_by_ffmpeg, tmp_path
):
    path = tmp_path / "recording.mp4"
    path.write_bytes(recorder(reordered.groups(), delay=0).data)
    assert pictures_counted_by_ffmpeg(path) == 60
    assert shown_by_a_decoder(path).numbers == list(range(60))
