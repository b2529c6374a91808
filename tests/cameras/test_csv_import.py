"""Cameras from CSV: all rows or none, each bad row with its line and every kind of reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from vonggac.cameras import csv_import, service
from vonggac.cameras.address import StreamAddress, onvif_address
from vonggac.cameras.schemas import CameraChanges
from vonggac.core.database import Database
from vonggac.core.secrets import SecretBox
from vonggac.org.csv_table import BadRows


def imported(database: Database, box: SecretBox, folder: Path, text: str) -> list[int]:
    file = folder / "cameras.csv"
    file.write_text(text, "utf-8")
    with database.write() as session:
        return [camera.number for camera in csv_import.import_cameras(session, box, file)]


def test_columns_may_be_left_out_and_stand_in_any_order(database: Database, box: SecretBox, tmp_path: Path) -> None:
    text = (
        "\ufeffurl,password,name,user,longitude,latitude,unit,kind\n"
        'rtsp://192.0.2.1/a,p@ss,"Chợ, cổng Bắc",admin,108.373,11.735,lien-nghia/to-25,PTZ\n'
        "rtsp://x:y@192.0.2.1/b,,Bến xe,,,,,\n"
    )
    assert imported(database, box, tmp_path, text) == [1, 2]
    with database.read() as session:
        first, second = (service.find_camera(session, number) for number in ("1", "2"))
        assert (first.kind, first.latitude, first.longitude) == ("ptz", 11.735, 108.373)
        assert service.stream_url(first, box) == "rtsp://admin:p%40ss@192.0.2.1/a"
        assert (second.kind, second.latitude) == ("overview", None)
        assert service.stream_url(second, box) == "rtsp://x:y@192.0.2.1/b"


def test_every_bad_row_is_named_and_nothing_is_added(database: Database, box: SecretBox, tmp_path: Path) -> None:
    imported(database, box, tmp_path, "name,url\ntaken,rtsp://192.0.2.1/taken\n")
    text = (
        "name,url,unit,kind,latitude,longitude,password\n"
        "good,rtsp://192.0.2.1/good,,,,,\n"
        "bad url,http://192.0.2.1/,,,,,\n"
        "bad unit,rtsp://192.0.2.1/2,nowhere,,,,\n"
        "bad kind,rtsp://192.0.2.1/3,,dome,,,\n"
        "bad place,rtsp://192.0.2.1/4,,,11.7,,\n"
        "taken,rtsp://192.0.2.1/5,,,,,\n"
        "good,rtsp://192.0.2.1/6,,,,,\n"
        "other,rtsp://u:bi-mat@192.0.2.1/good,,,,,\n"
        ",rtsp://192.0.2.1/7,,,,,\n"
        "no user,rtsp://192.0.2.1/8,,,,,bi-mat\n"
    )
    with pytest.raises(BadRows) as failed:
        imported(database, box, tmp_path, text)
    assert [line for line, _ in failed.value.faults] == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    words = str(failed.value)
    for line in (
        "9 rows cannot be imported, so none was",
        "line 4: There is no unit 'nowhere'",
        "line 7: The name “taken” is taken in this unit by camera 1 (taken)",
        "line 8: The name “good” is taken in this unit by another new camera",
        "line 9: The address rtsp://192.0.2.1/good is already that of another new camera (good)",
    ):
        assert line in words
    assert "bi-mat" not in words
    with database.read() as session:
        assert len(service.list_cameras(session)) == 1


def test_many_faults_are_counted_and_not_all_printed(database: Database, box: SecretBox, tmp_path: Path) -> None:
    with pytest.raises(BadRows) as failed:
        imported(database, box, tmp_path, "name,url\n" + "x,y\n" * 100)
    assert len(failed.value.faults) == 100
    assert str(failed.value).count("\n") == 31
    assert "and 70 more" in str(failed.value)


def test_a_province_of_cameras_is_imported_in_the_order_of_the_file(
    database: Database, box: SecretBox, tmp_path: Path
) -> None:
    rows = "".join(f"Camera {i},rtsp://u:p{i}@192.0.2.1/{i}\n" for i in range(1124))
    assert imported(database, box, tmp_path, "name,url\n" + rows) == list(range(1, 1125))
    with database.read() as session:
        assert service.sources(session, box)[1123].url == "rtsp://u:p1123@192.0.2.1/1123"


def test_transport_and_pinned_certificate_may_be_columns(database: Database, box: SecretBox, tmp_path: Path) -> None:
    pin = "AB:" * 31 + "CD"
    text = f"name,url,transport,tls_fingerprint\na,rtsp://192.0.2.1/a,udp,\nb,rtsps://192.0.2.1/b,,{pin.lower()}\n"
    assert imported(database, box, tmp_path, text) == [1, 2]
    with database.read() as session:
        assert [(one.transport, one.tls_fingerprint) for one in service.sources(session, box)] == [
            ("udp", ""),
            ("tcp", pin),
        ]
    with pytest.raises(BadRows, match="line 2: The transport must be one of tcp, udp"):
        imported(database, box, tmp_path, "name,url,transport\nc,rtsp://192.0.2.1/c,http\n")


def test_the_onvif_address_may_be_a_column_and_its_password_is_sealed(
    database: Database, box: SecretBox, tmp_path: Path
) -> None:
    text = (
        "name,url,onvif_url\n"
        "own,rtsp://u:p@192.0.2.1/a,http://onvif:s3cret@192.0.2.1:8000\n"
        "shared,rtsp://u:p@192.0.2.2/a,http://192.0.2.2\n"
        "elsewhere,rtsp://u:p@192.0.2.3/a,http://192.0.2.99/\n"
        "none,rtsp://u:p@192.0.2.4/a,\n"
    )
    assert imported(database, box, tmp_path, text) == [1, 2, 3, 4]
    with database.read() as session:
        found = service.onvif_sources(session, box)
        assert [(one.number, one.url, one.credentials and one.credentials.user) for one in found] == [
            (1, "http://192.0.2.1:8000/onvif/device_service", "onvif"),
            (2, "http://192.0.2.2/onvif/device_service", "u"),
            (3, "http://192.0.2.99/onvif/device_service", None),
        ]
        assert "s3cret" not in repr(found)
    with database.write() as session:
        camera = service.find_camera(session, "own")
        elsewhere, beside = (onvif_address(f"http://{host}") for host in ("192.0.2.5", "192.0.2.1:8080"))
        with pytest.raises(service.CredentialsWanted):
            service.edit_camera(session, box, camera, CameraChanges(onvif_address=elsewhere))
        kept = service.edit_camera(session, box, camera, CameraChanges(onvif_address=beside))
        assert kept == ["onvif_url"]
        taken = service.edit_camera(session, box, camera, CameraChanges(onvif_address=StreamAddress("")))
        assert sorted(taken) == ["onvif_url", "secret"]
        assert [one.number for one in service.onvif_sources(session, box)] == [2, 3]
