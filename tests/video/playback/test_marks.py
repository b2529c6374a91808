"""Marks from the sizes of groups: what stands out is marked, what is usual is not, and constant bit rate has none."""

from __future__ import annotations

import random
import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.archive.footage import Held, Stretch
from vonggac.video.models import Recording
from vonggac.video.mp4 import GroupEntry
from vonggac.video.playback.marks import Mark, marks

BEGIN = 1_795_500_000_000_000
SECOND = 1_000_000


def stretches(sizes: list[int], each: int = 30) -> list[Stretch]:
    """Groups of 2 s, so many in a recording."""
    found = []
    for first in range(0, len(sizes), each):
        entries = [GroupEntry(0, size, 180_000, 30, True) for size in sizes[first : first + each]]
        start_us = BEGIN + first * 2 * SECOND
        row = Recording(id=first, camera_id=uuid.UUID(int=1))
        held = Held(row, start_us, start_us + len(entries) * 2 * SECOND, 0, 0, 180_000 * len(entries))
        found.append(Stretch(held, entries, 0))
    return found


def seconds(found: list[Mark]) -> list[tuple[float, float]]:
    return [((one.start_us - BEGIN) / SECOND, (one.end_us - BEGIN) / SECOND) for one in found]


def quiet(count: int, usual: int = 100_000, wavering: float = 0.05) -> list[int]:
    chance = random.Random(4)
    return [round(usual * (1 + chance.uniform(-wavering, wavering))) for _ in range(count)]


def test_movement_in_a_quiet_scene_is_one_mark_as_long_as_it_lasts() -> None:
    sizes = quiet(600)
    for place in (*range(200, 206), 207, *range(400, 403)):
        sizes[place] *= 2
    found = marks(stretches(sizes))
    assert seconds(found) == [(400, 416), (800, 806)]
    assert all(0.4 < one.score <= 0.6 for one in found)


def test_constant_bit_rate_a_quiet_scene_and_too_few_groups_have_no_marks() -> None:
    assert marks(stretches([100_000] * 300)) == []
    assert marks(stretches(quiet(600))) == []
    assert marks(stretches([1000, 1000, 1000, 90_000, 1000])) == []
    assert marks([]) == []


def test_a_scene_that_stays_livelier_is_its_own_usual() -> None:
    assert marks(stretches(quiet(600) + quiet(600, usual=200_000))) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 1_000_000), max_size=300))
def test_marks_lie_in_order_within_what_is_recorded_with_scores_from_0_to_1(sizes: list[int]) -> None:
    found = marks(stretches(sizes))
    edges = [edge for start, end in seconds(found) for edge in (start, end)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= 2 * len(sizes) for edge in edges)
    assert all(0 < one.score <= 1 for one in found)
