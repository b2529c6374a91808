"""Stills: made of real key frames, wanted only while somebody looks."""

from __future__ import annotations

import contextlib
import io
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vonggac.cameras.models import Camera
from vonggac.core import presence, schema
from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.org.models import Unit
from vonggac.video import index, stills
from vonggac.video.stills import StillError, byte_stream, jpeg_of
from vonggac.video.stream import VideoParameters

if TYPE_CHECKING:
    from peers.material import Material

NOW = 1_795_500_000_000_000
SECOND = 1_000_000
GARBAGE = VideoParameters("h264", (b"\x67\x42\x00\x1e", b"\x68\xce"), 1280, 720)


def key_frames(path: Path, most: int = 5) -> list[tuple[VideoParameters, bytes]]:
    """The key frames of an MP4 file with the parameter sets of its header (ISO/IEC 14496-15 §5.3.3, §8.3.3)."""
    import av

    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        header = stream.codec_context.extradata or b""
        is_hevc = stream.codec_context.name == "hevc"
        sets, offset = [], 23 if is_hevc else 5
        for array in range(header[22] if is_hevc else 2):
            if is_hevc:
                count, offset = int.from_bytes(header[offset + 1 : offset + 3], "big"), offset + 3
            else:
                count, offset = header[offset] & (0xFF if array else 0x1F), offset + 1
            for _ in range(count):
                size = int.from_bytes(header[offset : offset + 2], "big")
                sets.append(header[offset + 2 : offset + 2 + size])
                offset += 2 + size
        parameters = VideoParameters("h265" if is_hevc else "h264", tuple(sets), stream.width, stream.height)
        for packet in container.demux(stream):
            if packet.is_keyframe and packet.size and len(found) < most:
                found.append((parameters, bytes(packet)))
    return found


@pytest.mark.parametrize("name", ["street-cars.mp4", "shop-person.mp4"])
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_real_key_frame_becomes_a_small_picture(material: Material, name: str, codec: str) -> None:
    path = material.clip(name) if codec == "h264" else material.reencoded(name, "libx265", "keyint=25:bframes=2")
    frames = key_frames(path)
    assert frames
    for parameters, data in frames:
        assert parameters.codec == codec
        jpeg = jpeg_of(parameters, data)
        picture = Image.open(io.BytesIO(jpeg))
        picture.load()
        assert picture.format == "JPEG"
        assert picture.width == stills.WIDTH
        assert picture.height == pytest.approx(stills.WIDTH * parameters.height / parameters.width, abs=2)
        assert len(jpeg) < 40_000
        extremes = picture.convert("L").getextrema()
        assert extremes[1] - extremes[0] > 50, "a grey picture is none"


def test_the_still_shows_what_the_whole_decoder_shows(clip: Callable[[str], Path]) -> None:
    import av

    path = clip("shop-person.mp4")
    parameters, data = key_frames(path, most=1)[0]
    with av.open(str(path)) as container:
        judged = next(container.decode(video=0)).to_image().convert("L").resize((32, 18))
    ours = Image.open(io.BytesIO(jpeg_of(parameters, data))).convert("L").resize((32, 18))
    differences = [abs(a - b) for a, b in zip(ours.tobytes(), judged.tobytes(), strict=True)]
    assert sum(differences) / len(differences) < 6


@pytest.mark.parametrize("codec", ["av1", ""])
def test_a_codec_without_decoder_is_said(codec: str) -> None:
    with pytest.raises(StillError, match="no decoder"):
        jpeg_of(VideoParameters(codec, (), 0, 0), b"")


def test_a_length_that_points_outside_is_refused() -> None:
    with pytest.raises(StillError, match="longer than the frame"):
        byte_stream(GARBAGE, b"\x00\x00\x00\x05abc")
    with pytest.raises(StillError, match="middle of a length"):
        byte_stream(GARBAGE, b"\x00\x00\x00\x01a\x00\x00")


def test_a_frame_of_two_units_becomes_a_byte_stream() -> None:
    code = b"\x00\x00\x00\x01"
    expected = code + GARBAGE.sets[0] + code + GARBAGE.sets[1] + code + b"ab" + code + b"c"
    assert byte_stream(GARBAGE, b"\x00\x00\x00\x02ab\x00\x00\x00\x00\x00\x00\x00\x01c") == expected


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.lists(st.binary(min_size=1, max_size=40), max_size=3), st.booleans())
def test_no_frame_however_broken_raises_anything_else(data: bytes, sets: list[bytes], framed: bool) -> None:
    whole = len(data).to_bytes(4, "big") + data if framed else data
    for codec in ("h264", "h265"):
        with contextlib.suppress(StillError):
            jpeg_of(VideoParameters(codec, tuple(sets), 0, 0), whole)


