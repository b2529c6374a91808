"""One viewer's WebSocket: what he asked for, what he gets, and what he is told when there is nothing to get."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import msgspec

from vonggac.core.backoff import BackOff
from vonggac.core.i18n import N_
from vonggac.shell.words import Words
from vonggac.web.live.away import Away
from vonggac.web.live.channel import Channel
from vonggac.web.live.choice import ASKED, Choice, Verdict, Wish
from vonggac.web.live.fragments import Stream
from vonggac.web.live.outbox import Item, Jpeg, Outbox, Refused
from vonggac.web.live.relay import Relay

SEND_TIMEOUT_S = 20.0
"""A viewer who takes nothing for so long is let go; his page comes back by itself."""
MEANWHILE_S = 0.25
"""A sub-stream that is not there after so long is being opened: key frames of the main one are shown meanwhile."""
FIRST_RETRY_S, MOST_RETRY_S = 5.0, 60.0
"""Pauses before what could not be had is tried again."""
ALIVE_S = 10.0
"""So often a page hears what time it is, also while there is no picture: else it takes the line for dead."""
DECODED_WORDS = N_("This browser does not play H.265: one picture a second, made by the centre")


class Socket(Protocol):
    """Where messages go: what is needed of Starlette's WebSocket."""

    async def send_text(self, data: str) -> None:
        """Send a message."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a message."""


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """All that a page may say."""

    stream: str

    def __post_init__(self) -> None:
        if self.stream not in ASKED:
            raise ValueError("no such stream")


@dataclass(slots=True)
class Seat:
    """A place at a channel."""

    wish: Wish
    channel: Channel
    box: Outbox
    meanwhile: bool
    """Whether it only bridges the time until something better is there."""


class LiveSession:
    """Sends one camera's pictures to one viewer. Another stream is waited for before the one before it is left."""

    def __init__(
        self,
        relay: Relay,
        camera_id: uuid.UUID,
        socket: Socket,
        words: Words,
        now_us: Callable[[], int],
        choice: Choice,
    ) -> None:
        self._relay = relay
        self._camera_id = camera_id
        self._socket = socket
        self._words = words
        self._now_us = now_us
        self._choice = choice
        self._wake = asyncio.Event()
        self._seat: Seat | None = None
        self._trial: Seat | None = None
        self._said_decoded = False
        self._again = BackOff(FIRST_RETRY_S, MOST_RETRY_S)
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        """The one that runs for each thing to be done later."""
        self._due = False
        self._bridge_due = False

    def ask(self, text: str) -> None:
        """Take what the page says; msgspec.DecodeError when it is nothing that a page says."""
        question = msgspec.json.decode(text, type=Question)
        self._choice = Choice(question.stream, self._choice.can_h265)
        self._again.reset()
        self._due = True
        self._wake.set()

    async def run(self) -> NoReturn:
        """Send pictures until cancelled; TimeoutError when they are not taken."""
        alive = asyncio.create_task(self._stay_alive(), name="live: a word now and then")
        try:
            self._try()
            while True:
                self._judge()
                item = self._seat.box.take() if self._seat is not None else None
                if item is None:
                    await self._wake.wait()
                    self._wake.clear()
                else:
                    await self._give(item)
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)
            for timer in self._timers.values():
                timer.cancel()
            self._drop(self._trial)
            self._drop(self._seat)

    # Which stream.

    def _judge(self) -> None:
        """Move from the stream that is shown to the one that is wanted, as far as that is there."""
        if self._due:
            self._due = False
            self._choice.begin()
            self._try()
        while self._trial is not None:
            verdict = self._choice.verdict(self._trial.wish, self._trial.box.first())
            if verdict is Verdict.TAKE:
                self._drop(self._seat)
                self._seat, self._trial = self._trial, None
                self._settled()
            elif verdict is Verdict.NEXT:
                self._choice.next()
                self._try()
            else:
                self._bridge()
                return

    def _try(self) -> None:
        """Begin to listen to what is wished for now, unless that is what is shown."""
        self._drop(self._trial)
        self._trial = None
        wish = self._choice.wish
        if self._seat is not None and self._seat.wish == wish and not self._seat.meanwhile:
            self._settled()
            return
        self._trial = self._sit(wish)
        self._bridge_due = False
        self._after(MEANWHILE_S, self._bridge_is_due)

    def _settled(self) -> None:
        if self._seat is not None and self._seat.wish != self._choice.wishes[0]:
            self._after(self._again.next(), self._ask_again)

    def _bridge(self) -> None:
        main = Wish("main")
        if self._bridge_due and self._seat is None and self._trial is not None and self._trial.wish == Wish("sub"):
            self._seat = self._sit(main, meanwhile=True)

    def _sit(self, wish: Wish, *, meanwhile: bool = False) -> Seat:
        channel = self._relay.channel(self._camera_id, wish.name)
        box = Outbox(self._relay.budget, self._wake.set, keys_only=meanwhile)
        seat = Seat(wish, channel, box, meanwhile)
        (channel.look if wish.decoded else channel.watch)(box, time.monotonic())
        return seat

    def _drop(self, seat: Seat | None) -> None:
        if seat is not None:
            seat.channel.leave(seat.box)
            self._relay.release(seat.channel)

    def _after(self, delay_s: float, then: Callable[[], None]) -> None:
        if (before := self._timers.get(then)) is not None:
            before.cancel()
        self._timers[then] = asyncio.get_running_loop().call_later(delay_s, then)

    def _bridge_is_due(self) -> None:
        self._bridge_due = True
        self._wake.set()

    def _ask_again(self) -> None:
        if self._trial is None:
            self._due = True
            self._wake.set()

    def _leave_for_next(self, seat: Seat) -> None:
        self._drop(seat)
        self._seat = None
        self._bridge_due = False  # what does not help once is not tried twice
        if self._trial is None:
            self._choice.next(seat.wish)
            self._try()

    # What is sent.

    async def _stay_alive(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_S)
            await self._say({"type": "alive", "now_ms": self._now_us() // 1000})

    async def _give(self, item: Item) -> None:
        seat = self._seat
        assert seat is not None
        if isinstance(item, Refused) or (isinstance(item, Stream) and not self._choice.plays(item)):
            self._leave_for_next(seat)
        elif isinstance(item, Stream):
            self._said_decoded = False
            await self._say(
                {
                    "type": "stream",
                    "stream": item.name,
                    "mode": "video",
                    "mime": item.mime,
                    "width": item.width,
                    "height": item.height,
                    "now_ms": self._now_us() // 1000,
                }
            )
            await self._send(item.init)
        elif isinstance(item, Away):
            self._said_decoded = False
            if seat.wish.name == "sub":
                self._leave_for_next(seat)
            else:
                since_ms = item.since_us // 1000
                words = self._words.say(item.words)
                await self._say({"type": "away", "reason": item.reason, "words": words, "since_ms": since_ms})
        elif isinstance(item, Jpeg):
            if not self._said_decoded:
                self._said_decoded = True
                why = self._words.say(DECODED_WORDS)
                await self._say(
                    {
                        "type": "stream",
                        "stream": seat.wish.name,
                        "mode": "keyframes",
                        "why": why,
                        "now_ms": self._now_us() // 1000,
                    }
                )
            await self._send(item.message)
        else:
            await self._send(item.message)

    async def _say(self, value: dict[str, Any]) -> None:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._socket.send_text(msgspec.json.encode(value).decode())

    async def _send(self, message: bytes) -> None:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._socket.send_bytes(message)
