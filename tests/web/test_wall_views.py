"""Views of the wall: whose they are, who changes them, and what a person had on the wall last."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from vonggac.cameras.models import Camera
from vonggac.core import schema, text
from vonggac.core.clock import utc_now
from vonggac.core.database import Database
from vonggac.core.errors import Invalid, NotFound
from vonggac.org.models import Account, Unit
from vonggac.web import wall_views
from vonggac.web.wall_views import LAYOUTS, Arrangement, Shown, Wanted

NOW = utc_now()


@dataclass
class Centre:
    """Two units with two cameras each, an officer of each, and a chief of both."""

    database: Database
    units: list[uuid.UUID]
    cameras: list[uuid.UUID]
    accounts: list[uuid.UUID]

    def may(self, *units: int, verbs: tuple[str, ...] = ("wall.use", "live.view")) -> wall_views.May:
        """What somebody may do who has `verbs` on some units."""
        allowed = {self.units[one] for one in units}
        return lambda verb, unit_id: verb in verbs and unit_id in allowed

    def views(self, account: int, may: wall_views.May) -> list[Shown]:
        with self.database.read() as session:
            return wall_views.views(session, self.accounts[account], may)

    def keep(self, account: int, may: wall_views.May, wanted: Wanted) -> uuid.UUID:
        with self.database.write() as session:
            return wall_views.keep(session, self.accounts[account], may, wanted, NOW)


CHIEF = ("wall.use", "wall.share", "live.view")


@pytest.fixture
def centre(database_url: str) -> Iterator[Centre]:
    database = Database(database_url)
    schema.upgrade(database)
    units, cameras, accounts = [], [], []
    with database.write() as session:
        for name in ("Hiệp An", "Đà Loan"):
            unit = Unit(
                code=text.slug(name),
                name=name,
                name_folded=text.fold(name),
                name_sort=text.sort_key(name),
                kind="commune",
                created_at=NOW,
            )
            session.add(unit)
            session.flush()
            units.append(unit.id)
        for number in range(1, 5):
            camera = Camera(
                number=number,
                name=f"Camera {number}",
                name_folded=f"camera {number}",
                name_sort=text.sort_key(f"Camera {number}"),
                folder=f"camera-{number}",
                unit_id=units[(number - 1) // 2],
                kind="overview",
                url="rtsp://192.0.2.1/stream",
                created_at=NOW,
            )
            session.add(camera)
            session.flush()
            cameras.append(camera.id)
        for name in ("truc1", "truc2", "chihuy"):
            account = Account(name=name, name_folded=name, password_hash="x", created_at=NOW)
            session.add(account)
            session.flush()
            accounts.append(account.id)
    yield Centre(database, units, cameras, accounts)
    database.close()


def test_ones_own_view_is_nobody_elses(centre: Centre) -> None:
    both = centre.may(0, 1)
    kept = centre.keep(
        0, both, Wanted("  Ca   đêm ", None, Arrangement(4, [centre.cameras[0], None, centre.cameras[3]]))
    )
    [view] = centre.views(0, both)
    assert (view.id, view.name, view.may_change) == (kept, "Ca đêm", True)
    assert view.arrangement == Arrangement(4, [centre.cameras[0], None, centre.cameras[3]])
    assert centre.views(1, both) == []
    with centre.database.write() as session, pytest.raises(NotFound):
        wall_views.delete(session, kept, centre.accounts[1], both)


def test_a_units_view_is_there_for_all_of_it_and_changed_only_by_who_may_share(centre: Centre) -> None:
    chief = centre.may(0, 1, verbs=CHIEF)
    wanted = Wanted("Cổng", centre.units[0], Arrangement(4, [centre.cameras[0], centre.cameras[2]]))
    kept = centre.keep(2, chief, wanted)
    [seen] = centre.views(0, centre.may(0))
    assert (seen.name, seen.unit_name, seen.may_change) == ("Cổng", "Hiệp An", False)
    assert centre.views(1, centre.may(1)) == []
    with centre.database.write() as session, pytest.raises(NotFound):
        wall_views.change(session, kept, centre.accounts[0], centre.may(0), wanted, NOW)
    with centre.database.write() as session, pytest.raises(NotFound):
        wall_views.keep(session, centre.accounts[0], centre.may(0), wanted, NOW)
    other_chief = centre.may(0, verbs=CHIEF)
    with centre.database.write() as session:
        wall_views.delete(session, kept, centre.accounts[1], other_chief)
    assert centre.views(2, chief) == []


def test_a_units_view_that_somebody_takes_for_himself_is_his(centre: Centre) -> None:
    chief, other = centre.may(0, 1, verbs=CHIEF), centre.may(0, verbs=CHIEF)
    kept = centre.keep(2, chief, Wanted("Cổng", centre.units[0], Arrangement(1, [])))
    with centre.database.write() as session:
        wall_views.change(session, kept, centre.accounts[1], other, Wanted("Cổng", None, Arrangement(4, [])), NOW)
    assert [(view.id, view.unit_id) for view in centre.views(1, other)] == [(kept, None)]
    assert centre.views(2, chief) == []


def test_a_camera_that_one_may_not_see_is_an_empty_place_and_survives_a_change(centre: Centre) -> None:
    chief = centre.may(0, 1, verbs=CHIEF)
    places = [centre.cameras[0], centre.cameras[2]]
    kept = centre.keep(2, chief, Wanted("Cổng", centre.units[0], Arrangement(4, list(places))))
    half = centre.may(0, verbs=CHIEF)
    [seen] = centre.views(1, half)
    assert seen.arrangement.cameras == [centre.cameras[0], None]
    with centre.database.write() as session:
        changed = Wanted("Cổng chính", centre.units[0], Arrangement(4, [centre.cameras[1], None]))
        wall_views.change(session, kept, centre.accounts[1], half, changed, NOW)
    [whole] = centre.views(2, chief)
    assert (whole.name, whole.arrangement.cameras) == ("Cổng chính", [centre.cameras[1], centre.cameras[2]])
    with centre.database.write() as session, pytest.raises(NotFound):
        wall_views.change(
            session,
            kept,
            centre.accounts[1],
            half,
            Wanted("Cổng", centre.units[0], Arrangement(4, [centre.cameras[2]])),
            NOW,
        )


def test_a_removed_camera_leaves_its_place_empty(centre: Centre) -> None:
    may = centre.may(0, 1)
    centre.keep(0, may, Wanted("Cổng", None, Arrangement(4, centre.cameras[:2])))
    with centre.database.write() as session:
        session.execute(sa.update(Camera).where(Camera.id == centre.cameras[0]).values(removed_at=NOW))
    [view] = centre.views(0, may)
    assert view.arrangement.cameras == [None, centre.cameras[1]]


def test_ones_own_views_come_first_each_by_name_in_the_vietnamese_order(centre: Centre) -> None:
    chief = centre.may(0, 1, verbs=CHIEF)
    for name, unit in (("Đường", None), ("Dốc", None), ("An", centre.units[1]), ("Ải", centre.units[0])):
        centre.keep(2, chief, Wanted(name, unit, Arrangement(1, [])))
    assert [view.name for view in centre.views(2, chief)] == ["Dốc", "Đường", "An", "Ải"]


def test_a_tour_loses_a_stop_that_was_deleted(centre: Centre) -> None:
    may = centre.may(0, 1)
    first, second, third = (centre.keep(0, may, Wanted(name, None, Arrangement(1, []))) for name in "abc")
    tour = centre.keep(0, may, Wanted("Vòng", None, Arrangement(1, []), [first, second, third], 20))
    with centre.database.write() as session:
        wall_views.delete(session, second, centre.accounts[0], may)
    found = {view.id: view for view in centre.views(0, may)}
    assert (found[tour].stops, found[tour].dwell_s) == ([first, third], 20)


@pytest.mark.parametrize(
    "breaks",
    [
        {"name": " \n "},
        {"name": "\x00\x1b"},
        {"name": "x" * 101},
        {"arrangement": Arrangement(5, [])},
        {"arrangement": Arrangement(36, [None] * 361)},
        {"dwell_s": 4},
        {"dwell_s": 601},
    ],
)
def test_a_view_that_breaks_a_rule_is_not_kept(centre: Centre, breaks: dict[str, object]) -> None:
    fields = {"name": "Cổng", "unit_id": None, "arrangement": Arrangement(1, []), **breaks}
    with pytest.raises(Invalid):
        centre.keep(0, centre.may(0, 1), Wanted(**fields))  # type: ignore[arg-type]
    assert centre.views(0, centre.may(0, 1)) == []


def test_a_tour_leads_over_views_that_one_has_and_over_no_tour(centre: Centre) -> None:
    may = centre.may(0, 1)
    own = centre.keep(0, may, Wanted("a", None, Arrangement(1, [])))
    tour = centre.keep(0, may, Wanted("t", None, Arrangement(1, []), [own], 10))
    others = centre.keep(1, may, Wanted("b", None, Arrangement(1, [])))
    for stops in ([uuid.uuid4()], [others], [tour]):
        with pytest.raises(NotFound):
            centre.keep(0, may, Wanted("x", None, Arrangement(1, []), stops, 10))
    with pytest.raises(Invalid):
        centre.keep(0, may, Wanted("x", None, Arrangement(1, []), [own], 0))
    with pytest.raises(NotFound):
        centre.keep(0, may, Wanted("x", uuid.uuid4(), Arrangement(1, [])))


def test_nobody_fills_the_database_with_views(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wall_views, "MOST_VIEWS_EACH", 2)
    for name in "ab":
        centre.keep(0, centre.may(0), Wanted(name, None, Arrangement(1, [])))
    with pytest.raises(Invalid, match="Delete one"):
        centre.keep(0, centre.may(0), Wanted("c", None, Arrangement(1, [])))


def test_what_was_last_on_the_wall_is_each_persons_own(centre: Centre) -> None:
    may = centre.may(0, 1)
    with centre.database.write() as session:
        assert wall_views.last(session, centre.accounts[0], may) is None
        wall_views.note_last(session, centre.accounts[0], may, Arrangement(9, centre.cameras[:3]), NOW)
    with centre.database.write() as session:
        wall_views.note_last(session, centre.accounts[0], may, Arrangement(4, [None, centre.cameras[3], None]), NOW)
        with pytest.raises(NotFound):
            wall_views.note_last(session, centre.accounts[0], may, Arrangement(4, [uuid.uuid4()]), NOW)
    with centre.database.read() as session:
        kept = wall_views.last(session, centre.accounts[0], may)
        assert kept == Arrangement(4, [None, centre.cameras[3]])
        assert wall_views.last(session, centre.accounts[0], centre.may(0)) == Arrangement(4, [None, None])
        assert wall_views.last(session, centre.accounts[1], may) is None


def test_whoever_never_arranged_it_gets_the_first_cameras_that_he_may_see(centre: Centre) -> None:
    with centre.database.read() as session:
        assert wall_views.first(session, centre.may(0, 1)) == Arrangement(4, centre.cameras)
        assert wall_views.first(session, centre.may(1)) == Arrangement(4, centre.cameras[2:])
        assert wall_views.first(session, centre.may()) == Arrangement(1, [])


def test_an_address_names_cameras_by_number_or_id(centre: Centre) -> None:
    names = ["3", "", centre.cameras[0].hex, "99", "x", "1", "9" * 30, "٣"]
    with centre.database.read() as session:
        first, third = centre.cameras[0], centre.cameras[2]
        assert wall_views.named(session, centre.may(0, 1), names) == [third, None, first, None, None, first, None, None]
        assert wall_views.named(session, centre.may(0), ["3", "1"]) == [None, first]


def test_layouts_are_squares() -> None:
    assert all(round(layout**0.5) ** 2 == layout for layout in LAYOUTS)
