"""What the MP4 layer costs a picture and a fragment: `python bench/mp4_write.py [--write]`.

Everything but the disk: times, head, sample table. Loads: groups of 2 s at 15 pictures a second as 102 cameras make
them (51 groups a second, 1,530 pictures), without and with B-frames; single pictures as the live fan-out sends them.
`--write` also appends to files with `writev`, as the recorder does; then reads one back and cuts an hour out of 60.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vonggac.video.mp4 import ClipPart, fragment_header, init_segment, plan_clip, scan, time_fragment
from vonggac.video.mp4.group_table import pack, unpack
from vonggac.video.stream import VideoParameters

SETS = (bytes.fromhex("6742c01fdb014016ec0440000003004000000783c60c9200"), bytes.fromhex("68cb83cb20"))
PARAMETERS = VideoParameters("h264", SETS, 1280, 720, 0, 15.0)
FRAMES, TICKS = 30, 6000
SIZES = [66_000] + [6_320] * (FRAMES - 1)
"""2 Mbit/s: 250 KB a group."""
PLAIN = [number * TICKS for number in range(FRAMES)]
REORDERED = [0, *(number * TICKS for first in range(1, FRAMES - 2, 3) for number in (first + 2, first, first + 1))]
REORDERED += [number * TICKS for number in range(len(REORDERED), FRAMES)]
REPEATED = [*PLAIN[:10], PLAIN[9], *PLAIN[11:]]


def best_us(work: Callable[[], object], rounds: int = 7, calls: int = 2000) -> float:
    """Return the best round's microseconds a call."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter_ns()
        for _ in range(calls):
            work()
        best = min(best, (time.perf_counter_ns() - begin) / calls / 1000)
    return best


def fragment(pts: list[int], sizes: list[int], delay: int) -> bytes:
    """Return the head of a fragment from what the depacketiser says."""
    timing = time_fragment(pts, delay=delay, reorder=delay > 0, earliest=0, end=len(pts) * TICKS)
    return fragment_header(1, timing.base_decode_time, timing.durations, sizes, timing.offsets, key=True)


def recording(groups: int) -> bytes:
    """Return a recording of some groups."""
    data = bytearray(init_segment(PARAMETERS, presentation_delay=0))
    for index in range(groups):
        data += fragment_header(index + 1, index * FRAMES * TICKS, [TICKS] * FRAMES, SIZES, key=True)
        for size in SIZES:
            data += (size - 4).to_bytes(4, "big") + b"\x5a" * (size - 4)
    return bytes(data)


def heads() -> None:
    """Measure the making of heads."""
    for name, pts, delay in (
        ("group of 30", PLAIN, 0),
        ("group of 30, B-frames", REORDERED, TICKS),
        ("group of 30, a time repeated", REPEATED, 0),
        ("single picture", [0], 0),
    ):
        us = best_us(lambda pts=pts, delay=delay: fragment(pts, SIZES[: len(pts)], delay))
        print(f"{name}: {us:.1f} µs a fragment, {us / len(pts) * 1000:.0f} ns a picture", end="")
        if len(pts) > 1:
            print(f"; 102 cameras: {us * 51 / 1e6:.2%} of a core", end="")
        print()


def files() -> None:
    """Measure appending, scanning, tables and a clip plan on real files."""
    units = [bytearray(size) for size in SIZES]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "append.mp4"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        us = best_us(lambda: os.writev(descriptor, [fragment(PLAIN, SIZES, 0), *units]), 3, 200)
        os.close(descriptor)
        print(f"fragment and writev of 250 KB: {us:.0f} µs; 102 cameras: {us * 51 / 1e6:.2%} of a core")
        path.unlink()
    data = recording(30)
    entries = scan(io.BytesIO(data)).entries()
    packed = pack(entries)
    print(f"table of 30 groups: {len(packed)} bytes, pack {best_us(lambda: pack(entries)):.0f} µs, ", end="")
    print(f"unpack {best_us(lambda: unpack(packed)):.0f} µs")
    print(f"scan of a minute: {best_us(lambda: scan(io.BytesIO(data)), 3, 50):.0f} µs, ", end="")
    print(f"read through: {best_us(lambda: scan(io.BytesIO(data), verify_from=0), 3, 3) / 1000:.1f} ms")
    hour = [ClipPart(lambda: io.BytesIO(data), entries, minute * 60_000_000) for minute in range(60)]
    begin = time.perf_counter()
    plan = plan_clip(hour)
    print(
        f"plan of a clip of an hour: {(time.perf_counter() - begin) * 1000:.0f} ms, head {len(plan.head):,} bytes, ",
        end="",
    )
    begin = time.perf_counter()
    written = sum(map(len, plan.chunks()))
    print(f"read in {time.perf_counter() - begin:.2f} s: {written / 1e6:,.0f} MB, {plan.report.frames} pictures")


def main() -> None:
    """Print one line for each load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="measure files, tables and clips too")
    arguments = parser.parse_args()
    heads()
    if arguments.write:
        files()


if __name__ == "__main__":
    main()
