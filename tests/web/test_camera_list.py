"""`/api/cameras`: what every page with pictures knows of the cameras."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import msgspec
import sqlalchemy as sa

from vonggac.cameras.models import Camera
from vonggac.core import schema, text
from vonggac.core.clock import microseconds, utc, utc_now
from vonggac.core.database import Database
from vonggac.core.ids import new_id
from vonggac.org.models import Account, Unit
from vonggac.shell.models import LookRow
from vonggac.shell.words import Words
from vonggac.web.camera_list import CameraList, camera_list


def fetch(client: Any, **headers: str) -> dict[str, Any]:
    async def ask() -> Any:
        await client.log_in()
        return await client.get("/api/cameras", page=False, **headers)

    answer = asyncio.run(ask())
    assert answer.status_code == 200
    return dict(answer.json())


def test_the_list_says_of_every_camera_what_it_is_and_does(client: Any, district: Any) -> None:
    district.say({"Chợ Hiệp An": "timed_out"})
    with district.database.write() as session:
        session.execute(sa.update(Camera).where(Camera.number == 1).values(sub_url="rtsp://192.0.2.1/sub"))
    listed = fetch(client, accept_language="vi")
    cameras = {camera["name"]: camera for camera in listed["cameras"]}
    assert set(cameras) == set(district.cameras)
    market = cameras["Chợ Liên Nghĩa"]
    assert market["id"] == district.cameras["Chợ Liên Nghĩa"].hex
    assert (market["number"], market["kind"], market["state"], market["words"]) == (
        1,
        "overview",
        "recording",
        "Đang ghi",
    )
    assert (market["codec"], market["width"], market["height"], market["has_sub"]) == ("avc1.64001f", 1280, 720, True)
    assert market["folded"] == "1 cho lien nghia lien nghia toan canh"
    away = cameras["Chợ Hiệp An"]
    assert away["state"] == "away"
    assert away["words"] == "Mất tín hiệu: Camera không trả lời"
    assert away["since_ms"] < listed["now_ms"]
    assert away["has_sub"] is False
    assert listed["updated_ms"] > 0
    assert {unit["name"] for unit in listed["units"]} == {"Liên Nghĩa", "Hiệp An", "Đà Loan"}
    assert {camera["unit"] for camera in listed["cameras"]} == {unit["id"] for unit in listed["units"]}


def test_the_last_look_is_of_live_pictures_by_anybody(client: Any, district: Any) -> None:
    with district.database.write() as session:
        account = session.scalars(sa.select(Account)).first()
        camera = district.cameras["Chợ Liên Nghĩa"]
        for kind, at in (("live", 1_000), ("live", 3_000), ("still", 9_000), ("playback", 9_000)):
            session.add(
                LookRow(at=utc(at * 1000), account_id=account.id, address="192.0.2.7", kind=kind, camera_id=camera)
            )
    looked = {camera["name"]: camera["looked_ms"] for camera in fetch(client)["cameras"]}
    assert looked["Chợ Liên Nghĩa"] == 3_000
    assert looked["Chợ Hiệp An"] is None


def test_the_list_travels_packed(client: Any, district: Any) -> None:
    async def ask() -> Any:
        await client.log_in()
        request = client.http.build_request("GET", "/api/cameras", headers={"accept-encoding": "gzip"})
        answer = await client.http.send(request, stream=True)
        return answer.headers["content-encoding"], b"".join([part async for part in answer.aiter_raw()])

    encoding, body = asyncio.run(ask())
    assert encoding == "gzip"
    assert len(msgspec.json.decode(gzip.decompress(body))["cameras"]) == len(district.cameras)


def _tree(database: Database) -> dict[str, Unit]:
    made: dict[str, Unit] = {}
    with database.write() as session:
        for name, parent in (
            ("Lâm Đồng", ""),
            ("Đức Trọng", "Lâm Đồng"),
            ("Hiệp An", "Đức Trọng"),
            ("Đà Lạt", "Lâm Đồng"),
        ):
            made[name] = Unit(
                code=text.slug(name),
                name=name,
                name_folded=text.fold(name),
                name_sort=text.sort_key(name),
                kind="x",
                parent_id=made[parent].id if parent else None,
                created_at=utc_now(),
            )
            session.add(made[name])
            session.flush()
        for number, unit in ((7, "Hiệp An"), (8, "Đà Lạt"), (9, "Đà Lạt")):
            session.add(
                Camera(
                    id=new_id(),
                    number=number,
                    name=f"Camera {number}",
                    name_folded=f"camera {number}",
                    name_sort=text.sort_key(f"Camera {number}"),
                    folder=f"camera-{number}",
                    unit_id=made[unit].id,
                    kind="overview",
                    url="rtsp://192.0.2.1/stream",
                    created_at=utc_now(),
                    removed_at=utc_now() if number == 9 else None,
                )
            )
    return made


def _listed(database: Database, allowed: set[Any]) -> CameraList:
    with database.read() as session:
        return camera_list(session, Words("vi", "Asia/Ho_Chi_Minh"), allowed.__contains__, microseconds(utc_now()))


def test_only_cameras_of_units_that_may_be_seen_are_listed_with_what_is_above_them(database_url: str) -> None:
    database = Database(database_url)
    schema.upgrade(database)
    units = _tree(database)
    everything = _listed(database, {unit.id for unit in units.values()})
    assert [camera.number for camera in everything.cameras] == [8, 7]
    assert [unit.name for unit in everything.units] == ["Lâm Đồng", "Đà Lạt", "Đức Trọng", "Hiệp An"]
    one = _listed(database, {units["Hiệp An"].id})
    assert [camera.number for camera in one.cameras] == [7]
    assert [unit.name for unit in one.units] == ["Lâm Đồng", "Đức Trọng", "Hiệp An"]
    parents = {unit.id: unit.parent for unit in one.units}
    assert parents[units["Hiệp An"].id.hex] == units["Đức Trọng"].id.hex
    assert parents[units["Lâm Đồng"].id.hex] is None
    assert _listed(database, set()).units == []
    database.close()
