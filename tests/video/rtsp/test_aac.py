"""AAC over RTP: what RFC 3640 allows comes out frame by frame, and nothing that a camera sends does harm."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers.aac import DESCRIBED, Sender
from vonggac.video.rtsp import sdp
from vonggac.video.rtsp.aac import MAX_FRAME, MAX_FRAMES, AacDepacketiser, SoundRefused, read_config, sound_parameters


def described(text: str = DESCRIBED) -> sdp.Media:
    return sdp.parse(text.encode()).media[0]


@dataclass
class Receiver:
    heard: list[tuple[int, bytes]] = field(default_factory=list)
    text: str = DESCRIBED

    def __post_init__(self) -> None:
        media = described(self.text)
        self.aac = AacDepacketiser(lambda time, data: self.heard.append((time, data)), media, sound_parameters(media))

    def take(self, *packets: bytes) -> Receiver:
        for packet in packets:
            self.aac.packet(memoryview(b"\0" + packet + b"\0"), 1, 1 + len(packet))
        return self


def test_frames_come_out_one_by_one_however_many_a_packet_holds() -> None:
    camera, us = Sender(), Receiver()
    us.take(camera.frames(5000, b"one"), camera.frames(6024, b"two", b"three", b"four"))
    assert us.heard == [(5000, b"one"), (6024, b"two"), (7048, b"three"), (8072, b"four")]
    assert (us.aac.packets, us.aac.lost, us.aac.frames) == (2, 0, 4)


def test_a_frame_in_several_packets_is_put_together_and_one_with_a_hole_left_out() -> None:
    camera, us = Sender(), Receiver()
    frame = bytes(range(1, 31))
    parts = [camera.packet(0, [30], frame[at : at + 12]) for at in (0, 12, 24)]
    torn = [camera.packet(1024, [30], frame[at : at + 12]) for at in (0, 12, 24)]
    us.take(*parts, torn[0], torn[2], camera.frames(2048, b"next"))
    assert us.heard == [(0, frame), (2048, b"next")]
    assert us.aac.lost == 1


def test_time_runs_on_where_its_32_bits_end_and_lost_packets_are_counted() -> None:
    camera, us = Sender(), Receiver()
    us.take(camera.frames(2**32 - 1024, b"a"), camera.frames(0, b"b"))
    camera.sequence += 3
    us.take(camera.frames(4096, b"c"))
    assert [time for time, _ in us.heard] == [2**32 - 1024, 2**32, 2**32 + 4096]
    assert us.aac.lost == 3
    assert us.aac.time_of(1024) == 2**32 + 1024


def test_late_and_doubled_packets_and_those_of_others_are_left_out() -> None:
    camera, us = Sender(), Receiver()
    first, second = camera.frames(0, b"a"), camera.frames(1024, b"b")
    us.take(first, second, first, second, camera.packet(0, [1], b"x", payload_type=8), b"\x80", b"")
    assert [data for _, data in us.heard] == [b"a", b"b"]
    assert "late or doubled packets of sound left out" in us.aac.oddities


def test_a_clock_of_another_speed_than_the_samples_is_converted() -> None:
    camera, us = Sender(), Receiver(text=DESCRIBED.replace("generic/16000", "generic/90000"))
    us.take(camera.frames(0, b"a"), camera.frames(5760, b"b"))
    assert [time for time, _ in us.heard] == [0, 1024]


@pytest.mark.parametrize(
    ("config", "rate", "channels", "samples"),
    [("1408", 16_000, 1, 1024), ("1190", 48_000, 2, 1024), ("1188", 48_000, 1, 1024), ("140c", 16_000, 1, 960),
     ('"1408"', 16_000, 1, 1024), ("17801f400800", 16_000, 1, 1024)],
)  # fmt: skip
def test_the_decoder_configuration_is_read(config: str, rate: int, channels: int, samples: int) -> None:
    found = read_config(config)
    assert (found.sample_rate, found.channels, found.frame_samples) == (rate, channels, samples)


@pytest.mark.parametrize(
    ("config", "words"),
    [("", "missing"), ("14", "cut off"), ("zz", "hexadecimal"), ("2b09", "type 5"), ("1400", "channel layout 0"),
     ("1790", "cut off"), ("1690", "0 samples"), ("f8e8", "cut off")],
)  # fmt: skip
def test_a_configuration_that_is_not_aac_lc_is_refused_in_words(config: str, words: str) -> None:
    with pytest.raises(SoundRefused, match=words):
        read_config(config)


@pytest.mark.parametrize(
    ("before", "after"),
    [("mode=AAC-hbr", "mode=CELP-cbr"), ("sizelength=13", "sizelength=0"), ("sizelength=13", "sizelength=400"),
     ("indexlength=3", "indexlength=99"), ("streamtype=5", "ctsdeltalength=8"), ("RTP/AVP", "RTP/SAVP"),
     ("mpeg4-generic", "MP4A-LATM"), ("config=1408", "config=")],
)  # fmt: skip
def test_a_track_that_cannot_be_read_is_refused(before: str, after: str) -> None:
    with pytest.raises(SoundRefused):
        sound_parameters(described(DESCRIBED.replace(before, after, 1)))


@given(st.lists(st.binary(max_size=200), max_size=20), st.booleans())
def test_no_packet_does_harm(payloads: list[bytes], framed: bool) -> None:
    camera, us = Sender(), Receiver()
    for number, payload in enumerate(payloads):
        head = struct.pack(">BBHII", 0x80, 97, camera.sequence + number & 0xFFFF, 1024 * number, 7)
        us.take(head + payload if framed else payload)
    assert all(0 < len(data) <= MAX_FRAME for _, data in us.heard)
    assert len(us.heard) <= MAX_FRAMES * len(payloads)


@given(st.text(max_size=40))
def test_no_configuration_does_harm(text: str) -> None:
    try:
        found = read_config(text)
    except SoundRefused:
        return
    assert found.sample_rate > 0
    assert found.channels > 0
