"""What one picture costs on its way from bytes to disk, in instructions: `python -m bench.hot_path` (needs valgrind).

A minute of interleaved RTP (`bench.depacketise`) is read in helpings of 200 ms; each stage does what the one before
does, and one thing more. Instructions do not depend on what else runs on the machine: each stage is run under callgrind
with a minute and with two, and the difference is what a minute costs.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from bench import REPOSITORY
from bench.depacketise import FPS, SETS, stream
from vonggac.video.index import HourSums
from vonggac.video.recorder.account import CameraAccount
from vonggac.video.recorder.anchor import Timebase
from vonggac.video.recorder.camera import TrackRecorder
from vonggac.video.recorder.fragments import FragmentBuilder
from vonggac.video.recorder.groups import Piece
from vonggac.video.recorder.live import LiveFeed
from vonggac.video.recorder.pipeline import RecordingPipeline
from vonggac.video.recorder.recording_file import RecordingFile
from vonggac.video.rtsp.address import CameraAddress
from vonggac.video.rtsp.h264 import H264Depacketiser
from vonggac.video.rtsp.session import RtspSession
from vonggac.video.stream import AccessUnit
from vonggac.video.volumes import MountedVolume

PAUSE_S = 0.2
BITS_PER_S = 2_000_000


class NullDisk:
    """A disk that takes everything and keeps nothing."""

    def append(self, descriptor: int, buffers: Sequence[object]) -> None:
        """Do nothing."""


class Pipeline:
    """In place of the threads: pieces are dropped, or made into fragments for the null disk at once."""

    def __init__(self, *, writing: bool) -> None:
        self._writing = writing
        self._disk = cast(Any, NullDisk())

    def has_room(self, volume: MountedVolume) -> bool:
        """Return that there is always room."""
        return True

    def begin(self, recording: RecordingFile) -> None:
        """Make ready to write, without a file."""
        recording._builder = FragmentBuilder(recording.origin_pts, recording.delay)
        recording.size = len(recording.head)

    def append(self, recording: RecordingFile, piece: Piece) -> bool:
        """Write a piece, or drop it."""
        if self._writing:
            recording.write(self._disk, piece)
        return True

    def finish(self, recording: RecordingFile, *times: object) -> None:
        """Forget it."""

    def change(self, work: object) -> None:
        """Forget it."""


def recorder(*, writing: bool) -> TrackRecorder:
    """Return what records one camera, with nothing behind it."""
    pipeline = cast(RecordingPipeline, Pipeline(writing=writing))
    account = CameraAccount(
        uuid.UUID(int=1), uuid.UUID(int=2), pipeline.change, due_from_us=0, covered_until_us=0, hours=HourSums()
    )
    volume = cast(MountedVolume, SimpleNamespace(id=uuid.UUID(int=3), path=Path("/nowhere")))
    timebase = Timebase(1_700_000_000_000_000, 0)
    return TrackRecorder(
        camera_id=uuid.UUID(int=1),
        camera_folder="camera",
        number=1,
        account=account,
        pipeline=pipeline,
        live=LiveFeed(lambda watched: None),
        choose_volume=lambda: volume,
        timebase=timebase,
        recording_s=60,
    )


def receiver(stage: str) -> Callable[[memoryview, int, int], int]:
    """Return what takes a helping (view, its end, the time) and says how much was used."""

    def ignored(unit: AccessUnit) -> None:
        pass

    if stage == "ground":
        return lambda view, end, now_ns: end
    if stage == "depacketise":
        depacketiser = H264Depacketiser(ignored, parameter_sets=SETS)
        return lambda view, end, now_ns: depacketiser.interleaved(view, 0, end, now_ns)
    hand_over: Callable[[AccessUnit], None] = ignored
    if stage != "session":
        hand_over = recorder(writing=stage == "write").add
    session = RtspSession(CameraAddress.parse("rtsp://camera/live"), on_access_unit=hand_over)
    session._depacketiser = H264Depacketiser(hand_over, parameter_sets=SETS)
    session.state = "playing"
    return session.receive


STAGES = {
    "ground": "the making of the stream, and the copying of helpings",
    "depacketise": "RTP packets into pictures",
    "session": "the session around it",
    "record": "TrackRecorder: groups, time, live cache; pieces dropped",
    "write": "fragments made of the pieces; nothing written",
}


def play(stage: str, minutes: int) -> int:
    """Play a camera through a stage; return the pictures."""
    take = receiver(stage)
    data = stream(BITS_PER_S, 60 * minutes)
    helping = int(BITS_PER_S / 8 * PAUSE_S)
    buffer = memoryview(bytearray(1 << 20))
    kept, now_ns = 0, 0
    for at in range(0, len(data), helping):
        part = data[at : at + helping]
        buffer[kept : kept + len(part)] = part
        end = kept + len(part)
        now_ns += int(PAUSE_S * 1e9)
        used = take(buffer, end, now_ns)
        buffer[: end - used] = bytes(buffer[used:end])
        kept = end - used
    return 60 * minutes * FPS


def instructions(stage: str, minutes: int) -> int:
    """Run a stage under callgrind; return the instructions of the whole process."""
    with tempfile.NamedTemporaryFile(prefix="callgrind-") as out:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", sys.executable]
        command += ["-m", "bench.hot_path", "--play", stage, "--minutes", str(minutes)]
        fixed = {**os.environ, "PYTHONHASHSEED": "0"}  # else dictionaries differ from run to run
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=1200, env=fixed)
    match = re.search(r"Collected : (\d+)|I\s+refs:\s+([\d,]+)", done.stderr)
    if done.returncode or match is None:
        raise SystemExit(f"callgrind says: {done.stderr[-500:]}")
    return int((match[1] or match[2]).replace(",", ""))


def main() -> None:
    """Print one line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--play", choices=STAGES, help="only play this stage, without callgrind (to profile it)")
    parser.add_argument("--minutes", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="with --play: show the calls by their time")
    chosen = parser.parse_args()
    if chosen.play and chosen.profile:
        import cProfile

        cProfile.run(f"play({chosen.play!r}, {chosen.minutes})", sort="tottime")
        return
    if chosen.play:
        play(chosen.play, chosen.minutes)
        return
    pictures, before = 60 * FPS, 0
    for stage, words in STAGES.items():
        spent = instructions(stage, 2) - instructions(stage, 1)
        more = f"{(spent - before) / pictures:+10,.0f}" if before else " " * 10
        print(f"{stage:<12} {more} instructions a picture: {words}", flush=True)
        before = spent


if __name__ == "__main__":
    main()
