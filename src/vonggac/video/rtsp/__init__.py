"""An RTSP and RTP client: parsers and state machines without I/O, and a thin asyncio shell around them."""
