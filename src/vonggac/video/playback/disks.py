"""Threads for reading recordings, some for each volume: a disk that hangs keeps nobody from the other disks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from vonggac.core.errors import VonggacError

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE = 4
"""Reads at the same time from one volume."""
WAIT_S = 10.0
"""How long a read may take, its turn included."""
MOST_WAITING = 256
"""Reads that wait for a volume; further ones are refused at once."""


class DiskBusy(VonggacError):
    """A volume does not answer, or too much waits for it."""


class Disks:
    """Made once for the process; lives as long as it."""

    def __init__(self, at_once: Mapping[Hashable, int] | None = None) -> None:
        """`at_once`: for places that are no volumes, how many work there at the same time."""
        self._at_once = dict(at_once or {})
        self._threads: dict[Hashable, ThreadPoolExecutor] = {}
        self._waiting: dict[Hashable, int] = {}
        self._lock = threading.Lock()

    async def run(self, place: Hashable, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `work` on a thread of a volume or other place; DiskBusy when that takes too long (what hangs goes on)."""
        with self._lock:
            waiting = self._waiting.get(place, 0)
            if waiting >= MOST_WAITING:
                raise DiskBusy("Too much is read from this disk at the moment. Try again in a little while.")
            self._waiting[place] = waiting + 1
            threads = self._threads.get(place)
            if threads is None:
                threads = self._threads[place] = ThreadPoolExecutor(
                    self._at_once.get(place, AT_ONCE), thread_name_prefix="disk"
                )
        future = threads.submit(work, *args, **kwargs)
        future.add_done_callback(lambda _: self._done(place))
        try:
            async with asyncio.timeout(WAIT_S):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise DiskBusy(f"The disk did not answer within {WAIT_S:.0f} seconds.") from None

    def _done(self, place: Hashable) -> None:
        with self._lock:
            self._waiting[place] -= 1
