"""The pages of the account: a month by unit and camera, every gap, CSV; and the standing faults of the centre."""

from __future__ import annotations

import asyncio
import csv
import io
import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from peers.seeding import DAY, HOUR, SECOND, Seeding
from vonggac.cameras.models import Camera
from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.core.faults import clear_fault, raise_fault
from vonggac.video import period
from vonggac.video.models import GapReason
from vonggac.video.volumes import create_volume
from vonggac.web import account_pages

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
MARCH = microseconds(datetime(2026, 3, 1, tzinfo=ZONE))


@pytest.fixture
def march(district: Any) -> Any:
    """The district through March 2026: camera 1 lost three days to its line, camera 4 an hour to the disk."""
    seeding = Seeding(district.database, district.folder.path / "media")
    with district.database.write() as session:
        session.execute(sa.update(Camera).values(created_at=utc(MARCH)))
        numbers = dict(session.execute(sa.select(Camera.number, Camera.id)).all())
    outages: dict[int, list[Any]] = {
        1: [
            (MARCH + 2 * DAY, MARCH + 5 * DAY, GapReason.UNAUTHORISED),
            (MARCH + 9 * DAY, MARCH + 9 * DAY + 30 * SECOND, GapReason.LOSS),
        ],
        4: [(MARCH + 20 * DAY, MARCH + 20 * DAY + HOUR, GapReason.DISK)],
        6: [(MARCH, MARCH + DAY, GapReason.DISABLED)],
    }
    for number, key in numbers.items():
        seeding.life(key, MARCH, MARCH + 31 * DAY, outages.get(number, []))
    return district


def rows_of(page: str) -> list[str]:
    """The numbers of the cameras, in the order of the page."""
    return [part.partition('"')[0] for part in page.split('data-number="')[1:]]


def test_a_month_is_told_in_words_with_the_worst_camera_first(client: Any, march: Any) -> None:
    async def walk() -> str:
        await client.log_in()
        return str((await client.get("/health/account?month=2026-03")).text)

    page = asyncio.run(walk())
    assert "Thời gian ghi hình · Tháng 3 năm 2026" in page
    assert "6 camera: ghi được 98,35% thời gian, 1 camera dưới 95%." in page
    assert rows_of(page) == ["1", "4", "2", "3", "5", "6"]
    for words in ("Sai tên hoặc mật khẩu camera", "72:00:00", "259.200 giây", "Ổ đĩa không ghi thêm được", "24:00:00"):
        assert words in page
    assert '<td class="c-share" title="ghi được 2.419.170 giây trên 2.678.400 giây phải ghi">90,32%</td>' in page


def test_the_order_is_chosen_by_a_link_and_said_to_a_screen_reader(client: Any, march: Any) -> None:
    async def walk() -> None:
        await client.log_in()
        for sort, numbers in (("number", "123456"), ("off", "612345"), ("name", "251364"), ("nonsense", "142356")):
            page = (await client.get(f"/health/account?month=2026-03&sort={sort}")).text
            assert "".join(rows_of(page)) == numbers, sort
            assert page.count("aria-sort=") == 1

    asyncio.run(walk())


def test_units_are_summed_and_months_chosen(client: Any, march: Any) -> None:
    async def walk() -> None:
        await client.log_in()
        page = (await client.get("/health/account?month=2026-04", accept_language="en")).text
        assert "Recorded time · April 2026" in page
        assert "Nothing explains it" in page
        assert 'rel="prev" href="/health/account?month=2026-03' in page
        assert 'rel="next" href="/health/account?month=2026-05' in page
        first = (await client.get("/health/account?month=2026-03")).text
        assert 'rel="prev"' not in first
        assert first.count("data-depth=") == 3
        now = period.month_of(microseconds(utc_now()), ZONE).name
        for wanted in ("", "?month=2199-01", "?month=2026-02", "?month=%27%22"):
            assert f'value="{now}" selected' in (await client.get(f"/health/account{wanted}")).text

    asyncio.run(walk())


