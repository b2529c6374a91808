"""The account and the standing faults as metrics: computed once a minute by the keeper, read at every scrape.

Only of the current month, and only reasons that have cost a second: 102 cameras make some 500 lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from vonggac.core.clock import Clock
from vonggac.core.database import Database
from vonggac.core.faults import standing_faults
from vonggac.video import accounting, period
from vonggac.video.account_csv import UNEXPLAINED
from vonggac.video.accounting import CameraLine
from vonggac.video.fault_words import FAULT_WORDS

EVERY_S = 60.0
_CAMERA = ["camera"]


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read last."""

    lines: list[CameraLine] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)


class AccountFigures(Collector):
    """Yields the month's account by camera (its number, which never changes), and how many faults stand."""

    def __init__(self, database: Database, clock: Clock, zone: ZoneInfo) -> None:
        self._database = database
        self._clock = clock
        self._zone = zone
        self._last: _Read | None = None

    async def round(self) -> None:
        """Read the account anew."""
        self._last = await self._database.query(self._read)

    def collect(self) -> Iterator[Metric]:
        last = self._last
        if last is None:
            return
        due = GaugeMetricFamily("vonggac_month_due_seconds", "Seconds due this month", labels=_CAMERA)
        recorded = GaugeMetricFamily("vonggac_month_recorded_seconds", "Seconds on disk of these", labels=_CAMERA)
        share = GaugeMetricFamily(
            "vonggac_month_recorded_ratio", "Recorded by due, without what is written now", labels=_CAMERA
        )
        missing = GaugeMetricFamily("vonggac_month_missing_seconds", "Seconds not on disk", labels=["camera", "reason"])
        outages = GaugeMetricFamily("vonggac_month_outages", "Interruptions of a minute and more", labels=_CAMERA)
        for line in last.lines:
            camera, seconds = str(line.number), line.seconds
            due.add_metric([camera], seconds.due)
            recorded.add_metric([camera], seconds.recorded)
            outages.add_metric([camera], seconds.outages)
            if seconds.availability is not None:
                share.add_metric([camera], seconds.availability)
            for reason, lacking in seconds.missing.items():
                missing.add_metric([camera, reason.value], lacking)
            if seconds.unexplained:
                missing.add_metric([camera, UNEXPLAINED], seconds.unexplained)
        faults = GaugeMetricFamily(
            "vonggac_fault", "Faults that stand: the centre itself needs attention", labels=["kind"]
        )
        # A kind that does not stand is 0, so that an alarm on it ends.
        for kind in sorted({*FAULT_WORDS, *last.faults}):
            faults.add_metric([kind], last.faults[kind])
        yield from (due, recorded, share, missing, outages, faults)

    def _read(self, session: Session) -> _Read:
        now_us = self._clock.now_us()
        month = period.month_of(now_us, self._zone)
        lines = accounting.camera_lines(session, month.from_us, month.to_us, now_us)
        return _Read(lines, Counter(fault.kind for fault in standing_faults(session)))
