"""One recording on its way to disk: created, appended to group by group, synced, closed."""

from __future__ import annotations

import errno
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from vonggac.core.clock import utc
from vonggac.core.errors import VonggacError
from vonggac.video.index import CompletedRecording, OpenedRecording
from vonggac.video.models import GapReason
from vonggac.video.mp4 import GroupEntry, codec_string, group_table, init_segment
from vonggac.video.recorder.account import IndexChange
from vonggac.video.recorder.disk import Disk
from vonggac.video.recorder.fragments import FragmentBuilder
from vonggac.video.recorder.groups import Piece
from vonggac.video.stream import SoundParameters, VideoParameters
from vonggac.video.volumes import MountedVolume, VolumeLost


class WriteFailed(VonggacError):
    """A recording that cannot be written on; `reason` is the gap's, `number` the system's error number."""

    def __init__(self, reason: GapReason, words: str, number: int | None = None) -> None:
        super().__init__(words)
        self.reason = reason
        self.number = number


@dataclass(slots=True, eq=False)
class RecordingFile:
    """The event loop makes it; from then on the threads of the pipeline own it, one after another."""

    camera_id: uuid.UUID
    camera_folder: str
    volume: MountedVolume
    parameters: VideoParameters
    run: int
    origin_pts: int
    """Presentation time at which the run's media time is 0."""
    media_start: int
    start_us: int
    delay: int
    """Ticks by which decoding precedes showing, for cameras that reorder pictures."""
    sound: SoundParameters | None = None
    """Of the track of sound beside the pictures; None without."""
    name_may_be_taken: bool = False
    """True where the clock was set back: a recording of then may bear the name of this one."""
    id: int = 0
    """Key of its row; 0 until the index thread has opened it."""
    end_us: int = 0
    lost_packets: int = 0
    clock_offset_us: int | None = None
    finished: bool = False
    failure: WriteFailed | None = None
    """Why nothing more is written to it."""
    sync_failed: bool = False
    """True once a sync failed, whatever a later one says: the system tells of lost pages once."""
    failure_accounted: bool = False
    """True when the loop knew of the failure as it said where the recording ends."""
    dropped: bool = False
    """True when a piece that the loop counts on was not written."""
    dirty_since: float | None = None
    """Monotonic seconds at which the first picture that is not synced yet arrived."""
    path: str = ""
    head: bytes = b""
    size: int = 0
    frames: int = 0
    gap_ends: IndexChange | None = None
    """Moves the end of the gap before, when the recording turned out to have begun earlier."""
    waiting: list[Piece] = field(default_factory=list)
    """Pieces that came before the row was open."""
    _opened_start_us: int = 0
    """What its row says until it is complete: `start_us` may be corrected before the row is opened."""
    _groups: list[GroupEntry] = field(default_factory=list)
    _builder: FragmentBuilder | None = None
    _descriptor: int = -1
    folders_to_sync: list[Path] = field(default_factory=list)
    """Folders whose names must be synced before the file's name is safe."""

    def __post_init__(self) -> None:
        self._opened_start_us = self.start_us
        start = utc(self.start_us)
        name = f"{start:%H-%M-%S}.{start.microsecond // 1000:03d}Z.mp4"
        self.path = f"{self.camera_folder}/{start:%Y-%m-%d}/{start:%H}/{name}"
        self.head = init_segment(
            self.parameters, presentation_delay=self.delay, created_us=self.start_us, sound=self.sound
        )

    @property
    def created(self) -> bool:
        """True once the file was to be made, also when that failed."""
        return self._builder is not None

    @property
    def empty(self) -> bool:
        """True while no piece is in it."""
        return not self._groups

    @property
    def media_end(self) -> int:
        """Media time of the run up to which it is written."""
        return self.media_start + sum(group.duration_ticks for group in self._groups)

    @property
    def absolute(self) -> Path:
        """Where the file is on this machine."""
        return self.volume.path / self.path

    def row(self) -> OpenedRecording:
        """Return what the index is told before the file exists."""
        return OpenedRecording(
            camera_id=self.camera_id,
            volume_id=self.volume.id,
            path=self.path,
            run=self.run,
            start_us=self._opened_start_us,
            media_start=self.media_start,
            codec=codec_string(self.parameters),
            width=self.parameters.width,
            height=self.parameters.height,
            init_size=len(self.head),
            audio=self.sound.codec_string if self.sound is not None else "",
        )

    def completed(self) -> CompletedRecording:
        """Return what the index is told once the file is safe."""
        return CompletedRecording(
            id=self.id,
            camera_id=self.camera_id,
            start_us=self.start_us,
            end_us=max(self.end_us, self.start_us + 1),
            media_duration=sum(group.duration_ticks for group in self._groups),
            size=self.size,
            frames=self.frames,
            groups=group_table.pack(self._groups),
            lost_packets=self.lost_packets,
            clock_offset_us=self.clock_offset_us,
        )

    def create(self, disk: Disk, reserve_bytes: int, safe_folder: Path | None = None) -> None:
        """Make the file and write its head; WriteFailed when the volume is away or full.

        `safe_folder` is one whose own name, and those of the folders above it, were synced by this process. That a
        folder exists does not say that its name would survive: a recorder that was killed may have made it.
        """
        self._builder = FragmentBuilder(self.origin_pts, self.delay)
        try:
            self.volume.verify()
            if self.volume.free_bytes() < reserve_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            folder = self.absolute.parent
            made = disk.make_folders(folder)
            above = folder.relative_to(self.volume.path).parts
            safe = folder == safe_folder and not made
            self.folders_to_sync = [folder] if safe else [folder, *folder.parents[: len(above)]]
            self._descriptor = disk.create(self.absolute)
            disk.append(self._descriptor, [self.head])
        except VolumeLost as error:
            raise self.fail(WriteFailed(GapReason.VOLUME_LOST, str(error), errno.ENOENT)) from error
        except OSError as error:
            raise self.fail(self._refused(error)) from error
        self.size = len(self.head)

    def write(self, disk: Disk, piece: Piece) -> None:
        """Append one fragment; WriteFailed when it is not whole on disk (what came before it stays good)."""
        assert self._builder is not None
        fragment = self._builder.build(piece)
        heard = piece.sound.data if piece.sound is not None else ()
        try:
            disk.append(self._descriptor, [fragment.header, *(unit.data for unit in piece.units), *heard])
        except OSError as error:
            raise self.fail(self._refused(error)) from error
        size = len(fragment.header) + piece.size
        self._groups.append(
            GroupEntry(
                offset=self.size,
                size=size,
                duration_ticks=fragment.duration,
                frames=len(piece.units),
                key=piece.starts_group,
                damaged=fragment.bent,
            )
        )
        self.size += size
        self.frames += len(piece.units)
        if self.dirty_since is None:
            # Not when it was written: what a slow disk or a long group held back is lost by a power cut as well.
            self.dirty_since = piece.units[0].arrived_ns / 1e9

    def sync(self, disk: Disk) -> None:
        """Make what was written so far, and the file's name, survive a power cut."""
        self.dirty_since = None
        try:
            disk.sync(self._descriptor)
            while self.folders_to_sync:
                disk.sync_folder(self.folders_to_sync[-1])
                self.folders_to_sync.pop()
        except OSError as error:
            # After a failed sync the kernel may have dropped the pages: nothing of this file is to be believed.
            self.sync_failed = True
            raise self.fail(self._refused(error)) from error

    def close(self, disk: Disk) -> None:
        """Cut a torn tail, sync and close; a file without a picture is removed. WriteFailed when it is not safe."""
        if self._descriptor < 0:
            return
        try:
            disk.truncate(self._descriptor, self.size)
            if self.empty:
                disk.remove(self.absolute)
            else:
                self.sync(disk)
        except OSError as error:
            raise self.fail(self._refused(error)) from error
        finally:
            disk.close(self._descriptor)
            self._descriptor = -1

    def fail(self, failure: WriteFailed) -> WriteFailed:
        """Write nothing more to it; returns the first failure."""
        if self.failure is None:
            self.failure = failure
        return self.failure

    def _refused(self, error: OSError) -> WriteFailed:
        return WriteFailed(GapReason.DISK, f"{self.volume.path}: {error.strerror or error}", error.errno)
