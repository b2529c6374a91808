"""102 cameras recorded by Vọng Gác and by one ffmpeg a camera: CPU time, memory, and whether a picture is missing.

GStreamer's RTSP server plays clips with numbered pictures on loopback; both recorders write to the same disk, in turns.
After a warm-up the whole process tree of each is counted for half a minute; then every file is read back.

    python -m bench.recording                                   as in the table: ffmpeg and Vọng Gác, in both orders
    python -m bench.recording --only vonggac --cameras 20       to profile one of them; nothing is written down
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.centre import (
    FOLDER,
    BenchmarkFailed,
    Centre,
    count_pictures,
    files_of_cameras,
    wait_for_pictures,
    work_folder,
)
from bench.process_tree import proportional_bytes, stop
from bench.results import Result, tell
from bench.spending import Spending, spending
from peers.gst import GstCamera
from peers.material import find
from peers.numbered import NumberedClip, rendered

GROUP = "recording"
CLIP = NumberedClip(width=1280, height=720, fps=15, seconds=64, group_seconds=2, bits_per_second=2_000_000)

CPU_SHARE, MEMORY_SHARE = 6, 8
"""At most 1/6 of ffmpeg's CPU time and 1/8 of its memory."""


@dataclass(frozen=True)
class Load:
    """What is recorded, and for how long it is counted."""

    cameras: int = 102
    warm_up_s: float = 10.0
    seconds: float = 30.0


@dataclass(frozen=True)
class Measured:
    """One recorder in one round."""

    recorder: str
    spent: Spending
    memory_mb: float
    start_s: float
    """From the first process to pictures of every camera on disk."""
    files: int
    checked: int
    """Cameras whose pictures were read back."""
    pictures: int
    missing: int
    """Places between the first and the last picture of a camera where some are missing."""
    fewest: int
    """Pictures of the camera that has the fewest."""


def measure(recorder: str, load: Load, folder: Path, server: GstCamera) -> Measured:
    """Run one recorder on an empty folder for the load's time, then read back what it wrote."""
    folder.mkdir(parents=True)
    began = time.monotonic()
    running = {"ffmpeg": _ffmpeg, "vonggac": _vonggac}[recorder]
    with running(load, folder, server) as started:
        roots = [process.pid for process in started]
        wait_for_pictures(lambda: _files_of_cameras(recorder, folder), load.cameras, started, folder / "log")
        start_s = time.monotonic() - began
        time.sleep(load.warm_up_s)
        spent = spending(roots, [server.pid], load.seconds)
        memory = proportional_bytes(roots)
    cameras = _files_of_cameras(recorder, folder)
    if len(cameras) != load.cameras:
        raise BenchmarkFailed(f"{recorder} wrote files of {len(cameras)} cameras instead of {load.cameras}.")
    # Peers are sampled: what matters is that they did the same work.
    checked = cameras if recorder == "vonggac" else cameras[::10]
    counts = count_pictures(checked, CLIP.pictures)
    return Measured(
        recorder,
        spent,
        memory_mb=memory / 1e6,
        start_s=start_s,
        files=sum(len(files) for files in cameras),
        checked=len(checked),
        pictures=sum(pictures for pictures, _ in counts),
        missing=sum(missing for _, missing in counts),
        fewest=min(pictures for pictures, _ in counts),
    )


@contextmanager
def _ffmpeg(load: Load, folder: Path, server: GstCamera) -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(1, load.cameras + 1):
            (folder / f"{number:04}").mkdir()
            source = ["-nostdin", "-loglevel", "quiet", "-rtsp_transport", "tcp", "-i", server.url(number)]
            sink = ["-c", "copy", "-f", "segment", "-segment_time", "10", "-segment_format", "mp4"]
            command = ["ffmpeg", *source, *sink, str(folder / f"{number:04}" / "%04d.mp4")]
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        yield started
    finally:
        stop(started)


@contextmanager
def _vonggac(load: Load, folder: Path, server: GstCamera) -> Iterator[list[subprocess.Popen[bytes]]]:
    with Centre(folder, [server.url(number) for number in range(1, load.cameras + 1)]) as centre:
        yield [centre.process]


def _files_of_cameras(recorder: str, folder: Path) -> list[list[Path]]:
    if recorder == "vonggac":
        return files_of_cameras(folder / "data")
    return [files for camera in sorted(folder.glob("[0-9]*")) if (files := sorted(camera.glob("*.mp4")))]


def results(quick: bool) -> list[Result]:
    """Measure both recorders in two rounds of opposite order (once and shortly when `quick`)."""
    load = Load(cameras=10, warm_up_s=3, seconds=10) if quick else Load()
    rounds = [("ffmpeg", "vonggac")] if quick else [("ffmpeg", "vonggac"), ("vonggac", "ffmpeg")]
    return compared(load, run(load, rounds, FOLDER))


