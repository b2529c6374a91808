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
from vonggac.core.errors import Invalid
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.settings import RecorderSettings
from vonggac.video.models import GapReason
from vonggac.video.recorder.camera import LONGEST_GROUP_US, TrackRecorder
from vonggac.video.recorder.connect_gate import PATIENCE_S, ConnectGate
from vonggac.video.recorder.reading import WATCHED_PAUSE_S, ReadingRound, pause_s
from vonggac.video.rtsp import CameraAddress, RtspConnection, RtspError, RtspSession, receive_window
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
ASSUMED_BITS_PER_S = 4_000_000.0
"""Bit rate for which a socket's window is made, until the camera's own is known."""


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
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`gate` lets a bounded number of cameras connect at the same moment, all others wait their turn."""
        self.source = source
        self.track = track
        self.state = CameraState(since_us=now_us())
        self.reconnects = 0
        self._settings = settings
        self._reading = reading
        self._gate = gate
        self._now_us = now_us
        self._limit = limit
        self._rng = rng
        self._sleep = sleep
        self._log = get_logger()
        self._watched = False
        self._connection: RtspConnection | None = None
        self._hung = False  # the last try took longer than the gate has patience
        self._kept_until_us = self._kept_from_before(now_us())
        self._pause_s = 0.0
        self._seen = (0, 0.0)
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

    def read_now(self) -> None:
        """Take what has arrived; the reading round calls this when it is the camera's turn."""
        if self._connection is not None:
            self._connection.read_now()

    def watched(self, watched: bool) -> None:
        """Somebody watches (read in small helpings), or nobody does any more (in large ones)."""
        self._watched = watched
        if self._connection is not None:
            self._choose_reading(self._connection)

    def tick(self) -> None:
        """Look whether the connection lives; the recorder calls this once a second, for all cameras in one go."""
        connection = self._connection
        if connection is None:
            return
        connection.check_alive()
        (before, at), now = self._seen, time.monotonic()
        self._seen = (connection.session.bytes_received, now)
        self._look_for_key_frame(connection)
        self._look_for_sound(connection.session)
        self._fit_pause(connection, (self._seen[0] - before) * 8 / max(now - at, 0.001))

    @property
    def sender_report(self) -> ArrivedReport | None:
        """What the camera last said of its clock on this connection."""
        return None if self._connection is None else self._connection.session.last_sender_report

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
        try:
            address = CameraAddress.parse(self.source.url)
        except Invalid as error:  # registered by an earlier version, or past the registry
            raise RtspError("refused", str(error)) from None
        settings = self._settings
        window = receive_window(settings.read_pause_ms / 1000, ASSUMED_BITS_PER_S)
        self._session, self._sound_seen_ns = None, 0
        sound = self.source.record_audio and time.monotonic() >= self._sound_from
        async with self._gate.turn(doubtful=self._hung):
            began = time.monotonic()
            try:
                connection = await RtspConnection.open(
                    address,
                    transport=self.source.transport,
                    tls_fingerprint=self.source.tls_fingerprint,
                    on_access_unit=self._picture,
                    buffer=self._reading.buffer,
                    window=window,
                    connect_timeout=settings.connect_timeout_seconds,
                    stall_timeout=settings.stall_seconds,
                    on_connected=self._connected,
                    on_sound=self.track.add_sound if sound else None,
                )
            finally:
                self._hung = time.monotonic() - began > PATIENCE_S
        try:
            await self._play(connection)
        finally:
            self._kept_until_us = 0
            if connection.left_behind:
                self._kept_until_us = self._now_us() + connection.session.description.session_timeout_s * 1_000_000

    async def _play(self, connection: RtspConnection) -> None:
        async with connection:
            self._connection = connection
            try:
                self._choose_reading(connection)
                if refused := connection.session.description.sound_refused:
                    self._sound_left_out(refused)
                self._seen = (connection.session.bytes_received, time.monotonic())
                await connection.ended()
            finally:
                self._connection = None
                self._reading.remove(self)

    def _connected(self, session: RtspSession) -> None:
        # Not when it plays: the first pictures may come before that is known here.
        self._session, self.track.description = session, session.description

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

    def _choose_reading(self, connection: RtspConnection) -> None:
        if self._settings.read_pause_ms == 0:
            connection.read_promptly()
        else:
            self._pause_s = self._pause(connection, ASSUMED_BITS_PER_S)
            self._reading.add(self, self._pause_s)

    def _fit_pause(self, connection: RtspConnection, bits_per_s: float) -> None:
        if self._settings.read_pause_ms == 0:
            return
        pause = self._pause(connection, bits_per_s * 1.5)
        # Twice as long or half as short is worth a change; less is noise.
        if not 0.67 < pause / self._pause_s < 1.5:
            self._pause_s = pause
            self._reading.add(self, pause)

    def _pause(self, connection: RtspConnection, bits_per_s: float) -> float:
        longest_s = self._settings.read_pause_ms / 1000
        if self._watched:
            longest_s = min(longest_s, WATCHED_PAUSE_S)
        return pause_s(longest_s, connection.window, bits_per_s)

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
