"""A session without a socket, and the camera's part of the talk, written down by the test."""

from __future__ import annotations

import re

from vonggac.video.rtsp.address import CameraAddress
from vonggac.video.rtsp.session import RtspSession


class Talk:
    """A session and the camera's part of the talk, written down by the test."""

    def __init__(self, url: str = "rtsp://admin:s3cret@camera/live?x=1", sdp: str = "", **options: object) -> None:
        self.pictures: list = []
        self.sdp = sdp
        self.session = RtspSession(CameraAddress.parse(url), on_access_unit=self.pictures.append, **options)
        self.asked = ""

    def start(self) -> Talk:
        self.session.start()
        return self.listen()

    def listen(self) -> Talk:
        self.asked = self.session.take_output().decode()
        return self

    @property
    def first(self) -> str:
        return self.asked.split("\r\n")[0]

    def header(self, name: str) -> str | None:
        match = re.search(rf"^{name}: (.*)\r$", self.asked, re.MULTILINE)
        return match[1] if match else None

    def say(self, data: bytes, now_ns: int = 0) -> Talk:
        assert self.session.receive(memoryview(data), len(data), now_ns) == len(data)
        return self.listen()

    def reply(self, status: str = "200 OK", *headers: str, body: str = "", now_ns: int = 0) -> Talk:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {self.header('CSeq')}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return self.say(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), now_ns)

    def to_setup(self, *headers: str) -> Talk:
        return self.start().reply("200 OK", "Public: OPTIONS, GET_PARAMETER").reply("200 OK", *headers, body=self.sdp)

    def playing(self, session: str = "Session: 42;timeout=30") -> Talk:
        self.to_setup().reply("200 OK", "Transport: RTP/AVP/TCP;interleaved=0-1", session)
        self.reply("200 OK")
        assert self.session.state == "playing"
        return self
