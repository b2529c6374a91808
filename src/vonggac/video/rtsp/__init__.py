"""An RTSP and RTP client: parsers and state machines without I/O, and a thin asyncio shell around them.

`RtspConnection` plays a camera on an event loop; `RtspSession` is the same without a socket. What comes of it are
`AccessUnit`s (`vonggac.video.stream`); what goes wrong is an `RtspError` with a reason and plain words.
"""

from vonggac.video.rtsp.address import CameraAddress, hide_secrets
from vonggac.video.rtsp.client import MIN_BUFFER, STALL_S, RtspConnection, receive_window
from vonggac.video.rtsp.description import ArrivedReport, StreamDescription
from vonggac.video.rtsp.errors import Reason, RtspError
from vonggac.video.rtsp.h264 import H264Depacketiser
from vonggac.video.rtsp.h265 import H265Depacketiser
from vonggac.video.rtsp.rtcp import SenderReport
from vonggac.video.rtsp.session import RtspSession
from vonggac.video.rtsp.transport import LowerTransport

__all__ = [
    "MIN_BUFFER",
    "STALL_S",
    "ArrivedReport",
    "CameraAddress",
    "H264Depacketiser",
    "H265Depacketiser",
    "LowerTransport",
    "Reason",
    "RtspConnection",
    "RtspError",
    "RtspSession",
    "SenderReport",
    "StreamDescription",
    "hide_secrets",
    "receive_window",
]
