"""AAC over RTP (RFC 3640, modes AAC-hbr and AAC-lbr): packets in, coded frames out, without I/O.

Only AAC-LC is taken (what cameras send); anything else is refused with words that say what was found, and the pictures
are recorded without it. Nothing that comes in packets raises: it is left out and noted.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from vonggac.core.errors import VonggacError
from vonggac.video.rtsp.errors import quoted
from vonggac.video.rtsp.sdp import Media
from vonggac.video.stream import MAX_SOUND_RATE, SoundParameters

MAX_FRAME = 8192
"""Bytes of one coded frame; AAC has at most 768 a channel (ISO/IEC 14496-3 §4.5.3)."""
MAX_FRAMES = 64
"""Coded frames of one packet."""
MAX_CONFIG = 64
LOW_COMPLEXITY = 2
"""Audio object type AAC-LC (ISO/IEC 14496-3 table 1.17)."""

_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 8)
_MAX_ODDITIES = 32
_LATE = 64
_HEAD = struct.Struct(">BBHII")
# Fields of an AU header that cameras do not use; with them the headers could not be read (RFC 3640 §3.2.1.1).
_UNKNOWN_FIELDS = ("ctsdeltalength", "dtsdeltalength", "randomaccessindication", "streamstateindication",
                   "auxiliarydatasizelength")  # fmt: skip


class SoundRefused(VonggacError):
    """Sound that is announced and cannot be recorded; the words say why."""


def read_config(text: str) -> SoundParameters:
    """Read `config=` of a description, an AudioSpecificConfig in hexadecimal; SoundRefused for what is not AAC-LC."""
    try:
        config = bytes.fromhex(text.strip().strip('"')[: 2 * MAX_CONFIG])
    except ValueError:
        raise SoundRefused("its decoder configuration is no hexadecimal number") from None
    bits = _Bits(config)
    kind = bits.take(5)
    if kind == 31:
        kind = 32 + bits.take(6)
    index = bits.take(4)
    rate = bits.take(24) if index == 15 else _RATES[index] if index < len(_RATES) else 0
    layout = bits.take(4)
    short = bits.take(1)
    if bits.ended:
        raise SoundRefused("its decoder configuration is missing or cut off")
    if kind != LOW_COMPLEXITY:
        raise SoundRefused(f"it is MPEG-4 audio of type {kind}, and only AAC-LC (type 2) is recorded")
    channels = _CHANNELS[layout] if layout < len(_CHANNELS) else 0
    if not 0 < rate <= MAX_SOUND_RATE or not channels:
        raise SoundRefused(f"it has {rate} samples a second and channel layout {layout}")
    return SoundParameters(config, rate, channels, 960 if short else 1024)


def sound_parameters(media: Media) -> SoundParameters:
    """Return what a described track needs for decoding; SoundRefused for a track that cannot be recorded."""
    if media.protocol.startswith("RTP/SAVP"):
        raise SoundRefused("it is encrypted (SRTP)")
    if media.encoding != "MPEG4-GENERIC" or media.payload_type < 0:
        raise SoundRefused("only AAC (MPEG4-GENERIC) is recorded")
    mode = media.format.get("mode", "AAC-hbr").lower()
    if mode not in ("aac-hbr", "aac-lbr") or any(_length(media, name) for name in _UNKNOWN_FIELDS):
        raise SoundRefused(f"its packets are of a kind that is not read ({quoted(mode, 24)})")
    if not 0 < _length(media, "sizelength") <= 16:
        raise SoundRefused("its description does not say how long its frames are (sizelength)")
    if max(_length(media, "indexlength"), _length(media, "indexdeltalength")) > 16:
        raise SoundRefused("its description gives impossible lengths")
    return read_config(media.format.get("config", ""))


class AacDepacketiser:
    """Takes the packets of one track; `on_frame(time, data)`: in samples of its own clock, unwrapped."""

    def __init__(
        self,
        on_frame: Callable[[int, bytes], None],
        media: Media,
        parameters: SoundParameters,
        oddities: set[str] | None = None,
    ) -> None:
        self.packets = 0
        self.lost = 0
        self.frames = 0
        self.oddities: set[str] = oddities if oddities is not None else set()
        self._on_frame = on_frame
        self._payload_type = media.payload_type
        self._rate, self._step = parameters.sample_rate, parameters.frame_samples
        self._clock = media.clock_rate or parameters.sample_rate
        if self._clock != self._rate:
            self._note(f"sound of {self._rate} samples a second with a clock of {self._clock}")
        self._size_bits = _length(media, "sizelength")
        self._index_bits = _length(media, "indexlength"), _length(media, "indexdeltalength")
        self._next = -1  # sequence number; -1 before the first packet
        self._ssrc = 0
        self._stamp = -1
        self._ticks = 0
        self._begun = bytearray()  # fragments of one frame
        self._whole = 0  # how long it is to become
        self._begun_stamp = -1

    def packet(self, view: memoryview, start: int, stop: int) -> None:
        """Take one RTP packet, view[start:stop]."""
        at = start + _HEAD.size
        if at > stop:
            self._note("packets of sound too short for RTP left out")
            return
        first, second, sequence, stamp, ssrc = _HEAD.unpack_from(view, start)
        if first >> 6 != 2 or second & 0x7F != self._payload_type:
            self._note("packets among the sound that are none left out")
            return
        at += 4 * (first & 0x0F)
        if first & 0x10:
            at += 4 + 4 * (int.from_bytes(view[at + 2 : at + 4], "big") if at + 4 <= stop else 0)
        if first & 0x20 and stop > at:
            stop -= view[stop - 1]
        if at >= stop:
            return
        if self._is_new(sequence, ssrc):
            self._enter(stamp)
            self._payload(view[at:stop], stamp)

    def time_of(self, rtp_timestamp: int) -> int | None:
        """Return where 32 bits of RTP time lie, in samples; None before the first frame."""
        if self._stamp < 0:
            return None
        ticks = self._ticks + (rtp_timestamp - self._stamp + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        return ticks * self._rate // self._clock

    def _is_new(self, sequence: int, ssrc: int) -> bool:
        ahead = sequence - self._next & 0xFFFF
        if self._next >= 0 and (ahead or ssrc != self._ssrc):
            if ssrc == self._ssrc and ahead >= 0x10000 - _LATE:
                self._note("late or doubled packets of sound left out")
                return False
            if ssrc == self._ssrc and ahead < 0x8000:
                self.lost += ahead
            else:
                self._note("the sound was begun anew without notice")
            self._begun.clear()
        self._next, self._ssrc = sequence + 1 & 0xFFFF, ssrc
        self.packets += 1
        return True

    def _enter(self, stamp: int) -> None:
        if self._stamp < 0:
            self._ticks = stamp
        else:
            self._ticks += (stamp - self._stamp + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        self._stamp = stamp

    def _payload(self, payload: memoryview, stamp: int) -> None:
        """Headers of the frames, then the frames (RFC 3640 §3.2)."""
        if len(payload) < 2:
            self._note("torn packets of sound left out")
            return
        header_bits = payload[0] << 8 | payload[1]
        at = 2 + (header_bits + 7) // 8
        bits = _Bits(payload[2:at])
        sizes: list[int] = []
        later: list[int] = []
        index = -1
        for number in range(MAX_FRAMES):
            index_bits = self._index_bits[number > 0]
            if header_bits < self._size_bits + index_bits:
                break
            header_bits -= self._size_bits + index_bits
            sizes.append(bits.take(self._size_bits))
            step = bits.take(index_bits)
            index += 1 + (step if number else 0)
            later.append(index)
            if step and number:
                self._note("interleaved frames of sound")
        if not sizes or at > len(payload) or bits.ended:
            self._note("torn packets of sound left out")
            return
        if len(sizes) == 1 and sizes[0] > len(payload) - at:
            self._fragment(payload[at:], sizes[0], stamp)
            return
        self._begun.clear()
        for size, order in zip(sizes, later, strict=True):
            if not size or at + size > len(payload):
                self._note("torn packets of sound left out")
                return
            self._hand_over(bytes(payload[at : at + size]), order)
            at += size

    def _fragment(self, part: memoryview, size: int, stamp: int) -> None:
        """A frame in several packets: each names the size of the whole, and has the same time stamp (§3.2.3)."""
        if size > MAX_FRAME:
            self._begun.clear()
            self._note(f"frames of sound of over {MAX_FRAME} bytes left out")
            return
        if self._begun and (stamp != self._begun_stamp or size != self._whole):
            self._note("frames of sound without an end")
            self._begun.clear()
        if not self._begun:
            self._begun_stamp, self._whole = stamp, size
        self._begun += part
        if len(self._begun) >= size:
            frame = bytes(self._begun[:size])
            self._begun.clear()
            self._hand_over(frame, 0)

    def _hand_over(self, frame: bytes, order: int) -> None:
        self.frames += 1
        self._on_frame(self._ticks * self._rate // self._clock + order * self._step, frame)

    def _note(self, oddity: str) -> None:
        if len(self.oddities) < _MAX_ODDITIES:
            self.oddities.add(oddity)


class _Bits:
    """Reads bits; past the end they are 0, and `ended` says so."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8
        self.ended = False

    def take(self, count: int) -> int:
        """Return the next bits as a number."""
        if count > self._left:
            self.ended = True
            return 0
        self._left -= count
        return self._value >> self._left & (1 << count) - 1


def _length(media: Media, name: str) -> int:
    text = media.format.get(name, "0").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
