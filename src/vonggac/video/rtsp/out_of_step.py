"""The way back into a stream that has lost its step: what to look for, and when to give up. No I/O."""

from __future__ import annotations

import re

from vonggac.video.rtsp.errors import RtspError

MAX_SKIPPED = 65_536
"""Bytes between packets that are passed over, from one picture to the next, before the stream is given up."""
SHORTEST_SIGN = 9
"""Letters that begin a reply, "RTSP/1.0 "; of a packet five bytes are enough."""


def next_sign(view: memoryview, pos: int, end: int, channels: bytes) -> int:
    """Return where, behind view[pos], something begins that looks like a message or a packet of these channels.

    Where nothing does: the place behind which it may still begin with the bytes to come.
    """
    sign = re.compile(rb"RTSP/1\.[01] |\$[" + re.escape(channels) + rb"]..[\x80-\xbf]", re.DOTALL)
    found = sign.search(view[:end], pos + 1)
    return found.start() if found else max(pos, end - SHORTEST_SIGN + 1)


class PassedOver:
    """Counts bytes that are no packet and no message."""

    def __init__(self) -> None:
        self._bytes = self._picture = 0

    def add(self, count: int, pictures: int) -> None:
        """Count more of them, after so many pictures; RtspError where they do not end."""
        self._bytes = (self._bytes if pictures == self._picture else 0) + count
        self._picture = pictures
        if self._bytes > MAX_SKIPPED:
            raise RtspError("protocol", "The camera sends bytes that are no RTSP: the stream has lost its step.")
