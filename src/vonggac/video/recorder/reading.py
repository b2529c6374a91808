"""When each camera's socket is read: in large helpings at a jittered pause, in small ones while somebody watches.

Reading 102 cameras at every arrival costs the recorder a wake-up per packet; reading each five times a second costs
one per helping. A watched camera is read in every slot, so that a picture is late by that much at most. The pause is
never longer than a quarter of what the socket's window holds at the camera's bit rate, so that no camera ever finds
it full.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

SLOT_S = 0.025
"""Cameras due within this time of each other are read in one go."""
WATCHED_PAUSE_S = 0.8 * SLOT_S
"""So short that, jitter included, its turn comes in every slot."""
BUFFER_BYTES = 1 << 20
WINDOW_SHARE = 4
"""The socket's buffer holds at least this many pauses at the camera's bit rate (architecture page §4)."""


class PausedSource(Protocol):
    """A connection that is read when it is told to."""

    def read_now(self) -> None:
        """Read and deal with everything that has arrived."""


def pause_s(longest_s: float, window_bytes: int, bits_per_s: float) -> float:
    """Return how long a camera may be left alone: `longest_s`, or less when its window would fill."""
    if bits_per_s <= 0 or window_bytes <= 0:
        return longest_s
    return min(longest_s, window_bytes * 8 / WINDOW_SHARE / bits_per_s)


class ReadingRound:
    """Reads every source that is on the round, each at its own pause, on the event loop."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        """Used inside a read only, by one source after another."""
        self._due: dict[PausedSource, tuple[float, float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.rounds = 0
        self.reads = 0

    def add(self, source: PausedSource, pause: float) -> None:
        """Put a source on the round, or change its pause; its first turn comes at a random moment of it."""
        now = asyncio.get_running_loop().time()
        self._due[source] = (now + pause * self._rng.random(), pause)
        self._schedule()

    def remove(self, source: PausedSource) -> None:
        """Take a source off the round."""
        self._due.pop(source, None)

    def close(self) -> None:
        """End the round."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        if self._timer is None and self._due:
            self._timer = asyncio.get_running_loop().call_later(SLOT_S, self._turn)

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        horizon = loop.time() + SLOT_S / 2
        self._timer = None
        self._schedule()
        self.rounds += 1
        uniform: Callable[[float, float], float] = self._rng.uniform
        for source in [source for source, (due, _) in self._due.items() if due <= horizon]:
            if (entry := self._due.get(source)) is None:
                continue  # taken off by what another one's turn brought
            pause = entry[1]
            # Jittered by a fifth, so that the error of the arrival times is not the same at every picture.
            self._due[source] = (horizon + pause * uniform(0.8, 1.2), pause)
            self.reads += 1
            source.read_now()
