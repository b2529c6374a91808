"""The recorder's figures for Prometheus: read from plain counters at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vonggac.video.recorder.connection import State
from vonggac.video.volumes import VolumeState

if TYPE_CHECKING:
    from vonggac.video.recorder.fleet import Fleet


class RecorderCollector(Collector):
    """Yields what the recorder counts; per camera by its number, which unlike its name never changes."""

    def __init__(self, fleet: Callable[[], Fleet | None]) -> None:
        """`fleet` gives None until the recorder has started."""
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        fleet = self._fleet()
        if fleet is None:
            return
        yield from self._cameras(fleet)
        yield from self._sub_streams(fleet)
        yield from self._pipeline(fleet)

    def _cameras(self, fleet: Fleet) -> Iterator[Metric]:
        label = ["camera"]
        recording = GaugeMetricFamily("vonggac_camera_recording", "1 while pictures go to disk", labels=label)
        frames = CounterMetricFamily("vonggac_camera_frames", "Pictures received", labels=label)
        size = CounterMetricFamily("vonggac_camera_bytes", "Bytes of pictures received", labels=label)
        lost = CounterMetricFamily("vonggac_camera_lost_packets", "RTP packets lost", labels=label)
        dropped = CounterMetricFamily("vonggac_camera_dropped_frames", "Pictures before a key frame", labels=label)
        reconnects = CounterMetricFamily("vonggac_camera_reconnects", "Connections after the first", labels=label)
        recorded = CounterMetricFamily("vonggac_camera_recorded_seconds", "Seconds of video recorded", labels=label)
        passed = CounterMetricFamily("vonggac_camera_passed_seconds", "Seconds since recording was due", labels=label)
        viewers = GaugeMetricFamily("vonggac_camera_viewers", "Viewers of the live pictures", labels=label)
        for camera in fleet.cameras():
            name = [str(camera.source.number)]
            counters = camera.track.counters
            recording.add_metric(name, 1.0 if camera.connection.state.state is State.RECORDING else 0.0)
            frames.add_metric(name, counters.frames)
            size.add_metric(name, counters.bytes)
            lost.add_metric(name, counters.lost_packets)
            dropped.add_metric(name, counters.dropped_frames)
            reconnects.add_metric(name, camera.connection.reconnects)
            recorded.add_metric(name, counters.recorded_us / 1e6)
            passed.add_metric(name, fleet.passed_s(camera))
            viewers.add_metric(name, len(camera.live.viewers))
        yield from (recording, frames, size, lost, dropped, reconnects, recorded, passed, viewers)

    def _sub_streams(self, fleet: Fleet) -> Iterator[Metric]:
        label = ["camera"]
        playing = GaugeMetricFamily("vonggac_sub_streams_open", "Sub-streams that cameras play to us now")
        viewers = GaugeMetricFamily("vonggac_camera_sub_viewers", "Viewers of the sub-stream", labels=label)
        frames = CounterMetricFamily("vonggac_camera_sub_frames", "Pictures of the sub-stream", labels=label)
        size = CounterMetricFamily("vonggac_camera_sub_bytes", "Bytes of these pictures", labels=label)
        sessions = CounterMetricFamily("vonggac_camera_sub_sessions", "Times it was opened", labels=label)
        refusals = CounterMetricFamily("vonggac_camera_sub_refusals", "Times it could not be had", labels=label)
        subs = [camera.sub for camera in fleet.cameras() if camera.sub is not None]
        playing.add_metric([], sum(sub.open for sub in subs))
        for sub in subs:
            name, counters = [str(sub.source.number)], sub.counters
            viewers.add_metric(name, len(sub.feed.viewers))
            frames.add_metric(name, counters.frames)
            size.add_metric(name, counters.bytes)
            sessions.add_metric(name, counters.sessions)
            refusals.add_metric(name, counters.refusals)
        yield from (playing, viewers, frames, size, sessions, refusals)

    def _pipeline(self, fleet: Fleet) -> Iterator[Metric]:
        pipeline = fleet.pipeline
        totals = (
            ("vonggac_index_commits", "Transactions of the index", pipeline.counters.commits),
            ("vonggac_index_seconds", "Time spent in them", pipeline.counters.commit_seconds),
            ("vonggac_activity_left_out", "Episodes of activity not noted: too many waited", fleet.activity.left_out),
            ("vonggac_reads", "Helpings read from sockets", fleet.reading.reads),
        )
        for name, text, value in totals:
            yield CounterMetricFamily(name, text, value=value)
        gauges = (
            ("vonggac_index_queue", "Changes that wait for the database", pipeline.index_backlog),
            ("vonggac_open_files", "Recordings being written", pipeline.open_files),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(name, text, value=value)
        yield from self._volumes(fleet)

    def _volumes(self, fleet: Fleet) -> Iterator[Metric]:
        label = ["volume"]
        written = CounterMetricFamily("vonggac_write_bytes", "Bytes of video written", labels=label)
        writes = CounterMetricFamily("vonggac_writes", "Groups written", labels=label)
        writing = CounterMetricFamily("vonggac_write_seconds", "Time spent writing", labels=label)
        syncs = CounterMetricFamily("vonggac_syncs", "Files synced", labels=label)
        syncing = CounterMetricFamily("vonggac_sync_seconds", "Time spent syncing", labels=label)
        slowest = GaugeMetricFamily("vonggac_write_slowest_seconds", "Slowest write since the start", labels=label)
        waiting = GaugeMetricFamily("vonggac_write_queue_bytes", "Bytes that wait for the disk", labels=label)
        usable = GaugeMetricFamily("vonggac_volume_usable", "1 while recordings may go there", labels=label)
        free = GaugeMetricFamily("vonggac_volume_free_bytes", "Space that may be written", labels=label)
        for writer in fleet.pipeline.writers.values():
            name, counters = [str(writer.volume.path)], writer.counters
            written.add_metric(name, counters.written_bytes)
            writes.add_metric(name, counters.writes)
            writing.add_metric(name, counters.write_seconds)
            syncs.add_metric(name, counters.syncs)
            syncing.add_metric(name, counters.sync_seconds)
            slowest.add_metric(name, counters.slowest_write_s)
            waiting.add_metric(name, writer.queued_bytes)
        for one in fleet.volumes.standing():
            name = [str(one.volume.path)]
            usable.add_metric(name, 1.0 if one.condition.state is VolumeState.OK else 0.0)
            free.add_metric(name, one.condition.free_bytes)
        yield from (written, writes, writing, syncs, syncing, slowest, waiting, usable, free)
