"""Sender reports: the camera's clock."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from vonggac.video.rtsp import rtcp


def report(ntp_seconds: int, fraction: int = 0, rtp_timestamp: int = 9) -> bytes:
    return struct.pack(">BBHIIIIII", 0x80, 200, 6, 0xAB, ntp_seconds, fraction, rtp_timestamp, 1, 2)


def test_a_sender_report_gives_the_wall_clock_of_an_rtp_time():
    compound = rtcp.parse(report(3_999_999_999, 1 << 31))
    middle = (3_999_999_999 & 0xFFFF) << 16 | 1 << 15
    assert compound.report == rtcp.SenderReport(0xAB, (3_999_999_999 - 2_208_988_800) * 1_000_000 + 500_000, 9, middle)
    assert not compound.bye


def test_a_camera_without_a_clock_reports_none():
    assert rtcp.parse(report(0)).report is None


def test_a_camera_in_1970_is_read_as_it_says():
    assert rtcp.parse(report(2_208_988_800 + 60)).report.ntp_unix_us == 60_000_000


def test_seconds_go_on_after_2036():
    assert rtcp.parse(report(0x10)).report.ntp_unix_us == ((1 << 32) + 0x10 - 2_208_988_800) * 1_000_000


def test_a_compound_with_a_description_and_a_goodbye_is_read_through():
    description = struct.pack(">BBHI", 0x81, 202, 2, 0xAB) + b"\1\0\0\0"
    compound = rtcp.parse(memoryview(report(3_900_000_000) + description + struct.pack(">BBHI", 0x81, 203, 1, 0xAB)))
    assert compound.report is not None
    assert compound.bye


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_passed_over(data):
    rtcp.parse(data)
    rtcp.parse(b"\x80\xc8\0\6" + data)
