"""The registry: numbers given once, names and addresses unique, secrets sealed, changes announced."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from vonggac.cameras import service
from vonggac.cameras.address import Credentials, StreamAddress, split_address
from vonggac.cameras.models import Camera
from vonggac.cameras.schemas import CameraChanges, NewCamera, new_camera
from vonggac.core.database import Database
from vonggac.core.errors import Invalid, NotFound, VonggacError
from vonggac.core.eventlog import events_after
from vonggac.core.secrets import SecretBox
from vonggac.org import service as org

SECRET = "bi-mat-cua-camera"


def unit_id(database: Database, code: str = "root") -> uuid.UUID:
    with database.read() as session:
        return org.find_unit(session, code).id


def new(database: Database, name: str, url: str = "", unit: str = "root", **fields: str) -> NewCamera:
    return new_camera(
        name=name,
        url=url or f"rtsp://u:{SECRET}@192.0.2.1/{name}".replace(" ", "-"),
        unit_id=unit_id(database, unit),
        **fields,
    )


def added(database: Database, box: SecretBox, *news: NewCamera) -> list[int]:
    with database.write() as session:
        return [camera.number for camera in service.add_cameras(session, box, news)]


def edited(database: Database, box: SecretBox, named: str, **changes: object) -> list[str]:
    with database.write() as session:
        camera = service.find_camera(session, named)
        return service.edit_camera(session, box, camera, CameraChanges(**changes))  # type: ignore[arg-type]


def test_a_number_is_given_once_also_after_the_camera_is_removed(database: Database, box: SecretBox) -> None:
    assert added(database, box, new(database, "a"), new(database, "b")) == [1, 2]
    with database.write() as session:
        service.remove_camera(session, service.find_camera(session, "2"))
    assert added(database, box, new(database, "c")) == [3]


def test_commands_at_the_same_time_give_each_camera_a_number_of_its_own(database: Database, box: SecretBox) -> None:
    news = [new(database, f"Camera {i}") for i in range(24)]

    def add(part: int) -> list[int]:
        return [number for one in news[part::4] for number in added(database, box, one)]

    with ThreadPoolExecutor(4) as threads:
        numbers = [number for part in threads.map(add, range(4)) for number in part]
    assert sorted(numbers) == list(range(1, 25))


def test_the_folder_says_the_name_and_stays_when_the_camera_is_renamed(database: Database, box: SecretBox) -> None:
    added(database, box, new(database, "Chợ Liên Nghĩa"))
    with database.read() as session:
        before = service.find_camera(session, "1").folder
    assert before.startswith("cho-lien-nghia-")
    assert edited(database, box, "1", name="Bến xe") == ["name", "name_folded", "name_sort"]
    with database.read() as session:
        assert service.find_camera(session, "ben xe").folder == before


def test_no_secret_is_in_the_database_nor_in_any_repr(database: Database, box: SecretBox) -> None:
    camera = new(database, "a", f"rtsp://admin:{SECRET}@192.0.2.1/x?pwd={SECRET}2", sub_url=f"rtsp://o:{SECRET}3@h/")
    added(database, box, camera)
    with database.read() as session:
        rows = session.execute(sa.select(*Camera.__table__.columns)).all()
        sources = service.sources(session, box)
        found = service.find_camera(session, "1")
        known = service.credentials(found, box)
    with database.read() as session:
        events = events_after(session, 0).events
    assert SECRET not in repr((camera, rows, sources, found, known, events))
    if database.is_sqlite:
        path = Path(str(database.url.database))
        for file in path.parent.glob(f"{path.name}*"):
            assert SECRET.encode() not in file.read_bytes()


def test_the_recorder_gets_whole_addresses_in_the_order_of_the_numbers(database: Database, box: SecretBox) -> None:
    added(
        database,
        box,
        new(
            database, "b", "rtsp://admin:p%40ss/@192.0.2.1/x".replace("/@", "%2F@"), sub_url="rtsp://192.0.2.1:8554/sub"
        ),
        new(database, "a", "rtsp://192.0.2.2/?password=w0rt", sub_url="rtsp://192.0.2.3/sub"),
        new(database, "off"),
        new(database, "gone"),
    )
    edited(database, box, "off", enabled=False)
    with database.write() as session:
        service.remove_camera(session, service.find_camera(session, "gone"))
    with database.read() as session:
        sources = service.sources(session, box)
    assert [(source.number, source.name, source.enabled) for source in sources] == [(1, "b", True), (2, "a", True)]
    assert sources[0].url == "rtsp://admin:p%40ss%2F@192.0.2.1/x"
    assert sources[0].sub_url == "rtsp://admin:p%40ss%2F@192.0.2.1:8554/sub"
    assert sources[1].url == "rtsp://192.0.2.2/?password=w0rt"
    assert sources[1].sub_url == "rtsp://192.0.2.3/sub"


def test_credentials_are_not_lent_to_a_sub_stream_on_another_host(database: Database, box: SecretBox) -> None:
    added(database, box, new(database, "a", "rtsp://u:p@192.0.2.1/x", sub_url="rtsp://192.0.2.9/sub"))
    with database.read() as session:
        camera = service.find_camera(session, "a")
        assert service.credentials(camera, box) == Credentials("u", "p")
        assert service.credentials(camera, box, "sub") is None
        assert service.stream_url(camera, box, "sub") == "rtsp://192.0.2.9/sub"


def test_one_secret_of_another_key_does_not_stop_the_other_cameras(database: Database, box: SecretBox) -> None:
    added(database, SecretBox(b"o" * 32), new(database, "foreign"))
    added(database, box, new(database, "ours"))
    with database.read() as session:
        foreign, ours = service.sources(session, box)
        with pytest.raises(VonggacError, match="does not fit the key"):
            service.stream_url(service.find_camera(session, "foreign"), box)
    assert "does not fit the key" in foreign.fault
    assert foreign.url == "rtsp://192.0.2.1/foreign"
    assert ours.fault == ""
    assert edited(database, box, "foreign", credentials=Credentials("new", "word")) == ["secret"]
    with database.read() as session:
        assert service.sources(session, box)[0].url == "rtsp://new:word@192.0.2.1/foreign"


def test_a_new_address_on_the_same_host_keeps_the_credentials_unless_it_brings_its_own(
    database: Database, box: SecretBox
) -> None:
    added(database, box, new(database, "a", "rtsp://u:p@192.0.2.1/x"))

    def url() -> str:
        with database.read() as session:
            return service.stream_url(service.find_camera(session, "a"), box)

    edited(database, box, "a", address=split_address("rtsp://192.0.2.1:8554/y"))
    assert url() == "rtsp://u:p@192.0.2.1:8554/y"
    with pytest.raises(service.CredentialsWanted, match="another machine"):
        edited(database, box, "a", address=split_address("rtsp://192.0.2.2/y"))
    assert url() == "rtsp://u:p@192.0.2.1:8554/y"
    edited(database, box, "a", address=split_address("rtsp://v:q@192.0.2.2/y"))
    assert url() == "rtsp://v:q@192.0.2.2/y"
    edited(database, box, "a", forget_credentials=True)
    assert url() == "rtsp://192.0.2.2/y"
    edited(database, box, "a", sub_address=split_address("rtsp://192.0.2.2/sub"))
    with pytest.raises(Invalid, match="same address as the main stream"):
        edited(database, box, "a", address=split_address("rtsp://192.0.2.2/sub"))
    assert edited(database, box, "a", sub_address=StreamAddress("")) == ["sub_url"]


def test_forgetting_the_credentials_keeps_a_password_that_is_part_of_the_path(
    database: Database, box: SecretBox
) -> None:
    added(database, box, new(database, "a", "rtsp://u:p@192.0.2.1/?pwd=w0rt"))
    edited(database, box, "a", forget_credentials=True)
    with database.read() as session:
        assert service.stream_url(service.find_camera(session, "a"), box) == "rtsp://192.0.2.1/?pwd=w0rt"


def test_a_name_is_taken_within_its_unit_and_an_address_in_the_whole_centre(database: Database, box: SecretBox) -> None:
    added(
        database, box, new(database, "Cổng", "rtsp://192.0.2.1/a"), new(database, "Cổng", "rtsp://192.0.2.1/b", "to-25")
    )
    added(database, box, new(database, "Cong", "rtsp://192.0.2.1/c"))
    for name, url, unit, words in (
        ("CỔNG", "rtsp://192.0.2.1/d", "root", "“CỔNG” is taken in this unit by camera 1"),
        ("Ngõ", "rtsp://x:y@192.0.2.1/a", "to-25", r"already that of camera 1 \(Cổng\)"),
    ):
        with pytest.raises(Invalid, match=words):
            added(database, box, new(database, name, url, unit))
    with pytest.raises(Invalid, match="another new camera"):
        added(database, box, new(database, "Ngõ"), new(database, "ngõ"))
    with pytest.raises(Invalid, match="taken in this unit by camera 1"):
        edited(database, box, "2", unit_id=unit_id(database))
    with pytest.raises(Invalid, match="already that of camera 1"):
        edited(database, box, "2", address=split_address("rtsp://192.0.2.1/a"))
    assert edited(database, box, "1", name="CỔNG") == ["name", "name_sort"]


def test_the_name_and_address_of_a_removed_camera_are_free_again(database: Database, box: SecretBox) -> None:
    added(database, box, new(database, "a"))
    with database.write() as session:
        camera = service.find_camera(session, "a")
        service.remove_camera(session, camera)
        assert camera.secret is None
        with pytest.raises(Invalid, match="was removed"):
            service.edit_camera(session, box, camera, CameraChanges(name="b"))
    assert added(database, box, new(database, "a")) == [2]


def test_a_camera_is_found_by_number_name_and_part_of_the_name(database: Database, box: SecretBox) -> None:
    names = ("Chợ Liên Nghĩa", "Chợ Liên Nghĩa – cổng Bắc", "Ngã ba Tà Năng", "100% cà phê")
    added(database, box, *(new(database, name) for name in names))
    with database.read() as session:
        for named, number in (
            ("2", 2),
            ("#3", 3),
            ("Chợ Liên Nghĩa", 1),
            ("cho lien nghia", 1),
            ("CỔNG BẮC", 2),
            ("ta nang", 3),
            ("0%", 4),
        ):
            assert service.find_camera(session, named).number == number
        with pytest.raises(Invalid, match="fits several cameras: 1 Chợ Liên Nghĩa, 2 Chợ Liên Nghĩa – cổng Bắc"):
            service.find_camera(session, "nghia")
        for nothing in ("9", "99999999999", "_", "không có"):
            with pytest.raises(NotFound):
                service.find_camera(session, nothing)


def test_the_list_is_filtered_and_in_vietnamese_order(database: Database, box: SecretBox) -> None:
    added(
        database,
        box,
        new(database, "Đường Thống Nhất 10", unit="to-25"),
        new(database, "Đường Thống Nhất 2", unit="lien-nghia", kind="ptz"),
        new(database, "Dốc Tà Năng"),
    )
    with database.read() as session:

        def names(**wanted: object) -> list[str]:
            return [camera.name for camera in service.list_cameras(session, **wanted)]  # type: ignore[arg-type]

        assert names() == ["Dốc Tà Năng", "Đường Thống Nhất 2", "Đường Thống Nhất 10"]
        assert len(names(unit=org.find_unit(session, "lien-nghia"))) == 2
        assert names(unit=org.find_unit(session, "to-25")) == ["Đường Thống Nhất 10"]
        assert names(kind="ptz") == ["Đường Thống Nhất 2"]
        assert names(search="nhat duong 10") == ["Đường Thống Nhất 10"]


def test_every_change_is_announced_with_its_fields_and_without_values(database: Database, box: SecretBox) -> None:
    added(database, box, new(database, "a"))
    root, town = unit_id(database), unit_id(database, "lien-nghia")
    edited(database, box, "a", name="b", unit_id=town)
    assert edited(database, box, "b", name="b", unit_id=town) == []
    with database.write() as session:
        service.remove_camera(session, service.find_camera(session, "b"))
        service.remove_camera(session, service.find_camera(session, "b", removed=True))
    with database.read() as session:
        events = events_after(session, 0, ["camera."]).events
    assert [(event.topic, event.unit_id) for event in events] == [
        ("camera.added", root),
        ("camera.changed", root),
        ("camera.changed", town),
        ("camera.removed", town),
    ]
    assert events[1].payload == {"fields": ["unit_id", "name", "name_folded", "name_sort"]}


def test_a_failed_addition_leaves_neither_rows_nor_events(database: Database, box: SecretBox) -> None:
    with pytest.raises(Invalid):
        added(database, box, new(database, "a"), new(database, "a"))
    with database.read() as session:
        assert service.list_cameras(session) == []
        assert events_after(session, 0, ["camera."]).events == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "name is empty"),
        ({"name": "x" * 201}, "201 characters"),
        ({"name": "12"}, "must hold a letter"),
        ({"name": "a\u202eb"}, "unprintable"),
        ({"kind": "dome"}, "overview, ptz, plate"),
        ({"latitude": "11,7"}, "decimal point"),
        ({"latitude": "nan"}, "decimal point"),
        ({"latitude": "11.7"}, "both latitude and longitude"),
        ({"latitude": "108.3", "longitude": "11.7"}, "swapped"),
        ({"latitude": "11.7", "longitude": "181"}, "between -180 and 180"),
        ({"sub_url": "ftp://x"}, "must begin with rtsp"),
        ({"sub_url": "rtsp://admin:pw@h/"}, "same address as the main stream"),
    ],
)
def test_a_camera_that_breaks_a_rule_is_refused_in_plain_words(fields: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        new_camera(**{"name": "a", "url": "rtsp://h/", "unit_id": uuid.uuid4(), **fields})  # type: ignore[arg-type]


PIN = "AB:" * 31 + "CD"


def test_how_pictures_travel_is_kept_changed_by_hand_and_told_to_the_recorder(
    database: Database, box: SecretBox
) -> None:
    added(database, box, new(database, "a"), new(database, "b", transport="UDP"))
    with database.read() as session:
        assert [source.transport for source in service.sources(session, box)] == ["tcp", "udp"]
    assert edited(database, box, "1", transport="udp") == ["transport"]
    assert edited(database, box, "1", transport="udp") == []
    with database.read() as session:
        assert [source.transport for source in service.sources(session, box)] == ["udp", "udp"]
    with pytest.raises(Invalid, match="must be one of tcp, udp"):
        new(database, "c", transport="multicast")


@pytest.mark.parametrize(
    "written", [PIN, PIN.lower(), PIN.replace(":", ""), f"sha256 Fingerprint={PIN}", f"SHA256:{PIN.replace(':', '')}"]
)
def test_a_pinned_certificate_is_kept_in_one_form_however_it_is_written(
    database: Database, box: SecretBox, written: str
) -> None:
    added(database, box, new(database, "a", "rtsps://192.0.2.1/a", tls_fingerprint=written))
    with database.read() as session:
        assert service.sources(session, box)[0].tls_fingerprint == PIN
    assert edited(database, box, "1", tls_fingerprint="") == ["tls_fingerprint"]


def test_what_does_not_go_together_with_an_encrypted_address_is_refused(database: Database, box: SecretBox) -> None:
    with pytest.raises(Invalid, match="travel open"):
        new(database, "a", "rtsps://192.0.2.1/a", transport="udp")
    with pytest.raises(Invalid, match="rtsps://"):
        new(database, "a", "rtsp://192.0.2.1/a", tls_fingerprint=PIN)
    with pytest.raises(Invalid, match="64 hexadecimal digits"):
        new(database, "a", "rtsps://192.0.2.1/a", tls_fingerprint="AB:CD")
    added(database, box, new(database, "a", "rtsp://192.0.2.1/a", transport="udp"))
    added(database, box, new(database, "b", "rtsps://192.0.2.1/b", tls_fingerprint=PIN))
    with pytest.raises(Invalid, match="travel open"):
        edited(database, box, "1", address=split_address("rtsps://192.0.2.1/a"))
    with pytest.raises(Invalid, match="rtsps://"):
        edited(database, box, "2", address=split_address("rtsp://192.0.2.1/b"))
    changed = edited(database, box, "2", address=split_address("rtsp://192.0.2.1/b"), tls_fingerprint="")
    assert set(changed) == {"url", "tls_fingerprint"}


def test_a_camera_has_days_of_its_own_or_those_of_the_centre(database: Database, box: SecretBox) -> None:
    added(database, box, new(database, "a"))
    assert edited(database, box, "1", days={"min_days": 60}) == ["min_days"]
    assert edited(database, box, "1", days={"max_days": 90}) == ["max_days"]
    assert edited(database, box, "1", days={"min_days": 60}) == []
    with pytest.raises(Invalid, match="60 days at least and deleted after 30"):
        edited(database, box, "1", days={"max_days": 30})
    assert edited(database, box, "1", days={"min_days": None, "max_days": 30}) == ["min_days", "max_days"]
    assert edited(database, box, "1", name="b") == ["name", "name_folded", "name_sort"]
    with pytest.raises(Invalid, match="between 0 and 36500"):
        edited(database, box, "1", days={"min_days": -1})
