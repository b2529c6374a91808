"""Frames of sound among the pieces of pictures: each at its time, and whatever is wrong with it harms nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.mp4 import fragment_header
from vonggac.video.recorder.sound import WAITING_FRAMES, PlacedSound, SoundPlacer
from vonggac.video.stream import SoundParameters, SoundUnit

RATE, FRAME, SECOND = 16_000, 1024, 90_000
SOUND = SoundParameters(bytes.fromhex("1408"), RATE, 1)


def frame(number: int, *, shift: int = 0, time: int | None = None) -> SoundUnit:
    """The n-th frame of a sound that begins with the pictures; `shift` ticks late by what is known of its place."""
    at = FRAME * number
    return SoundUnit(at if time is None else time, at * SECOND // RATE + shift, bytes([number % 251 + 1]), 0)


def place(placer: SoundPlacer, frames: list[SoundUnit], begins: int, ends: int) -> PlacedSound | None:
    for one in frames:
        placer.add(one)
    return placer.take(SOUND, 0, begins, ends)


def ends_of(placed: PlacedSound) -> int:
    return placed.frames.base_decode_time + sum(placed.frames.durations)


def test_frames_follow_each_other_from_piece_to_piece_whatever_their_place_jitters() -> None:
    placer, ends = SoundPlacer(), 0
    for piece in range(10):
        frames = [frame(number, shift=(number % 5) * 500) for number in range(piece * 31, piece * 31 + 31)]
        placed = place(placer, frames, piece * 2 * SECOND, (piece + 1) * 2 * SECOND)
        assert placed is not None
        assert placed.frames.base_decode_time == ends
        assert set(placed.frames.durations) == {FRAME}
        ends = ends_of(placed)
    assert placer.left_out == 0


def test_what_is_heard_after_the_piece_waits_for_the_next() -> None:
    placer = SoundPlacer()
    first = place(placer, [frame(number) for number in range(40)], 0, SECOND)
    second = place(placer, [], SECOND, 2 * SECOND)
    third = place(placer, [], 2 * SECOND, 4 * SECOND)
    assert first is not None
    assert second is not None
    assert third is not None
    assert [len(one.data) for one in (first, second, third)] == [16, 16, 8]
    assert place(placer, [], 4 * SECOND, 6 * SECOND) is None


def test_a_frame_or_two_that_are_told_elsewhere_by_accident_stay_in_their_turn_and_none_is_left_out() -> None:
    placer = SoundPlacer()
    place(placer, [frame(number) for number in range(16)], 0, SECOND)
    second = [frame(number, shift=-9000 if number in (20, 21) else 0) for number in range(16, 31)]
    placed = place(placer, second, SECOND, 2 * SECOND)
    assert placed is not None
    assert set(placed.frames.durations) == {FRAME}
    assert (len(placed.data), placer.left_out) == (15, 0)


def test_lost_frames_leave_their_time_empty() -> None:
    placed = place(SoundPlacer(), [frame(number) for number in (0, 1, 5, 6)], 0, SECOND)
    assert placed is not None
    assert placed.frames.durations == [FRAME, 4 * FRAME, FRAME, FRAME]


def test_a_sound_clock_that_jumps_is_placed_anew_and_one_that_runs_wrong_is_held() -> None:
    placer = SoundPlacer()
    place(placer, [frame(number) for number in range(16)], 0, SECOND)
    jumped = place(
        placer, [frame(number, time=10_000_000 + FRAME * number) for number in range(16, 31)], SECOND, 2 * SECOND
    )
    assert jumped is not None
    assert jumped.frames.base_decode_time == 16 * FRAME
    fast = SoundPlacer()
    for second in range(60):  # its count says a tenth more than passes
        frames = [frame(number, time=FRAME * number * 11 // 10) for number in range(second * 16, second * 16 + 16)]
        placed = place(fast, frames, second * SECOND * FRAME // 1000, (second + 1) * SECOND * FRAME // 1000)
    assert placed is not None
    assert abs(ends_of(placed) - 960 * FRAME) < RATE // 10


def test_what_becomes_known_of_the_first_frames_while_they_wait_moves_them_and_leaves_no_hole() -> None:
    # The first two were placed by when they arrived, a picture too early; then the camera's reports came.
    first = [frame(number, shift=-6000 if number < 2 else 0) for number in range(16)]
    placer = SoundPlacer()
    placed = place(placer, first, 0, SECOND)
    assert placed is not None
    assert placed.frames.base_decode_time == 0
    assert set(placed.frames.durations) == {FRAME}
    assert (len(placed.data), placer.left_out) == (16, 0)


def test_sound_before_the_pictures_or_after_a_hole_in_them_begins_with_them() -> None:
    placer = SoundPlacer()
    early = [frame(0, shift=-9000), frame(1, shift=-9000), frame(2, shift=-9000)]
    placed = place(placer, early, 0, SECOND)
    assert placed is not None
    assert placer.left_out == 2
    later = place(placer, [frame(number) for number in range(3, 160)], 9 * SECOND, 10 * SECOND)
    assert later is not None
    assert later.frames.base_decode_time >= 9 * RATE


def test_sound_that_comes_without_end_and_without_pictures_is_bounded() -> None:
    placer = SoundPlacer()
    for number in range(3 * WAITING_FRAMES):
        placer.add(frame(number))
    assert placer.left_out == 2 * WAITING_FRAMES


@given(st.lists(st.tuples(st.integers(-(1 << 40), 1 << 40), st.integers(-SECOND, 40 * SECOND)), max_size=80))
def test_whatever_is_said_of_times_every_fragment_can_be_written_and_none_overlaps(said: list[tuple[int, int]]) -> None:
    placer, ends = SoundPlacer(), 0
    for piece in range(20):
        frames = [SoundUnit(time, pts, b"x", 0) for time, pts in said[piece * 4 : piece * 4 + 4]]
        placed = place(placer, frames, piece * 2 * SECOND, (piece + 1) * 2 * SECOND)
        if placed is None:
            continue
        assert placed.frames.base_decode_time >= ends
        assert min(placed.frames.durations) > 0
        fragment_header(1, 0, [6000], [5], key=True, sound=placed.frames)
        ends = ends_of(placed)
