"""The simulated cameras as FFmpeg, PyAV and a plain socket see them."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from peers.viewer import Viewer
from vonggac.core.errors import VonggacError
from vonggac.sim.camera import Feed, SimCamera
from vonggac.sim.digest import Credentials

Running = Callable[..., Any]


def camera(feed: Feed, number: int = 1, sub: Feed | None = None, phase: int = 0) -> SimCamera:
    return SimCamera(f"/cam/{number:03}", f"Chợ {number}", feed, sub, phase)


@pytest.fixture(scope="module")
def numbered(numbered_clip: Callable[..., Path], feed: Callable[[Path], Feed]) -> Feed:
    """Four seconds of numbered pictures in groups of one second."""
    return feed(numbered_clip(width=640, height=360, fps=15, seconds=4, group_seconds=1, bits_per_second=400_000))


def ffmpeg(*words: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", *words], capture_output=True, text=True, timeout=seconds
    )


def record(url: str, to: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    """Record as an NVR would, with the arrival's own timestamps."""
    return ffmpeg("-rtsp_transport", "tcp", "-i", url, "-t", str(seconds), "-c", "copy", "-y", str(to))


@pytest.mark.slow
@pytest.mark.parametrize("login", ["", "MD5", "qop"])
def test_ffprobe_finds_the_right_size_rate_and_codec_through_every_kind_of_digest(
    running: Running, numbered: Feed, login: str
) -> None:
    credentials = None
    if login:
        credentials = Credentials("viewer", "p@ss: đ", quality=login == "qop")
    server = running([camera(numbered)], credentials=credentials)
    url = server.url("/cam/001", "viewer:p%40ss%3A%20%C4%91" if login else "")
    words = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries"]
    words += ["stream=codec_name,width,height,avg_frame_rate", "-of", "csv=p=0", url]
    found = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert found.stderr == ""
    assert found.stdout.strip() == "h264,640,360,15/1"


@pytest.mark.slow
def test_a_wrong_password_is_refused_by_401(running: Running, numbered: Feed) -> None:
    server = running([camera(numbered)], credentials=Credentials("viewer", "secret"))
    for login in ("", "viewer:wrong", "other:secret"):
        found = ffmpeg("-rtsp_transport", "tcp", "-i", server.url("/cam/001", login), "-f", "null", "-")
        assert "401 Unauthorized" in found.stderr


@pytest.mark.slow
def test_ffmpeg_records_over_the_end_of_the_loop_without_losing_or_repeating_a_picture(
    running: Running, numbered: Feed, tmp_path: Path, read_numbers: Callable[[Path], list[int]], judge: Any
) -> None:
    server = running([camera(numbered)])
    record(server.url("/cam/001"), tmp_path / "out.mp4", 7)
    numbers = read_numbers(tmp_path / "out.mp4")
    count = len(numbered.track.pictures)
    assert len(numbers) >= 90
    assert numbers == [(numbers[0] + index) % count for index in range(len(numbers))]
    assert 0 in numbers[1:]
    assert ffmpeg("-i", str(tmp_path / "out.mp4"), "-f", "null", "-").stderr == ""
    with av.open(str(tmp_path / "out.mp4")) as container:
        stamps = [packet.dts for packet in container.demux(video=0) if packet.dts is not None]
    assert all(before < after for before, after in pairwise(stamps))


@pytest.mark.slow
def test_pyav_plays_a_clip_with_b_frames_in_the_order_of_the_screen(
    running: Running, numbered_clip: Callable[..., Path], feed: Callable[[Path], Feed]
) -> None:
    reordered = feed(
        numbered_clip(width=640, height=360, fps=15, seconds=4, group_seconds=1, bits_per_second=400_000, b_frames=2)
    )
    server = running([camera(reordered)])
    stamps: list[int] = []
    options = {"rtsp_transport": "tcp"}
    with av.open(server.url("/cam/001"), options=options, timeout=10) as container:
        for frame in container.decode(video=0):
            if frame.pts is not None:  # FFmpeg gives the first pictures of any RTSP stream none
                stamps.append(frame.pts)
            if len(stamps) == 90:
                break
    assert {after - before for before, after in pairwise(stamps)} == {6000}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["street-cars.mp4", "shop-person.mp4"])
