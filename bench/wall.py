"""The wall for two hours: 36 live tiles in Chromium while 102 cameras record; what is held, how old the pictures are.

The tiles show the cameras' small streams (640×360), as a wall does. Every minute the page's heap is read after a
collection, the memory (PSS) of every role, and of every tile whether it shows a picture younger than two seconds. The
browser decodes on the same processors. First of all the wall is loaded once with an empty cache: what came is counted.

    python -m bench.wall --tiles 9 --minutes 5 --from-minute 1         shorter; nothing is written down
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.centre import FOLDER, BenchmarkFailed, Centre, servers, work_folder
from bench.live import log_in, pages
from bench.process_tree import cpu_by_name, proportional_by_name
from bench.results import Result, tell
from peers.chromium import chromium
from peers.material import find
from peers.numbered import NumberedClip, rendered

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

GROUP = "wall"
MAIN = NumberedClip(width=1280, height=720, fps=15, seconds=64, group_seconds=2, bits_per_second=250_000)
SUB = NumberedClip(width=640, height=360, fps=15, seconds=64, group_seconds=2, bits_per_second=400_000)
GROWTH = 0.05
FIRST_LOAD_KB = 600.0
PIPELINES = 12
"""Of the foreign server, for each of the two streams: the machine is for those who are measured."""
_COMES_UP_S = 180.0
_SETTLES_MS = 3_000

_TILES = """() => {
  const tiles = [...document.querySelectorAll(".wall .tile .picture")];
  return tiles.map(one => [one.dataset.live, one.querySelector("video")?.videoWidth ?? 0]);
}"""


@dataclass(frozen=True)
class Load:
    """How much, and for how long."""

    cameras: int = 102
    tiles: int = 36
    minutes: float = 120.0
    from_minute: float = 20.0
    """From here on memory must stand still."""
    every_s: float = 60.0


@dataclass
class Sample:
    """What was seen at one minute."""

    minute: float
    heap: int
    """Bytes of the page's script, after a collection."""
    roles: dict[str, int]
    browser: int
    """PSS of all of Chromium's processes."""
    old: int
    """Tiles that showed no picture younger than two seconds."""
    spent: dict[str, float]
    """CPU seconds of the roles since the beginning."""


@dataclass
class Seen:
    """What was seen in all."""

    first_load: int = 0
    """Bytes as they went over the line."""
    first_requests: int = 0
    widths: list[int] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


def run(load: Load, folder: Path = FOLDER) -> list[Result]:
    """Look at the wall."""
    cache = find().cache
    main, sub = rendered(MAIN, cache), rendered(SUB, cache)
    with (
        work_folder("wall", folder) as work,
        servers(main, load.cameras, pipelines=PIPELINES) as (_, urls),
        servers(sub, load.tiles, pipelines=PIPELINES) as (_, sub_urls),
        Centre(work, urls, sub_urls) as centre,
        chromium() as browser,
    ):
        centre.wait_until_recording()
        context = browser.new_context(viewport={"width": 1920, "height": 1080}, locale="vi-VN")
        name, _, token = log_in(centre).partition("=")
        context.add_cookies([{"name": name, "value": token, "url": pages(centre)}])
        page = context.new_page()
        tools = context.new_cdp_session(page)
        seen = Seen()
        _first_load(page, tools, pages(centre), seen)
        _open(page, pages(centre), load.tiles, seen)
        _watch(page, tools, centre, load, seen)
    return _results(load, seen)


def _first_load(page: Page, tools: CDPSession, address: str, seen: Seen) -> None:
    """Load the wall with an empty cache; live pictures and what comes over the event stream do not count."""
    sizes: list[float] = []
    tools.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    tools.send("Network.enable")
    page.goto(f"{address}/wall?layout=1&cameras=")
    page.wait_for_timeout(_SETTLES_MS)
    tools.send("Network.disable")
    seen.first_load, seen.first_requests = int(sum(sizes)), len(sizes)


def _open(page: Page, address: str, tiles: int, seen: Seen) -> None:
    """Put so many cameras on the wall and wait until all are live."""
    page.goto(f"{address}/wall?layout={tiles}&cameras={','.join(str(number + 1) for number in range(tiles))}")
    deadline = time.monotonic() + _COMES_UP_S
    while not _all_live(shown := page.evaluate(_TILES), tiles):
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"Not all of {tiles} tiles came to be live: {shown}")
        page.wait_for_timeout(500)
    page.wait_for_timeout(_SETTLES_MS)
    seen.widths = sorted({width for _, width in page.evaluate(_TILES)})


def _all_live(shown: Sequence[tuple[str, int]], tiles: int) -> bool:
    return len(shown) == tiles and all(kind == "live" for kind, _ in shown)


