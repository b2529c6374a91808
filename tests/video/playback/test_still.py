"""The exact picture of a moment, and key frames alone: the numbers in the pictures say whether they are right."""

from __future__ import annotations

import io
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from unicodedata import normalize

import av
import numpy as np
import pytest
from PIL import Image

from peers.coded import HEIGHT, WIDTH, Recorded, encode_numbers, picture_number, record
from peers.footage import Footage
from peers.stored_archive import StoredArchive
from vonggac.core.errors import NotFound
from vonggac.video.archive import footage as archive
from vonggac.video.archive.footage import MediaStore
from vonggac.video.models import RecordingState
from vonggac.video.mp4 import RecordingDamaged, scan
from vonggac.video.mp4.playing import head_for_players
from vonggac.video.playback import key_frames, still
from vonggac.video.playback.lettering import FINE, strip_below
from vonggac.video.stills import StillError

BEGIN = 1_795_500_000_000_000
SECOND = 1_000_000


@pytest.fixture
def footage(stored: Callable[..., StoredArchive], tmp_path: Path) -> Footage:
    made = stored(cameras=1)
    return Footage(made.database, made.camera_ids[0], tmp_path)


def taken(footage: Footage, at_us: int, caption: still.Caption | None = None) -> tuple[Image.Image, int]:
    with footage.database.read() as session:
        store = MediaStore.of(session)
        chosen = archive.select(session, store, footage.camera_id, at_us, at_us + 1, BEGIN + 3600 * SECOND)
    found = still.find(store, chosen.stretches[-1].held, at_us)
    return Image.open(io.BytesIO(still.jpeg_of(found, caption))), found.at_us


def number_of(image: Image.Image) -> int:
    return picture_number(np.asarray(image.convert("L")).astype(np.uint8)[:HEIGHT])


@pytest.mark.parametrize(("codec", "b_frames"), [("h264", 0), ("h264", 3), ("h265", 2)])
def test_a_still_is_the_picture_that_showed_at_that_moment(codec: str, b_frames: int, footage: Footage) -> None:
    material = encode_numbers(45, codec=codec, b_frames=b_frames)
    footage.put(BEGIN, record(material.groups(), origin=7_000_000))
    for number in (0, 1, 2, 7, 14, 15, 16, 29, 43, 44):
        for part in (0.02, 0.5, 0.97):
            at_us = BEGIN + round((number + part) * SECOND / 15)
            image, shown_us = taken(footage, at_us)
            assert number_of(image) == number
            assert abs(shown_us - BEGIN - number * SECOND // 15) <= 12


def test_a_still_comes_also_from_a_piece_of_a_long_group_and_from_what_is_being_written(footage: Footage) -> None:
    groups = encode_numbers(60, group=60).groups()
    pieces = [groups[0][:20], groups[0][20:40], groups[0][40:]]
    footage.put(BEGIN, record(pieces), state=RecordingState.OPEN, cut=3)
    assert number_of(taken(footage, BEGIN + round(33.5 * SECOND / 15))[0]) == 33


def test_the_strip_is_below_the_picture_which_stays_as_it_was(footage: Footage) -> None:
    footage.put(BEGIN, record(encode_numbers(15).groups()))
    caption = still.Caption("12 - Chợ Liên Nghĩa", "14:03:05.123 24/11/2026", "Đức Trọng", "UTC+07")
    plain, _ = taken(footage, BEGIN)
    with_strip, _ = taken(footage, BEGIN, caption)
    assert (plain.size, with_strip.width) == ((WIDTH, HEIGHT), WIDTH)
    assert with_strip.height > HEIGHT + 20
    assert number_of(with_strip) == 0
    whole = strip_below(plain, ("a", "b"), ("c", "d"))
    assert whole.crop((0, 0, WIDTH, HEIGHT)).tobytes() == plain.convert("RGB").tobytes()


def test_every_vietnamese_letter_looks_different_on_the_strip() -> None:
    vowels = "aăâeêioôơuưy"
    letters = [normalize("NFC", vowel + tone) for vowel in vowels for tone in ("", *"\u0300\u0301\u0303\u0309\u0323")]
    letters += [letter.upper() for letter in letters] + [*"đĐ", *"bcdghklmnpqrstvx"]
    blank = Image.new("RGB", (400, 4))
    drawn = {strip_below(blank, (letter, ""), ("", "")).tobytes() for letter in letters}
    assert len(drawn) == len(letters)
    assert FINE > 1


def test_where_nothing_can_be_decoded_it_is_said(footage: Footage) -> None:
    recorded = record(encode_numbers(15).groups())
    key = footage.put(BEGIN, recorded)
    data = bytearray(recorded.data)
    start = scan(recorded.file()).groups[0]
    data[start.offset + start.header_size + 4 : start.offset + start.size] = bytes(start.size - start.header_size - 4)
    footage.file(key).write_bytes(data)
    with pytest.raises(StillError):
        taken(footage, BEGIN)


def played_alone(recorded: Recorded, numbers: list[int]) -> list[tuple[int, float]]:
    """Decode the head and some key frames: number and second of each picture."""
    entries = scan(recorded.file()).entries()
    head = head_for_players(recorded.data[: scan(recorded.file()).init.size], sound=False)
    data = head + b"".join(key_frames.segment(recorded.file(), entries, number) for number in numbers)
    shown = []
    with av.open(BytesIO(data)) as source:
        for frame in source.decode(source.streams.video[0]):
            luma = frame.to_ndarray(format="yuv420p")[:HEIGHT]
            shown.append((picture_number(luma), round(float((frame.pts or 0) * (frame.time_base or 0)), 3)))
    return shown


@pytest.mark.parametrize("b_frames", [0, 3])
def test_key_frames_alone_show_at_their_own_media_times(b_frames: int) -> None:
    recorded = record(encode_numbers(60, b_frames=b_frames).groups(), origin=900_000)
    assert played_alone(recorded, [0, 1, 2, 3]) == [(0, 10.0), (15, 11.0), (30, 12.0), (45, 13.0)]
    assert played_alone(recorded, [1, 3]) == [(15, 11.0), (45, 13.0)]


def test_what_is_no_key_frame_is_not_found_and_what_its_file_does_not_hold_is_damaged() -> None:
    groups = encode_numbers(15).groups()
    recorded = record([groups[0][:7], groups[0][7:]])
    entries = scan(recorded.file()).entries()
    for number in (1, 2, -1, 1 << 62):
        with pytest.raises(NotFound):
            key_frames.segment(recorded.file(), entries, number)
    with pytest.raises(RecordingDamaged):
        key_frames.segment(BytesIO(recorded.data[:900]), entries, 0)
