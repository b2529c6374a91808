"""How well the sizes of pictures tell that something happens: `python -m bench.activity`.

Clips of which it is known when something moves (real ones, and the bank front at night drawn here) are coded as cameras
are set: by quality, at a variable and at a constant bit rate; their groups go through the meter of the recorder.
Real clips are short and are played over and over, so that the meter knows what is usual.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import av
import numpy as np
from PIL import Image

from vonggac.sim.scenes import bank_front, buildings, figures, overlays
from vonggac.sim.scenes.drawing import Canvas, Light, Viewpoint
from vonggac.sim.scenes.figures import Place
from vonggac.video.activity.meter import WARM, News, SizeMeter

SECOND = 1_000_000
FPS, GROUP_S = 10, 2
WIDTH, HEIGHT = 640, 360
CODING = {
    "by quality": "-crf 26",
    "variable bit rate": "-b:v 600k -maxrate 900k -bufsize 1200k",
    "constant bit rate": "-b:v 400k -minrate 400k -maxrate 400k -bufsize 400k",
    "constant, filled up": "-b:v 400k -minrate 400k -maxrate 400k -bufsize 400k -x264-params nal-hrd=cbr",
}
NIGHT = "eq=brightness=-0.25,noise=alls=14:allf=t"
MOVES = 0.02
"""Share of the picture that must change from one to the next for something to move."""
Span = tuple[float, float]


@dataclass(frozen=True)
class Judged:
    """What the meter said of a clip, against what is known of it."""

    known: int
    found: int
    false: int
    share: float
    """Of the time that it called active."""


def judge(groups: Sequence[tuple[float, int, int]], known: Sequence[Span], rounds: int) -> Judged:
    """Play groups (seconds, bytes but the key frame's, the key frame's bytes) `rounds` times through the meter."""
    meter, said, at_us, bins = SizeMeter(), [], 0, 0
    length = sum(seconds for seconds, _, _ in groups)
    warm_us = 0
    for _ in range(rounds):
        for seconds, size, key in groups:
            until = at_us + round(seconds * SECOND)
            news = meter.add(size, key, round(seconds * 90_000), at_us, until)
            at_us, bins = until, bins + 1
            warm_us = at_us if bins == WARM else warm_us
            if news is News.BEGAN:
                said.append([meter.start_us, meter.end_us])
            elif news is News.GOES_ON:
                said[-1][1] = meter.end_us
    there = [
        ((begin + turn * length) * SECOND, (end + turn * length) * SECOND)
        for turn in range(rounds)
        for begin, end in known
    ]
    there = [span for span in there if span[0] > warm_us]
    found = sum(any(begin < span[1] + 3e6 and end > span[0] - 1e6 for begin, end in said) for span in there)
    false = sum(not any(begin < span[1] + 4e6 and end > span[0] - 2e6 for span in there) for begin, end in said)
    return Judged(len(there), found, false, sum(end - begin for begin, end in said) / at_us)


def groups_of(path: Path) -> list[tuple[float, int, int]]:
    """Return a file's groups as the meter takes them."""
    found: list[list[float]] = []
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        for packet in container.demux(track):
            if not packet.size or packet.dts is None:
                continue
            at = float(packet.dts * packet.time_base)
            if packet.is_keyframe:
                found.append([at, 0, packet.size])
            elif found:
                found[-1][1] += packet.size
            last = at
    ends = [group[0] for group in found[1:]] + [last + 0.1]
    return [(end - at, int(size), int(key)) for (at, size, key), end in zip(found, ends, strict=True)]


def moving(path: Path) -> list[Span]:
    """Return when something moves in a clip, by its decoded pictures; pauses up to 4 s belong to it."""
    before, spans = None, []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            grey = frame.reformat(96, 54, "gray").to_ndarray().astype(int)
            if before is not None and (abs(grey - before) > 12).mean() > MOVES:
                second = int(frame.time or 0)
                if spans and second - spans[-1][1] <= 4:
                    spans[-1][1] = second + 1
                else:
                    spans.append([second, second + 1])
            before = grey
    return [(begin, end) for begin, end in spans]


def coded(source: Path, to: Path, how: str, change: str = "") -> Path:
    """Code a clip as a camera would: no B-frames, a key frame every two seconds."""
    options = f"-an -r {FPS} -c:v libx264 -preset superfast -bf 0 -g {FPS * GROUP_S} -keyint_min {FPS * GROUP_S}"
    filters = ["-vf", change] if change else []
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", source, *filters, *options.split(), "-sc_threshold", "0"]
    subprocess.run([*command, *how.split(), "-y", to], check=True)
    return to


