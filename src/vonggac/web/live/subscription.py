"""Listens to a recorder for one channel, for as long as somebody watches; asks again by itself after every end."""

from __future__ import annotations

import asyncio
import contextlib

from sqlalchemy.exc import OperationalError

from vonggac.core.backoff import BackOff
from vonggac.core.clock import Clock
from vonggac.core.database import Database
from vonggac.core.log import RateLimit, get_logger
from vonggac.video import live_client
from vonggac.video.live_client import LiveError, NoSubStream, SubUnavailable
from vonggac.web.live.away import Away, recorder_away, stalled
from vonggac.web.live.channel import Channel

FIRST_RETRY_S = 0.3
MOST_RETRY_S = 5.0
REFUSED_RETRY_S = 30.0
IDLE_S = 30.0
"""After so long without a picture the recorder is asked anew."""
ANSWERS_S = 1.0
"""A recorder that has not hung up for so long is there, also when it has nothing to send."""
QUIET_S = 2.0
"""After so long without a picture it is looked up why."""
STALLED_S = 10.0
"""A recorder that says that it records may send nothing for so long: some cameras send a picture in five seconds."""

_limit = RateLimit()


class Subscription:
    """One channel's."""

    def __init__(self, channel: Channel, database: Database, clock: Clock) -> None:
        self.channel = channel
        self._database = database
        self._clock = clock
        self._address: str | None = None
        self._asked_s = self._heard_s = self._now_s()
        self._lost = False
        """Whether the recorder itself does not answer."""

    async def run(self) -> None:
        """Listen until cancelled."""
        back_off = BackOff(FIRST_RETRY_S, MOST_RETRY_S)
        while True:
            before = self.channel.pictures
            try:
                await self._listen()
            except NoSubStream:
                self.channel.refuse("no_sub_stream", self._now_s())
                await asyncio.sleep(REFUSED_RETRY_S)
            except SubUnavailable as error:
                self.channel.refuse(error.reason, self._now_s())
                await asyncio.sleep(max(error.retry_s, REFUSED_RETRY_S))
            except LiveError as error:
                self._broke_off(error)
            if self.channel.pictures > before:
                back_off.reset()
            await asyncio.sleep(back_off.next())

    def quiet_s(self) -> float:
        """Return for how long nothing has come from a recorder that could be asked; 0 while it cannot be."""
        return 0.0 if self._lost else self._now_s() - self._heard_s

    def explain(self, why: Away | None) -> None:
        """Take what was looked up of a channel that is quiet: why no picture comes, None where one should."""
        if why is None and self._address is None:
            why = recorder_away(self._last_us())
        if why is None and self.quiet_s() > STALLED_S:
            why = stalled(self._last_us())
        if why is not None:
            self.channel.lose(why, self._now_s())

    async def _listen(self) -> None:
        with contextlib.suppress(OperationalError):  # where it was last is where it most likely is
            self._address = await self._database.query(live_client.address_of, self.channel.camera_id)
        if self._address is None:
            self._answers()  # nobody has the camera: why, is looked up
            return
        self.channel.seam()
        self._asked_s = self._now_s()
        source = live_client.pictures(
            self._address, self.channel.camera_id, stream=self.channel.name, idle_timeout=IDLE_S
        )
        answers = asyncio.get_running_loop().call_later(ANSWERS_S, self._answers)
        try:
            async with contextlib.aclosing(source):
                async for picture in source:
                    self._answers()
                    self._heard_s = self._now_s()
                    self.channel.push(picture, self._heard_s)
            self._answers()  # it has hung up in order: it is there, and has no such camera
        finally:
            answers.cancel()

    def _answers(self) -> None:
        if self._lost:
            self._lost, self._heard_s = False, self._now_s()

    def _broke_off(self, error: LiveError) -> None:
        if self._now_s() - max(self._asked_s, self._heard_s) > IDLE_S - 1:
            return  # it was only silent
        self._lost = True
        self.channel.lose(recorder_away(self._last_us()), self._now_s())
        if (held_back := _limit.passes(self._address)) is not None:
            get_logger().warning("A recorder sends no live pictures", reason=str(error), held_back=held_back)

    def _last_us(self) -> int:
        return self.channel.arrived_us or self._clock.now_us()

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9
