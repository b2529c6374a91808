"""The viewer's end of the live protocol, against whatever may sit at the recorder's end."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vonggac.video.live_client import LINE_LIMIT, PICTURE_LIMIT, LiveError, LivePicture, encode_parameters, pictures
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
