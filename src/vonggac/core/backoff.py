"""How long to wait before the next try: doubled each time up to a limit, jittered so that many do not try at once."""

from __future__ import annotations

import random
from collections.abc import Callable


class BackOff:
    """Pauses from `first_s` to `most_s` seconds, each between a half and the whole of its nominal length."""

    def __init__(self, first_s: float, most_s: float, chance: Callable[[], float] = random.random) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._chance = chance
        self._pause_s = first_s

    def next(self) -> float:
        """Return the next pause in seconds."""
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, self._most_s)
        return pause_s * (0.5 + self._chance() / 2)

    def reset(self) -> None:
        """Begin again with the shortest pause: it went well."""
        self._pause_s = self._first_s
