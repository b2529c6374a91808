"""The account as it is read from the index: every second of every camera, per unit and month, also of long ago."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from peers.seeding import DAY, HOUR, SECOND, Seeding
from vonggac.core import schema
from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.core.database import Database
from vonggac.video.account import accounting
from vonggac.video.account.accounting import CameraLine, ListedGap, UnitLine
from vonggac.video.account.availability import Seconds
from vonggac.video.health import SILENT_AFTER_US
from vonggac.video.models import GapReason, Recording
from vonggac.video.retention import deletion, expired
from vonggac.video.retention.expired import Deleted
from vonggac.video.retention.planning import Candidate, Deletion, Rank

BEGIN = 498_750 * HOUR
"""An hour of November 2026; every time in these tests is in seconds of it."""
REFUSED, LOSS, STOPPED, DISABLED = GapReason.REFUSED, GapReason.LOSS, GapReason.STOPPED, GapReason.DISABLED


class Books:
    """A database with units and cameras, its account, in seconds."""

    def __init__(self, database: Database, path: Path) -> None:
        self.database = database
        self.seeding = Seeding(database, path)
        self.district = self.seeding.unit("Đức Trọng", kind="district")
        self.commune = self.seeding.unit("Hiệp An", self.district)

    def camera(self, name: str = "C", added_s: float = 0, unit_id: uuid.UUID | None = None, **more: bool) -> uuid.UUID:
        return self.seeding.camera(name, unit_id or self.commune, at(added_s), **more)

    def recorded(self, camera_id: uuid.UUID, *spans: tuple[float, float]) -> None:
        """Files of a minute, as the recorder writes them."""
        for start, end in spans:
            self.seeding.minutes(camera_id, at(start), at(end))

    def missing(self, camera_id: uuid.UUID, start: float, end: float | None, reason: GapReason = REFUSED) -> None:
        self.seeding.missing(camera_id, at(start), None if end is None else at(end), reason, "in words")

    def lines(self, from_s: float, to_s: float, now_s: float = 100 * 86_400) -> list[CameraLine]:
        with self.database.read() as session:
            return accounting.camera_lines(session, at(from_s), at(to_s), at(now_s))

    def seconds(self, from_s: float, to_s: float, now_s: float = 100 * 86_400) -> Seconds:
        (line,) = self.lines(from_s, to_s, now_s)
        parts = [line.seconds.recorded, line.seconds.writing, line.seconds.missing_sum, line.seconds.unexplained]
        assert sum(parts) == line.seconds.due
        return line.seconds

    def listed(self, from_s: float, to_s: float, now_s: float = 100 * 86_400) -> list[tuple[float, float, str]]:
        return [
            ((one.start_us - BEGIN) / SECOND, (one.end_us - BEGIN) / SECOND, one.reason.value if one.reason else "")
            for one in self.gap_list(from_s, to_s, now_s)
        ]

    def gap_list(self, from_s: float, to_s: float, now_s: float = 100 * 86_400) -> list[ListedGap]:
        (line,) = self.lines(from_s, to_s, now_s)
        with self.database.read() as session:
            return accounting.gap_list(session, line, at(now_s))

    def units(self, from_s: float, to_s: float) -> list[UnitLine]:
        lines = self.lines(from_s, to_s)
        with self.database.read() as session:
            return accounting.unit_lines(session, lines)

    def expire(self) -> None:
        """Delete all recordings as retention does."""
        with self.database.write() as session:
            for row in session.scalars(sa.select(Recording).order_by(Recording.start_us)):
                assert row.end_us is not None
                expired.note(session, row.camera_id, [Deleted(row.start_us, row.end_us, 30)])
        self.lose_recordings()

    def lose_recordings(self) -> None:
        """Leave nothing but the sums and the gaps."""
        with self.database.write() as session:
            session.execute(sa.delete(Recording))


def at(seconds: float) -> int:
    return BEGIN + round(seconds * SECOND)


@pytest.fixture
def books(database_url: str, tmp_path: Path) -> Iterator[Books]:
    database = Database(database_url)
    schema.upgrade(database)
    yield Books(database, tmp_path)
    database.close()


def test_a_camera_is_due_from_when_it_was_added_to_when_it_was_removed(books: Books) -> None:
    camera = books.camera(added_s=600)
    books.missing(camera, 600, 700, STOPPED)
    books.recorded(camera, (700, 3000))
    books.missing(camera, 3000, None, DISABLED)
    assert books.seconds(0, 7200, now_s=3000) == Seconds(
        due=2400, recorded=2300, missing={STOPPED: 100}, interruptions=1, outages=1, outage=100, longest=100
    )
    with books.database.write() as session:
        session.execute(sa.text("UPDATE camera SET removed_at = :us, enabled = :no"), {"us": at(3100), "no": False})
    found = books.seconds(0, 7200)
    assert (found.due, found.off, found.recorded) == (2400, 100, 2300)
    assert books.lines(7200, 10_000) == []
    assert books.lines(0, 600) == []


def test_the_account_of_a_month_stays_when_its_recordings_are_deleted(books: Books) -> None:
    camera = books.camera()
    books.recorded(camera, (0, 3000), (3100, 7200), (7300, 9000))
    books.missing(camera, 3000, 3100)
    before = books.seconds(0, 9000, now_s=9000)
    assert (before.recorded, before.missing, before.unexplained) == (8800, {REFUSED: 100}, 100)
    parts = [books.seconds(0, 5000), books.seconds(5000, 7250), books.seconds(7250, 9000)]
    books.expire()
    assert [books.seconds(0, 5000), books.seconds(5000, 7250), books.seconds(7250, 9000)] == parts
    assert sum(part.unexplained for part in parts) == 100
    assert books.seconds(0, 9000, now_s=9000) == before


def test_an_interval_that_ends_in_mid_hour_is_exact(books: Books) -> None:
    camera = books.camera()
    books.recorded(camera, (0, 1000), (1050, 7200))
    books.missing(camera, 1000, 1050)
    assert books.seconds(1030, 5000).recorded == 3950
    assert books.seconds(1030, 5000).missing == {REFUSED: 20}
    books.lose_recordings()
    found = books.seconds(1030, 5000)
    assert (found.recorded, found.missing, found.unexplained) == (3950, {REFUSED: 20}, 0)


def test_what_retention_deleted_is_accounted_for_to_the_second_also_where_nothing_explains_a_hole(books: Books) -> None:
    camera = books.camera()
    books.recorded(camera, (0, 1000), (1055, 7200))
    before = books.seconds(1030, 5000), books.listed(0, 7200)
    with books.database.write() as session:
        rows = session.execute(sa.select(Recording.id, Recording.start_us, Recording.end_us)).all()
        doomed = [
            Deletion(Candidate(row.id, camera, camera, row.start_us, row.end_us, 0), Rank.PAST_MAXIMUM) for row in rows
        ]
        assert deletion.note(session, doomed, at(40 * 86_400)).files == len(rows)
    assert before[1] == [(1000, 1055, "")]
    assert (books.seconds(1030, 5000), books.listed(0, 7200)) == before


def test_a_gap_that_began_before_the_interval_or_is_not_over_counts_as_far_as_it_lies_in_it(books: Books) -> None:
    camera = books.camera()
    books.missing(camera, 0, 4000, REFUSED)
    books.recorded(camera, (4000, 5000))
    books.missing(camera, 5000, None, LOSS)
    assert books.seconds(3600, 7200, now_s=6000).missing == {REFUSED: 400, LOSS: 1000}
    assert books.seconds(3600, 7200, now_s=90_000).missing == {REFUSED: 400, LOSS: 2200}
    assert books.seconds(10_800, 14_400, now_s=90_000).missing == {LOSS: 3600}
    assert books.listed(3600, 7200, now_s=6000) == [(3600, 4000, "refused"), (5000, 6000, "loss")]
    assert [one.goes_on for one in books.gap_list(3600, 7200, now_s=6000)] == [False, True]
    assert [one.goes_on for one in books.gap_list(3600, 7200, now_s=90_000)] == [False, False]


def test_what_is_on_its_way_to_disk_is_told_as_that(books: Books) -> None:
    camera = books.camera()
    books.recorded(camera, (0, 60))
    row_id = books.seeding.opened(camera, at(60))
    books.seeding.says(camera, at(90))
    found = books.seconds(0, 86_400, now_s=95)
    assert (found.recorded, found.writing, found.lacking, found.availability) == (60, 35, 0, 1)
    books.seeding.recorded(camera, at(60), at(120), row_id=row_id)
    found = books.seconds(0, 86_400, now_s=120)
    assert (found.recorded, found.writing, found.lacking) == (120, 0, 0)


def test_a_recorder_that_is_silent_speaks_for_nothing(books: Books) -> None:
    camera = books.camera()
    books.seeding.opened(camera, at(0))
    books.seeding.says(camera, at(30))
    silent_s = SILENT_AFTER_US // SECOND + 31
    found = books.seconds(0, 86_400, now_s=silent_s)
    assert (found.writing, found.unexplained) == (30, silent_s - 30)
    assert books.listed(0, 86_400, now_s=silent_s) == [(30, silent_s, "")]


def test_a_file_that_was_left_open_speaks_until_the_next_one_begins(books: Books) -> None:
    camera = books.camera()
    books.seeding.opened(camera, at(0))
    books.recorded(camera, (60, 120))
    books.seeding.says(camera, at(120))
    found = books.seconds(0, 86_400, now_s=120)
    assert (found.recorded, found.writing, found.unexplained) == (60, 60, 0)


def test_every_gap_is_listed_and_what_nothing_explains_is_located(books: Books) -> None:
    camera = books.camera()
    books.recorded(camera, (0, 1000), (1100, 2000), (2030, 3600))
    books.missing(camera, 1000, 1100)
    assert books.listed(0, 3600) == [(1000, 1100, "refused"), (2000, 2030, "")]
    assert [one.lacking_us // SECOND for one in books.gap_list(0, 3600)] == [100, 30]
    books.expire()
    assert books.listed(0, 3600) == [(1000, 1100, "refused"), (2000, 2030, "")]


def test_where_rows_were_lost_the_hour_is_all_that_is_told(books: Books) -> None:
    camera = books.camera()
    books.recorded(camera, (0, 1000), (1100, 2000), (2030, 3600))
    books.missing(camera, 1000, 1100)
    books.lose_recordings()
    assert books.listed(0, 3600) == [(0, 3600, ""), (1000, 1100, "refused")]
    assert sum(one.lacking_us for one in books.gap_list(0, 3600)) == 130 * SECOND


def test_switched_off_time_is_listed_and_not_missing(books: Books) -> None:
    camera = books.camera(enabled=False)
    books.missing(camera, 0, None, DISABLED)
    found = books.seconds(0, 3600)
    assert (found.due, found.off, found.availability) == (0, 3600, None)
    assert books.listed(0, 3600) == [(0, 3600, "disabled")]


def test_units_sum_what_is_below_them_and_the_centre_everything(books: Books) -> None:
    other = books.seeding.unit("Đà Loan", books.district)
    for name, unit_id in (("A", books.commune), ("B", books.commune), ("C", other)):
        camera = books.camera(name, unit_id=unit_id)
        books.recorded(camera, (0, 1800))
        books.missing(camera, 1800, 3600)
    units = books.units(0, 3600)
    assert [(one.name, one.depth, one.cameras, one.seconds.recorded) for one in units] == [
        ("Đà Loan", 0, 1, 1800),
        ("Hiệp An", 0, 2, 3600),
    ]
    whole = accounting.total(books.lines(0, 3600))
    assert (whole.due, whole.recorded, whole.missing) == (10_800, 5400, {REFUSED: 5400})
    books.recorded(books.camera("D", unit_id=books.seeding.unit("Đơn Dương", kind="district")), (0, 3600))
    assert [(one.name, one.depth, one.cameras) for one in books.units(0, 3600)] == [
        ("Đơn Dương", 0, 1),
        ("Đức Trọng", 0, 3),
        ("Đà Loan", 1, 1),
        ("Hiệp An", 1, 2),
    ]


def test_an_unknown_reason_of_a_newer_version_is_unknown(books: Books) -> None:
    camera = books.camera()
    books.missing(camera, 0, 3600)
    with books.database.write() as session:
        session.execute(sa.text("UPDATE gap SET reason = 'newer'"))
    assert books.seconds(0, 3600).missing == {GapReason.UNKNOWN: 3600}


@pytest.mark.slow
def test_a_month_of_a_district_is_read_without_its_recordings(books: Books) -> None:
    for number in range(102):
        camera = books.camera(f"Camera {number}")
        outages = [(at(day * 86_400 + 100), at(day * 86_400 + 100 + number), REFUSED) for day in range(30)]
        books.seeding.life(camera, at(0), at(30 * 86_400), outages[: number and 30])
    statements: list[str] = []
    sa.event.listen(
        books.database.engine, "before_cursor_execute", lambda *event: statements.append(event[2]), named=False
    )
    lines = books.lines(0, 30 * 86_400)
    assert sum(line.seconds.missing_sum for line in lines) == 30 * sum(range(102))
    assert all(line.seconds.unexplained == 0 for line in lines)
    assert len(statements) < 10
    assert sum("recording.state" in one for one in statements) == 1
    assert not any("recording.end_us" in one for one in statements)


def test_the_first_day_of_a_centre_is_that_of_its_first_camera(books: Books) -> None:
    with books.database.read() as session:
        assert accounting.first_due(session) is None
    books.camera(added_s=500)
    books.camera("B", added_s=100)
    with books.database.read() as session:
        assert accounting.first_due(session) == at(100)


def test_a_long_life_is_told_whole(books: Books) -> None:
    now = microseconds(utc_now())
    camera = books.seeding.camera("C", books.commune, now - 400 * DAY)
    books.seeding.life(camera, now - 400 * DAY, now, [(now - 300 * DAY, now - 299 * DAY, LOSS)])
    with books.database.read() as session:
        (line,) = accounting.camera_lines(session, 0, now, now, camera)
    assert (line.seconds.due, line.seconds.missing) == (400 * 86_400, {LOSS: 86_400})
    assert line.due == (microseconds(utc(now - 400 * DAY)), now)


def test_the_days_of_a_camera_are_what_asking_for_each_of_them_says(books: Books) -> None:
    camera = books.camera(added_s=-3 * 86_400 + 1_000)
    books.recorded(camera, (-3 * 86_400 + 1_060, -2 * 86_400 - 7_200), (-86_400 - 3_000, -1_800))
    books.missing(camera, -2 * 86_400 - 7_200, -86_400 - 3_000)
    books.missing(camera, -1_800, None, LOSS)
    # Days of whole hours, as in Viet Nam, and days that cut an hour, as in India.
    for shift in (0, 1_800):
        days = [(at(day * 86_400 + shift), at((day + 1) * 86_400 + shift)) for day in (-4, -3, -2, -1)]
        with books.database.read() as session:
            found = accounting.camera_days(session, camera, days, at(600))
        asked = [books.lines((day[0] - BEGIN) / SECOND, (day[1] - BEGIN) / SECOND, 600) for day in days]
        assert [seconds for _, seconds in found] == [lines[0].seconds if lines else Seconds() for lines in asked]
        assert sum(seconds.due for _, seconds in found) > 2 * 86_400
