"""Bookmarks: kept as they were written, found with or without accents, in their intervals."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from peers.seeding import HOUR, SECOND, Seeding
from vonggac.core import schema
from vonggac.core.clock import utc
from vonggac.core.database import Database
from vonggac.org.models import Account
from vonggac.video import bookmarks
from vonggac.video.bookmarks import BookmarkRefused

NOW = 1_795_500_000_000_000


class Noting:
    """A database with two cameras and two accounts."""

    def __init__(self, database: Database, path: Path) -> None:
        self.database = database
        seeding = Seeding(database, path)
        unit = seeding.unit("Liên Nghĩa")
        self.market, self.station = (seeding.camera(name, unit, NOW - 48 * HOUR) for name in ("Chợ", "Bến xe"))
        with database.write() as session:
            account = Account(name="an", name_folded="an", password_hash="x", created_at=utc(NOW))
            session.add(account)
            session.flush()
            self.account = account.id

    def add(self, at_us: int, note: str, *, to_us: int | None = None, camera: uuid.UUID | None = None) -> uuid.UUID:
        with self.database.write() as session:
            return bookmarks.add(session, camera or self.market, self.account, at_us, to_us, note, NOW).id

    def found(self, *span: int, words: str = "", cameras: list[uuid.UUID] | None = None) -> list[str]:
        with self.database.read() as session:
            asked = [self.market, self.station] if cameras is None else cameras
            return [one.note for one in bookmarks.between(session, asked, *span, words=words)]


@pytest.fixture
def noting(database_url: str, tmp_path: Path) -> Iterator[Noting]:
    database = Database(database_url)
    schema.upgrade(database)
    yield Noting(database, tmp_path)
    database.close()


def test_a_note_is_kept_in_its_composed_form_with_its_lines_and_without_control_characters(noting: Noting) -> None:
    noting.add(NOW - HOUR, "  Xe ma\u0301y  bie\u0302\u0309n so\u0302\u0301 49\x00 \r\n\tngược chiều\n\n")
    assert noting.found() == ["Xe máy biển số 49\nngược chiều"]


@pytest.mark.parametrize(
    ("at_us", "to_us", "note", "words"),
    [
        (NOW, None, " \n\x00 ", "Write a note"),
        (NOW, None, "ạ" * 501, "at most 500 letters"),
        (NOW + 2 * SECOND, None, "x", "in the future"),
        (-1, None, "x", "in the future"),
        (NOW - HOUR, NOW - HOUR, "x", "after its beginning"),
        (NOW - HOUR, NOW - 2 * HOUR, "x", "after its beginning"),
        (NOW - 26 * HOUR, NOW - HOUR, "x", "by a day at most"),
    ],
)
def test_what_cannot_be_a_bookmark_is_refused_in_plain_words(
    noting: Noting, at_us: int, to_us: int | None, note: str, words: str
) -> None:
    with pytest.raises(BookmarkRefused, match=words):
        noting.add(at_us, note, to_us=to_us)
    assert noting.found() == []


def test_five_hundred_letters_with_marks_are_not_too_many(noting: Noting) -> None:
    noting.add(NOW, "e\u0302\u0323" * 500)
    assert noting.found() == ["ệ" * 500]


def test_nobody_fills_the_table(noting: Noting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bookmarks, "EACH", 1)
    noting.add(NOW, "một")
    with pytest.raises(BookmarkRefused, match="You have 1 bookmarks"):
        noting.add(NOW, "hai")


def test_bookmarks_are_found_by_words_with_or_without_accents_in_any_order_and_case(noting: Noting) -> None:
    noting.add(NOW - 2 * HOUR, "Đối tượng áo đỏ chạy về hướng chợ")
    noting.add(NOW - HOUR, "Áo xanh, 100% chắc chắn", camera=noting.station)
    assert noting.found(words="ao do") == ["Đối tượng áo đỏ chạy về hướng chợ"]
    assert noting.found(words="CHỢ doi Tượng") == ["Đối tượng áo đỏ chạy về hướng chợ"]
    assert noting.found(words="ao") == ["Áo xanh, 100% chắc chắn", "Đối tượng áo đỏ chạy về hướng chợ"]
    assert noting.found(words="100%") == ["Áo xanh, 100% chắc chắn"]
    assert noting.found(words="_") == []
    assert noting.found(words="ao", cameras=[noting.market]) == ["Đối tượng áo đỏ chạy về hướng chợ"]
    assert noting.found(words="ao", cameras=[]) == []


def test_an_interval_shows_what_touches_it_half_open(noting: Noting) -> None:
    noting.add(NOW - 3 * HOUR, "moment")
    noting.add(NOW - 20 * HOUR, "long", to_us=NOW - 2 * HOUR)
    assert noting.found(NOW - 3 * HOUR, NOW - 2 * HOUR) == ["moment", "long"]
    assert noting.found(NOW - 4 * HOUR, NOW - 3 * HOUR) == ["long"]
    assert noting.found(NOW - 3 * HOUR + 1, NOW) == ["long"]
    assert noting.found(NOW - 2 * HOUR, NOW) == []
    assert noting.found(NOW - 30 * HOUR, NOW - 20 * HOUR) == []


def test_an_answer_has_an_end(noting: Noting) -> None:
    for number in range(5):
        noting.add(NOW - number * SECOND, str(number))
    with noting.database.read() as session:
        found = bookmarks.between(session, [noting.market], limit=3)
    assert [one.note for one in found] == ["0", "1", "2"]
    assert {one.account_name for one in found} == {"an"}
