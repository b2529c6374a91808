"""The exact picture that was to be seen at a moment, decoded from its group, as a JPEG in full size.

With a strip below it, never over it: what the camera showed stays as it was.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image

from vonggac.core.errors import NotFound
from vonggac.video.archive.footage import Held, MediaStore, RecordingUnreadable
from vonggac.video.mp4 import GroupEntry, Sample, group_table, read_init, read_samples
from vonggac.video.playback.lettering import strip_below
from vonggac.video.stills import StillError, byte_stream
from vonggac.video.stream import VideoParameters

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

QUALITY = 92
"""Of Pillow's JPEG encoder (95 is its best)."""
LONGEST_S = 8.0
"""How long decoding may take: 20 s of 1080p, the longest distance between key frames seen in cameras' settings."""
_MOST_PIXELS = 8192 * 4608
_MOST_GROUP = 64 << 20
"""Bytes of a group or a piece of one."""
_HD = 720
"""Lines from which colours are those of BT.709 where a stream does not say (ITU-R BT.709, BT.601)."""
_BT601, _BT709, _UNSAID = 5, 1, 2
"""As FFmpeg numbers them, after ITU-T H.273 table 4."""
_DECODERS = {"h264": "h264", "h265": "hevc"}


@dataclass(frozen=True, slots=True)
class Caption:
    """What the strip says: two lines, each with something on the left and on the right."""

    camera: str
    moment: str
    centre: str
    zone: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture as the camera sent it."""

    frame: VideoFrame
    pixel_aspect: Fraction
    """Width of a pixel to its height."""
    at_us: int


@dataclass(frozen=True, slots=True)
class Found:
    """The coded pictures that must be decoded to see one of them."""

    parameters: VideoParameters
    samples: list[Sample]
    shown: int
    """Presentation time of that one."""
    at_us: int
    """When it was taken."""


def find(store: MediaStore, held: Held, at_us: int) -> Found:
    """Read what is needed for the picture that shows at a moment. Blocks on the disk.

    NotFound where the recording has none; VolumeLost, RecordingUnreadable, RecordingDamaged as `MediaStore.open`;
    StillError when it is too much. The recording's group table must be loaded.
    """
    row = held.recording
    groups = store.groups_of(row)
    with store.open(row) as file:
        try:
            init = read_init(file)
            samples, shown = _needed(file, groups, init.presentation_delay, held.ticks(at_us), row.media_start)
        except OSError as error:
            raise RecordingUnreadable(f"The file {row.path} cannot be read: {error.strerror}.") from error
    return Found(init.parameters, samples, shown, held.wall_us(shown - row.media_start))


def jpeg_of(found: Found, caption: Caption | None) -> bytes:
    """Decode a picture and return it as a JPEG with square pixels; `caption`: on a strip below it. Blocks.

    StillError when it cannot be decoded, or not in time.
    """
    frame, aspect = _decode(found)
    image = _image(frame, aspect)
    if caption is not None:
        image = strip_below(image, (caption.camera, caption.moment), (caption.centre, caption.zone))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _needed(
    file: BinaryIO, groups: Sequence[GroupEntry], delay: int, tick: int, media_start: int
) -> tuple[list[Sample], int]:
    """Return the samples from a key frame on, and the presentation time of the one that shows at a tick."""
    chosen = group_table.overlapping(groups, tick, tick + 1)
    if not chosen or not groups[chosen.start].key:
        raise NotFound("There is no picture at this moment.")
    at = media_start + tick
    samples = _read(file, groups[chosen.start : chosen.stop], delay)
    first = samples[0].presentation_time
    if at < first and (before := [place for place in range(chosen.start) if groups[place].key]):
        # A picture that leads its key frame is decoded from the one before (H.265 §3.130, RASL).
        samples = _read(file, groups[before[-1] : chosen.stop], delay)
    shown = [sample.presentation_time for sample in samples if sample.presentation_time <= at]
    return samples, max(shown, default=first)


def _read(file: BinaryIO, groups: Sequence[GroupEntry], delay: int) -> list[Sample]:
    if max(group.size for group in groups) > _MOST_GROUP:
        raise StillError("The group of pictures is too large.")
    return [sample for group in groups for sample in read_samples(file, group, presentation_delay=delay)]


def _decode(found: Found) -> tuple[VideoFrame, Fraction]:
    """Return the picture, and the width of its pixels to their height."""
    # Late: FFmpeg's libraries take more memory than the pages, and most processes never need them.
    import av
    from av.packet import Packet

    decoder = _decoder(found.parameters)
    without_sets = replace(found.parameters, sets=())
    until = time.monotonic() + LONGEST_S
    try:
        for place, sample in enumerate([*found.samples, None]):
            packet = None
            if sample is not None:
                packet = Packet(byte_stream(without_sets if place else found.parameters, sample.data))
                packet.pts = sample.presentation_time
            for frame in decoder.decode(packet):
                if frame.pts == found.shown:
                    return frame, decoder.sample_aspect_ratio or Fraction(1)
            if time.monotonic() > until:
                raise StillError("Decoding took too long: the camera sends too few key frames.")
    except (av.FFmpegError, ValueError) as error:
        raise StillError(f"The picture cannot be decoded: {error}.") from error
    raise StillError("The recording holds no whole picture of this moment.")


def _decoder(parameters: VideoParameters) -> VideoCodecContext:
    from av.video.codeccontext import VideoCodecContext

    name = _DECODERS.get(parameters.codec)
    if name is None:
        raise StillError(f"There is no decoder for {parameters.codec}.")
    decoder = VideoCodecContext.create(name, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(_MOST_PIXELS)}
    return decoder


def _image(frame: VideoFrame, pixel_aspect: Fraction) -> Image.Image:
    """Return a picture in RGB, as wide as it is meant (some cameras' pixels are not square)."""
    said = frame.colorspace if frame.colorspace != _UNSAID else (_BT709 if frame.height >= _HD else _BT601)
    width = round(frame.width * float(pixel_aspect))
    shown = frame.reformat(width=width, height=frame.height, format="rgb24", src_colorspace=said)
    return Image.fromarray(shown.to_ndarray(format="rgb24"))
