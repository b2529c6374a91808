"""Somebody says which cameras he means, by number, name, unit or street."""

from __future__ import annotations

import pytest

from vonggac.core.errors import NotFound
from vonggac.sim import targets
from vonggac.sim.camera import Feed, SimCamera
from vonggac.sim.clips import Clip
from vonggac.sim.track import Track

FEED = Feed(Track(Clip("none", 16, 16, (), (), 1), (), (), (), ()))
UNITS = "lam-dong/duc-trong"
CAMERAS = [
    SimCamera("/cam/001", "Chợ Bắc", FEED, unit=f"{UNITS}/lien-nghia"),
    SimCamera("/cam/012", "Chợ Nam", FEED, unit=f"{UNITS}/ta-nang"),
    SimCamera("/cam/013", "Phạm Ngũ Lão – Tổ 25", FEED, unit=f"{UNITS}/lien-nghia"),
    SimCamera("/cam/014", "Phạm Ngũ Lão nối dài", FEED, unit=f"{UNITS}/lien-nghia"),
]


@pytest.mark.parametrize("named", ["12", "012", "/cam/012", "cam/012", "Chợ Nam", "nam"])
def test_a_camera_is_found_by_number_path_name_or_part_of_it(named: str) -> None:
    assert targets.find(CAMERAS, named).path == "/cam/012"


def test_who_names_too_many_or_none_is_told_what_there_is() -> None:
    with pytest.raises(NotFound, match="2 simulated cameras are called so: 001 Chợ Bắc, 012 Chợ Nam"):
        targets.find(CAMERAS, "chợ")
    with pytest.raises(NotFound, match="no simulated camera 'Bến xe'"):
        targets.find(CAMERAS, "Bến xe")
    with pytest.raises(NotFound, match="There are: lien-nghia, ta-nang"):
        targets.select(CAMERAS, unit="da-lat")
    with pytest.raises(NotFound, match="has 'Trần Phú' in its name"):
        targets.select(CAMERAS, street="Trần Phú")


def test_a_unit_a_street_and_names_are_put_together_and_nobody_is_meant_twice() -> None:
    def numbers(*named: str, unit: str = "", street: str = "", everyone: bool = False) -> list[str]:
        return [one.number for one in targets.select(CAMERAS, named, unit, street, everyone=everyone)]

    assert numbers(street="phạm ngũ lão") == ["013", "014"]
    assert numbers(unit="lien-nghia") == ["001", "013", "014"]
    assert numbers(unit=f"{UNITS}/ta-nang") == ["012"]
    assert numbers(unit=UNITS) == ["001", "012", "013", "014"]
    assert numbers("14", "12", street="Phạm Ngũ Lão") == ["014", "012", "013"]
    assert numbers("1", everyone=True) == ["001", "012", "013", "014"]
    assert numbers() == []
