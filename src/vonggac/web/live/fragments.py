"""Live pictures into what browsers play: one fragment of MP4 for each picture, as soon as it has come.

Every message is made once and handed to all viewers as it is: kind, flags, moment of arrival, then the bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from vonggac.video import live_client
from vonggac.video.live_client import LivePicture
from vonggac.video.mp4 import codec_string, fragment_header, init_segment
from vonggac.video.stream import VideoParameters, is_leading
from vonggac.web.live.times import LiveTimes

INIT, FRAGMENT, JPEG = 1, 2, 3
"""The kinds of binary messages."""
KEY = 1
"""The flag of a picture that decoding may begin with."""
_HEAD = struct.Struct(">BBQ")


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """What a viewer is told before the pictures that it fits. One object for each uninterrupted run of pictures."""

    name: live_client.Stream
    codec: str
    """`h264` or `h265`."""
    mime: str
    width: int
    height: int
    init: bytes = field(repr=False)
    """The message with the init segment."""


@dataclass(frozen=True, slots=True, eq=False)
class Packet:
    """One picture, ready to be sent."""

    stream: Stream
    key: bool
    leading: bool
    """Shown before the key frame it follows: of no use to whoever begins there."""
    message: bytes = field(repr=False)


class Fragmenter:
    """Makes the packets of one camera's stream."""

    def __init__(self, name: live_client.Stream) -> None:
        self._name = name
        self._parameters: VideoParameters | None = None
        self._stream: Stream | None = None
        self._times: LiveTimes | None = None
        self._sequence = 0

    def seam(self) -> None:
        """What comes next does not follow what came: it begins a stream of its own, at a key frame."""
        self._parameters = self._stream = self._times = None

    def push(self, picture: LivePicture) -> Packet | None:
        """Return the packet of the next picture in decoding order; None before a key frame.

        UnusableParameters where browsers cannot be told how to decode it.
        """
        parameters = picture.parameters
        if parameters is not self._parameters and parameters != self._parameters:
            if not picture.key:
                return None
            self._begin(parameters, picture.arrived_us)
        assert self._stream is not None
        assert self._times is not None
        placed = self._times.place(picture.pts)
        self._sequence = self._sequence % 0xFFFF_FFFF + 1
        header = fragment_header(
            self._sequence,
            placed.decoded,
            (placed.duration,),
            (len(picture.data),),
            (placed.offset,) if placed.offset else None,
            key=picture.key,
        )
        head = _HEAD.pack(FRAGMENT, KEY if picture.key else 0, picture.arrived_us)
        return Packet(
            self._stream,
            picture.key,
            not picture.key and is_leading(parameters, picture.data),
            b"".join((head, header, picture.data)),
        )

    def _begin(self, parameters: VideoParameters, arrived_us: int) -> None:
        init = _HEAD.pack(INIT, 0, arrived_us) + init_segment(parameters, presentation_delay=0)
        self._stream = Stream(
            self._name,
            parameters.codec,
            f'video/mp4; codecs="{codec_string(parameters)}"',
            parameters.width,
            parameters.height,
            init,
        )
        self._parameters, self._times, self._sequence = parameters, LiveTimes(parameters), 0


def jpeg_message(arrived_us: int, jpeg: bytes) -> bytes:
    """Return the message of a picture that was decoded here."""
    return _HEAD.pack(JPEG, KEY, arrived_us) + jpeg
