"""What is measured of a stream: figures that follow from its pictures, however they are stamped; what is advised."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.check import ADVICE, CheckReport, Findings, StreamMeasurement, describe_sps
from vonggac.video.check_command import as_data, concerns, lasting, sentences
from vonggac.video.check_sub import sub_address, sub_concerns, sub_sentence
from vonggac.video.rtsp import CameraAddress, Reason
from vonggac.video.stream import AccessUnit, VideoParameters

SPS = bytes.fromhex("6742c00cda05067e7840000003004000000783c50aa8")
"""Written by libx264 for 320×180 at 15 pictures a second, Baseline."""
PARAMETERS = VideoParameters("h264", (SPS, bytes.fromhex("68ce0fc8")), 320, 180, 0, 15.0)
SECOND_NS = 1_000_000_000


def stream(
    pictures: int,
    *,
    stamped_fps: float = 15,
    arriving_fps: float | None = None,
    group: int = 15,
    size: int = 1000,
    burst: int = 0,
    parameters: VideoParameters = PARAMETERS,
) -> Iterator[AccessUnit]:
    """Pictures of a camera; the first `burst` of them come at once, as some send what they have kept."""
    arriving = arriving_fps or stamped_fps
    for number in range(pictures):
        arrived = max(number, burst) / arriving
        yield AccessUnit(
            pts=round(number * 90_000 / stamped_fps),
            key=number % group == 0,
            data=bytearray(size),
            parameters=parameters,
            arrived_ns=round(arrived * SECOND_NS) + 5 * SECOND_NS,
        )


def measured(units: Iterator[AccessUnit] | list[AccessUnit]) -> Findings:
    measurement = StreamMeasurement()
    for unit in units:
        measurement.add(unit)
    findings = measurement.findings()
    assert findings is not None
    return findings


def kinds(findings: Findings, **report: object) -> list[str]:
    return [concern.kind for concern in concerns(CheckReport("rtsp://x/", findings=findings, **report))]  # type: ignore[arg-type]


def test_every_way_to_fail_has_its_advice() -> None:
    assert set(ADVICE) == set(get_args(Reason))


def test_before_the_first_picture_nothing_is_claimed() -> None:
    assert StreamMeasurement().findings() is None


def test_a_steady_camera_is_measured_exactly_and_needs_no_advice() -> None:
    found = measured(stream(151))
    assert (found.pictures, found.seconds, found.key_frames) == (151, 10.0, 11)
    assert found.measured_fps == pytest.approx(15)
    assert found.bits_per_s == pytest.approx(15 * 8000)
    assert (found.key_interval_min_s, found.key_interval_median_s, found.key_interval_max_s) == (1, 1, 1)
    assert (found.profile, found.level, found.codec_string) == ("Constrained Baseline", "1.2", "avc1.42C00C")
    assert (found.reordered, found.odd_stamps, found.parameter_changes) == (False, 0, 0)
    assert kinds(found) == []


def test_a_camera_that_delivers_less_than_it_declares_is_told_so() -> None:
    declared = replace(PARAMETERS, declared_fps=25.0)
    found = measured(stream(200, stamped_fps=21, parameters=declared))
    assert found.measured_fps == pytest.approx(21)
    assert kinds(found) == ["frame-rate"]
    (concern,) = concerns(CheckReport("rtsp://x/", findings=found))
    assert "declares 25 pictures a second and sends 21" in concern.words


def test_stamps_that_run_ahead_of_what_arrives_do_not_hide_the_true_rate() -> None:
    declared = replace(PARAMETERS, declared_fps=25.0)
    found = measured(stream(250, stamped_fps=25, arriving_fps=21, parameters=declared))
    assert found.stamped_fps == pytest.approx(25)
    assert found.measured_fps == pytest.approx(21, rel=0.01)
    assert kinds(found) == ["frame-rate", "time-stamps"]


def test_a_burst_of_kept_pictures_at_the_start_does_not_raise_the_rate() -> None:
    found = measured(stream(180, burst=30))
    assert found.measured_fps == pytest.approx(15)
    assert kinds(found) == []


def test_rare_key_frames_are_told_also_where_only_one_was_seen() -> None:
    found = measured(stream(100, group=1000))
    assert found.key_interval_max_s is None
    assert found.longest_without_key_s == pytest.approx(6.6)
    assert kinds(found) == ["key-frames"]
    found = measured(stream(200, group=75))
    assert found.key_interval_median_s == pytest.approx(5)
    assert kinds(found) == ["key-frames"]


def test_b_frames_are_seen_by_their_order_and_are_no_oddity() -> None:
    units = list(stream(60))
    for at in range(1, 58, 3):
        units[at].pts, units[at + 1].pts = units[at + 1].pts, units[at].pts
    found = measured(units)
    assert found.reordered
    assert found.odd_stamps == 0
    assert found.measured_fps == pytest.approx(15)


def test_a_jump_of_the_clock_is_counted_and_spoils_no_figure() -> None:
    units = list(stream(150))
    for unit in units[75:]:
        unit.pts += 3600 * 90_000
    found = measured(units)
    assert found.odd_stamps == 1
    assert found.measured_fps == pytest.approx(15)
    assert found.key_interval_max_s == 1
    assert kinds(found) == ["odd-stamps"]


def test_changed_parameters_are_counted_and_equal_ones_sent_again_are_not() -> None:
    again = VideoParameters(*[getattr(PARAMETERS, name) for name in PARAMETERS.__slots__])
    other = replace(PARAMETERS, width=640)
    units = [*stream(15), *stream(15, parameters=again), *stream(15, parameters=other)]
    for number, unit in enumerate(units):
        unit.pts = number * 6000
    found = measured(units)
    assert (found.parameter_changes, found.width) == (1, 640)


@given(
    st.lists(
        st.tuples(
            st.integers(-(2**40), 2**40),
            st.integers(0, 2 * SECOND_NS),
            st.booleans(),
            st.integers(0, 9999),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_whatever_a_camera_stamps_the_figures_are_finite_and_the_words_can_be_said(
    pictures: list[tuple[int, int, bool, int, bool]],
) -> None:
    measurement = StreamMeasurement()
    now, pts = 0, 0
    for jump, pause, key, lost, wild in pictures:
        now += pause
        pts = jump if wild else pts + jump % 20_000 - 2_000
        measurement.add(AccessUnit(pts, key, bytearray(9), PARAMETERS, now, lost))
    found = measurement.findings()
    report = CheckReport("rtsp://x/", findings=found, lost_packets=3, packets=1, clock_offset_us=-(10**17))
    assert sentences(report)
    assert as_data(report, concerns(report), None)["usable"]
    if found is not None:
        assert found.pictures == len(pictures)
        for figure in (found.measured_fps, found.bits_per_s, found.longest_without_key_s, found.seconds):
            assert figure is None or (math.isfinite(figure) and figure >= 0)


@pytest.mark.parametrize(
    ("sps", "profile", "level"),
    [
        ("6742c00c", "Constrained Baseline", "1.2"),
        ("6742001f", "Baseline", "3.1"),
        ("674d401f", "Main", "3.1"),
        ("67640028", "High", "4.0"),
        ("6742f00b", "Constrained Baseline", "1b"),
        ("6742e00b", "Constrained Baseline", "1.1"),
        ("67640009", "High", "1b"),
        ("67ff0028", "profile 255", "4.0"),
        ("6742", "", ""),
    ],
)
def test_profile_and_level_are_named_as_in_the_standard(sps: str, profile: str, level: str) -> None:
    parameters = replace(PARAMETERS, sets=(bytes.fromhex(sps), b"\x68"))
    assert describe_sps(parameters)[:2] == (profile, level)


@pytest.mark.parametrize(
    ("sps", "told"),
    [
        # By libx265; the same with another level, another tier, and torn.
        ("42010101600000030090000003000003003ca00a080c1f3e5ba4a4c2e68080000003008000000784", ("Main", "2.0", False)),
        ("42010101600000030090000003000003007ba00a080c1f3e5ba4a4c2e68080000003008000000784", ("Main", "4.1", False)),
        (
            "42010122600000030090000003000003007ba00a080c1f3e5ba4a4c2e68080000003008000000784",
            ("Main 10", "4.1 High tier", False),
        ),
        ("420101016000", ("", "", False)),
    ],
)
def test_profile_tier_and_level_of_h265_are_named_as_in_the_standard(sps: str, told: tuple[str, str, bool]) -> None:
    parameters = replace(PARAMETERS, codec="h265", sets=(b"\x40\1", bytes.fromhex(sps), b"\x44\1"))
    assert describe_sps(parameters) == told


def test_a_wrong_clock_lost_packets_and_an_open_password_are_told_with_advice() -> None:
    report = CheckReport(
        "rtsp://x/",
        log_in="Basic",
        packets=990,
        lost_packets=10,
        clock_offset_us=-3_200_000,
        findings=measured(stream(151)),
    )
    found = {concern.kind: concern for concern in concerns(report)}
    assert list(found) == ["loss", "clock", "log-in"]
    assert "10 of its packets are missing (1.00%)" in found["loss"].words
    assert "3.2 s slow" in found["clock"].words
    assert "NTP" in found["clock"].advice
    assert "Digest" in found["log-in"].advice
    assert ("clock", "the camera's is 3.2 s slow") in sentences(report)
    assert concerns(replace(report, log_in="Digest MD5", lost_packets=0, clock_offset_us=900_000)) == []


def test_a_sub_stream_is_told_in_a_line_and_judged_for_a_wall_of_many_tiles() -> None:
    main = CheckReport("rtsp://x/", findings=replace(measured(stream(151)), width=1280, height=720))
    good = CheckReport("rtsp://x/sub", findings=measured(stream(151)))
    assert sub_sentence(good) == (
        "H.264 Constrained Baseline, 320 × 180, 15 pictures a second, a key frame every 1.0 s, 0.12 Mbit/s"
    )
    assert sub_concerns(main, good) == []
    bad = replace(measured(stream(151, group=90)), codec="H.265", width=1280, height=720)
    found = {concern.kind: concern for concern in sub_concerns(main, CheckReport("rtsp://x/sub", findings=bad))}
    assert list(found) == ["sub-stream-codec", "sub-stream-size", "sub-stream-key-frames"]
    assert "as large as its main stream (1280 × 720)" in found["sub-stream-size"].words
    refused = CheckReport("rtsp://x/sub")
    refused.fail("refused", "The camera has no room for another viewer.")
    (concern,) = sub_concerns(main, refused)
    assert concern.words == "Its sub-stream cannot be played: The camera has no room for another viewer."
    assert sub_sentence(refused) == "cannot be played: The camera has no room for another viewer."
    main.fail("closed", "The camera has closed the connection.")
    (concern,) = sub_concerns(main, good)
    assert "may not stand both at once" in concern.words


def test_a_sub_stream_on_the_same_host_is_logged_in_to_as_the_main_stream_is() -> None:
    main = CameraAddress.parse("rtsp://admin:pw@Camera.local:8554/main")
    assert sub_address("rtsp://camera.local/sub", main).username == "admin"
    assert sub_address("rtsp://other:x@camera.local/sub", main).username == "other"
    assert sub_address("rtsp://192.0.2.1/sub", main).username is None


@pytest.mark.parametrize(
    ("us", "words"),
    [
        (3_240_000, "3.2 s"),
        (720_000_000, "12.0 min"),
        (7_200_000_000, "2.0 h"),
        (19 * 31_557_600 * 10**6, "19.0 years"),
    ],
)
def test_times_are_told_in_a_unit_that_fits(us: int, words: str) -> None:
    assert lasting(us) == words