def test_the_real_clips_are_played_without_an_error(
    running: Running, clip: Callable[[str], Path], feed: Callable[[Path], Feed], name: str
) -> None:
    real = feed(clip(name))
    server = running([camera(real)])
    found = ffmpeg("-rtsp_transport", "tcp", "-i", server.url("/cam/001"), "-t", "4", "-f", "null", "-")
    assert found.stderr == ""


@pytest.mark.slow
def test_the_sub_stream_is_another_clip_and_a_camera_without_one_says_404(
    running: Running, numbered: Feed, numbered_clip: Callable[..., Path], feed: Callable[[Path], Feed]
) -> None:
    small = feed(numbered_clip(width=320, height=192, fps=5, seconds=4, group_seconds=1, bits_per_second=100_000))
    server = running([camera(numbered, 1, small), camera(numbered, 2)])
    viewer = Viewer(server.server.port)
    status, headers, body = viewer.ask("DESCRIBE", "/cam/001/sub")
    assert status == 200
    assert headers["content-base"].endswith("/cam/001/sub/")
    assert b"a=framerate:5\r\n" in body
    viewer.play("/cam/001/sub")
    assert viewer.packet()[1][1] & 127 == 96
    assert Viewer(server.server.port).ask("DESCRIBE", "/cam/002/sub")[0] == 404
    assert Viewer(server.server.port).ask("DESCRIBE", "/cam/009")[0] == 404


@pytest.mark.slow
def test_the_first_packet_is_the_one_that_was_announced_and_a_report_maps_it_to_the_clock(
    running: Running, numbered: Feed
) -> None:
    server = running([camera(numbered)])
    viewer = Viewer(server.server.port)
    headers = viewer.play(channels="4-5")
    announced = re.search(r"seq=(\d+);rtptime=(\d+)", headers["rtp-info"])
    assert announced
    channel, packet = viewer.packet()
    assert channel == 4
    assert int.from_bytes(packet[2:4], "big") == int(announced[1])
    stamp = int.from_bytes(packet[4:8], "big")
    assert stamp == int(announced[2])
    while channel != 5:
        channel, packet = viewer.packet()
    assert packet[1] == 200
    assert int.from_bytes(packet[8:12], "big") - 2_208_988_800 == pytest.approx(time.time(), abs=5)
    behind = (int.from_bytes(packet[16:20], "big") - stamp) & 0xFFFFFFFF
    assert behind <= 1.2 * 90_000


@pytest.mark.slow
def test_whoever_comes_back_sees_the_present(running: Running, numbered: Feed) -> None:
    server = running([camera(numbered)])
    first, second = Viewer(server.server.port), Viewer(server.server.port)
    offsets = []
    for viewer in (first, second):
        viewer.play()
        channel, packet = 0, b""
        while channel != 1:
            channel, packet = viewer.packet()
        wall = int.from_bytes(packet[8:12], "big") + int.from_bytes(packet[12:16], "big") / 2**32
        offsets.append(wall)
        time.sleep(0.5)
    assert offsets[1] > offsets[0]
    assert server.server.cameras["/cam/001"].viewers == 2
    assert server.server.cameras["/cam/001"].connections == 2


@pytest.mark.slow
def test_pause_stops_the_pictures_and_teardown_ends_the_session(running: Running, numbered: Feed) -> None:
    server = running([camera(numbered)])
    viewer = Viewer(server.server.port)
    viewer.play()
    viewer.packet()
    session = f"Session: {viewer.session}"
    assert viewer.ask("PAUSE", "/cam/001", session)[0] == 200
    viewer.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        viewer.more()
    viewer.socket.settimeout(5)
    assert viewer.ask("PLAY", "/cam/001", session)[0] == 200
    viewer.packet()
    assert viewer.ask("GET_PARAMETER", "/cam/001", session)[0] == 200
    assert viewer.ask("TEARDOWN", "/cam/001", session)[0] == 200
    assert viewer.ask("PLAY", "/cam/001", session)[0] == 454
    assert server.server.cameras["/cam/001"].viewers == 0


