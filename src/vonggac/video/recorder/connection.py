"""One camera's connection: made, kept alive, made anew with a jittered back-off, for ever."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from vonggac.cameras.service import CameraSource
from vonggac.core.backoff import BackOff
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.settings import RecorderSettings
from vonggac.video.models import GapReason
from vonggac.video.recorder.camera import TrackRecorder
from vonggac.video.recorder.reading import ReadingRound, pause_s
from vonggac.video.rtsp import CameraAddress, RtspConnection, RtspError, receive_window
from vonggac.video.stream import AccessUnit

BACK_OFF_FIRST_S = 1.0
BACK_OFF_LAST_S = 30.0
HEALTHY_S = 30.0
"""A connection that recorded for so long was a good one: the next failure begins at the first back-off again."""
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
        gate: asyncio.Semaphore,
        now_us: Callable[[], int],
        limit: RateLimit,
        rng: random.Random,
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
        self._log = get_logger()
        self._watched = False
        self._connection: RtspConnection | None = None
        self._pause_s = 0.0
        self._seen = (0, 0.0)

    async def run(self) -> None:
        """Record until cancelled; never returns by itself."""
        back_off = BackOff(BACK_OFF_FIRST_S, BACK_OFF_LAST_S, self._rng.random)
        while True:
            began = time.monotonic()
            try:
                await self._record_once()
            except RtspError as error:
                self._away(GapReason(error.reason), str(error))
            if time.monotonic() - began > HEALTHY_S and self.track.counters.frames:
                back_off.reset()
            await asyncio.sleep(back_off.next())
            self.reconnects += 1

    def read_now(self) -> None:
        """Take what has arrived; the reading round calls this when it is the camera's turn."""
        if self._connection is not None:
            self._connection.read_now()

    def watched(self, watched: bool) -> None:
        """Somebody watches (read at every arrival), or nobody does any more (read in helpings)."""
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
        if (arrived := connection.session.last_sender_report) is not None:
            self.track.clock_said(arrived.report.ntp_unix_us, arrived.arrived_ns)
        self._fit_pause(connection, (self._seen[0] - before) * 8 / max(now - at, 0.001))

    async def _record_once(self) -> None:
        address = CameraAddress.parse(self.source.url)
        settings = self._settings
        window = receive_window(settings.read_pause_ms / 1000, ASSUMED_BITS_PER_S)
        async with self._gate:
            connection = await RtspConnection.open(
                address,
                on_access_unit=self._picture,
                buffer=self._reading.buffer,
                window=window,
                connect_timeout=settings.connect_timeout_seconds,
                stall_timeout=settings.stall_seconds,
            )
        async with connection:
            self._connection = connection
            try:
                self._choose_reading(connection)
                self._seen = (connection.session.bytes_received, time.monotonic())
                await connection.ended()
            finally:
                self._connection = None
                self._reading.remove(self)

    def _choose_reading(self, connection: RtspConnection) -> None:
        if self._watched or self._settings.read_pause_ms == 0:
            self._reading.remove(self)
            connection.read_promptly()
        else:
            connection.read_on_demand()
            self._pause_s = pause_s(self._settings.read_pause_ms / 1000, connection.window, ASSUMED_BITS_PER_S)
            self._reading.add(self, self._pause_s)

    def _fit_pause(self, connection: RtspConnection, bits_per_s: float) -> None:
        if self._watched or self._settings.read_pause_ms == 0:
            return
        pause = pause_s(self._settings.read_pause_ms / 1000, connection.window, bits_per_s * 1.5)
        # Twice as long or half as short is worth a change; less is noise.
        if not 0.67 < pause / self._pause_s < 1.5:
            self._pause_s = pause
            self._reading.add(self, pause)

    def _picture(self, unit: AccessUnit) -> None:
        self.track.add(unit)
        if self.state.state is not State.RECORDING and self.track.recording:
            self._become(State.RECORDING)
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
