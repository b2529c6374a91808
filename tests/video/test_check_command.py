"""`vonggac camera check` against a foreign camera, and against servers that fail in each way that cameras do."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from vonggac.cli import front_door

pytestmark = pytest.mark.slow
SECRET = "bi/mat:1@x"
IN_ADDRESS = quote(SECRET, safe="")
OPTIONS = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: Old camera\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n"


def described(*lines: str) -> str:
    body = "\r\n".join(["v=0", *lines, ""])
    return f"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: {len(body)}\r\n\r\n{body}"


def check(*words: object) -> Result:
    """Run the command; whatever it says, it holds no password."""
    done = CliRunner().invoke(front_door, ["camera", "check", *(str(word) for word in words)], prog_name="vonggac")
    assert SECRET not in done.output
    assert IN_ADDRESS not in done.output
    return done


@pytest.fixture
def camera(gst_server: Callable[..., Any], numbered_clip: Callable[..., Path]) -> Any:
    clip = numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=400_000)
    return gst_server([clip], user="admin", password=SECRET)


@pytest.fixture
def answering() -> Iterator[Callable[..., str]]:
    """`answering(reply, ...)`: the address of a server that gives these replies, then says nothing (or hangs up)."""
    with contextlib.ExitStack() as running:

        def start(*replies: str, hang_up: bool = False) -> str:
            listener = running.enter_context(socket.create_server(("127.0.0.1", 0)))
            threading.Thread(target=_serve, args=(listener, replies, hang_up), daemon=True).start()
            return f"rtsp://admin:{IN_ADDRESS}@127.0.0.1:{listener.getsockname()[1]}/live"

        yield start


def _serve(listener: socket.socket, replies: tuple[str, ...], hang_up: bool) -> None:
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(30)
            for reply in replies:
                connection.recv(65_536)
                connection.sendall(reply.encode())
            while not hang_up and connection.recv(65_536):
                pass


def test_a_good_camera_is_told_step_by_step_and_in_plain_words(camera: Any, tmp_path: Path) -> None:
    picture = tmp_path / "first.jpg"
    done = check(camera.url(1), "--seconds", 4, "--picture", picture)
    assert done.exit_code == 0, done.output
    steps = [line for line in done.output.splitlines() if line.startswith("✓")]
    assert [step.split()[1] for step in steps] == ["Connected", "Logged", "Described:", "Playing", "The", "Watched"]
    assert "Logged in (Digest MD5)" in done.output
    for words in (
        "GStreamer RTSP server",
        "H.264 Constrained Baseline, level 1.3 (avc1.42C00D)",
        "320 × 180",
        "15 a second declared",
        "key frames  every 1.00 s",
        "none lost",
        "B-frames    no",
        "This camera can be recorded",
    ):
        assert words in done.output
    assert picture.read_bytes()[:2] == b"\xff\xd8"
    assert "exists already" in check(camera.url(1), "--picture", picture).output


def test_a_camera_of_h265_is_told_as_one(
    gst_server: Callable[..., Any], numbered_clip: Callable[..., Path], tmp_path: Path
) -> None:
    clip = numbered_clip(width=320, height=180, codec="libx265", b_frames=2, bits_per_second=200_000)
    picture = tmp_path / "first.jpg"
    done = check(gst_server([clip]).url(), "--seconds", 4, "--picture", picture)
    assert done.exit_code == 0, done.output
    for words in ("H.265 Main, level 2.0 (hvc1.1.6.L60.90)", "320 × 180", "none lost", "This camera can be recorded"):
        assert words in done.output
    assert picture.read_bytes()[:2] == b"\xff\xd8"


def test_a_sub_stream_is_looked_at_beside_the_main_one(
    gst_server: Callable[..., Any], numbered_clip: Callable[..., Path]
) -> None:
    main = numbered_clip(width=640, height=360, fps=15, seconds=10, group_seconds=1, bits_per_second=600_000)
    small = numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=400_000)
    server = gst_server([main, small], user="admin", password=SECRET)
    base = f"rtsp://127.0.0.1:{server.port}"
    done = check(server.url(1), "--sub-url", f"{base}/cam/2", "--seconds", 3)
    assert done.exit_code == 0, done.output
    assert (
        "sub-stream  H.264 Constrained Baseline, 320 × 180, 15 pictures a second, a key frame every 1.0 s"
        in done.output
    )
    assert done.output.endswith("This camera can be recorded.\n")
    missing = check(server.url(1), "--sub-url", f"{base}/cam/9", "--seconds", 1)
    assert missing.exit_code == 0, "the main stream is what counts"
    assert "! Its sub-stream cannot be played: The camera has no such stream" in missing.output
    found = json.loads(check(server.url(1), "--sub-url", f"{base}/cam/2", "--seconds", 1, "--json").stdout)
    assert (found["sub_stream"]["usable"], found["sub_stream"]["findings"]["width"]) == (True, 320)
    alone = check(f"{base}/cam/9", "--sub-url", f"{base}/cam/2", "--seconds", 1)
    assert alone.exit_code == 1
    assert "sub-stream" not in alone.output


def test_a_program_reads_the_same_as_json(camera: Any, tmp_path: Path) -> None:
    password = tmp_path / "password.txt"
    password.write_text(SECRET)
    done = check(camera.open_url, "--user", "admin", "--password-file", password, "--seconds", 3, "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert (found["usable"], found["failure"], found["log_in"]) == (True, None, "Digest MD5")
    assert found["findings"]["width"] == 320
    assert 13 < found["findings"]["stamped_fps"] < 17
    assert [step["name"] for step in found["steps"]] == [
        "connect",
        "log-in",
        "description",
        "play",
        "picture",
        "measure",
    ]


@pytest.mark.parametrize(
    ("address", "reason", "says"),
    [
        (lambda camera: camera.url(1, password="another"), "unauthorised", "refuses this user name or password"),
        (lambda camera: camera.open_url, "unauthorised", "--user NAME --password-file FILE"),
        (lambda camera: camera.url(1) + "x", "not_found", "no such stream"),
    ],
)
def test_a_wrong_address_is_told_apart_from_a_wrong_password(
    camera: Any, address: Callable[[Any], str], reason: str, says: str
) -> None:
    done = check(address(camera))
    assert done.exit_code == 1
    assert says in done.output
    assert "✗" in done.output
    assert "cannot be recorded" in done.output
    done = check(address(camera), "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["failure"]["reason"] == reason


def test_where_nobody_listens_the_port_is_doubted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = check(f"rtsp://admin:{IN_ADDRESS}@127.0.0.1:{port}/live?password={IN_ADDRESS}")
    assert done.exit_code == 1
    assert "Nothing listens at" in done.output
    assert "Is the port right" in done.output


def test_a_server_that_answers_options_and_nothing_else_is_timed_out(
    answering: Callable[..., str],
) -> None:
    done = check(answering(OPTIONS))
    assert done.exit_code == 1
    assert "✓ Connected to 127.0.0.1" in done.output
    assert "takes our connection and then does not answer DESCRIBE (10 s)" in done.output
    assert "Old camera" in done.output


@pytest.mark.parametrize(
    ("replies", "reason", "says"),
    [
        (["HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"], "protocol", "A web server answers"),
        ([OPTIONS], "closed", "instead of answering"),
        (
            [OPTIONS, described("m=audio 0 RTP/AVP 8")],
            "unsupported",
            "There is no video at this address, only: audio PCMA",
        ),
        (
            [OPTIONS, described("m=video 0 RTP/AVP 96", "a=rtpmap:96 AV1/90000")],
            "unsupported",
            "The camera sends AV1",
        ),
    ],
)
def test_what_cannot_be_recorded_is_told_with_what_to_do(
    answering: Callable[..., str], replies: list[str], reason: str, says: str
) -> None:
    done = check(answering(*replies, hang_up=True), "--json")
    assert done.exit_code == 1
    failure = json.loads(done.stdout)["failure"]
    assert failure["reason"] == reason
    assert says in failure["message"]
    assert failure["advice"]


def test_a_camera_that_plays_and_sends_nothing_is_told_as_stalled(answering: Callable[..., str]) -> None:
    setup = "RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 7\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
    play = "RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 7\r\n\r\n"
    done = check(answering(OPTIONS, described("m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000"), setup, play))
    assert done.exit_code == 1
    assert "✓ Playing" in done.output
    assert "connected but sends no pictures" in done.output
    assert "another viewer" in done.output


def test_a_password_without_a_user_is_wrong_usage(tmp_path: Path) -> None:
    password = tmp_path / "password.txt"
    password.write_text(SECRET)
    done = check("rtsp://127.0.0.1/live", "--password-file", password)
    assert done.exit_code == 1
    assert "give --user too" in done.output


def test_a_camera_is_checked_over_udp_and_told_where_it_sends_only_so(
    gst_server: Callable[..., Any], numbered_clip: Callable[..., Path]
) -> None:
    clip = numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=400_000)
    camera = gst_server([clip], udp_only=True)
    done = check(camera.url(1), "--seconds", 3)
    assert done.exit_code == 1
    assert "--transport udp" in done.output
    done = check(camera.url(1), "--seconds", 3, "--transport", "udp")
    assert done.exit_code == 0, done.output
    assert "(RTP over UDP)" in done.output
    assert "none lost" in done.output


@pytest.fixture
def encrypted(gst_server: Callable[..., Any], numbered_clip: Callable[..., Path], tmp_path: Path) -> tuple[Any, str]:
    """A camera with a certificate of its own making, and that certificate's fingerprint by OpenSSL."""
    made = tmp_path / "camera.pem"
    openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Cong Bac"]
    subprocess.run([*openssl, "-keyout", "key.pem", "-out", "own.pem"], cwd=tmp_path, check=True, capture_output=True)
    made.write_bytes((tmp_path / "own.pem").read_bytes() + (tmp_path / "key.pem").read_bytes())
    said = subprocess.run(
        ["openssl", "x509", "-in", str(made), "-noout", "-fingerprint", "-sha256"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    clip = numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=400_000)
    return gst_server([clip], user="admin", password=SECRET, tls=made), said.stdout.partition("=")[2].strip()


def test_a_certificate_of_the_cameras_own_making_is_shown_with_how_to_believe_it(encrypted: tuple[Any, str]) -> None:
    camera, fingerprint = encrypted
    done = check(camera.url(1), "--seconds", 3)
    assert done.exit_code == 1
    assert "issued by nobody whom this machine trusts" in done.output
    assert f"fingerprint {fingerprint}" in done.output
    assert "CN=Cong Bac, signed by itself" in done.output
    assert "--tls-fingerprint" in done.output
    done = check(camera.url(1), "--seconds", 3, "--tls-fingerprint", fingerprint.lower().replace(":", ""))
    assert done.exit_code == 0, done.output
    assert "✓ Encrypted (TLSv1.3), believed by its pinned certificate" in done.output
    done = check(camera.url(1), "--seconds", 3, "--tls-fingerprint", fingerprint, "--json")
    found = json.loads(done.stdout)
    assert found["certificate"]["fingerprint"] == fingerprint
    assert "encryption" in [step["name"] for step in found["steps"]]


def test_another_certificate_than_the_pinned_one_is_shown_and_not_believed(encrypted: tuple[Any, str]) -> None:
    camera, fingerprint = encrypted
    done = check(camera.url(1), "--seconds", 3, "--tls-fingerprint", "AB" * 32, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["failure"]["reason"] == "untrusted"
    assert found["certificate"]["fingerprint"] == fingerprint


def test_what_does_not_go_together_is_refused_before_anything_is_asked() -> None:
    assert "travel open" in check("rtsps://192.0.2.1/a", "--transport", "udp").output
    assert "rtsps://" in check("rtsp://192.0.2.1/a", "--tls-fingerprint", "AB" * 32).output
    assert "64 hexadecimal digits" in check("rtsps://192.0.2.1/a", "--tls-fingerprint", "AB").output


def test_a_camera_that_is_full_is_told_with_how_to_make_room(answering: Callable[..., str]) -> None:
    setup = described("m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000")
    done = check(answering(OPTIONS, setup, "RTSP/1.0 453 Not Enough Bandwidth\r\nCSeq: 3\r\n\r\n"))
    assert done.exit_code == 1
    assert "no room for another viewer" in done.output
    assert "End other viewers of it" in done.output