@pytest.mark.slow
def test_requests_that_cannot_be_met_are_told_so(running: Running, numbered: Feed) -> None:
    server = running([camera(numbered)])
    viewer = Viewer(server.server.port)
    assert viewer.ask("OPTIONS", "/cam/001")[1]["public"].startswith("OPTIONS, DESCRIBE")
    assert viewer.ask("SETUP", "/cam/001/trackID=0", "Transport: RTP/AVP;multicast;port=5000-5001")[0] == 461
    assert viewer.ask("SETUP", "/cam/001/trackID=0", "Transport: RTP/AVP/TCP;interleaved=999-1000")[0] == 461
    assert viewer.ask("PLAY", "/cam/001", "Session: none")[0] == 454
    assert viewer.ask("RECORD", "/cam/001")[0] == 501
    viewer.play()
    assert viewer.ask("SETUP", "/cam/001/trackID=0", "Transport: RTP/AVP/TCP;interleaved=2-3")[0] == 455
    stranger = Viewer(server.server.port)
    stranger.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert stranger.socket.recv(100).startswith(b"RTSP/1.0 400")
    assert stranger.socket.recv(100) == b""


@pytest.mark.slow
def test_a_viewer_who_is_silent_for_too_long_is_cut_off(running: Running, numbered: Feed) -> None:
    server = running([camera(numbered)], session_timeout=1.0)
    viewer, alive = Viewer(server.server.port), Viewer(server.server.port)
    viewer.play()
    alive.play()
    with pytest.raises(ConnectionResetError):
        viewer.read_on(lambda: alive.ask("OPTIONS", "/cam/001"))
    assert alive.ask("GET_PARAMETER", "/cam/001", f"Session: {alive.session}")[0] == 200


@pytest.mark.slow
def test_a_slow_viewer_loses_whole_pictures_and_memory_stays_bounded(
    running: Running, numbered_clip: Callable[..., Path], feed: Callable[[Path], Feed]
) -> None:
    large = feed(numbered_clip(width=640, height=360, fps=15, seconds=4, group_seconds=1, bits_per_second=2_000_000))
    slow_camera = camera(large)
    server = running([slow_camera], window=100_000, send_buffer=8192)
    viewer = Viewer(server.server.port, window=8192)
    viewer.play()
    deadline = time.monotonic() + 20
    while slow_camera.pictures_dropped < 5 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert slow_camera.pictures_dropped >= 5
    (connection,) = server.server._connections
    assert len(connection._unsent) <= 100_000 + large.track.largest
    holes, last, started_after_hole, marked = 0, None, [], True
    for _ in range(1500):
        channel, packet = viewer.packet()
        if channel:
            continue
        number = int.from_bytes(packet[2:4], "big")
        if last is not None and number != (last + 1) & 0xFFFF:
            holes += 1
            assert marked, "the picture before a hole is whole"
            started_after_hole.append(packet[12] & 31)
        last, marked = number, bool(packet[1] & 128)
    assert holes >= 1
    assert set(started_after_hole) == {24}, "after a hole a key frame with its parameter sets comes first"


@pytest.mark.slow
def test_a_dropped_camera_hangs_up_and_refuses_until_it_heals_by_itself(running: Running, numbered: Feed) -> None:
    first, second = camera(numbered), camera(numbered, 2)
    server = running([first, second])
    viewer, other = Viewer(server.server.port), Viewer(server.server.port)
    viewer.play()
    other.play("/cam/002")
    server.do(server.server.break_cameras([first], "drop", 2.0))
    with pytest.raises(ConnectionResetError):
        viewer.read_on()
    with pytest.raises(ConnectionResetError):
        Viewer(server.server.port).ask("DESCRIBE", "/cam/001")
    other.packet()
    deadline = time.monotonic() + 10
    while first.faults and time.monotonic() < deadline:
        time.sleep(0.1)
    assert Viewer(server.server.port).ask("DESCRIBE", "/cam/001")[0] == 200


