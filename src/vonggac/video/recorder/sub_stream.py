"""A camera's sub-stream: played while somebody watches it, handed out live, never written to disk.

The recording comes first. The sub-stream is asked for only while the main stream plays, is closed as soon as that
ends, and a camera that has no room for it, or whose main stream does not stand it, is left alone for ever longer.
Nothing here waits or retries by itself: whoever comes and goes, the main stream, and a tick once a second move it on.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vonggac.cameras.service import CameraSource
from vonggac.core.backoff import BackOff
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.settings import RecorderSettings
from vonggac.video.models import GapReason
from vonggac.video.recorder.connect_gate import ConnectGate
from vonggac.video.recorder.connection import CameraState, State
from vonggac.video.recorder.groups import GroupAssembler
from vonggac.video.recorder.live import LiveFeed, Unavailable
from vonggac.video.recorder.played_stream import PlayedStream
from vonggac.video.recorder.reading import ReadingRound
from vonggac.video.rtsp import RtspConnection, RtspError, RtspSession
from vonggac.video.stream import AccessUnit

KEEP_S = 10.0
"""So long it plays on after its last viewer has gone: he may be back, and a tour of cameras comes round again."""
ANSWER_S = 25.0
"""Whoever watches is told why when no picture has come for so long (a viewer gives up after 30 s)."""
BACK_OFF_FIRST_S, BACK_OFF_LAST_S = 2.0, 120.0
HEALTHY_S = 30.0
"""One that brought pictures for so long was a good one: the next failure begins at the first back-off again."""
FULL_PAUSE_S = 10.0
"""Least pause after “no room”."""
LOCK_PAUSE_S = 60.0
"""Least pause after a refused password: a camera that locks itself would lock the main stream out, too."""
DISTURBS_S = 10.0
"""A main stream that ends so soon after the sub-stream was asked for may have ended because of it."""
DISTURBED_PAUSES_S = (60.0, 900.0, 3600.0, 14_400.0)
"""Once may be chance. A camera that does so each time loses a second or two of its recording at every try."""
FAULT_PAUSE_S = 600.0
_OF_THE_MAIN_ALONE = {GapReason.NOT_FOUND.value, GapReason.UNSUPPORTED.value}
"""The camera answers, and only its main stream is of no use: the other may be watched until that is mended."""


class MainStream(Protocol):
    """What is to be known of the stream that is recorded."""

    state: CameraState

    @property
    def plays(self) -> bool:
        """Whether its session plays now."""


@dataclass(slots=True)
class SubCounters:
    """What a sub-stream has brought since the recorder began, and how often it could not be had."""

    frames: int = 0
    bytes: int = 0
    sessions: int = 0
    refusals: int = 0


class SubStream:
    """Plays the sub-stream of one camera while it is wanted. `tick` once a second; `close` at the end."""

    def __init__(
        self,
        source: CameraSource,
        main: MainStream,
        *,
        settings: RecorderSettings,
        reading: ReadingRound,
        gate: ConnectGate,
        limit: RateLimit,
        rng: random.Random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self.feed = LiveFeed(self._watched)
        self.counters = SubCounters()
        self._main = main
        self._always = settings.sub_streams == "always"
        self._limit = limit
        self._rng = rng
        self._monotonic = monotonic
        self._log = get_logger()
        self._stream = PlayedStream(
            settings=settings,
            reading=reading,
            gate=gate,
            on_picture=self._picture,
            on_connected=self._connected,
            on_playing=self._opened,
        )
        self._assembler = GroupAssembler()
        self._task: asyncio.Task[None] | None = None
        self._ending = False  # the task was told to end
        self._closed = False
        self._back_off = BackOff(BACK_OFF_FIRST_S, BACK_OFF_LAST_S, rng.random)
        self._keep_until = self._rest_until = self._began = 0.0
        self._asked_at: float | None = None  # when the camera was asked for it, of the present try
        self._frames_before = 0
        self._refusal: tuple[str, str] | None = None
        self._disturbed = 0
        self._seen = 0
        self._without_since = 0.0  # since then nobody who watches has had a picture

    @property
    def open(self) -> bool:
        """Whether the camera plays it to us now."""
        return self._stream.connection is not None

    def unavailable(self) -> Unavailable | None:
        """Return why nobody need wait for it now; None: whoever watches it gets pictures, or is told later."""
        now, main = self._monotonic(), self._main.state
        if self._refusal is not None and now < self._rest_until:
            return Unavailable(*self._refusal, retry_s=self._rest_until - now)
        if not self._may_play() and main.state is State.AWAY:
            return Unavailable(main.reason, main.detail)
        return None

    def main_changed(self) -> None:
        """The main stream has begun to play, or has ended."""
        asked = self._asked_at if self._task is not None else None
        if not self._main.plays and asked is not None and self._monotonic() - asked < DISTURBS_S:
            self._disturbs()
        self._review()

    def tick(self) -> None:
        """Look whether it lives, and whether it is time to open or to close it."""
        self._stream.look()
        now = self._monotonic()
        if self.counters.frames != self._seen or not self.feed.viewers:
            self._seen, self._without_since = self.counters.frames, now
        elif now - self._without_since > ANSWER_S:
            self._keep_waiting_no_longer()
        if self.feed.key_frame is not None and now - self._began > HEALTHY_S:
            self._back_off.reset()
            self._disturbed = 0
        self._review()

    async def close(self) -> None:
        """Tell the camera the end, and send every viewer home."""
        self._closed = True
        self._review()
        if self._task is not None:
            await asyncio.wait([self._task])
        self.feed.close()

    # When it plays.

    def _watched(self, watched: bool) -> None:
        self._stream.watched(watched)
        if watched:
            self._seen, self._without_since = self.counters.frames, self._monotonic()
        else:
            self._keep_until = self._monotonic() + KEEP_S
        self._review()

    def _may_play(self) -> bool:
        main = self._main
        return main.plays or (main.state.state is State.AWAY and main.state.reason in _OF_THE_MAIN_ALONE)

    def _review(self) -> None:
        """Begin to play, or to end it."""
        now = self._monotonic()
        wanted = self._always or bool(self.feed.viewers)
        allowed = self._may_play() and not self._closed and now >= self._rest_until
        if self._task is None:
            if wanted and allowed:
                self._began, self._asked_at, self._ending = now, None, False
                self._assembler, self._frames_before = GroupAssembler(), self.counters.frames
                self._task = asyncio.create_task(self._play(), name=f"sub-stream of camera {self.source.number}")
                self._task.add_done_callback(self._ended)
        elif not self._ending and not (allowed and (wanted or now < self._keep_until)):
            self._ending = True  # told once: a second word would cut the goodbye short
            self._task.cancel()

    async def _play(self) -> None:
        await self._stream.play(self.source, self.source.sub_url, steps_back=True)

    def _connected(self, _session: RtspSession) -> None:
        self._asked_at = self._monotonic()

    def _opened(self, _connection: RtspConnection) -> None:
        self.counters.sessions += 1
        self._refusal = None

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        had_pictures = self.counters.frames > self._frames_before
        self.feed.break_off()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, RtspError) and not self._ending:
            pause_s = self._pause_s(error)
            if had_pictures and pause_s < ANSWER_S / 2:
                # It did play: whoever watches stays, and is told if the next try fails.
                self._rest_until = self._monotonic() + pause_s
            else:
                self._refuse(error.reason, str(error), pause_s)
        elif error is not None and not isinstance(error, RtspError):
            # A fault of ours: it ends no recording.
            self._log.error("a sub-stream failed", camera=self.source.number, exc_info=error)
            self._refuse("protocol", "It was given up after an internal error of the recorder.", FAULT_PAUSE_S)
        self._review()

    # Why it does not.

    def _pause_s(self, error: RtspError) -> float:
        least_s = FULL_PAUSE_S if error.full else LOCK_PAUSE_S if error.reason == "unauthorised" else 0.0
        return max(self._back_off.next(), least_s * (1 + self._rng.random() / 2))

    def _refuse(self, reason: str, detail: str, pause_s: float) -> None:
        self._rest(reason, detail, pause_s)
        if (held := self._limit.passes((self.source.id, "sub-stream", reason))) is not None:
            source = self.source
            self._log.warning(
                "a sub-stream cannot be had",
                camera=source.name,
                number=source.number,
                reason=reason,
                detail=detail,
                held_back=held,
            )

    def _rest(self, reason: str, detail: str, pause_s: float) -> None:
        """Tell everybody why there are no pictures, and leave the camera alone for a while."""
        self.counters.refusals += 1
        self._refusal = reason, detail
        self._rest_until = self._monotonic() + pause_s
        self.feed.refuse(Unavailable(reason, detail, retry_s=pause_s))

    def _disturbs(self) -> None:
        pause_s = DISTURBED_PAUSES_S[min(self._disturbed, len(DISTURBED_PAUSES_S) - 1)]
        self._disturbed += 1
        words = "The main stream ended when the sub-stream was asked for, and the recording comes first."
        self._rest("refused", words, pause_s * (1 + self._rng.random() / 2))
        if (held := self._limit.passes((self.source.id, "sub-stream disturbs"))) is not None:
            source = self.source
            self._log.warning(
                "a sub-stream disturbs the recording", camera=source.name, number=source.number, held_back=held
            )

    def _keep_waiting_no_longer(self) -> None:
        main = self._main.state
        if self.open:
            words = "The camera sends its sub-stream without a key frame: set its key-frame interval to 1 to 2 s."
            self._refuse("no_key_frame", words, self._back_off.next())
        elif not self._may_play() and main.state is State.AWAY:
            self.feed.refuse(Unavailable(main.reason, main.detail))
        else:
            words = f"The camera has not begun to play its sub-stream within {ANSWER_S:.0f} s."
            self._refuse("timed_out", words, self._back_off.next())

    # Pictures.

    def _picture(self, unit: AccessUnit) -> None:
        # The same seams and times as those of a recorded stream; only its pieces go nowhere.
        assembler = self._assembler
        piece = assembler.add(unit)
        if piece is not None and piece.broken_by is not None and assembler.waiting_for_key:
            self.feed.break_off()
        if assembler.dropped:
            assembler.dropped = 0
            return
        self.counters.frames += 1
        self.counters.bytes += len(unit.data)
        self.feed.push(unit)
