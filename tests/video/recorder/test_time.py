"""Cameras and servers whose time misbehaves: what stands in the tables afterwards."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from simulated import NOON_US, PARAMETERS, Row, Simulation, true_stamps

from vonggac.video.models import Gap, GapReason
from vonggac.video.mp4 import scan
from vonggac.video.recorder.camera import LONGEST_GROUP_US


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulation]:
    made = Simulation(tmp_path)
    yield made
    if made.pipeline.alive:
        made.pipeline.stop()
    made.database.close()


def assert_tiled(rows: list[Row], until: float, within: float = 0.001) -> None:
    """From noon to `until` in recordings that follow each other without a hole or an overlap."""
    assert rows[0].start == pytest.approx(0.0, abs=within)
    assert all(before.end == after.start for before, after in itertools.pairwise(rows))
    assert all(row.end > row.start for row in rows)
    assert rows[-1].end == pytest.approx(until, abs=within)


def assert_whole(sim: Simulation) -> None:
    """Every file of the index holds what its row says."""
    for row in sim.rows():
        with (sim.volume.path / row.path).open("rb") as file:
            scanned = scan(file)
        assert scanned.frames == row.frames
        assert round(scanned.media_duration / 90_000, 3) == row.media


def test_a_camera_as_it_should_be(sim: Simulation) -> None:
    sim.play(200)
    sim.stop()
    assert sim.table() == [
        (0.0, 38.0, 0.0, 38.0),
        (38.0, 98.0, 38.0, 60.0),
        (98.0, 158.0, 98.0, 60.0),
        (158.0, 200.0, 158.0, 42.0),
    ]
    assert sim.gaps() == [(200.0, None, "stopped")]
    assert_whole(sim)


@pytest.mark.parametrize("jump_s", [3600, -3600, 3, -3, 2**32 / 90_000 / 3])
def test_a_jump_of_the_stamps_in_mid_group_changes_nothing_at_all(sim: Simulation, jump_s: float) -> None:
    sim.play(200, stamp=lambda n, t: true_stamps(n, t + (jump_s if t >= 50.5 else 0)))
    sim.stop()
    assert sim.table() == [
        (0.0, 38.0, 0.0, 38.0),
        (38.0, 98.0, 38.0, 60.0),
        (98.0, 158.0, 98.0, 60.0),
        (158.0, 200.0, 158.0, 42.0),
    ]
    assert sum(row.frames for row in sim.rows()) == 200 * 15
    assert sim.faults() == {"jump"}
    assert_whole(sim)


@pytest.mark.parametrize("jump_s", [1.5, -1.5])
def test_a_jump_too_small_to_be_told_from_a_pause_is_put_right_at_the_end_of_its_recording(
    sim: Simulation, jump_s: float
) -> None:
    sim.play(200, stamp=lambda n, t: true_stamps(n, t + (jump_s if t >= 50.5 else 0)))
    sim.stop()
    assert_tiled(sim.rows(), 200)
    assert sum(row.frames for row in sim.rows()) == 200 * 15
    assert [row.end - row.start - row.media for row in sim.rows()[2:]] == pytest.approx([0.0, 0.0], abs=0.002)
    assert_whole(sim)


def test_stamps_that_jump_all_the_time_are_not_believed(sim: Simulation) -> None:
    rng = random.Random(3)
    sim.play(200, stamp=lambda _n, _t: rng.randrange(2**32))
    sim.stop()
    assert_tiled(sim.rows(), 200)
    assert [row.media for row in sim.rows()] == [38.0, 60.0, 60.0, 42.0]
    assert sim.faults() == {"jump"}


def test_stamps_that_stand_still_for_ever_do_not_stop_media_time(sim: Simulation) -> None:
    sim.play(200, stamp=lambda _n, _t: 12_345)
    sim.stop()
    assert_tiled(sim.rows(), 200)
    assert sum(row.media for row in sim.rows()) == pytest.approx(200, abs=1.0)  # the first second is lost to doubt
    assert [row.media for row in sim.rows()[1:]] == [58.0, 60.0, 42.0]
    assert sim.faults() == {"still"}
    assert_whole(sim)


def test_stamps_that_stand_still_for_a_while_are_believed_again_afterwards(sim: Simulation) -> None:
    sim.play(300, stamp=lambda n, t: true_stamps(n, t if t < 50 else 50 if t < 90 else t))
    assert not sim.track._assembler.stamps.guided
    sim.stop()
    assert_tiled(sim.rows(), 300)
    assert [row.media for row in sim.rows()] == [38.0, 61.067, 58.0, 60.0, 60.0, 22.0]
    assert sim.faults() == {"still"}


def test_groups_whose_times_were_mended_are_marked(sim: Simulation) -> None:
    sim.play(90, stamp=lambda n, t: true_stamps(n, t + (3600 if t >= 50.5 else 0)))
    sim.stop()
    marked = [group.damaged for group in sim.groups()]
    assert marked.count(True) == 1  # 15 ordinary groups, the jump cuts the 26th in two
    assert marked.index(True) == 26


def test_stamps_that_run_backwards_are_replaced(sim: Simulation) -> None:
    sim.play(200, stamp=lambda n, t: -true_stamps(n, t))
    sim.stop()
    assert_tiled(sim.rows(), 200)
    assert all(row.media_start >= 0 for row in sim.rows())
    assert [row.media for row in sim.rows()[1:]] == [58.0, 60.0, 42.0]
    assert sim.faults() == {"backwards"}
    assert_whole(sim)


def test_25_pictures_a_second_declared_and_21_delivered_is_no_gap(sim: Simulation) -> None:
    # Stamps that are true show it in nothing but the rate.
    sim.play(200, fps=21)
    sim.stop()
    assert [(row.start, row.end, row.media) for row in sim.rows()] == [
        (0.0, 38.0, 38.0), (38.0, 98.0, 60.0), (98.0, 158.0, 60.0), (158.0, 200.0, 42.0)
    ]  # fmt: skip
    assert sim.gaps() == [(200.0, None, "stopped")]
    assert sim.faults() == set()


def test_25_pictures_a_second_stamped_and_21_delivered_makes_no_drift_and_no_phantom_gap(sim: Simulation) -> None:
    sim.play(400, fps=21, stamp=lambda n, _t: n * 3600)
    sim.stop()
    assert_tiled(sim.rows(), 400)
    # It takes some twenty seconds to be sure; from then on media time runs as fast as time does.
    assert [row.media for row in sim.rows()] == [37.84, 56.0, 60.0, 60.0, 60.0, 60.0, 60.0, 2.0]
    assert sim.gaps() == [(400.0, None, "stopped")]
    assert sim.faults() == {"speed"}


@pytest.mark.parametrize("speed", [1.03, 0.97, 10.0, 1 / 90])
def test_a_clock_at_another_speed_is_told_apart_within_half_a_minute(sim: Simulation, speed: float) -> None:
    sim.play(400, stamp=lambda _n, t: round(t * 90_000 * speed))
    sim.stop()
    assert_tiled(sim.rows(), 400)
    assert all(row.end - row.start == pytest.approx(row.media, abs=0.002) for row in sim.rows()[-5:])
    assert sim.faults() == {"speed"}
    assert_whole(sim)


def test_a_clock_a_little_too_fast_to_be_slewed_is_never_off_by_half_a_second(sim: Simulation) -> None:
    sim.play(1500, fps=5, stamp=lambda _n, t: round(t * 90_000 * 1.002))
    sim.stop()
    rows = sim.rows()
    assert_tiled(rows, 1500, within=0.5)
    for row in rows[1:]:
        # Where its stamps place its beginning on a true clock, against what the row says.
        assert abs(row.media_start / 1.002 - row.start) < 0.5
    assert sim.gaps() in ([(rows[-1].end, None, "stopped")],)


def test_a_camera_that_sends_two_seconds_at_a_time_is_dated_by_its_stamps(sim: Simulation) -> None:
    sim.play(200, late=lambda _n, t: max(0.0, 2 - t % 2 - 1 / 15))
    sim.stop()
    assert_tiled(sim.rows(), 200)
    assert all(row.end - row.start == row.media for row in sim.rows())
    assert sim.faults() == set()


def test_a_network_that_holds_back_ten_seconds_and_then_delivers_all_loses_nothing(sim: Simulation) -> None:
    sim.play(200, late=lambda _n, t: max(0.0, 80 - t) if t >= 70 else 0.0)
    sim.stop()
    assert_tiled(sim.rows(), 200)
    assert [row.media for row in sim.rows()] == [38.0, 60.0, 60.0, 42.0]
    assert sim.faults() == set()


def test_jitter_of_three_tenths_of_a_second_moves_no_end_by_more_than_slewing_does(sim: Simulation) -> None:
    rng = random.Random(1)
    sim.play(600, late=lambda _n, _t: rng.uniform(0, 0.6))
    sim.stop()
    rows = sim.rows()
    assert all(before.end == after.start for before, after in itertools.pairwise(rows))
    assert all(abs(row.end - row.start - row.media) <= 0.0311 for row in rows)
    assert abs(rows[-1].end - 600) < 0.1
    assert sim.faults() == set()


@pytest.mark.parametrize("burst_s", [1, 5, 20])
def test_a_burst_at_the_start_is_dated_by_when_it_was_taken(sim: Simulation, burst_s: int) -> None:
    sim.play(200, late=lambda _n, t: max(0.0, burst_s - t))
    sim.stop()
    assert_tiled(sim.rows(), 200)
    assert all(row.end - row.start == row.media for row in sim.rows())


def test_stamps_wrap_twice_in_a_day_and_nobody_notices(sim: Simulation) -> None:
    # Unwrapped where RTP is read; here: numbers beyond 32 bits, as that hands them over.
    sim.play(100, stamp=lambda n, t: 2 * 2**32 - 50 * 90_000 + true_stamps(n, t))
    sim.stop()
    assert sim.table() == [(0.0, 38.0, 0.0, 38.0), (38.0, 98.0, 38.0, 60.0), (98.0, 100.0, 98.0, 2.0)]
    assert sim.faults() == set()


def test_groups_of_20_seconds_are_written_every_two(sim: Simulation) -> None:
    sim.play(200, group_s=20)
    assert len(sim.track._assembler.pending) <= 30  # what a kill would lose: at most the open piece of two seconds
    sim.stop()
    assert sim.table() == [
        (0.0, 40.0, 0.0, 40.0), (40.0, 100.0, 40.0, 60.0), (100.0, 160.0, 100.0, 60.0), (160.0, 200.0, 160.0, 40.0)
    ]  # fmt: skip
    assert len(sim.groups()) == 100
    assert [group.key for group in sim.groups()].count(True) == 10


def test_a_group_of_twenty_minutes_is_one_file(sim: Simulation) -> None:
    sim.play(1500, fps=5, group_s=1200)
    assert sim.track.group_us(sim.wall_us()) < LONGEST_GROUP_US
    sim.stop()
    assert sim.table() == [(0.0, 1200.0, 0.0, 1200.0), (1200.0, 1500.0, 1200.0, 300.0)]
    assert_whole(sim)


def test_pictures_without_a_key_frame_are_a_gap_of_that_reason_from_the_first_on(sim: Simulation) -> None:
    sim.wait(10)
    sim.play(70, first_key=10_000)
    assert sim.track.without_key_frame_ns(sim.monotonic_ns()) == 70_000_000_000
    sim.track.no_key_frame("none has come")
    assert not sim.track.recording
    sim.play(60)  # one comes: recorded at once
    assert sim.track.without_key_frame_ns(sim.monotonic_ns()) == 0
    sim.stop()
    assert sim.gaps() == [(0.0, 10.0, "stopped"), (10.0, 80.0, "no_key_frame"), (140.0, None, "stopped")]
    assert sim.table()[0][0] == 80.0


def test_after_a_loss_no_key_frame_comes_for_long_and_the_time_has_one_reason_only(sim: Simulation) -> None:
    sim.play(100, lost_at=50 * 15, group_s=1000)
    sim.track.no_key_frame("none has come")
    sim.play(50)
    sim.stop()
    assert sim.table()[:2] == [(0.0, 50.0, 0.0, 50.0), (100.0, 158.0 - 60 + 60 - 8, 100.0, 50.0)]
    assert sim.gaps() == [(50.0, 100.0, "no_key_frame"), (150.0, None, "stopped")]


def test_lost_packets_are_a_gap_and_the_run_goes_on(sim: Simulation) -> None:
    sim.play(100, lost_at=50 * 15 + 7)
    sim.stop()
    assert sim.gaps() == [(50.467, 52.0, "loss"), (100.0, None, "stopped")]
    assert len({row.run for row in sim.rows()}) == 1


def test_a_change_of_parameters_between_key_frames_is_a_gap_with_its_words_and_not_a_hole(sim: Simulation) -> None:
    other = replace(PARAMETERS, declared_fps=10.0)
    sim.play(31, group_s=2)
    sim.play(31, group_s=2, first_key=15, parameters=other)
    sim.stop()
    assert sim.gaps() == [(31.0, 32.0, "loss"), (62.0, None, "stopped")]
    assert [row.frames for row in sim.rows()] == [465, 450]


def test_pictures_lost_just_before_a_key_frame_are_a_gap_and_not_a_hole(sim: Simulation) -> None:
    sim.play(49)
    sim.wait(1)
    sim.play(50, lost_at=0)
    sim.stop()
    assert sim.gaps() == [(49.0, 50.0, "loss"), (100.0, None, "stopped")]
    assert len({row.run for row in sim.rows()}) == 1


def test_a_loss_after_which_no_disk_takes_the_next_file_has_one_reason_only(sim: Simulation) -> None:
    sim.play(50)
    sim.track._choose_volume = lambda: None
    sim.play(10, lost_at=22)
    sim.track._choose_volume = lambda: sim.volume
    sim.play(20)
    sim.stop()
    assert sim.gaps() == [(51.467, 58.0, "volume_lost"), (80.0, None, "stopped")]


def test_a_file_that_takes_no_picture_leaves_no_moment_out(sim: Simulation) -> None:
    taken, sim.pipeline.append = sim.pipeline.append, lambda _recording, _piece: False  # type: ignore[method-assign]
    sim.play(4)
    sim.pipeline.append = taken  # type: ignore[method-assign]
    sim.play(20)
    sim.stop()
    with sim.database.read() as session:
        first = session.scalars(sa.select(Gap).order_by(Gap.id)).first()
    assert first is not None
    assert first.start_us == NOON_US  # to the microsecond


# The server's own clock.


def test_a_server_clock_set_forward_is_a_gap_of_its_own_and_loses_no_picture(sim: Simulation) -> None:
    sim.play(61)
    sim.set_clock(300)
    sim.play(100, first_key=15)
    sim.stop()
    rows = sim.rows()
    # The group in which it happened begins the new run: it is told by the new time, whole.
    assert [(row.start, row.end) for row in rows] == [
        (0.0, 38.0), (38.0, 60.0), (360.0, 398.0), (398.0, 458.0), (458.0, 461.0)
    ]  # fmt: skip
    assert sim.gaps() == [(60.0, 360.0, "clock_set"), (461.0, None, "stopped")]
    assert len({row.run for row in rows}) == 2
    assert sum(row.frames for row in rows) == 161 * 15


def test_a_server_clock_set_back_lets_the_same_time_pass_twice_and_both_are_kept(sim: Simulation) -> None:
    sim.play(200)
    sim.set_clock(-120)
    sim.play(100)
    sim.stop()
    rows = sim.rows()
    assert [(row.start, row.end) for row in rows[4:]] == [(80.0, 98.0), (98.0, 158.0), (158.0, 180.0)]
    assert sum(row.frames for row in rows) == 300 * 15
    assert len({row.path for row in rows}) == len(rows)  # two began at 98.000 and at 158.000
    assert_whole(sim)
    assert sim.gaps() == [(180.0, None, "stopped")]


def test_after_a_step_back_a_new_recorder_goes_on_at_its_own_time(sim: Simulation) -> None:
    sim.play(200)
    sim.stop()
    sim.clock_off_s -= 150
    sim.wait(10)
    sim.start()  # at second 60 by the new clock: what is recorded, and the gap that is open, lie ahead of it
    sim.play(100)
    sim.stop()
    rows = sim.rows()
    assert rows[4].start == 60.0
    assert all(row.end > row.start for row in rows)
    assert_whole(sim)
    assert sim.gaps() == [(160.0, None, "stopped")]


def test_a_step_while_the_camera_is_away_ends_one_gap_and_begins_another(sim: Simulation) -> None:
    sim.play(30)
    sim.track.end_run(GapReason.STALLED, "", sim.wall_us())
    sim.wait(30)
    sim.set_clock(3600)
    sim.wait(30)
    sim.set_clock(-7200)
    sim.wait(10)
    sim.play(20)
    sim.stop()
    assert sim.gaps() == [
        (30.0, 60.0, "stalled"),
        (60.0, 3660.0, "clock_set"),
        (3660.0, 3690.0, "stalled"),
        (-3510.0, -3500.0, "stalled"),
        (-3480.0, None, "stopped"),
    ]
    assert sim.table()[-1][:2] == (-3500.0, -3480.0)


def test_a_machine_that_slept_for_hours_has_a_gap_of_hours(sim: Simulation) -> None:
    sim.play(60)
    sim.clock_off_s += 3 * 3600  # the monotonic clock stands meanwhile, and the connection is dead
    sim.tick()
    sim.wait(4)
    sim.track.end_run(GapReason.STALLED, "", sim.wall_us())
    sim.play(30)
    sim.stop()
    assert sim.gaps() == [
        (60.0, 10860.0, "clock_set"),
        (10860.0, 10864.0, "stalled"),
        (10894.0, None, "stopped"),
    ]


def test_a_step_after_a_loss_is_told_apart_from_it(sim: Simulation) -> None:
    sim.play(51, lost_at=50 * 15, group_s=100)
    sim.set_clock(60)
    sim.play(30, first_key=15)
    sim.stop()
    assert sim.gaps() == [
        (50.0, 51.0, "loss"),
        (51.0, 111.0, "clock_set"),
        (111.0, 112.0, "loss"),
        (141.0, None, "stopped"),
    ]


def test_half_a_second_is_slewed_and_no_new_run(sim: Simulation) -> None:
    sim.play(60)
    sim.set_clock(0.3)
    sim.play(600)
    sim.stop()
    assert len({row.run for row in sim.rows()}) == 1
    assert_tiled(sim.rows(), 660.3, within=0.05)
    assert sim.gaps()[0][2] == "stopped"


def test_a_step_between_two_files_of_a_run_loses_neither_a_picture_nor_a_moment(sim: Simulation) -> None:
    other = replace(PARAMETERS, declared_fps=10.0)
    sim.play(60)
    sim.play(1, parameters=other)
    sim.set_clock(300)
    sim.play(29, first_key=15, parameters=other)
    sim.stop()
    assert [(row.start, row.end) for row in sim.rows()] == [(0.0, 38.0), (38.0, 60.0), (360.0, 390.0)]
    assert sim.gaps() == [(60.0, 360.0, "clock_set"), (390.0, None, "stopped")]


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_loss_in_the_group_in_which_the_clock_was_set_is_told_apart_from_it(sim: Simulation, step_s: float) -> None:
    sim.play(50, group_s=20)
    sim.set_clock(step_s)
    sim.play(30, group_s=20, first_key=150, lost_at=30)
    sim.stop()
    skipped = [(52.0, 3652.0, "clock_set")] if step_s > 0 else []
    assert sim.gaps() == [
        *skipped,
        (52.0 + step_s, 60.0 + step_s, "loss"),
        (80.0 + step_s, None, "stopped"),
    ]


def failed(sim: Simulation) -> None:
    """The disk refuses the file that is written to."""
    while sim.pipeline.queued_bytes:
        time.sleep(0.01)
    assert sim.track._file is not None
    sim.track.write_failed(sim.track._file, GapReason.DISK, "refused", sim.wall_us())


def test_a_write_that_fails_in_the_group_in_which_the_clock_was_set_back_is_no_gap_of_an_hour(sim: Simulation) -> None:
    sim.play(61)
    sim.set_clock(-3600)
    failed(sim)
    sim.play(29, first_key=15)
    sim.stop()
    assert sim.gaps() == [(-3540.0, -3534.0, "disk"), (-3510.0, None, "stopped")]


def test_a_clock_set_back_after_a_failed_write_makes_no_pause_of_an_hour(sim: Simulation) -> None:
    sim.play(60)
    failed(sim)
    sim.set_clock(-3600)
    sim.play(30)
    sim.stop()
    assert sim.gaps()[-1] == (-3510.0, None, "stopped")
    assert sim.rows()[-1].start <= -3532.0


def test_a_clock_set_forward_by_hours_ends_no_connection_for_want_of_a_key_frame(sim: Simulation) -> None:
    sim.play(61)
    sim.set_clock(2 * 3600)
    assert sim.track.group_us(sim.wall_us()) < LONGEST_GROUP_US
