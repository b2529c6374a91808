"""The track of pictures in a description: which can be recorded, what takes its packets, or why there is none."""

from __future__ import annotations

from collections.abc import Callable

from vonggac.video.rtsp import sdp
from vonggac.video.rtsp.depacketiser import Depacketiser
from vonggac.video.rtsp.errors import RtspError, quoted
from vonggac.video.rtsp.h264 import H264Depacketiser
from vonggac.video.rtsp.h265 import H265Depacketiser
from vonggac.video.stream import AccessUnit

_CODECS = {"H264": "h264", "H265": "h265", "HEVC": "h265"}
_CODECS_WITHOUT_RECORDING = {"MP4V-ES": "MPEG-4", "JPEG": "Motion JPEG", "MPV": "MPEG-2", "AV1": "AV1"}


def codec_of(video: sdp.Media) -> str:
    """Return our name of the codec of a stream that is `recordable`."""
    return _CODECS[video.encoding]


def recordable(media: sdp.Media) -> bool:
    """Whether a described stream is one that can be recorded."""
    secured = media.protocol.startswith("RTP/SAVP")
    return media.kind == "video" and media.encoding in _CODECS and media.payload_type >= 0 and not secured


def depacketiser_for(
    video: sdp.Media, channel: int, on_access_unit: Callable[[AccessUnit], None], oddities: set[str]
) -> Depacketiser:
    """Return what takes the packets of a described stream that is `recordable`."""
    depacketiser = (H265Depacketiser if codec_of(video) == "h265" else H264Depacketiser)(
        on_access_unit,
        channel=channel,
        payload_type=video.payload_type,
        parameter_sets=video.parameter_sets,
        declared_fps=video.framerate,
        oddities=oddities,
    )
    if isinstance(depacketiser, H265Depacketiser):
        depacketiser.order_numbers = video.format.get("sprop-max-don-diff", "0").strip("0") != ""
    return depacketiser


def nothing_to_record(description: sdp.SessionDescription) -> RtspError:
    """Say why a description holds no video that can be recorded, and what to do."""
    videos = [media for media in description.media if media.kind == "video"]
    if not videos:
        found = ", ".join(media.name for media in description.media) or "nothing"
        return RtspError("unsupported", f"There is no video at this address, only: {found}. Check the path.")
    codec = _CODECS_WITHOUT_RECORDING.get(videos[0].encoding, quoted(videos[0].encoding, 24) or "an unnamed codec")
    if videos[0].protocol.startswith("RTP/SAVP"):
        return RtspError("unsupported", "The camera encrypts its pictures (SRTP). Switch that off in the camera.")
    return RtspError("unsupported", f"The camera sends {codec}, which cannot be recorded. Set it to H.264 or H.265.")
