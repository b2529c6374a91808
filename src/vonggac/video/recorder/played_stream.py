"""One stream of a camera as a recorder plays it: opened in its turn, read on the round, looked after, closed in order.

The main stream, which is recorded (`connection`), and the sub-stream, which is only watched (`sub_stream`), have one
each; what becomes of its pictures, and what is done when it ends, is theirs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from vonggac.cameras.service import CameraSource
from vonggac.core.errors import Invalid
from vonggac.core.settings import RecorderSettings
from vonggac.video.recorder.connect_gate import PATIENCE_S, ConnectGate
from vonggac.video.recorder.reading import WATCHED_PAUSE_S, ReadingRound, pause_s
from vonggac.video.rtsp import CameraAddress, RtspConnection, RtspError, RtspSession, receive_window
from vonggac.video.stream import AccessUnit, SoundUnit

ASSUMED_BITS_PER_S = 4_000_000.0
"""Bit rate for which a socket's window is made, until the camera's own is known."""


class PlayedStream:
    """Plays a stream, one session after the other. Whoever has it calls `look` once a second."""

    def __init__(
        self,
        *,
        settings: RecorderSettings,
        reading: ReadingRound,
        gate: ConnectGate,
        on_picture: Callable[[AccessUnit], None],
        on_connected: Callable[[RtspSession], None] = lambda session: None,
        on_playing: Callable[[RtspConnection], None] = lambda connection: None,
        on_closed: Callable[[RtspConnection], None] = lambda connection: None,
    ) -> None:
        """`gate` lets a bounded number of streams connect at the same moment, all others wait their turn.

        `on_connected` is told before the camera is asked anything, `on_playing` when it plays, `on_closed` when what
        played is over. The first pictures may come before `on_playing`.
        """
        self.connection: RtspConnection | None = None
        """What plays now."""
        self._settings = settings
        self._reading = reading
        self._gate = gate
        self._on_picture = on_picture
        self._on_connected = on_connected
        self._on_playing = on_playing
        self._on_closed = on_closed
        self._watched = False
        self._hung = False  # the last try took longer than the gate has patience
        self._pause_s = 0.0
        self._seen = (0, 0.0)

    async def play(
        self,
        source: CameraSource,
        url: str,
        *,
        on_sound: Callable[[SoundUnit], None] | None = None,
        steps_back: bool = False,
    ) -> None:
        """Connect and play until it ends: RtspError says why. Cancelled, it tells the camera the end.

        `steps_back`: others that wait for their turn go first.
        """
        try:
            address = CameraAddress.parse(url)
        except Invalid as error:  # registered by an earlier version, or past the registry
            raise RtspError("refused", str(error)) from None
        settings = self._settings
        async with self._gate.turn(doubtful=steps_back or self._hung):
            began = time.monotonic()
            try:
                connection = await RtspConnection.open(
                    address,
                    transport=source.transport,
                    tls_fingerprint=source.tls_fingerprint,
                    on_access_unit=self._on_picture,
                    buffer=self._reading.buffer,
                    window=receive_window(settings.read_pause_ms / 1000, ASSUMED_BITS_PER_S),
                    connect_timeout=settings.connect_timeout_seconds,
                    stall_timeout=settings.stall_seconds,
                    on_connected=self._on_connected,
                    on_sound=on_sound,
                )
            finally:
                self._hung = time.monotonic() - began > PATIENCE_S
        try:
            async with connection:
                self.connection = connection
                try:
                    self._choose_reading(connection)
                    self._seen = (connection.session.bytes_received, time.monotonic())
                    self._on_playing(connection)
                    await connection.ended()
                finally:
                    self.connection = None
                    self._reading.remove(self)
        finally:
            self._on_closed(connection)

    def read_now(self) -> None:
        """Take what has arrived; the reading round calls this when it is this stream's turn."""
        if self.connection is not None:
            self.connection.read_now()

    def watched(self, watched: bool) -> None:
        """Somebody watches (read in small helpings), or nobody does any more (in large ones)."""
        self._watched = watched
        if self.connection is not None:
            self._choose_reading(self.connection)

    def look(self) -> RtspConnection | None:
        """Look whether it lives, and whether its pause still fits; returns what plays, or what played until now."""
        connection = self.connection
        if connection is not None:
            connection.check_alive()
            (before, at), now = self._seen, time.monotonic()
            self._seen = (connection.session.bytes_received, now)
            self._fit_pause(connection, (self._seen[0] - before) * 8 / max(now - at, 0.001))
        return connection

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
