"""How many cameras are being connected to at the same moment, and who goes first.

When a switch comes back, a hundred cameras want to be connected to at once: each has its turn, at most so many at a
time. A camera that hangs must not keep the others waiting: a turn lasts `PATIENCE_S` at most, after which the camera
goes on trying outside the gate, where it costs nothing but its own socket. And a camera that hung the last time steps
back for those that did not, and never has all the places.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PATIENCE_S = 2.0
"""A camera that answers is done within a second, also over a slow line."""


class ConnectGate:
    """Gives out turns; used on one event loop."""

    def __init__(self, places: int, *, patience_s: float = PATIENCE_S) -> None:
        self._free = places
        self._doubtful_free = max(1, places - places // 4)
        self._patience_s = patience_s
        self._good: deque[asyncio.Future[None]] = deque()
        self._doubtful: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, *, doubtful: bool = False) -> AsyncIterator[None]:
        """Wait for a turn and have it until the block is left, or for as long as there is patience.

        `doubtful`: this camera did not answer in time when it was tried last.
        """
        await self._come_in(doubtful)
        held = True

        def leave() -> None:
            nonlocal held
            if held:
                held = False
                self._go_out(doubtful)

        timer = asyncio.get_running_loop().call_later(self._patience_s, leave)
        try:
            yield
        finally:
            timer.cancel()
            leave()

    async def _come_in(self, doubtful: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._doubtful if doubtful else self._good
        queue.append(turn)
        self._let_in()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._go_out(doubtful)  # the turn came just now
            else:
                queue.remove(turn)
            raise

    def _go_out(self, doubtful: bool) -> None:
        self._free += 1
        self._doubtful_free += doubtful
        self._let_in()

    def _let_in(self) -> None:
        while self._free and self._good:
            self._free -= 1
            self._good.popleft().set_result(None)
        while self._free and self._doubtful_free and self._doubtful:
            self._free -= 1
            self._doubtful_free -= 1
            self._doubtful.popleft().set_result(None)
