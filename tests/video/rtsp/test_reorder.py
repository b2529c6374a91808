"""Datagrams back in order: each once, none held for long, and never many."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.video.rtsp.reorder import PACKETS, WAIT_NS, ReorderWindow

MS = 1_000_000


def packet(sequence: int, ssrc: int = 7) -> bytes:
    return struct.pack(">BBHII", 0x80, 96, sequence & 0xFFFF, 0, ssrc)


def number_of(one: bytes) -> int:
    return int.from_bytes(one[2:4], "big")


class Line:
    """A window, and what came out of it."""

    def __init__(self, **options: int) -> None:
        self.window = ReorderWindow(**options)
        self.out: list[int] = []

    def bring(self, *sequences: int, now_ns: int = 0, ssrc: int = 7) -> Line:
        for sequence in sequences:
            if self.window.passes(sequence & 0xFFFF, ssrc):
                self.out.append(sequence & 0xFFFF)
            else:
                self.out += map(number_of, self.window.take(packet(sequence, ssrc), now_ns))
        return self

    def pass_time(self, now_ns: int) -> Line:
        self.out += map(number_of, self.window.expire(now_ns))
        return self


def test_what_comes_in_order_passes_at_once() -> None:
    line = Line().bring(*range(65_530, 65_540))
    assert line.out == [65_530, 65_531, 65_532, 65_533, 65_534, 65_535, 0, 1, 2, 3]
    assert (line.window.received, line.window.lost, line.window.late) == (10, 0, 0)
    assert line.window.highest == 65_539


def test_what_comes_early_waits_for_what_is_missing_before_it() -> None:
    line = Line().bring(10, 12, 13)
    assert line.out == [10]
    assert line.window.waiting == 2
    assert line.bring(11, 14).out == [10, 11, 12, 13, 14]


def test_what_comes_twice_or_after_its_turn_is_left_out() -> None:
    line = Line().bring(10, 11, 11, 13, 13, 9, 12, 12)
    assert line.out == [10, 11, 12, 13]
    assert line.window.late == 4


def test_a_missing_packet_is_waited_for_a_tenth_of_a_second() -> None:
    line = Line().bring(10, 12, now_ns=0).bring(13, now_ns=50 * MS).pass_time(WAIT_NS - 1)
    assert line.out == [10]
    assert line.pass_time(WAIT_NS).out == [10, 12, 13]
    assert line.window.lost == 1
    assert line.bring(11, 14).out == [10, 12, 13, 14]


def test_a_missing_packet_is_waited_for_while_so_many_others_come() -> None:
    line = Line().bring(10, *range(12, 12 + PACKETS))
    assert line.out == [10]
    assert line.bring(12 + PACKETS).out == [10, *range(12, 13 + PACKETS)]


def test_a_stray_packet_changes_nothing_and_two_in_a_row_are_a_new_count() -> None:
    line = Line().bring(10, 40_000, 11, 12)
    assert line.out == [10, 11, 12]
    line = Line().bring(30_000, 30_001, 5, 6, 7)
    assert line.out == [30_000, 30_001, 5, 6, 7]


def test_another_source_begins_anew_after_what_waits_is_given_out() -> None:
    line = Line().bring(10, 12).bring(900, 901, ssrc=8)
    assert line.out == [10, 12, 900, 901]
    assert line.window.ssrc == 8


@settings(max_examples=300, deadline=None)
@given(data=st.data(), first=st.integers(0, 65_535), length=st.integers(1, 200), reach=st.integers(0, 20))
def test_whatever_is_moved_by_less_than_the_window_comes_out_in_order(
    data, first: int, length: int, reach: int
) -> None:
    places = [number + data.draw(st.integers(0, reach)) for number in range(length)]
    sent = [first + number for number in sorted(range(length), key=lambda number: (places[number], number))]
    sent.remove(first)
    line = Line().bring(first, *sent)
    assert line.out == [(first + number) & 0xFFFF for number in range(length)]
    assert line.window.lost == 0


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, 65_535), st.integers(0, 90)), st.integers(0, 40), st.sampled_from([7, 7, 7, 8])
        ),
        max_size=200,
    )
)
def test_whatever_comes_little_waits_nothing_waits_long_and_nothing_is_invented(arrivals) -> None:
    line, now, brought, since = Line(), 0, [], {}
    for sequence, pause_ms, ssrc in arrivals:
        now += pause_ms * MS
        brought.append(sequence)
        line.bring(sequence, now_ns=now, ssrc=ssrc)
        line.pass_time(now)
        assert line.window.waiting <= PACKETS
        held = line.window._held
        since = {place: since.get(place, now) for place in held}
        assert all(now - at < WAIT_NS for at in since.values())
    line.out += map(number_of, line.window.flush())
    for sequence in set(line.out):
        assert line.out.count(sequence) <= brought.count(sequence)
    assert len(line.out) == line.window.received
