"""Viewers of live pictures, in a process of their own: `python -m bench.viewers ADDRESS CAMERA...` (ids in hex).

Prints `watching` once every camera has shown a picture; when its standard input closes, one line of JSON: pictures in
all, those of the camera with the fewest, and how many times a picture did not follow the one before.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid

import uvloop

from vonggac.video.live_client import pictures
from vonggac.video.stream import VIDEO_TIMESCALE


class Viewer:
    """One camera's picture, watched and thrown away."""

    def __init__(self, address: str, camera: uuid.UUID, fps: float) -> None:
        self.shown = self.missed = 0
        self.first = asyncio.Event()
        self._address, self._camera = address, camera
        self._step = VIDEO_TIMESCALE / fps

    async def watch(self) -> None:
        """Take pictures until cancelled."""
        before: int | None = None
        async for picture in pictures(self._address, self._camera):
            if before is not None and not 0.5 < (picture.pts - before) / self._step < 1.5:
                self.missed += 1
            before = picture.pts
            self.shown += 1
            self.first.set()


async def main() -> None:
    """Watch until standard input closes."""
    address, *cameras = sys.argv[1:]
    viewers = [Viewer(address, uuid.UUID(camera), 15.0) for camera in cameras]
    tasks = [asyncio.create_task(viewer.watch()) for viewer in viewers]
    await asyncio.gather(*(viewer.first.wait() for viewer in viewers))
    print("watching", flush=True)
    for viewer in viewers:
        viewer.shown = viewer.missed = 0
    await asyncio.to_thread(sys.stdin.read)
    ended = [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    shown = [viewer.shown for viewer in viewers]
    missed = sum(viewer.missed for viewer in viewers)
    print(json.dumps({"pictures": sum(shown), "fewest": min(shown), "missed": missed, "ended": len(ended)}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
