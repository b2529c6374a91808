"""How a simulated camera's encoder is set: as cameras are, without B-frames and with regular closed groups."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

from vonggac.sim.clips import Clip, split_units
from vonggac.sim.packetise import NAL_DELIMITER, NAL_FILLER, NAL_SEI, FramedPicture, framed

LEVEL = "31"
"""H.264 level of all rendered streams: 3.1 reaches 1280×720 at 30 pictures a second (ISO/IEC 14496-10 table A-1)."""


def options(group: int, bit_rate: int, threads: int = 0) -> dict[str, str]:
    """Return libx264's options for groups of `group` pictures at `bit_rate` bits a second, key frames included."""
    return {
        "preset": "superfast",
        "profile": "high",
        "level": LEVEL,
        "g": str(group),
        "keyint_min": str(group),
        "sc_threshold": "0",
        "bf": "0",
        "refs": "1",
        "flags": "+cgop",
        "b": str(bit_rate),
        "maxrate": str(bit_rate * 5 // 4),
        "bufsize": str(bit_rate * 2),
        "x264-params": f"rc-lookahead=10:threads={threads}",
    }


def black_pictures(clip: Clip) -> tuple[FramedPicture, ...]:
    """Return one group of black pictures of the clip's size, a key frame first, as many as its longest group has.

    What follows a key frame repeats it, so that any shorter group may be cut from the front. For a rendered scene the
    parameter sets are the scene's own.
    """
    count = clip.longest_group
    rate = clip.frame_rate
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = clip.width, clip.height, "yuv420p"
    encoder.framerate, encoder.time_base = rate, 1 / rate
    encoder.options = options(max(2, count), 1_200_000, threads=1)
    planes = np.full((clip.height * 3 // 2, clip.width), 128, np.uint8)
    planes[: clip.height] = 16
    pictures: list[FramedPicture] = []
    for number in range(count + 1):
        frame = None
        if number < count:
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1) / rate
        for packet in encoder.encode(frame):
            units = [
                unit
                for unit in split_units(bytes(packet), 0)
                if unit and unit[0] & 0x1F not in (NAL_DELIMITER, NAL_FILLER, NAL_SEI)
            ]
            pictures.append(framed(units))
    return tuple(pictures)
