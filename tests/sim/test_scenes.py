"""The drawn scenes: seamless loops, encoded as a camera would, kept in the cache."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from vonggac.core.errors import VonggacError
from vonggac.sim.encoding import black_pictures
from vonggac.sim.scenes import render
from vonggac.sim.scenes.drawing import Canvas, Face, Light, Solid, Viewpoint, box
from vonggac.sim.scenes.lettering import board
from vonggac.sim.scenes.render import SCENES, Quality, scenes_footage

SHORT = Quality(fps=5, seconds=2, group_s=1, bit_rate=800_000, sub_bit_rate=200_000)


@pytest.mark.parametrize("name", SCENES)
def test_the_end_of_a_loop_meets_its_beginning(name: str) -> None:
    scene, loop = SCENES[name](), 360
    for actor in scene.actors:
        places = [actor.at(number / loop) for number in (loop - 1, 0, 1)]
        before, here, after = places
        if before is None or here is None or after is None:
            continue  # out of sight, or about to be
        first = np.hypot(here.x - before.x, here.z - before.z)
        second = np.hypot(after.x - here.x, after.z - here.z)
        # As far over the seam as after it; who has come to the end of the way begins anew far off.
        assert first == pytest.approx(second, abs=0.35) or max(first, second) > 15


@pytest.mark.slow
def test_a_scene_is_rendered_once_as_two_streams_with_regular_key_frames(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    footage = scenes_footage(["road"], SHORT, tmp_path, lambda done, total: told.append((done, total)))["road"]
    assert (footage.main.width, footage.main.height, float(footage.main.frame_rate)) == (1280, 720, 5)
    assert footage.sub is not None
    assert (footage.sub.width, footage.sub.height, float(footage.sub.frame_rate)) == (640, 360, 2.5)
    assert [picture.key for picture in footage.main.pictures] == [number % 5 == 0 for number in range(10)]
    assert all(picture.due == picture.pts for picture in footage.main.pictures)
    assert told[-1] == (10, 10)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    told.clear()
    assert scenes_footage(["road"], SHORT, tmp_path, lambda done, total: told.append((done, total)))["road"] == footage
    assert not told
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == files


@pytest.mark.slow
def test_black_pictures_have_the_scenes_own_parameter_sets(tmp_path: Path) -> None:
    clip = scenes_footage(["road"], SHORT, tmp_path)["road"].main
    black = black_pictures(clip)
    assert len(black.pictures) == clip.longest_group
    assert tuple(black.parameter_sets) == clip.parameter_sets
    assert all(unit in black.pictures[0].blob for unit in clip.parameter_sets)


def test_another_quality_is_another_place_in_the_cache() -> None:
    assert render._key(SHORT) != render._key(Quality())
    assert render._key(SHORT) == render._key(Quality(**{name: getattr(SHORT, name) for name in SHORT.__slots__}))


def test_only_renderings_that_nobody_used_for_long_are_deleted(tmp_path: Path) -> None:
    for name in ("used", "recent", "old"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / "old", (0, time.time() - 31 * 86_400))
    os.utime(tmp_path / "used", (0, 0))
    render._forget_unused(tmp_path / "used")
    assert {path.name for path in tmp_path.iterdir()} == {"used", "recent"}


def test_a_cache_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(VonggacError, match="Set XDG_CACHE_HOME"):
        scenes_footage(["road"], SHORT, tmp_path / "file")


def test_a_loop_of_half_groups_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number of groups"):
        Quality(seconds=5, group_s=2)


def test_a_box_shows_the_faces_that_are_turned_to_the_lens_and_nothing_of_its_back() -> None:
    view = Viewpoint(200, 100, (0, 2, -6), 10, 0, 60)
    image = Image.new("RGB", (200, 100), (0, 0, 0))
    canvas = Canvas(image, view, Light(ambient=1.0, sun=0.0))
    faces = box((0, 0, 0), (2, 1, 2), (255, 0, 0), (0, 255, 0))
    canvas.lit(faces)
    colours = {colour for _, colour in image.getcolors()}
    assert colours == {(0, 0, 0), (255, 0, 0), (0, 255, 0)}
    blank = Image.new("RGB", (200, 100))
    Canvas(blank, view, Light()).solid(Solid.of([Face(faces[0].corners, (1, 2, 3))]))
    assert blank.getcolors() == [(20_000, (0, 0, 0))]


def test_what_passes_under_the_lens_is_cut_off_and_not_turned_inside_out() -> None:
    view = Viewpoint(200, 100, (0, 5, 0), 20, 0, 60)
    outline = view.polygon(np.array([(-3.0, 0, -50), (3, 0, -50), (3, 0, 50), (-3, 0, 50)]))
    assert len(outline) == 4
    assert outline[:, 1].min() > view.middle[1] - view.height
    assert len(view.polygon(np.array([(-3.0, 0, -50), (3, 0, -50), (0, 0, -40)]))) == 0


def test_vietnamese_marks_are_on_the_signs_of_shops() -> None:
    def ink(text: str) -> int:
        return int((np.asarray(board(text, (255, 255, 255), (0, 0, 0))).mean(axis=2) > 127).sum())

    sizes = [ink(text) for text in ("CHO", "CHƠ", "CHỢ")]
    assert all(before < after for before, after in pairwise(sizes))
    assert ink("Đ") > ink("D")


@pytest.mark.slow
def test_a_simulator_that_is_killed_while_it_draws_leaves_nobody_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "vonggac", "sim", "serve", "--cameras", "2", "--data", str(tmp_path)],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        drawing: list[psutil.Process] = []
        while not any(one.cpu_times().user > 0.5 for one in drawing):
            assert time.monotonic() < deadline, "nobody draws"
            time.sleep(0.1)
            drawing = [one for one in psutil.Process(process.pid).children() if "spawn_main" in " ".join(one.cmdline())]
    finally:
        process.kill()
        process.wait(10)
    _, left = psutil.wait_procs(drawing, timeout=20)
    assert left == []