PASSES = ((100.0, 114.0, "walker"), (150.0, 156.0, "motorbike"), (190.0, 204.0, "walker"), (250.0, 256.0, "car"))
"""Who passes the bank at night, and when: in five minutes."""


def bank_at_night(seconds: int, noise: float, passes: Sequence[tuple[float, float, str]]) -> Iterator[np.ndarray]:
    """Yield the pictures (grey planes and colour, yuv420p) of the bank front at night with the sensor's noise."""
    view = Viewpoint(WIDTH, HEIGHT, (-1.5, 5.0, -5.0), 8, 3, 66)
    light = Light(ambient=0.2, sun=0.12, tint=(0.95, 0.92, 1.12))
    backdrop = Image.new("RGB", (WIDTH * 2, HEIGHT * 2))
    canvas = Canvas(backdrop, view.scaled(2), light)
    buildings.sky(canvas, (10, 14, 30), (34, 36, 56), Random(1), 0)
    buildings.ground(canvas, (96, 92, 90), -300, 300)
    bank_front.draw(canvas)
    for x in (-9.0, 9.0):
        overlays.pool_of_light(canvas, x, 11.0)
    backdrop = backdrop.reduce(2)
    chance = np.random.default_rng(1)
    grain = np.clip(chance.normal(0, noise, (HEIGHT + 64, WIDTH + 64)).round(), -15, 15).astype(np.int8)
    for number in range(seconds * FPS):
        at = number / FPS
        image = backdrop.copy()
        for begin, end, who in passes:
            if begin <= at < end:
                share = (at - begin) / (end - begin)
                place = Place(-22 + 44 * share, 10.0 if who == "walker" else 6.3, 90.0, at * 1.4)
                look = figures.Look((92, 138, 196), phase=1.0)
                figures.paint(getattr(figures, who), look, place, Canvas(image, view, light))
        frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24").reformat(format="yuv420p")
        planes = frame.to_ndarray().astype(np.uint8, copy=True)
        down, right = chance.integers(0, 64, 2)
        planes[:HEIGHT] += grain[down : down + HEIGHT, right : right + WIDTH].view(np.uint8)
        yield planes


def drawn(path: Path, seconds: int, noise: float, passes: Sequence[tuple[float, float, str]]) -> Path:
    """Draw the bank at night into a file without loss."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}"]
    command += ["-r", str(FPS), "-i", "-", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-y", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        for planes in bank_at_night(seconds, noise, passes):
            encoder.stdin.write(planes.tobytes())
        encoder.stdin.close()
    return path


def nanoseconds() -> float:
    """Return what the meter costs for each picture of a camera of 15 a second in groups of two seconds."""
    meters = [SizeMeter() for _ in range(102)]
    sizes = [200_000 + Random(7).randrange(40_000) for _ in range(997)]
    began = time.process_time_ns()
    for group in range(2000):
        at = group * 2 * SECOND
        for number, meter in enumerate(meters):
            meter.add(sizes[(group * 7 + number) % 997], 60_000, 180_000, at, at + 2 * SECOND)
    return (time.process_time_ns() - began) / (2000 * 102 * 30)


def main() -> None:
    """Print a table for docs/design/activity.md."""
    media = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared") / "media"
    print(f"{nanoseconds():.0f} ns a picture")
    print("| clip | coded | known | found | false | time active |\n|---|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        shop, street = media / "shop-person.mp4", media / "street-cars.mp4"
        clean = drawn(made / "clean.mp4", 300, 1.0, PASSES)
        night = drawn(made / "night.mp4", 300, 5.0, PASSES)
        still = drawn(made / "still.mp4", 300, 1.0, ())
        known = [(begin, end) for begin, end, _ in PASSES]
        for name, path, truth, rounds, change in (
            ("shop, persons (real)", shop, moving(shop), 4, ""),
            ("the same, dark and noisy", shop, moving(shop), 4, NIGHT),
            ("street, cars (real)", street, moving(street), 16, ""),
            ("bank front at night, little noise (drawn)", clean, known, 1, ""),
            ("the same, much noise", night, known, 1, ""),
            ("the same, little noise, nobody there", still, [], 1, ""),
        ):
            for how, options in CODING.items():
                groups = groups_of(coded(path, made / "coded.mp4", options, change))
                said = judge(groups, truth, rounds)
                print(f"| {name} | {how} | {said.known} | {said.found} | {said.false} | {said.share:.0%} |", flush=True)


if __name__ == "__main__":
    main()
