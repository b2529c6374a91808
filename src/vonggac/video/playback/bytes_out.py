"""Recordings as players are given them, piece by piece: the file's bytes, with heads changed where players need it."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from typing import BinaryIO

from vonggac.video.archive.footage import MediaStore, RecordingUnreadable
from vonggac.video.models import Recording, RecordingState
from vonggac.video.mp4 import GroupEntry, RecordingDamaged, read_init
from vonggac.video.mp4.playing import fragment_for_players, head_for_players

PIECE = 256 << 10
"""Bytes read and sent at once: what a request keeps in memory."""
_MOST_HEAD = 1 << 20
"""Bytes of a group's `moof`: ours have some hundred."""


class PlayerFile:
    """One recording, open. Blocks on the disk: for threads, one at a time; closed by whoever opened it."""

    def __init__(self, store: MediaStore, recording: Recording, *, sound: bool = False, shift: int = 0) -> None:
        """Open it; errors as `MediaStore.open`, RecordingDamaged when it has no head of ours.

        `sound`: with the track of sound, where there is one. `shift`: ticks by which its media time is later.
        The recording's group table must be loaded.
        """
        self._recording = recording
        self._file: BinaryIO = store.open(recording)
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            init = read_init(self._file)
            self._head = head_for_players(self._pread(0, init.size), sound=sound)
            self._delay, self._shift = init.presentation_delay, shift
            self._sound_rate = init.sound.sample_rate if init.sound is not None and sound else 0
            self._changed = bool(self._delay or shift or (init.sound is not None and not sound))
            groups: Sequence[GroupEntry] = store.groups_of(recording) if self._changed else ()
        except BaseException:
            self._file.close()
            raise
        if recording.state != RecordingState.OPEN and self.size < recording.size:
            self._file.close()
            raise RecordingUnreadable(f"The file {recording.path} is shorter than the index says.")
        self._starts = [group.offset for group in groups]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, offset: int, size: int) -> bytes:
        """Return exactly these bytes, which lie in the file; RecordingUnreadable when it cannot be read to there."""
        data = self._pread(offset, size)
        if offset >= len(self._head) and not self._changed:
            return data
        made = bytearray(data)
        _lay(made, offset, 0, self._head)
        if self._changed:
            for at in range(max(0, bisect_right(self._starts, offset) - 1), len(self._starts)):
                if self._starts[at] >= offset + size:
                    break
                _lay(made, offset, self._starts[at], self._fragment_head(self._starts[at]))
        return bytes(made)

    def _fragment_head(self, at: int) -> bytes:
        """Return the `moof` of a group as players are given it; empty where the file holds another thing there."""
        size = int.from_bytes(self._pread(at, 4), "big")
        if size > _MOST_HEAD:
            return b""
        try:
            return fragment_for_players(self._pread(at, size), self._delay, self._shift, self._sound_rate)
        except (RecordingDamaged, RecordingUnreadable):
            return b""  # its bytes go out as they are: the player sees what is wrong with them

    def _pread(self, offset: int, size: int) -> bytes:
        try:
            data = os.pread(self._file.fileno(), size, offset)
        except OSError as error:
            raise RecordingUnreadable(
                f"The file {self._recording.path} cannot be read: {error.strerror or 'the disk fails'}."
            ) from error
        if len(data) < size:
            raise RecordingUnreadable(f"The file {self._recording.path} ended before it was read.")
        return data


def _lay(into: bytearray, into_at: int, place: int, data: bytes) -> None:
    """Put `data`, which belongs at `place` of the file, over that part of it which `into` holds from `into_at` on."""
    begin, end = max(into_at, place), min(into_at + len(into), place + len(data))
    if begin < end:
        into[begin - into_at : end - into_at] = data[begin - place : end - place]
