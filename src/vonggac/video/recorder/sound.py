"""Frames of sound into the pieces of pictures beside which they are heard. No I/O.

A piece takes what has come of the sound up to its end: what is late stands in the next one, at its own time. Frames
follow each other by the camera's own count of samples; only where that parts from the time of the pictures by more
than is heard do they get another place, and silence or a few lost frames make up for it. At the beginning of a run
that is not needed: what is known of the place of the newest frame holds for those before it, which have waited.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from vonggac.video.mp4 import SoundFrames
from vonggac.video.stream import VIDEO_TIMESCALE, SoundParameters, SoundUnit

WAITING_FRAMES = 2048
"""Frames that wait for their pictures at most: 20 s at 96,000 samples a second, two minutes at 16,000."""
LATE_TICKS = 2 * VIDEO_TIMESCALE
"""Sound that comes so long after its pictures are written is left out."""
_APART_PARTS = 25
"""40 ms: sound and pictures that part by less are together for whoever watches (ITU-R BT.1359-1)."""

_ASTRAY_FRAMES, _ASTRAY_PARTS = 4, 4
"""So many frames in a row, and a quarter of a second of them, must be told elsewhere before one is moved.

The reports of pictures and sound do not come at the same moment: what comes between a new one and an old is astray."""


@dataclass(frozen=True, slots=True)
class PlacedSound:
    """The sound of one piece, as it is written behind its pictures."""

    frames: SoundFrames
    data: list[bytes]
    size: int


class SoundPlacer:
    """Collects the sound of one run, and hands it out piece by piece."""

    def __init__(self) -> None:
        self.left_out = 0
        """Frames that had no place: too late, too many, or heard already."""
        self._waiting: deque[SoundUnit] = deque()
        self._end: int | None = None
        """Samples on the run's media time at which the last frame ends."""
        self._pictures_end = 0
        self._last_time = 0
        self._last_at = 0
        self._astray = 0

    def add(self, unit: SoundUnit) -> None:
        """Take the next frame; its `pts` is on the time of the run's pictures."""
        if len(self._waiting) == WAITING_FRAMES:
            self._waiting.popleft()
            self.left_out += 1
        self._waiting.append(unit)

    def begin_run(self) -> None:
        """Media time begins anew; what waits stays."""
        self._end = None

    def take(
        self, sound: SoundParameters, origin_pts: int, begins: int, ends: int, *, loose: bool = False
    ) -> PlacedSound | None:
        """Return what is heard with a piece of pictures from `begins` to `ends` (ticks on the run's media time).

        `loose`: the pictures are placed by when they arrive; a second more or less is not to be told apart there.
        """
        rate, step = sound.sample_rate, sound.frame_samples
        # What is late belongs to pictures that are written; where there are none, it has no place.
        follows = self._end is not None and abs(begins - self._pictures_end) < LATE_TICKS // 4
        least = begins - LATE_TICKS if follows else begins
        self._pictures_end = ends
        times: list[int] = []
        data: list[bytes] = []
        waiting = self._waiting
        newest = waiting[-1] if self._end is None and waiting else None
        while waiting and waiting[0].pts - origin_pts < ends:
            unit = waiting.popleft()
            known = (unit.pts - origin_pts) * rate // VIDEO_TIMESCALE
            if newest is not None:
                # Since this frame came, the camera may have said what belongs together, or more arrivals have.
                counted = (newest.pts - origin_pts) * rate // VIDEO_TIMESCALE - (newest.time - unit.time)
                known = counted if abs(counted - known) <= rate else known
            at = self._place(unit, known, sound, apart=rate if loose else rate // _APART_PARTS)
            self._last_time, self._last_at = unit.time, at
            earliest = max(self._end or 0, least * rate // VIDEO_TIMESCALE)
            if at < earliest - step // 2:
                self.left_out += 1
                continue
            at = max(at, earliest)
            times.append(at)
            data.append(unit.data)
            self._last_at, self._end = at, at + step
        if not times:
            return None
        durations = [after - at for at, after in zip(times, [*times[1:], times[-1] + step], strict=True)]
        sizes = [len(one) for one in data]
        return PlacedSound(SoundFrames(times[0], durations, sizes), data, sum(sizes))

    def _place(self, unit: SoundUnit, at: int, sound: SoundParameters, *, apart: int) -> int:
        """Return where a frame begins: after the one before by the camera's own count, unless that leads astray."""
        if self._end is None:
            return at
        counted = self._last_at + unit.time - self._last_time
        off = abs(counted - at)
        self._astray = self._astray + 1 if off > apart else 0
        patience = max(_ASTRAY_FRAMES, sound.sample_rate // sound.frame_samples // _ASTRAY_PARTS)
        if off <= apart or (off < sound.sample_rate and self._astray < patience):
            return counted
        self._astray = 0
        return at
