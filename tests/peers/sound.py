"""Sound that says when it is: silence with beeps at known moments, as AAC; and where they are heard in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vonggac.video.mp4 import SoundFrames, fragment_header, init_segment
from vonggac.video.stream import VIDEO_TIMESCALE, SoundParameters

RATE = 16_000
FRAME = 1024
BEEP_S = 0.1
TICKS = VIDEO_TIMESCALE // 15


@dataclass(frozen=True)
class Sound:
    """AAC-LC in frames, the first of which is heard at 0."""

    parameters: SoundParameters
    frames: list[bytes]


def wave(seconds: float, beeps_at: Sequence[float]) -> np.ndarray:
    """Return samples of silence with a beep of 0.1 s at each of these moments."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    beep = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(round(BEEP_S * RATE)) / RATE)
    for at in beeps_at:
        begin = round(at * RATE)
        samples[begin : begin + len(beep)] = beep[: len(samples) - begin]
    return samples


def coded(seconds: float, beeps_at: Sequence[float]) -> Sound:
    """Encode `wave`; the encoder's delay of one frame is taken off."""
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "fltp"
    encoder.bit_rate, encoder.time_base = 48_000, Fraction(1, RATE)
    samples = wave(seconds, beeps_at)
    packets = []
    for begin in range(0, len(samples) - FRAME + 1, FRAME):
        frame = av.AudioFrame.from_ndarray(samples[None, begin : begin + FRAME], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    frames = [bytes(packet) for packet in packets if packet.size and (packet.pts or 0) >= 0]
    return Sound(SoundParameters(bytes(encoder.extradata or b""), RATE, 1), frames)


def beeps_heard(path: Path) -> list[float]:
    """Return when beeps begin, in seconds of the file's own clock: the first loud sample after silence."""
    found: list[float] = []
    quiet_since = -1.0
    with av.open(str(path)) as source:
        for frame in source.decode(source.streams.audio[0]):
            samples = np.abs(frame.to_ndarray()).max(axis=0)
            begins = float((frame.pts or 0) * (frame.time_base or 0))
            for index in np.flatnonzero(samples > 0.1):
                at = begins + float(index) / frame.sample_rate
                if at - quiet_since > BEEP_S / 2:
                    found.append(at)
                quiet_since = at
    return found


def sound_seconds(path: Path) -> float:
    """Return how much sound a file holds: the samples that a decoder makes of it."""
    with av.open(str(path)) as source:
        frames = list(source.decode(source.streams.audio[0]))
        return sum(frame.samples for frame in frames) / frames[0].sample_rate


def recording_with_sound(material: Any, sound: Sound, *, skip: range = range(0), media_start: int = 0) -> bytes:
    """Write pictures of 15 a second and the sound beside them; frames in `skip` have not come."""
    data = bytearray(init_segment(material.units[0].parameters, presentation_delay=0, sound=sound.parameters))
    taken = begin = 0
    for number, group in enumerate(material.groups()):
        end = begin + TICKS * len(group)
        heard = [at for at in range(taken, len(sound.frames)) if at * FRAME * VIDEO_TIMESCALE < end * RATE]
        taken = max(heard, default=taken - 1) + 1
        came = [at for at in heard if at not in skip]
        frames = None
        if came:
            # Where frames are missing, the one before them lasts until the next.
            durations = [FRAME * (after - at) for at, after in zip(came, [*came[1:], came[-1] + 1], strict=True)]
            first = media_start * RATE // VIDEO_TIMESCALE + came[0] * FRAME
            frames = SoundFrames(first, durations, [len(sound.frames[at]) for at in came])
        data += fragment_header(
            number + 1,
            media_start + begin,
            [TICKS] * len(group),
            [len(unit.data) for unit in group],
            key=True,
            sound=frames,
        )
        for unit in group:
            data += unit.data
        for at in came:
            data += sound.frames[at]
        begin = end
    return bytes(data)
