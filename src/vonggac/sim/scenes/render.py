"""Rendered scenes as clips: drawn once, encoded as a camera would, kept in the user's cache.

The cache's key is made of the drawing code itself and of the parameters, so that a changed scene is rendered anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from queue import Empty

import av
import numpy as np
from PIL import Image

from vonggac.core.errors import VonggacError
from vonggac.core.process import end_with_parent
from vonggac.sim import encoding
from vonggac.sim.clips import Footage, read_clip
from vonggac.sim.plates import Vehicle
from vonggac.sim.scenes import gate, traffic
from vonggac.sim.scenes.drawing import Canvas
from vonggac.sim.scenes.places import HEIGHT, PLACES, WIDTH, Scene

SCENES = {**PLACES, "gate": gate.gate}
"""All that can be rendered as a loop, by name."""

SUB_WIDTH, SUB_HEIGHT = 640, 360
SUB_EVERY = 2
"""The sub-stream shows every second picture."""

UNUSED_DAYS = 30
"""A rendering that nobody used for so long is deleted from the cache."""

_FINER = 2  # the backdrop is drawn at twice the size and reduced: smooth edges
_NOISE_LIMIT = 15  # luma is 16 to 235, so that so much more or less never wraps around (ITU-R BT.601)

Progress = Callable[[int, int], None]
"""Is told how many pictures of how many are done."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How the scenes are rendered: a loop of `seconds` in closed groups of `group_s`; bit rates in bits a second."""

    fps: int = 15
    seconds: int = 24
    group_s: int = 2
    bit_rate: int = 1_200_000
    sub_bit_rate: int = 500_000

    def __post_init__(self) -> None:
        if self.fps < 1 or self.seconds % self.group_s or not 1 <= self.group_s <= self.seconds <= 120:
            raise ValueError("a loop is a whole number of groups, at most 120 s")

    @property
    def pictures(self) -> int:
        """Pictures in the loop."""
        return self.fps * self.seconds


@dataclass(frozen=True, slots=True)
class PassOf:
    """The pass of a vehicle before a plate camera, rendered as one group of pictures."""

    vehicle: Vehicle
    towards: bool

    @property
    def name(self) -> str:
        """What its files are called: by everything that is to be seen of the vehicle."""
        seen = hashlib.sha256(repr(self.vehicle).encode()).hexdigest()[:12]
        return f"pass-{seen}-{'towards' if self.towards else 'away'}"


def scenes_footage(
    names: Sequence[str],
    quality: Quality | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    passes: Sequence[PassOf] = (),
) -> dict[str, Footage]:
    """Return the scenes and passes by name, rendering what the cache lacks on all cores (a minute or two on two).

    Raises VonggacError when the cache cannot be written.
    """
    quality = quality or Quality()
    jobs: dict[str, PassOf | None] = dict.fromkeys(names) | {one.name: one for one in passes}
    folder = (cache or default_cache()) / _key(quality)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _render_missing(jobs, folder, quality, progress)
        _forget_unused(folder)
    except OSError as error:
        raise VonggacError(
            f"The rendered scenes cannot be kept in {folder}: {error.strerror}. Set XDG_CACHE_HOME to a folder that"
            " can be written."
        ) from error
    return {name: Footage(read_clip(folder / f"{name}.mp4"), read_clip(folder / f"{name}.sub.mp4")) for name in jobs}


