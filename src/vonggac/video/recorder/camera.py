"""One camera's recording: pictures into recordings, seams into new ones, time into the account. No I/O of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from vonggac.video.models import GapReason
from vonggac.video.mp4 import UnusableParameters, init_segment, nominal_duration, reorder_delay
from vonggac.video.recorder.account import CameraAccount
from vonggac.video.recorder.anchor import TimeAnchor
from vonggac.video.recorder.groups import Break, GroupAssembler, Piece
from vonggac.video.recorder.live import LiveFeed
from vonggac.video.recorder.pipeline import RecordingPipeline
from vonggac.video.recorder.recording_file import RecordingFile
from vonggac.video.stream import VIDEO_TIMESCALE, AccessUnit, VideoParameters
from vonggac.video.volumes import MountedVolume

_DELAY_MARGIN = VIDEO_TIMESCALE // 30
"""A reorder delay that grows by less is the jitter of the camera's times, and the offsets of the file can say it."""
_GOLDEN = 0.618033988749895
_HOLD_OFF_US = 5_000_000
"""After a failure to write, so long passes before the next attempt: a full disk is not asked at every key frame."""
_TOO_SLOW = "the disk is too slow: the write queue is full"


@dataclass(slots=True)
class TrackCounters:
    """What a camera has sent and what came of it, since the recorder began."""

    frames: int = 0
    bytes: int = 0
    key_frames: int = 0
    lost_packets: int = 0
    dropped_frames: int = 0
    recorded_us: int = 0


