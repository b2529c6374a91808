"""How a simulated camera's encoder is set: as cameras are, without B-frames and with regular closed groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

import av
import numpy as np

from vonggac.sim.camera import Substitute
from vonggac.sim.clips import Clip, split_units
from vonggac.sim.packetise import NAL_DELIMITER, NAL_FILLER, NAL_PPS, NAL_SEI, NAL_SPS, framed

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


def black_pictures(clip: Clip) -> Substitute:
    """Return black pictures of the clip's size. For a rendered scene the parameter sets are the scene's own."""
    planes = np.full((clip.height * 3 // 2, clip.width), 128, np.uint8)
    planes[: clip.height] = 16
    frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
    return _substitute(clip, clip.width, clip.height, (frame for _ in range(clip.longest_group)))


def half_size_pictures(clip: Clip) -> Substitute:
    """Return the clip's first group at half its width and height."""
    width, height = (max(32, size // 4 * 2) for size in (clip.width, clip.height))
    shown = [frame.reformat(width, height, "yuv420p") for frame in _first_group(clip)]
    # Of a group that is shorter than the longest the last picture stands for the rest.
    shown += [shown[-1]] * (clip.longest_group - len(shown))
    return _substitute(clip, width, height, iter(shown[: clip.longest_group]))


SUBSTITUTES: Mapping[str, Callable[[Clip], Substitute]] = {
    "black": black_pictures,
    "half-size": half_size_pictures,
}
"""Other pictures that a fault can put in the place of a clip's, by name; each is a moment's work."""


def _first_group(clip: Clip) -> Iterator[av.VideoFrame]:
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    for index, picture in enumerate(clip.pictures):
        if index and picture.key:
            break
        coded = b"".join(b"\0\0\0\1" + unit for unit in picture.nals)
        for packet in (*decoder.parse(coded), *decoder.parse(b"")):
            yield from decoder.decode(packet)
    yield from decoder.decode(None)


def _substitute(clip: Clip, width: int, height: int, frames: Iterator[av.VideoFrame]) -> Substitute:
    """Encode one group: what follows the key frame leans on it, so that any shorter group is cut from the front."""
    rate = clip.frame_rate
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.time_base = rate, 1 / rate
    encoder.options = options(max(2, clip.longest_group), 1_200_000, threads=1)
    access_units: list[list[bytes]] = []
    number = 0
    for frame in (*frames, None):
        if frame is not None:
            frame.pts, frame.time_base, number = number, Fraction(1) / rate, number + 1
        access_units += [_units(bytes(packet)) for packet in encoder.encode(frame)]
    sets = tuple(unit for unit in access_units[0] if unit[0] & 0x1F in (NAL_SPS, NAL_PPS))
    return Substitute(sets, tuple(framed(units) for units in access_units))


def _units(data: bytes) -> list[bytes]:
    units = split_units(data, 0)
    return [unit for unit in units if unit and unit[0] & 0x1F not in (NAL_DELIMITER, NAL_FILLER, NAL_SEI)]
