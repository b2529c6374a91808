"""Live pictures in the browser: what the centre adds to a picture, and how long the first one takes.

102 cameras record. One of them is watched through 16 WebSockets of the pages; then tiles of the others are opened one
after the other, each of a camera that nobody watches. The viewers are a process of their own (`bench/live_viewers.py`).

    python -m bench.live --cameras 6 --seconds 10 --openings 5         smaller; nothing is written down
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import REPOSITORY
from bench.centre import FOLDER, BenchmarkFailed, Centre, servers, work_folder
from bench.recording import CLIP
from bench.results import Result, tell
from bench.spending import spending
from peers.material import find
from peers.numbered import rendered
from vonggac.core import presence
from vonggac.core.clock import utc_now
from vonggac.org import accounts
from vonggac.org.models import Account
from vonggac.org.passwords import hash_password
from vonggac.video.recorder.reading import SLOT_S

GROUP = "live"
ADDED_MS = 50.0
FIRST_MS = 500.0
SLOT_MS = 1e3 * SLOT_S
"""A picture may have lain in the socket of a watched camera for so long before it was read, and counted as arrived."""


@dataclass(frozen=True)
class Load:
    """How much, and for how long."""

    cameras: int = 102
    sockets: int = 16
    seconds: float = 60.0
    openings: int = 100


def log_in(centre: Centre) -> str:
    """Make an account and log it in; returns its cookie."""
    with centre.database.write() as session:
        account = Account(
            name="bench",
            name_folded="bench",
            password_hash=hash_password(os.urandom(16).hex()),
            administrator=True,
            created_at=utc_now(),
        )
        session.add(account)
        session.flush()
        return f"vonggac_session={accounts.open_session(session, account, '127.0.0.1', utc_now()).token}"


def pages(centre: Centre) -> str:
    """Return the address of the pages."""
    with centre.database.read() as session:
        for row in presence.alive(session, "web"):
            return row.address
    raise BenchmarkFailed(f"The pages are not served. {centre.said()}")


@contextmanager
def viewers(cookie: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start the viewers' process."""
    command = [sys.executable, "-m", "bench.live_viewers", *arguments]
    environment = {**os.environ, "VONGGAC_COOKIE": cookie}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def share(sorted_values: list[float], part: float) -> float:
    """Return the value that so large a part of all does not exceed."""
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * part))]


def run(load: Load, folder: Path = FOLDER) -> list[Result]:
    """Measure."""
    with work_folder("live", folder) as work, servers(rendered(CLIP, find().cache), load.cameras) as (cameras, urls):  # noqa: SIM117
        with Centre(work, urls) as centre:
            centre.wait_until_recording()
            cookie, address = log_in(centre), pages(centre)
            ids = [camera.hex for camera in centre.camera_ids()]
            with viewers(cookie, "together", address, ids[0], str(load.sockets)) as watching:
                assert watching.stdout is not None
                if watching.stdout.readline().strip() != "watching":
                    raise BenchmarkFailed(f"The viewers did not come to see a picture. {centre.said()}")
                spent = spending(centre.roots, [server.pid for server in cameras], load.seconds, [watching.pid])
                said, _ = watching.communicate(timeout=60)
            late = json.loads(said)
            time.sleep(1)
            others = (ids[1:] * load.openings)[: load.openings]
            with viewers(cookie, "open", address, *others) as opening:
                said, _ = opening.communicate(timeout=600)
            if opening.returncode:
                raise BenchmarkFailed(f"A tile could not be opened. {centre.said()}")
    late_ms, first_ms = late["late_ms"], sorted(json.loads(said)["first_ms"])
    if late["ended"] or not late_ms:
        raise BenchmarkFailed(f"{late['ended']} viewers were sent away, {len(late_ms)} pictures were seen.")
    what = f"{load.cameras} cameras record"
    return [
        Result(
            f"{what}, {load.sockets} sockets of one: time added to a picture, p99",
            share(late_ms, 0.99) + SLOT_MS,
            "ms",
            target=ADDED_MS,
            note=f"{len(late_ms):,} pictures on {load.sockets} sockets in {load.seconds:g} s, read by the viewers' "
            f"process: half of them within {share(late_ms, 0.5):.1f} ms of when the recorder read them, 99 % within "
            f"{share(late_ms, 0.99):.1f} ms, all within {late_ms[-1]:.1f} ms. To the figure {SLOT_MS:g} ms are added: "
            f"so long a picture may have lain in the camera's socket. CPU-s: {spent.parts}.{spent.noise()}",
        ),
        Result(
            f"{what}: first picture after opening a tile, p95",
            share(first_ms, 0.95),
            "ms",
            target=FIRST_MS,
            note=f"{len(first_ms)} tiles opened one after the other, each of a camera that nobody watched (connecting, "
            f"log-in and the entry of who looks included): half within {share(first_ms, 0.5):.0f} ms, the slowest "
            f"{first_ms[-1]:.0f} ms.",
        ),
    ]


def results(quick: bool) -> list[Result]:
    """Measure the load of the table, or a small and short one."""
    return run(Load(cameras=6, seconds=6, openings=5) if quick else Load())


def main() -> None:
    """Measure as the options say; what is not the measurement of the table is only printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=Load.cameras)
    parser.add_argument("--sockets", type=int, default=Load.sockets, help="of one camera")
    parser.add_argument("--seconds", type=float, default=Load.seconds, help="how long is counted")
    parser.add_argument("--openings", type=int, default=Load.openings, help="tiles that are opened")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="on the disk that is recorded to")
    chosen = parser.parse_args()
    load = Load(chosen.cameras, chosen.sockets, chosen.seconds, chosen.openings)
    found = run(load, chosen.folder)
    tell(GROUP, found, whole=load == Load())


if __name__ == "__main__":
    main()
