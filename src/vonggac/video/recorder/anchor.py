"""Media time against wall time: when did the camera see this picture?

A camera stamps its pictures with a clock of its own; we know when each arrived. Pictures arrive late by what the
camera, the network and our own pause between reads add, never early, so the truth lies near the earliest arrival.
Within one run the first recording takes that minimum; later ones follow it by at most 500 ppm, so that neither a burst
at the start nor a slow camera makes a jump or a phantom gap. (The method is Moonfire NVR's, design note "time".) What
is further off than slewing can mend is taken over at the end of a recording, whole: its ends are then what is known,
and its media time lies between them. See docs/design/time.md.
"""

from __future__ import annotations

from vonggac.video.stream import VIDEO_TIMESCALE

SLEW_PPM = 500
"""How much faster or slower than the wall clock a recording may be made to run."""
FOLLOW_US = 400_000
"""Beyond this the line is given up and drawn anew: half a second is what a clip takes for a gap (`mp4.clip`)."""
_EARLY_US = 5_000_000
"""So long the first pictures of a run speak for its start where the stamps turn out to be wrong."""


def ticks_to_us(ticks: int) -> int:
    """Return media time as microseconds, rounded down."""
    return ticks * 1_000_000 // VIDEO_TIMESCALE


def us_to_ticks(us: int) -> int:
    """Return microseconds as media time, rounded down."""
    return us * VIDEO_TIMESCALE // 1_000_000


class TimeAnchor:
    """Maps the media time of one run (ticks since its first picture) to the wall clock (microseconds)."""

    def __init__(self, first_arrival_us: int) -> None:
        self._offset_us = self._began_us = first_arrival_us
        self._first_us: int | None = None
        """What the first recording's start is taken from, once the stamps have jumped."""
        self._early_us: int | None = None
        self._least_us: int | None = None
        self._settled_at: int | None = None
        self._void = False

    @classmethod
    def continued(cls, at_us: int) -> TimeAnchor:
        """Return an anchor whose media time 0 is known to be at `at_us`: what went before is on disk."""
        anchor = cls(at_us)
        anchor._settled_at = 0
        return anchor

    def observe(self, offset_us: int, arrived_us: int) -> None:
        """Take note of a piece: the least (arrival − media time) of its pictures, and when the last of them came."""
        if self._least_us is None or offset_us < self._least_us:
            self._least_us = offset_us
        if self._settled_at is None and not self._void:
            self._offset_us = min(self._offset_us, offset_us)  # a burst at the start ends no file early
        if arrived_us - self._began_us <= _EARLY_US or self._early_us is None:
            self._early_us = self._least_us

    def jumped(self) -> None:
        """From here on media time was mended: what arrivals said before holds no longer for what comes."""
        if self._settled_at is None and self._first_us is None:
            self._first_us = self._early_us
        self._least_us = None
        self._void = True

    def wall_us(self, media: int) -> int:
        """Return the wall clock at a media time as it is known now."""
        return self._offset_us + ticks_to_us(media)

    def settle(self, media_start: int, media_end: int) -> tuple[int, int]:
        """A recording of this media time ends: return its wall time, having taken over what its arrivals said.

        The first recording takes it over whole, later ones slowly; only the first one's start may move.
        """
        start_offset, least = self._offset_us, self._least_us
        if self._settled_at is None:
            first = least if self._first_us is None else self._first_us
            start_offset = start_offset if first is None else first
        if least is not None:
            missing = least - self._offset_us
            if self._settled_at is None or self._void or abs(missing) > FOLLOW_US:
                self._offset_us = least
            else:
                most = max(0, ticks_to_us(media_end - self._settled_at)) * SLEW_PPM // 1_000_000
                self._offset_us += max(-most, min(most, missing))
        self._settled_at = media_end
        self._least_us = None
        self._void = False
        return start_offset + ticks_to_us(media_start), self.wall_us(media_end)


class WallClock:
    """The wall clock read through the monotonic one, from one setting of the server's clock to the next."""

    __slots__ = ("base_us", "since_ns")

    def __init__(self, base_us: int, since_ns: int) -> None:
        self.base_us = base_us
        """Wall clock at monotonic 0."""
        self.since_ns = since_ns
        """Monotonic clock at which it was found to be this one."""

    def wall_us(self, monotonic_ns: int) -> int:
        """Return the wall clock at a moment of the monotonic one."""
        return self.base_us + monotonic_ns // 1000


class Timebase:
    """The wall clock of this process, read through the monotonic one, so that a step is seen and not followed."""

    STEP_US = 500_000
    """A difference beyond this is a step (chrony and ntpd slew smaller ones at up to 500 ppm)."""

    def __init__(self, now_us: int, monotonic_ns: int) -> None:
        self.clock = WallClock(now_us - monotonic_ns // 1000, monotonic_ns)
        """What is read now. A step makes a new one; whoever holds the old one goes on by the old time."""

    def wall_us(self, monotonic_ns: int) -> int:
        """Return the wall clock at a moment of the monotonic clock."""
        return self.clock.wall_us(monotonic_ns)

    def follow(self, now_us: int, monotonic_ns: int) -> int:
        """Compare with the system's clock (once a second); returns the step in microseconds, 0 for none.

        Small differences are followed at once: at one call a second they are what NTP slews.
        """
        base_us = now_us - monotonic_ns // 1000
        step = base_us - self.clock.base_us
        if abs(step) > self.STEP_US:
            self.clock = WallClock(base_us, monotonic_ns)
            return step
        self.clock.base_us = base_us
        return 0
