"""The whole centre, and SIGKILL for one process of it after the other: what is recorded stays whole."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_whichever_process_is_killed_recording_goes_on_and_every_file_plays(
    centre: Any, gst_server: Any, numbered_clip: Any, judge: Any, read_numbers: Callable[[Path], list[int]]
) -> None:
    clip = numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=400_000)
    camera = gst_server([clip], mounts=2)
    for number in (1, 2):
        centre.add_camera(f"Camera {number}", camera.url(number))
    centre.environment["VONGGAC_WEB_PORT"] = "0"
    centre.environment["VONGGAC_METRICS_KEEPER_PORT"] = "-1"
    centre.start("up")
    chance = random.Random(20_201_119)
    for kill in range(8):
        centre.wait_until(lambda: len(family(centre)) == 4, "supervisor, recorder, keeper and web")
        before = len(centre.media())
        centre.wait_for_files(before + 1, grown_to=20_000)
        victim = chance.choice(family(centre)) if kill else psutil.Process(centre.process.pid)
        whole = victim.pid == centre.process.pid
        children = psutil.Process(centre.process.pid).children()
        victim.send_signal(signal.SIGKILL)
        if whole:  # roles end with their supervisor
            centre.process.wait(10)
            _, alive = psutil.wait_procs(children, timeout=20)
            assert alive == []
            centre.start("up")
    centre.wait_until(lambda: len(family(centre)) == 4, "all of them again")
    # A recorder that is told to stop while it still looks at what the one before left leaves that to the next.
    centre.wait_for_files(len(centre.media()) + 1, grown_to=20_000)
    assert centre.end() == 0
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()
    for path in centre.media():
        assert judge.plays(path), judge.complaints(path)
        numbers = read_numbers(path)
        assert [number % 150 for number in range(numbers[0], numbers[0] + len(numbers))] == numbers


def family(centre: Any) -> list[psutil.Process]:
    """The supervisor and its roles, those that run."""
    supervisor = psutil.Process(centre.process.pid)
    return [one for one in [supervisor, *supervisor.children()] if one.status() != psutil.STATUS_ZOMBIE]


def test_a_centre_on_postgresql_records_survives_a_kill_and_accounts_for_every_second(
    centre_on_postgresql: Any, gst_server: Any, numbered_clip: Any, judge: Any
) -> None:
    centre = centre_on_postgresql
    clip = numbered_clip(width=320, height=180, fps=15, seconds=10, group_seconds=1, bits_per_second=400_000)
    camera = gst_server([clip], mounts=2)
    centre.environment["VONGGAC_WEB_PORT"] = "0"
    centre.environment["VONGGAC_METRICS_KEEPER_PORT"] = "-1"
    centre.start("up")
    for number in (1, 2):  # added while it runs: the recorder hears of them through LISTEN
        centre.add_camera(f"Camera {number}", camera.url(number))
    centre.wait_for_files(4)
    next(one for one in family(centre) if one.name() == "vg-recorder").kill()
    centre.wait_for_files(8)
    assert centre.end() == 0
    assert not (centre.path / "vonggac.db").exists()
    centre.assert_index_and_disk_agree()
    centre.assert_time_is_accounted_for()
    assert all(judge.plays(path) for path in centre.media())
