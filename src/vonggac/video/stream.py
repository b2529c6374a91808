"""What travels between the RTSP client, the recorder, the MP4 writer and the viewers.

One coded picture is one `AccessUnit`. It is made once, by the depacketiser, and from then on only passed by
reference: the recorder writes its bytes to disk and hands the same bytes to whoever watches.
"""

from __future__ import annotations

from dataclasses import dataclass

VIDEO_TIMESCALE = 90_000
"""Ticks a second of all video timestamps (RFC 6184 §5.1, RFC 7798 §4.1)."""

MAX_SOUND_RATE = 65_535
"""Samples a second that a sample entry of sound can name (ISO/IEC 14496-12 §12.2.3); cameras use up to 48,000."""

_LEADING = range(6, 10)  # nal_unit_type RADL_N to RASL_R (ITU-T H.265 table 7-1)
_FIRST_NOT_SLICE = 32


@dataclass(frozen=True, slots=True)
class VideoParameters:
    """What a decoder must know before the first picture: compared by value, so that a change is noticed.

    `sets` are the parameter sets without start codes or lengths (H.264: SPS, PPS; H.265: VPS, SPS, PPS, in this order).
    """

    codec: str  # "h264" or "h265"
    sets: tuple[bytes, ...]
    width: int
    height: int
    reorder_frames: int | None = None
    """How many pictures may precede another in decoding order and follow it on the screen; None: not declared."""
    declared_fps: float | None = None


@dataclass(slots=True)
class AccessUnit:
    """One coded picture as it lies in an MP4 sample: units each preceded by their length in 4 bytes, big-endian.

    Parameter sets, delimiters and filler are left out of `data`; supplementary information (SEI) stays.
    """

    pts: int
    """Presentation time in 90 kHz ticks, unwrapped: never jumps by 2**32, may start anywhere (also below 0)."""
    key: bool
    """True where decoding may begin (H.264 IDR; H.265 IDR, CRA or BLA): so may a file."""
    data: bytearray
    parameters: VideoParameters
    """The sets in force for this picture: the same object until they change."""
    arrived_ns: int
    """Monotonic clock at which the last byte of it was read from the socket (after a pause: up to that pause late)."""
    lost_before: int = 0
    """RTP packets lost since the access unit before; above 0, what follows up to a key frame is damaged."""

    @property
    def leading(self) -> bool:
        """Whether it is of no use where decoding begins at the key frame before it (`is_leading`)."""
        return is_leading(self.parameters, self.data)


def is_leading(parameters: VideoParameters, data: bytes | bytearray) -> bool:
    """Return whether a picture follows a key frame and is shown before it (ITU-T H.265 §3, leading picture).

    Most of them (RASL) refer to pictures before that key frame: where decoding begins there, they cannot be shown.
    H.264 has none: there every key frame (IDR) is shown before all that follows it.
    """
    if parameters.codec != "h265":
        return False
    at = 0
    while at + 4 < len(data):
        kind = data[at + 4] >> 1 & 63
        if kind < _FIRST_NOT_SLICE:
            return kind in _LEADING
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return False


@dataclass(frozen=True, slots=True)
class SoundParameters:
    """What a decoder of AAC must know before the first frame: compared by value."""

    config: bytes
    """AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) as the camera sent it."""
    sample_rate: int
    channels: int
    frame_samples: int = 1024
    """Samples of each channel in one coded frame: 1024, rarely 960."""

    @property
    def codec_string(self) -> str:
        """The codec as RFC 6381 §3.3 writes it: MPEG-4 audio, AAC-LC."""
        return "mp4a.40.2"


@dataclass(slots=True)
class SoundUnit:
    """One coded frame of sound as it lies in an MP4 sample."""

    time: int
    """When it is heard, in samples of the camera's sound clock, unwrapped; may start anywhere."""
    pts: int
    """The same moment on the time of the pictures (`AccessUnit.pts`), as well as it is known when it arrives."""
    data: bytes
    arrived_ns: int
    """Monotonic clock at which it was read from the socket."""
