"""A camera plays its clip on an endless time line, and its viewers get whole pictures, or holes that can be seen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.sim import faults
from vonggac.sim.camera import Feed, SimCamera, Substitute
from vonggac.sim.clips import Clip, CodedPicture
from vonggac.sim.messages import Request
from vonggac.sim.packetise import FramedPicture, framed
from vonggac.sim.playback import REPORT_EVERY, STALL, Playback
from vonggac.sim.track import Track

SECOND = 90_000
STEP = 9000
GROUP = 10
SETS = (b"\x67\x42\xe0\x1eabc", b"\x68\xce")


def made_clip(groups: int = 3, size: int = 3000, reordered: bool = False) -> Clip:
    """Ten pictures a second, a key frame every second; with `reordered`, as an encoder with B-frames has them."""
    shown = [0, 2, 1, 4, 3, 6, 5, 8, 7, 9] if reordered else list(range(GROUP))
    pictures = []
    for number in range(groups * GROUP):
        group, index = divmod(number, GROUP)
        pts = (group * GROUP + shown[index]) * STEP - (STEP if reordered else 0)
        nals = (*SETS, b"\x65" * size) if index == 0 else (bytes([0x41]) * (size // 4) + bytes([number]),)
        pictures.append(CodedPicture(number * STEP, pts, index == 0, nals))
    return Clip("made", 640, 360, SETS, tuple(pictures), groups * GROUP * STEP)


@dataclass
class Catcher:
    """An outlet that keeps what it gets and can be full."""

    room: int = 1 << 20
    full: bool = False
    pictures: list[tuple[FramedPicture, int, int]] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)
    lost: list[Collection[int]] = field(default_factory=list)
    other: bytearray = field(default_factory=bytearray)
    broken_off: bool = False

    def send_picture(
        self,
        picture: FramedPicture,
        sequence: int,
        timestamp: int,
        source: int,
        channel: int,
        lost: Collection[int] = (),
    ) -> bool:
        if self.full:
            return False
        self.pictures.append((picture, sequence, timestamp))
        self.lost.append(lost)
        return True

    def send_bytes(self, data: bytes) -> None:
        self.other += data

    def break_off(self, data: bytes) -> None:
        self.other += data
        self.broken_off = True

    def send_report(self, report: bytes, channel: int) -> None:
        self.reports.append(report)


def watch(clip: Clip, *, start: int = 0, phase: int = 0, room: int = 1 << 20) -> tuple[SimCamera, Catcher, Playback]:
    camera = SimCamera("/cam/001", "Chợ", Feed(Track.of(clip)), phase=phase)
    catcher = Catcher(room)
    playback = Playback(camera, camera.main, catcher, (0, 1))
    playback.begin(start)
    return camera, catcher, playback


def run(playback: Playback, start: int, seconds: float) -> None:
    for now in range(start, start + int(seconds * SECOND), 1800):
        playback.advance(now, now * 100 // 9)


@pytest.mark.parametrize("reordered", [False, True])
def test_numbers_and_times_run_on_over_the_end_of_the_loop(reordered: bool) -> None:
    _, catcher, playback = watch(made_clip(reordered=reordered), start=7 * SECOND)
    run(playback, 7 * SECOND, 10)
    assert len(catcher.pictures) >= 100
    for (picture, sequence, _), (_, following, _) in pairwise(catcher.pictures):
        assert following == (sequence + len(picture.packets)) & 0xFFFF
    first = catcher.pictures[0][2]
    times = sorted((time - first + 10 * SECOND) & 0xFFFFFFFF for _, _, time in catcher.pictures)
    assert {after - before for before, after in pairwise(times)} == {STEP}


def test_a_picture_is_never_sent_before_it_was_seen() -> None:
    for reordered in (False, True):
        clip = made_clip(reordered=reordered)
        assert all(picture.pts <= picture.due for picture in clip.pictures)


@given(st.integers(0, 10**9), st.integers(-(10**6), 10**6))
def test_every_viewer_begins_with_a_key_frame_and_sees_the_present(start: int, phase: int) -> None:
    clip = made_clip()
    _, catcher, playback = watch(clip, start=start, phase=phase)
    due = playback.advance(start, 0)
    assert catcher.pictures[0][0] in [playback._track.pictures[index] for index in (0, 10, 20)]
    assert start < due <= start + STEP
    assert len(catcher.pictures) <= GROUP


def test_two_viewers_of_one_camera_see_the_same_pictures_at_the_same_time() -> None:
    camera, catcher, playback = watch(made_clip(), start=0)
    other = Catcher()
    late = Playback(camera, camera.main, other, (0, 1))
    run(playback, 0, 4.25)
    late.begin(382_500)
    run(late, 382_500, 2)
    run(playback, 382_500, 2)
    assert [picture for picture, _, _ in other.pictures[-15:]] == [picture for picture, _, _ in catcher.pictures[-15:]]


def test_where_the_burst_is_too_large_the_next_key_frame_is_awaited() -> None:
    _, catcher, playback = watch(made_clip(), start=SECOND // 2, room=1000)
    playback.advance(SECOND // 2, 0)
    assert not catcher.pictures
    run(playback, SECOND // 2, 0.6)
    assert catcher.pictures[0][0] is playback._track.pictures[10]


def test_a_viewer_who_does_not_read_loses_whole_pictures_up_to_the_next_key_frame_and_can_count_them() -> None:
    camera, catcher, playback = watch(made_clip())
    run(playback, 0, 1.35)
    catcher.full = True
    run(playback, int(1.35 * SECOND), 0.2)
    catcher.full = False
    before, sequence, _ = catcher.pictures[-1]
    kept = len(catcher.pictures)
    run(playback, int(1.55 * SECOND), 1)
    after, resumed, _ = catcher.pictures[kept]
    assert after is playback._track.pictures[20]
    dropped = [playback._track.pictures[number] for number in range(14, 20)]
    assert camera.pictures_dropped == len(dropped)
    assert resumed - sequence - len(before.packets) == sum(len(picture.packets) for picture in dropped)


def test_a_frozen_camera_sends_nothing_and_goes_on_with_a_key_frame_and_without_a_hole() -> None:
    camera, catcher, playback = watch(made_clip())
    run(playback, 0, 1.35)
    camera.take_ill(faults.make("freeze", {}))
    kept, reports = len(catcher.pictures), len(catcher.reports)
    run(playback, int(1.35 * SECOND), 7)
    assert (len(catcher.pictures), len(catcher.reports)) == (kept, reports)
    camera.faults.clear()
    run(playback, int(8.35 * SECOND), 1.5)
    (last, sequence, time), (first, resumed, later) = catcher.pictures[kept - 1 : kept + 1]
    assert first.packets == playback._track.pictures[0].packets
    assert resumed == (sequence + len(last.packets)) & 0xFFFF
    assert (later - time) & 0xFFFFFFFF == (90 - 13) * STEP


@pytest.mark.parametrize("reordered", [False, True])
def test_black_pictures_begin_and_end_at_a_key_frame_with_times_that_run_on(reordered: bool) -> None:
    camera, catcher, playback = watch(made_clip(reordered=reordered))
    black = [framed([b"\x65black" if index == 0 else b"\x41black"]) for index in range(GROUP)]
    camera.main.substitutes["black"] = Substitute(SETS, black)
    run(playback, 0, 1.35)
    camera.take_ill(faults.make("black", {}))
    run(playback, int(1.35 * SECOND), 1)
    camera.faults.clear()
    run(playback, int(2.35 * SECOND), 2)
    shown = [picture in black for picture, _, _ in catcher.pictures]
    assert [index for index, (before, after) in enumerate(pairwise(shown), 1) if before != after] == [20, 30]
    assert [picture for picture, _, _ in catcher.pictures[20:30]] == black
    first = catcher.pictures[0][2]
    times = [(time - first + SECOND) & 0xFFFFFFFF for _, _, time in catcher.pictures]
    assert len(set(times)) == len(times)
    assert max(times[:20]) < min(times[20:30])
    assert max(times[20:30]) < min(times[30:])


def test_reports_come_every_five_seconds_and_map_wall_clock_to_media_time() -> None:
    _, catcher, playback = watch(made_clip(), start=0)
    run(playback, 0, 11)
    assert len(catcher.reports) == 3
    wall = []
    for report in catcher.reports:
        assert report[:2] == b"\x80\xc8"
        seconds = int.from_bytes(report[8:12], "big") - 2_208_988_800
        wall.append(((seconds + int.from_bytes(report[12:16], "big") / 2**32), int.from_bytes(report[16:20], "big")))
    (early, first), (late, second) = wall[0], wall[-1]
    assert (late - early) * SECOND == pytest.approx((second - first) & 0xFFFFFFFF, abs=2)
    assert (second - first) & 0xFFFFFFFF >= REPORT_EVERY
    assert first == catcher.pictures[0][2]


def test_after_the_simulator_itself_stood_still_pictures_go_on_live_and_not_in_a_burst() -> None:
    _, catcher, playback = watch(made_clip())
    run(playback, 0, 1)
    kept = len(catcher.pictures)
    playback.advance(SECOND + STALL * 100, 0)
    assert len(catcher.pictures) - kept <= GROUP


def test_a_clip_with_uneven_pictures_keeps_its_rhythm() -> None:
    clip = made_clip(groups=1)
    uneven = replace(
        clip,
        pictures=tuple(
            replace(picture, due=picture.due + (4000 if number % 2 else 0), pts=picture.pts)
            for number, picture in enumerate(clip.pictures)
        ),
    )
    track = Track.of(uneven)
    assert [track.due_at(number) for number in (0, 1, 10, 11)] == [0, 13_000, 90_000, 103_000]
    assert track.latest(102_999) == 10
    assert track.latest(-1) == -1
    assert track.key_at_or_before(-1) == -10


def with_fault(kind: str, **values: float) -> tuple[SimCamera, Catcher, Playback]:
    """A camera that was well for 1.35 s, has the fault for 2 s, and is well again for 1.5 s."""
    camera, catcher, playback = watch(made_clip())
    run(playback, 0, 1.35)
    camera.take_ill(faults.make(kind, values))
    run(playback, int(1.35 * SECOND), 2)
    camera.faults.clear()
    run(playback, int(3.35 * SECOND), 1.5)
    return camera, catcher, playback


def times_of(catcher: Catcher) -> list[int]:
    first = catcher.pictures[0][2]
    return [(time - first + (1 << 31)) % (1 << 32) - (1 << 31) for _, _, time in catcher.pictures]


@pytest.mark.parametrize("by", [30.0, -30.0])
def test_a_jump_moves_the_times_of_pictures_and_reports_alike_and_back_at_its_end(by: float) -> None:
    camera, catcher, playback = with_fault("jump", by=by)
    ticks = round(by * SECOND)
    assert times_of(catcher) == [number * STEP + (ticks if 14 <= number < 34 else 0) for number in range(49)]
    before = int.from_bytes(playback._report(SECOND, 0)[16:20], "big")
    camera.take_ill(faults.make("jump", {"by": by}))
    after = int.from_bytes(playback._report(SECOND, 0)[16:20], "big")
    assert (after - before) % (1 << 32) == ticks % (1 << 32)


def test_times_that_stand_still_go_on_where_they_would_be_without_it() -> None:
    _, catcher, _ = with_fault("stand-still")
    assert times_of(catcher) == [13 * STEP if 14 <= number < 34 else number * STEP for number in range(49)]


def test_a_wrong_clock_is_in_the_reports_and_nowhere_else() -> None:
    camera, catcher, playback = watch(made_clip())
    right = int.from_bytes(playback._report(0, 1_000_000)[8:12], "big")
    camera.take_ill(faults.make("clock", {"by": -3600}))
    assert int.from_bytes(playback._report(0, 1_000_000)[8:12], "big") == right - 3600
    run(playback, 0, 3)
    assert times_of(catcher) == [number * STEP for number in range(len(catcher.pictures))]


def test_an_encoder_without_key_frames_leaves_no_hole_in_the_numbers() -> None:
    _, catcher, playback = with_fault("no-key-frames")
    keys = [playback._track.pictures[index] for index in (0, 10, 20)]
    # Of the 49 due pictures the key frames 20 and 30 are missing.
    assert [index for index, (picture, _, _) in enumerate(catcher.pictures) if picture in keys] == [0, 10, 38]
    for (picture, sequence, _), (_, following, _) in pairwise(catcher.pictures):
        assert following == (sequence + len(picture.packets)) & 0xFFFF


def test_jitter_delays_pictures_and_keeps_their_order_and_times() -> None:
    camera, catcher, playback = watch(made_clip())
    camera.take_ill(faults.make("jitter", {"ms": 300}))
    late = []
    for now in range(0, 20 * SECOND, 1800):
        before = len(catcher.pictures)
        playback.advance(now, 0)
        late += [now - number * STEP for number in range(before, len(catcher.pictures))]
    assert times_of(catcher) == [number * STEP for number in range(len(catcher.pictures))]
    assert all(0 <= one <= 0.6 * SECOND for one in late)
    assert len(set(late)) > 5


@given(st.floats(0.02, 0.4), st.sampled_from([1, 2, 5]))
def test_as_many_packets_are_lost_as_were_asked_for_and_in_bursts_as_long(share: float, burst: int) -> None:
    loss = faults.make("loss", {"share": share, "burst": burst})
    assert isinstance(loss, faults.Loss)
    loss._chance.seed(7)
    gone = loss.lost(40_000)
    runs = sum(1 for index in gone if index - 1 not in gone)
    assert len(gone) / 40_000 == pytest.approx(share, rel=0.3)
    assert len(gone) / runs == pytest.approx(burst, rel=0.3)


def test_what_is_lost_is_told_to_the_outlet_and_counts_as_sent() -> None:
    camera, catcher, _ = with_fault("loss", share=0.5)
    assert not any(catcher.lost[:14])
    assert any(catcher.lost[14:34])
    assert not any(catcher.lost[34:])
    assert camera.pictures_dropped == 0


def test_a_slow_camera_sends_so_many_bytes_a_second_and_whole_packets_in_the_end() -> None:
    camera, catcher, playback = watch(made_clip())
    run(playback, 0, 1.35)
    camera.take_ill(faults.make("slow", {"rate": 50}))
    run(playback, int(1.35 * SECOND), 10.65)
    assert len(catcher.other) == pytest.approx(10 * 50, abs=60)
    camera.faults.clear()
    run(playback, 12 * SECOND, 1.5)
    assert len(catcher.other) == len(playback._track.pictures[20].blob)
    position = 0
    while position < len(catcher.other):
        assert catcher.other[position] == 0x24
        position += 4 + int.from_bytes(catcher.other[position + 2 : position + 4], "big")
    assert times_of(catcher)[14] % SECOND == 0, "after it comes a key frame"


def test_garbage_is_no_packet_and_after_it_comes_a_key_frame() -> None:
    _, catcher, _ = with_fault("garbage")
    assert len(catcher.other) == 20 * 300
    assert times_of(catcher)[14] % SECOND == 0


def test_a_half_closed_camera_sends_half_a_picture_and_plays_no_more() -> None:
    _, catcher, playback = with_fault("half-close")
    assert catcher.broken_off
    assert len(catcher.other) == len(playback._track.pictures[14].blob) // 2
    assert len(catcher.pictures) == 14
    assert not playback.running


def test_faults_of_one_group_take_one_anothers_place_and_others_stand_together() -> None:
    camera, _, _ = watch(made_clip())
    for kind in ("jump", "loss", "stand-still", "jitter", "drop", "power-cut", "loss"):
        camera.take_ill(faults.make(kind, {}))
    assert list(camera.faults) == ["stand-still", "jitter", "power-cut", "loss"]


def test_a_camera_keeps_dead_sessions_until_their_time_is_out() -> None:
    camera, _, _ = watch(made_clip())
    few = faults.make("sessions", {"limit": 3})
    set_up = Request("SETUP", "rtsp://h/cam/001")
    camera.sessions = 1
    for now in (0.0, 1.0):
        assert few.answer(set_up, camera, now) is None
        few.abandoned(now, 60)
    assert few.answer(set_up, camera, 2.0) == 453
    assert few.answer(Request("DESCRIBE", "rtsp://h/cam/001"), camera, 2.0) is None
    assert few.answer(set_up, camera, 60.0) is None


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("burn", {}, "Unknown fault 'burn': drop, freeze"),
        ("drop", {"share": 0.1}, "drop has no 'share': it takes nothing"),
        ("loss", {"ms": 1}, "loss has no 'ms': it takes share, burst"),
        ("loss", {"share": 2}, "share from 0.0001 to 0.9"),
        ("loss", {"share": float("nan")}, "share from 0.0001 to 0.9"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(kind: str, values: dict[str, float], said: str) -> None:
    with pytest.raises(faults.UnknownFault, match=said):
        faults.make(kind, values)
