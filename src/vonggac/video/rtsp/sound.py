"""The sound beside the pictures: one AAC track of the same session, placed on the pictures' time. No I/O.

Two clocks run in a camera, one for each track. Its sender reports (RFC 3550 §6.4.1) tie both to its wall clock, which
says exactly what belongs together. Until both have come, and where they make no sense, the earliest arrivals of both
tracks are taken to belong together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from vonggac.video.rtsp import rtcp
from vonggac.video.rtsp.aac import AacDepacketiser, SoundRefused, sound_parameters
from vonggac.video.rtsp.sdp import Media, SessionDescription
from vonggac.video.stream import VIDEO_TIMESCALE, SoundParameters, SoundUnit

BELIEVABLE_TICKS = 2 * VIDEO_TIMESCALE
"""Reports that place the sound so far from where it arrives speak of another clock, and are not believed."""
EARLY_FRAMES = 64
"""So many frames wait for the first picture at most: without it nobody can say when they are heard."""
_WINDOW_NS = 30_000_000_000
_JUMP_NS = 2_500_000_000


def choose_sound(description: SessionDescription) -> tuple[Media, SoundParameters] | str | None:
    """Return the track of sound to record; a text says why none of those offered can be; None: there is none."""
    why: str | None = None
    for media in description.media:
        if media.kind != "audio":
            continue
        try:
            return media, sound_parameters(media)
        except SoundRefused as error:
            why = why or f"{media.name} left out: {error}"
    return why


def in_words(parameters: SoundParameters) -> str:
    """Return what sound a track has, for people."""
    layout = {1: "mono", 2: "stereo"}.get(parameters.channels, f"{parameters.channels} channels")
    return f"AAC, {parameters.sample_rate} Hz, {layout}"


class SoundTrack:
    """Takes the packets and reports of one track of sound, and hands its frames over."""

    def __init__(
        self,
        media: Media,
        parameters: SoundParameters,
        on_sound: Callable[[SoundUnit], None],
        oddities: set[str],
    ) -> None:
        self.parameters = parameters
        self._rate = parameters.sample_rate
        self._on_sound = on_sound
        self._depacketiser = AacDepacketiser(self._frame, media, parameters, oddities)
        self._oddities = oddities
        self._now_ns = self._last_frame_ns = 0
        self._pictures, self._sound = _Earliest(), _Earliest()
        self._early: deque[tuple[int, bytes, int]] = deque(maxlen=EARLY_FRAMES)
        self._picture_report: tuple[int, int] | None = None  # the camera's clock in microseconds, a picture's time
        self._sound_report: tuple[int, int] | None = None  # the camera's clock, a frame's time in samples

    @property
    def packets(self) -> int:
        """RTP packets taken."""
        return self._depacketiser.packets

    @property
    def lost(self) -> int:
        """RTP packets missing by their sequence numbers."""
        return self._depacketiser.lost

    @property
    def last_frame_ns(self) -> int:
        """Monotonic clock of the last frame; 0 before the first."""
        return self._last_frame_ns

    @property
    def frames(self) -> int:
        """Coded frames handed over."""
        return self._depacketiser.frames

    def packet(self, view: memoryview, start: int, stop: int, now_ns: int) -> None:
        """Take one RTP packet, view[start:stop]."""
        self._now_ns = now_ns
        self._depacketiser.packet(view, start, stop)

    def picture_came(self, pts: int, arrived_ns: int) -> None:
        """A picture was handed over; with the first one goes the sound that came before it."""
        self._pictures.add(arrived_ns - _ticks_ns(pts), arrived_ns)
        while self._early:
            self._hand_over(*self._early.popleft())

    def picture_report(self, ntp_unix_us: int, pts: int | None) -> None:
        """The camera said when, by its clock, a picture's time was."""
        if pts is not None:
            self._picture_report = ntp_unix_us, pts

    def report(self, report: rtcp.SenderReport) -> None:
        """The camera said when, by its clock, a frame's time was."""
        time = self._depacketiser.time_of(report.rtp_timestamp)
        if time is not None:
            self._sound_report = report.ntp_unix_us, time

    def _frame(self, time: int, data: bytes) -> None:
        now_ns = self._last_frame_ns = self._now_ns
        self._sound.add(now_ns - time * 1_000_000_000 // self._rate, now_ns)
        if self._pictures.least_ns is None:
            self._early.append((time, data, now_ns))
        else:
            self._hand_over(time, data, now_ns)

    def _hand_over(self, time: int, data: bytes, arrived_ns: int) -> None:
        self._on_sound(SoundUnit(time, self._place(time), data, arrived_ns))

    def _place(self, time: int) -> int:
        """Return where a frame lies on the time of the pictures."""
        pictures, sound = self._pictures.least_ns, self._sound.least_ns
        assert pictures is not None
        assert sound is not None
        arrived = (time * 1_000_000_000 // self._rate + sound - pictures) * 9 // 100_000
        if self._picture_report is not None and self._sound_report is not None:
            picture_us, pts = self._picture_report
            sound_us, said = self._sound_report
            reported = pts + (sound_us - picture_us) * 9 // 100 + (time - said) * VIDEO_TIMESCALE // self._rate
            if abs(reported - arrived) <= BELIEVABLE_TICKS:
                return reported
            if len(self._oddities) < 32:
                self._oddities.add("the camera's clocks of sound and pictures disagree: both are placed by arrival")
        return arrived


class _Earliest:
    """The least of (arrival - media time) in the last minute: nothing arrives early. A jump of either begins anew."""

    def __init__(self) -> None:
        self._now: int | None = None
        self._before: int | None = None
        self._since_ns = 0

    @property
    def least_ns(self) -> int | None:
        if self._now is None or self._before is None:
            return self._now
        return min(self._now, self._before)

    def add(self, delay_ns: int, arrived_ns: int) -> None:
        least = self.least_ns
        if least is None or abs(delay_ns - least) > _JUMP_NS:
            self._now, self._before, self._since_ns = delay_ns, None, arrived_ns
        elif arrived_ns - self._since_ns > _WINDOW_NS:
            self._now, self._before, self._since_ns = delay_ns, self._now, arrived_ns
        elif self._now is None or delay_ns < self._now:
            self._now = delay_ns


def _ticks_ns(ticks: int) -> int:
    return ticks * 100_000 // 9
