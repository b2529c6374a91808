"""A camera's own clock: judged with patience, told in words, a fault while it is wrong."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from simulated import NOON_US, SECOND, Simulation

from vonggac.cameras.models import Camera
from vonggac.cameras.service import CameraSource
from vonggac.core.clock import span_in_words, utc_now
from vonggac.core.faults import standing_faults
from vonggac.core.log import RateLimit
from vonggac.video.models import GapReason, Recording
from vonggac.video.recorder.camera_clock import CameraClock
from vonggac.video.recorder.stamps import StampFault
from vonggac.video.recorder.timekeeping import Timekeeping
from vonggac.video.rtsp import rtcp
from vonggac.video.rtsp.description import ArrivedReport

MINUTE = 60 * SECOND


def reports(clock: CameraClock, *offsets_us: int) -> list[bool]:
    """Let reports come one after the other, five seconds apart; return which of them were news."""
    first = clock._seen_ns // 1_000_000_000 + 5
    return [
        clock.said(NOON_US + n * 5 * SECOND + offset, (first + n * 5) * 1_000_000_000, NOON_US + n * 5 * SECOND)
        for n, offset in enumerate(offsets_us)
    ]


def test_a_clock_is_wrong_when_three_reports_in_a_row_say_so() -> None:
    clock = CameraClock(10)
    assert reports(clock, -192 * SECOND, -192 * SECOND, -192 * SECOND, -192 * SECOND) == [False, False, True, False]
    assert clock.wrong
    assert clock.words == "the camera's clock runs 3 min 12 s behind"


def test_one_wild_report_is_no_wrong_clock() -> None:
    clock = CameraClock(10)
    assert reports(clock, 0, 0, 0) == [False, False, True]  # judged for the first time: right
    assert reports(clock, MINUTE, 0, MINUTE, MINUTE, 0) == [False] * 5
    assert clock.wrong is False


def test_a_clock_near_the_tolerance_does_not_flicker() -> None:
    clock = CameraClock(10)
    reports(clock, 11 * SECOND, 11 * SECOND, 11 * SECOND)
    assert reports(clock, *[9 * SECOND, 11 * SECOND] * 10) == [False] * 20
    assert reports(clock, 4 * SECOND, 4 * SECOND, 4 * SECOND) == [False, False, True]
    assert reports(clock, *[9 * SECOND, 6 * SECOND] * 10) == [False] * 20


def test_a_clock_that_drifts_further_is_told_anew_in_steps_of_the_tolerance() -> None:
    clock = CameraClock(10)
    news = reports(clock, *[n * SECOND for n in range(20, 60)])
    assert news.count(True) == 4


def test_the_same_report_seen_again_every_second_counts_once() -> None:
    clock = CameraClock(10)
    assert [clock.said(NOON_US + MINUTE, 1, NOON_US) for _ in range(5)] == [False] * 5


@pytest.mark.parametrize(
    ("ntp_seconds", "says"),
    [
        (0, None),  # no wall clock (RFC 3550 §6.4.1)
        (1, None),  # one second after it was switched on, or 1900
        (3_000_000, None),  # switched on five weeks ago
        (2_208_988_800, "wrong"),  # 1 January 1970: a clock that was never set
        (3_155_673_600, "wrong"),  # 1 January 2000: the same
        (NOON_US // SECOND + 2_208_988_800, "right"),
        (NOON_US // SECOND + 2_208_988_800 + 86_400, "wrong"),  # tomorrow
    ],
)
def test_absurd_sender_reports_say_nothing_and_old_dates_are_wrong(ntp_seconds: int, says: str | None) -> None:
    clock = CameraClock(10)
    for n in range(1, 4):
        packet = struct.pack(">BBHIIIIII", 0x80, 200, 6, 1, ntp_seconds, 0, 0, 0, 0)
        report = rtcp.parse(packet).report
        if report is not None:
            clock.said(report.ntp_unix_us, n, NOON_US)
    assert clock.wrong == {None: None, "wrong": True, "right": False}[says]
    assert (clock.offset_us is None) == (says is None)


@pytest.mark.parametrize(
    ("us", "words"),
    [
        (-3_400_000, "3.4 s"), (12 * SECOND, "12 s"), (192 * SECOND, "3 min 12 s"), (3600 * SECOND, "1 h"),
        (7_500 * SECOND, "2 h 5 min"), (30 * 3600 * SECOND, "30 h"), (-50 * 86_400 * SECOND, "50 days"),
    ],
)  # fmt: skip
def test_a_length_of_time_is_said_as_a_person_says_it(us: int, words: str) -> None:
    assert span_in_words(us) == words


class Kept:
    """The simulated camera, and what is told of its time."""

    def __init__(self, path: Path, capture: list[dict[str, object]]) -> None:
        self.sim = Simulation(path)
        self.source = CameraSource(
            id=self.sim.camera_id, number=1, name="Chợ", folder="c-1", unit_id=self.sim.unit_id,
            url="rtsp://admin:secret@192.0.2.1/", sub_url="", enabled=True,
        )  # fmt: skip
        self.keeping = Timekeeping(self.sim.pipeline.change, RateLimit())
        self.lines = capture

    def report(self, offset_s: float, times: int = 3) -> None:
        for _ in range(times):
            self.sim.play(5)
            camera_us = self.sim.wall_us() + round(offset_s * SECOND)
            report = rtcp.SenderReport(1, camera_us, 0)
            self.keeping.look(self.source, self.sim.track, ArrivedReport(report, self.sim.monotonic_ns(), 0))

    def faults(self) -> list[tuple[str, str, uuid.UUID | None]]:
        assert self.sim.pipeline.flush_index()
        with self.sim.database.read() as session:
            return [(fault.subject, fault.detail, fault.unit_id) for fault in standing_faults(session)]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    lines: list[dict[str, object]] = []
    made = Kept(tmp_path, lines)
    monkeypatch.setattr(made.keeping, "_log", _Lines(lines))
    yield made
    if made.sim.pipeline.alive:
        made.sim.pipeline.stop()
    made.sim.database.close()


class _Lines:
    """In place of the log: keeps its lines."""

    def __init__(self, lines: list[dict[str, object]]) -> None:
        self._lines = lines

    def warning(self, event: str, **fields: object) -> None:
        self._lines.append({"event": event, **fields})


def test_a_wrong_clock_is_a_fault_of_its_camera_until_it_is_right(kept: Kept) -> None:
    kept.report(-192, times=4)
    subject = kept.sim.camera_id.hex
    assert kept.faults() == [(subject, "Chợ (1): the camera's clock runs 3 min 12 s behind", kept.sim.unit_id)]
    assert [line["event"] for line in kept.lines] == ["a camera's clock is wrong"]
    assert "secret" not in repr(kept.lines)
    kept.report(0.2)
    assert kept.faults() == []


def test_the_offset_is_kept_with_each_recording_and_only_where_it_is_said(kept: Kept) -> None:
    kept.report(-192, times=4)
    kept.sim.play(60)
    kept.sim.track.end_run(GapReason.CLOSED, "", kept.sim.wall_us())  # a new connection has said nothing yet
    kept.sim.play(10)
    kept.sim.stop()
    with kept.sim.database.read() as session:
        offsets = list(session.scalars(sa.select(Recording.clock_offset_us).order_by(Recording.start_us)))
    assert offsets == [-192 * SECOND, -192 * SECOND, None]


def test_a_clock_that_was_wrong_before_the_recorder_began_anew_is_found_right(kept: Kept) -> None:
    kept.report(-192)
    kept.sim.track.clock = CameraClock(10)  # a new recorder knows nothing of it
    assert len(kept.faults()) == 1
    kept.report(0)
    assert kept.faults() == []


def test_nobody_need_look_after_the_clock_of_a_camera_that_is_switched_off(kept: Kept) -> None:
    kept.report(-192)
    kept.keeping.forget_others()
    assert len(kept.faults()) == 1
    with kept.sim.database.write() as session:
        session.get_one(Camera, kept.sim.camera_id).enabled = False
    kept.keeping.forget_others()
    assert kept.faults() == []
    with kept.sim.database.write() as session:
        camera = session.get_one(Camera, kept.sim.camera_id)
        camera.enabled, camera.removed_at = True, utc_now()


def test_the_servers_own_clock_set_makes_no_camera_wrong(kept: Kept) -> None:
    kept.report(0)
    kept.report(100, times=2)  # by our clock, which is wrong by that much
    kept.sim.set_clock(100)
    kept.report(0)
    assert kept.faults() == []
    assert kept.lines == []


def test_stamps_that_were_mended_are_told_once_a_kind_and_minute(kept: Kept) -> None:
    for _ in range(3):
        kept.sim.track.stamp_faults |= {StampFault.JUMP, StampFault.STILL}
        kept.keeping.look(kept.source, kept.sim.track, None)
    assert [(line["event"], str(line["what"]).partition(";")[0]) for line in kept.lines] == [
        ("a camera's time stamps are wrong", "they jump"),
        ("a camera's time stamps are wrong", "they stand still"),
    ]