def _watch(page: Page, tools: CDPSession, centre: Centre, load: Load, seen: Seen) -> None:
    begin = time.monotonic()
    end, due = begin + load.minutes * 60, begin
    while (now := time.monotonic()) <= end:
        # What the browser has to tell is dealt with only while it is waited for.
        page.wait_for_timeout(max(50.0, 1000 * min(1.0, due - now)))
        if time.monotonic() < due:
            continue
        due += load.every_s
        old = sum(kind != "live" for kind, _ in page.evaluate(_TILES))
        tools.send("HeapProfiler.collectGarbage")
        held: dict[str, Any] = tools.send("Runtime.getHeapUsage")
        sample = Sample(
            (time.monotonic() - begin) / 60,
            int(held["usedSize"]),
            proportional_by_name(centre.roots),
            _browser_bytes(),
            old,
            cpu_by_name(centre.roots),
        )
        seen.samples.append(sample)
        _tell(sample)
        if centre.process.poll() is not None:
            raise BenchmarkFailed(f"The centre has ended. {centre.said()}")


def _browser_bytes() -> int:
    held = proportional_by_name([os.getpid()])
    return sum(size for name, size in held.items() if name.startswith("chrom"))


def _tell(sample: Sample) -> None:
    print(
        f"minute {sample.minute:6.1f}: heap {sample.heap / 1e6:.2f} MB, roles {sum(sample.roles.values()) / 1e6:.1f} "
        f"MB ({_by_role(sample.roles)}), Chromium {sample.browser / 1e6:.0f} MB, {sample.old} tiles old",
        file=sys.stderr,
        flush=True,
    )


def _by_role(held: dict[str, int]) -> str:
    return ", ".join(f"{name} {size / 1e6:.1f}" for name, size in sorted(held.items()))


def _growth(load: Load, seen: Seen, size: Any) -> tuple[float, list[float]]:
    """Return by how much the largest median of ten minutes exceeds the smallest, and these medians."""
    parts: dict[int, list[float]] = {}
    for sample in seen.samples:
        if sample.minute >= load.from_minute:
            parts.setdefault(int((sample.minute - load.from_minute) // 10), []).append(size(sample))
    medians = [statistics.median(part) for _, part in sorted(parts.items())]
    return (max(medians) / min(medians) - 1 if medians else 0.0), medians


def _results(load: Load, seen: Seen) -> list[Result]:
    what = f"{load.tiles} tiles, {load.cameras} cameras record, {load.minutes:g} minutes"
    heap, heaps = _growth(load, seen, lambda sample: sample.heap)
    server, servers_held = _growth(load, seen, lambda sample: sum(sample.roles.values()))
    first, last = seen.samples[0], seen.samples[-1]
    cpu = ", ".join(
        f"{name} {(last.spent[name] - first.spent.get(name, 0)) / max(1.0, (last.minute - first.minute) * 60):.2f}"
        for name in sorted(last.spent)
    )
    return [
        Result(
            f"{what}: heap of the page after collection from minute {load.from_minute:g} on, most against least",
            heap * 100,
            "%",
            target=GROWTH * 100,
            note="Medians of ten minutes: " + ", ".join(f"{one / 1e6:.2f}" for one in heaps) + " MB. All of Chromium "
            f"held {first.browser / 1e6:.0f} MB at first and {last.browser / 1e6:.0f} MB in the end (PSS).",
        ),
        Result(
            f"{what}: memory of the server from minute {load.from_minute:g} on, most against least",
            server * 100,
            "%",
            target=GROWTH * 100,
            note="Medians of ten minutes of the PSS of all roles: "
            + ", ".join(f"{one / 1e6:.1f}" for one in servers_held)
            + f" MB. Last: {_by_role(last.roles)}. Cores in use: {cpu}.",
        ),
        Result(
            f"{what}: tiles without a picture younger than 2 s, looked at each minute",
            sum(sample.old for sample in seen.samples),
            "tiles",
            target=0,
            note=f"{len(seen.samples)} looks at {load.tiles} tiles; pictures {seen.widths} wide.",
        ),
        Result(
            "first load of the wall, as compressed",
            seen.first_load / 1000,
            "kB",
            target=FIRST_LOAD_KB,
            note=f"{seen.first_requests} answers with their headers, an empty cache; without live pictures.",
        ),
    ]


def results(quick: bool) -> list[Result]:
    """Measure the load of the table, or a small and short one."""
    return run(Load(cameras=6, tiles=4, minutes=0.3, from_minute=0, every_s=5) if quick else Load())


def main() -> None:
    """Measure as the options say; what is not the measurement of the table is only printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=Load.cameras)
    parser.add_argument("--tiles", type=int, default=Load.tiles, help="1, 4, 9, 16, 25 or 36")
    parser.add_argument("--minutes", type=float, default=Load.minutes)
    parser.add_argument("--from-minute", type=float, default=Load.from_minute, help="from here on memory is compared")
    parser.add_argument("--every", type=float, default=Load.every_s, help="seconds between two looks")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="on the disk that is recorded to")
    chosen = parser.parse_args()
    load = Load(chosen.cameras, chosen.tiles, chosen.minutes, chosen.from_minute, chosen.every)
    found = run(load, chosen.folder)
    tell(GROUP, found, whole=load == Load())


if __name__ == "__main__":
    main()
