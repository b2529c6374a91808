"""A simulated district that runs in a thread of its own, so that foreign programs and blocking sockets can watch it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvloop

from vonggac.sim.camera import Feed, SimCamera
from vonggac.sim.clips import read_clip
from vonggac.sim.rtsp_server import SimServer
from vonggac.sim.track import Track


class RunningServer:
    """A SimServer on a thread's uvloop. `do` runs a coroutine there and returns its result."""

    def __init__(self, cameras: list[SimCamera], **options: Any) -> None:
        self._loop = uvloop.new_event_loop()
        self._cameras, self._options = cameras, options
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> RunningServer:
        self._thread.start()
        self.server = self.do(self._open())
        return self

    def __exit__(self, *error: object) -> None:
        self.do(self.server.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _open(self) -> SimServer:
        return await SimServer(self._cameras, **self._options).__aenter__()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def restore(self, *cameras: SimCamera) -> None:
        """End the cameras' faults, on the server's own thread."""

        async def restore() -> None:
            self.server.restore(cameras)

        self.do(restore())

    def url(self, path: str, login: str = "") -> str:
        """`rtsp://[LOGIN@]HOST:PORT/PATH`."""
        return f"rtsp://{login + '@' if login else ''}127.0.0.1:{self.server.port}{path}"


@pytest.fixture
def running() -> Iterator[Callable[..., RunningServer]]:
    """`running([camera, ...], credentials=..., window=...)`: serves the cameras until the test ends."""
    with ExitStack() as stack:

        def start(cameras: list[SimCamera], **options: Any) -> RunningServer:
            return stack.enter_context(RunningServer(cameras, **options))

        yield start


@pytest.fixture(scope="session")
def feed() -> Callable[[Path], Feed]:
    """`feed(path)`: a clip, packetised."""
    return lambda path: Feed(Track.of(read_clip(path)))
