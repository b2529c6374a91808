"""The recorder's figures for Prometheus: read from plain counters at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vonggac.video.recorder.connection import State

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

    def _pipeline(self, fleet: Fleet) -> Iterator[Metric]:
        pipeline, counters = fleet.pipeline, fleet.pipeline.counters
        totals = (
            ("vonggac_write_bytes", "Bytes of video written", counters.written_bytes),
            ("vonggac_writes", "Groups written", counters.writes),
            ("vonggac_write_seconds", "Time spent writing", counters.write_seconds),
            ("vonggac_syncs", "Files synced", counters.syncs),
            ("vonggac_sync_seconds", "Time spent syncing", counters.sync_seconds),
            ("vonggac_index_commits", "Transactions of the index", counters.commits),
            ("vonggac_index_seconds", "Time spent in them", counters.commit_seconds),
            ("vonggac_reads", "Helpings read from sockets", fleet.reading.reads),
        )
        for name, text, value in totals:
            yield CounterMetricFamily(name, text, value=value)
        gauges = (
            ("vonggac_write_slowest_seconds", "Slowest write since the start", counters.slowest_write_s),
            ("vonggac_write_queue_bytes", "Bytes that wait for the disk", pipeline.queued_bytes),
            ("vonggac_index_queue", "Changes that wait for the database", pipeline.index_backlog),
            ("vonggac_open_files", "Recordings being written", pipeline.open_files),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(name, text, value=value)