def test_a_real_frame_that_was_damaged_on_the_way_raises_nothing_else(clip: Callable[[str], Path]) -> None:
    parameters, data = key_frames(clip("street-cars.mp4"), most=1)[0]
    for cut in range(5, len(data), max(1, len(data) // 20)):
        damaged = bytearray(data)
        damaged[cut : cut + 40] = b"\xff" * len(damaged[cut : cut + 40])
        for frame in (bytes(damaged), data[:cut]):
            with contextlib.suppress(StillError):
                jpeg_of(parameters, frame)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def camera(database: Database) -> uuid.UUID:
    """A camera that a recorder records."""
    with database.write() as session:
        unit = Unit(code="a", name="A", name_folded="a", name_sort="a", kind="commune", created_at=utc_now())
        session.add(unit)
        session.flush()
        camera = Camera(
            number=1,
            name="A",
            name_folded="a",
            name_sort="a",
            folder="a-1",
            unit_id=unit.id,
            kind="overview",
            url="rtsp://192.0.2.1/",
            created_at=utc_now(),
        )
        session.add(camera)
        session.flush()
        presence.appear(session, "recorder", address="unix:/run/recorder.sock")
        row = {"camera_id": camera.id, "recorder": "recorder", "state": "recording", "since_us": 0, "updated_us": 0}
        index.replace_statuses(session, "recorder", [row])
        return camera.id


def test_a_still_is_wanted_until_the_wish_is_over_and_taken_once_in_ten_seconds(
    database: Database, camera: uuid.UUID
) -> None:
    with database.write() as session:
        assert stills.wanted(session, NOW) == []
        stills.want(session, [camera], NOW + stills.WANTED_FOR_US)
        stills.want(session, [camera], NOW + SECOND)
    with database.write() as session:
        found = stills.wanted(session, NOW + 20 * SECOND)
        assert [(one.camera_id, one.address) for one in found] == [(camera, "unix:/run/recorder.sock")]
        assert stills.wanted(session, NOW + stills.WANTED_FOR_US) == []
        stills.keep(session, [(camera, NOW, b"jpeg")])
    with database.read() as session:
        assert stills.wanted(session, NOW + stills.EVERY_US - 1) == []
        assert len(stills.wanted(session, NOW + stills.EVERY_US)) == 1
        kept = stills.still(session, camera)
        assert kept is not None
        assert (kept.taken_us, kept.jpeg) == (NOW, b"jpeg")
        assert stills.taken(session, [camera, uuid.uuid4()]) == {camera: NOW}


def test_an_older_picture_never_replaces_a_newer_one(database: Database, camera: uuid.UUID) -> None:
    with database.write() as session:
        stills.want(session, [camera], NOW)
        stills.keep(session, [(camera, NOW, b"new")])
        stills.keep(session, [(camera, NOW - SECOND, b"old")])
    with database.read() as session:
        kept = stills.still(session, camera)
        assert kept is not None
        assert kept.jpeg == b"new"


def test_there_is_no_still_before_the_first(database: Database, camera: uuid.UUID) -> None:
    with database.write() as session:
        stills.want(session, [camera], NOW)
        assert stills.still(session, camera) is None
        assert stills.taken(session, [camera]) == {}


def test_a_picture_at_full_size_keeps_its_shape_and_never_grows(material: Material) -> None:
    parameters, data = key_frames(material.clip("street-cars.mp4"), 1)[0]
    for wanted in (stills.LARGE_WIDTH, 640):
        with Image.open(io.BytesIO(jpeg_of(parameters, data, wanted))) as picture:
            width = min(wanted, parameters.width)
            assert abs(picture.width - width) <= 1
            assert abs(picture.height - parameters.height * width / parameters.width) <= 2


def test_somebodys_picture_is_made_anew_without_what_else_is_in_its_file() -> None:
    exif = Image.Exif()
    exif[0x010F] = "MAKER-OF-THE-TELEPHONE"
    file = io.BytesIO()
    Image.effect_noise((2000, 1500), 40).convert("RGB").save(file, "JPEG", exif=exif)
    assert b"MAKER-OF-THE-TELEPHONE" in file.getvalue()
    made = stills.jpeg_made_anew(file.getvalue())
    assert b"MAKER-OF-THE-TELEPHONE" not in made
    with Image.open(io.BytesIO(made)) as picture:
        assert picture.size == (1280, 960)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff", b"\xff\xd8\xff" + bytes(1000)])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(StillError):
        stills.jpeg_made_anew(data)