def default_cache() -> Path:
    """Return where rendered scenes are kept (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "vonggac" / "scenes"


def pictures(scene: Scene, count: int) -> Iterator[Image.Image]:
    """Yield the loop's pictures as drawn, without the sensor's noise."""
    backdrop = Image.new("RGB", (WIDTH * _FINER, HEIGHT * _FINER))
    scene.backdrop(Canvas(backdrop, scene.view.scaled(_FINER), scene.light))
    backdrop = backdrop.reduce(_FINER)
    for number in range(count):
        image = backdrop.copy()
        canvas = Canvas(image, scene.view, scene.light)
        share = number / count
        seen = traffic.draw_all(scene.actors, share, canvas)
        if scene.finish is not None:
            scene.finish(image, canvas, seen, share)
        yield image


def _key(quality: Quality) -> str:
    digest = hashlib.sha256(repr((asdict(quality), encoding.options(1, 1), av.__version__)).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _forget_unused(used: Path) -> None:
    """Mark this rendering as used today, and delete those that nobody used for long."""
    os.utime(used)
    oldest = time.time() - UNUSED_DAYS * 86_400
    for other in used.parent.iterdir():
        if other != used and other.is_dir() and other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)


def _render_missing(jobs: dict[str, PassOf | None], folder: Path, quality: Quality, progress: Progress | None) -> None:
    missing = {name: of for name, of in jobs.items() if not (folder / f"{name}.mp4").is_file()}
    if not missing:
        return
    total = sum(_count(of, quality) for of in missing.values())
    context = get_context("spawn")
    ticks: Queue[int] = context.Queue()
    workers = min(len(missing), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(ticks, os.getpid())) as pool:
        waiting: set[Future[None]] = {pool.submit(render, name, folder, quality, of) for name, of in missing.items()}
        done = 0
        while waiting:
            finished, waiting = wait(waiting, timeout=0.25, return_when=FIRST_COMPLETED)
            with suppress(Empty):
                while True:
                    done += ticks.get_nowait()
            if progress is not None:
                progress(done if waiting else total, total)
            for future in finished:
                future.result()


_ticks: list[Queue[int]] = []


def _start_worker(ticks: Queue[int], parent: int) -> None:
    end_with_parent(parent)  # a simulator that is killed while it draws leaves nobody behind
    _ticks.append(ticks)


def _count(of: PassOf | None, quality: Quality) -> int:
    return quality.pictures if of is None else quality.fps * gate.PASS_S


def render(name: str, folder: Path, quality: Quality, of: PassOf | None = None) -> None:
    """Render one scene or pass into `NAME.sub.mp4` and `NAME.mp4`; the files appear when they are complete."""
    scene = SCENES[name]() if of is None else gate.passing(of.vehicle, of.towards)
    parts = {ending: folder / f"{name}{ending}.{os.getpid()}.part" for ending in (".sub.mp4", ".mp4")}
    try:
        with (
            av.open(str(parts[".mp4"]), "w", format="mp4") as main,
            av.open(str(parts[".sub.mp4"]), "w", format="mp4") as sub,
        ):
            _encode(scene, quality, _count(of, quality), main, sub)
        for ending, part in parts.items():
            part.replace(folder / f"{name}{ending}")
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _encode(
    scene: Scene, quality: Quality, count: int, main: av.container.OutputContainer, sub: av.container.OutputContainer
) -> None:
    group = quality.fps * quality.group_s
    large = _stream(main, WIDTH, HEIGHT, Fraction(quality.fps), group, quality.bit_rate)
    small = _stream(
        sub, SUB_WIDTH, SUB_HEIGHT, Fraction(quality.fps, SUB_EVERY), max(1, group // SUB_EVERY), quality.sub_bit_rate
    )
    chance = np.random.default_rng(len(scene.name))
    grain = np.clip(
        chance.normal(0, scene.noise, (HEIGHT + 256, WIDTH + 256)).round(), -_NOISE_LIMIT, _NOISE_LIMIT
    ).astype(np.int8)
    for number, image in enumerate(pictures(scene, count)):
        frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24").reformat(format="yuv420p")
        planes = frame.to_ndarray().astype(np.uint8, copy=False)
        down, right = chance.integers(0, 256, 2)
        planes[:HEIGHT] += grain[down : down + HEIGHT, right : right + WIDTH].view(np.uint8)
        noisy = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        noisy.pts, noisy.time_base = number, Fraction(1, quality.fps)
        main.mux(large.encode(noisy))
        if number % SUB_EVERY == 0:
            reduced = noisy.reformat(SUB_WIDTH, SUB_HEIGHT)
            reduced.pts, reduced.time_base = number // SUB_EVERY, Fraction(SUB_EVERY, quality.fps)
            sub.mux(small.encode(reduced))
        if _ticks and number % 10 == 9:
            _ticks[0].put(10)
    main.mux(large.encode(None))
    sub.mux(small.encode(None))


def _stream(
    container: av.container.OutputContainer, width: int, height: int, rate: Fraction, group: int, bit_rate: int
) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=rate)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.time_base = 1 / rate
    stream.options = dict(encoding.options(group, bit_rate, threads=1))
    return stream
