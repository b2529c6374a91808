"""The viewer's end of the live protocol, against whatever may sit at the recorder's end."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vonggac.core import presence
from vonggac.video.live_client import (
    LINE_LIMIT,
    PICTURE_LIMIT,
    LiveError,
    LivePicture,
    NoSubStream,
    SubUnavailable,
    address_of,
    encode_parameters,
    pictures,
)
from vonggac.video.models import CameraStatus
from vonggac.video.stream import VideoParameters

CAMERA = uuid.UUID(int=1)
PARAMETERS = VideoParameters("h264", (b"\x67sps", b"\x68pps"), 1280, 720, 0, 15.0)
HEAD = b'{"size":5,"pts":900,"key":true,"arrived_us":17,"parameters":' + (
    b'{"codec":"h264","sets":["Z3Nwcw==","aHBwcw=="],"width":1280,"height":720,"reorder_frames":0,"declared_fps":15.0}}\n'
)


def watch(folder: Path, answer: bytes) -> list[LivePicture]:
    """A recorder that answers with these bytes and hangs up; return the pictures that come of it."""

    async def talk() -> list[LivePicture]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(answer)
            writer.close()

        path = folder / "r.sock"
        path.unlink(missing_ok=True)
        async with await asyncio.start_unix_server(serve, str(path)):
            return [picture async for picture in pictures(f"unix:{path}", CAMERA)]

    return asyncio.run(talk())


def test_pictures_come_with_the_parameters_that_were_said_last(tmp_path):
    answer = HEAD + b"\0\0\0\1e" + b'{"size":5,"pts":6900,"key":false,"arrived_us":18}\n\0\0\0\1a'
    first, second = watch(tmp_path, answer)
    assert first == LivePicture(PARAMETERS, True, 900, 17, b"\0\0\0\1e")
    assert (second.parameters, second.pts, second.data) == (PARAMETERS, 6900, b"\0\0\0\1a")
    assert set(encode_parameters(PARAMETERS)) == {
        "codec", "sets", "width", "height", "reorder_frames", "declared_fps",
    }  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        b"[]\n",
        b'{"size":[]}\n',
        b'{"size":"many"}\n',
        b'{"size":0,"parameters":7}\n',
        b'{"size":0,"parameters":{"codec":"h264","sets":5,"width":1,"height":1}}\n',
        HEAD.replace(b"900", b"[]") + b"\0\0\0\1e",
        b"x" * (LINE_LIMIT + 1),
        f'{{"size":{PICTURE_LIMIT + 1}}}\n'.encode(),
        b"{" + b'"a":{' * 5000 + b"\n",
    ],
)
def test_an_answer_that_is_no_picture_is_told_in_words(tmp_path, answer):
    with pytest.raises(LiveError):
        watch(tmp_path, answer)


def test_why_a_sub_stream_cannot_be_had_is_told_also_after_pictures(tmp_path):
    line = b'{"error":"sub_unavailable","reason":"refused","detail":"The camera has no room.","retry_s":12.5}\n'
    for answer in (line, HEAD + b"\0\0\0\1e" + line):
        with pytest.raises(SubUnavailable, match="has no room") as told:
            watch(tmp_path, answer)
        assert (told.value.reason, told.value.retry_s) == ("refused", 12.5)
    with pytest.raises(NoSubStream):
        watch(tmp_path, b'{"error":"no_sub_stream"}\n')
    with pytest.raises(LiveError, match="something else"):
        watch(tmp_path, b'{"error":"sub_unavailable"}\n')
    with pytest.raises(LiveError, match="a later version's"):
        watch(tmp_path, b'{"error":"a later version\'s"}\n')


def test_a_cameras_recorder_is_found_while_it_lives(stored):
    archive = stored()
    with archive.database.write() as session:
        (camera_id, _) = archive.camera_ids
        assert address_of(session, camera_id) is None
        row = CameraStatus(camera_id=camera_id, recorder="recorder-2", state="recording", since_us=0, updated_us=0)
        session.add(row)
        presence.appear(session, "recorder", address="unix:/first")
        assert address_of(session, camera_id) is None
        presence.appear(session, "recorder-2", address="unix:/second")
        assert address_of(session, camera_id) == "unix:/second"
        presence.disappear(session, "recorder-2")
        assert address_of(session, camera_id) is None


def test_a_recorder_that_breaks_off_within_a_picture_is_an_error(tmp_path):
    with pytest.raises(LiveError, match="broke off"):
        watch(tmp_path, HEAD + b"\0\0")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(HEAD) + 3), end=st.integers(0, 20), put=st.binary(max_size=6))
def test_a_damaged_answer_is_pictures_or_an_error_in_words(tmp_path, at, end, put):
    answer = HEAD + b"\0\0\0\1e"
    damaged = answer[:at] + put + answer[at + end :]
    with contextlib.suppress(LiveError):
        assert len(watch(tmp_path, damaged)) <= 2