@pytest.mark.slow
def test_a_frozen_camera_answers_and_sends_nothing(running: Running, numbered: Feed) -> None:
    frozen = camera(numbered)
    server = running([frozen])
    server.do(server.server.break_cameras([frozen], "freeze"))
    viewer = Viewer(server.server.port)
    viewer.play()
    viewer.socket.settimeout(1.0)
    with pytest.raises(TimeoutError):
        viewer.more()
    assert viewer.ask("GET_PARAMETER", "/cam/001", f"Session: {viewer.session}")[0] == 200
    server.restore(frozen)
    viewer.socket.settimeout(5)
    pictures = (packet for channel, packet in iter(viewer.packet, None) if channel == 0)
    assert next(pictures)[12] & 31 == 24


@pytest.mark.slow
def test_a_covered_lens_gives_black_pictures_of_the_same_size_and_then_the_scene_again(
    running: Running, numbered: Feed
) -> None:
    covered = camera(numbered)
    server = running([covered])
    seen = []
    options = {"rtsp_transport": "tcp"}
    with av.open(server.url("/cam/001"), options=options, timeout=10) as container:
        for index, frame in enumerate(container.decode(video=0)):
            luma = np.frombuffer(frame.planes[0], np.uint8)
            seen.append((frame.width, frame.height, float(luma.mean()) < 20))
            if index == 20:
                server.do(server.server.break_cameras([covered], "black"))
            if index == 70:
                server.restore(covered)
            if index == 120:
                break
    assert {(width, height) for width, height, _ in seen} == {(640, 360)}
    assert not any(black for _, _, black in seen[:21])
    assert all(black for _, _, black in seen[56:70])
    assert not any(black for _, _, black in seen[105:])


@pytest.mark.slow
def test_a_port_that_is_taken_is_said_plainly(running: Running, numbered: Feed) -> None:
    server = running([camera(numbered)])
    with pytest.raises(VonggacError, match="Choose another with --port"):
        running([camera(numbered)], port=server.server.port)


# Datagrams


@pytest.mark.slow
def test_ffmpeg_records_over_udp_without_losing_a_picture(
    running: Running, numbered: Feed, tmp_path: Path, read_numbers: Callable[[Path], list[int]]
) -> None:
    server = running([camera(numbered)], credentials=Credentials("viewer", "secret"))
    url = server.url("/cam/001", "viewer:secret")
    found = ffmpeg("-rtsp_transport", "udp", "-i", url, "-t", "6", "-c", "copy", "-y", str(tmp_path / "out.mp4"))
    assert "missed" not in found.stderr
    numbers = read_numbers(tmp_path / "out.mp4")
    assert len(numbers) >= 75
    assert numbers == [(numbers[0] + index) % len(numbered.track.pictures) for index in range(len(numbers))]


