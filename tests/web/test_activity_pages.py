"""`/api/activity`: what changed, newest first, what nobody has looked at for long; only of cameras that one may see."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa

from vonggac.cameras.models import Camera
from vonggac.core.clock import MICROSECONDS, microseconds, utc, utc_now
from vonggac.org.models import Account
from vonggac.shell.models import LookRow
from vonggac.video import activity
from vonggac.video.activity import Episode, Source

S = MICROSECONDS
HOUR = 3600 * S


def happened(district: Any, name: str, ago_s: int, lasted_s: int = 5, source: Source = Source.SIZES) -> None:
    start = microseconds(utc_now()) - ago_s * S
    with district.database.write() as session:
        camera = session.get_one(Camera, district.cameras[name])
        activity.note(session, [Episode(camera.id, camera.unit_id, source, start, start + lasted_s * S, 0.5)])


def looked(district: Any, name: str, ago_us: int, kind: str = "live") -> None:
    with district.database.write() as session:
        session.add(
            LookRow(
                at=utc(microseconds(utc_now()) - ago_us),
                account_id=session.scalars(sa.select(Account.id)).first(),
                address="192.0.2.7",
                kind=kind,
                camera_id=district.cameras[name],
                detail="",
            )
        )


def age_cameras(district: Any) -> None:
    with district.database.write() as session:
        session.execute(sa.update(Camera).values(created_at=utc(microseconds(utc_now()) - 48 * HOUR)))


async def asked(client: Any, query: str = "") -> dict[str, Any]:
    await client.log_in()
    answer = await client.get(f"/api/activity{query}", page=False)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_what_changed_comes_newest_first_with_number_and_name(district: Any, client: Any) -> None:
    happened(district, "Chợ Liên Nghĩa", 600)
    happened(district, "Bến xe Đức Trọng", 60, source=Source.ONVIF)
    happened(district, "Chợ Hiệp An", 7200)
    found = asyncio.run(asked(client))
    assert [(one["number"], one["name"], one["source"], one["score"]) for one in found["items"]] == [
        (2, "Bến xe Đức Trọng", "onvif", 0.5),
        (1, "Chợ Liên Nghĩa", "sizes", 0.5),
    ]
    assert found["items"][0]["camera"] == district.cameras["Bến xe Đức Trọng"].hex
    assert found["items"][0]["to"] - found["items"][0]["from"] == 5000
    since = found["now_ms"] - 3 * 3_600_000
    assert len(asyncio.run(asked(client, f"?since_ms={since}"))["items"]) == 3


def test_a_time_that_is_none_is_refused(district: Any, client: Any) -> None:
    async def run() -> None:
        await client.log_in()
        for wrong in ("x", "-5", "1e9", "9" * 40, "%D9%A1"):
            assert (await client.get(f"/api/activity?since_ms={wrong}", page=False)).status_code == 400, wrong

    asyncio.run(run())


def test_cameras_that_nobody_has_looked_at_live_for_three_hours_are_named_those_never_looked_at_first(
    district: Any, client: Any
) -> None:
    age_cameras(district)
    looked(district, "Chợ Liên Nghĩa", 10 * 60 * S)
    looked(district, "Bến xe Đức Trọng", 4 * HOUR)
    looked(district, "Bến xe Đức Trọng", 9 * HOUR)
    looked(district, "Quốc lộ 20, cửa ngõ", 5 * HOUR)
    looked(district, "Quốc lộ 20, cửa ngõ", 5 * 60 * S, kind="still")
    district.say(away={"Chợ Hiệp An": "timed_out"})
    found = asyncio.run(asked(client))
    ages = {
        one["name"]: one["looked_ms"] and round((found["now_ms"] - one["looked_ms"]) / 3.6e6) for one in found["unseen"]
    }
    assert list(ages.items()) == [
        ("Ủy ban xã Hiệp An", None),
        ("Trường học Đà Loan", None),
        ("Quốc lộ 20, cửa ngõ", 5),
        ("Bến xe Đức Trọng", 4),
    ]
    assert found["unseen_count"] == 4


def test_a_camera_that_was_added_just_now_is_not_called_unseen(district: Any, client: Any) -> None:
    assert asyncio.run(asked(client))["unseen"] == []


def test_who_may_not_see_a_camera_hears_nothing_of_it(district: Any, client: Any) -> None:
    happened(district, "Chợ Liên Nghĩa", 60)

    async def run() -> None:
        assert (await client.get("/api/activity", page=False)).status_code == 401
        await client.log_in("khach1")
        assert (await client.get("/api/activity", page=False)).status_code == 403

    asyncio.run(run())


def test_the_words_are_in_the_readers_language(district: Any, client: Any) -> None:
    async def run() -> None:
        await client.log_in()
        for language, word in (("vi", "Vừa có thay đổi"), ("en", "What changed")):
            answer = await client.get("/api/activity", page=False, accept_language=language)
            assert answer.json()["words"]["changed"] == word

    asyncio.run(run())
