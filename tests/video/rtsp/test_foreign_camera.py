"""GStreamer's RTSP server as the camera that no one here wrote."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import pytest

from vonggac.video.rtsp import CameraAddress, RtspConnection, RtspError
from vonggac.video.rtsp.client import MIN_BUFFER

pytestmark = [
    pytest.mark.slow,
    # The recorder's own loop; asyncio's is tried with the scripted cameras.
    pytest.mark.parametrize("run_loop", ["uvloop"], indirect=True),
]

PLAYS_S = 3.0


async def pictures_of(url: str, seconds: float, *, mode: str) -> tuple[list, RtspConnection]:
    units: list = []
    address = CameraAddress.parse(url)
    async with await RtspConnection.open(address, on_access_unit=units.append) as connection:
        if mode == "promptly":
            connection.read_promptly()
            await asyncio.sleep(seconds)
        else:
            buffer = memoryview(bytearray(MIN_BUFFER))
            for _ in range(round(seconds / 0.2)):
                connection.read_now(buffer)
                await asyncio.sleep(0.2)
        assert connection.check_alive()
        await asyncio.sleep(0)
    return units, connection


def decoded(units: list, path) -> None:
    """Write the pictures as an MP4 file with their own times: what a recorder does, with somebody else's writer."""
    import av

    sets = b"".join(b"\0\0\0\1" + one for one in units[0].parameters.sets)
    with av.open(str(path), "w") as file:
        stream = file.add_stream({"h264": "h264", "h265": "hevc"}[units[0].parameters.codec], rate=15)
        stream.width, stream.height = units[0].parameters.width, units[0].parameters.height
        stream.time_base = Fraction(1, 90_000)
        shown = sorted(unit.pts for unit in units)
        for number, unit in enumerate(units):
            data = bytearray(sets if number == 0 else b"")
            at = 0
            while at < len(unit.data):
                size = int.from_bytes(unit.data[at : at + 4], "big")
                data += b"\0\0\0\1" + unit.data[at + 4 : at + 4 + size]
                at += 4 + size
            packet = av.Packet(bytes(data))
            packet.stream, packet.time_base = stream, Fraction(1, 90_000)
            packet.pts, packet.dts, packet.is_keyframe = unit.pts, shown[number] - 90_000, unit.key
            file.mux(packet)


@pytest.mark.parametrize("mode", ["promptly", "on demand"])
@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"b_frames": 2},
        {"slices": 4},
        {"bits_per_second": 200_000},
        {"codec": "libx265"},
        {"codec": "libx265", "b_frames": 2},
        {"codec": "libx265", "slices": 4},
    ],
    ids=["plain", "b", "slices", "small", "h265", "h265 b", "h265 slices"],
)
def test_every_picture_of_a_foreign_server_comes_once_and_whole(
    run_loop, gst_server, numbered_clip, read_numbers, tmp_path, properties, mode
):
    camera = gst_server([numbered_clip(**properties)], user="admin", password="giám sát", auth="digest")
    units, connection = run_loop(pictures_of(camera.url(), PLAYS_S, mode=mode))
    assert connection.session.lost == 0
    assert connection.session.description.authentication == "Digest MD5"
    assert not connection.session.oddities
    assert units[0].key
    assert (units[0].parameters.width, units[0].parameters.height) == (1280, 720)
    assert units[0].parameters.declared_fps == 15
    assert all(unit.lost_before == 0 for unit in units)
    # Whole groups only: a group cut in two would leave pictures that refer to none.
    whole = units[: max(index for index, unit in enumerate(units) if unit.key)]
    decoded(whole, tmp_path / "seen.mp4")
    assert read_numbers(tmp_path / "seen.mp4") == list(range(len(whole)))
    assert len(whole) >= 15


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_sets_that_stand_in_the_description_alone_are_enough(run_loop, gst_server, numbered_clip, codec):
    camera = gst_server([numbered_clip(codec=codec)], sets_in_sdp_only=True)
    units, connection = run_loop(pictures_of(camera.url(), 1, mode="promptly"))
    assert len(units) > 5
    assert {unit.parameters for unit in units} == {connection.session.parameters}
    assert (units[0].parameters.width, units[0].key) == (1280, True)
    assert not connection.session.oddities


@pytest.mark.parametrize("name", ["street-cars.mp4", "shop-person.mp4"])
def test_real_clips_come_out_slice_for_slice(run_loop, gst_server, clip, rtp, name):
    import av

    path = clip(name)
    units, connection = run_loop(pictures_of(gst_server([path]).url(), 5, mode="on demand"))
    assert len(units) > 35
    assert connection.session.lost == 0
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        packets = [packet for packet in file.demux(stream) if packet.size][: len(units)]
        expected = [[unit for unit in rtp.split_lengths(bytes(packet)) if unit[0] & 31 <= 5] for packet in packets]
        times = [round((packet.pts - packets[0].pts) * stream.time_base * 90_000) for packet in packets]
    slices = [[unit for unit in rtp.split_lengths(unit.data) if unit[0] & 31 <= 5] for unit in units]
    assert slices == expected
    assert all(abs(unit.pts - units[0].pts - time) <= 2 for unit, time in zip(units, times, strict=True))


def test_a_foreign_server_says_when_it_sent_what(run_loop, gst_server, numbered_clip):
    camera = gst_server([numbered_clip()])
    _, connection = run_loop(pictures_of(camera.url(), 6, mode="promptly"))
    arrived = connection.session.last_sender_report
    assert arrived is not None
    assert arrived.pts is not None


def test_a_foreign_server_lets_nobody_in_with_a_wrong_password(run_loop, gst_server, numbered_clip):
    camera = gst_server([numbered_clip()], user="admin", password="right", auth="basic")

    async def enter():
        with pytest.raises(RtspError) as error:
            await pictures_of(camera.url(password="wrong"), 1, mode="promptly")
        assert error.value.reason == "unauthorised"
        with pytest.raises(RtspError) as error:
            await pictures_of(camera.open_url, 1, mode="promptly")
        assert "user name and password" in str(error.value)
        units, connection = await pictures_of(camera.url(), 1, mode="promptly")
        assert connection.session.description.authentication == "Basic"
        assert units

    run_loop(enter())


def test_a_stream_that_a_foreign_server_does_not_have_is_not_found(run_loop, gst_server, numbered_clip):
    camera = gst_server([numbered_clip()])

    async def enter():
        with pytest.raises(RtspError) as error:
            await pictures_of(camera.open_url + "9", 1, mode="promptly")
        return error.value

    assert run_loop(enter()).reason == "not_found"


def test_a_foreign_server_that_loses_its_power_is_noticed(run_loop, gst_server, numbered_clip):
    camera = gst_server([numbered_clip()])

    async def watch():
        address = CameraAddress.parse(camera.url())
        async with await RtspConnection.open(address, on_access_unit=lambda unit: None) as connection:
            connection.read_promptly()
            await asyncio.sleep(0.5)
            camera.stop()
            with pytest.raises(RtspError) as error:
                await connection.ended()
            return error.value

    assert run_loop(watch()).reason == "closed"
