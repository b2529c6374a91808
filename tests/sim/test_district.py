"""The district has the cameras that the paper reported, in the units of 2021, and fits the centre's import."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from itertools import pairwise
from math import hypot

import pytest

from vonggac.core.errors import VonggacError
from vonggac.core.text import slug
from vonggac.sim import district
from vonggac.sim.scenes.render import SCENES

# Approximate positions of the units' centres, latitude and longitude.
CENTRES = {
    "Liên Nghĩa": (11.735, 108.373),
    "Phú Hội": (11.680, 108.370),
    "Hiệp Thạnh": (11.760, 108.430),
    "Hiệp An": (11.830, 108.447),
    "Liên Hiệp": (11.755, 108.355),
    "N'Thôn Hạ": (11.735, 108.318),
    "Tân Hội": (11.700, 108.330),
    "Tân Thành": (11.700, 108.270),
    "Bình Thạnh": (11.770, 108.290),
    "Ninh Gia": (11.640, 108.290),
    "Tà Hine": (11.600, 108.405),
    "Ninh Loan": (11.545, 108.355),
    "Đà Loan": (11.575, 108.375),
    "Tà Năng": (11.590, 108.460),
    "Đa Quyn": (11.565, 108.530),
}


def test_there_are_102_cameras_6_of_them_for_plates() -> None:
    kinds = Counter(camera.kind for camera in district.cameras())
    assert sum(kinds.values()) == 102
    assert kinds["plate"] == 6
    assert set(kinds) == {"plate", "overview", "ptz"}


def test_the_tree_is_province_district_town_and_14_communes() -> None:
    units = district.units()
    assert Counter(unit.kind for unit in units) == {"province": 1, "district": 1, "town": 1, "commune": 14}
    assert {unit.name for unit in units[2:]} == set(CENTRES)
    paths = [unit.path for unit in units]
    assert "lam-dong/duc-trong/lien-nghia" in paths
    for unit in units:
        assert unit.code == slug(unit.name)
        assert not unit.parent or paths.index(unit.parent) < paths.index(unit.path)


def test_the_town_has_most_cameras_and_every_commune_at_least_three_near_its_centre() -> None:
    names = {unit.path: unit.name for unit in district.units()}
    cameras = district.cameras()
    count = Counter(names[camera.unit] for camera in cameras)
    assert set(count) == set(CENTRES)
    assert count["Liên Nghĩa"] >= 30
    assert min(count.values()) >= 3
    for camera in cameras:
        latitude, longitude = CENTRES[names[camera.unit]]
        assert hypot(camera.latitude - latitude, camera.longitude - longitude) < 0.03, camera.name


def test_names_are_vietnamese_in_their_normal_form_and_all_different() -> None:
    names = [camera.name for camera in district.cameras()]
    assert len(set(names)) == len(names)
    assert all(unicodedata.is_normalized("NFC", name) for name in names)


def test_a_small_district_shows_every_scene_and_kind() -> None:
    few = district.cameras(6)
    assert {camera.scene for camera in few} == set(SCENES) - {"road"}  # on which nothing is told apart
    assert {camera.kind for camera in few} == {"overview", "ptz", "plate"}
    assert [camera.path for camera in few] == [f"/cam/{number:03}" for number in range(1, 7)]


def test_a_large_district_adds_cameras_with_names_and_paths_of_their_own() -> None:
    many = district.cameras(1124)
    assert len({camera.name for camera in many}) == len({camera.path for camera in many}) == 1124
    assert many[:102] == district.cameras()
    assert many[-1].path == "/cam/1124"
    assert all(camera.scene in SCENES for camera in many)


@pytest.mark.parametrize("count", [0, -1, district.CAMERAS_LIMIT + 1])
def test_an_impossible_number_of_cameras_is_refused(count: int) -> None:
    with pytest.raises(VonggacError, match="1 to 2000 cameras"):
        district.cameras(count)


def test_the_import_file_carries_addresses_with_credentials_that_need_quoting() -> None:
    text = district.cameras_csv("rtsp://127.0.0.1:8554/", "viewer", "p@ss/word", count=3)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["name", "url", "unit", "kind", "latitude", "longitude", "sub_url"]
    assert rows[0]["url"] == "rtsp://viewer:p%40ss%2Fword@127.0.0.1:8554/cam/001"
    assert rows[0]["sub_url"] == rows[0]["url"] + "/sub"
    assert rows[0]["unit"] == "lam-dong/duc-trong/lien-nghia"
    bare = list(csv.DictReader(io.StringIO(district.cameras_csv("rtsp://h:1", count=1, sub=False))))
    assert (bare[0]["url"], bare[0]["sub_url"]) == ("rtsp://h:1/cam/001", "")


def test_phases_of_any_run_of_cameras_are_spread_evenly() -> None:
    phases = sorted(district.phase(number, 1000) for number in range(102))
    assert len(set(phases)) > 95
    assert max(after - before for before, after in pairwise(phases)) < 30
