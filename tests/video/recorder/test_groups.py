"""Pictures become pieces: whole groups, long ones cut, nothing undecodable let in."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.recorder.groups import HARD_BYTES, HARD_NS, PIECE_BYTES, PIECE_TICKS, Break, GroupAssembler, Piece
from vonggac.video.stream import VIDEO_TIMESCALE, AccessUnit, VideoParameters

PARAMETERS = VideoParameters("h264", (b"\x67sps", b"\x68pps"), 1280, 720, 0, 15.0)
STEP = VIDEO_TIMESCALE // 15


def picture(
    number: int,
    *,
    key: bool = False,
    size: int = 10,
    lost: int = 0,
    pts: int | None = None,
    parameters: VideoParameters = PARAMETERS,
) -> AccessUnit:
    at = number * STEP if pts is None else pts
    return AccessUnit(at, key, bytearray(size), parameters, number * STEP * 1_000_000_000 // VIDEO_TIMESCALE, lost)


def pieces_of(units: list[AccessUnit], assembler: GroupAssembler | None = None) -> list[Piece]:
    assembler = assembler or GroupAssembler()
    pieces = [piece for unit in units if (piece := assembler.add(unit)) is not None]
    if (last := assembler.flush()) is not None:
        pieces.append(last)
    return pieces


def test_a_group_ends_where_the_next_key_frame_arrives() -> None:
    pieces = pieces_of([picture(n, key=n % 15 == 0) for n in range(45)])
    assert [len(piece.units) for piece in pieces] == [15, 15, 15]
    assert [piece.end_pts for piece in pieces] == [15 * STEP, 30 * STEP, None]
    assert all(piece.starts_group for piece in pieces)


def test_pictures_before_the_first_key_frame_are_dropped_and_counted() -> None:
    assembler = GroupAssembler()
    pieces = pieces_of([picture(n, key=n == 7) for n in range(10)], assembler)
    assert assembler.dropped == 7
    assert [unit.pts for piece in pieces for unit in piece.units] == [7 * STEP, 8 * STEP, 9 * STEP]


def test_a_long_group_is_cut_after_two_seconds() -> None:
    pieces = pieces_of([picture(n, key=n == 0) for n in range(100)])
    assert [len(piece.units) for piece in pieces] == [30, 30, 30, 10]
    assert [piece.starts_group for piece in pieces] == [True, False, False, False]
    assert pieces[0].end_pts == pieces[1].units[0].pts


def test_a_large_group_is_cut_after_a_mebibyte() -> None:
    pieces = pieces_of([picture(n, key=n == 0, size=PIECE_BYTES // 4) for n in range(20)])
    assert max(piece.size for piece in pieces) <= PIECE_BYTES + PIECE_BYTES // 4


def test_after_a_loss_recording_goes_on_at_the_next_key_frame() -> None:
    units = [picture(n, key=n % 10 == 0, lost=3 if n == 14 else 0) for n in range(30)]
    assembler = GroupAssembler()
    pieces = pieces_of(units, assembler)
    assert [piece.broken_by for piece in pieces] == [None, Break.LOSS, None]
    assert [unit.pts // STEP for unit in pieces[1].units] == [10, 11, 12, 13]
    assert pieces[2].units[0].pts == 20 * STEP
    assert assembler.dropped == 6


def test_a_jump_of_the_cameras_clock_is_taken_out_and_no_picture_is_lost() -> None:
    for jump in (10**9, -(10**9), 5 * VIDEO_TIMESCALE, -3 * VIDEO_TIMESCALE):
        units = [picture(n, key=n % 10 == 0, pts=n * STEP + (jump if n >= 14 else 0)) for n in range(30)]
        pieces = pieces_of(units)
        assert [unit.pts for piece in pieces for unit in piece.units] == [n * STEP for n in range(30)]
        assert [(len(piece.units), piece.jumps, piece.mended) for piece in pieces] == [
            (10, False, False), (4, False, False), (6, True, True), (10, False, False),
        ]  # fmt: skip


def test_new_parameters_at_a_key_frame_lose_no_picture() -> None:
    other = VideoParameters("h264", (b"\x67two", b"\x68pps"), 1920, 1080)
    units = [picture(n, key=n % 10 == 0, parameters=other if n >= 10 else PARAMETERS) for n in range(20)]
    pieces = pieces_of(units)
    assert [piece.broken_by for piece in pieces] == [Break.PARAMETERS, None]
    assert sum(len(piece.units) for piece in pieces) == 20


@given(st.lists(st.integers(0, 3), min_size=60, max_size=120), st.sampled_from([None, 2]))
def test_a_piece_of_reordered_pictures_ends_where_the_next_ones_first_picture_shows(
    between: list[int], declared: int | None
) -> None:
    parameters = VideoParameters("h264", PARAMETERS.sets, 1280, 720, declared, 15.0)
    shown, anchor = [0], 0
    for count in between:  # so many pictures are sent after an anchor and shown before it
        shown += [anchor + count + 1, *range(anchor + 1, anchor + count + 1)]
        anchor += count + 1
    units = [
        AccessUnit(at * STEP, n == 0, bytearray(10), parameters, n * STEP * 100_000 // 9, 0)
        for n, at in enumerate(shown)
    ]
    pieces = pieces_of(units)
    assert [unit for piece in pieces for unit in piece.units] == units
    assert len(pieces) >= len(shown) // 40
    for before, after in itertools.pairwise(pieces):
        assert before.end_pts == min(unit.pts for unit in after.units)
        assert before.end_pts == max(unit.pts for unit in before.units) + STEP
        assert before.clean
        assert before.size == 10 * len(before.units)


HEVC = VideoParameters("h265", (b"\x40\1vps", b"\x42\1sps", b"\x44\1pps"), 1280, 720, 2, 15.0)
CRA, TRAIL, RADL, RASL = 21, 1, 7, 9


def hevc_pictures(groups: int, *, lost_at: int | None = None) -> list[AccessUnit]:
    """Groups of six whose key frame (CRA) is followed by two pictures that are shown before it."""
    units = []
    for n in range(groups * 6):
        kind, shown = [(CRA, 2), (RASL, 0), (RADL, 1), (TRAIL, 3), (TRAIL, 4), (TRAIL, 5)][n % 6]
        data = bytearray(b"\0\0\0\4\x4e\1se\0\0\0\3") + bytes((kind << 1, 1, 0x80))
        pts = (n - n % 6 + shown) * STEP
        units.append(AccessUnit(pts, kind == CRA, data, HEVC, n * STEP * 100_000 // 9, int(n == lost_at)))
    return units


def shown(pieces: list[Piece]) -> list[int]:
    return [unit.pts // STEP for piece in pieces for unit in piece.units]


def test_pictures_that_refer_to_what_was_before_the_first_key_frame_are_left_out() -> None:
    assembler = GroupAssembler()
    pieces = pieces_of(hevc_pictures(2), assembler)
    assert shown(pieces) == [2, 3, 4, 5, 8, 6, 7, 9, 10, 11]
    assert assembler.dropped == 2


def test_a_group_ends_where_the_first_picture_shows_that_leads_the_next_key_frame() -> None:
    pieces = pieces_of(hevc_pictures(5))
    assert [piece.end_pts for piece in pieces[:3]] == [6 * STEP, 12 * STEP, 18 * STEP]
    assert all(piece.starts_group and not any(unit.key for unit in piece.units[1:]) for piece in pieces)
    keys = [AccessUnit(n * STEP, True, bytearray(b"\0\0\0\3\x2a\1\x80"), HEVC, n * 66_666_666) for n in range(9)]
    pieces = pieces_of(keys)
    assert [len(piece.units) for piece in pieces] == [1] * 7 + [2]  # what is open at the end goes out together
    assert [piece.end_pts for piece in pieces[:-1]] == [n * STEP for n in range(1, 8)]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)), max_size=80))
def test_no_piece_holds_two_kinds_of_parameters_or_loses_a_picture(plan: list[tuple[bool, bool, int]]) -> None:
    sets = [HEVC, VideoParameters("h265", (b"\x40\1vps", b"\x42\1other", b"\x44\1pps"), 1920, 1080, 2, 15.0)]
    units, which = [], 0
    for n, (key, change, early) in enumerate(plan):
        which ^= key and change
        data = bytearray(b"\0\0\0\3") + bytes(((CRA if key else TRAIL) << 1, 1, 0x80))
        pts = (n - (early if not key else 0)) * STEP
        units.append(AccessUnit(pts, key, data, sets[which], n * STEP * 100_000 // 9))
    assembler = GroupAssembler()
    pieces = pieces_of(units, assembler)
    assert [unit for piece in pieces for unit in piece.units] == units[assembler.dropped :]
    for piece in pieces:
        assert {unit.parameters for unit in piece.units} == {piece.parameters}
        assert piece.size == sum(len(unit.data) for unit in piece.units)


def test_time_that_stands_still_or_runs_back_keeps_no_piece_from_going_out() -> None:
    unsaid = VideoParameters("h264", PARAMETERS.sets, 1280, 720, None, 15.0)
    for backwards in (0, 1):
        times = [*range(31), *(31 - backwards * n // 10 for n in range(400))]
        units = [AccessUnit(at * STEP, n == 0, bytearray(50_000), unsaid, n * 66_666_666) for n, at in enumerate(times)]
        assembler = GroupAssembler()
        waiting = 0
        for unit in units:
            assembler.add(unit)
            waiting = max(waiting, len(assembler.pending))
        assert waiting * 50_000 < 2 * HARD_BYTES


def test_so_are_they_after_a_loss_and_a_change_of_parameters_but_not_without_a_seam() -> None:
    assembler = GroupAssembler()
    pieces = pieces_of(hevc_pictures(4, lost_at=8), assembler)
    assert shown(pieces) == [2, 3, 4, 5, 8, 6, 14, 15, 16, 17, 20, 18, 19, 21, 22, 23]
    # The second group was not known to be one yet: it goes out with the first.
    assert [piece.broken_by for piece in pieces] == [Break.LOSS, None, None]
    changed = VideoParameters("h265", (b"\x40\1vps", b"\x42\1other", b"\x44\1pps"), 1920, 1080, 2, 15.0)
    units = hevc_pictures(3)
    for unit in units[6:]:
        unit.parameters = changed
    pieces = pieces_of(units)
    assert shown(pieces) == [2, 3, 4, 5, 8, 9, 10, 11, 14, 12, 13, 15, 16, 17]
    assert [piece.broken_by for piece in pieces] == [Break.PARAMETERS, None, None]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(1, 200_000)), max_size=200))
def test_whatever_comes_no_picture_is_doubled_or_reordered_and_every_piece_is_bounded(
    plan: list[tuple[bool, int, int]],
) -> None:
    units = [picture(n, key=key, lost=lost // 2, size=size) for n, (key, lost, size) in enumerate(plan)]
    assembler = GroupAssembler()
    pieces = pieces_of(units, assembler)
    taken = [unit.pts for piece in pieces for unit in piece.units]
    assert taken == sorted(set(taken))
    assert len(taken) + assembler.dropped == len(units)
    for piece in pieces:
        assert piece.units[-1].pts - piece.units[0].pts <= PIECE_TICKS
        assert piece.size == sum(len(unit.data) for unit in piece.units)
        assert all(not unit.key for unit in piece.units[1:])


def test_reordered_pictures_are_cut_only_where_nothing_earlier_is_still_to_come() -> None:
    shown = [0]
    for anchor in range(3, 150, 3):
        shown += [anchor, anchor - 2, anchor - 1]
    units = [
        AccessUnit(at * STEP, n == 0, bytearray(10), PARAMETERS, n * STEP * 100_000 // 9, 0)
        for n, at in enumerate(shown)
    ]
    pieces = pieces_of(units)
    assert len(pieces) > 3
    for before, after in itertools.pairwise(pieces):
        assert max(unit.pts for unit in before.units) < min(unit.pts for unit in after.units)


def test_a_picture_missing_among_reordered_ones_keeps_no_piece_from_going_out() -> None:
    """Else a power cut would take the whole of a long group, and every picture be compared with all before it."""
    for reorder_frames in (None, 2):
        unsaid = VideoParameters("h264", PARAMETERS.sets, 1280, 720, reorder_frames, 15.0)
        shown = [0]
        for anchor in range(3, 900, 3):
            shown += [anchor, anchor - 2, anchor - 1]
        units = [
            AccessUnit(at * STEP, n == 0, bytearray(10), unsaid, n * STEP * 100_000 // 9) for n, at in enumerate(shown)
        ]
        # One picture at the beginning of each piece that ends in time never came.
        missing = set(range(5, 900, 30))
        pieces = pieces_of([unit for n, unit in enumerate(units) if n not in missing])
        assert sum(len(piece.units) for piece in pieces) == len(units) - len(missing)
        for piece in pieces:
            assert piece.units[-1].arrived_ns - piece.units[0].arrived_ns <= HARD_NS + 2_000_000_000
