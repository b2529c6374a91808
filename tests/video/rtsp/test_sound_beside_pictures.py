"""Sound in a session: asked for, placed on the pictures' time, and never dearer than a picture."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from peers.aac import DESCRIBED, Sender
from peers.rtsp_talk import Talk
from vonggac.video.rtsp.sound import EARLY_FRAMES

SECOND = 1_000_000_000
AUDIO = DESCRIBED.removeprefix("v=0\r\n") + "a=control:trackID=2\r\n"


class Heard(Talk):
    """A talk whose client wants sound."""

    def __init__(self, sdp: str) -> None:
        self.sound: list = []
        super().__init__(sdp=sdp, on_sound=self.sound.append)

    def play(self, answer: str = "200 OK", transport: str = "Transport: RTP/AVP/TCP;interleaved=2-3") -> Heard:
        self.to_setup().reply("200 OK", "Transport: RTP/AVP/TCP;interleaved=0-1", "Session: 42;timeout=30")
        assert self.first == "SETUP rtsp://camera/live?x=1/trackID=2 RTSP/1.0"
        assert self.header("Transport") == "RTP/AVP/TCP;unicast;interleaved=2-3"
        self.reply(answer, transport)
        assert self.first.startswith("PLAY")
        self.reply("200 OK")
        return self

    def packets(self, channel: int, *packets: bytes, now_ns: int = 0) -> None:
        self.say(b"".join(framed(channel, packet) for packet in packets), now_ns)


def framed(channel: int, packet: bytes) -> bytes:
    return struct.pack(">BBH", 0x24, channel, len(packet)) + packet


class Camera:
    """Key pictures, 15 a second, each with its parameter sets and in fragments."""

    def __init__(self, rtp: Any, first: int = 0) -> None:
        self._rtp, self._packer = rtp, rtp.Packer(sequence=1000 + 20 * first)

    def picture(self, number: int) -> bytes:
        unit, time = bytes((0x65, 0x88)) + bytes([number & 0x7F | 1]) * 300, 6000 * number
        sets = [*self._packer.single(self._rtp.SPS, time), *self._packer.single(self._rtp.PPS, time)]
        packets = [*sets, *self._packer.fragments(unit, time, marker=True)]
        return b"".join(framed(0, one) for one in packets)


def report(seconds: int, stamp: int) -> bytes:
    return struct.pack(">BBHIIIIII", 0x80, 200, 6, 0x1234, 2_208_988_800 + seconds & 0xFFFFFFFF, 0, stamp, 0, 0)


@pytest.fixture
def talk(sdp_text: str) -> Heard:
    return Heard(sdp_text + AUDIO)


def test_sound_comes_through_between_the_packets_of_a_picture(rtp: Any, talk: Heard) -> None:
    talk.play()
    pictures, sound = Camera(rtp), Sender()
    plain = Talk(sdp=talk.sdp).playing()
    data = [pictures.picture(number) for number in range(60)]
    for number, one in enumerate(data):
        plain.say(one, number)
        # Between any two packets of a picture, wherever they part, may stand one of sound.
        ends, at = [], 0
        while at < len(one):
            at += 4 + int.from_bytes(one[at + 2 : at + 4], "big")
            ends.append(at)
        cut = ends[number % len(ends)]
        between = framed(2, sound.frames(1024 * number, bytes([number + 1])))
        talk.say(one[:cut] + between + one[cut:], number)
    assert [bytes(one.data) for one in talk.pictures] == [bytes(one.data) for one in plain.pictures]
    assert [one.pts for one in talk.pictures] == [one.pts for one in plain.pictures]
    assert [one.data for one in talk.sound] == [bytes([number + 1]) for number in range(60)]
    assert talk.session.description.sound is not None
    assert talk.session.description.left_out == ()


def test_sound_that_comes_before_the_first_picture_waits_for_it_and_is_bounded(rtp: Any, talk: Heard) -> None:
    talk.play()
    pictures, sound = Camera(rtp), Sender()
    for number in range(100):
        talk.packets(2, sound.frames(1024 * number, bytes([number])), now_ns=number * 64_000_000)
    assert talk.sound == []
    talk.say(pictures.picture(0) + pictures.picture(1), 100 * 64_000_000)
    assert [one.data for one in talk.sound] == [bytes([number]) for number in range(100 - EARLY_FRAMES, 100)]
    assert [one.pts for one in talk.sound[-2:]] == pytest.approx([-2 * 5760, -5760], abs=1)


def test_reports_place_the_sound_exactly_wherever_its_time_begins(rtp: Any, talk: Heard) -> None:
    talk.play()
    pictures, sound = Camera(rtp), Sender()
    for number in range(20):
        now = number * SECOND // 15
        talk.say(pictures.picture(number), now)
        talk.packets(2, sound.frames(700_000 + 1024 * number, b"x"), now_ns=now + SECOND // 5)
    talk.packets(1, report(100, 6000 * 15))  # a second of pictures
    talk.packets(3, report(101, 700_000 + 32_000))  # two seconds of sound: both show one second of the same clock
    talk.packets(2, sound.frames(700_000 + 16_000, b"last"), now_ns=SECOND * 6 // 5)
    assert talk.sound[-1].pts == 90_000


def test_without_reports_the_earliest_arrivals_belong_together(rtp: Any, talk: Heard) -> None:
    talk.play()
    pictures, sound = Camera(rtp), Sender()
    for number in range(30):
        now = number * SECOND // 15
        talk.say(pictures.picture(number), now)
        late = SECOND // 10 if number % 3 else 0
        talk.packets(2, sound.frames(700_000 + 16_000 * number // 15, b"x"), now_ns=now + late)
    assert talk.sound[-1].pts == pytest.approx(29 * 6000, abs=90)


def test_reports_of_another_clock_are_not_believed(rtp: Any, talk: Heard) -> None:
    talk.play()
    pictures, sound = Camera(rtp), Sender()
    for number in range(20):
        now = number * SECOND // 15
        talk.say(pictures.picture(number), now)
        talk.packets(2, sound.frames(1024 * number, b"x"), now_ns=now)
    talk.packets(1, report(100, 0))
    talk.packets(3, report(5000, 0))
    talk.packets(2, sound.frames(16_000, b"last"), now_ns=SECOND)
    assert talk.sound[-1].pts == pytest.approx(90_000, abs=6000)
    assert any("disagree" in oddity for oddity in talk.session.oddities)


@pytest.mark.parametrize(
    ("answer", "transport"),
    [
        ("461 Unsupported Transport", "X: y"),
        ("500 No", "X: y"),
        ("200 OK", "Transport: RTP/AVP;unicast;client_port=4-5;server_port=6-7"),
        ("200 OK", "Transport: RTP/AVP/TCP;interleaved=0-1"),
    ],
)
def test_sound_that_is_refused_or_comes_in_the_pictures_way_is_left_out_and_the_pictures_play(
    rtp: Any, talk: Heard, answer: str, transport: str
) -> None:
    talk.play(answer, transport)
    talk.say(Camera(rtp).picture(0) + Camera(rtp, 1).picture(1), 5)
    assert talk.pictures
    assert talk.session.description.sound is None
    assert talk.session.description.sound_refused.startswith("sound left out: ")


def test_sound_that_never_comes_ends_or_is_garbage_leaves_the_pictures_alone(rtp: Any, talk: Heard) -> None:
    talk.play()
    camera, sound = Camera(rtp), Sender()
    talk.say(camera.picture(0))
    talk.packets(2, b"garbage", b"", sound.packet(0, [5000], b"xyz"), bytes(500))
    talk.packets(3, bytes.fromhex("80cb0001") + b"\0\0\0\7", b"\xff" * 40)
    talk.say(camera.picture(1) + camera.picture(2))
    assert len(talk.pictures) == 2
    assert "the camera has ended its sound" in talk.session.oddities


def test_sound_in_another_form_is_not_asked_for(sdp_text: str) -> None:
    talk = Heard(sdp_text + "m=audio 0 RTP/AVP 8\r\na=control:trackID=2\r\n")
    talk.playing()
    assert talk.session.description.sound_offered == "audio PCMA left out: only AAC (MPEG4-GENERIC) is recorded"
    assert talk.session.description.left_out == ("audio PCMA",)


def test_without_the_wish_no_sound_is_asked_for(sdp_text: str) -> None:
    talk = Talk(sdp=sdp_text + AUDIO).playing()
    assert talk.session.description.sound_offered == "AAC, 16000 Hz, mono"
    assert talk.session.description.left_out == ("audio MPEG4-GENERIC",)
