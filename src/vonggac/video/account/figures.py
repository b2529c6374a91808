"""The account and the standing faults as metrics: read by the keeper now and then, given out at every scrape.

Only of the current month, and only reasons that have cost a second: 102 cameras make some 500 lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from vonggac.core.clock import Clock
from vonggac.core.database import Database
from vonggac.core.faults import standing_faults
from vonggac.video import period
from vonggac.video.account import accounting
from vonggac.video.account.accounting import CameraLine
from vonggac.video.account.csv_tables import UNEXPLAINED
from vonggac.video.fault_words import FAULT_WORDS

EVERY_S = 30.0
"""How often it is looked which faults stand."""
ACCOUNT_EVERY_NS = 300 * 1_000_000_000
"""The account of 102 cameras costs half a second of a core."""
_CAMERA = ["camera"]


class AccountFigures(Collector):
    """Yields the month's account by camera (its number, which never changes), and how many faults stand."""

    def __init__(self, database: Database, clock: Clock, zone: ZoneInfo) -> None:
        self._database = database
        self._clock = clock
        self._zone = zone
        self._lines: list[CameraLine] = []
        self._faults: Counter[str] | None = None
        self._anew_ns = clock.monotonic_ns()

    async def round(self) -> None:
        """Read what stands, and the account if it is time for it."""
        self._faults = await self._database.query(_faults)
        if self._clock.monotonic_ns() >= self._anew_ns:
            self._lines = await self._database.query(self._account)
            self._anew_ns = self._clock.monotonic_ns() + ACCOUNT_EVERY_NS

    def collect(self) -> Iterator[Metric]:
        standing = self._faults
        if standing is None:
            return
        due = GaugeMetricFamily("vonggac_month_due_seconds", "Seconds due this month", labels=_CAMERA)
        recorded = GaugeMetricFamily("vonggac_month_recorded_seconds", "Seconds on disk of these", labels=_CAMERA)
        share = GaugeMetricFamily(
            "vonggac_month_recorded_ratio", "Recorded by due, without what is written now", labels=_CAMERA
        )
        missing = GaugeMetricFamily("vonggac_month_missing_seconds", "Seconds not on disk", labels=["camera", "reason"])
        outages = GaugeMetricFamily("vonggac_month_outages", "Interruptions of a minute and more", labels=_CAMERA)
        for line in self._lines:
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
        for kind in sorted({*FAULT_WORDS, *standing}):
            faults.add_metric([kind], standing[kind])
        yield from (due, recorded, share, missing, outages, faults)

    def _account(self, session: Session) -> list[CameraLine]:
        now_us = self._clock.now_us()
        month = period.month_of(now_us, self._zone)
        return accounting.camera_lines(session, month.from_us, month.to_us, now_us)


def _faults(session: Session) -> Counter[str]:
    return Counter(fault.kind for fault in standing_faults(session))
