"""All cameras of one recorder: started, changed, stopped; ticked once a second, their status told every few."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy.exc import OperationalError

from vonggac.cameras.service import CameraSource
from vonggac.core.clock import Clock, SystemClock
from vonggac.core.database import Database
from vonggac.core.log import RateLimit, get_logger
from vonggac.core.settings import Settings
from vonggac.video import index, volumes
from vonggac.video.activity.notes import EpisodeNotes
from vonggac.video.models import GapReason
from vonggac.video.mp4 import codec_string
from vonggac.video.recorder.account import CameraAccount
from vonggac.video.recorder.anchor import Timebase
from vonggac.video.recorder.camera import TrackRecorder
from vonggac.video.recorder.connect_gate import ConnectGate
from vonggac.video.recorder.connection import CameraConnection, State
from vonggac.video.recorder.live import LiveFeed
from vonggac.video.recorder.metering import CameraMeter
from vonggac.video.recorder.pipeline import RecordingPipeline
from vonggac.video.recorder.reading import ReadingRound
from vonggac.video.recorder.recording_file import RecordingFile, WriteFailed
from vonggac.video.recorder.start import CameraPast, open_account
from vonggac.video.recorder.sub_stream import SubStream
from vonggac.video.recorder.timekeeping import Timekeeping
from vonggac.video.recorder.volume_faults import FaultTeller
from vonggac.video.recorder.volume_watch import VolumeWatch, Welcome
from vonggac.video.rtsp import StreamDescription

TICK_S = 1.0
STATUS_S = 5.0
VOLUMES_S = 2.0


@dataclass(slots=True)
class RecordedCamera:
    """One camera and everything that works for it."""

    source: CameraSource
    track: TrackRecorder
    connection: CameraConnection
    live: LiveFeed
    task: asyncio.Task[None]
    since: float
    sub: SubStream | None = None
    """None where the camera has none."""
    told_frames: int = 0
    told_bytes: int = 0


class Fleet:
    """Records cameras. `start`, then `set_cameras` whenever they change, then `stop`."""

    def __init__(
        self,
        name: str,
        database: Database,
        settings: Settings,
        welcome: Welcome,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """`welcome` makes a volume ready to be written; it is called on a thread of the volume."""
        self._name = name
        self._database = database
        self._settings = settings
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()  # noqa: S311
        self._timebase = Timebase(self._clock.now_us(), self._clock.monotonic_ns())
        self._loop = asyncio.get_running_loop()
        self._log = get_logger()
        self._limit = RateLimit()
        self._gate = ConnectGate(settings.recorder.connects_at_once)
        reserve_bytes = settings.storage.reserve_mb * 1_000_000
        self._cameras: dict[uuid.UUID, RecordedCamera] = {}
        # An account outlives its connection: what it has decided may still be on its way to the index.
        self._accounts: dict[uuid.UUID, CameraAccount] = {}
        self._chores: list[asyncio.Task[None]] = []
        self._told_at = time.monotonic()
        self.reading = ReadingRound(self._rng)
        self.pipeline = RecordingPipeline(
            database,
            queue_bytes=settings.recorder.write_queue_mb * 1_000_000,
            sync_s=settings.recorder.sync_seconds,
            reserve_bytes=reserve_bytes,
            on_failure=self._write_failed_on_thread,
        )
        self._timekeeping = Timekeeping(self.pipeline.change, self._limit)
        self.volumes = VolumeWatch(
            self.pipeline.disk, reserve_bytes=reserve_bytes, welcome=welcome, slow=self.pipeline.slow
        )
        self._faults = FaultTeller(self.pipeline.change)
        self.activity = EpisodeNotes()

    async def start(self) -> None:
        """Start the threads and the clockwork, and wait until each volume is ready, or known not to be."""
        self.pipeline.start()
        self.volumes.set_volumes(await self._database.query(volumes.known))
        while not self.volumes.known:
            await asyncio.sleep(0.05)
        self._chores = [asyncio.create_task(self._tick()), asyncio.create_task(self._refresh_volumes())]

    async def stop(self) -> None:
        """Stop every camera, write what is left, and end the threads."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await asyncio.gather(*(self._stop_camera(one, GapReason.STOPPED) for one in list(self._cameras)))
        self._tell_status(list(self._cameras.values()))
        self._write_activity()
        self._cameras.clear()
        self.reading.close()
        self.volumes.end()
        await asyncio.to_thread(self.pipeline.stop)

    def cameras(self) -> Iterator[RecordedCamera]:
        """Yield what is recorded, by number. Safe to call from another thread."""
        yield from sorted(self._cameras.values(), key=lambda camera: camera.source.number)

    def known(self) -> set[uuid.UUID]:
        """Return the cameras whose account this recorder keeps, also of those that it no longer records."""
        return set(self._accounts)

    def feed(self, camera_id: uuid.UUID) -> LiveFeed | None:
        """Return a camera's live pictures; None for one that is not recorded here."""
        camera = self._cameras.get(camera_id)
        return None if camera is None else camera.live

    def sub_stream(self, camera_id: uuid.UUID) -> SubStream | None:
        """Return a camera's sub-stream; None for one that has none."""
        camera = self._cameras.get(camera_id)
        return None if camera is None else camera.sub

    def wall_us(self, monotonic_ns: int) -> int:
        """Return the wall clock at a moment of the monotonic one."""
        return self._timebase.wall_us(monotonic_ns)

    def _now_us(self) -> int:
        # Not the system's clock: until the tick has seen that it was set, accounts go on by the old time.
        return self._timebase.wall_us(self._clock.monotonic_ns())

    def passed_s(self, camera: RecordedCamera) -> float:
        """Return for how long a camera has been this recorder's, in seconds."""
        return time.monotonic() - camera.since

    async def set_cameras(self, sources: list[CameraSource], pasts: dict[uuid.UUID, CameraPast]) -> None:
        """Record exactly these cameras: start new ones, stop others, restart those whose address changed."""
        wanted = {source.id: source for source in sources if source.enabled}
        for camera_id, camera in list(self._cameras.items()):
            source = wanted.get(camera_id)
            if source is not None and _same_stream(source, camera.source):
                camera.source = camera.connection.source = source
                await self._set_sub_stream(camera)
                continue
            await self._stop_camera(camera_id, GapReason.DISABLED if source is None else GapReason.STOPPED)
            del self._cameras[camera_id]
        for camera_id, source in wanted.items():
            if camera_id not in self._cameras:
                camera = self._cameras[camera_id] = self._start_camera(source, pasts.get(camera_id) or CameraPast())
                await self._set_sub_stream(camera)
        self._timekeeping.forget_others()

    def _start_camera(self, source: CameraSource, past: CameraPast) -> RecordedCamera:
        account = self._accounts.get(source.id)
        if account is None:
            account = self._accounts[source.id] = self._open_account(source, past)
        if account.gap is not None and account.gap.reason is GapReason.DISABLED:
            # From now on it is due: what connecting takes is not switched off.
            account.away(GapReason.STOPPED, "recording had not begun", self._now_us())
        connection: CameraConnection | None = None

        def watched(by_somebody: bool) -> None:
            if connection is not None:
                connection.watched(by_somebody)

        def plays() -> None:
            camera = self._cameras.get(source.id)
            if camera is not None and camera.sub is not None:
                camera.sub.main_changed()

        live = LiveFeed(watched)
        track = TrackRecorder(
            camera_id=source.id,
            camera_folder=source.folder,
            number=source.number,
            account=account,
            pipeline=self.pipeline,
            live=live,
            choose_volume=lambda: self.volumes.choose(source.id),
            leave_volume=self.volumes.leave,
            why_no_volume=self.volumes.why_none,
            timebase=self._timebase,
            recording_s=self._settings.recorder.recording_seconds,
            clock_tolerance_s=self._settings.recorder.clock_tolerance_seconds,
            meter=CameraMeter(source.id, source.unit_id, self.activity, self._timebase),
        )
        connection = CameraConnection(
            source,
            track,
            settings=self._settings.recorder,
            reading=self.reading,
            gate=self._gate,
            now_us=self._now_us,
            limit=self._limit,
            rng=self._rng,
            on_plays=plays,
        )
        task = asyncio.create_task(connection.run(), name=f"camera {source.number}")
        task.add_done_callback(self._ended_by_itself)
        return RecordedCamera(source, track, connection, live, task, time.monotonic())

    async def _set_sub_stream(self, camera: RecordedCamera) -> None:
        """Have the sub-stream that the camera's source names, its main stream untouched."""
        source, sub = camera.source, camera.sub
        if sub is not None and sub.source.sub_url == source.sub_url:
            sub.source = source
            return
        camera.sub = None
        if sub is not None:
            await sub.close()
        if source.sub_url:
            camera.sub = SubStream(
                source,
                camera.connection,
                settings=self._settings.recorder,
                reading=self.reading,
                gate=self._gate,
                limit=self._limit,
                rng=self._rng,
            )

    def _open_account(self, source: CameraSource, past: CameraPast) -> CameraAccount:
        return open_account(source.id, source.unit_id, self.pipeline.change, past, self._now_us())

    async def _stop_camera(self, camera_id: uuid.UUID, reason: GapReason) -> None:
        camera = self._cameras[camera_id]
        if camera.sub is not None:
            await camera.sub.close()
        camera.task.cancel()
        await asyncio.wait([camera.task])  # one that ended with an error has said so, and must not stop the others' end
        camera.live.close()
        camera.track.end_run(reason, "the recorder was stopped" if reason is GapReason.STOPPED else "", self._now_us())

    def _ended_by_itself(self, task: asyncio.Task[None]) -> None:
        # A connection runs for ever: one that ends with an error is a fault of ours, and a silent one would be the
        # camera that nobody misses. The role ends, and its supervisor starts it anew.
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("recording of a camera failed", camera=task.get_name(), exc_info=error)
            for chore in self._chores:
                chore.cancel()

    async def failed(self) -> None:
        """Return when the recorder cannot go on."""
        await asyncio.wait(self._chores, return_when=asyncio.FIRST_COMPLETED)

    async def _tick(self) -> None:
        told = 0.0
        while True:
            await asyncio.sleep(TICK_S)
            if not self.pipeline.alive:
                raise RuntimeError("a thread that writes has ended")
            now_us, monotonic_ns = self._clock.now_us(), self._clock.monotonic_ns()
            step_us = self._timebase.follow(now_us, monotonic_ns)
            if step_us:
                self._log.warning("the clock was set: every camera begins a new run", step_s=step_us / 1e6)
            for camera in self._cameras.values():
                if step_us:
                    camera.track.clock_was_set(now_us - step_us, step_us)
                camera.connection.tick()
                if camera.sub is not None:
                    camera.sub.tick()
                self._timekeeping.look(camera.source, camera.track, camera.connection.sender_report)
            self._write_activity()
            if time.monotonic() - told >= STATUS_S:
                told = time.monotonic()
                self._tell_status(list(self._cameras.values()))

    def _write_activity(self) -> None:
        if self.pipeline.index_waits:
            return  # it waits in its own bounded place
        for change in self.activity.take():
            self.pipeline.change(change)

    def _tell_status(self, cameras: list[RecordedCamera]) -> None:
        now_us = self._clock.now_us()
        now = time.monotonic()
        elapsed = max(now - self._told_at, 0.001)
        self._told_at = now
        rows = [self._status(camera, now_us, elapsed) for camera in cameras]
        if self.pipeline.index_waits:
            return  # nobody could read it, and what waits must not grow while the database is away
        self.pipeline.change(lambda session: index.replace_statuses(session, self._name, rows))

    def _status(self, camera: RecordedCamera, now_us: int, elapsed_s: float) -> dict[str, object]:
        counters, parameters, state = camera.track.counters, camera.track.parameters, camera.connection.state
        recorded_us, passed_us = camera.track.account.share(now_us)
        gap = camera.track.account.gap
        if state.state is State.RECORDING and gap is not None:
            # Connected, but nothing reaches the disk.
            state = replace(state, state=State.AWAY, reason=gap.reason.value, detail=gap.detail, since_us=gap.start_us)
        row: dict[str, object] = {
            "camera_id": camera.source.id,
            "recorder": self._name,
            "state": state.state.value,
            "reason": state.reason,
            "detail": state.detail[:500],
            "since_us": state.since_us,
            "updated_us": now_us,
            "codec": codec_string(parameters) if parameters else "",
            "audio": _sound_in_words(camera.track.description)[:200],
            "width": parameters.width if parameters else 0,
            "height": parameters.height if parameters else 0,
            "fps": (counters.frames - camera.told_frames) / elapsed_s,
            "bits_per_s": (counters.bytes - camera.told_bytes) * 8 / elapsed_s,
            "frames": counters.frames,
            "lost_packets": counters.lost_packets,
            "reconnects": camera.connection.reconnects,
            "passed_us": passed_us,
            "recorded_us": recorded_us,
            "clock_offset_us": camera.track.clock.offset_us,
        }
        camera.told_frames, camera.told_bytes = counters.frames, counters.bytes
        return row

    async def _refresh_volumes(self) -> None:
        # A volume that `vonggac init` added, or whose folder moved, is taken up without a restart.
        while True:
            self._faults.tell(self.volumes.standing())
            await asyncio.sleep(VOLUMES_S)
            try:
                known = await self._database.query(volumes.known)
            except OperationalError:
                continue  # the index thread says so
            self.volumes.set_volumes(known)

    def _write_failed_on_thread(self, recording: RecordingFile, failure: WriteFailed) -> None:
        self.volumes.failed(recording.volume, failure)
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._write_failed, recording, failure)

    def _write_failed(self, recording: RecordingFile, failure: WriteFailed) -> None:
        camera = self._cameras.get(recording.camera_id)
        if camera is not None:
            camera.track.write_failed(recording, failure.reason, str(failure), self._now_us())


def _sound_in_words(description: StreamDescription | None) -> str:
    """Return what sound a camera offers, and what becomes of it."""
    if description is None or not (description.sound_offered or description.sound_refused):
        return ""
    if description.sound is not None:
        return f"recorded: {description.sound_offered}"
    return description.sound_refused or f"offered, not recorded: {description.sound_offered}"


def _same_stream(one: CameraSource, other: CameraSource) -> bool:
    def stream(source: CameraSource) -> CameraSource:
        return replace(source, name="", sub_url="", fault="")

    return stream(one) == stream(other)