def test_a_camera_has_a_page_with_every_gap(client: Any, march: Any) -> None:
    key = march.cameras["Chợ Liên Nghĩa"]

    async def walk() -> None:
        await client.log_in()
        page = (await client.get("/health/account/1?month=2026-03")).text
        assert "2 lần gián đoạn" in page
        assert page.index("00:00:00 10/03/2026") < page.index("00:00:00 03/03/2026")
        assert (await client.get(f"/health/account/{key.hex}?month=2026-03")).text.count(">2 lần gián đoạn") == 1
        nothing = (await client.get("/health/account/2?month=2026-03")).text
        assert "Không thiếu giây nào." in nothing
        for named in ("99", uuid.uuid4().hex, "nobody", "-1", "9" * 40):
            assert (await client.get(f"/health/account/{named}")).status_code == 404, named

    asyncio.run(walk())


def test_only_the_newest_gaps_are_shown_and_it_is_said(
    client: Any, march: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_pages, "GAPS_SHOWN", 1)

    async def walk() -> str:
        await client.log_in()
        return str((await client.get("/health/account/1?month=2026-03")).text)

    page = asyncio.run(walk())
    assert "Chỉ hiện 1 lần mới nhất" in page
    assert page.count('class="c-why"') == 2  # the heading and one gap


def test_the_csv_says_the_same_as_the_page(client: Any, march: Any) -> None:
    async def walk() -> None:
        await client.log_in()
        answer = await client.get("/health/account.csv?month=2026-03", page=False)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == 'attachment; filename="recorded-time-2026-03.csv"'
        rows = {row["number"]: row for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))}
        assert rows["1"]["missing_unauthorised_s"] == "259200"
        assert rows["6"]["switched_off_s"] == "86400"
        units = (await client.get("/health/account.csv?month=2026-03&by=unit", page=False)).text
        assert units.count("\r\n") == 4
        reasons = (await client.get("/health/account.csv?month=2026-03&by=reason", page=False)).text
        assert reasons.splitlines()[1].startswith("unauthorised,")
        gaps = (await client.get("/health/account/1/gaps.csv?month=2026-03", page=False)).text
        assert gaps.splitlines()[1].split(",")[3:7] == [
            "2026-03-03T00:00:00+07:00", "2026-03-06T00:00:00+07:00", "259200.0", "unauthorised"
        ]  # fmt: skip

    asyncio.run(walk())


def test_names_are_text_whatever_they_hold(client: Any, march: Any) -> None:
    with march.database.write() as session:
        session.execute(sa.update(Camera).values(name='<script>alert("1")</script>'))

    async def walk() -> None:
        await client.log_in()
        for path in ("/health/account?month=2026-03", "/health/account/1?month=2026-03"):
            page = (await client.get(path)).text
            assert "<script>alert" not in page
            assert "&lt;script&gt;alert" in page

    asyncio.run(walk())


