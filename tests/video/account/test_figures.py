"""The account of the current month and the standing faults, as Prometheus reads them from the keeper."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import CollectorRegistry

from peers.seeding import DAY, HOUR, Seeding
from vonggac.core import metrics, schema
from vonggac.core.clock import microseconds
from vonggac.core.database import Database
from vonggac.core.faults import clear_fault, raise_fault
from vonggac.video.account.figures import AccountFigures
from vonggac.video.models import GapReason

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
MARCH = microseconds(datetime(2026, 3, 1, tzinfo=ZONE))


class SetClock:
    """A clock that stands on 11 March 2026, 00:00 at the centre."""

    def now_us(self) -> int:
        return MARCH + 10 * DAY

    def monotonic_ns(self) -> int:
        return 0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.upgrade(database)
    yield database
    database.close()


def test_the_month_is_told_by_camera_and_reason_and_faults_by_kind(database: Database, tmp_path: Path) -> None:
    seeding = Seeding(database, tmp_path)
    camera = seeding.camera("C", seeding.unit("U"), MARCH - DAY)
    gaps = [(MARCH + DAY, MARCH + DAY + HOUR, GapReason.REFUSED)]
    seeding.life(camera, MARCH - DAY, MARCH + 10 * DAY - HOUR, gaps)
    seeding.camera("Not yet", seeding.unit("V"), MARCH + 11 * DAY)
    registry = CollectorRegistry()
    figures = AccountFigures(database, SetClock(), ZONE)
    registry.register(figures)
    assert b"vonggac_month" not in metrics.render(registry)

    def scraped() -> list[str]:
        asyncio.run(figures.round())
        return metrics.render(registry).decode().splitlines()

    with database.write() as session:
        raise_fault(session, "volume_full", "a")
        raise_fault(session, "volume_full", "b")
        raise_fault(session, "newer_kind", "")
    lines = scraped()
    assert 'vonggac_month_due_seconds{camera="1"} 864000.0' in lines
    assert 'vonggac_month_recorded_seconds{camera="1"} 856800.0' in lines
    assert 'vonggac_month_missing_seconds{camera="1",reason="refused"} 3600.0' in lines
    assert 'vonggac_month_missing_seconds{camera="1",reason="unexplained"} 3600.0' in lines
    assert 'vonggac_month_outages{camera="1"} 1.0' in lines
    assert any(line.startswith('vonggac_month_recorded_ratio{camera="1"} 0.99166') for line in lines)
    assert not any('camera="2"' in line for line in lines)
    assert 'vonggac_fault{kind="volume_full"} 2.0' in lines
    assert 'vonggac_fault{kind="newer_kind"} 1.0' in lines
    assert 'vonggac_fault{kind="disk_slow"} 0.0' in lines
    with database.write() as session:
        clear_fault(session, "volume_full", "a")
        clear_fault(session, "volume_full", "b")
    assert 'vonggac_fault{kind="volume_full"} 0.0' in scraped()
