"""One line of a kind a minute: a log of 17 GB helps nobody."""

from __future__ import annotations

import time


class RateLimit:
    """Lets one line of a kind pass per `every_s`, and says how many it held back."""

    def __init__(self, every_s: float = 60.0, limit: int = 10_000) -> None:
        self._every_s = every_s
        self._limit = limit
        self._seen: dict[object, tuple[float, int]] = {}

    def passes(self, kind: object, now: float | None = None) -> int | None:
        """Return None to hold a line back, else how many of its kind were held back since the last one."""
        moment = time.monotonic() if now is None else now
        last = self._seen.get(kind)
        if last is not None and moment - last[0] < self._every_s:
            self._seen[kind] = (last[0], last[1] + 1)
            return None
        if len(self._seen) >= self._limit:
            self._seen.clear()
        self._seen[kind] = (moment, 0)
        return 0 if last is None else last[1]
