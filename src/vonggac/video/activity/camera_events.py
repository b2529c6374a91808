"""The keeper's job that follows what cameras say of themselves: one ONVIF subscription a camera, noted as activity.

In the keeper, since XML that a camera sends is read here: what it costs, and whatever is wrong with it, must not touch
a recording.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge
from sqlalchemy.exc import OperationalError

from vonggac.cameras import service as cameras
from vonggac.cameras.onvif.client import exchange
from vonggac.cameras.onvif.errors import OnvifError, Reason
from vonggac.cameras.onvif.motion import MotionState
from vonggac.cameras.onvif.pull_point import HttpRequest, HttpResponse, PullPoint, Step
from vonggac.cameras.service import OnvifSource
from vonggac.core.backoff import BackOff
from vonggac.core.clock import Clock
from vonggac.core.database import Database
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.secrets import SecretBox
from vonggac.video.activity.models import Source
from vonggac.video.activity.notes import EpisodeNotes, EpisodeWriter, Write

EVERY_S = 1.0
"""How often what was said is written."""
SOURCES_EVERY_NS = 5_000_000_000
"""How often it is looked whether the cameras have changed."""
QUIET_US = 6_000_000
"""What begins again so soon is the same episode: motion detectors flutter."""
FIRST_PAUSE_S, MOST_PAUSE_S = 2.0, 300.0
PACE_S = 0.5
"""A camera is asked at most so often, however fast it answers."""
LOCK_PAUSE_S = 60.0
"""Least pause after a refused password: a camera that locks itself would lock the recorder out, too."""
FAULT_PAUSE_S = 600.0
LEAVE_S = 2.0
"""So long cameras have to hear that we leave."""
SCORE = 1.0

Exchange = Callable[[HttpRequest], Awaitable[HttpResponse]]


@dataclass(slots=True)
class _Followed:
    source: OnvifSource
    task: asyncio.Task[None]
    writer: EpisodeWriter
    again_s: float | None = None
    """When one that was ended by a fault of ours is begun anew."""


class CameraEvents:
    """Follows every camera that has an ONVIF address."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        box: SecretBox,
        registry: CollectorRegistry,
        send: Exchange = exchange,
    ) -> None:
        self._database = database
        self._clock = clock
        self._box = box
        self._send = send
        self._notes = EpisodeNotes()
        self._writes: list[Write] = []
        self._followed: dict[uuid.UUID, _Followed] = {}
        self._looked_ns = -SOURCES_EVERY_NS
        self._limit = RateLimit()
        self._told = Counter("vonggac_keeper_camera_events", "Messages of cameras by ONVIF.", registry=registry)
        self._failed = Counter(
            "vonggac_keeper_camera_events_failed", "Subscriptions that failed.", ["reason"], registry=registry
        )
        self._listening = Gauge("vonggac_keeper_cameras_heard", "Cameras that tell of their motion.", registry=registry)
        self._heard: set[uuid.UUID] = set()

    async def round(self) -> None:
        """Write what was said, and look from time to time which cameras there are."""
        if self._clock.monotonic_ns() - self._looked_ns >= SOURCES_EVERY_NS:
            await self._set_sources(await self._database.query(cameras.onvif_sources, self._box))
            self._looked_ns = self._clock.monotonic_ns()
        self._listening.set(len(self._heard))
        self._look_after()
        await self._write()

    def _look_after(self) -> None:
        """Write down what ended the following of a camera, a fault of ours, and begin it anew after a while.

        It must not end the keeper, whose other jobs keep the disks from filling.
        """
        for key, one in list(self._followed.items()):
            if not one.task.done():
                continue
            if one.again_s is None:
                one.again_s = self._seconds() + FAULT_PAUSE_S
                get_logger().error(
                    "following what a camera tells failed", camera=one.source.number, exc_info=one.task.exception()
                )
            elif self._seconds() >= one.again_s:
                self._follow_anew(key, one.source)

    async def _write(self) -> None:
        # What the database does not take stays, and is asked for again.
        self._writes = self._writes or self._notes.take()
        while self._writes:
            await self._database.run(self._writes[0])
            del self._writes[0]

    async def close(self) -> None:
        """Take leave of every camera, and write what is left."""
        await self._stop(list(self._followed))
        with contextlib.suppress(OperationalError):
            await self._write()
            await self._write()

    async def _set_sources(self, sources: list[OnvifSource]) -> None:
        wanted = {source.id: source for source in sources}
        await self._stop([key for key, one in self._followed.items() if wanted.get(key) != one.source])
        for key, source in wanted.items():
            if key not in self._followed:
                self._follow_anew(key, source)

    def _follow_anew(self, key: uuid.UUID, source: OnvifSource) -> None:
        writer = EpisodeWriter(source.id, source.unit_id, Source.ONVIF, self._notes)
        task = asyncio.create_task(self._follow(source, writer), name=f"events of camera {source.number}")
        self._followed[key] = _Followed(source, task, writer)

    async def _stop(self, keys: list[uuid.UUID]) -> None:
        leaving = [self._followed.pop(key) for key in keys]
        for one in leaving:
            one.task.cancel()
        await asyncio.gather(*(one.task for one in leaving), return_exceptions=True)
        for one in leaving:
            one.writer.end()

    async def _follow(self, source: OnvifSource, writer: EpisodeWriter) -> None:
        back_off = BackOff(FIRST_PAUSE_S, MOST_PAUSE_S)
        await asyncio.sleep(random.uniform(0, 1))  # noqa: S311 (not all cameras at once)
        while True:
            try:
                if source.fault:
                    raise OnvifError(Reason.UNAUTHORISED, source.fault)
                await self._listen(source, writer, back_off)
            except OnvifError as error:
                self._failed.labels(error.reason.value).inc()
                if error.reason is not Reason.GONE and (held := self._limit.passes(source.id)) is not None:
                    get_logger().warning(
                        "a camera does not tell of its motion",
                        camera=source.number,
                        reason=error.reason.value,
                        detail=str(error),
                        held_back=held,
                    )
                unauthorised = error.reason is Reason.UNAUTHORISED
            finally:
                self._heard.discard(source.id)
                writer.end()
            least_s = LOCK_PAUSE_S * random.uniform(1, 1.5) if unauthorised else 0.0  # noqa: S311 (jitter)
            await asyncio.sleep(max(back_off.next(), least_s))

    async def _listen(self, source: OnvifSource, writer: EpisodeWriter, back_off: BackOff) -> None:
        point, state = PullPoint(source.url, source.credentials), MotionState()
        quiet_since_us = 0
        try:
            while True:
                asked_s = self._seconds()
                request = point.request(self._clock.now_us(), asked_s)
                step, response = point.step, await self._send(request)
                said = point.answer(response, self._clock.now_us(), self._seconds())
                if point.subscribed:
                    self._heard.add(source.id)
                if step is Step.PULL and response.status == HTTPStatus.OK:
                    back_off.reset()  # not before: some let themselves be subscribed to, and refuse every pull
                self._told.inc(len(said))
                state.take(said, self._seconds())
                now_us = self._clock.now_us()
                if state.moves(self._seconds()):
                    quiet_since_us = 0
                    if writer.active:
                        writer.grow(now_us, SCORE)
                    else:
                        writer.begin(now_us, now_us, SCORE)
                elif writer.active:
                    if not quiet_since_us:
                        writer.grow(now_us, SCORE)
                        quiet_since_us = now_us
                    elif now_us - quiet_since_us >= QUIET_US:
                        writer.end()
                if point.subscribed and self._seconds() - asked_s < PACE_S:
                    await asyncio.sleep(PACE_S)  # some do not wait for something to happen, and some never stop
        except (asyncio.CancelledError, OnvifError) as error:
            if not (isinstance(error, OnvifError) and error.reason is Reason.GONE):
                await self._leave(point)
            raise

    async def _leave(self, point: PullPoint) -> None:
        # Cameras have room for few subscriptions, and keep forgotten ones for minutes.
        if point.leave():
            with contextlib.suppress(OnvifError, TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await self._send(point.request(self._clock.now_us(), self._seconds()))

    def _seconds(self) -> float:
        return self._clock.monotonic_ns() / 1e9