class DatagramViewer(Viewer):
    """A socket pair of its own, to see each datagram and where it comes from."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.pair = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for one in self.pair:
            one.bind(("127.0.0.1", 0))
            one.settimeout(5)

    def play_datagrams(self) -> str:
        ports = "-".join(str(one.getsockname()[1]) for one in self.pair)
        transport = f"Transport: RTP/AVP/UDP;unicast;client_port={ports}"
        status, headers, _ = self.ask("SETUP", "/cam/001/trackID=0", transport)
        assert status == 200
        self.session = headers["session"].partition(";")[0]
        assert self.ask("PLAY", "/cam/001", f"Session: {self.session}")[0] == 200
        return headers["transport"]


@pytest.mark.slow
def test_datagrams_come_from_the_ports_that_were_told_and_reports_from_the_second(
    running: Running, numbered: Feed
) -> None:
    server = running([camera(numbered)])
    viewer = DatagramViewer(server.server.port)
    told = re.search(r"server_port=(\d+)-(\d+)", viewer.play_datagrams())
    assert told
    assert int(told[1]) % 2 == 0
    packet, sender = viewer.pair[0].recvfrom(2048)
    assert (packet[0], packet[1] & 127, sender[1]) == (0x80, 96, int(told[1]))
    report, sender = viewer.pair[1].recvfrom(2048)
    assert (report[1], sender[1]) == (200, int(told[2]))
    numbers = [int.from_bytes(viewer.pair[0].recv(2048)[2:4], "big") for _ in range(100)]
    assert numbers == [(numbers[0] + index) & 0xFFFF for index in range(100)]


@pytest.mark.slow
def test_a_viewer_of_datagrams_lives_by_its_reports_and_ends_with_its_connection(
    running: Running, numbered: Feed
) -> None:
    watched = camera(numbered)
    server = running([watched], session_timeout=1.0)
    alive, silent = DatagramViewer(server.server.port), DatagramViewer(server.server.port)
    for viewer in (alive, silent):
        told = re.search(r"server_port=\d+-(\d+)", viewer.play_datagrams())
        assert told
    deadline = time.monotonic() + 30
    while watched.viewers > 1 and time.monotonic() < deadline:
        alive.pair[1].sendto(b"\x80\xc9\0\x01abcd", ("127.0.0.1", int(told[1])))
        time.sleep(0.1)
    assert watched.viewers == 1
    assert silent.socket.recv(10) == b""
    alive.socket.close()
    while watched.viewers and time.monotonic() < deadline:
        time.sleep(0.05)
    assert watched.viewers == 0


# Faults on the wire


@pytest.mark.slow
def test_lost_packets_are_missing_in_the_numbers_and_the_rest_is_whole(running: Running, numbered: Feed) -> None:
    ill = camera(numbered)
    server = running([ill])
    server.do(server.server.break_cameras([ill], "loss", share=0.3, burst=2))
    viewer = Viewer(server.server.port)
    viewer.play()
    numbers: list[int] = []
    while len(numbers) < 200:
        channel, packet = viewer.packet()
        if channel == 0:
            numbers.append(int.from_bytes(packet[2:4], "big"))
    steps = [(after - before) & 0xFFFF for before, after in pairwise(numbers)]
    assert min(steps) == 1
    assert sum(steps) > 220


@pytest.mark.slow
def test_a_changed_size_reaches_a_viewer_in_mid_stream_and_a_new_one_from_the_start(
    running: Running, numbered: Feed
) -> None:
    changed = camera(numbered)
    server = running([changed])
    sizes = []
    with av.open(server.url("/cam/001"), options={"rtsp_transport": "tcp"}, timeout=10) as container:
        for index, frame in enumerate(container.decode(video=0)):
            sizes.append((frame.width, frame.height))
            if index == 20:
                server.do(server.server.break_cameras([changed], "parameters"))
            if index == 70:
                break
    assert sizes[:20] == [(640, 360)] * 20
    assert sizes[60:] == [(320, 180)] * 11
    with av.open(server.url("/cam/001"), options={"rtsp_transport": "tcp"}, timeout=10) as container:
        assert next(container.decode(video=0)).width == 320


@pytest.mark.slow
def test_garbage_and_a_half_closed_connection_end_as_foreign_viewers_expect(running: Running, numbered: Feed) -> None:
    ill = camera(numbered)
    server = running([ill])
    viewer = Viewer(server.server.port)
    viewer.play()
    server.do(server.server.break_cameras([ill], "garbage"))
    kept = b""
    while len(kept) < 100_000:
        kept += viewer.socket.recv(1 << 16)
    assert len(set(kept[-1000:])) > 200
    server.restore(ill)
    server.do(server.server.break_cameras([ill], "half-close"))
    other = Viewer(server.server.port)
    other.play()
    with pytest.raises(ConnectionResetError):
        other.read_on()
    other.socket.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n")
    assert other.socket.recv(100) == b""
    assert ill.viewers == 1


@pytest.mark.slow
def test_without_power_a_street_hangs_silently_and_is_reset_when_it_is_back(running: Running, numbered: Feed) -> None:
    street = [camera(numbered, number) for number in (1, 2)]
    other = camera(numbered, 3)
    server = running([*street, other], session_timeout=1.0)
    viewers = [Viewer(server.server.port) for _ in range(3)]
    for number, viewer in enumerate(viewers, 1):
        viewer.play(f"/cam/{number:03}")
    server.do(server.server.break_cameras(street, "power-cut"))
    with pytest.raises(ConnectionResetError):
        viewers[2].read_on()  # times out, as this test never says that it is still there
    for viewer in viewers[:2]:
        viewer.socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            viewer.read_on()
    server.restore(*street)
    for viewer in viewers[:2]:
        with pytest.raises(ConnectionResetError, match="reset by peer"):
            viewer.ask("GET_PARAMETER", "/cam/001")
    assert Viewer(server.server.port).ask("DESCRIBE", "/cam/001")[0] == 200


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "status"), [("refuse", 503), ("unauthorised", 401)])
def test_a_camera_that_lets_nobody_in_says_why(running: Running, numbered: Feed, kind: str, status: int) -> None:
    ill = camera(numbered)
    server = running([ill])
    viewer = Viewer(server.server.port)
    viewer.play()
    server.do(server.server.break_cameras([ill], kind))
    answer = Viewer(server.server.port).ask("DESCRIBE", "/cam/001")
    assert answer[0] == status
    assert ("www-authenticate" in answer[1]) == (status == 401)
    if kind == "refuse":
        assert viewer.ask("GET_PARAMETER", "/cam/001")[0] == 200
        return
    with pytest.raises(ConnectionResetError):
        viewer.read_on()


@pytest.mark.slow
def test_a_camera_with_few_sessions_is_full_of_dead_ones_until_they_time_out(running: Running, numbered: Feed) -> None:
    full = camera(numbered)
    server = running([full], session_timeout=2.0)
    server.do(server.server.break_cameras([full], "sessions", limit=2))
    transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
    for _ in range(2):
        viewer = Viewer(server.server.port)
        viewer.play()
        viewer.socket.close()
    deadline = time.monotonic() + 30
    while full.sessions and time.monotonic() < deadline:
        time.sleep(0.02)
    assert Viewer(server.server.port).ask("SETUP", "/cam/001/trackID=0", transport)[0] == 453
    while time.monotonic() < deadline:
        if Viewer(server.server.port).ask("SETUP", "/cam/001/trackID=0", transport)[0] == 200:
            return
        time.sleep(0.2)
    pytest.fail("the dead sessions never timed out")


@pytest.mark.slow
def test_a_silent_camera_takes_connections_and_answers_nothing(running: Running, numbered: Feed) -> None:
    ill = camera(numbered)
    server = running([ill])
    server.do(server.server.break_cameras([ill], "silent"))
    viewer = Viewer(server.server.port)
    viewer.socket.settimeout(1.0)
    with pytest.raises(TimeoutError):
        viewer.ask("DESCRIBE", "/cam/001")


@pytest.mark.slow
def test_a_slow_camera_still_answers_between_its_packets(running: Running, numbered: Feed) -> None:
    ill = camera(numbered)
    server = running([ill])
    server.do(server.server.break_cameras([ill], "slow", rate=200))
    viewer = Viewer(server.server.port)
    viewer.play()
    time.sleep(1.5)
    assert viewer.ask("GET_PARAMETER", "/cam/001")[0] == 200
    server.restore(ill)
    for _ in range(60):
        assert viewer.packet()[0] in (0, 1)
