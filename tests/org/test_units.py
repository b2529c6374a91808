"""The tree of units: found by code and path, walked in Vietnamese order, over both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from vonggac.core import schema
from vonggac.core.database import Database
from vonggac.core.errors import Invalid, NotFound
from vonggac.core.eventlog import events_after
from vonggac.org import service
from vonggac.org.schemas import DEEPEST, unit_fields


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.upgrade(database)
    with database.write() as session:
        root = service.make_root(session, "Công an huyện Đức Trọng")
        province = service.add_unit(session, unit_fields(code="lam-dong", name="Tỉnh Lâm Đồng", kind="province"), root)
        district = service.add_unit(
            session,
            unit_fields(code="duc-trong", name="Huyện Đức Trọng", kind="district", valid_to="2025-07-01"),
            province,
        )
        for code, name in (("ta-nang", "Tà Năng"), ("da-loan", "Đà Loan"), ("da-quyn", "Đa Quyn")):
            service.add_unit(session, unit_fields(code=code, name=name, kind="commune"), district)
    yield database
    database.close()


def test_a_unit_is_found_by_its_code_its_path_and_the_end_of_its_path(database: Database) -> None:
    with database.read() as session:
        for named in ("ta-nang", "duc-trong/ta-nang", "lam-dong/duc-trong/ta-nang", "root/lam-dong/duc-trong/ta-nang"):
            assert service.find_unit(session, named).name == "Tà Năng"
        assert service.find_unit(session, "").code == "root"


def test_a_unit_that_does_not_exist_is_refused_with_a_suggestion(database: Database) -> None:
    with database.read() as session:
        with pytest.raises(NotFound, match="Did you mean ta-nang"):
            service.find_unit(session, "ta nang")
        with pytest.raises(NotFound, match="the unit ta-nang is root/lam-dong/duc-trong/ta-nang"):
            service.find_unit(session, "lam-dong/ta-nang")


def test_the_tree_lists_parents_first_and_siblings_in_vietnamese_order(database: Database) -> None:
    with database.read() as session:
        branches = service.tree(session)
        assert [(branch.unit.name, branch.depth) for branch in branches] == [
            ("Công an huyện Đức Trọng", 0),
            ("Tỉnh Lâm Đồng", 1),
            ("Huyện Đức Trọng", 2),
            ("Đà Loan", 3),
            ("Đa Quyn", 3),
            ("Tà Năng", 3),
        ]
        assert branches[2].path == "lam-dong/duc-trong"


def test_the_tree_of_a_day_leaves_out_what_does_not_exist_then_and_all_below_it(database: Database) -> None:
    with database.read() as session:
        before = service.tree(session, on=date(2025, 6, 30))
        after = service.tree(session, on=date(2025, 7, 1))
    assert len(before) == 6
    assert [branch.unit.code for branch in after] == ["root", "lam-dong"]


def test_a_subtree_holds_the_unit_and_everything_below_it(database: Database) -> None:
    with database.read() as session:
        district = service.find_unit(session, "duc-trong")
        assert len(service.subtree_ids(session, district)) == 4


def test_a_code_is_given_once(database: Database) -> None:
    with database.write() as session, pytest.raises(Invalid, match="ta-nang is taken"):
        service.add_unit(
            session, unit_fields(code="ta-nang", name="Tà Năng", kind="commune"), service.root_unit(session)
        )


def test_the_tree_does_not_grow_deeper_than_its_limit(database: Database) -> None:
    with database.write() as session:
        parent = service.root_unit(session)
        for level in range(DEEPEST):
            parent = service.add_unit(session, unit_fields(code=f"level-{level}", name="x", kind="x"), parent)
        with pytest.raises(Invalid, match="levels below the root"):
            service.add_unit(session, unit_fields(code="too-deep", name="x", kind="x"), parent)


def test_every_added_unit_is_announced(database: Database) -> None:
    with database.read() as session:
        codes = [event.payload["code"] for event in events_after(session, 0, ["unit.added"]).events]
    assert codes == ["root", "lam-dong", "duc-trong", "ta-nang", "da-loan", "da-quyn"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"code": "Liên Nghĩa"}, "for example lien-nghia"),
        ({"code": "a--b"}, "single hyphens"),
        ({"code": "x" * 65}, "at most 64"),
        ({"code": ""}, "code is empty"),
        ({"name": "  "}, "name is empty"),
        ({"name": "x" * 201}, "201 characters long"),
        ({"name": "a\x07b"}, "unprintable"),
        ({"kind": ""}, "kind is empty"),
        ({"valid_from": "1.7.2025"}, "2025-07-01"),
        ({"valid_from": "2025-07-01", "valid_to": "2025-07-01"}, "must come after"),
    ],
)
def test_a_unit_that_breaks_a_rule_is_refused_in_plain_words(fields: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        unit_fields(**{"code": "a", "name": "A", "kind": "commune", **fields})


def test_a_name_is_kept_composed_whatever_the_keyboard_writes() -> None:
    assert unit_fields(code="a", name="Đu\u031b\u0301c  Tro\u0323ng", kind="x").name == "Đức Trọng"


def test_sound_is_off_until_a_unit_or_one_above_it_says_otherwise(database: Database) -> None:
    with database.write() as session:
        assert service.recorded_with_audio(session) == set()
        province, district, commune = (
            service.find_unit(session, code) for code in ("lam-dong", "duc-trong", "ta-nang")
        )
        assert service.set_record_audio(session, province, True)
        assert service.set_record_audio(session, district, False)
        assert service.set_record_audio(session, commune, True)
        assert not service.set_record_audio(session, commune, True), "nothing to change"
    with database.read() as session:
        assert service.recorded_with_audio(session) == {province.id, commune.id}
        changes = [
            event.unit_id
            for event in events_after(session, 0, ["unit.changed"]).events
            if event.payload["fields"] == ["record_audio"]
        ]
        assert changes == [province.id, district.id, commune.id]
    with database.write() as session:
        service.set_record_audio(session, service.find_unit(session, "duc-trong"), None)
        assert len(service.recorded_with_audio(session)) == 5, "the province and all below it"