def run(load: Load, rounds: Sequence[Sequence[str]], folder: Path, *, kept: bool = False) -> list[Measured]:
    """Measure the recorders of each round in its order; their files are deleted after they were read back."""
    clip = rendered(CLIP, find().cache)
    measured = []
    with GstCamera([clip], mounts=load.cameras) as server:
        for number, order in enumerate(rounds, 1):
            for recorder in order:
                with work_folder(f"{recorder}-{number}", folder, kept=kept) as work:
                    measured.append(measure(recorder, load, work / "recorded", server))
                print(_line(measured[-1], load), file=sys.stderr, flush=True)
    return measured


def compared(load: Load, measured: Sequence[Measured]) -> list[Result]:
    """Return the table of the issue from the rounds: means, ffmpeg as the peer."""
    if broken := [one for one in measured if one.spent.ended]:
        raise BenchmarkFailed(
            f"{broken[0].spent.ended} processes of {broken[0].recorder} ended while they were measured."
        )
    ours = [one for one in measured if one.recorder == "vonggac"]
    peers = [one for one in measured if one.recorder == "ffmpeg"]
    cpu, peer_cpu = (statistics.mean(one.spent.cpu_s for one in side) for side in (ours, peers))
    memory, peer_memory = (statistics.mean(one.memory_mb for one in side) for side in (ours, peers))
    server = statistics.mean(one.spent.server_cpu_s for one in measured)
    noise = max((one.spent for one in measured), key=lambda spent: spent.other_cpu_s).noise()
    what = f"{load.cameras} cameras, 720p15, 2 Mbit/s"
    return [
        Result(
            f"{what}: CPU in {load.seconds:g} s",
            cpu,
            "CPU-s",
            target=peer_cpu / CPU_SHARE,
            peer=peer_cpu,
            note=f"1/{peer_cpu / cpu:.1f} of one ffmpeg a camera; must reach 1/{CPU_SHARE}. Rounds: "
            f"{_each(one.spent.cpu_s for one in ours)} against {_each(one.spent.cpu_s for one in peers)}. "
            f"Last round by process: {ours[-1].spent.parts}. GStreamer's server: {server:.1f} CPU-s.{noise}",
        ),
        Result(
            f"{what}: memory (PSS)",
            memory,
            "MB",
            target=peer_memory / MEMORY_SHARE,
            peer=peer_memory,
            note=f"1/{peer_memory / memory:.1f} of one ffmpeg a camera; must reach 1/{MEMORY_SHARE}. Rounds: "
            f"{_each(one.memory_mb for one in ours)} against {_each(one.memory_mb for one in peers)}.",
        ),
        Result(
            f"{what}: holes between first and last picture on disk",
            sum(one.missing for one in ours),
            "holes",
            target=0,
            peer=sum(one.missing for one in peers),
            note=f"{sum(one.pictures for one in ours):,} pictures of all {load.cameras} cameras read back by number, "
            f"fewest of a camera in a round {min(one.fewest for one in ours)}; of ffmpeg every tenth camera, "
            f"{sum(one.pictures for one in peers):,} pictures.",
        ),
        Result(
            f"{what}: from start to pictures of every camera on disk",
            statistics.mean(one.start_s for one in ours),
            "s",
            peer=statistics.mean(one.start_s for one in peers),
            note="`init` and the import of the cameras included.",
        ),
    ]


def _each(figures: Iterable[float]) -> str:
    return ", ".join(f"{figure:.1f}" for figure in figures)


def _line(one: Measured, load: Load) -> str:
    spent = one.spent
    return (
        f"{one.recorder}: {load.cameras} cameras, {spent.cpu_s:.2f} CPU-s in {load.seconds:g} s ({spent.parts}), "
        f"{one.memory_mb:.0f} MB; server {spent.server_cpu_s:.2f} CPU-s, others {spent.other_cpu_s:.2f} CPU-s; "
        f"pictures after {one.start_s:.1f} s; {one.files} files, {one.pictures} pictures of {one.checked} cameras read "
        f"back, fewest {one.fewest}, {one.missing} holes"
        + (f"; {spent.ended} PROCESSES ENDED MEANWHILE" if spent.ended else "")
    )


def main() -> None:
    """Measure as the options say; what is not the measurement of the table is only printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["ffmpeg", "vonggac"], help="this recorder alone")
    parser.add_argument("--order", default="ffmpeg,vonggac", help="the order in the first round; the next one turns it")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cameras", type=int, default=Load.cameras)
    parser.add_argument("--seconds", type=float, default=Load.seconds, help="how long is counted")
    parser.add_argument("--warm-up", type=float, default=Load.warm_up_s, help="seconds before that")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="on the disk that is recorded to")
    parser.add_argument("--keep", action="store_true", help="leave the recorded files there")
    chosen = parser.parse_args()
    load = Load(chosen.cameras, chosen.warm_up, chosen.seconds)
    if chosen.only:
        run(load, [[chosen.only]] * chosen.rounds, chosen.folder, kept=chosen.keep)
        return
    order = chosen.order.split(",")
    rounds = [order if number % 2 == 0 else order[::-1] for number in range(chosen.rounds)]
    found = compared(load, run(load, rounds, chosen.folder, kept=chosen.keep))
    tell(GROUP, found, whole=load == Load())


if __name__ == "__main__":
    main()
