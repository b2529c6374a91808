"""One camera's connection: made, kept alive, made anew with a jittered back-off, for ever."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from vonggac.cameras.service import CameraSource
from vonggac.core.backoff import BackOff
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.settings import RecorderSettings
from vonggac.video.models import GapReason
from vonggac.video.recorder.camera import LONGEST_GROUP_US, TrackRecorder
from vonggac.video.recorder.connect_gate import ConnectGate
from vonggac.video.recorder.played_stream import PlayedStream
from vonggac.video.recorder.reading import ReadingRound
from vonggac.video.rtsp import RtspConnection, RtspError, RtspSession
from vonggac.video.rtsp.description import ArrivedReport
from vonggac.video.stream import AccessUnit

BACK_OFF_FIRST_S = 1.0
BACK_OFF_LAST_S = 30.0
FULL_PAUSE_S = 10.0
"""Least pause after “no room”: a camera that keeps dead sessions is not helped by being asked."""
LOCK_PAUSE_S = 20.0
"""Least pause after a refused password: many cameras lock themselves after some tries. A new one is tried at once."""
ASSUMED_SESSION_S = 60
"""For so long a camera keeps a session whose end it was not told, where it has not said otherwise (RFC 2326 §12.37)."""
HEALTHY_S = 30.0
"""A connection that recorded for so long was a good one: the next failure begins at the first back-off again."""
KEY_FRAME_PATIENCE_S = 600.0
"""A camera whose new connections bring no key frame either is left waiting for ever longer, up to this."""
_NO_KEY_FRAME = (
    "The camera sends pictures, but no key frame has come for {:.0f} s: without one nothing can be decoded. "
    "Set its key-frame (I-frame) interval to 1 to 2 s."
)
WITHOUT_SOUND_S = 600.0
"""So long new connections to a camera that did not play while it was asked for sound do without."""
SILENT_S = 30
"""Sound that was agreed on and does not come for so long is told of."""


class State(StrEnum):
    """What a camera does, in one word."""

    CONNECTING = "connecting"
    RECORDING = "recording"
    AWAY = "away"


@dataclass(slots=True)
class CameraState:
    """What the status page is told."""

    state: State = State.CONNECTING
    reason: str = ""
    detail: str = ""
    since_us: int = 0


class CameraConnection:
    """Connects one camera's main stream to its recorder, as long as `run` runs."""

    def __init__(
        self,
        source: CameraSource,
        track: TrackRecorder,
        *,
        settings: RecorderSettings,
        reading: ReadingRound,
        gate: ConnectGate,
        now_us: Callable[[], int],
        limit: RateLimit,
        rng: random.Random,
        on_plays: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`on_plays` is called when the stream has begun to play and when it has ended: see `plays`."""
        self.source = source
        self.track = track
        self.state = CameraState(since_us=now_us())
        self.reconnects = 0
        self._settings = settings
        self._now_us = now_us
        self._limit = limit
        self._rng = rng
        self._on_plays = on_plays
        self._sleep = sleep
        self._log = get_logger()
        self._stream = PlayedStream(
            settings=settings,
            reading=reading,
            gate=gate,
            on_picture=self._picture,
            on_connected=self._connected,
            on_playing=self._playing,
            on_closed=self._closed,
        )
        self._kept_until_us = self._kept_from_before(now_us())
        self._patience_s = settings.key_frame_seconds
        self._session: RtspSession | None = None
        self._sound_seen_ns = 0
        self._sound_from = 0.0  # monotonic seconds: before then the sound is not asked for

    async def run(self) -> None:
        """Record until cancelled; never returns by itself."""
        back_off = BackOff(BACK_OFF_FIRST_S, BACK_OFF_LAST_S, self._rng.random)
        while True:
            began, least_s = time.monotonic(), 0.0
            try:
                await self._record_once()
            except RtspError as error:
                self._away(GapReason(error.reason), f"{error}{self._who_holds_it(error)}")
                self._doubt_sound(error)
                least_s = self._least_pause_s(error)
            if time.monotonic() - began > HEALTHY_S and self.track.counters.frames:
                back_off.reset()
            await self._sleep(max(back_off.next(), least_s))
            self.reconnects += 1

    def watched(self, watched: bool) -> None:
        """Somebody watches (read in small helpings), or nobody does any more (in large ones)."""
        self._stream.watched(watched)

    def tick(self) -> None:
        """Look whether the connection lives; the recorder calls this once a second, for all cameras in one go."""
        connection = self._stream.look()
        if connection is not None:
            self._look_for_key_frame(connection)
            self._look_for_sound(connection.session)

    @property
    def plays(self) -> bool:
        """Whether the camera plays its main stream to us."""
        return self._stream.connection is not None

    @property
    def sender_report(self) -> ArrivedReport | None:
        """What the camera last said of its clock on this connection."""
        connection = self._stream.connection
        return None if connection is None else connection.session.last_sender_report

    def _look_for_key_frame(self, connection: RtspConnection) -> None:
        """Connect anew where no key frame comes: many cameras send one when they are asked to play."""
        waited_s = self.track.without_key_frame_ns(time.monotonic_ns()) / 1e9
        if waited_s >= self._settings.key_frame_seconds:
            words = _NO_KEY_FRAME.format(waited_s)
            self.track.no_key_frame(words)
            if waited_s < self._patience_s:
                return  # it is away already: this connection is another try
            self._patience_s = min(2 * self._patience_s, KEY_FRAME_PATIENCE_S)
        elif (group_us := self.track.group_us(self._now_us())) > LONGEST_GROUP_US:
            words = _NO_KEY_FRAME.format(group_us / 1e6)
        else:
            return
        connection.give_up(RtspError("no_key_frame", words))

    async def _record_once(self) -> None:
        self._session, self._sound_seen_ns = None, 0
        sound = self.source.record_audio and time.monotonic() >= self._sound_from
        await self._stream.play(self.source, self.source.url, on_sound=self.track.add_sound if sound else None)

    def _connected(self, session: RtspSession) -> None:
        # Not when it plays: the first pictures may come before that is known here.
        self._session, self.track.description = session, session.description

    def _playing(self, connection: RtspConnection) -> None:
        if refused := connection.session.description.sound_refused:
            self._sound_left_out(refused)
        self._on_plays()

    def _closed(self, connection: RtspConnection) -> None:
        self._kept_until_us = 0
        if connection.left_behind:
            self._kept_until_us = self._now_us() + connection.session.description.session_timeout_s * 1_000_000
        self._on_plays()

    # Sound: whatever is wrong with it, the pictures are recorded without.

    def _doubt_sound(self, error: RtspError) -> None:
        """A connection that asked for sound and brought no picture: the next ones do without."""
        session = self._session
        if session is not None and session.asked_for_sound and not session.access_units:
            self._sound_from = time.monotonic() + WITHOUT_SOUND_S
            self._sound_left_out(f"the camera does not play with it: {error}")

    def _look_for_sound(self, session: RtspSession) -> None:
        sound, now_ns = session.sound, time.monotonic_ns()
        if sound is None or not session.access_units:
            return
        self._sound_seen_ns = max(self._sound_seen_ns or now_ns, sound.last_frame_ns)
        if now_ns - self._sound_seen_ns > SILENT_S * 1_000_000_000:
            what = "it has stopped" if sound.frames else "it was announced and never came"
            self._sound_missing(what)

    def _sound_left_out(self, detail: str) -> None:
        if (held := self._limit.passes((self.source.id, "sound left out"))) is not None:
            source = self.source
            self._log.warning(
                "sound is left out", camera=source.name, number=source.number, detail=detail, held_back=held
            )

    def _sound_missing(self, detail: str) -> None:
        if (held := self._limit.passes((self.source.id, "sound missing"))) is not None:
            source = self.source
            self._log.warning(
                "sound does not come", camera=source.name, number=source.number, detail=detail, held_back=held
            )

    def _kept_from_before(self, now_us: int) -> int:
        """Return until when the camera may keep a session of a recorder that crashed; 0 where there was none."""
        gap = self.track.account.gap
        if gap is None or gap.reason is not GapReason.CRASHED:
            return 0
        return min(gap.start_us, now_us) + ASSUMED_SESSION_S * 1_000_000

    def _who_holds_it(self, error: RtspError) -> str:
        left_s = round((self._kept_until_us - self._now_us()) / 1e6)
        if not error.full or left_s <= 0:
            return ""
        return (
            " Probably it still holds our own earlier connection, which could not be ended in order; "
            f"that ends by itself in about {left_s} s."
        )

    def _least_pause_s(self, error: RtspError) -> float:
        """Return how long this camera is left alone at least, varied so that many do not come back at once."""
        least_s = FULL_PAUSE_S if error.full else LOCK_PAUSE_S if error.reason == "unauthorised" else 0.0
        return least_s * (1 + self._rng.random() / 2)

    def _picture(self, unit: AccessUnit) -> None:
        self.track.add(unit)
        if self.state.state is not State.RECORDING and self.track.recording:
            self._become(State.RECORDING)
            self._patience_s = self._settings.key_frame_seconds
            self._log.info("camera is recorded", camera=self.source.name, number=self.source.number)

    def _away(self, reason: GapReason, detail: str) -> None:
        self.track.end_run(reason, detail, self._now_us())
        if (held := self._limit.passes((self.source.id, reason))) is not None:
            self._log.warning(
                "camera is away",
                camera=self.source.name,
                number=self.source.number,
                reason=reason.value,
                detail=detail,
                held_back=held,
            )
        if self.state.state is not State.AWAY or self.state.reason != reason.value:
            self._become(State.AWAY, reason.value, detail)

    def _become(self, state: State, reason: str = "", detail: str = "") -> None:
        self.state = CameraState(state, reason, detail, self._now_us())