class TrackRecorder:
    """Records the pictures of one camera. A connection calls `add` for each, and `end_run` when it is over."""

    def __init__(
        self,
        *,
        camera_id: uuid.UUID,
        camera_folder: str,
        number: int,
        account: CameraAccount,
        pipeline: RecordingPipeline,
        live: LiveFeed,
        choose_volume: Callable[[], MountedVolume | None],
        wall_us: Callable[[int], int],
        recording_s: int,
        leave_volume: Callable[[MountedVolume], bool] = lambda _volume: False,
        why_no_volume: Callable[[], tuple[GapReason, str]] = lambda: (
            GapReason.VOLUME_LOST,
            "no volume can be written",
        ),
    ) -> None:
        """`wall_us` turns monotonic nanoseconds into the wall clock; `choose_volume` gives None when there is none.

        `leave_volume` says of the volume being written to whether to go on in a new file on a better one.
        """
        self.counters = TrackCounters()
        self.parameters: VideoParameters | None = None
        self.account = account
        self._camera_id = camera_id
        self._folder = camera_folder
        self._pipeline = pipeline
        self._live = live
        self._choose_volume = choose_volume
        self._leave_volume = leave_volume
        self._why_no_volume = why_no_volume
        self._wall_us = wall_us
        self._length_us = recording_s * 1_000_000
        # Rotation is staggered: each camera changes files at its own second of the minute.
        self._phase_us = int(number * _GOLDEN % 1 * self._length_us)
        self._assembler = GroupAssembler()
        self._anchor: TimeAnchor | None = None
        self._run = 0
        self._origin_pts = 0
        self._file: RecordingFile | None = None
        self._media_end = 0
        self._rotate_at_us = 0
        self._hold_off_until_us = 0
        self._lost_from_us: int | None = None
        self._clock_offset_us: int | None = None

    @property
    def recording(self) -> bool:
        """True while pictures go to disk."""
        return self._file is not None

    def add(self, unit: AccessUnit) -> None:
        """Take the next picture in decoding order."""
        counters = self.counters
        counters.frames += 1
        counters.bytes += len(unit.data)
        if unit.key:
            counters.key_frames += 1
        if unit.lost_before:
            counters.lost_packets += unit.lost_before
            if self._file is not None:
                self._file.lost_packets += unit.lost_before
        if unit.parameters is not self.parameters:
            self.parameters = unit.parameters
        arrived_us = self._wall_us(unit.arrived_ns)
        piece = self._assembler.add(unit)
        if piece is not None:
            self._take(piece)
            if piece.broken_by is not None:
                self._seam(piece.broken_by)
        if dropped := self._assembler.dropped:
            self._assembler.dropped = 0
            counters.dropped_frames += dropped
            return
        if self._anchor is None:
            self._begin_run(unit, arrived_us)
        assert self._anchor is not None
        self._anchor.observe(unit.pts - self._origin_pts, arrived_us)
        self._live.push(unit)

    def clock_said(self, camera_us: int, arrived_ns: int) -> None:
        """The camera's own clock read `camera_us` when its report arrived: kept with each recording."""
        self._clock_offset_us = camera_us - self._wall_us(arrived_ns)

    def end_run(self, reason: GapReason, detail: str, now_us: int) -> None:
        """The connection is over: write what is there, and begin the gap."""
        piece = self._assembler.flush(None)
        if piece is not None:
            self._take(piece)
        self._finish_file()
        self._forget_run()
        self.account.away(reason, detail, now_us)

    def write_failed(self, recording: RecordingFile, reason: GapReason, detail: str, now_us: int) -> None:
        """A recording could not be written on: begin another at the next key frame, and account for what is missing."""
        if recording is not self._file:
            return
        self._media_end = recording.media_end
        recording.failure_accounted = True
        self._finish_file()
        if not self._leave_volume(recording.volume):  # no better one: not asked at every key frame
            self._hold_off_until_us = now_us + _HOLD_OFF_US
        self.account.away(reason, detail, now_us)

    # From here on: one piece at a time.

    def _begin_run(self, unit: AccessUnit, arrived_us: int) -> None:
        self._anchor = TimeAnchor(arrived_us)
        self._origin_pts = unit.pts
        self._run = arrived_us

    def _seam(self, seam: Break) -> None:
        self._finish_file()
        if seam is Break.LOSS:
            self._lost_from_us = self.account.covered_until_us
            self._live.break_off()
        elif seam is Break.JUMP:
            self._forget_run()

    def _forget_run(self) -> None:
        self._anchor = None
        self._clock_offset_us = None
        self._assembler = GroupAssembler()
        self._lost_from_us = None
        self._live.break_off()

    def _take(self, piece: Piece) -> None:
        anchor = self._anchor
        assert anchor is not None
        begins = min(unit.pts for unit in piece.units) - self._origin_pts
        begins_us = anchor.wall_us(begins)
        file = self._file
        if file is not None and piece.starts_group:
            delay = _delay(piece)
            reordered_more = delay > file.delay + _DELAY_MARGIN
            changed = reordered_more or piece.parameters != file.parameters
            if begins_us >= self._rotate_at_us or changed or self._leave_volume(file.volume):
                self._finish_file()
                begins_us = anchor.wall_us(begins)
                file = None
        if file is None:
            if not piece.starts_group or begins_us < self._hold_off_until_us:
                return  # the file before it failed: a later group begins a new one
            file = self._begin_file(piece, begins, begins_us)
            if file is None:
                return
        if not self._pipeline.append(file, piece):
            self._finish_file()
            self._hold_off_until_us = begins_us + _HOLD_OFF_US
            self.account.away(GapReason.DISK, _TOO_SLOW, begins_us)
            return
        self._media_end = _end_pts(piece) - self._origin_pts
        end_us = anchor.wall_us(self._media_end)
        self.account.covers(end_us)
        self.counters.recorded_us += max(0, end_us - begins_us)

    def _begin_file(self, piece: Piece, begins: int, begins_us: int) -> RecordingFile | None:
        volume = self._choose_volume()
        if volume is None:
            self.account.away(*self._why_no_volume(), begins_us)
            return None
        if not self._pipeline.has_room(volume):
            self.account.away(GapReason.DISK, _TOO_SLOW, begins_us)
            return None
        try:
            init_segment(piece.parameters, presentation_delay=0)
        except UnusableParameters as error:
            self.account.away(GapReason.UNSUPPORTED, str(error), begins_us)
            return None
        begins_us = self.account.begins(begins_us)
        if self._lost_from_us is not None:
            self.account.lost(self._lost_from_us, begins_us, "packets were lost; on at the next key frame")
            self._lost_from_us = None
        file = RecordingFile(
            camera_id=self._camera_id,
            camera_folder=self._folder,
            volume=volume,
            parameters=piece.parameters,
            run=self._run,
            origin_pts=self._origin_pts,
            media_start=begins,
            start_us=begins_us,
            delay=_delay(piece),
        )
        self._file = file
        self._media_end = begins
        left_us = self._length_us - (begins_us - self._phase_us) % self._length_us
        if left_us < self._length_us // 4:
            # The times of a run's first file are corrected when it ends: it may end just before its second of the
            # minute, and what is left of that one would make a file of its own.
            left_us += self._length_us
        self._rotate_at_us = begins_us + left_us
        self._pipeline.begin(file)
        return file

    def _finish_file(self) -> None:
        """Close the file, with the times that the arrivals of its pictures speak for."""
        file, self._file = self._file, None
        if file is None or self._anchor is None:
            return
        file.clock_offset_us = self._clock_offset_us
        self._anchor.settle(self._media_end)
        start_us, gap_ends = self.account.began(self._anchor.wall_us(file.media_start))
        end_us = max(self._anchor.wall_us(self._media_end), start_us)
        self.account.recorded(start_us, end_us)
        self._pipeline.finish(file, start_us, end_us, gap_ends)


def _delay(piece: Piece) -> int:
    return reorder_delay([unit.pts for unit in piece.units], piece.parameters.reorder_frames)


def _end_pts(piece: Piece) -> int:
    """Return when the last shown picture of a piece ends: where the next one is known, else as long as the others."""
    if piece.end_pts is not None:
        return piece.end_pts
    shown = sorted(unit.pts for unit in piece.units)
    if len(shown) == 1:
        return shown[0] + nominal_duration(piece.parameters)
    return shown[-1] + max(1, shown[-1] - shown[-2])
