"""Sound from GStreamer's server to file and clip: where its unit says so, beside the pictures, at their time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
import sqlalchemy as sa

from peers import sound as peer
from vonggac.core.clock import utc
from vonggac.video.models import CameraStatus
from vonggac.video.mp4 import scan

pytestmark = pytest.mark.slow

FPS = 15
LOOP_S = 10
FRAME_S = peer.FRAME / peer.RATE


def unit_sound(centre: Any, wanted: str) -> None:
    centre.command("unit", "edit", "root", "--audio", wanted, "--data", str(centre.path))


def files(centre: Any, *, audio: str) -> list[tuple[Path, Any]]:
    found = [(centre.path / "media" / row.path, row) for row in centre.recordings()]
    return [(path, row) for path, row in found if row.audio == audio]


def parts_between(path: Path, read_numbers: Callable[[Path], list[int]]) -> list[float]:
    """Return how much later each beep is heard than the picture of that moment is seen, in seconds."""
    with av.open(str(path)) as source:
        first = float(min(frame.pts * frame.time_base for frame in itertools.islice(source.decode(video=0), 20)))
    begins = first - read_numbers(path)[0] / FPS  # on the file's clock, when the camera began to play its clip
    # A decoder needs the frame before: of the first one in a file it makes half.
    beeps = [at - begins for at in peer.beeps_heard(path) if at > first + 2 * FRAME_S]
    return [at - round(at) for at in beeps]


def assert_no_sound_is_missing(run: list[tuple[Path, Any]]) -> None:
    """From the first picture of a run on, frame follows frame to the sample, also from file to file."""
    frames: list[tuple[int, int]] = []
    for path, _ in run:
        with av.open(str(path)) as source:
            track = source.streams.audio[0]
            assert track.time_base == Fraction(1, peer.RATE)
            frames += [(packet.pts, packet.duration) for packet in source.demux(track) if packet.size]
    first, last = run[0][1], run[-1][1]
    ends = [
        (begins / peer.RATE, lasts, following - begins)
        for (begins, lasts), (following, _) in itertools.pairwise(frames)
    ]
    assert [one for one in ends if one[1:] != (peer.FRAME, peer.FRAME)] == []
    assert abs(frames[0][0] / peer.RATE - first.media_start / 90_000) <= FRAME_S
    # What the camera had not sent yet when the recorder was told to stop: its encoder's delay, and on a busy machine
    # what its thread of sound was behind.
    pictures_end_s = (last.media_start + last.media_duration) / 90_000
    assert abs((frames[-1][0] + peer.FRAME) / peer.RATE - pictures_end_s) < 0.5


def assert_sound_fits(path: Path, judge: Any, read_numbers: Callable[[Path], list[int]]) -> None:
    assert judge.complaints(path) == ""
    apart = parts_between(path, read_numbers)
    assert apart
    assert -0.05 <= min(apart) <= max(apart) <= 0.05, apart


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_sound_switched_on_is_in_the_recordings_from_then_on_and_in_a_clip(
    centre: Any, gst_server: Any, numbered_clip: Any, read_numbers: Any, judge: Any, tmp_path: Path, transport: str
) -> None:
    clip = numbered_clip(width=320, height=180, seconds=LOOP_S, bits_per_second=300_000)
    server = gst_server([clip], sound="aac", udp=True)
    centre.command("camera", "add", "Cổng", server.url(), "--transport", transport, "--data", str(centre.path))
    centre.start()
    centre.wait_until(lambda: centre.finished() >= 1, "a recording without sound")
    unit_sound(centre, "yes")
    centre.wait_until(lambda: len(files(centre, audio="mp4a.40.2")) >= 3, "three recordings with sound")
    with centre.database.read() as session:
        assert session.scalar(sa.select(CameraStatus.audio)) == "recorded: AAC, 16000 Hz, mono"
    assert centre.end() == 0
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()

    for path, _ in files(centre, audio=""):
        with path.open("rb") as file:
            assert scan(file).init.sound is None
        assert judge.plays(path)
    spoken = files(centre, audio="mp4a.40.2")
    for path, _ in spoken:
        assert_sound_fits(path, judge, read_numbers)
    for _, run in itertools.groupby(spoken, lambda one: one[1].run):
        assert_no_sound_is_missing(list(run))
    for path, _ in [*files(centre, audio=""), *spoken]:
        numbers = read_numbers(path)
        pairs = itertools.pairwise(numbers)
        assert all(after == (before + 1) % (LOOP_S * FPS) for before, after in pairs), "picture for picture"

    start_us, end_us = spoken[0][1].start_us, spoken[1][1].end_us
    out = tmp_path / "clip.mp4"
    begin, end = (f"{utc(at):%Y-%m-%d %H:%M:%S}Z" for at in (start_us + 1_000_000, end_us))
    centre.command("clip", "1", "--from", begin, "--to", end, "-o", str(out), "--data", str(centre.path))
    assert_sound_fits(out, judge, read_numbers)
    # What came after the last picture of the clip stands in the group behind it.
    assert judge.duration(out) - 1 < peer.sound_seconds(out) < judge.duration(out) + FRAME_S


def test_sound_in_another_form_is_left_out_and_said_so(centre: Any, gst_server: Any, numbered_clip: Any) -> None:
    clip = numbered_clip(width=320, height=180, seconds=LOOP_S, bits_per_second=300_000)
    server = gst_server([clip], sound="pcma")
    centre.add_camera("Cổng", server.url())
    unit_sound(centre, "yes")
    centre.start()
    centre.wait_until(lambda: centre.finished() >= 1, "a recording without sound")
    shown = centre.command("camera", "show", "1", "--data", str(centre.path))
    assert "audio PCMA left out: only AAC (MPEG4-GENERIC) is recorded" in shown
    assert centre.end() == 0
    assert {row.audio for row in centre.recordings()} == {""}
    assert centre.said().count('"sound is left out"') == 1
    centre.assert_index_and_disk_agree()
