"""Clips in which every picture carries its number, and the reader that finds the numbers again on disk.

The number is a row of 32 black or white blocks along the upper edge, 24 bits of it and 8 of a check sum, most
significant first. Blocks are at least 8 pixels wide and read in their middle, so they survive coarse coding; a picture
whose check sum does not fit is an error, never a wrong number.
"""

from __future__ import annotations

import fractions
import hashlib
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BLOCKS = 32
NUMBER_BITS = 24
_BLACK, _WHITE = 16, 235  # Limited range, ITU-R BT.601 §2.5.
_VERSION = 3  # Part of the cached clips' names: raise it when pictures change.


class NumberUnreadable(AssertionError):
    """A decoded picture carries no valid number: it is damaged, or not one of ours."""


@dataclass(frozen=True)
class NumberedClip:
    """What a numbered clip is like: size in pixels, rate, length, seconds a group, target bits a second."""

    width: int = 1280
    height: int = 720
    fps: float = 15
    seconds: float = 10
    group_seconds: float = 2
    bits_per_second: int = 2_000_000
    b_frames: int = 0
    slices: int = 1
    """A picture's slices. Above 1 GStreamer's payloader repeats the parameter sets between those of a key picture."""
    codec: str = "libx264"
    audio: bool = False
    """Whether a silent AAC track, 48 kHz mono, runs beside the pictures."""

    @property
    def pictures(self) -> int:
        return round(self.seconds * self.fps)


def rendered(clip: NumberedClip, folder: Path) -> Path:
    """Return the clip as an MP4 file in this folder, rendered at the first call (whole, or not at all)."""
    key = hashlib.sha256(json.dumps([_VERSION, asdict(clip)]).encode()).hexdigest()[:12]
    path = folder / f"numbered-{clip.width}x{clip.height}-{clip.fps}fps-{clip.seconds:g}s-{key}.mp4"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.stem}-{os.getpid()}.unfinished.mp4")
        _render(clip, unfinished)
        unfinished.replace(path)
    return path


def read_numbers(path: Path) -> list[int]:
    """Return the numbers of all pictures of a file, in the order of the screen; NumberUnreadable names a bad one."""
    rows: list[NDArray[np.uint8]] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1  # The files are what is read in parallel.
        # Without the deblocking filter decoding costs a third less, and blocks of black and white do not need it.
        stream.codec_context.options = {"skip_loop_filter": "all"}
        block = stream.codec_context.width // BLOCKS
        for frame in container.decode(stream):
            plane = frame.planes[0]
            luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            rows.append(luma[block // 4 : block - block // 4, : block * BLOCKS].copy())
    if not rows:
        return []
    # (pictures, lines, blocks, columns of a block), of which the middle half
    blocks = np.stack(rows).reshape(len(rows), rows[0].shape[0], BLOCKS, block)
    middle = blocks[:, :, :, block // 4 : block - block // 4].mean(axis=(1, 3))
    bits = (middle > (_BLACK + _WHITE) / 2).astype(np.int64)
    words = bits @ (1 << np.arange(BLOCKS - 1, -1, -1, dtype=np.int64))
    numbers, sums = words >> (BLOCKS - NUMBER_BITS), words & 0xFF
    wrong = np.flatnonzero(_check_sum(numbers) != sums)
    if wrong.size:
        raise NumberUnreadable(f"{path}: picture {wrong[0]} of {len(rows)} carries no number that can be read.")
    return [int(number) for number in numbers]


def holes(numbers: list[int], loop: int) -> list[tuple[int, int]]:
    """Return each pair of neighbours that are not consecutive, where `loop - 1` is followed by 0 again."""
    return [(before, after) for before, after in itertools.pairwise(numbers) if after != (before + 1) % loop]


def _check_sum(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    # Never 0 for number 0, so that a black picture carries none.
    return ((numbers * 2_654_435_761 >> 12) ^ 0xA5) & 0xFF


def _render(clip: NumberedClip, path: Path) -> None:
    rate = fractions.Fraction(clip.fps).limit_denominator(1001)
    group, bits = round(clip.group_seconds * clip.fps), str(clip.bits_per_second)
    options = {
        "preset": "veryfast" if clip.b_frames else "ultrafast",
        "maxrate": bits,
        "bufsize": bits,  # One second: no group is much larger than the next.
        f"{clip.codec.removeprefix('lib')}-params": (
            f"keyint={group}:min-keyint={group}:scenecut=0:bframes={clip.b_frames}:slices={clip.slices}"
            + (":sliced-threads=0" if clip.codec == "libx264" else ":log-level=none")
        ),
    }
    pictures = _Pictures(clip)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(clip.codec, rate=rate, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        stream.bit_rate = clip.bits_per_second
        stream.codec_context.gop_size = group
        stream.codec_context.max_b_frames = clip.b_frames
        silence = container.add_stream("aac", rate=48_000, layout="mono") if clip.audio else None
        for number in range(clip.pictures):
            frame = av.VideoFrame.from_ndarray(pictures.draw(number), format="yuv420p")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if silence is not None:
            assert isinstance(silence, av.AudioStream)
            container.mux(list(_silence(silence, clip.seconds)))


def _silence(stream: av.AudioStream, seconds: float) -> Iterator[av.Packet[av.AudioStream]]:
    samples = 1024  # One AAC frame.
    for start in range(0, round(seconds * stream.rate), samples):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.float32), format="fltp", layout="mono")
        frame.pts, frame.sample_rate, frame.time_base = start, stream.rate, fractions.Fraction(1, stream.rate)
        yield from stream.encode(frame)
    yield from stream.encode(None)


class _Pictures:
    """Draws pictures that take all the bits they are given: a sliding texture under fresh noise, and the number."""

    def __init__(self, clip: NumberedClip) -> None:
        self._clip = clip
        self._chance = np.random.default_rng(20_200_101)
        coarse = self._chance.integers(60, 190, (clip.height // 8, clip.width // 8), dtype=np.uint8)
        self._texture = np.kron(coarse, np.ones((8, 8), np.uint8))
        # A few noise pictures in turn: drawing fresh ones would take longer than coding them.
        self._noise = self._chance.integers(0, 24, (7, *self._texture.shape), dtype=np.uint8)

    def draw(self, number: int) -> NDArray[np.uint8]:
        """Return the picture as planar yuv420p: (height × 3/2, width)."""
        clip = self._clip
        picture = np.full((clip.height * 3 // 2, clip.width), 128, np.uint8)
        lines, columns = self._texture.shape
        picture[:lines, :columns] = np.roll(self._texture, 3 * number, axis=1) + self._noise[number % 7]
        block = clip.width // BLOCKS
        word = (number << 8) | int(_check_sum(np.array([number], np.int64))[0])
        bits = np.array([word >> (BLOCKS - 1 - place) & 1 for place in range(BLOCKS)], np.uint8)
        picture[:block, : block * BLOCKS] = np.repeat(bits * (_WHITE - _BLACK) + _BLACK, block)
        return picture
