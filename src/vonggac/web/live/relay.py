"""The relay: a channel for each stream that somebody watches, and what all of them share."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from vonggac.core.clock import Clock
from vonggac.core.database import Database
from vonggac.video import live_client
from vonggac.web.live import away
from vonggac.web.live.channel import Channel
from vonggac.web.live.keyframes import KeyFrames
from vonggac.web.live.outbox import Budget
from vonggac.web.live.subscription import QUIET_S, Subscription

LINGER_S = 5.0
"""How long a stream is listened to after the last viewer has gone: he may only have loaded the page anew."""
MOST_SOCKETS = 1000
MOST_SOCKETS_EACH = 128
"""Of one log-in: two screens of 36 tiles, and room."""

_ChannelKey = tuple[uuid.UUID, live_client.Stream]


class Relay:
    """All live pictures of this process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.budget = Budget()
        self._database = database
        self._clock = clock
        self._key_frames = KeyFrames()
        self._channels: dict[_ChannelKey, Channel] = {}
        self._subscriptions: dict[_ChannelKey, Subscription] = {}
        self._tasks: dict[_ChannelKey, asyncio.Task[None]] = {}
        self._ends: dict[_ChannelKey, asyncio.TimerHandle] = {}
        self._looking: asyncio.Task[None] | None = None
        self._sockets: dict[bytes, int] = {}
        self._pictures = 0
        """Of channels that have ended."""

    def enter(self, session_key: bytes) -> None:
        """Count a socket of a log-in; status 429 or 503 when there are too many."""
        mine = self._sockets.get(session_key, 0)
        if mine >= MOST_SOCKETS_EACH:
            raise HTTPException(429)
        if sum(self._sockets.values()) >= MOST_SOCKETS:
            raise HTTPException(503)
        self._sockets[session_key] = mine + 1

    def leave(self, session_key: bytes) -> None:
        """Count it no more."""
        self._sockets[session_key] -= 1
        if not self._sockets[session_key]:
            del self._sockets[session_key]

    def channel(self, camera_id: uuid.UUID, name: live_client.Stream) -> Channel:
        """Return the channel of a stream; it is listened to from now on. Give it back with `release`."""
        key: _ChannelKey = camera_id, name
        if (end := self._ends.pop(key, None)) is not None:
            end.cancel()
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(camera_id, name, self._key_frames.offer)
            self._subscriptions[key] = Subscription(channel, self._database, self._clock)
            self._listen(key)
        if self._looking is None:
            self._look()
        return channel

    def release(self, channel: Channel) -> None:
        """Say that a viewer has left: a channel that nobody watches ends after a while."""
        key: _ChannelKey = channel.camera_id, channel.name
        if not channel.viewers and key in self._channels and key not in self._ends:
            self._ends[key] = asyncio.get_running_loop().call_later(LINGER_S, self._end, key)

    def close(self) -> None:
        """End everything: the process ends."""
        for key in list(self._channels):
            self._end(key, always=True)
        self._key_frames.close()

    def _listen(self, key: _ChannelKey) -> None:
        task = asyncio.create_task(self._subscriptions[key].run(), name=f"live {key[1]} {key[0].hex}")
        self._tasks[key] = task

        def again() -> None:
            if self._tasks.get(key) is task:  # else the channel has ended, and perhaps begun anew, meanwhile
                self._listen(key)

        task.add_done_callback(lambda _: self._failed(task, again))

    def _look(self) -> None:
        task = self._looking = asyncio.create_task(self._explain(), name="live: why no picture")

        def again() -> None:
            if self._looking is task:
                self._look()

        task.add_done_callback(lambda _: self._failed(task, again))

    def _failed(self, task: asyncio.Task[None], again: Callable[[], None]) -> None:
        """A mistake of ours ended what goes on for ever: it is written down, and begun anew after a while."""
        if not task.cancelled() and (error := task.exception()) is not None:
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": f"failed: {task.get_name()}", "exception": error})
            loop.call_later(LINGER_S, again)

    def _end(self, key: _ChannelKey, always: bool = False) -> None:
        if (end := self._ends.pop(key, None)) is not None:
            end.cancel()
        if self._channels[key].viewers and not always:
            return
        self._pictures += self._channels.pop(key).pictures
        del self._subscriptions[key]
        self._tasks.pop(key).cancel()
        if not self._channels and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _explain(self) -> None:
        """Look up, for all channels together, why those that are quiet are so."""
        while True:
            await asyncio.sleep(QUIET_S / 2)
            quiet = [one for one in self._subscriptions.values() if one.quiet_s() > QUIET_S]
            if not quiet:
                continue
            cameras = {one.channel.camera_id for one in quiet}
            try:
                found = await self._database.query(away.looked_up, cameras, self._clock.now_us())
            except OperationalError:
                continue  # nothing is known; the tiles say how old their pictures are
            for one in quiet:
                if one.quiet_s() > QUIET_S:
                    one.explain(found[one.channel.camera_id])

    def figures(self) -> dict[str, int]:
        """Return what /metrics says."""
        channels = self._channels.values()
        return {
            "channels": len(channels),
            "sockets": sum(self._sockets.values()),
            "waiting": self.budget.waiting,
            "skips": self.budget.skips,
            "pictures": self._pictures + sum(channel.pictures for channel in channels),
            "decoded": self._key_frames.decoded,
        }


class LiveCollector(Collector):
    """What the relay says of itself."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def collect(self) -> Iterator[Metric]:
        said = self._relay.figures()
        yield GaugeMetricFamily("vonggac_live_sockets", "WebSockets that show live pictures.", said["sockets"])
        yield GaugeMetricFamily("vonggac_live_channels", "Streams that are listened to.", said["channels"])
        yield GaugeMetricFamily("vonggac_live_waiting_bytes", "Pictures that wait for viewers.", said["waiting"])
        yield CounterMetricFamily("vonggac_live_pictures", "Pictures that came from recorders.", said["pictures"])
        yield CounterMetricFamily(
            "vonggac_live_skips", "Times a viewer was too slow and skipped to a key frame.", said["skips"]
        )
        yield CounterMetricFamily("vonggac_live_decoded", "Key frames decoded for browsers.", said["decoded"])
