"""The record of a camera: its fields checked, its changes counted, its picture kept, the register as a table."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from vonggac.cameras import csv_export, csv_import, pictures, service
from vonggac.cameras.models import CameraPicture
from vonggac.cameras.record import LENGTHS, NAMES, Record, ends, field_value, read_record
from vonggac.cameras.schemas import CameraChanges, new_camera
from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.core.errors import Invalid
from vonggac.core.eventlog import events_after
from vonggac.core.secrets import SecretBox
from vonggac.org import service as org

JPEG = b"\xff\xd8\xff\xe0 a picture"
WRITTEN = {
    "place": "Cột điện trước cổng chợ, cao 6 m",
    "owner": "Ủy ban nhân dân xã Đức Trọng",
    "supplier": "Công ty lắp đặt",
    "contract": "05/2026/HĐ",
    "guarantee_until": "31/05/2028",
    "certificate": "A0135-2026",
    "certificate_until": "2029-01-01",
    "installed_on": "1/6/2026",
    "remarks": "Khóa tủ điện: trực ban giữ.\nĐổi ống kính 12/2026.",
}


def add(database: Database, box: SecretBox, name: str = "Chợ", **record: str) -> None:
    with database.write() as session:
        unit = org.find_unit(session, "to-25")
        url = f"rtsp://u:bi-mat@192.0.2.1/{len(name)}"
        service.add_camera(session, box, new_camera(name=name, url=url, unit_id=unit.id, record=read_record(record)))


def edit(database: Database, box: SecretBox, **changes: object) -> list[str]:
    with database.write() as session:
        camera = service.find_camera(session, "1")
        return service.edit_camera(session, box, camera, CameraChanges(**changes))  # type: ignore[arg-type]


def test_a_record_is_kept_as_it_was_written(database: Database, box: SecretBox) -> None:
    add(database, box, **WRITTEN)
    with database.read() as session:
        camera = service.find_camera(session, "1")
        assert camera.place == WRITTEN["place"]
        assert camera.guarantee_until == date(2028, 5, 31)
        assert camera.installed_on == date(2026, 6, 1)
        assert camera.remarks.splitlines() == WRITTEN["remarks"].splitlines()


def test_a_camera_without_a_record_has_an_empty_one(database: Database, box: SecretBox) -> None:
    add(database, box)
    with database.read() as session:
        camera = service.find_camera(session, "1")
        assert Record(**{name: getattr(camera, name) for name in NAMES}) == Record()


def test_a_change_of_the_record_is_announced_and_empties_what_is_emptied(database: Database, box: SecretBox) -> None:
    add(database, box, **WRITTEN)
    assert edit(database, box, record={"contract": "06/2026/HĐ", "guarantee_until": None}) == [
        "contract",
        "guarantee_until",
    ]
    with database.read() as session:
        camera = service.find_camera(session, "1")
        assert (camera.contract, camera.guarantee_until, camera.owner) == ("06/2026/HĐ", None, WRITTEN["owner"])
        last = events_after(session, 0).events[-1]
    assert (last.topic, last.payload) == ("camera.changed", {"fields": ["contract", "guarantee_until"]})


def test_who_changes_what_another_has_changed_is_told_and_changes_nothing(database: Database, box: SecretBox) -> None:
    add(database, box)
    assert edit(database, box, version=1, record={"owner": "một"}) == ["owner"]
    with pytest.raises(service.ChangedMeanwhile):
        edit(database, box, version=1, record={"owner": "hai"})
    assert edit(database, box, version=1, record={"owner": "một"}) == []
    assert edit(database, box, version=2, record={"owner": "hai"}) == ["owner"]
    with database.read() as session:
        camera = service.find_camera(session, "1")
        assert (camera.owner, camera.version) == ("hai", 3)
        assert len([event for event in events_after(session, 0).events if event.topic == "camera.changed"]) == 2


@pytest.mark.parametrize(
    ("name", "written", "words"),
    [
        ("guarantee_until", "31/02/2027", "A day is written 31/05/2027 or 2027-05-31, not '31/02/2027'."),
        ("installed_on", "hôm qua", "not 'hôm qua'"),
        ("installed_on", "0001-01-01", "A day is written"),
        ("contract", "x" * 101, "“Contract” is 101 characters long; at most 100 are kept."),
        ("owner", "a\u202eb", "“Owner” holds an unprintable character."),
    ],
)
def test_what_cannot_be_kept_is_refused_with_words(name: str, written: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        field_value(name, written)
    assert words in str(refused.value)


def test_texts_are_kept_in_their_normal_form_and_only_remarks_have_lines() -> None:
    decomposed = "Chơ\u0323  cô\u0309ng\nBắc "
    assert field_value("place", decomposed) == "Chợ cổng Bắc"
    assert field_value("remarks", " một \n\n hai \n") == "một\n\nhai"
    assert len(str(field_value("remarks", "ă" * LENGTHS["remarks"]))) == LENGTHS["remarks"]


def test_an_end_is_near_60_days_before_it_and_over_the_day_after() -> None:
    last = date(2027, 5, 31)
    days = {-61: "", -60: "soon", 0: "soon", 1: "over"}
    assert {day: ends(last, last + timedelta(days=day)) for day in days} == days
    assert ends(None, last) == ""


def test_the_picture_at_installation_is_kept_replaced_and_forgotten(database: Database, box: SecretBox) -> None:
    add(database, box)
    for jpeg, origin in ((JPEG, "camera"), (JPEG + b"2", "upload")):
        with database.write() as session:
            pictures.set_picture(session, service.find_camera(session, "1"), jpeg, utc_now(), origin)  # type: ignore[arg-type]
    with database.read() as session:
        found = pictures.picture(session, service.find_camera(session, "1"), with_jpeg=True)
        assert found is not None
        assert (found.jpeg, found.origin) == (JPEG + b"2", "upload")
    with database.write() as session:
        camera = service.find_camera(session, "1")
        assert pictures.forget_picture(session, camera)
        assert not pictures.forget_picture(session, camera)
        assert session.get(CameraPicture, camera.id) is None
        fields = [event.payload.get("fields") for event in events_after(session, 0).events]
    assert fields.count(["picture"]) == 3


@pytest.mark.parametrize("jpeg", [b"", b"\x89PNG\r\n", JPEG + bytes(pictures.MOST_BYTES)])
def test_what_is_no_picture_or_too_large_is_not_kept(database: Database, box: SecretBox, jpeg: bytes) -> None:
    add(database, box)
    with pytest.raises(Invalid), database.write() as session:
        pictures.set_picture(session, service.find_camera(session, "1"), jpeg, utc_now(), "upload")
    with database.read() as session:
        assert pictures.picture(session, service.find_camera(session, "1")) is None


def test_an_exported_register_is_read_again_and_holds_no_password(
    database: Database, box: SecretBox, tmp_path: Path
) -> None:
    add(database, box, **WRITTEN)
    add(database, box, "=1+1, Bến xe")
    with database.read() as session:
        table = csv_export.export_cameras(session, service.list_cameras(session))
    assert "bi-mat" not in table
    assert "'=1+1, Bến xe" in table
    with database.write() as session:
        for camera in service.list_cameras(session):
            service.remove_camera(session, camera)
    file = tmp_path / "cameras.csv"
    file.write_text(table, "utf-8")
    with database.write() as session:
        numbers = [camera.number for camera in csv_import.import_cameras(session, box, file)]
        again = service.find_camera(session, "Chợ")
        assert numbers == [3, 4]
        assert {name: getattr(again, name) for name in NAMES} == {
            name: field_value(name, text) for name, text in WRITTEN.items()
        }
        assert session.get_one(org.Unit, again.unit_id).code == "to-25"


def test_a_bad_day_in_a_file_is_named_with_its_line(database: Database, box: SecretBox, tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text("name,url,guarantee_until\nChợ,rtsp://192.0.2.1/a,nay mai\n", "utf-8")
    with pytest.raises(Invalid, match="line 2: A day is written") as refused, database.write() as session:
        csv_import.import_cameras(session, box, file)
    assert "nay mai" in str(refused.value)