def test_nobody_hears_of_units_that_are_not_his(client: Any, march: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with march.database.read() as session:
        mine = session.scalars(sa.select(Camera).where(Camera.number == 4)).one().unit_id

    def may(_self: Any, verb: str, unit_id: uuid.UUID | None = None) -> bool:
        return unit_id is None or unit_id == mine

    monkeypatch.setattr("vonggac.org.accounts.Visitor.may", may)
    with march.database.write() as session:
        raise_fault(session, "camera_clock_wrong", march.cameras["Chợ Liên Nghĩa"].hex, unit_id=uuid.uuid4())
        raise_fault(session, "disk_slow", "")

    async def walk() -> None:
        await client.log_in()
        page = (await client.get("/health/account?month=2026-03")).text
        assert rows_of(page) == ["4", "5"]
        assert "Chợ Liên Nghĩa" not in page
        assert (await client.get("/health/account/1?month=2026-03")).status_code == 404
        assert (await client.get("/health/account/1/gaps.csv?month=2026-03")).status_code == 404
        assert "Chợ Liên Nghĩa" not in (await client.get("/health/account.csv?month=2026-03")).text
        faults = (await client.get("/api/health", page=False)).json()["faults"]
        assert [fault["kind"] for fault in faults] == ["disk_slow"]

    asyncio.run(walk())


def test_a_centre_without_cameras_has_an_account_of_nothing(client: Any, district: Any) -> None:
    with district.database.write() as session:
        for table in ("camera_status", "camera"):
            session.execute(sa.text(f"DELETE FROM {table}"))

    async def walk() -> str:
        await client.log_in()
        return str((await client.get("/health/account")).text)

    assert "Tháng này chưa có camera nào." in asyncio.run(walk())


def test_standing_faults_are_said_in_words_with_what_they_are_about(client: Any, district: Any) -> None:
    camera = district.cameras["Chợ Hiệp An"]
    with district.database.write() as session:
        volume = create_volume(session, district.folder.path / "media", utc_now())
        session.flush()
        raise_fault(session, "volume_full", volume.id.hex, detail="4 GB are free")
        raise_fault(session, "camera_clock_wrong", camera.hex)
        raise_fault(session, "evidence_damaged", "17", detail="the file x.mp4 is gone")
        raise_fault(session, "a_newer_kind", "recorder-2", detail="<b>something</b>")
        raise_fault(session, "disk_slow", "")
        clear_fault(session, "disk_slow", "")

    async def walk() -> tuple[str, list[dict[str, Any]]]:
        await client.log_in()
        page = (await client.get("/health")).text
        return page, (await client.get("/api/health", page=False)).json()["faults"]

    page, faults = asyncio.run(walk())
    assert [(fault["text"], fault["about"]) for fault in faults] == [
        ("Lỗi: a_newer_kind", "recorder-2"),
        ("Dữ liệu được giữ làm chứng cứ bị hỏng", ""),
        ("Đồng hồ của camera bị sai", "5 Chợ Hiệp An"),
        ("Ổ đĩa ghi hình đã đầy", str(district.folder.path / "media")),
    ]
    assert faults[3]["detail"] == "4 GB are free"
    assert all(fault["since"].startswith("từ ") for fault in faults)
    assert page.count("data-fault=") == 4
    assert "&lt;b&gt;something" in page


def test_a_thousand_damaged_files_do_not_hide_the_disk_that_is_failing(client: Any, district: Any) -> None:
    with district.database.write() as session:
        raise_fault(session, "volume_failing", "")
        for number in range(30):
            raise_fault(session, "evidence_damaged", str(number), detail=f"the file {number}.mp4 is gone")

    async def walk() -> list[dict[str, Any]]:
        await client.log_in()
        return list((await client.get("/api/health", page=False)).json()["faults"])

    faults = asyncio.run(walk())
    assert [fault["kind"] for fault in faults] == [*["evidence_damaged"] * 9, "volume_failing"]
    assert faults[0]["detail"] == "the file 29.mp4 is gone"
    assert faults[8]["since"] == "còn 22 lỗi cùng loại"
    assert len({fault["id"] for fault in faults}) == len(faults)


def test_how_long_recordings_stay_is_the_centres_whoever_asks(
    client: Any, district: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with district.database.write() as session:
        create_volume(session, district.folder.path / "media", utc_now())

    async def days() -> str:
        await client.log_in()
        return str((await client.get("/api/health", page=False)).json()["totals"]["cells"]["days"])

    everybody = asyncio.run(days())
    with district.database.read() as session:
        mine = session.scalars(sa.select(Camera.unit_id).where(Camera.number == 1)).one()
    monkeypatch.setattr("vonggac.org.accounts.Visitor.may", lambda _self, _verb, unit=None: unit in (None, mine))
    assert everybody != "–"
    assert asyncio.run(days()) == everybody


def test_without_faults_there_is_no_heading_of_them(client: Any) -> None:
    async def walk() -> str:
        await client.log_in()
        return str((await client.get("/health")).text)

    assert "data-faults hidden" in asyncio.run(walk())
