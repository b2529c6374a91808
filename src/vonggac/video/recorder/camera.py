"""One camera's recording: pictures into recordings, seams into new ones, time into the account. No I/O of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from vonggac.video.models import GapReason
from vonggac.video.mp4 import UnusableParameters, init_segment, nominal_duration, reorder_delay
from vonggac.video.recorder.account import CameraAccount
from vonggac.video.recorder.anchor import TimeAnchor, Timebase, WallClock
from vonggac.video.recorder.camera_clock import CameraClock
from vonggac.video.recorder.groups import Break, GroupAssembler, Piece
from vonggac.video.recorder.live import LiveFeed
from vonggac.video.recorder.metering import CameraMeter
from vonggac.video.recorder.pipeline import RecordingPipeline
from vonggac.video.recorder.recording_file import RecordingFile
from vonggac.video.recorder.sound import SoundPlacer
from vonggac.video.recorder.stamps import StampFault, arrival_ticks
from vonggac.video.rtsp import StreamDescription
from vonggac.video.stream import VIDEO_TIMESCALE, AccessUnit, SoundUnit, VideoParameters
from vonggac.video.volumes import MountedVolume

_DELAY_MARGIN = VIDEO_TIMESCALE // 30
"""A reorder delay that grows by less is the jitter of the camera's times, and the offsets of the file can say it."""
_GOLDEN = 0.618033988749895
_HOLD_OFF_US = 5_000_000
"""After a failure to write, so long passes before the next attempt: a full disk is not asked at every key frame."""
LONGEST_GROUP_US = 3_600_000_000
"""A file ends at a key frame; one without any for so long is given up (`index.LONGEST_US` is twice that)."""
_LOST_WORDS = {
    Break.LOSS: "packets were lost; on at the next key frame",
    Break.PARAMETERS: "the camera changed its parameters between key frames; on at the next key frame",
}
_SOUND_APART_TICKS = 4 * VIDEO_TIMESCALE
"""Sound placed so far from the pictures that come at the same moment is not theirs."""
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
        timebase: Timebase,
        recording_s: int,
        clock_tolerance_s: float = 10.0,
        meter: CameraMeter | None = None,
        leave_volume: Callable[[MountedVolume], bool] = lambda _volume: False,
        why_no_volume: Callable[[], tuple[GapReason, str]] = lambda: (
            GapReason.VOLUME_LOST,
            "no volume can be written",
        ),
    ) -> None:
        """`choose_volume` gives None when there is none; `clock_tolerance_s`: by how much the camera's may be off.

        `meter` is told of every piece, whether it is written or not.

        `leave_volume` says of the volume being written to whether to go on in a new file on a better one.
        """
        self.counters = TrackCounters()
        self.parameters: VideoParameters | None = None
        self.account = account
        self.description: StreamDescription | None = None
        """What the camera said of itself on its connection; None before the first."""
        self._sound = SoundPlacer()
        self._meter = meter
        self._camera_id = camera_id
        self._folder = camera_folder
        self._pipeline = pipeline
        self._live = live
        self._choose_volume = choose_volume
        self.clock = CameraClock(clock_tolerance_s)
        self.stamp_faults: set[StampFault] = set()
        """What was wrong with its time stamps since somebody looked; whoever tells of it clears it."""
        self._timebase = timebase
        self._clock: WallClock = timebase.clock
        self._leave_volume = leave_volume
        self._why_no_volume = why_no_volume
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
        self._lost_words = ""
        self._waiting_since_ns = 0

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
            self._waiting_since_ns = 0
        if unit.lost_before:
            counters.lost_packets += unit.lost_before
            if self._file is not None:
                self._file.lost_packets += unit.lost_before
        self.parameters = unit.parameters
        assembler = self._assembler
        piece = assembler.add(unit)
        if piece is not None:
            if self._meter is not None:
                self._meter.take(piece)
            self._take(piece)
            if piece.broken_by is not None:
                self._seam(piece.broken_by)
        if dropped := assembler.dropped:
            assembler.dropped = 0
            counters.dropped_frames += dropped
            if assembler.waiting_for_key:
                self._waiting_since_ns = self._waiting_since_ns or unit.arrived_ns
            return
        self._live.push(unit)

    def add_sound(self, unit: SoundUnit) -> None:
        """Take the next frame of sound. Pictures whose times are mended take it along."""
        pictures, stamps = self._assembler.pending, self._assembler.stamps
        if not pictures:
            return  # before the first picture, or while none can be recorded
        arrived = pictures[-1].pts + arrival_ticks(unit.arrived_ns - pictures[-1].arrived_ns)
        unit.pts = arrived if stamps.guided else unit.pts + stamps.shift
        if abs(unit.pts - arrived) <= _SOUND_APART_TICKS:
            self._sound.add(unit)

    def clock_said(self, camera_us: int, arrived_ns: int) -> bool:
        """The camera's own clock read `camera_us` when its report arrived; True when `clock` has news."""
        return self.clock.said(camera_us, arrived_ns, self._timebase.wall_us(arrived_ns))

    def without_key_frame_ns(self, now_ns: int) -> int:
        """Return for how long pictures have come that cannot be recorded, since no key frame came before them."""
        return now_ns - self._waiting_since_ns if self._waiting_since_ns else 0

    def group_us(self, now_us: int) -> int:
        """Return for how long a file waits for the key frame at which it could end."""
        return max(0, now_us - self._step_us() - self._rotate_at_us) if self._file is not None else 0

    def no_key_frame(self, detail: str) -> None:
        """Account for the time since pictures came without a key frame; the connection goes on."""
        self._no_file(GapReason.NO_KEY_FRAME, detail, self._timebase.wall_us(self._waiting_since_ns))

    def clock_was_set(self, now_us: int, step_us: int) -> None:
        """The server's clock, which read `now_us`, was set. A file ends with the groups that had come by then."""
        self.clock.forget()
        self._hold_off_until_us = 0
        between_files = self._anchor is not None and self.account.gap is None and not self._assembler.waiting_for_key
        if self._file is not None or between_files:
            return
        if self._lost_from_us is not None:
            self.account.lost(self._lost_from_us, now_us, self._lost_words)
            self._lost_from_us = now_us + step_us
        self.account.clock_was_set(now_us, step_us)
        self._anchor = None

    def end_run(self, reason: GapReason, detail: str, now_us: int) -> None:
        """The connection is over: write what is there, and begin the gap."""
        piece = self._assembler.flush(None)
        if piece is not None:
            self._take(piece)
        if self._meter is not None:
            self._meter.pause()
        self._finish_file()
        self._leave_old_time()
        self._forget_run()
        self.account.away(reason, detail, now_us)

    def write_failed(self, recording: RecordingFile, reason: GapReason, detail: str, now_us: int) -> None:
        """A recording could not be written on: begin another at the next key frame, and account for what is missing."""
        if recording is not self._file:
            return
        self._media_end = recording.media_end
        recording.failure_accounted = True
        self._finish_file()
        self._leave_old_time()
        if not self._leave_volume(recording.volume):  # no better one: not asked at every key frame
            self._hold_off_until_us = now_us + _HOLD_OFF_US
        self.account.away(reason, detail, now_us)

    def _step_us(self) -> int:
        """Return by how much the server's clock was set and the run has not followed yet."""
        return self._timebase.clock.base_us - self._clock.base_us

    def _leave_old_time(self) -> None:
        """What is told from here on is told by the clock as it is now, also where it was set since the last group."""
        if self._anchor is not None and (step_us := self._step_us()):
            self.account.clock_was_set(self.account.covered_until_us, step_us)
            self._anchor = None

    # From here on: one piece at a time.

    def _begin_run(self, piece: Piece) -> TimeAnchor:
        self._clock = self._timebase.clock
        first = piece.units[0]
        self._run = self._clock.wall_us(first.arrived_ns)
        self._origin_pts = first.pts
        self._anchor = TimeAnchor(self._run)
        self._sound.begin_run()
        return self._anchor

    def _came_after_the_step(self, piece: Piece) -> bool:
        # What came whole before it keeps the old time: the machine may have slept for hours in between.
        return piece.units[-1].arrived_ns >= self._timebase.clock.since_ns

    def _change_clock(self, piece: Piece, anchor: TimeAnchor) -> TimeAnchor:
        """The server's clock was set since the piece before: a new run, and nothing lost."""
        self._finish_file()
        step_us = self._step_us()
        self._clock = self._timebase.clock
        self.account.clock_was_set(self.account.covered_until_us, step_us)
        if self._lost_from_us is not None:
            self._lost_from_us += step_us
        first = piece.units[0]
        self._run = anchor.wall_us(first.pts - self._origin_pts) + step_us
        self._origin_pts = first.pts
        self._anchor = TimeAnchor.continued(self._run)
        self._sound.begin_run()
        return self._anchor

    def _seam(self, seam: Break) -> None:
        self._finish_file()
        waiting = self._assembler.waiting_for_key
        if waiting:
            self._live.break_off()
        # What was lost just before a key frame is missing, too; parameters that change at one lose nothing.
        if self.account.gap is None and (waiting or seam is Break.LOSS):
            self._lost_from_us = self.account.covered_until_us
            self._lost_words = _LOST_WORDS[seam]

    def _forget_run(self) -> None:
        self._anchor = None
        self.stamp_faults |= self._assembler.stamps.faults
        self._assembler = GroupAssembler()
        self._sound = SoundPlacer()
        self._lost_from_us = None
        self._waiting_since_ns = 0
        self.clock.forget()
        self._live.break_off()

    def _take(self, piece: Piece) -> None:
        anchor = self._anchor
        if anchor is None:
            anchor = self._begin_run(piece)
        elif self._clock is not self._timebase.clock and piece.starts_group and self._came_after_the_step(piece):
            anchor = self._change_clock(piece, anchor)
        begins = max(0, min([unit.pts for unit in piece.units]) - self._origin_pts)
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
        self._observe(piece, anchor)
        if file is None:
            if not piece.starts_group or begins_us < self._hold_off_until_us:
                return  # the file before it failed: a later group begins a new one
            file = self._begin_file(piece, begins, begins_us)
            if file is None:
                return
        if file.sound is not None:
            ends, guided = _end_pts(piece) - self._origin_pts, self._assembler.stamps.guided
            if (heard := self._sound.take(file.sound, self._origin_pts, begins, ends, loose=guided)) is not None:
                piece.add_sound(heard)
        if not self._pipeline.append(file, piece):
            self._finish_file()
            self._hold_off_until_us = begins_us + _HOLD_OFF_US
            self.account.away(GapReason.DISK, _TOO_SLOW, begins_us)
            return
        self._media_end = _end_pts(piece) - self._origin_pts
        end_us = anchor.wall_us(self._media_end)
        self.account.covers(end_us)
        self.counters.recorded_us += max(0, end_us - begins_us)

    def _observe(self, piece: Piece, anchor: TimeAnchor) -> None:
        if piece.jumps:
            anchor.jumped()
        faults = self._assembler.stamps.faults
        if faults:
            self.stamp_faults |= faults
            faults.clear()
        clock = self._clock
        # Ticks of 90 kHz are 100,000/9 nanoseconds.
        offset_us = clock.wall_us(piece.least_ns + self._origin_pts * 100_000 // 9)
        anchor.observe(offset_us, clock.wall_us(piece.units[-1].arrived_ns))

    def _begin_file(self, piece: Piece, begins: int, begins_us: int) -> RecordingFile | None:
        volume = self._choose_volume()
        if volume is None:
            self._no_file(*self._why_no_volume(), begins_us)
            return None
        if not self._pipeline.has_room(volume):
            self._no_file(GapReason.DISK, _TOO_SLOW, begins_us)
            return None
        try:
            init_segment(piece.parameters, presentation_delay=0)
        except UnusableParameters as error:
            self._no_file(GapReason.UNSUPPORTED, str(error), begins_us)
            return None
        known = self.account.recorded_before(begins_us)
        begins_us = self.account.begins(begins_us)
        if self._lost_from_us is not None:
            self.account.lost(self._lost_from_us, begins_us, self._lost_words)
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
            sound=self.description.sound if self.description is not None else None,
            name_may_be_taken=known,
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

    def _no_file(self, reason: GapReason, detail: str, now_us: int) -> None:
        self._lost_from_us = None  # the gap begins with the loss
        self.account.away(reason, detail, now_us)

    def _finish_file(self) -> None:
        """Close the file, with the times that the arrivals of its pictures speak for."""
        file, self._file = self._file, None
        if file is None or self._anchor is None:
            return
        file.clock_offset_us = self.clock.offset_us
        start_us, end_us = self._anchor.settle(file.media_start, self._media_end)
        start_us, gap_ends = self.account.began(start_us)
        end_us = max(end_us, start_us + 1) if self._media_end > file.media_start else start_us
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
