"""One camera's activity by the sizes of its groups: from pieces to episodes. Nothing is done for each picture."""

from __future__ import annotations

import uuid

from vonggac.video.activity.meter import News, SizeMeter
from vonggac.video.activity.models import Source
from vonggac.video.activity.notes import EpisodeNotes, EpisodeWriter
from vonggac.video.recorder.anchor import Timebase
from vonggac.video.recorder.groups import Piece
from vonggac.video.stream import VideoParameters


class CameraMeter:
    """Takes what the assembler puts together, before it is written: also while no disk takes it."""

    def __init__(self, camera_id: uuid.UUID, unit_id: uuid.UUID, notes: EpisodeNotes, timebase: Timebase) -> None:
        self._writer = EpisodeWriter(camera_id, unit_id, Source.SIZES, notes)
        self._timebase = timebase
        self._meter = SizeMeter()
        self._parameters: VideoParameters | None = None

    def take(self, piece: Piece) -> None:
        """Measure a piece. Its times are those at which it arrived."""
        units, first = piece.units, piece.units[0]
        if self._parameters is not first.parameters and self._parameters != first.parameters:
            self.pause()
            self._meter = SizeMeter()
        self._parameters = first.parameters
        if piece.end_pts is None:
            return  # the last one before a seam: how long it lasts is a guess
        key_size = len(first.data) if piece.starts_group else 0
        from_us, to_us = self._timebase.wall_us(first.arrived_ns), self._timebase.wall_us(units[-1].arrived_ns)
        meter = self._meter
        news = meter.add(piece.size - key_size, key_size, piece.end_pts - first.pts, from_us, to_us)
        if news is News.BEGAN:
            self._writer.begin(meter.start_us, meter.end_us, meter.score)
        elif news is News.GOES_ON:
            self._writer.grow(meter.end_us, meter.score)
        elif news is News.ENDED:
            self._writer.end()

    def pause(self) -> None:
        """There are no more pictures for now."""
        if self._meter.pause() is News.ENDED:
            self._writer.end()
