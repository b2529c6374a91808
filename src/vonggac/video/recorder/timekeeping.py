"""What is told of the cameras' time: stamps that had to be mended, clocks that are wrong. Asked once a second."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from vonggac.cameras.models import Camera
from vonggac.cameras.service import CameraSource
from vonggac.core.faults import clear_fault, clear_others, raise_fault
from vonggac.core.log import RateLimit, get_logger
from vonggac.video.recorder.account import IndexChange
from vonggac.video.recorder.camera import TrackRecorder
from vonggac.video.recorder.camera_clock import FAULT
from vonggac.video.recorder.stamps import STAMP_FAULT_WORDS
from vonggac.video.rtsp.description import ArrivedReport


class Timekeeping:
    """Looks at what each camera's track found out about time, writes it to the log and raises faults."""

    def __init__(self, change: Callable[[IndexChange], None], limit: RateLimit) -> None:
        """`change` queues work for the index."""
        self._change = change
        self._limit = limit
        self._log = get_logger()

    def look(self, source: CameraSource, track: TrackRecorder, report: ArrivedReport | None) -> None:
        """Tell what is new; `report`: the last that the camera's connection has."""
        if track.stamp_faults:
            for fault in sorted(track.stamp_faults):
                if (held := self._limit.passes((source.id, "stamps", fault))) is not None:
                    self._log.warning(
                        "a camera's time stamps are wrong",
                        camera=source.name,
                        number=source.number,
                        what=STAMP_FAULT_WORDS[fault],
                        held_back=held,
                    )
            track.stamp_faults.clear()
        if report is not None and track.clock_said(report.report.ntp_unix_us, report.arrived_ns):
            self._judged(source, track)

    def forget_others(self) -> None:
        """Clear what stands of cameras that are removed or switched off, also since before this recorder began."""
        self._change(_clear_others)

    def _judged(self, source: CameraSource, track: TrackRecorder) -> None:
        subject, unit_id, words = source.id.hex, source.unit_id, track.clock.words
        if not track.clock.wrong:
            self._change(lambda session: _clear(session, subject))
            return
        if (held := self._limit.passes((source.id, "clock"))) is not None:
            self._log.warning(
                "a camera's clock is wrong", camera=source.name, number=source.number, detail=words, held_back=held
            )
        detail = track.clock.said_of(source.name, source.number)
        self._change(lambda session: _raise(session, subject, detail, unit_id))


def _raise(session: Session, subject: str, detail: str, unit_id: uuid.UUID) -> None:
    raise_fault(session, FAULT, subject, detail=detail, unit_id=unit_id)


def _clear(session: Session, subject: str) -> None:
    clear_fault(session, FAULT, subject)


def _clear_others(session: Session) -> None:
    due = sa.select(Camera.id).where(Camera.removed_at.is_(None), Camera.enabled)
    clear_others(session, FAULT, {camera_id.hex for camera_id in session.scalars(due)})
