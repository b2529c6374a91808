"""Key frames of a recording as segments of their own: for fast playback, for going back, for scrubbing.

Each is one picture that lasts until the next key frame, on the same media time as the whole recording. A player that
shows them 16 times as fast fetches and decodes a thirtieth of the pictures; to go back it seeks from one to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from vonggac.core.errors import NotFound
from vonggac.video.archive.footage import MediaStore, RecordingUnreadable
from vonggac.video.models import Recording
from vonggac.video.mp4 import GroupEntry, RecordingDamaged, fragment_header, read_init
from vonggac.video.mp4.reader import read_table
from vonggac.video.mp4.timing import MAX_DURATION


def lasts(groups: Sequence[GroupEntry], number: int) -> int:
    """Return the ticks from a key frame to the next one, or to the recording's end; NotFound where none stands."""
    if not 0 <= number < len(groups) or not groups[number].key:
        raise NotFound("There is no such key frame.")
    ticks = groups[number].duration_ticks
    for group in groups[number + 1 :]:
        ticks += group.pause_ticks
        if group.key:
            break
        ticks += group.duration_ticks
    return min(max(1, ticks), MAX_DURATION)


def segment(file: BinaryIO, groups: Sequence[GroupEntry], number: int, shift: int = 0) -> bytes:
    """Return `moof` and `mdat` of the key frame at the beginning of a group; NotFound, RecordingDamaged.

    It belongs to the head of its recording as players are given it (`mp4.playing`). `shift`: ticks by which
    it is told later.
    """
    duration = lasts(groups, number)
    table = read_table(file, groups[number])
    if not table.key:
        raise RecordingDamaged("A group of this recording does not begin with a key frame, as its table says.")
    delay = read_init(file).presentation_delay
    file.seek(table.payload)
    picture = file.read(table.sizes[0])
    if len(picture) < table.sizes[0]:
        raise RecordingDamaged("This recording ends before the end of a group.")
    shown = table.base_decode_time + (table.offsets[0] if table.offsets is not None else 0) - delay
    return fragment_header(number + 1, max(0, shown + shift), [duration], [len(picture)], key=True) + picture


def read(store: MediaStore, recording: Recording, number: int, shift: int = 0) -> bytes:
    """Return a segment of a recording, whose group table must be loaded. Blocks on the disk.

    NotFound; VolumeLost, RecordingUnreadable, RecordingDamaged as `MediaStore.open`.
    """
    groups = store.groups_of(recording)
    lasts(groups, number)
    with store.open(recording) as file:
        try:
            return segment(file, groups, number, shift)
        except OSError as error:
            raise RecordingUnreadable(f"The file {recording.path} cannot be read: {error.strerror}.") from error
