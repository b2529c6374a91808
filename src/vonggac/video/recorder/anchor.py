"""Media time against wall time: when did the camera see this picture?

A camera stamps its pictures with a clock of its own; we know when each arrived. Pictures arrive late by what the
camera, the network and our own pause between reads add, never early, so the truth lies near the earliest arrival.
Within one run the first recording takes that minimum; later ones follow it by at most 500 ppm, so that neither a burst
at the start nor a slow camera makes a jump or a phantom gap. (The method is Moonfire NVR's, design note "time".)
"""

from __future__ import annotations

from vonggac.video.stream import VIDEO_TIMESCALE

SLEW_PPM = 500
"""How much faster or slower than the wall clock a recording may be made to run."""


def ticks_to_us(ticks: int) -> int:
    """Return media time as microseconds, rounded down."""
    return ticks * 1_000_000 // VIDEO_TIMESCALE


def us_to_ticks(us: int) -> int:
    """Return microseconds as media time, rounded down."""
    return us * VIDEO_TIMESCALE // 1_000_000


class TimeAnchor:
    """Maps the media time of one run (ticks since its first picture) to the wall clock (microseconds)."""

    def __init__(self, first_arrival_us: int) -> None:
        self._offset_us = first_arrival_us
        self._least_us = first_arrival_us
        self._settled_at: int | None = None
        self._observed = False

    def observe(self, media: int, arrived_us: int) -> None:
        """Take note of a picture: its media time and when its last byte was here."""
        offset = arrived_us - media * 1_000_000 // VIDEO_TIMESCALE  # `ticks_to_us`, without a call for every picture
        if not self._observed or offset < self._least_us:
            self._least_us = offset
            self._observed = True

    def wall_us(self, media: int) -> int:
        """Return the wall clock at a media time as it is known now."""
        return self._offset_us + ticks_to_us(media)

    def settle(self, media: int) -> None:
        """A recording ends at `media`: take over what its arrivals said, the first time whole, later slowly."""
        if not self._observed:
            return
        if self._settled_at is None:
            self._offset_us = self._least_us
        else:
            most = max(0, ticks_to_us(media - self._settled_at)) * SLEW_PPM // 1_000_000
            self._offset_us += max(-most, min(most, self._least_us - self._offset_us))
        self._settled_at = media
        self._observed = False


class Timebase:
    """The wall clock of this process, read through the monotonic one, so that a step is seen and not followed."""

    STEP_US = 500_000
    """A difference beyond this is a step (chrony and ntpd slew smaller ones at up to 500 ppm)."""

    def __init__(self, now_us: int, monotonic_ns: int) -> None:
        self._base_us = now_us - monotonic_ns // 1000

    def wall_us(self, monotonic_ns: int) -> int:
        """Return the wall clock at a moment of the monotonic clock."""
        return self._base_us + monotonic_ns // 1000

    def follow(self, now_us: int, monotonic_ns: int) -> int:
        """Compare with the system's clock (once a second); returns the step in microseconds, 0 for none.

        Small differences are followed at once: at one call a second they are what NTP slews.
        """
        base_us = now_us - monotonic_ns // 1000
        step = base_us - self._base_us
        self._base_us = base_us
        return step if abs(step) > self.STEP_US else 0
